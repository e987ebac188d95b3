/* cmd_stats.c - `ingot stats`: figures of the values of every tensor, or of some. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/choose.h"
#include "inspect/cli/chart.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/stats.h"
#include "inspect/trees.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_SORT, OPT_CHECK, OPT_JSON, OPT_THREADS, OPT_QUIET, N_OPTIONS };

enum sort_key {
    SORT_FILE,
    SORT_NAME,
    SORT_ELEMENTS,
    SORT_MIN,
    SORT_MAX,
    SORT_MEAN,
    SORT_STD,
    SORT_ABS_MAX,
    SORT_P50,
    SORT_P90,
    SORT_P99,
    SORT_P999,
    SORT_ZEROS,
    SORT_DENORMALS,
    SORT_NAN,
    SORT_OUTLIERS,
};

static const char *const sort_keys[] = { "file",  "name",      "elements", "min",      "max", "mean",
                                         "std",   "absmax",    "p50",      "p90",      "p99", "p99.9",
                                         "zeros", "denormals", "nan",      "outliers", NULL };

static const struct option options[N_OPTIONS] = {
    [OPT_SORT] = { .name = "sort",
                   .letter = 's',
                   .type = OPTION_CHOICE,
                   .value = "KEY",
                   .fallback = "file",
                   .choices = sort_keys,
                   .help =
                       "Order: the file's, or by a figure, the most remarkable first; absmax is the largest |x|, nan "
                       "counts infinities too" },
    [OPT_CHECK] = { .name = "check",
                    .help = "Print nothing but the names of tensors with a NaN or an infinity, in JSON those tensors; "
                            "exit code 1 when there are any" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

#define TABLE_BARS   (STATS_BARS / 2)
#define CHART_LINES  6
#define OCTAVES_MAX  48 /* the smallest are left out */
#define SHOWN_SHAPES 192

/* What a line of the table needs. */
struct row {
    size_t tensor; /* number in the checkpoint */
    bool readable;
    struct stats_figures figures;
    uint64_t n_outliers;
    double key;
    json_t *json;
};

struct collection {
    const struct checkpoint *cp;
    const struct arguments *args;
    const struct choice *choice;
    struct row *rows;              /* choice->n */
    struct stats_tensor *details;  /* the same number, when every tensor was named; else NULL */
    struct ingot_error unreadable; /* the first that was named, or would have been checked */
    uint64_t n_unreadable;
    struct stats_figures total;
};

/* ---------------------------------------------------------------------------------------------------------- JSON */

static json_t *counts_json(const uint64_t *counts, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_add(array, json_count(counts[i]));
    return array;
}

static json_t *quantiles_json(const struct stats_figures *f)
{
    static const char *const names[STATS_QUANTILES] = { "p50", "p90", "p99", "p99.9" };
    json_t *o = json_object();
    for (size_t i = 0; i < STATS_QUANTILES; i++) json_put(o, names[i], json_number(f->quantiles[i]));
    json_put(o, "max", json_number(f->abs_max));
    return o;
}

static void put_figures(json_t *o, const struct stats_figures *f)
{
    bool any = f->n_finite > 0;
    json_put(o, "elements", json_count(f->n));
    json_put(o, "zeros", json_count(f->n_zero));
    json_put(o, "denormals", json_count(f->n_denormal));
    json_put(o, "nan", json_count(f->n_nan));
    json_put(o, "positive_infinities", json_count(f->n_pos_inf));
    json_put(o, "negative_infinities", json_count(f->n_neg_inf));
    json_put(o, "min", any ? json_number(f->min) : json_null());
    json_put(o, "max", any ? json_number(f->max) : json_null());
    json_put(o, "mean", any ? json_number(f->mean) : json_null());
    json_put(o, "std", any ? json_number(f->std) : json_null());
    json_put(o, "magnitude", any ? quantiles_json(f) : json_null());
    json_put(o, "histogram", any ? counts_json(f->histogram, STATS_BARS) : json_null());
}

json_t *stats_figures_tree(const struct stats_figures *f)
{
    json_t *o = json_object();
    put_figures(o, f);
    return o;
}

/* The first and the last that are not empty; false when all are. */
static bool used_octaves(const uint64_t *octaves, size_t *first, size_t *last)
{
    *first = STATS_OCTAVES;
    for (size_t i = 0; i < STATS_OCTAVES; i++) {
        if (!octaves[i]) continue;
        if (*first == STATS_OCTAVES) *first = i;
        *last = i;
    }
    return *first < STATS_OCTAVES;
}

