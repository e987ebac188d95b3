/*
 * bench_kernels.c - how near "panels times rows" comes to what the machine can do.
 *
 *   bench_kernels [--json] [--cpu NAME] [--dtype NAME] [--rows N]
 *
 * Two limits are measured first, for 1 thread and for 2: fused multiply-adds on registers (GFLOP/s), and reading, 4
 * streams per thread with prefetch (GB/s), over a mapped file and over anonymous memory. Then every kernel runs over
 * the shapes of GPT-2 "117M". Weights lie in the mapped file and every multiplication takes the next ones, as decoding
 * does, so no cache holds them. A thread takes a contiguous half of the panels. The speeds are the median, least and
 * largest of several samples; the limit of a case is the longer of the times that its bytes and its operations need.
 * q8 and q4 are held to the same fused multiply-adds, though they multiply bytes: above 100 % is what that gains.
 */
#include "tests/bench/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/layout.h"

enum {
    LANES = INGOT_PANEL_LANES,
    MAX_ROWS = 512,
    MAX_IN = 3072,
    MAX_OUT = 50257 + LANES,
};
static const size_t weight_bytes = (size_t)512 << 20;
static const double sample_seconds = 0.03;

/* --------------------------------------------------------------------------------------------------------- operands */

/* 16-bit patterns that are ordinary numbers as f16, as bf16 and in pairs as f32. */
static void fill_weights(void *bytes)
{
    uint16_t *w = bytes;
    uint32_t state = 1;
    for (size_t i = 0; i < weight_bytes / 2; i++) {
        state = state * 1664525u + 1013904223u;
        w[i] = (uint16_t)(0x3800 | (state >> 16 & 0x83ff));
    }
}

static void *map_anonymous(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (map == MAP_FAILED) bench_die("mmap");
    return map;
}

/* A mapped file without a name, as weights are mapped when a model runs. */
static void *map_file(const void *content)
{
    char path[] = "bench_kernels.XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0) bench_die("cannot create a file here");
    unlink(path);
    for (size_t done = 0; done < weight_bytes;) {
        const ssize_t n = write(fd, (const char *)content + done, weight_bytes - done);
        if (n <= 0) bench_die("write");
        done += (size_t)n;
    }
    void *map = mmap(NULL, weight_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED) bench_die("mmap");
    close(fd);
    return map;
}

/* Rows as long as the longest that is needed. */
static struct quant_rows quantise_all(const struct quant_kernels *kernels, const float *x)
{
    enum { BLOCKS = MAX_IN / INGOT_QUANT_BLOCK };
    int8_t *codes = map_anonymous((size_t)MAX_ROWS * MAX_IN);
    float *scales = map_anonymous((size_t)MAX_ROWS * BLOCKS * sizeof *scales);
    int32_t *sums = map_anonymous((size_t)MAX_ROWS * BLOCKS * sizeof *sums);
    for (size_t r = 0; r < MAX_ROWS; r++)
        kernels->quantise(x + r * MAX_IN, MAX_IN, codes + r * MAX_IN, scales + r * BLOCKS, sums + r * BLOCKS);
    return (struct quant_rows){ codes, scales, sums, MAX_IN, BLOCKS };
}

/* ----------------------------------------------------------------------------------------------------------- a case */

struct shape {
    const char *name;
    size_t n_out, n_in;
};

static const struct shape shapes[] = {
    { "qkv", 2304, 768 }, { "attn_out", 768, 768 }, { "up", 3072, 768 }, { "down", 768, 3072 }, { "head", 50257, 768 },
};
static const size_t row_counts[] = { 1, 2, 4, 8, 16, 128, 512 };

static const struct format {
    enum ingot_dtype dtype;
    const char *name;
} formats[] = {
    { INGOT_F32, "f32" }, { INGOT_F16, "f16" }, { INGOT_BF16, "bf16" }, { INGOT_Q8, "q8" }, { INGOT_Q4, "q4" }
};

struct bench {
    const struct rung *rung;
    const uint8_t *weights;
    float *x, *y;
    struct quant_rows quantised; /* x, as q8 and q4 take it */
    enum ingot_dtype dtype;
    const struct shape *shape;
    size_t n_rows, panel_bytes, n_panels;
    size_t first, count; /* multiplications of this sample, numbered on through the weights */
};

