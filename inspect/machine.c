/* machine.c - the same loop on all threads of a pool, from the first beginning to the last end. */
#include "inspect/machine.h"

#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "runtime/kernels/peak.h"

#include <math.h>
#include <stdlib.h>

#define LINE     64u
#define FEW      1000u /* turns, to see how many take a moment */
#define MOMENT_S 0.002
#define MOMENTS  5u /* of which the best counts: in the others somebody else had the core */

struct thread_time {
    double begin, end, operations;
    uint64_t seen; /* so that reading has a result */
};

struct run {
    struct pool *pool;
    const struct rung *rung;
    double (*peak)(const struct rung *rung, uint64_t n); /* NULL: read */
    uint64_t n;                                          /* turns, or bytes */
    const uint8_t *bytes;
    struct thread_time *times; /* of each thread */
};

static void work(void *ctx, uint32_t thread)
{
    struct run *run = ctx;
    struct thread_time *time = &run->times[thread];
    const uint64_t part = run->n / pool_size(run->pool) / LINE * LINE;
    pool_barrier(run->pool);
    time->begin = progress_now();
    if (run->peak)
        time->operations = run->peak(run->rung, run->n);
    else
        time->seen = peak_read(run->bytes + thread * part, part);
    time->end = progress_now();
}

/* Seconds; *operations is what all threads did. */
static double run_all(struct run *run, double *operations)
{
    const uint32_t n_threads = pool_size(run->pool);
    double begin = INFINITY, end = 0;
    run->times = memory_array(n_threads, sizeof *run->times);
    pool_run(run->pool, work, run);
    *operations = 0;
    for (uint32_t i = 0; i < n_threads; i++) {
        begin = fmin(begin, run->times[i].begin);
        end = fmax(end, run->times[i].end);
        *operations += run->times[i].operations;
    }
    free(run->times);
    return end - begin;
}

double machine_read(struct pool *pool, const void *bytes, size_t n)
{
    struct run run = { .pool = pool, .n = n, .bytes = bytes };
    double operations;
    const size_t n_read = n / pool_size(pool) / LINE * LINE * pool_size(pool);
    const double seconds = run_all(&run, &operations);
    return seconds > 0 ? (double)n_read / seconds : 0;
}

static double peak_rate(struct pool *pool, const struct rung *rung, double (*peak)(const struct rung *, uint64_t))
{
    struct run run = { .pool = pool, .rung = rung, .peak = peak, .n = FEW };
    double operations;
    double seconds = run_all(&run, &operations);
    if (operations <= 0) return 0;
    double best = 0;
    run.n = (uint64_t)(FEW * fmin(1e6, MOMENT_S / fmax(seconds, 1e-9))) + 1;
    for (unsigned i = 0; i < MOMENTS; i++) {
        seconds = run_all(&run, &operations);
        if (seconds > 0) best = fmax(best, operations / seconds);
    }
    return best;
}

double machine_fma(struct pool *pool, const struct rung *rung)
{
    return peak_rate(pool, rung, peak_fma);
}

double machine_integer(struct pool *pool, const struct rung *rung)
{
    return peak_rate(pool, rung, peak_integer);
}

double machine_fast(struct pool *pool, const struct rung *rung)
{
    return kernels_fast(rung) ? peak_rate(pool, rung, peak_fast) : 0;
}
