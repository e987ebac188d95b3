/*
 * bench.h - how fast a model runs here, case by case, and what this machine would allow.
 *
 * A case is measured once a round, so that a slow minute of the machine touches every case. The machine's limits are
 * measured in the same rounds with the same threads: reading the same mapped weights, and multiply-adds on registers.
 */
#ifndef INGOT_BENCH_H
#define INGOT_BENCH_H

#include "inspect/engine.h"
#include "runtime/kernels/kernels.h"

#define BENCH_LIST_MAX 16

enum bench_what {
    BENCH_PREFILL,  /* n tokens at once into an empty context, logits of the last */
    BENCH_PRODUCTS, /* of that only the products with the matrices of the layers */
    BENCH_DECODE,   /* n tokens one by one behind `depth` others */
    BENCH_PARALLEL, /* n tokens one by one in an empty context, in as many sessions as there are threads */
};

struct bench_list {
    uint32_t values[BENCH_LIST_MAX];
    size_t n;
};

struct bench_settings {
    struct bench_list threads, prefill, depths; /* ascending; what the context cannot hold is left out */
    uint32_t n_decoded, n_rounds;
    uint64_t seed;    /* of the ids that are fed */
    enum ingot_kv kv; /* the sessions' options */
    bool fast;
    ingot_progress_fn progress;
    void *progress_ctx;
};

/* Least, median and most. */
struct bench_spread {
    double least, median, most;
};

struct bench_case {
    enum bench_what what;
    uint32_t n_threads, n_tokens, depth;
    double *seconds;            /* [n_rounds], of n_tokens in each session */
    struct bench_spread speed;  /* tokens a second */
    double bytes;               /* read per token, weights and cache; 0 where many share them */
    double ops_matrix, ops_f32; /* per token: products with the weights, attention */
    double limit;               /* tokens a second that the machine's limits allow */
};

struct bench_machine {
    uint32_t n_threads;
    struct bench_spread read;  /* bytes a second */
    double fma, integer, fast; /* the most operations a second; 0 where there are no such instructions */
};

struct bench {
    const struct engine *engine;
    const struct bench_settings *settings;
    const struct rung *rung;
    const char *arithmetic;                        /* of prefill: engine_arithmetic() */
    bool fast;                                     /* that is not exact */
    enum ingot_dtype dtype, kv;                    /* of the layers' matrices; of the cache */
    struct bench_machine machines[BENCH_LIST_MAX]; /* by number of threads */
    struct bench_case *cases;
    size_t n_cases;
    uint32_t *ids;
    float *logits;
};

/* Free with bench_close(), after a failure too. */
enum ingot_status bench_run(const struct engine *engine, const struct bench_settings *settings, struct bench *out,
                            struct ingot_error *err);
void bench_close(struct bench *b);

/* Seconds from nothing to a bound model, to the first token within this process, and to the end of a process of its own
 * that prints one token (0 where it could not be started). The file is cached: the first of these is not counted. */
struct bench_start {
    struct bench_spread open, first_token, process;
};
enum ingot_status bench_start(const char *path, uint32_t n_rounds, struct bench_start *out, struct ingot_error *err);

#endif