/* Panels from the p-th on times all rows. */
static void run_panels(const struct bench *b, const uint8_t *w, size_t p, size_t n_panels)
{
    const struct kernels *f = b->rung->kernels;
    const struct quant_kernels *q = b->rung->quant;
    const size_t n_in = b->shape->n_in, y_stride = b->n_panels * LANES;
    float *y = b->y + p * LANES;
    w += p * b->panel_bytes;
    switch (b->dtype) {
    case INGOT_F16:
        f->panels_f16(w, b->panel_bytes, n_panels, n_in, b->x, n_in, b->n_rows, y, y_stride);
        break;
    case INGOT_BF16:
        f->panels_bf16(w, b->panel_bytes, n_panels, n_in, b->x, n_in, b->n_rows, y, y_stride);
        break;
    case INGOT_Q8:
        q->panels_q8(w, b->panel_bytes, n_panels, n_in, &b->quantised, b->n_rows, y, y_stride);
        break;
    case INGOT_Q4:
        q->panels_q4(w, b->panel_bytes, n_panels, n_in, &b->quantised, b->n_rows, y, y_stride);
        break;
    default:
        f->panels_f32(w, b->panel_bytes, n_panels, n_in, b->x, n_in, b->n_rows, y, y_stride);
    }
}

static void panels_work(void *ctx, size_t thread, size_t n_threads)
{
    const struct bench *b = ctx;
    const size_t matrix_bytes = b->n_panels * b->panel_bytes, n_matrices = weight_bytes / matrix_bytes;
    const size_t p = b->n_panels * thread / n_threads, p_end = b->n_panels * (thread + 1) / n_threads;
    for (size_t i = b->first; i < b->first + b->count; i++)
        run_panels(b, b->weights + i % n_matrices * matrix_bytes, p, p_end - p);
}

/* Seconds per multiplication, ascending. */
static void measure_panels(struct bench *b, size_t n_threads, double seconds[N_SAMPLES])
{
    b->first = 0, b->count = 1;
    const double once = run_together(panels_work, b, n_threads);
    b->first = 1, b->count = 1 + (size_t)(sample_seconds / once);
    for (int i = 0; i < N_SAMPLES; i++, b->first += b->count)
        seconds[i] = run_together(panels_work, b, n_threads) / (double)b->count;
    bench_sort(seconds, N_SAMPLES);
}

/* ----------------------------------------------------------------------------------------------------------- report */

struct limits {
    double flops[MAX_THREADS], mapped[MAX_THREADS], anonymous[MAX_THREADS];
};

static void report_limits(const struct limits *limits, const char *cpu, bool json)
{
    if (json) printf("{\"schema\": 1, \"cpu\": \"%s\", \"limits\": [", cpu);
    for (size_t t = 0; t < MAX_THREADS; t++)
        printf(json ? "%s{\"threads\": %zu, \"gflops\": %.1f, \"gb_per_s_mapped\": %.2f, \"gb_per_s_anonymous\": %.2f}"
                    : "%s%zu thread(s): %7.1f GFLOP/s, reads %6.2f GB/s mapped, %6.2f GB/s anonymous\n",
               json && t ? ", " : "", t + 1, limits->flops[t], limits->mapped[t], limits->anonymous[t]);
    if (json)
        printf("], \"cases\": [");
    else
        printf("\n%-7s %-5s %-9s %4s %3s %24s %9s %8s\n", "kernel", "dtype", "shape", "rows", "thr",
               "GFLOP/s (least..most)", "GB/s", "of limit");
}