static json_t *octaves_json(const uint64_t *octaves)
{
    size_t first, last = 0;
    json_t *o = json_object();
    if (used_octaves(octaves, &first, &last)) {
        json_put(o, "first_exponent", json_integer((json_int_t)first - 127));
        json_put(o, "counts", counts_json(octaves + first, last - first + 1));
    }
    return o;
}

static json_t *lines_json(const struct stats_lines *lines)
{
    json_t *o = json_object(), *largest = json_array();
    json_put(o, "count", json_count(lines->n));
    json_put(o, "median_norm", json_number(lines->median));
    json_put(o, "max_norm", json_number(lines->max));
    json_put(o, "outliers", json_count(lines->n_outliers));
    for (size_t i = 0; i < lines->n_outliers && i < STATS_OUTLIERS; i++) {
        json_t *one = json_object();
        json_put(one, "index", json_count(lines->outliers[i].index));
        json_put(one, "norm", json_number(lines->outliers[i].norm));
        json_add(largest, one);
    }
    json_put(o, "largest", largest);
    return o;
}

json_t *stats_tensor_tree(const struct stats_tensor *s)
{
    const struct checkpoint_tensor *t = &s->tensor;
    json_t *o = json_object();
    json_put(o, "name", json_text(t->name, t->name_len));
    json_put(o, "dtype", json_text(t->dtype_name, strlen(t->dtype_name)));
    json_put(o, "shape", json_shape(t->rank, t->shape));
    if (s->unreadable.status != INGOT_OK) {
        json_put(o, "unreadable", json_text(s->unreadable.message, strlen(s->unreadable.message)));
        return o;
    }
    put_figures(o, &s->figures);
    json_put(o, "octaves", octaves_json(s->octaves));
    if (s->rows.n > 0) json_put(o, "rows", lines_json(&s->rows));
    if (s->cols.n > 0) json_put(o, "columns", lines_json(&s->cols));
    return o;
}

json_t *stats_tree(const struct checkpoint *cp, json_t *tensors, const struct stats_figures *all)
{
    json_t *root = json_begin(), *total = json_object();
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, "format", json_string(checkpoint_format(cp)));
    json_put(root, "tensors", tensors);
    put_figures(total, all);
    json_put(root, "total", total);
    return root;
}

static void print_json(const struct collection *c)
{
    json_t *tensors = json_array();
    for (size_t i = 0; i < c->choice->n; i++) json_add(tensors, json_incref(c->rows[i].json));
    json_end(stats_tree(c->cp, tensors, &c->total));
}

/* --------------------------------------------------------------------------------------------------------- table */

enum column {
    COL_NAME,
    COL_DTYPE,
    COL_SHAPE,
    COL_MIN,
    COL_MAX,
    COL_MEAN,
    COL_STD,
    COL_P50,
    COL_P99,
    COL_P999,
    COL_ZEROS,
    COL_DENORMALS,
    COL_NAN,
    COL_INF,
    COL_OUTLIERS,
    COL_VALUES,
    N_COLUMNS
};
static_assert(N_COLUMNS <= TABLE_MAX_COLUMNS, "all fit into one table");

static const struct table_column columns[N_COLUMNS] = {
    [COL_NAME] = { .title = "name", .flexible = true },
    [COL_DTYPE] = { .title = "dtype", .drop = 8 },
    [COL_SHAPE] = { .title = "shape", .right = true, .drop = 5 },
    [COL_MIN] = { .title = "min", .right = true },
    [COL_MAX] = { .title = "max", .right = true },
    [COL_MEAN] = { .title = "mean", .right = true },
    [COL_STD] = { .title = "std", .right = true },
    [COL_P50] = { .title = "|x| 50 %", .right = true, .drop = 6 },
    [COL_P99] = { .title = "99 %", .right = true, .drop = 9 },
    [COL_P999] = { .title = "99.9 %", .right = true, .drop = 7 },
    [COL_ZEROS] = { .title = "zeros", .right = true, .drop = 4 },
    [COL_DENORMALS] = { .title = "denormals", .right = true, .drop = 3 },
    [COL_NAN] = { .title = "nan", .right = true },
    [COL_INF] = { .title = "inf", .right = true },
    [COL_OUTLIERS] = { .title = "outliers", .right = true, .drop = 2 },
    [COL_VALUES] = { .title = "values", .drop = 1 },
};

