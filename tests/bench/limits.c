/* limits.c - what a measurement is held against: this machine's own speed, measured in the same run. */
#include "tests/bench/limits.h"

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

/* ------------------------------------------------------------------------------------------- the same on all threads
 */

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

/* ------------------------------------------------------------------------------------------------ the machine's limits
 */

enum { FMA_ROUNDS = 2000000, FMA_CHAINS = 12 };

/* 12 independent chains on registers; the assembly keeps the compiler from seeing that nothing is computed. */
#if defined(__x86_64__)
#define FMA_CHAIN(reg, n) "vfmadd231ps %%" reg #n ", %%" reg #n ", %%" reg #n "\n\t"
#define FMA_ROUND(reg)                                                                                                 \
    FMA_CHAIN(reg, 0)                                                                                                  \
    FMA_CHAIN(reg, 1)                                                                                                  \
    FMA_CHAIN(reg, 2)                                                                                                  \
    FMA_CHAIN(reg, 3)                                                                                                  \
    FMA_CHAIN(reg, 4)                                                                                                  \
    FMA_CHAIN(reg, 5)                                                                                                  \
    FMA_CHAIN(reg, 6) FMA_CHAIN(reg, 7) FMA_CHAIN(reg, 8) FMA_CHAIN(reg, 9) FMA_CHAIN(reg, 10) FMA_CHAIN(reg, 11)
#define FMA_CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11"

static void fma_work(void *ctx, size_t thread, size_t n_threads)
{
    (void)thread, (void)n_threads;
    const bool wide = *(const size_t *)ctx == 16;
    __asm__ volatile("vzeroall" ::: FMA_CLOBBERS);
    for (size_t i = 0; i < FMA_ROUNDS; i++)
        if (wide)
            __asm__ volatile(FMA_ROUND("zmm")::: FMA_CLOBBERS);
        else
            __asm__ volatile(FMA_ROUND("ymm")::: FMA_CLOBBERS);
    __asm__ volatile("vzeroupper" ::: "memory");
}
#endif

double limits_gflops(const struct rung *rung, size_t n_threads)
{
    double best = 0;
#if defined(__x86_64__)
    size_t width = rung->kernels == &kernels_avx512 ? 16 : rung->kernels == &kernels_avx2 ? 8 : 0;
    for (int i = 0; width && i < N_SAMPLES; i++) {
        const double seconds = run_together(fma_work, &width, n_threads);
        const double speed = 2e-9 * (double)(FMA_ROUNDS * (uint64_t)FMA_CHAINS * width * n_threads) / seconds;
        best = speed > best ? speed : best;
    }
#else
    (void)rung, (void)n_threads;
#endif
    return best;
}

typedef uint64_t line_part __attribute__((vector_size(16)));

struct reading {
    const uint8_t *bytes;
    size_t n_bytes;
    uint64_t seen[MAX_THREADS]; /* so that reading has a result */
};

/* A thread reads one contiguous part, in pieces of 4 streams; while it reads a piece it prefetches the next. */
static void read_work(void *ctx, size_t thread, size_t n_threads)
{
    enum { STREAMS = 4, STREAM_BYTES = 24576, PIECE_BYTES = STREAMS * STREAM_BYTES };
    struct reading *reading = ctx;
    const size_t part_bytes = reading->n_bytes / n_threads;
    const uint8_t *piece = reading->bytes + thread * part_bytes;
    line_part sum[STREAMS] = { { 0 } };
    for (size_t left = part_bytes; left >= PIECE_BYTES; left -= PIECE_BYTES, piece += PIECE_BYTES)
        for (size_t i = 0; i < STREAM_BYTES; i += 64)
            for (size_t stream = 0; stream < STREAMS; stream++) {
                const line_part *line = (const line_part *)(const void *)(piece + stream * STREAM_BYTES + i);
                __builtin_prefetch((const void *)((uintptr_t)line + PIECE_BYTES), 0, 2);
                sum[stream] ^= line[0] ^ line[1] ^ line[2] ^ line[3];
            }
    reading->seen[thread] = sum[0][0] ^ sum[1][1] ^ sum[2][0] ^ sum[3][1];
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
