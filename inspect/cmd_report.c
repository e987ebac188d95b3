/* cmd_report.c - `ingot report`: all that the other commands know of a checkpoint, as one page. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/choose.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/page_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_OUTPUT, OPT_FORCE, OPT_NO_STATS, OPT_VERIFY, OPT_THREADS, OPT_QUIET, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_OUTPUT] = { .name = "output",
                     .letter = 'o',
                     .type = OPTION_FILE,
                     .value = "OUT",
                     .help = "The page to write; - is the standard output; required" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace OUT if it exists" },
    [OPT_NO_STATS] = { .name = "no-stats", .help = "Without figures of the values, which take reading every byte" },
    [OPT_VERIFY] = { .name = "verify", .help = "Check the checksums, and mark what is damaged" },
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given. The page does not depend on it"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

/* --------------------------------------------------------------------------------------------- one checkpoint */

struct collection {
    struct page_model *model;
    const struct choice *choice;
};

static void keep_figures(void *ctx, const struct stats_tensor *s)
{
    struct collection *c = ctx;
    struct page_figures *f = &c->model->figures[c->choice->list[s->number]];
    f->known = s->unreadable.status == INGOT_OK;
    f->figures = s->figures;
}

static enum ingot_status gather_stats(struct page_model *m, const struct arguments *args, struct ingot_error *err)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    struct choice choice = { 0 };
    struct collection c = { m, &choice };
    enum ingot_status status = choose_tensors(cp, NULL, 0, &choice, err);
    if (status == INGOT_OK) {
        struct progress progress = progress_begin("stats", args->values[OPT_QUIET].given);
        const struct stats_options how = { .n_threads = (uint32_t)args->values[OPT_THREADS].count,
                                           .progress = progress_update,
                                           .progress_ctx = &progress,
                                           .each = keep_figures,
                                           .each_ctx = &c };
        m->figures = memory_array(cp->n_tensors, sizeof *m->figures);
        status = stats_run(cp, choice.list, choice.n, &how, &m->total, err);
        progress_end(&progress);
    }
    free(choice.list);
    return status;
}

static void count_tensors(struct page_model *m)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target) continue;
        m->n_tensors++;
        m->n_params += t.n_elems;
        m->n_bytes += t.n_bytes;
    }
}

/* What is in memory now is no property of the file. */
static enum ingot_status gather(struct page_model *m, const struct arguments *args, struct ingot_error *err)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    enum ingot_status status = INGOT_OK;
    m->regions = regions_of(cp);
    m->regions.knows_resident = false;
    m->kinds = regions_tensor_kinds(cp);
    m->verified = args->values[OPT_VERIFY].given;
    count_tensors(m);
    if (m->verified)
        status = regions_verify(&m->regions, cp, (uint32_t)args->values[OPT_THREADS].count,
                                args->values[OPT_QUIET].given, &m->n_damaged, err);
    if (status == INGOT_OK && !args->values[OPT_NO_STATS].given) status = gather_stats(m, args, err);
    return status;
}

static void put_page(struct markup *page, const struct page_model *m)
{
    static const struct page_link all[] = {
        { "summary", "Summary" },
        { "architecture", "Architecture" },
        { "parameters", "Parameters" },
        { "tensors", "Tensors" },
        { "bytes", "Bytes" },
        { "origin", "Origin" },
        { NULL, NULL },
    };
    static const struct page_link without_architecture[] = {
        { "summary", "Summary" }, { "parameters", "Parameters" }, { "tensors", "Tensors" },
        { "bytes", "Bytes" },     { "origin", "Origin" },         { NULL, NULL },
    };
    const struct subject *s = m->subject;
    char lede[256];
    size_t n = (size_t)snprintf(lede, sizeof lede, "%s", checkpoint_format(&s->checkpoint));
    if (s->has_hparams)
        snprintf(lede + n, sizeof lede - n, ", GPT-2 of %u layer%s, %u head%s, width %u, context %u", s->hp.n_layer,
                 s->hp.n_layer == 1 ? "" : "s", s->hp.n_head, s->hp.n_head == 1 ? "" : "s", s->hp.n_embd, s->hp.n_ctx);
    page_begin(page, &s->name, 1, lede, s->has_hparams ? all : without_architecture);
    page_summary(page, m);
    page_architecture(page, m);
    page_parameters(page, m);
    page_tensors(page, m);
    page_bytes(page, m);
    page_origin(page, m);
    page_end(page);
}