/* The columns of this table: what is nowhere needs none. */
struct selection {
    enum column which[N_COLUMNS];
    struct table_column columns[N_COLUMNS];
    size_t n;
};

static struct selection select_columns(const struct collection *c)
{
    const struct stats_figures *t = &c->total;
    uint64_t n_outliers = 0;
    struct selection s = { .n = 0 };
    for (size_t i = 0; i < c->choice->n; i++) n_outliers += c->rows[i].n_outliers;
    const bool absent[N_COLUMNS] = {
        [COL_ZEROS] = t->n_zero == 0,     [COL_DENORMALS] = t->n_denormal == 0,
        [COL_NAN] = t->n_nan == 0,        [COL_INF] = t->n_pos_inf + t->n_neg_inf == 0,
        [COL_OUTLIERS] = n_outliers == 0,
    };
    for (enum column k = 0; k < N_COLUMNS; k++) {
        if (absent[k]) continue;
        s.which[s.n] = k;
        s.columns[s.n++] = columns[k];
    }
    return s;
}

/* Nothing for none: what is there stands out. */
static void count_text(uint64_t n, char *out, size_t cap)
{
    snprintf(out, cap, "%s", n ? human_count(n).text : "");
}

static void sparkline(const struct stats_figures *f, char out[CHART_LINE_MAX(TABLE_BARS)])
{
    uint64_t bars[TABLE_BARS];
    for (size_t i = 0; i < TABLE_BARS; i++) bars[i] = f->histogram[2 * i] + f->histogram[2 * i + 1];
    chart_line(bars, TABLE_BARS, 0, 1, out);
}

/* The cells that come of counts, also where no value is finite. */
static bool count_cell(const struct stats_figures *f, uint64_t n_outliers, enum column column, char *out, size_t cap)
{
    switch (column) {
    case COL_ZEROS:
        count_text(f->n_zero, out, cap);
        return true;
    case COL_DENORMALS:
        count_text(f->n_denormal, out, cap);
        return true;
    case COL_NAN:
        count_text(f->n_nan, out, cap);
        return true;
    case COL_INF:
        count_text(f->n_pos_inf + f->n_neg_inf, out, cap);
        return true;
    case COL_OUTLIERS:
        count_text(n_outliers, out, cap);
        return true;
    default:
        return false;
    }
}

static double figure(const struct stats_figures *f, enum column column)
{
    switch (column) {
    case COL_MIN:
        return f->min;
    case COL_MAX:
        return f->max;
    case COL_MEAN:
        return f->mean;
    case COL_STD:
        return f->std;
    case COL_P50:
        return f->quantiles[STATS_P50];
    case COL_P99:
        return f->quantiles[STATS_P99];
    default:
        return f->quantiles[STATS_P999];
    }
}

static void figure_cell(struct table *table, const struct stats_figures *f, uint64_t n_outliers, enum column column)
{
    char text[CHART_LINE_MAX(TABLE_BARS)] = "";
    if (count_cell(f, n_outliers, column, text, sizeof text))
        table_cell(table, "%s", text);
    else if (f->n_finite == 0)
        table_cell(table, "%s", column == COL_VALUES ? "" : "-");
    else if (column == COL_VALUES)
        sparkline(f, text), table_cell(table, "%s", text);
    else
        table_cell(table, column < COL_P50 ? "%.5g" : "%.3g", figure(f, column));
}

static void name_cell(struct table *table, const char *name, size_t n)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    table_cell(table, "%s", ingot_escape(name, n, shown, sizeof shown));
}

static void tensor_cell(struct table *table, const struct row *row, const struct checkpoint_tensor *t,
                        enum column column)
{
    char shape[SHOWN_SHAPES];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    if (column == COL_NAME)
        name_cell(table, t->name, t->name_len);
    else if (column == COL_DTYPE)
        name_cell(table, t->dtype_name, strlen(t->dtype_name));
    else if (column == COL_SHAPE)
        table_cell(table, "%s", shape);
    else
        figure_cell(table, &row->figures, row->n_outliers, column);
}

