/* cmd_report.c - `ingot report`: all that the other commands know of a checkpoint, as one page. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/report.h"
#include "inspect/page_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_OUTPUT, OPT_FORCE, OPT_NO_STATS, OPT_VERIFY, OPT_JSON, OPT_THREADS, OPT_QUIET, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_OUTPUT] = { .name = "output",
                     .letter = 'o',
                     .type = OPTION_FILE,
                     .value = "OUT",
                     .help = "The page to write; - is the standard output; required without --json" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace OUT if it exists" },
    [OPT_NO_STATS] = { .name = "no-stats", .help = "Without figures of the values, which take reading every byte" },
    [OPT_VERIFY] = { .name = "verify", .help = "Check the checksums, and mark what is damaged" },
    [OPT_JSON] = JSON_OPTION("Print what the page shows as JSON, with or without a page"),
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given. The page does not depend on it"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

static enum ingot_status check(const struct arguments *args, struct ingot_error *err)
{
    const char *path = args->values[OPT_OUTPUT].text;
    bool json = args->values[OPT_JSON].given;
    if (!path && json) return INGOT_OK;
    if (!path)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "report", "give -o PAGE.html, or --json",
                          "there is no name for the page");
    if (json && outfile_is_stdout(path))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "report", "give -o PAGE.html",
                          "page and JSON would both go to the standard output");
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
    if (!path) return INGOT_OK;
    enum ingot_status status = outfile_open(&out, path, args->values[OPT_FORCE].given, err);
    if (status == INGOT_OK) status = outfile_write(&out, page->text, page->n, err);
    if (status == INGOT_OK) status = outfile_publish(&out, err);
    outfile_close(&out);
    return status;
}

static int run_report(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct markup page = { 0 };
    json_t *tree = NULL;
    uint64_t n_damaged = 0;
    const struct page_request request = { .paths = args->operands,
                                          .n_paths = args->n_operands,
                                          .no_stats = v[OPT_NO_STATS].given,
                                          .verify = v[OPT_VERIFY].given,
                                          .quiet = v[OPT_QUIET].given,
                                          .n_threads = (uint32_t)v[OPT_THREADS].count,
                                          .page = v[OPT_OUTPUT].given ? &page : NULL,
                                          .page_path = v[OPT_OUTPUT].text,
                                          .tree = v[OPT_JSON].given ? &tree : NULL };
    enum ingot_status status = check(args, &err);
    if (status == INGOT_OK) status = page_make(&request, &n_damaged, &err);
    if (status == INGOT_OK) status = write_page(args, &page, &err);
    free(page.text);
    if (status == INGOT_OK && tree) json_end(json_incref(tree));
    json_decref(tree);
    if (status != INGOT_OK) return report_error(&err);
    return n_damaged == 0 ? CODE_OK : CODE_NO;
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
        "with every shape, a treemap of the parameters, the tensors with figures and histograms of their values in a "
        "table (of 10,000 at most, the largest) that can be sorted and searched, the file's bytes to scale, and where "
        "all of it comes from. FILE is an "
        ".ingot file or any checkpoint that convert reads.\n\n"
        "Of two files it is the comparison, as diff makes it without options: what differs first, then both beside "
        "each other.\n\n"
        "The same file gives the same page, byte for byte.\n\n"
        "JSON: files[], of each under show, params, ls, stats and map what these commands print, and its provenance; "
        "of two files under diff what diff --verbose prints; page is the page that was written.\n\n"
        "Exit code 1: --verify found damage, which the page shows.",
    .examples = "ingot report gpt2.ingot -o gpt2.html\n"
                "ingot report --verify gpt2.gguf -o gpt2.html\n"
                "ingot report gpt2/ gpt2-f16.ingot -o comparison.html\n"
                "ingot report --json gpt2.ingot | jq '.files[0].params.parameters'",
    .run = run_report,
};
