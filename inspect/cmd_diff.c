/* cmd_diff.c - `ingot diff`: are two checkpoints the same model, and if not, where and by how much? */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/diff_logits.h"
#include "inspect/findings.h"
#include "inspect/trees.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    OPT_TOLERANCE,
    OPT_RTOL,
    OPT_RECIPE_A,
    OPT_RECIPE_B,
    OPT_RAW_NAMES,
    OPT_ALL,
    OPT_STRICT,
    OPT_TENSORS,
    OPT_LOGITS,
    OPT_IDS,
    OPT_CTX,
    OPT_STRIDE,
    OPT_JSON,
    OPT_THREADS,
    OPT_QUIET,
    OPT_VERBOSE,
    N_OPTIONS
};

static const struct option options[N_OPTIONS] = {
    [OPT_TOLERANCE] = { .name = "tolerance",
                        .type = OPTION_REAL,
                        .value = "X",
                        .real_max = 1e300,
                        .help = "Values that are at most X apart count as equal" },
    [OPT_RTOL] = { .name = "rtol",
                   .type = OPTION_REAL,
                   .value = "R",
                   .real_max = 2,
                   .help = "Values that are at most R times the larger of the two apart count as equal" },
    [OPT_RECIPE_A] = { .name = "recipe-a",
                       .type = OPTION_FILE,
                       .value = "NAME|FILE",
                       .help =
                           "The recipe that says which tensors of A are which; the first that fits when not given" },
    [OPT_RECIPE_B] = { .name = "recipe-b", .type = OPTION_FILE, .value = "NAME|FILE", .help = "The same for B" },
    [OPT_RAW_NAMES] = { .name = "raw-names",
                        .help = "Pair tensors by the names and in the orientation that they have in their files" },
    [OPT_ALL] = { .name = "all", .help = "Also what a model leaves out: optimizer state, masks" },
    [OPT_STRICT] = { .name = "strict",
                     .help =
                         "Another dtype, another padding, a head or a tokenizer that only one has, are differences" },
    [OPT_TENSORS] = { .name = "tensors", .help = "Only the tensors, not hyper-parameters and tokenizer" },
    [OPT_LOGITS] = { .name = "logits",
                     .type = OPTION_FILE,
                     .value = "TEXT",
                     .help =
                         "Compare what two .ingot files make of this text (- for standard input), not their tensors" },
    [OPT_IDS] = { .name = "ids",
                  .type = OPTION_TEXT,
                  .value = "LIST",
                  .help = "The same with tokens instead of a text: 1,2,3; as `ingot score` reads them" },
    [OPT_CTX] = { .name = "ctx",
                  .type = OPTION_COUNT,
                  .value = "N",
                  .min = 1,
                  .max = UINT32_MAX,
                  .help = "With --logits: positions of a window; the context of the models when not given" },
    [OPT_STRIDE] = { .name = "stride",
                     .type = OPTION_COUNT,
                     .value = "N",
                     .min = 1,
                     .max = UINT32_MAX,
                     .help = "With --logits: from one window to the next; half a window when not given" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] =
        THREADS_OPTION("Threads; as many as there are CPUs when not given. The result does not depend on it"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar, no notes, no summary"),
    [OPT_VERBOSE] = { .name = "verbose", .letter = 'v', .help = "List equal tensors and hyper-parameters, too" },
};

#define SHOWN_NAME (4 * INGOT_MAX_NAME + 8)

/* ------------------------------------------------------------------------------------------------------------ table */

/* One text if both are the same, else both. */
static void cell_of_both(struct table *t, const char *const texts[2])
{
    if (!texts[0] || !texts[1] || strcmp(texts[0], texts[1]) == 0)
        table_cell(t, "%s", texts[0] ? texts[0] : texts[1]);
    else
        table_cell(t, "%s, %s", texts[0], texts[1]);
}

static void add_what(struct table *table, const struct findings *f, const struct diff_pair *p)
{
    char shown[SHOWN_NAME], dtypes[2][64], shapes[2][256];
    const char *dtype[2] = { NULL }, *shape[2] = { NULL };
    for (unsigned s = 0; s < 2; s++) {
        if (p->at[s] == DIFF_NOWHERE) continue;
        struct diff_tensor t = diff_tensor_of(&f->diff, p, s);
        if (!p->head_of_wte[s]) ingot_escape(t.t.name, t.t.name_len, shown, sizeof shown);
        human_shape(t.t.rank, t.t.shape, shapes[s], sizeof shapes[s]);
        dtype[s] = ingot_escape(t.t.dtype_name, strlen(t.t.dtype_name), dtypes[s], sizeof dtypes[s]);
        shape[s] = shapes[s];
    }
    if (!p->types_differ) dtype[1] = dtype[0] ? NULL : dtype[1];
    table_cell(table, "%s", shown);
    table_cell(table, "%s", findings_difference(f, p));
    cell_of_both(table, dtype);
    cell_of_both(table, shape);
}

/* Nothing where there is no number: a cosine with zeros. */
static void add_number(struct table *table, double value, int digits)
{
    if (isnan(value))
        table_text(table, "");
    else
        table_cell(table, "%.*g", digits, value);
}

#define N_FIGURES 9

static void add_figures(struct table *table, const struct findings *found, const struct diff_pair *p)
{
    const struct diff_figures *f = &p->figures;
    char share[16], place[192];
    if (p->n_jobs == 0 || f->max_abs < 0) {
        for (int i = 0; i < N_FIGURES; i++) table_cell(table, "%s", i == 0 && p->n_jobs > 0 ? "100 %" : "");
        return;
    }
    findings_share(f, share);
    findings_place_text(&found->diff, p, place, sizeof place);
    table_cell(table, "%s", share);
    table_cell(table, "%s", human_count(f->n_elems - f->n_within).text);
    table_cell(table, "%.4g", f->max_abs);
    table_cell(table, "%s", place);
    table_cell(table, "%.4g", f->max_rel);
    if (p->quantised)
        table_cell(table, "%s", "");
    else
        table_cell(table, "%" PRIu64, f->max_ulp);
    add_number(table, diff_cosine(f), 9);
    add_number(table, diff_rms_abs(f), 3);
    add_number(table, diff_rms(f), 3);
}

static bool print_tensors(const struct findings *f)
{
    static const struct table_column columns[] = {
        { .title = "tensor", .flexible = true },
        { .title = "difference" },
        { .title = "dtype", .drop = 5 },
        { .title = "shape", .drop = 4 },
        { .title = "equal", .right = true },
        { .title = "unequal", .right = true, .drop = 3 },
        { .title = "max abs", .right = true },
        { .title = "at" },
        { .title = "max rel", .right = true, .drop = 2 },
        { .title = "ULP", .right = true, .drop = 1 },
        { .title = "cosine", .right = true, .drop = 6 },
        { .title = "RMS abs", .right = true, .drop = 8 },
        { .title = "RMS rel", .right = true, .drop = 7 },
    };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    size_t n = 0;
    for (size_t i = 0; i < f->diff.n_pairs; i++) {
        const struct diff_pair *p = &f->diff.pairs[i];
        if (!f->verbose && !findings_differ(f, p)) continue;
        add_what(&table, f, p);
        add_figures(&table, f, p);
        n++;
    }
    if (n > 0)
        table_end(&table);
    else
        table_discard(&table);
    return n > 0;
}

static bool print_properties(const struct findings *f, bool is_first)
{
    static const struct table_column columns[] = { { .title = "hyper-parameter" }, { .title = "A" }, { .title = "B" } };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    const struct diff_model *m = &f->model;
    if (m->n_properties == 0 || (m->n_differing == 0 && !f->verbose)) return false;
    if (!is_first) putchar('\n');
    for (size_t i = 0; i < m->n_properties; i++) {
        const struct diff_property *p = &m->properties[i];
        if (!p->differs && !f->verbose) continue;
        table_cell(&table, "%s", p->name);
        table_cell(&table, "%s", p->value[0]);
        table_cell(&table, "%s", p->value[1]);
    }
    table_end(&table);
    return true;
}

static void print_tokenizer(const char *what, bool is_first)
{
    if (!is_first) putchar('\n');
    paragraph_sentence(stdout, 0, 2, "tokenizer: %s", what);
}

static void print_text(const struct findings *f)
{
    bool some = print_tensors(f);
    if (!f->has_model) return;
    some |= print_properties(f, !some);
    if (f->model.tokenizer == DIFF_TOKENIZER_DIFFERS)
        print_tokenizer(f->model.difference, !some);
    else if (f->verbose && f->model.tokenizer == DIFF_TOKENIZER_SAME)
        print_tokenizer("the same", !some);
}

/* ------------------------------------------------------------------------------------------------------------ notes */

/* What exit code 0 alone would hide. */
static void note_pair(const struct findings *f, const struct diff_pair *p)
{
    for (unsigned s = 0; s < 2; s++)
        if (p->head_of_wte[s])
            report_note("lm_head.weight: %c has none of its own and is seen with wte.weight as its head", "AB"[s]);
    if (!p->rows_differ) return;
    char shown[SHOWN_NAME];
    const struct diff_tensor a = diff_tensor_of(&f->diff, p, 0), b = diff_tensor_of(&f->diff, p, 1);
    const struct diff_tensor *longer = a.t.shape[0] > b.t.shape[0] ? &a : &b;
    const char side = longer == &a ? 'A' : 'B';
    report_note("%s: compared in both: %" PRIu64 " row%s; %c has %" PRIu64 " more, %s",
                ingot_escape(longer->t.name, longer->t.name_len, shown, sizeof shown), p->n_rows, plural(p->n_rows),
                side, p->n_padding, p->padding_is_zeros ? "all zeros" : "not all zeros");
}

static void note_model(const struct findings *f)
{
    const struct diff_model *m = &f->model;
    for (unsigned s = 0; s < 2; s++) {
        const char side = "AB"[s];
        if (!m->known[s])
            report_note("hyper-parameters were not compared, %c does not say them: %s", side, m->unknown[s]);
    }
    if (m->has_tokenizer[0] != m->has_tokenizer[1])
        report_note("tokenizers were not compared: %c has none that is known", "AB"[m->has_tokenizer[0]]);
}

static void note_names(const struct findings *f, const struct arguments *args)
{
    const struct diff *d = &f->diff;
    uint64_t n_left_out = d->side[0].n_left_out + d->side[1].n_left_out;
    if (!d->canonical && !args->values[OPT_RAW_NAMES].given)
        report_note("no recipe fits both: tensors were paired by their own names, hyper-parameters not compared");
    if (n_left_out > 0)
        report_note("%" PRIu64 " tensor%s that a model leaves out %s not compared: --all", n_left_out,
                    plural(n_left_out), n_left_out == 1 ? "was" : "were");
}

static void summarise(const struct findings *f, double seconds)
{
    char parts[256];
    findings_text(f, parts);
    report_note("%s: %s; %s in %s (%s)", f->equal ? "equal" : "different", parts, human_bytes(f->diff.n_bytes).text,
                human_duration(seconds).text, human_rate((double)f->diff.n_bytes / seconds).text);
}

/* ---------------------------------------------------------------------------------------------------------- command */

static void report(const struct findings *f, const struct arguments *args, double seconds)
{
    if (args->values[OPT_JSON].given)
        json_end(diff_tree(f));
    else
        print_text(f);
    if (args->values[OPT_QUIET].given) return;
    note_names(f, args);
    for (size_t i = 0; i < f->diff.n_pairs; i++) note_pair(f, &f->diff.pairs[i]);
    if (f->has_model) note_model(f);
    summarise(f, seconds);
}

static enum ingot_status compare(struct findings *f, const struct arguments *args, double *seconds,
                                 struct ingot_error *err)
{
    const struct option_value *v = args->values;
    struct progress progress = progress_begin("diff", v[OPT_QUIET].given);
    const struct diff_options how = { .raw_names = v[OPT_RAW_NAMES].given,
                                      .all = f->all,
                                      .recipe = { v[OPT_RECIPE_A].text, v[OPT_RECIPE_B].text },
                                      .tolerance = { .given = v[OPT_TOLERANCE].given || v[OPT_RTOL].given,
                                                     .absolute = v[OPT_TOLERANCE].real,
                                                     .relative = v[OPT_RTOL].real },
                                      .n_threads = (uint32_t)v[OPT_THREADS].count,
                                      .progress = progress_update,
                                      .progress_ctx = &progress };
    enum ingot_status status = diff_open(args->operands[0], args->operands[1], &how, &f->diff, err);
    *seconds = progress_end(&progress);
    f->has_model = f->diff.canonical && !v[OPT_TENSORS].given;
    if (status == INGOT_OK && f->has_model)
        status = diff_model(&f->diff.side[0].cp, &f->diff.side[1].cp, how.recipe, &f->model, err);
    return status;
}

/* Options of one kind of comparison say nothing about the other. */
static enum ingot_status check_options(const struct arguments *args, bool logits, struct ingot_error *err)
{
    static const int of_logits[] = { OPT_CTX, OPT_STRIDE };
    static const int of_tensors[] = { OPT_TOLERANCE, OPT_RTOL,   OPT_RECIPE_A, OPT_RECIPE_B, OPT_RAW_NAMES,
                                      OPT_ALL,       OPT_STRICT, OPT_TENSORS,  OPT_VERBOSE };
    const int *list = logits ? of_tensors : of_logits;
    const size_t n = logits ? sizeof of_tensors / sizeof *of_tensors : sizeof of_logits / sizeof *of_logits;
    if (args->values[OPT_LOGITS].given && args->values[OPT_IDS].given)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "diff", NULL,
                          "--logits and --ids exclude each other");
    for (size_t i = 0; i < n; i++)
        if (args->values[list[i]].given)
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "diff", NULL, "--%s %s", options[list[i]].name,
                              logits ? "compares tensors, and is of no use with --logits" : "needs --logits");
    return INGOT_OK;
}

