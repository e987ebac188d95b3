/*
 * bench_model.c - tokens per second of whole models, beside what this machine's memory and arithmetic allow.
 *
 *   bench_model FILE...                 a table
 *   bench_model --raw THREADS FILE...   one line per measurement: FILE THREADS WHAT TOKENS/S, for peers.sh
 *
 * For 1 and 2 threads, in rounds, so that a slow minute of the machine touches every figure: prefill of half the
 * context (at most 512), decoding right behind it, decoding in an empty context. The limit of decoding is the bytes
 * that a token must read (weights and cache) over the reading speed of the same threads over the same mapped file; the
 * limit of prefill is its multiply-adds over the speed of multiply-adds on registers. All measured in this run.
 */
#include "runtime/ingot_runtime.h"
#include "tests/bench/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, DECODED = 32, MAX_PREFILL = 512, OPENINGS = 101 };

struct bench {
    const char *path;
    struct ingot_file *file;
    struct ingot_model *model;
    struct ingot_session *session;
    const struct ingot_hparams *hp;
    uint32_t ids[MAX_PREFILL];
    uint32_t n_prefill;
    float *logits;
    uint32_t n_threads;
    double gb_per_s, gflops; /* the machine's */
};

/* Tokens per second, by round. */
struct speeds {
    double prefill[ROUNDS], deep[ROUNDS], empty[ROUNDS];
};

static void check(enum ingot_status status, const struct ingot_error *err)
{
    if (status == INGOT_OK) return;
    fprintf(stderr, "bench_model: %s: %s\n", err->subject, err->message);
    exit(3);
}

static const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void open_model(struct bench *b)
{
    struct ingot_error err = { 0 };
    check(ingot_open(b->path, INGOT_OPEN_MAP, &b->file, &err), &err);
    check(ingot_model_open(b->file, NULL, &b->model, &err), &err);
    b->hp = ingot_model_hparams(b->model);
    b->n_prefill = b->hp->n_ctx / 2 < MAX_PREFILL ? b->hp->n_ctx / 2 : MAX_PREFILL;
    b->logits = calloc(b->hp->n_vocab, sizeof *b->logits);
    if (!b->logits) bench_die("calloc");
    for (uint32_t i = 0; i < MAX_PREFILL; i++) b->ids[i] = (uint32_t)(UINT64_C(7919) * i % b->hp->n_vocab);
}

/* Validating the file and binding its tensors, many times over. */
static void report_opening(const char *path)
{
    struct ingot_error err = { 0 };
    double seconds[OPENINGS];
    for (int i = 0; i < OPENINGS; i++) {
        struct ingot_file *file;
        struct ingot_model *model;
        const double start = bench_now();
        check(ingot_open(path, INGOT_OPEN_MAP, &file, &err), &err);
        check(ingot_model_open(file, NULL, &model, &err), &err);
        seconds[i] = bench_now() - start;
        ingot_model_close(model);
        ingot_close(file);
    }
    bench_sort(seconds, OPENINGS);
    printf("open and bind %s: %.1f / %.1f / %.1f us\n", path_base(path), 1e6 * seconds[0], 1e6 * seconds[OPENINGS / 2],
           1e6 * seconds[OPENINGS - 1]);
}

static void start_session(struct bench *b, uint32_t n_threads)
{
    struct ingot_error err = { 0 };
    const struct ingot_session_options options = { .n_threads = n_threads };
    check(ingot_session_create(b->model, &options, &b->session, &err), &err);
    b->n_threads = n_threads;
    b->gb_per_s = 0;
    b->gflops = limits_gflops(kernels_select(ingot_model_cpu(b->model)), n_threads);
}

/* The machine's reading speed changes from one minute to the next: asked in every round, and the best counts. */
static void read_weights(struct bench *b)
{
    const uint32_t n = ingot_section_count(b->file);
    const struct ingot_section first = ingot_section_at(b->file, ingot_section_by_offset(b->file, 0));
    const struct ingot_section last = ingot_section_at(b->file, ingot_section_by_offset(b->file, n - 1));
    const double speed = limits_reading(first.data, last.data_off - first.data_off, b->n_threads);
    if (speed > b->gb_per_s) b->gb_per_s = speed;
}

static double prefill_speed(struct bench *b)
{
    struct ingot_error err = { 0 };
    ingot_session_rewind(b->session, 0);
    const double start = bench_now();
    check(ingot_session_eval(b->session, b->ids, b->n_prefill, INGOT_LOGITS_LAST, b->logits, &err), &err);
    return b->n_prefill / (bench_now() - start);
}