static enum ingot_status report_one(const struct arguments *args, struct markup *page, bool *yes,
                                    struct ingot_error *err)
{
    struct subject s = { 0 };
    struct page_model m = { .subject = &s };
    enum ingot_status status = subject_from_file(args->operands[0], &s, err);
    if (status == INGOT_OK) status = gather(&m, args, err);
    if (status == INGOT_OK) put_page(page, &m);
    *yes = m.n_damaged == 0;
    regions_free(&m.regions);
    free(m.kinds);
    free(m.figures);
    subject_close(&s);
    return status;
}

/* -------------------------------------------------------------------------------------------------- comparison */

static void put_pages_comparison(struct markup *page, const struct arguments *args, const struct findings *f)
{
    static const struct page_link links[] = {
        { "summary", "Summary" }, { "model", "Model" }, { "tensors", "Tensors" }, { NULL, NULL }
    };
    page_begin(page, args->operands, 2, "A and B, compared tensor by tensor", links);
    page_comparison(page, f);
    page_end(page);
}

/* As `diff` does without options. */
static enum ingot_status report_two(const struct arguments *args, struct markup *page, struct ingot_error *err)
{
    struct findings f = { 0 };
    struct progress progress = progress_begin("diff", args->values[OPT_QUIET].given);
    const struct diff_options how = { .n_threads = (uint32_t)args->values[OPT_THREADS].count,
                                      .progress = progress_update,
                                      .progress_ctx = &progress };
    enum ingot_status status = diff_open(args->operands[0], args->operands[1], &how, &f.diff, err);
    progress_end(&progress);
    f.has_model = f.diff.canonical;
    if (status == INGOT_OK && f.has_model)
        status = diff_model(&f.diff.side[0].cp, &f.diff.side[1].cp, how.recipe, &f.model, err);
    if (status == INGOT_OK) {
        findings_judge(&f);
        put_pages_comparison(page, args, &f);
    }
    diff_close(&f.diff);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ command */

static enum ingot_status check(const struct arguments *args, struct ingot_error *err)
{
    const char *path = args->values[OPT_OUTPUT].text;
    bool two = args->n_operands == 2;
    if (!path)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "report", "give -o PAGE.html",
                          "there is no name for the page");
    if (two && (args->values[OPT_VERIFY].given || args->values[OPT_NO_STATS].given))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "report", "of one file it does",
                          "a comparison takes neither --verify nor --no-stats");
    for (size_t i = 0; i < args->n_operands; i++)
        if (outfile_is_same(path, args->operands[i]))
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "give the page a name of its own",
                              "is the file that is looked at");
    return INGOT_OK;
}

static enum ingot_status write_page(const struct arguments *args, const struct markup *page, struct ingot_error *err)
{
    const char *path = args->values[OPT_OUTPUT].text;
    struct outfile out;
    if (strcmp(path, "-") == 0) {
        fwrite(page->text, 1, page->n, stdout);
        return INGOT_OK;
    }
    enum ingot_status status = outfile_open(&out, path, args->values[OPT_FORCE].given, err);
    if (status == INGOT_OK) status = outfile_write(&out, page->text, page->n, err);
    if (status == INGOT_OK) status = outfile_publish(&out, err);
    outfile_close(&out);
    return status;
}

static int run_report(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct markup page = { 0 };
    bool yes = true;
    enum ingot_status status = check(args, &err);
    if (status == INGOT_OK)
        status = args->n_operands == 2 ? report_two(args, &page, &err) : report_one(args, &page, &yes, &err);
    if (status == INGOT_OK) status = write_page(args, &page, &err);
    free(page.text);
    if (status != INGOT_OK) return report_error(&err);
    return yes ? CODE_OK : CODE_NO;
}

const struct command command_report = {
    .name = "report",
    .summary = "write all about a checkpoint, or about two, as one HTML page",
    .operands = "FILE [FILE2]",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Writes one page that needs nothing beside it and asks nothing of the network: a summary, the architecture "
        "with "
        "every shape, a treemap of the parameters, the tensors with figures and histograms of their values in a table "
        "that can be sorted and searched, the file's bytes to scale, and where all of it comes from. FILE is an .ingot "
        "file or any checkpoint that convert reads.\n\n"
        "Of two files it is the comparison, as diff makes it without options.\n\n"
        "The same file gives the same page, byte for byte.\n\n"
        "Exit code 1: --verify found damage, which the page shows.",
    .examples = "ingot report gpt2.ingot -o gpt2.html\n"
                "ingot report --verify gpt2.gguf -o gpt2.html\n"
                "ingot report gpt2/ gpt2-f16.ingot -o comparison.html",
    .run = run_report,
};