static int run_diff_logits(const struct arguments *args)
{
    const struct option_value *v = args->values;
    const struct diff_logits_request request = { .path = { args->operands[0], args->operands[1] },
                                                 .text = v[OPT_LOGITS].text,
                                                 .ids = v[OPT_IDS].text,
                                                 .settings = { .n_ctx = (uint32_t)v[OPT_CTX].count,
                                                               .stride = (uint32_t)v[OPT_STRIDE].count,
                                                               .n_threads = (uint32_t)v[OPT_THREADS].count },
                                                 .json = v[OPT_JSON].given,
                                                 .quiet = v[OPT_QUIET].given };
    return diff_logits(&request);
}

static int run_diff(const struct arguments *args)
{
    const struct option_value *v = args->values;
    const bool logits = v[OPT_LOGITS].given || v[OPT_IDS].given;
    struct ingot_error err = { 0 };
    if (check_options(args, logits, &err) != INGOT_OK) return report_error(&err);
    if (logits) return run_diff_logits(args);
    struct findings f = { .strict = v[OPT_STRICT].given, .all = v[OPT_ALL].given, .verbose = v[OPT_VERBOSE].given };
    double seconds = 0;
    enum ingot_status status = compare(&f, args, &seconds, &err);
    if (status == INGOT_OK) {
        findings_judge(&f);
        report(&f, args, seconds);
    }
    diff_close(&f.diff);
    if (status != INGOT_OK) return report_error(&err);
    return f.equal ? CODE_OK : CODE_NO;
}

