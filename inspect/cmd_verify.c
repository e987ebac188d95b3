/* cmd_verify.c - `ingot verify`: are the bytes what the writer wrote? Yes is silent, no is a list. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/cli/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_JSON, OPT_THREADS, OPT_QUIET, OPT_VERBOSE, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_JSON] = { .name = "json", .help = "Print JSON" },
    [OPT_THREADS] = { .name = "threads",
                      .letter = 't',
                      .type = OPTION_COUNT,
                      .value = "N",
                      .min = 1,
                      .max = 256,
                      .help = "Threads; as many as there are CPUs when not given" },
    [OPT_QUIET] = { .name = "quiet", .letter = 'q', .help = "No progress bar and no summary" },
    [OPT_VERBOSE] = { .name = "verbose",
                      .letter = 'v',
                      .help = "Print a summary on stderr even when it is not a terminal" },
};

/* Where ingot_verify() delivers: into a table or into JSON. */
struct listing {
    const struct ingot_file *file;
    struct table table;
    json_t *array; /* NULL: the table */
};

static void add_damage(void *ctx, const struct ingot_damage *damage)
{
    struct listing *l = ctx;
    char shown[4 * INGOT_MAX_NAME + 8] = "";
    struct ingot_section section = { 0 };
    if (damage->section != UINT32_MAX) section = ingot_section_at(l->file, damage->section);
    if (l->array) {
        json_t *row = json_object();
        json_put(row, "code", json_integer(damage->status));
        json_put(row, "status", json_string(ingot_status_name(damage->status)));
        json_put(row, "section", section.name ? json_text(section.name, section.name_len) : json_null());
        json_put(row, "offset", json_count(damage->off));
        json_put(row, "bytes", json_count(damage->bytes));
        json_put(row, "what", json_text(damage->what, strlen(damage->what)));
        json_add(l->array, row);
        return;
    }
    if (section.name) ingot_escape(section.name, section.name_len, shown, sizeof shown);
    table_cell(&l->table, "%s", section.name ? shown : "(file)");
    table_cell(&l->table, "%" PRIu64, damage->off);
    table_cell(&l->table, "%" PRIu64, damage->bytes);
    table_cell(&l->table, "%s", ingot_status_name(damage->status));
    table_cell(&l->table, "%s", damage->what);
}

static void print_json(const char *path, const struct ingot_verify_report *report, json_t *array)
{
    json_t *root = json_begin();
    json_put(root, "file", json_text(path, strlen(path)));
    json_put(root, "ok", json_boolean(report->n_damaged == 0));
    json_put(root, "bytes_checked", json_count(report->bytes_checked));
    json_put(root, "sections", json_count(report->n_sections));
    json_put(root, "sections_damaged", json_count(report->n_sections_damaged));
    json_put(root, "damage", array);
    json_end(root);
}

static void print_summary(const char *path, const struct ingot_verify_report *report, double seconds)
{
    char shown[256];
    ingot_escape(path, strlen(path), shown, sizeof shown);
    if (report->n_damaged > 0)
        report_note("%s: damaged in %" PRIu64 " place%s, %u of %u sections", shown, report->n_damaged,
                    report->n_damaged == 1 ? "" : "s", report->n_sections_damaged, report->n_sections);
    else
        report_note("%s: ok, %u sections, %s in %s (%s)", shown, report->n_sections,
                    human_bytes(report->bytes_checked).text, human_duration(seconds).text,
                    human_rate((double)report->bytes_checked / seconds).text);
}

/* Damage is an answer; anything that kept the bytes from being read is an error. */
static bool is_answer(enum ingot_status status, const struct ingot_verify_report *report)
{
    return status == INGOT_OK || (status < 200 && report->n_damaged > 0);
}

static int verify_file(const struct arguments *args, const struct ingot_file *file, struct ingot_error *err)
{
    static const struct table_column columns[] = {
        { .title = "section", .flexible = true }, { .title = "offset", .right = true },
        { .title = "bytes", .right = true },      { .title = "status" },
        { .title = "damage", .drop = 1 },
    };
    bool json = args->values[OPT_JSON].given, quiet = args->values[OPT_QUIET].given;
    struct progress progress = progress_begin("verify", quiet);
    struct listing listing = { .file = file, .table = table_begin(columns, sizeof columns / sizeof *columns) };
    struct ingot_verify_report report = { 0 };
    struct ingot_verify_options how = { .n_threads = (uint32_t)args->values[OPT_THREADS].count,
                                        .progress = progress_update,
                                        .progress_ctx = &progress,
                                        .damage = add_damage,
                                        .damage_ctx = &listing };
    if (json) listing.array = json_array();
    enum ingot_status status = ingot_verify(file, &how, &report, err);
    double seconds = progress_end(&progress);
    if (!is_answer(status, &report)) {
        json_decref(listing.array);
        table_discard(&listing.table);
        return report_error(err);
    }
    if (json)
        print_json(args->operands[0], &report, listing.array);
    else if (report.n_damaged > 0)
        table_end(&listing.table);
    if (!quiet && (args->values[OPT_VERBOSE].given || terminal_is(stderr)))
        print_summary(args->operands[0], &report, seconds);
    return report.n_damaged > 0 ? CODE_NO : CODE_OK;
}

static int run_verify(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct ingot_file *file;
    if (checkpoint_open_ingot(args->operands[0], &file, &err) != INGOT_OK) return report_error(&err);
    int code = verify_file(args, file, &err);
    ingot_close(file);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "check every byte of an .ingot file",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Reads every byte of FILE once and compares it with the digests that the writer recorded: "
                   "sections, index, both superblocks, padding, and nothing behind the end. Says nothing when all is "
                   "well.\n\n"
                   "Exit code 0: intact. 1: damaged; each damaged range is listed with its section, offset and "
                   "length. 3: too damaged to be opened, or not an .ingot file.",
    .examples = "ingot verify gpt2.ingot && echo intact\n"
                "ingot verify --json gpt2.ingot",
    .run = run_verify,
};