static void total_cell(struct table *table, const struct collection *c, uint64_t n_outliers, enum column column)
{
    if (column == COL_NAME)
        table_cell(table, "%s tensor%s", human_count(c->choice->n).text, plural(c->choice->n));
    else if (column == COL_DTYPE)
        table_cell(table, "%s", "");
    else if (column == COL_SHAPE)
        table_cell(table, "%s", human_count(c->total.n).text);
    else
        figure_cell(table, &c->total, n_outliers, column);
}

static void print_table(const struct collection *c)
{
    struct selection s = select_columns(c);
    struct table table = table_begin(s.columns, s.n);
    uint64_t n_outliers = 0;
    for (size_t i = 0; i < c->choice->n; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(c->cp, c->rows[i].tensor);
        for (size_t k = 0; k < s.n; k++) tensor_cell(&table, &c->rows[i], &t, s.which[k]);
        n_outliers += c->rows[i].n_outliers;
    }
    table_rule(&table);
    for (size_t k = 0; k < s.n; k++) total_cell(&table, c, n_outliers, s.which[k]);
    table_end(&table);
}

/* -------------------------------------------------------------------------------------------------------- detail */

static void print_count(const char *label, uint64_t n, uint64_t whole)
{
    printf("  %-12s%s", label, human_count(n).text);
    if (n > 0) printf("  (%s)", human_share(n, whole).text);
    putchar('\n');
}

static void print_counts(const struct stats_figures *f)
{
    printf("  %-12s%s\n", "elements", human_count(f->n).text);
    print_count("zeros", f->n_zero, f->n);
    print_count("denormals", f->n_denormal, f->n);
    print_count("nan", f->n_nan, f->n);
    print_count("inf", f->n_pos_inf, f->n);
    print_count("-inf", f->n_neg_inf, f->n);
}

static void print_figures(const struct stats_figures *f)
{
    printf("  %-12s%.9g\n  %-12s%.9g\n", "min", f->min, "max", f->max);
    printf("  %-12s%.9g\n  %-12s%.9g\n", "mean", f->mean, "std", f->std);
    for (size_t i = 0; i < STATS_QUANTILES; i++) {
        char label[24];
        snprintf(label, sizeof label, "|x| %g %%", stats_permille[i] / 10.0);
        printf("  %-12s%.4g\n", label, f->quantiles[i]);
    }
    printf("  %-12s%.9g\n", "|x| max", f->abs_max);
}

/* The title stands beside the top line. */
static void print_chart(const char *title, const uint64_t *counts, size_t n)
{
    char text[CHART_LINE_MAX(STATS_OCTAVES)];
    for (size_t line = 0; line < CHART_LINES; line++) {
        chart_line(counts, n, line, CHART_LINES, text);
        printf(*text ? "  %-12s%s\n" : line ? "\n" : "  %s\n", line ? "" : title, text);
    }
}

static void print_octaves(const uint64_t *octaves)
{
    size_t first, last = 0;
    if (!used_octaves(octaves, &first, &last)) return;
    if (last - first >= OCTAVES_MAX) first = last - OCTAVES_MAX + 1;
    print_chart("log2 |x|", octaves + first, last - first + 1);
    printf("  %-12sfrom 2^%d to 2^%d\n", "", (int)first - 127, (int)last - 126);
}

static void print_lines(const char *what, const struct stats_lines *lines)
{
    if (lines->n == 0) return;
    printf("  %-12smedian norm %.4g, largest %.4g; ", what, lines->median, lines->max);
    printf("%s above %d times the median\n", lines->n_outliers ? human_count(lines->n_outliers).text : "none",
           STATS_OUTLIER);
    for (size_t i = 0; i < lines->n_outliers && i < STATS_OUTLIERS; i++) {
        const struct stats_outlier *o = &lines->outliers[i];
        printf("  %-12s%8" PRIu64 "  norm %.4g", "", o->index, o->norm);
        if (lines->median > 0) printf(" (%.1f times)", o->norm / lines->median);
        putchar('\n');
    }
    if (lines->n_outliers > STATS_OUTLIERS)
        printf("  %-12s     and %s more\n", "", human_count(lines->n_outliers - STATS_OUTLIERS).text);
}

static void print_detail(const struct stats_tensor *s)
{
    const struct checkpoint_tensor *t = &s->tensor;
    char shown[4 * INGOT_MAX_NAME + 8], shape[SHOWN_SHAPES];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    printf("%s: ", ingot_escape(t->name, t->name_len, shown, sizeof shown));
    printf("%s, %s\n", ingot_escape(t->dtype_name, strlen(t->dtype_name), shown, sizeof shown), shape);
    print_counts(&s->figures);
    if (s->figures.n_finite == 0) return;
    print_figures(&s->figures);
    print_chart("values", s->figures.histogram, STATS_BARS);
    printf("  %-12sfrom %.4g to %.4g\n", "", s->figures.min, s->figures.max);
    print_octaves(s->octaves);
    print_lines("rows", &s->rows);
    print_lines("columns", &s->cols);
}

