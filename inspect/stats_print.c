/* stats_print.c - figures as a table of tensors, and all that is known of one. */
#include "inspect/stats_print.h"

#include "format/error.h"
#include "inspect/cli/chart.h"
#include "inspect/cli/human.h"
#include "inspect/cli/table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TABLE_BARS   (STATS_BARS / 2)
#define CHART_LINES  6
#define OCTAVES_MAX  48 /* the smallest are left out */
#define SHOWN_SHAPES 192

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

static struct selection select_columns(const struct stats_listing *l)
{
    const struct stats_figures *t = l->total;
    uint64_t n_outliers = 0;
    struct selection s = { .n = 0 };
    for (size_t i = 0; i < l->n; i++) n_outliers += l->rows[i].n_outliers;
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

static void tensor_cell(struct table *table, const struct stats_row *row, const struct checkpoint_tensor *t,
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

static void total_cell(struct table *table, const struct stats_listing *l, uint64_t n_outliers, enum column column)
{
    if (column == COL_NAME)
        table_cell(table, "%s tensor%s", human_count(l->n).text, plural(l->n));
    else if (column == COL_DTYPE)
        table_cell(table, "%s", "");
    else if (column == COL_SHAPE)
        table_cell(table, "%s", human_count(l->total->n).text);
    else
        figure_cell(table, l->total, n_outliers, column);
}

void stats_print_table(const struct stats_listing *l)
{
    struct selection s = select_columns(l);
    struct table table = table_begin(s.columns, s.n);
    uint64_t n_outliers = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(l->cp, l->rows[i].tensor);
        for (size_t k = 0; k < s.n; k++) tensor_cell(&table, &l->rows[i], &t, s.which[k]);
        n_outliers += l->rows[i].n_outliers;
    }
    table_rule(&table);
    for (size_t k = 0; k < s.n; k++) total_cell(&table, l, n_outliers, s.which[k]);
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
    if (!stats_used_octaves(octaves, &first, &last)) return;
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

void stats_print_detail(const struct stats_tensor *s)
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