static double decode_speed(struct bench *b)
{
    struct ingot_error err = { 0 };
    const uint32_t room = b->hp->n_ctx - ingot_session_position(b->session);
    const uint32_t n = room < DECODED ? room : DECODED;
    const double start = bench_now();
    for (uint32_t i = 0; i < n; i++)
        check(ingot_session_eval(b->session, &b->ids[i % b->n_prefill], 1, INGOT_LOGITS_LAST, b->logits, &err), &err);
    return n / (bench_now() - start);
}

static void run_rounds(struct bench *b, struct speeds *speeds)
{
    (void)prefill_speed(b); /* touches every page once */
    for (int r = 0; r < ROUNDS; r++) {
        read_weights(b);
        speeds->prefill[r] = prefill_speed(b);
        speeds->deep[r] = decode_speed(b);
        ingot_session_rewind(b->session, 0);
        speeds->empty[r] = decode_speed(b);
    }
}

/* Tokens per second that memory allows with `depth` positions in the cache. */
static double decode_limit(const struct bench *b, uint32_t depth)
{
    const double cache = 2.0 * sizeof(float) * b->hp->n_layer * (double)depth * b->hp->n_embd;
    return 1e9 * b->gb_per_s / ((double)ingot_model_token_bytes(b->model) + cache);
}

/* Tokens per second that arithmetic allows: products with all matrices but the head, which runs once, and attention. */
static double prefill_limit(const struct bench *b)
{
    const double n = b->n_prefill, width = b->hp->n_embd;
    const double layer = 4 * width * width + 2 * width * b->hp->n_inner + width * (n + 1);
    const double flops = 2 * (b->hp->n_layer * layer + width * b->hp->n_vocab / n);
    return 1e9 * b->gflops / flops;
}

static void report(const struct bench *b, const char *what, double speeds[ROUNDS], double limit)
{
    bench_sort(speeds, ROUNDS);
    printf("%-20s %7u  %-14s %8.1f %8.1f %8.1f  %8.1f %5.0f %%\n", path_base(b->path), b->n_threads, what, speeds[0],
           speeds[ROUNDS / 2], speeds[ROUNDS - 1], limit, 100 * speeds[ROUNDS / 2] / limit);
    fflush(stdout);
}

static void bench_threads(struct bench *b, uint32_t n_threads)
{
    char what[32];
    struct speeds speeds;
    start_session(b, n_threads);
    run_rounds(b, &speeds);
    report(b, "decode at 0", speeds.empty, decode_limit(b, DECODED / 2));
    snprintf(what, sizeof what, "decode at %u", b->n_prefill);
    report(b, what, speeds.deep, decode_limit(b, b->n_prefill + DECODED / 2));
    snprintf(what, sizeof what, "prefill of %u", b->n_prefill);
    report(b, what, speeds.prefill, prefill_limit(b));
    ingot_session_close(b->session);
}

static void print_raw(const struct bench *b, const struct speeds *speeds)
{
    for (int r = 0; r < ROUNDS; r++) {
        printf("%s %u prefill-%u %.2f\n", b->path, b->n_threads, b->n_prefill, speeds->prefill[r]);
        printf("%s %u decode-%u %.2f\n", b->path, b->n_threads, b->n_prefill, speeds->deep[r]);
        printf("%s %u decode-0 %.2f\n", b->path, b->n_threads, speeds->empty[r]);
    }
}

static int raw(uint32_t n_threads, char **paths)
{
    for (; *paths; paths++) {
        struct bench b = { .path = *paths };
        struct speeds speeds;
        open_model(&b);
        start_session(&b, n_threads);
        run_rounds(&b, &speeds);
        print_raw(&b, &speeds);
        ingot_session_close(b.session);
        free(b.logits);
        ingot_model_close(b.model);
        ingot_close(b.file);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_model [--raw THREADS] FILE...\n");
        return 2;
    }
    if (argc > 3 && strcmp(argv[1], "--raw") == 0) return raw((uint32_t)atoi(argv[2]), argv + 3);
    for (int i = 1; i < argc; i++) report_opening(argv[i]);
    printf("\n%-20s %7s  %-14s %8s %8s %8s  %8s %7s\n", "tokens/s", "threads", "", "least", "median", "most", "limit",
           "reached");
    for (int i = 1; i < argc; i++) {
        struct bench b = { .path = argv[i] };
        open_model(&b);
        for (uint32_t n_threads = 1; n_threads <= MAX_THREADS; n_threads++) bench_threads(&b, n_threads);
        free(b.logits);
        ingot_model_close(b.model);
        ingot_close(b.file);
    }
    return 0;
}