/* -------------------------------------------------------------------------------------------------------- sorting */

/* What is most remarkable has the largest key. */
static double key_of(const struct row *row, enum sort_key key)
{
    const struct stats_figures *f = &row->figures;
    switch (key) {
    case SORT_ELEMENTS:
        return (double)f->n;
    case SORT_ZEROS:
        return (double)f->n_zero;
    case SORT_DENORMALS:
        return (double)f->n_denormal;
    case SORT_NAN:
        return (double)(f->n - f->n_finite);
    case SORT_OUTLIERS:
        return (double)row->n_outliers;
    default:
        break;
    }
    if (f->n_finite == 0) return -INFINITY;
    if (key == SORT_ABS_MAX) return f->abs_max;
    if (key >= SORT_P50) return f->quantiles[key - SORT_P50];
    return key == SORT_MIN ? -f->min : figure(f, key - SORT_MIN + COL_MIN);
}

static int compare_keys(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static int compare_names(const void *a, const void *b, void *ctx)
{
    const struct checkpoint *cp = ctx;
    const struct row *x = a, *y = b;
    return strcmp(checkpoint_tensor_at(cp, x->tensor).name, checkpoint_tensor_at(cp, y->tensor).name);
}

static void sort_rows(struct collection *c)
{
    enum sort_key key = (enum sort_key)c->args->values[OPT_SORT].count;
    struct checkpoint *cp = (struct checkpoint *)(uintptr_t)c->cp;
    if (key == SORT_FILE) return;
    for (size_t i = 0; i < c->choice->n; i++) c->rows[i].key = key_of(&c->rows[i], key);
    if (key == SORT_NAME)
        qsort_r(c->rows, c->choice->n, sizeof *c->rows, compare_names, cp);
    else
        qsort(c->rows, c->choice->n, sizeof *c->rows, compare_keys);
}

/* -------------------------------------------------------------------------------------------------------- command */

static void collect(void *ctx, const struct stats_tensor *s)
{
    struct collection *c = ctx;
    struct row *row = &c->rows[s->number];
    *row = (struct row){ .tensor = c->choice->list[s->number],
                         .readable = s->unreadable.status == INGOT_OK,
                         .figures = s->figures,
                         .n_outliers = s->rows.n_outliers + s->cols.n_outliers };
    if (c->args->values[OPT_JSON].given) row->json = stats_tensor_tree(s);
    if (c->details) c->details[s->number] = *s;
    if (row->readable) return;
    if (c->n_unreadable++ == 0) c->unreadable = s->unreadable;
}

static void print_name(const struct checkpoint_tensor *t)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    printf("%s\n", ingot_escape(t->name, t->name_len, shown, sizeof shown));
}

static int print_check(const struct collection *c)
{
    json_t *tensors = c->args->values[OPT_JSON].given ? json_array() : NULL;
    bool any = false;
    for (size_t i = 0; i < c->choice->n; i++) {
        const struct row *row = &c->rows[i];
        struct checkpoint_tensor t = checkpoint_tensor_at(c->cp, row->tensor);
        if (row->figures.n_finite == row->figures.n) continue;
        any = true;
        if (tensors)
            json_add(tensors, json_incref(row->json));
        else
            print_name(&t);
    }
    if (any || c->n_unreadable == 0) {
        if (tensors) json_end(stats_tree(c->cp, tensors, &c->total));
        return any ? CODE_NO : CODE_OK;
    }
    json_decref(tensors);
    return report_error(&c->unreadable);
}

static void note_unreadable(const struct collection *c)
{
    char shown[128];
    if (c->n_unreadable == 0) return;
    ingot_escape(c->unreadable.subject, strlen(c->unreadable.subject), shown, sizeof shown);
    report_note("%s of the tensors cannot be read; %s: %s", human_count(c->n_unreadable).text, shown,
                c->unreadable.message);
}

