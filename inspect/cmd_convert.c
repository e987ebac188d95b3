/* cmd_convert.c - `ingot convert`: a released checkpoint in, a file that is ready to run out. */
#include "inspect/commands.h"

#include "convert/ingot_convert.h"
#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/convert_plan.h"
#include "inspect/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    OPT_OUTPUT,
    OPT_DTYPE,
    OPT_EMBEDDING,
    OPT_RECIPE,
    OPT_SET,
    OPT_PLAN,
    OPT_JSON,
    OPT_BATCH,
    OPT_KEEP_GOING,
    OPT_FORCE,
    OPT_THREADS,
    OPT_ALIGN,
    OPT_QUIET,
    OPT_VERBOSE,
    N_OPTIONS
};

static const char *const dtype_choices[] = { "keep", "f32", "f16", "bf16", "q8", "q4", NULL };

static const struct option options[N_OPTIONS] = {
    [OPT_OUTPUT] = { .name = "output",
                     .letter = 'o',
                     .type = OPTION_FILE,
                     .value = "FILE",
                     .help = "The file to write" },
    [OPT_DTYPE] = { .name = "dtype",
                    .letter = 'd',
                    .type = OPTION_CHOICE,
                    .value = "TYPE",
                    .fallback = "keep",
                    .choices = dtype_choices,
                    .help = "What the matrices are stored as; norms and biases are always f32, and with q8 and q4 "
                            "the position embedding is f16" },
    [OPT_EMBEDDING] = { .name = "embedding",
                        .letter = 'e',
                        .type = OPTION_CHOICE,
                        .value = "TYPE",
                        .choices = dtype_choices,
                        .help = "What the token embedding and the output head are stored as; like the other "
                                "matrices when not given" },
    [OPT_RECIPE] = { .name = "recipe",
                     .letter = 'r',
                     .type = OPTION_FILE,
                     .value = "RECIPE",
                     .help = "How the names of SOURCE become those of a GPT-2: a built-in recipe, or a file; the first "
                             "built-in one that fits when not given. 'ingot help recipes' tells more" },
    [OPT_SET] = { .name = "set",
                  .letter = 's',
                  .type = OPTION_TEXT,
                  .value = "KEY=VALUE",
                  .repeats = true,
                  .help = "A hyper-parameter that SOURCE does not say, or says wrongly: n_head=12" },
    [OPT_PLAN] = { .name = "plan",
                   .letter = 'p',
                   .help = "Write nothing; show what every tensor would become, after all checks" },
    [OPT_JSON] = JSON_OPTION("With --plan: print JSON"),
    [OPT_BATCH] = { .name = "batch",
                    .letter = 'b',
                    .type = OPTION_FILE,
                    .value = "FILE",
                    .help = "Convert what this YAML file lists; all are planned before the first is written" },
    [OPT_KEEP_GOING] = { .name = "keep-going",
                         .letter = 'k',
                         .help = "With --batch: convert all that can be converted, whatever fails" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace FILE if it exists" },
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given. The file does not depend on it"),
    [OPT_ALIGN] = { .name = "align",
                    .type = OPTION_SIZE,
                    .value = "BYTES",
                    .fallback = "4k",
                    .min = 4096,
                    .max = 2u << 20,
                    .help = "Alignment of the matrices: a power of two from 4k to 2M" },
    [OPT_QUIET] = QUIET_OPTION("No progress bar and no summary; warnings stay"),
    [OPT_VERBOSE] = VERBOSE_OPTION,
};

static void print_summary(const char *output, const struct ingot_convert_report *report, double seconds)
{
    summary_of_written(output, report->n_tensors, report->output_bytes, seconds);
    if (report->n_dropped)
        report_note("%" PRIu64 " tensor%s left out: no weights", report->n_dropped, plural(report->n_dropped));
    report_note("%" PRIu64 " elements compared with the source, content id %s", report->n_checked,
                human_digest(report->content_id).text);
}

static struct ingot_convert_options options_of(const struct arguments *args, struct progress *progress)
{
    const struct option_value *v = args->values;
    const bool sets_embedding = v[OPT_EMBEDDING].given;
    return (struct ingot_convert_options){ .dtype = dtype_to_write(v[OPT_DTYPE].text),
                                           .sets_embedding = sets_embedding,
                                           .embedding = dtype_to_write(sets_embedding ? v[OPT_EMBEDDING].text : "keep"),
                                           .overwrite = v[OPT_FORCE].given,
                                           .align = (uint32_t)v[OPT_ALIGN].count,
                                           .recipe = v[OPT_RECIPE].text,
                                           .settings = args->repeated,
                                           .n_settings = args->n_repeated,
                                           .n_threads = (uint32_t)v[OPT_THREADS].count,
                                           .progress = progress_update,
                                           .progress_ctx = progress,
                                           .warning = progress_warning,
                                           .warning_ctx = progress };
}

static bool wants_summary(const struct arguments *args)
{
    return summary_wanted(&args->values[OPT_QUIET], &args->values[OPT_VERBOSE]);
}

static int run_one(const struct arguments *args)
{
    const char *output = args->values[OPT_OUTPUT].text;
    struct ingot_error err = { 0 };
    struct ingot_convert_report report = { 0 };
    struct progress progress = progress_begin("convert", args->values[OPT_QUIET].given);
    struct ingot_convert_options how = options_of(args, &progress);
    signals_name_mapping(args->operands[0]);
    enum ingot_status status = ingot_convert(args->operands[0], output, &how, &report, &err);
    double seconds = progress_end(&progress);
    if (status != INGOT_OK) return report_error(&err);
    if (wants_summary(args)) print_summary(output, &report, seconds);
    return CODE_OK;
}

/* ------------------------------------------------------------------------------------------------------------ batch */

struct batch {
    const struct arguments *args;
    struct progress progress;
    char label[48];
    unsigned n_failed;
};

static void at_entry(void *ctx, const struct ingot_batch_entry *entry, const struct ingot_convert_report *report,
                     const struct ingot_error *error)
{
    struct batch *b = ctx;
    if (report || error) {
        double seconds = progress_end(&b->progress);
        if (report && wants_summary(b->args)) print_summary(entry->output, report, seconds);
        if (error) report_error(error);
        b->n_failed += error != NULL;
        return;
    }
    snprintf(b->label, sizeof b->label, "convert %u of %u", entry->number, entry->count);
    b->progress = progress_begin(b->label, b->args->values[OPT_QUIET].given);
    signals_name_mapping(entry->source);
}

static int run_batch(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct batch b = { .args = args, .progress = progress_begin("convert", args->values[OPT_QUIET].given) };
    struct ingot_convert_options how = options_of(args, &b.progress);
    const char *path = args->values[OPT_BATCH].text;
    enum ingot_status status = ingot_convert_batch(path, &how, args->values[OPT_KEEP_GOING].given, at_entry, &b, &err);
    progress_end(&b.progress);
    if (status == INGOT_OK) return CODE_OK;
    if (b.n_failed == 0 || status == INGOT_E_INTERRUPTED) return report_error(&err);
    return report_failure(status, path, NULL, "%u conversion%s failed", b.n_failed, plural(b.n_failed));
}

/* --------------------------------------------------------------------------------------------------------- commands */

static int usage(const char *what)
{
    return report_failure(INGOT_E_ARGUMENT, "convert", "usage: ingot convert SOURCE -o FILE.ingot", "%s", what);
}

/* What of the three was asked for must be given whole, and nothing of the others. */
static const char *wrong_combination(const struct arguments *args)
{
    const struct option_value *v = args->values;
    bool source = args->n_operands > 0, output = v[OPT_OUTPUT].given, plan = v[OPT_PLAN].given;
    if (v[OPT_JSON].given && !plan) return "--json goes with --plan";
    if (v[OPT_KEEP_GOING].given && !v[OPT_BATCH].given) return "--keep-going goes with --batch";
    if (v[OPT_BATCH].given && (source || output)) return "--batch names sources and outputs itself";
    if (v[OPT_BATCH].given) return plan ? "--plan shows one conversion, not a batch" : NULL;
    if (!source) return "SOURCE is missing";
    if (plan && output) return "--plan writes nothing: leave out -o";
    return output || plan ? NULL : "-o FILE is missing";
}

static int run_convert(const struct arguments *args)
{
    const struct option_value *v = args->values;
    const char *wrong = wrong_combination(args);
    if (wrong) return usage(wrong);
    if (v[OPT_ALIGN].count & (v[OPT_ALIGN].count - 1))
        return report_failure(INGOT_E_ARGUMENT, "convert", "for example --align 64k", "--align must be a power of two");
    if (outfile_is_stdout(v[OPT_OUTPUT].text))
        return report_failure(INGOT_E_ARGUMENT, "convert", "a file of that name is ./-",
                              "a model cannot go to the standard output");
    if (v[OPT_BATCH].given) return run_batch(args);
    if (checkpoint_is_ingot(args->operands[0]))
        return report_failure(INGOT_E_UNSUPPORTED, args->operands[0], "convert the checkpoint that it was made from",
                              "is an .ingot file already");
    if (!v[OPT_PLAN].given) return run_one(args);
    struct progress progress = progress_begin("convert", true);
    struct ingot_convert_options how = options_of(args, &progress);
    signals_name_mapping(args->operands[0]);
    return print_plan(args->operands[0], &how, v[OPT_JSON].given);
}

const struct command command_convert = {
    .name = "convert",
    .summary = "cast a checkpoint into an .ingot file",
    .operands = "SOURCE -o FILE",
    .min_operands = 0,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Converts SOURCE, a released GPT-2 checkpoint, into a file that runs without any further "
        "preparation: a Hugging Face directory (safetensors or pytorch_model.bin), OpenAI's TensorFlow "
        "directory, a .pt file of nanoGPT or minGPT, a GGUF file, a model of llm.c. A tokenizer that lies "
        "beside or in the weights comes along; so does the configuration.\n\n"
        "FILE appears under its name only when it is complete, synced and verified, and compared with the "
        "source. Interrupted, or with the disk full, the conversion leaves what was there before. The "
        "same source and the same options give the same bytes. Checksums that SOURCE carries for what is "
        "converted are verified.\n\n"
        "q8 and q4 are quantised: 32 weights of a row share a scale, and a weight is one of 256 or of 16 "
        "levels of it, which makes 8.5 and 4.5 bits. A matrix of Q8_0 from a GGUF file becomes q8 without "
        "any loss.\n\n"
        "A batch is a list 'conversions' of mappings with 'source', 'output' and, if wanted, 'dtype', "
        "'embedding', 'recipe' and 'set'; these four may also stand beside the list, for all. Paths are relative to "
        "the batch file. All are planned before the first is written, and the first failure ends it; "
        "with --keep-going every one that can be converted is, and the exit code is that of the first "
        "failure.",
    .examples = "ingot convert gpt2/ -o gpt2.ingot\n"
                "ingot convert gpt2/ -o gpt2-f16.ingot --dtype f16\n"
                "ingot convert gpt2/ -o gpt2-q4.ingot --dtype q4 --embedding q8\n"
                "ingot convert ckpt.pt -o mine.ingot --recipe nanogpt --set n_head=6\n"
                "ingot convert gpt2/ --plan\n"
                "ingot convert --batch models.yaml",
    .run = run_convert,
};
