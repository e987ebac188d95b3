/* cmd_export.c - `ingot export`: an .ingot file out, in the form that other programs read. */
#include "inspect/commands.h"

#include "convert/ingot_convert.h"
#include "convert/input.h"
#include "format/path.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/summary.h"

#include <stdio.h>
#include <string.h>

enum { OPT_OUTPUT, OPT_TO, OPT_DTYPE, OPT_FORCE, OPT_THREADS, OPT_QUIET, OPT_VERBOSE, N_OPTIONS };

static const char *const dtype_choices[] = { "keep", "f32", "f16", "bf16", NULL };
static const char *const format_choices[] = { "huggingface", "hf", "gguf", "llm.c", NULL };

static const struct option options[N_OPTIONS] = {
    [OPT_OUTPUT] = { .name = "output",
                     .letter = 'o',
                     .type = OPTION_FILE,
                     .value = "OUT",
                     .help = "The file or directory to write; required" },
    [OPT_TO] = { .name = "to",
                 .type = OPTION_CHOICE,
                 .value = "FORMAT",
                 .choices = format_choices,
                 .help = "What to write (hf is short for huggingface); when not given, the name of OUT says it: .gguf, "
                         ".bin for llm.c, no suffix for huggingface" },
    [OPT_DTYPE] = { .name = "dtype",
                    .letter = 'd',
                    .type = OPTION_CHOICE,
                    .value = "TYPE",
                    .fallback = "keep",
                    .choices = dtype_choices,
                    .help = "What the matrices are written as" },
    [OPT_FORCE] = { .name = "force",
                    .letter = 'f',
                    .help = "Replace OUT if it exists; a directory only if nothing else is in it than an export "
                            "writes" },
    [OPT_THREADS] =
        THREADS_OPTION("Threads; as many as there are CPUs when not given. The result does not depend on it"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar and no summary; warnings stay"),
    [OPT_VERBOSE] = VERBOSE_OPTION,
};

/* What the name of the output stands for; NULL: nothing that is known. */
static const char *format_of_name(const char *path)
{
    const char *name = path_base(path);
    if (path_ends_with(name, ".gguf")) return "gguf";
    if (path_ends_with(name, ".bin")) return "llm.c";
    return strchr(name, '.') ? NULL : "huggingface";
}

static const char *chosen_format(const struct option_value *v)
{
    if (!v[OPT_TO].given) return format_of_name(v[OPT_OUTPUT].text);
    return strcmp(v[OPT_TO].text, "hf") == 0 ? "huggingface" : v[OPT_TO].text;
}

static int export_file(const struct arguments *args, const char *format)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct ingot_export_report report = { 0 };
    struct ingot_file *file = NULL;
    if (checkpoint_open_ingot(args->operands[0], &file, &err) != INGOT_OK) return report_error(&err);
    struct progress progress = progress_begin("export", v[OPT_QUIET].given);
    struct ingot_export_options how = { .dtype = dtype_to_write(v[OPT_DTYPE].text),
                                        .overwrite = v[OPT_FORCE].given,
                                        .n_threads = (uint32_t)v[OPT_THREADS].count,
                                        .progress = progress_update,
                                        .progress_ctx = &progress,
                                        .warning = progress_warning,
                                        .warning_ctx = &progress };
    enum ingot_status status = ingot_export(file, format, v[OPT_OUTPUT].text, &how, &report, &err);
    double seconds = progress_end(&progress);
    ingot_close(file);
    if (status != INGOT_OK) return report_error(&err);
    if (summary_wanted(&v[OPT_QUIET], &v[OPT_VERBOSE]))
        summary_of_written(v[OPT_OUTPUT].text, report.n_tensors, report.output_bytes, seconds);
    return CODE_OK;
}

static int run_export(const struct arguments *args)
{
    const struct option_value *v = args->values;
    if (!v[OPT_OUTPUT].given)
        return report_failure(INGOT_E_ARGUMENT, "export", "usage: ingot export FILE.ingot -o OUT", "-o OUT is missing");
    if (outfile_is_stdout(v[OPT_OUTPUT].text))
        return report_failure(INGOT_E_ARGUMENT, "export", "a file of that name is ./-",
                              "a model cannot go to the standard output");
    const char *format = chosen_format(v);
    if (!format)
        return report_failure(INGOT_E_ARGUMENT, v[OPT_OUTPUT].text, "say it with --to huggingface, gguf or llm.c",
                              "the name does not say what to write");
    return export_file(args, format);
}

const struct command command_export = {
    .name = "export",
    .summary = "write an .ingot file out for other programs",
    .operands = "FILE -o OUT",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Writes the model in FILE, an .ingot file, as a Hugging Face directory (for transformers), as GGUF (for "
        "llama.cpp) or as a .bin of llm.c, with its tokenizer. Where dtypes are kept no bit of a weight is lost, and "
        "converting the result again gives the same sections. In GGUF q8 is kept as Q8_0, if its rows are a multiple "
        "of 32 long; elsewhere it becomes f32, "
        "as q4 does everywhere, which holds every value of it.\n\n"
        "FILE is verified first. OUT appears under its name only when it is complete and synced; interrupted, or with "
        "the disk full, the export leaves what was there before. What a format cannot say, as an untied head in "
        "llm.c or the erf form of GELU in GGUF, is refused.\n\n"
        "huggingface: norms and biases are written in the matrices' 16-bit type where that loses nothing, else as "
        "f32. vocab_size counts the stored rows of the embedding; where fewer are tokens, logical_vocab_size says how "
        "many. Biases that FILE does not have are zeros in every format.\n\n"
        "llm.c: a multiple of 128 rows, padded with zeros. The tokenizer becomes gpt2_tokenizer.bin beside OUT.",
    .examples = "ingot export gpt2.ingot -o gpt2-again/\n"
                "ingot export gpt2.ingot -o gpt2.gguf --dtype f16\n"
                "ingot export gpt2.ingot --to llm.c -o gpt2_124M.bin",
    .run = run_export,
};