static int print_all(struct collection *c)
{
    const struct option_value *v = c->args->values;
    sort_rows(c);
    if (v[OPT_CHECK].given) return print_check(c);
    if (c->n_unreadable && !c->choice->patterns) return report_error(&c->unreadable);
    if (v[OPT_JSON].given) {
        print_json(c);
    } else if (c->details) {
        for (size_t i = 0; i < c->choice->n; i++) {
            if (i > 0) putchar('\n');
            print_detail(&c->details[i]);
        }
    } else {
        print_table(c);
    }
    note_unreadable(c);
    return CODE_OK;
}

static int run_chosen(struct collection *c)
{
    const struct option_value *v = c->args->values;
    struct ingot_error err = { 0 };
    struct progress progress = progress_begin("stats", v[OPT_QUIET].given);
    struct stats_options how = { .n_threads = (uint32_t)v[OPT_THREADS].count,
                                 .progress = progress_update,
                                 .progress_ctx = &progress,
                                 .each = collect,
                                 .each_ctx = c };
    bool detailed = !c->choice->patterns && !v[OPT_JSON].given && !v[OPT_CHECK].given;
    c->rows = memory_array(c->choice->n, sizeof *c->rows);
    if (detailed) c->details = memory_array(c->choice->n, sizeof *c->details);
    enum ingot_status status = stats_run(c->cp, c->choice->list, c->choice->n, &how, &c->total, &err);
    progress_end(&progress);
    int code = status == INGOT_OK ? print_all(c) : report_error(&err);
    for (size_t i = 0; i < c->choice->n; i++) json_decref(c->rows[i].json);
    free(c->rows);
    free(c->details);
    return code;
}

static int run_stats(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp = { 0 };
    struct choice choice = { 0 };
    struct collection c = { .cp = &cp, .args = args, .choice = &choice };
    enum ingot_status status = checkpoint_open(args->operands[0], &cp, &err);
    if (status == INGOT_OK) status = choose_tensors(&cp, args->operands + 1, args->n_operands - 1, &choice, &err);
    int code = status == INGOT_OK ? run_chosen(&c) : report_error(&err);
    free(choice.list);
    checkpoint_close(&cp);
    return code;
}

const struct command command_stats = {
    .name = "stats",
    .summary = "describe the values of tensors in figures",
    .operands = "FILE [TENSOR...]",
    .min_operands = 1,
    .max_operands = OPERANDS_MAX,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Reads every value of FILE, an .ingot file or any checkpoint that convert reads, and lists for each tensor "
        "min, max, mean and standard deviation, quantiles of |x|, and how many values are zero, denormal (in the "
        "tensor's own dtype), NaN or infinite; values draws how many there are from min to max. Columns in which "
        "there would be nothing are left out. TENSOR is a name as ls prints it, or a pattern with * ? []. Names "
        "without a pattern give all figures: also a histogram, counts by power of two, and outliers: rows and columns "
        "of a matrix as it stands in the file whose norm is more than 6 times the median.\n\n"
        "All figures but the counts are those of the finite values. Mean and deviation (divided by n) are computed in "
        "double precision with compensated sums. The quantile of q is the value of rank q n, rounded up, in ascending "
        "order of |x|, cut to 9 significant bits: too small by less than 1/256, and exact for bf16, f8 and bytes. The "
        "histogram is made of the same cut values. Nothing depends on the number of threads. Complex numbers, strings "
        "and elements that cannot be decoded are left out, and a note says so.\n\n"
        "JSON: tensors[] with name, dtype, shape, elements, zeros, denormals, nan, positive_infinities, "
        "negative_infinities, min, max, mean, std, magnitude (p50, p90, p99, p99.9, max: of |x|), histogram (32 "
        "counts from min to max), octaves (counts of |x| from 2^first_exponent on, each twice as far; zeros in none; "
        "those below 2^-126 are the one of exponent -127), and of matrices rows and columns (count, median_norm, "
        "max_norm, outliers, largest[] with index and norm); or unreadable, saying why. total has the figures of all "
        "values together. What no finite value gives is null.\n\n"
        "Exit code with --check 0: all values are finite. 1: some are not. 3, 4: some cannot be read.",
    .examples = "ingot stats gpt2.ingot\n"
                "ingot stats gpt2/ 'h.*.attn.c_attn.weight' --sort absmax\n"
                "ingot stats gpt2.gguf blk.0.ffn_down.weight\n"
                "ingot stats --check ckpt.pt || echo 'not finite'",
    .run = run_stats,
};