static void report_case(const struct bench *b, const char *dtype, size_t n_threads, const struct limits *limits,
                        const double seconds[N_SAMPLES], bool json, bool first)
{
    const double gflop = 2e-9 * (double)b->shape->n_out * (double)b->shape->n_in * (double)b->n_rows;
    const double gb = 1e-9 * (double)b->n_panels * (double)b->panel_bytes;
    const double compute = gflop / limits->flops[n_threads - 1], read = gb / limits->mapped[n_threads - 1];
    const double median = seconds[N_SAMPLES / 2], limit = compute > read ? compute : read;
    if (json)
        printf("%s\n{\"kernel\": \"%s\", \"dtype\": \"%s\", \"n_out\": %zu, \"n_in\": %zu, \"rows\": %zu, "
               "\"threads\": %zu, \"gflops\": {\"min\": %.1f, \"median\": %.1f, \"max\": %.1f}, "
               "\"gb_per_s\": %.2f, \"bound\": \"%s\", \"of_limit\": %.3f}",
               first ? "" : ",", b->rung->name, dtype, b->shape->n_out, b->shape->n_in, b->n_rows, n_threads,
               gflop / seconds[N_SAMPLES - 1], gflop / median, gflop / seconds[0], gb / median,
               compute > read ? "compute" : "memory", limit / median);
    else
        printf("%-7s %-5s %-9s %4zu %3zu %8.1f (%6.1f..%6.1f) %9.2f %6.0f %% %s\n", b->rung->name, dtype,
               b->shape->name, b->n_rows, n_threads, gflop / median, gflop / seconds[N_SAMPLES - 1], gflop / seconds[0],
               gb / median, 100 * limit / median, compute > read ? "compute" : "memory");
    fflush(stdout);
}

struct options {
    bool json;
    const char *cpu, *dtype;
    size_t rows;
};

static void set_case(struct bench *b, enum ingot_dtype dtype, const struct shape *shape, size_t n_rows)
{
    b->dtype = dtype;
    b->shape = shape;
    b->n_rows = n_rows;
    b->panel_bytes = panel_bytes(dtype, shape->n_in);
    b->n_panels = (shape->n_out + LANES - 1) / LANES;
}

static void run_cases(struct bench *b, const struct options *options, const struct limits *limits)
{
    bool first = true;
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            for (size_t r = 0; r < sizeof row_counts / sizeof row_counts[0]; r++)
                for (size_t n_threads = 1; n_threads <= MAX_THREADS; n_threads++) {
                    if (options->dtype && strcmp(options->dtype, formats[f].name) != 0) continue;
                    if (options->rows && options->rows != row_counts[r]) continue;
                    set_case(b, formats[f].dtype, &shapes[s], row_counts[r]);
                    double seconds[N_SAMPLES];
                    measure_panels(b, n_threads, seconds);
                    report_case(b, formats[f].name, n_threads, limits, seconds, options->json, first);
                    first = false;
                }
    if (options->json) printf("\n]}\n");
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = { 0 };
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--cpu") == 0 && has_value) {
            options.cpu = argv[++i];
        } else if (strcmp(argv[i], "--dtype") == 0 && has_value) {
            options.dtype = argv[++i];
        } else if (strcmp(argv[i], "--rows") == 0 && has_value) {
            options.rows = strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: bench_kernels [--json] [--cpu NAME] [--dtype NAME] [--rows N]\n");
            exit(2);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    const struct options options = parse_options(argc, argv);
    struct bench b = { .rung = kernels_select(options.cpu) };
    if (!b.rung) {
        fprintf(stderr, "bench_kernels: this machine has no kernels named %s\n", options.cpu);
        return 4;
    }
    void *anonymous = map_anonymous(weight_bytes);
    fill_weights(anonymous);
    b.weights = map_file(anonymous);

    struct limits limits;
    for (size_t t = 0; t < MAX_THREADS; t++) {
        limits.flops[t] = limits_gflops(b.rung, t + 1);
        limits.mapped[t] = limits_reading(b.weights, weight_bytes, t + 1);
        limits.anonymous[t] = limits_reading(anonymous, weight_bytes, t + 1);
    }
    munmap(anonymous, weight_bytes);
    report_limits(&limits, b.rung->name, options.json);

    b.x = map_anonymous((size_t)MAX_ROWS * MAX_IN * sizeof *b.x);
    b.y = map_anonymous((size_t)MAX_ROWS * MAX_OUT * sizeof *b.y);
    for (size_t i = 0; i < (size_t)MAX_ROWS * MAX_IN; i++) b.x[i] = (float)(i % 7) - 3.0f;
    b.quantised = quantise_all(b.rung->quant, b.x);
    run_cases(&b, &options, &limits);
    return 0;
}
