/* limits.c - what a measurement is held against: this machine's own speed, measured in the same run. */
#include "tests/bench/limits.h"

#include "runtime/kernels/peak.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(5);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
}

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------ the same on all threads */

struct crew {
    work_fn *work;
    void *ctx;
    size_t n_threads;
    pthread_barrier_t start;
    double began[MAX_THREADS], ended[MAX_THREADS];
};

struct worker {
    struct crew *crew;
    size_t thread;
};

static void *run_worker(void *argument)
{
    const struct worker *worker = argument;
    struct crew *crew = worker->crew;
    pthread_barrier_wait(&crew->start);
    crew->began[worker->thread] = bench_now();
    crew->work(crew->ctx, worker->thread, crew->n_threads);
    crew->ended[worker->thread] = bench_now();
    return NULL;
}

double run_together(work_fn *work, void *ctx, size_t n_threads)
{
    struct crew crew = { .work = work, .ctx = ctx, .n_threads = n_threads };
    struct worker workers[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    pthread_barrier_init(&crew.start, NULL, (unsigned)n_threads);
    for (size_t i = 0; i < n_threads; i++) {
        workers[i] = (struct worker){ &crew, i };
        if (pthread_create(&threads[i], NULL, run_worker, &workers[i])) bench_die("cannot start a thread");
    }
    double began = 1e300, ended = 0;
    for (size_t i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
        began = crew.began[i] < began ? crew.began[i] : began;
        ended = crew.ended[i] > ended ? crew.ended[i] : ended;
    }
    pthread_barrier_destroy(&crew.start);
    return ended - began;
}

/* --------------------------------------------------------------------------------------------- the machine's limits */

enum { FMA_TURNS = 2000000 };

struct fma {
    const struct rung *rung;
    double operations[MAX_THREADS];
};

static void fma_work(void *ctx, size_t thread, size_t n_threads)
{
    struct fma *fma = ctx;
    (void)n_threads;
    fma->operations[thread] = peak_fma(fma->rung, FMA_TURNS);
}

double limits_gflops(const struct rung *rung, size_t n_threads)
{
    struct fma fma = { .rung = rung };
    double best = 0;
    for (int i = 0; i < N_SAMPLES; i++) {
        const double seconds = run_together(fma_work, &fma, n_threads);
        const double speed = 1e-9 * fma.operations[0] * (double)n_threads / seconds;
        best = speed > best ? speed : best;
    }
    return best;
}

struct reading {
    const uint8_t *bytes;
    size_t n_bytes;
    uint64_t seen[MAX_THREADS]; /* so that reading has a result */
};

/* A thread reads one contiguous part. */
static void read_work(void *ctx, size_t thread, size_t n_threads)
{
    struct reading *reading = ctx;
    const size_t part_bytes = reading->n_bytes / n_threads / 64 * 64;
    reading->seen[thread] = peak_read(reading->bytes + thread * part_bytes, part_bytes);
}

double limits_reading(const void *bytes, size_t n_bytes, size_t n_threads)
{
    struct reading reading = { .bytes = bytes, .n_bytes = n_bytes };
    double best = 0;
    for (int i = 0; i < N_SAMPLES; i++) {
        const double speed = 1e-9 * (double)n_bytes / run_together(read_work, &reading, n_threads);
        best = speed > best ? speed : best;
    }
    return best;
}
