/* test_stats.c - the statistics of a file against straightforward loops over the values that `cat` would print. */
#include "format/bytes.h"
#include "inspect/stats.h"
#include "inspect/stats_figures.h"
#include "inspect/values.h"
#include "tests/unit/format_fixture.h"
#include "tests/unit/random.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define PATH_BYTES   (DIRECTORY_BYTES + 32)
#define MAX_TENSORS  40
#define HEADER_BYTES 8192

/* What another writes to while it is read, behind the header. */
#define CHANGED_OFF   ((size_t)4096)
#define CHANGED_BYTES ((size_t)64 << 10)

/* ------------------------------------------------------------------------------------------------------- a file */

/* A safetensors file in the making. */
struct made {
    char header[HEADER_BYTES];
    size_t n_header;
    uint8_t *bytes;
    size_t n_bytes;
};

static uint64_t seed = 1;

static void add(struct made *m, const char *name, const char *dtype, const char *shape, const void *bytes, size_t n)
{
    m->n_header += (size_t)snprintf(m->header + m->n_header, sizeof m->header - m->n_header,
                                    "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                                    m->n_header ? "," : "{", name, dtype, shape, m->n_bytes, m->n_bytes + n);
    m->bytes = realloc(m->bytes, m->n_bytes + n + 1);
    assert_non_null(m->bytes);
    if (n > 0) memcpy(m->bytes + m->n_bytes, bytes, n);
    m->n_bytes += n;
}

/* Any bits: of floats that is NaN, infinities and denormals too. */
static void add_bits(struct made *m, const char *name, const char *dtype, const char *shape, size_t n)
{
    uint8_t *bytes = malloc(n + 1);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(random_u64(&seed) >> 20);
    add(m, name, dtype, shape, bytes, n);
    free(bytes);
}

static double bell(void)
{
    double sum = -2;
    for (int i = 0; i < 4; i++) sum += (double)(random_u64(&seed) >> 11) * 0x1p-53;
    return sum;
}

static void add_floats(struct made *m, const char *name, const char *shape, size_t n, double mean, double std)
{
    float *v = malloc((n + 1) * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = (float)(mean + std * bell());
    add(m, name, "F32", shape, v, n * sizeof *v);
    free(v);
}

/* Weights that are as many as are counted. */
static void add_halves(struct made *m, const char *name, const char *dtype, const char *shape, size_t n)
{
    uint8_t *v = malloc(2 * n);
    for (size_t i = 0; i < n; i++) {
        const float value = (float)(0.001 + 0.02 * bell());
        put_u16(v + 2 * i, *dtype == 'F' ? ingot_f16_from_f32(value) : ingot_bf16_from_f32(value));
    }
    add(m, name, dtype, shape, v, 2 * n);
    free(v);
}

static void add_doubles(struct made *m, const char *name, const char *shape, size_t n, double mean, double std)
{
    double *v = malloc((n + 1) * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = mean + std * bell();
    add(m, name, "F64", shape, v, n * sizeof *v);
    free(v);
}

/* In three runs 1e16, 1 and -1e16, all else zero: what doubles alone would add up to 0. */
static void add_cancelling(struct made *m, const char *name)
{
    double v[6144] = { 0 };
    v[0] = 1e16;
    v[2048] = 1;
    v[4096] = -1e16;
    add(m, name, "F64", "6144", v, sizeof v);
}

/* Three runs whose squares are no doubles, of which one is all zeros or 1. */
static void add_beyond_squares(struct made *m, const char *name, double std, double last)
{
    double v[6144];
    for (size_t i = 0; i < 6144; i++) v[i] = i < 4096 ? std * bell() : last;
    add(m, name, "F64", "6144", v, sizeof v);
}

/* Rows 3 and 17, and column 5, stand out. */
static void add_outliers(struct made *m, const char *name)
{
    enum { ROWS = 40, COLS = 33 };
    float v[ROWS * COLS];
    for (size_t i = 0; i < ROWS * COLS; i++) {
        size_t row = i / COLS, col = i % COLS;
        double size = (row == 3 ? 20 : row == 17 ? 12 : 1) * (col == 5 ? 100 : 1);
        v[i] = (float)(size * (1 + 0.1 * bell()));
    }
    add(m, name, "F32", "1,40,33", v, sizeof v);
}

static void write_made(struct made *m, const char *path)
{
    uint8_t length[8];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    m->header[m->n_header++] = '}';
    put_u64(length, m->n_header);
    assert_int_equal(fwrite(length, 1, sizeof length, f), sizeof length);
    assert_int_equal(fwrite(m->header, 1, m->n_header, f), m->n_header);
    assert_int_equal(fwrite(m->bytes, 1, m->n_bytes, f), m->n_bytes);
    assert_int_equal(fclose(f), 0);
    free(m->bytes);
}

/* Every dtype, shapes that are not round, and what is easily forgotten. */
static void write_everything(const char *path)
{
    static const float special[] = { NAN, 1, INFINITY, -2, -INFINITY, 0, -0.0F, 1e-40F, -NAN, 3e38F };
    static const float lone = -0.02F;
    float same[5000];
    struct made m = { .n_header = 0 };
    for (size_t i = 0; i < 5000; i++) same[i] = 0.1F;
    add(&m, "special", "F32", "10", special, sizeof special);
    add(&m, "lone", "F32", "", &lone, sizeof lone);
    add(&m, "same", "F32", "50,100", same, sizeof same);
    add(&m, "nothing", "F32", "0", special, 0);
    add(&m, "no.rows", "F16", "0,7", special, 0);
    add(&m, "only.nan", "F32", "1", special, 4);
    add_floats(&m, "weights", "97,131", (size_t)97 * 131, 0, 0.02);
    add_floats(&m, "far.off", "3,5001", (size_t)3 * 5001, 1000, 0.001);
    add_floats(&m, "column", "999,1", 999, 0, 1);
    add_floats(&m, "narrow", "700,2", 1400, 0, 1);
    add_floats(&m, "cube", "3,41,7", (size_t)3 * 41 * 7, 0.5, 0.1);
    add_floats(&m, "jobs.matrix", "1370,769", (size_t)1370 * 769, 1e-4, 0.02);
    add_floats(&m, "jobs.vector", "1048601", 1048601, 0, 0.02);
    add_doubles(&m, "doubles", "51,67", (size_t)51 * 67, 1e-3, 1);
    add_doubles(&m, "doubles.huge", "5000", 5000, 1e300, 1e299);
    add_beyond_squares(&m, "huge.and.one", 1e290, 1);
    add_beyond_squares(&m, "tiny.and.zeros", 1e-200, 0);
    add_outliers(&m, "outliers");
    add_cancelling(&m, "cancelling");
    add_bits(&m, "bits.f32", "F32", "61,43", (size_t)61 * 43 * 4);
    add_bits(&m, "bits.f16", "F16", "61,43", (size_t)61 * 43 * 2);
    add_bits(&m, "bits.bf16", "BF16", "61,43", (size_t)61 * 43 * 2);
    add_bits(&m, "many.bits.f16", "F16", "67,1001", (size_t)67 * 1001 * 2);
    add_bits(&m, "many.bits.bf16", "BF16", "67,1001", (size_t)67 * 1001 * 2);
    add_halves(&m, "many.f16", "F16", "1201,907", (size_t)1201 * 907);
    add_halves(&m, "many.bf16", "BF16", "1201,907", (size_t)1201 * 907);
    add_bits(&m, "bits.e4m3", "F8_E4M3", "5,100", 500);
    add_bits(&m, "bits.e5m2", "F8_E5M2", "500", 500);
    add_bits(&m, "i8", "I8", "500", 500);
    add_bits(&m, "u8", "U8", "20,25", 500);
    add_bits(&m, "i16", "I16", "500", 1000);
    add_bits(&m, "u16", "U16", "500", 1000);
    add_bits(&m, "i32", "I32", "500", 2000);
    add_bits(&m, "u32", "U32", "500", 2000);
    add_bits(&m, "i64", "I64", "500", 4000);
    add_bits(&m, "u64", "U64", "500", 4000);
    add_bits(&m, "bool", "BOOL", "500", 500);
    add_bits(&m, "complex", "C64", "5", 40);
    write_made(&m, path);
}

/* ------------------------------------------------------------------------------------------------ plain loops */

struct plain {
    const struct checkpoint_tensor *t;
    double *all, *sorted; /* n_elems values, and the magnitudes of the finite ones */
    size_t n, n_finite;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct plain read_plainly(const struct checkpoint_tensor *t)
{
    struct plain p = { .t = t, .n = t->n_elems };
    uint32_t size = ingot_scalar_info(values_scalar(t))->bytes;
    uint8_t *bytes = malloc(p.n * size + 1);
    p.all = calloc(p.n + 1, sizeof *p.all);
    p.sorted = calloc(p.n + 1, sizeof *p.sorted);
    values_gather(t, 0, p.n, bytes);
    for (size_t i = 0; i < p.n; i++) {
        p.all[i] = values_number(values_scalar(t), bytes + i * size);
        if (isfinite(p.all[i])) p.sorted[p.n_finite++] = fabs(p.all[i]);
    }
    qsort(p.sorted, p.n_finite, sizeof *p.sorted, compare_doubles);
    free(bytes);
    return p;
}

static void assert_close(const char *name, const char *what, double found, double expected, double scale)
{
    if (!(fabs(found - expected) <= 1e-12 * fabs(scale)))
        fail_msg("%s: %s: %.17g instead of %.17g", name, what, found, expected);
}

/* 9 significant bits; f32's own steps where it has fewer, and its ends. */
static double cut(double magnitude)
{
    int exponent;
    double fraction = frexp(magnitude, &exponent);
    if (magnitude >= 0x1p128) return 0x1.FFp127;
    if (exponent < -125) return floor(ldexp(magnitude, 134)) * 0x1p-134;
    return ldexp(floor(fraction * 512), exponent - 9);
}

static void check_moments(const struct plain *p, const struct stats_figures *f)
{
    long double sum = 0, squares = 0;
    double min = INFINITY, max = -INFINITY, magnitudes = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!isfinite(p->all[i])) continue;
        sum += (long double)p->all[i];
        magnitudes += fabs(p->all[i]);
        min = fmin(min, p->all[i]);
        max = fmax(max, p->all[i]);
    }
    for (size_t i = 0; i < p->n; i++)
        if (isfinite(p->all[i]))
            squares += ((long double)p->all[i] - sum / p->n_finite) * ((long double)p->all[i] - sum / p->n_finite);
    double std = (double)sqrtl(squares / p->n_finite);
    assert_true(f->min == min && f->max == max);
    assert_close(p->t->name, "mean", f->mean, (double)(sum / p->n_finite), magnitudes / (double)p->n_finite);
    assert_close(p->t->name, "std", f->std, std, std > 1e-15 * magnitudes ? std : magnitudes);
}

static void check_counts(const struct plain *p, const struct stats_figures *f, double tiny)
{
    uint64_t n_nan = 0, n_pos_inf = 0, n_neg_inf = 0, n_zero = 0, n_denormal = 0;
    for (size_t i = 0; i < p->n; i++) {
        n_nan += isnan(p->all[i]) != 0;
        n_pos_inf += p->all[i] == INFINITY;
        n_neg_inf += p->all[i] == -INFINITY;
        n_zero += p->all[i] == 0;
        n_denormal += p->all[i] != 0 && fabs(p->all[i]) < tiny;
    }
    assert_int_equal(f->n, p->n);
    assert_int_equal(f->n_finite, p->n_finite);
    assert_int_equal(f->n_nan, n_nan);
    assert_int_equal(f->n_pos_inf, n_pos_inf);
    assert_int_equal(f->n_neg_inf, n_neg_inf);
    assert_int_equal(f->n_zero, n_zero);
    assert_int_equal(f->n_denormal, n_denormal);
}

static void check_quantiles(const struct plain *p, const struct stats_figures *f)
{
    static const double q[STATS_QUANTILES] = { 0.5, 0.9, 0.99, 0.999 };
    for (size_t i = 0; i < STATS_QUANTILES; i++) {
        size_t rank = 1;
        while ((double)rank < q[i] * (double)p->n_finite - 1e-6) rank++;
        double expected = fmax(cut(p->sorted[rank - 1]), p->sorted[0]);
        assert_close(p->t->name, "quantile", f->quantiles[i], expected, 0);
    }
    assert_true(f->abs_max == p->sorted[p->n_finite - 1]);
}

static void check_shapes(const struct plain *p, const struct stats_tensor *s)
{
    uint64_t bars[STATS_BARS] = { 0 }, octaves[STATS_OCTAVES] = { 0 };
    double min = s->figures.min, width = (s->figures.max - min) / STATS_BARS;
    for (size_t i = 0; i < p->n; i++) {
        double value = p->all[i], magnitude = cut(fabs(value));
        if (!isfinite(value)) continue;
        double at = width > 0 ? fmax(copysign(magnitude, value) - min, 0) / width : 0;
        bars[at < STATS_BARS ? (size_t)at : STATS_BARS - 1]++;
        int exponent = 0;
        frexp(magnitude, &exponent);
        if (value != 0) octaves[magnitude < 0x1p-126 ? 0 : exponent + 126]++;
    }
    assert_memory_equal(s->octaves, octaves, sizeof octaves);
    uint64_t moved = 0; /* a value at the edge of two bars may fall on either side by rounding */
    for (size_t i = 0; i < STATS_BARS; i++)
        moved += bars[i] > s->figures.histogram[i] ? bars[i] - s->figures.histogram[i] : 0;
    assert_in_range(moved, 0, width > 0 ? p->n / 50 : 0);
}

static void check_lines(const struct plain *p, const struct stats_lines *lines, size_t n, size_t step, size_t n_each,
                        size_t step_each)
{
    double *norms = calloc(n, sizeof *norms), *sorted = calloc(n, sizeof *sorted);
    uint64_t n_outliers = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_each; k++) {
            double value = p->all[i * step + k * step_each];
            norms[i] += isfinite(value) ? value * value : 0;
        }
        sorted[i] = norms[i] = sqrt(norms[i]);
    }
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    for (size_t i = 0; i < n; i++) n_outliers += norms[i] > 6 * median;
    assert_int_equal(lines->n, n);
    assert_int_equal(lines->n_outliers, n_outliers);
    assert_close(p->t->name, "median norm", lines->median, median, median);
    assert_close(p->t->name, "largest norm", lines->max, sorted[n - 1], sorted[n - 1]);
    for (size_t i = 0; i < n_outliers && i < STATS_OUTLIERS; i++)
        assert_close(p->t->name, "norm", lines->outliers[i].norm, norms[lines->outliers[i].index], lines->max);
    free(norms);
    free(sorted);
}

/* Without the dimensions of 1 in front. */
static bool is_matrix(const struct checkpoint_tensor *t, uint64_t *rows, uint64_t *cols)
{
    uint32_t first = 0;
    while (first < t->rank && t->shape[first] == 1) first++;
    if (t->rank - first != 2) return false;
    *rows = t->shape[first];
    *cols = t->shape[first + 1];
    return *rows > 1 && *cols > 1;
}

static double least_normal(const struct checkpoint_tensor *t)
{
    static const struct {
        const char *dtype;
        double least;
    } known[] = { { "F32", 0x1p-126 },  { "BF16", 0x1p-126 },  { "F16", 0x1p-14 },
                  { "F64", 0x1p-1022 }, { "F8_E4M3", 0x1p-6 }, { "F8_E5M2", 0x1p-14 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(t->dtype_name, known[i].dtype) == 0) return known[i].least;
    return 0;
}

static void check_tensor(void *ctx, const struct stats_tensor *s)
{
    size_t *n_checked = ctx;
    uint64_t rows, cols;
    assert_int_equal(s->number, (*n_checked)++);
    if (s->unreadable.status != INGOT_OK) {
        assert_string_equal(s->tensor.name, "complex");
        assert_int_equal(s->unreadable.status, INGOT_E_UNSUPPORTED);
        return;
    }
    struct plain p = read_plainly(&s->tensor);
    check_counts(&p, &s->figures, least_normal(&s->tensor));
    if (p.n_finite > 0) {
        check_moments(&p, &s->figures);
        check_quantiles(&p, &s->figures);
        check_shapes(&p, s);
    }
    if (is_matrix(&s->tensor, &rows, &cols)) {
        check_lines(&p, &s->rows, rows, cols, cols, 1);
        check_lines(&p, &s->cols, cols, 1, rows, cols);
    } else {
        assert_int_equal(s->rows.n + s->cols.n, 0);
    }
    free(p.all);
    free(p.sorted);
}

/* ------------------------------------------------------------------------------------------------------------ tests */

struct place {
    char directory[DIRECTORY_BYTES], path[PATH_BYTES];
    struct checkpoint cp;
    size_t *list;
};

static void open_place(struct place *p, void (*write)(const char *))
{
    struct ingot_error err = { 0 };
    make_directory(p->directory);
    snprintf(p->path, sizeof p->path, "%s/model", p->directory);
    write(p->path);
    if (checkpoint_open(p->path, &p->cp, &err) != INGOT_OK) fail_msg("%s", err.message);
    p->list = calloc(p->cp.n_tensors, sizeof *p->list);
    for (size_t i = 0; i < p->cp.n_tensors; i++) p->list[i] = i;
}

static void close_place(struct place *p)
{
    free(p->list);
    checkpoint_close(&p->cp);
    unlink(p->path);
    remove_directory(p->directory);
}

static void run(struct place *p, uint32_t n_threads, stats_fn each, void *ctx, struct stats_figures *total)
{
    const struct stats_options how = { .n_threads = n_threads, .each = each, .each_ctx = ctx };
    struct ingot_error err = { 0 };
    if (stats_run(&p->cp, p->list, p->cp.n_tensors, &how, total, &err) != INGOT_OK) fail_msg("%s", err.message);
}

/* Of all tests that only look; cmocka's own state would need a cast in each. */
static struct place everything;

static int make_everything(void **state)
{
    (void)state;
    open_place(&everything, write_everything);
    return 0;
}

static int remove_everything(void **state)
{
    (void)state;
    close_place(&everything);
    return 0;
}

static void every_dtype_and_shape_has_the_figures_of_plain_loops(void **state)
{
    struct stats_figures total;
    size_t n_checked = 0;
    (void)state;
    run(&everything, 1, check_tensor, &n_checked, &total);
    assert_int_equal(n_checked, everything.cp.n_tensors);
}

static void write_ingot(const char *path)
{
    write_sample(path, 5000000);
}

static void every_layout_of_the_container_has_the_figures_of_plain_loops(void **state)
{
    struct place p;
    struct stats_figures total;
    size_t n_checked = 0;
    (void)state;
    open_place(&p, write_ingot);
    run(&p, 1, check_tensor, &n_checked, &total);
    assert_int_equal(n_checked, p.cp.n_tensors);
    close_place(&p);
}

struct kept {
    struct stats_figures figures[MAX_TENSORS + 1]; /* the total is the last */
    struct stats_lines lines[MAX_TENSORS][2];
};

static void keep(void *ctx, const struct stats_tensor *s)
{
    struct kept *kept = ctx;
    kept->figures[s->number] = s->figures;
    kept->lines[s->number][0] = s->rows;
    kept->lines[s->number][1] = s->cols;
}

static void threads_change_no_bit(void **state)
{
    struct kept *kept = calloc(4, sizeof *kept);
    (void)state;
    assert_in_range(everything.cp.n_tensors, 1, MAX_TENSORS);
    for (uint32_t n = 0; n < 4; n++) run(&everything, n + 1, keep, &kept[n], &kept[n].figures[MAX_TENSORS]);
    for (uint32_t n = 1; n < 4; n++) assert_memory_equal(&kept[n], &kept[0], sizeof *kept);
    free(kept);
}

static void find_outliers(void *ctx, const struct stats_tensor *s)
{
    if (strcmp(s->tensor.name, "outliers") == 0) *(struct stats_tensor *)ctx = *s;
}

static void planted_outliers_are_found_the_largest_first(void **state)
{
    struct stats_figures total;
    struct stats_tensor found = { .number = 0 };
    (void)state;
    run(&everything, 1, find_outliers, &found, &total);
    assert_int_equal(found.cols.n_outliers, 1);
    assert_int_equal(found.cols.outliers[0].index, 5);
    assert_int_equal(found.rows.n_outliers, 2);
    assert_int_equal(found.rows.outliers[0].index, 3);
    assert_int_equal(found.rows.outliers[1].index, 17);
}

static void an_outlier_is_beyond_the_bound_and_of_equal_ones_the_first_comes_first(void **state)
{
    (void)state;
    double at_the_bound[] = { 1, 1, 1, (double)STATS_OUTLIER * STATS_OUTLIER };
    double equal[] = { 1, 50, 1, 1, 50, 1, 60 };
    assert_int_equal(stats_lines_of(at_the_bound, 4).n_outliers, 0);
    const struct stats_lines lines = stats_lines_of(equal, 7);
    assert_int_equal(lines.n_outliers, 3);
    assert_int_equal(lines.outliers[0].index, 6);
    assert_int_equal(lines.outliers[1].index, 1);
    assert_int_equal(lines.outliers[2].index, 4);
}

static void a_constant_has_no_deviation(void **state)
{
    struct kept *kept = calloc(1, sizeof *kept);
    (void)state;
    run(&everything, 3, keep, kept, &kept->figures[MAX_TENSORS]);
    for (size_t i = 0; i < everything.cp.n_tensors; i++) {
        if (strcmp(checkpoint_tensor_at(&everything.cp, i).name, "same") != 0) continue;
        assert_true(kept->figures[i].std == 0 && kept->figures[i].mean == (double)0.1F);
        assert_true(kept->figures[i].quantiles[STATS_P50] == (double)0.1F);
        assert_int_equal(kept->figures[i].histogram[0], 5000);
    }
    free(kept);
}

static void find_cancelling(void *ctx, const struct stats_tensor *s)
{
    if (strcmp(s->tensor.name, "cancelling") == 0) *(double *)ctx = s->figures.mean;
}

static void a_sum_keeps_what_is_small_while_large_values_cancel(void **state)
{
    struct stats_figures total;
    double mean = 0;
    (void)state;
    run(&everything, 2, find_cancelling, &mean, &total);
    assert_true(mean == 1.0 / 6144);
}

struct pull {
    uint64_t calls, stop_after, last_done, total;
};

static bool count_calls(void *ctx, uint64_t done, uint64_t total)
{
    struct pull *pull = ctx;
    assert_true(done >= pull->last_done && done <= total);
    pull->last_done = done;
    pull->total = total;
    return ++pull->calls <= pull->stop_after;
}

static void an_interruption_ends_all_threads(void **state)
{
    struct stats_figures total;
    (void)state;
    for (uint64_t after = 0; after < 12; after++)
        for (uint32_t n = 1; n <= 4; n++) {
            struct pull pull = { .stop_after = after };
            struct ingot_error err = { 0 };
            const struct stats_options how = { .n_threads = n, .progress = count_calls, .progress_ctx = &pull };
            assert_int_equal(stats_run(&everything.cp, everything.list, everything.cp.n_tensors, &how, &total, &err),
                             INGOT_E_INTERRUPTED);
            assert_int_equal(err.status, INGOT_E_INTERRUPTED);
        }
}

static void progress_ends_at_the_number_of_bytes(void **state)
{
    struct stats_figures total;
    struct pull pull = { .stop_after = UINT64_MAX };
    const struct stats_options how = { .n_threads = 2, .progress = count_calls, .progress_ctx = &pull };
    (void)state;
    assert_int_equal(stats_run(&everything.cp, everything.list, everything.cp.n_tensors, &how, &total, NULL), INGOT_OK);
    assert_true(pull.total > 8000000 && pull.last_done == pull.total);
}

static void no_tensors_have_no_figures(void **state)
{
    struct place p;
    struct stats_figures total;
    const struct stats_options how = { .n_threads = 2 };
    (void)state;
    open_place(&p, write_ingot);
    assert_int_equal(stats_run(&p.cp, p.list, 0, &how, &total, NULL), INGOT_OK);
    assert_int_equal(total.n, 0);
    close_place(&p);
}

/* Ones and NaNs in turns, for as long as the statistics are made. */
struct writer {
    int file;
    atomic_bool enough;
};

static void *write_under_the_map(void *ctx)
{
    struct writer *w = ctx;
    float ones[1024];
    uint8_t nans[sizeof ones];
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 1;
    memset(nans, 0xff, sizeof nans);
    for (bool one = false; !w->enough; one = !one)
        for (off_t at = CHANGED_OFF; at < (off_t)(CHANGED_OFF + CHANGED_BYTES); at += (off_t)sizeof ones)
            if (pwrite(w->file, one ? (const void *)ones : nans, sizeof ones, at) < 0) return NULL;
    return NULL;
}

static void write_ones(const char *path)
{
    struct made m = { 0 };
    float *v = malloc(CHANGED_BYTES + 4096);
    for (size_t i = 0; i < (CHANGED_BYTES + 4096) / sizeof *v; i++) v[i] = 1;
    add(&m, "changed", "F32", "17,1024", v, CHANGED_BYTES + 4096);
    free(v);
    write_made(&m, path);
}

/* Values are looked at twice, and someone may write to the file between: figures may be of both, memory is nobody's. */
static void values_that_change_while_they_are_counted_are_counted_to_the_end(void **state)
{
    struct place p;
    struct stats_figures total;
    pthread_t thread;
    (void)state;
    open_place(&p, write_ones);
    struct writer w = { .file = open(p.path, O_WRONLY) };
    assert_true(w.file >= 0);
    assert_int_equal(pthread_create(&thread, NULL, write_under_the_map, &w), 0);
    for (int i = 0; i < 1000; i++) run(&p, 1, NULL, NULL, &total);
    w.enough = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(w.file);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_and_shape_has_the_figures_of_plain_loops),
        cmocka_unit_test(every_layout_of_the_container_has_the_figures_of_plain_loops),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(planted_outliers_are_found_the_largest_first),
        cmocka_unit_test(an_outlier_is_beyond_the_bound_and_of_equal_ones_the_first_comes_first),
        cmocka_unit_test(a_constant_has_no_deviation),
        cmocka_unit_test(a_sum_keeps_what_is_small_while_large_values_cancel),
        cmocka_unit_test(an_interruption_ends_all_threads),
        cmocka_unit_test(progress_ends_at_the_number_of_bytes),
        cmocka_unit_test(no_tensors_have_no_figures),
        cmocka_unit_test(values_that_change_while_they_are_counted_are_counted_to_the_end),
    };
    return cmocka_run_group_tests(tests, make_everything, remove_everything);
}
