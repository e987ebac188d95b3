/* limits.h - what a measurement is held against: this machine's own speed, measured in the same run. */
#ifndef INGOT_TESTS_LIMITS_H
#define INGOT_TESTS_LIMITS_H

#include "runtime/kernels/kernels.h"

enum { MAX_THREADS = 2, N_SAMPLES = 9 };

_Noreturn void bench_die(const char *what);
double bench_now(void); /* seconds, monotonic */
void bench_sort(double *values, size_t n);

typedef void work_fn(void *ctx, size_t thread, size_t n_threads);

/* The same on n_threads <= MAX_THREADS threads; seconds from the first beginning to the last end. */
double run_together(work_fn *work, void *ctx, size_t n_threads);

/* GFLOP/s of the widest fused multiply-add that this program has kernels for; 0 when it has none. */
double limits_gflops(const struct rung *rung, size_t n_threads);

/* GB/s of reading n_bytes, 4 streams per thread with prefetch; the best of some passes. */
double limits_reading(const void *bytes, size_t n_bytes, size_t n_threads);

#endif