const struct command command_diff = {
    .name = "diff",
    .summary = "compare two checkpoints of any formats, tensor by tensor",
    .operands = "A B",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Compares A with B, each an .ingot file or any checkpoint that convert reads. Where both are a GPT-2, tensors "
        "go by their canonical names and are compared as [out, in], however they are called and stored; "
        "hyper-parameters and tokenizers are compared, too. Otherwise tensors go by their own names, as they "
        "stand.\n\n"
        "Prints what differs, and notes on stderr. Values are equal when they have the same bits once both are "
        "widened exactly, or are both NaN. For each tensor that differs: the share of equal values and the number of "
        "others; the largest difference and where it is; the largest one relative to the larger value; the largest "
        "number of steps between neighbouring numbers (ULP) of the dtype with fewer digits; the cosine of the angle "
        "between the two; the root mean square of the differences, and that over the root mean square of A. A NaN is "
        "infinitely far from a number; the other figures are of the pairs of which both are finite. Steps are not "
        "counted where a side is q8 or q4.\n\n"
        "No difference, unless --strict: another dtype that holds the same values; rows of zeros behind the "
        "vocabulary; a stored head that equals the token embedding to which the other one is tied; a tokenizer or "
        "hyper-parameters that only one has.\n\n"
        "--logits compares what two .ingot files with the same vocabulary make of a text: the perplexity of both; how "
        "often the same token is the likeliest; the Kullback-Leibler divergence at each position, the sum of P "
        "log(P/Q) in nats, where P is what A expects and Q what B does; and how far apart the logits are. Texts that "
        "are longer than the context are read in windows, as `ingot score` reads them.\n\n"
        "Exit code 0: equal (with --logits: all logits have the same bits). 1: different. Others: one of them could "
        "not be read.",
    .examples = "ingot diff gpt2/ gpt2.ingot && echo the same model\n"
                "ingot diff gpt2/ gpt2-f16.gguf --rtol 0.001\n"
                "ingot diff gpt2.ingot gpt2-q4.ingot --logits chapter.txt\n"
                "ingot diff --json step-1000.pt step-2000.pt | jq '.tensors[] | [.name, .rms]'",
    .run = run_diff,
};
