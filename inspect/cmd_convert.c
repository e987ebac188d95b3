/* cmd_convert.c - `ingot convert`: a released checkpoint in, a file that is ready to run out. */
#include "inspect/commands.h"

#include "convert/ingot_convert.h"
#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_OUTPUT, OPT_DTYPE, OPT_FORCE, OPT_THREADS, OPT_ALIGN, OPT_QUIET, OPT_VERBOSE, N_OPTIONS };

static const char *const dtype_choices[] = { "keep", "f32", "f16", "bf16", NULL };

static const struct option options[N_OPTIONS] = {
    [OPT_OUTPUT] = { .name = "output",
                     .letter = 'o',
                     .type = OPTION_FILE,
                     .value = "FILE",
                     .help = "The file to write; required" },
    [OPT_DTYPE] = { .name = "dtype",
                    .letter = 'd',
                    .type = OPTION_CHOICE,
                    .value = "TYPE",
                    .fallback = "keep",
                    .choices = dtype_choices,
                    .help = "What the matrices are stored as; norms and biases are always f32" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace FILE if it exists" },
    [OPT_THREADS] = { .name = "threads",
                      .letter = 't',
                      .type = OPTION_COUNT,
                      .value = "N",
                      .min = 1,
                      .max = 256,
                      .help = "Threads; as many as there are CPUs when not given. The file does not depend on it" },
    [OPT_ALIGN] = { .name = "align",
                    .type = OPTION_SIZE,
                    .value = "BYTES",
                    .fallback = "4k",
                    .min = 4096,
                    .max = 2u << 20,
                    .help = "Alignment of the matrices: a power of two from 4k to 2M" },
    [OPT_QUIET] = { .name = "quiet", .letter = 'q', .help = "No progress bar and no summary; warnings stay" },
    [OPT_VERBOSE] = { .name = "verbose",
                      .letter = 'v',
                      .help = "Print a summary on stderr even when it is not a terminal" },
};

static void print_warning(void *ctx, const char *subject, const char *message)
{
    struct progress *p = ctx;
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
    report_warning(subject, message);
}

static void print_summary(const char *output, const struct ingot_convert_report *report, double seconds)
{
    char shown[256];
    report_note("%s: %" PRIu64 " tensors, %s, in %s (%s)", ingot_escape(output, strlen(output), shown, sizeof shown),
                report->n_tensors, human_bytes(report->output_bytes).text, human_duration(seconds).text,
                human_rate((double)report->output_bytes / seconds).text);
    if (report->n_dropped) report_note("%" PRIu64 " mask buffers left out", report->n_dropped);
    report_note("%" PRIu64 " elements compared with the source, content id %s", report->n_checked,
                human_digest(report->content_id).text);
}

static enum ingot_dtype chosen_dtype(const char *name)
{
    enum ingot_dtype dtype = INGOT_DTYPE_NONE;
    ingot_dtype_parse(name, &dtype); /* "keep" is no dtype and leaves NONE */
    return dtype;
}

static int run_convert(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct ingot_convert_report report = { 0 };
    if (!v[OPT_OUTPUT].given)
        return report_failure(INGOT_E_ARGUMENT, "convert", "usage: ingot convert SOURCE -o FILE.ingot",
                              "-o FILE is missing");
    if (v[OPT_ALIGN].count & (v[OPT_ALIGN].count - 1))
        return report_failure(INGOT_E_ARGUMENT, "convert", "for example --align 64k", "--align must be a power of two");
    if (checkpoint_is_ingot(args->operands[0]))
        return report_failure(INGOT_E_UNSUPPORTED, args->operands[0], "convert the checkpoint that it was made from",
                              "is an .ingot file already");
    struct progress progress = progress_begin("convert", v[OPT_QUIET].given);
    struct ingot_convert_options how = { .dtype = chosen_dtype(v[OPT_DTYPE].text),
                                         .overwrite = v[OPT_FORCE].given,
                                         .align = (uint32_t)v[OPT_ALIGN].count,
                                         .n_threads = (uint32_t)v[OPT_THREADS].count,
                                         .progress = progress_update,
                                         .progress_ctx = &progress,
                                         .warning = print_warning,
                                         .warning_ctx = &progress };
    signals_name_mapping(args->operands[0]);
    enum ingot_status status = ingot_convert(args->operands[0], v[OPT_OUTPUT].text, &how, &report, &err);
    double seconds = progress_end(&progress);
    if (status != INGOT_OK) return report_error(&err);
    if (!v[OPT_QUIET].given && (v[OPT_VERBOSE].given || terminal_is(stderr)))
        print_summary(v[OPT_OUTPUT].text, &report, seconds);
    return CODE_OK;
}

const struct command command_convert = {
    .name = "convert",
    .summary = "cast a checkpoint into an .ingot file",
    .operands = "SOURCE -o FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Converts SOURCE, a Hugging Face directory or a .safetensors file, into a file that runs without "
                   "any further preparation. A tokenizer that lies beside the weights comes along; so does the "
                   "configuration.\n\n"
                   "FILE appears under its name only when it is complete, synced and verified, and compared with the "
                   "source. Interrupted, or with the disk full, the conversion leaves what was there before. The "
                   "same source and the same options give the same bytes.",
    .examples = "ingot convert gpt2/ -o gpt2.ingot\n"
                "ingot convert gpt2/ -o gpt2-f16.ingot --dtype f16",
    .run = run_convert,
};
