/* cmd_stats.c - `ingot stats`: figures of the values of every tensor, or of some. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/choose.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/terminal.h"
#include "inspect/stats_print.h"
#include "inspect/trees.h"

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

struct collection {
    const struct checkpoint *cp;
    const struct arguments *args;
    const struct choice *choice;
    struct stats_row *rows;       /* choice->n */
    struct stats_tensor *details; /* the same number, when every tensor was named; else NULL */
    bool streams;                 /* prints the rows in the order in which they come */
    struct json_rows stream;
    struct ingot_error unreadable; /* the first that was named, or would have been checked */
    uint64_t n_unreadable;
    struct stats_figures total;
};

/* -------------------------------------------------------------------------------------------------------- sorting */

static double figure_of(const struct stats_figures *f, enum sort_key key)
{
    switch (key) {
    case SORT_MIN:
        return -f->min;
    case SORT_MAX:
        return f->max;
    case SORT_MEAN:
        return f->mean;
    case SORT_STD:
        return f->std;
    case SORT_ABS_MAX:
        return f->abs_max;
    default:
        return key >= SORT_P50 && key <= SORT_P999 ? f->quantiles[key - SORT_P50] : 0;
    }
}

/* What is most remarkable has the largest key. */
static double key_of(const struct stats_row *row, enum sort_key key)
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
    return figure_of(f, key);
}

static int compare_keys(const void *a, const void *b)
{
    const struct stats_row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static int compare_names(const void *a, const void *b, void *ctx)
{
    const struct checkpoint *cp = ctx;
    const struct stats_row *x = a, *y = b;
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

/* What is sorted or only printed if the answer is "no", waits for the last one. */
static bool is_kept(const struct option_value *v, const struct stats_figures *f)
{
    return v[OPT_JSON].given && !(v[OPT_CHECK].given && f->n_finite == f->n);
}

static void collect(void *ctx, const struct stats_tensor *s)
{
    struct collection *c = ctx;
    struct stats_row *row = &c->rows[s->number];
    *row = (struct stats_row){ .tensor = c->choice->list[s->number],
                               .figures = s->figures,
                               .n_outliers = s->rows.n_outliers + s->cols.n_outliers };
    if (c->streams)
        json_rows_add(&c->stream, stats_tensor_tree(s));
    else if (is_kept(c->args->values, &s->figures))
        row->json = stats_tensor_tree(s);
    if (c->details) c->details[s->number] = *s;
    if (s->unreadable.status == INGOT_OK) return;
    if (c->n_unreadable++ == 0) c->unreadable = s->unreadable;
}

/* Of rows that are kept; the others are those that --check has nothing to say of. */
static void print_json(const struct collection *c)
{
    struct json_rows rows = { 0 };
    stats_rows_open(&rows, c->cp);
    for (size_t i = 0; i < c->choice->n; i++)
        if (c->rows[i].json) json_rows_add(&rows, json_incref(c->rows[i].json));
    stats_rows_close(&rows, &c->total);
}

static void print_name(const struct checkpoint_tensor *t)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    printf("%s\n", ingot_escape(t->name, t->name_len, shown, sizeof shown));
}

static int print_check(const struct collection *c)
{
    const bool json = c->args->values[OPT_JSON].given;
    bool any = false;
    for (size_t i = 0; i < c->choice->n; i++) {
        const struct stats_row *row = &c->rows[i];
        struct checkpoint_tensor t = checkpoint_tensor_at(c->cp, row->tensor);
        if (row->figures.n_finite == row->figures.n) continue;
        any = true;
        if (!json) print_name(&t);
    }
    if (!any && c->n_unreadable > 0) return report_error(&c->unreadable);
    if (json) print_json(c);
    return any ? CODE_NO : CODE_OK;
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
    if (c->streams) {
        stats_rows_close(&c->stream, &c->total);
    } else if (v[OPT_JSON].given) {
        print_json(c);
    } else if (c->details) {
        for (size_t i = 0; i < c->choice->n; i++) {
            if (i > 0) putchar('\n');
            stats_print_detail(&c->details[i]);
        }
    } else {
        stats_print_table(&(struct stats_listing){ c->cp, c->rows, c->choice->n, &c->total });
    }
    note_unreadable(c);
    return CODE_OK;
}

/* Nothing is printed before all is read where an order, or the exit code, depends on all; a lone tensor that cannot be
 * read is an error and prints nothing either. */
static bool can_stream(const struct collection *c)
{
    const struct option_value *v = c->args->values;
    return v[OPT_JSON].given && !v[OPT_CHECK].given && v[OPT_SORT].count == SORT_FILE && c->choice->patterns;
}

static int run_chosen(struct collection *c)
{
    const struct option_value *v = c->args->values;
    struct ingot_error err = { 0 };
    c->streams = can_stream(c);
    struct progress progress = progress_begin("stats", v[OPT_QUIET].given || (c->streams && terminal_is(stdout)));
    struct stats_options how = { .n_threads = (uint32_t)v[OPT_THREADS].count,
                                 .progress = progress_update,
                                 .progress_ctx = &progress,
                                 .each = collect,
                                 .each_ctx = c };
    bool detailed = !c->choice->patterns && !v[OPT_JSON].given && !v[OPT_CHECK].given;
    c->rows = memory_array(c->choice->n, sizeof *c->rows);
    if (detailed) c->details = memory_array(c->choice->n, sizeof *c->details);
    if (c->streams) stats_rows_open(&c->stream, c->cp);
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
