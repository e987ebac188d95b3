/* cmd_verify.c - `ingot verify`: are the bytes what the writer wrote? Yes is silent, no is a list. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/summary.h"
#include "runtime/ingot_runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_JSON, OPT_THREADS, OPT_QUIET, OPT_VERBOSE, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar and no summary"),
    [OPT_VERBOSE] = VERBOSE_OPTION,
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

static uint32_t section_number(const struct ingot_file *file, const char *name)
{
    uint32_t i = 0;
    while (strcmp(ingot_section_at(file, i).name, name) != 0) i++;
    return i;
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
        report_note("%s: damaged in %" PRIu64 " place%s, %u of %u section%s", shown, report->n_damaged,
                    plural(report->n_damaged), report->n_sections_damaged, report->n_sections,
                    plural(report->n_sections));
    else
        report_note("%s: ok, %u section%s, %s in %s (%s)", shown, report->n_sections, plural(report->n_sections),
                    human_bytes(report->bytes_checked).text, human_duration(seconds).text,
                    human_rate((double)report->bytes_checked / seconds).text);
}

/* Damage is an answer; anything that kept the bytes from being read is an error. */
static bool is_answer(enum ingot_status status, const struct ingot_verify_report *report)
{
    return status == INGOT_OK || (status < 200 && report->n_damaged > 0);
}

/* Bytes that are what the writer wrote may still break the rules of @model and @vocabulary, which nobody reads before a
 * model is run. What only a newer reader can tell is an error, as everywhere. */
static enum ingot_status check_content(const struct ingot_file *file, struct listing *l,
                                       struct ingot_verify_report *report, struct ingot_error *err)
{
    struct ingot_hparams hp;
    struct ingot_tokenizer *tokenizer = NULL;
    enum ingot_status status = ingot_hparams_read(file, &hp, err);
    const bool of_model = status != INGOT_OK && status != INGOT_E_MISSING;
    if (!of_model) {
        *err = (struct ingot_error){ 0 };
        status = ingot_tokenizer_open(file, &tokenizer, err);
        ingot_tokenizer_close(tokenizer);
    }
    if (status == INGOT_OK || status == INGOT_E_MISSING) return INGOT_OK;
    if (status >= INGOT_E_READ_VERSION) return status;
    const char *name = of_model ? INGOT_NAME_MODEL : INGOT_NAME_VOCABULARY;
    add_damage(l, &(struct ingot_damage){ status, section_number(file, name), err->offset, 1, err->message });
    report->n_damaged++;
    report->n_sections_damaged++;
    return INGOT_OK;
}

static int verify_file(const struct arguments *args, const struct ingot_file *file, struct ingot_error *err)
{
    static const struct table_column columns[] = {
        { .title = "section", .flexible = true },
        { .title = "offset", .right = true },
        { .title = "bytes", .right = true },
        { .title = "status" },
        { .title = "damage", .folds = true, .drop = 1 },
    };
    const bool json = args->values[OPT_JSON].given;
    struct progress progress = progress_begin("verify", args->values[OPT_QUIET].given);
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
    if (status == INGOT_OK) status = check_content(file, &listing, &report, err);
    if (!is_answer(status, &report)) {
        json_decref(listing.array);
        table_discard(&listing.table);
        return report_error(err);
    }
    if (json)
        print_json(args->operands[0], &report, listing.array);
    else if (report.n_damaged > 0)
        table_end(&listing.table);
    if (summary_wanted(&args->values[OPT_QUIET], &args->values[OPT_VERBOSE]))
        print_summary(args->operands[0], &report, seconds);
    return report.n_damaged > 0 ? CODE_NO : CODE_OK;
}

/* -------------------------------------------------------------------------------------- a foreign checkpoint */

/* Where ingot_source_verify() delivers: a check that fails becomes a row, a good one is counted. */
struct checklist {
    struct table table;
    json_t *array; /* NULL: the table */
    uint64_t n_good, n_absent, bytes_checked;
};

static void add_check_json(json_t *array, const struct ingot_source_check *check, uint32_t found)
{
    enum ingot_status status = check->present ? INGOT_E_DIGEST : INGOT_E_MISSING;
    json_t *row = json_object();
    json_put(row, "code", json_integer(status));
    json_put(row, "status", json_string(ingot_status_name(status)));
    json_put(row, "name", json_text(check->name, strlen(check->name)));
    json_put(row, "file", json_text(check->file, strlen(check->file)));
    json_put(row, "offset", json_count(check->file_off));
    json_put(row, "bytes", json_count(check->n_bytes));
    json_put(row, "algorithm", json_string(check->algorithm));
    json_put(row, "expected", json_count(check->expected));
    json_put(row, "found", check->present ? json_count(found) : json_null());
    json_add(array, row);
}

static void add_check(void *ctx, const struct ingot_source_check *check, uint32_t found, bool good)
{
    struct checklist *l = ctx;
    char shown[4 * INGOT_MAX_NAME + 8];
    l->n_good += good;
    l->n_absent += !check->present;
    if (check->present) l->bytes_checked += check->n_bytes;
    if (good) return;
    if (l->array) {
        add_check_json(l->array, check, found);
        return;
    }
    table_cell(&l->table, "%s", ingot_escape(check->name, strlen(check->name), shown, sizeof shown));
    table_cell(&l->table, "%s", ingot_escape(check->file, strlen(check->file), shown, sizeof shown));
    table_cell(&l->table, "%" PRIu64, check->file_off);
    table_cell(&l->table, "%" PRIu64, check->n_bytes);
    table_cell(&l->table, "%s", check->algorithm);
    table_cell(&l->table, "%08" PRIx32, check->expected);
    if (check->present)
        table_cell(&l->table, "%08" PRIx32, found);
    else
        table_cell(&l->table, "not here");
}

static void print_checklist_json(const struct ingot_source *src, const struct checklist *l, uint64_t n_bad)
{
    const char *path = ingot_source_path(src);
    json_t *root = json_begin();
    json_put(root, "file", json_text(path, strlen(path)));
    json_put(root, "format", json_string(ingot_source_format(src)));
    json_put(root, "ok", json_boolean(n_bad == 0));
    json_put(root, "bytes_checked", json_count(l->bytes_checked));
    json_put(root, "checksums", json_count(ingot_source_check_count(src)));
    json_put(root, "checksums_bad", json_count(n_bad));
    json_put(root, "damage", l->array);
    json_end(root);
}

static void summarise_source(const struct ingot_source *src, const struct checklist *l, uint64_t n_bad, double seconds)
{
    char shown[256], absent[64] = "";
    uint64_t n = ingot_source_check_count(src);
    ingot_escape(ingot_source_path(src), strlen(ingot_source_path(src)), shown, sizeof shown);
    if (l->n_absent) snprintf(absent, sizeof absent, ", %" PRIu64 " not here", l->n_absent);
    if (n_bad > 0)
        report_note("%s: %" PRIu64 " checksum%s, %" PRIu64 " good, %" PRIu64 " bad%s", shown, n, plural(n), l->n_good,
                    n_bad - l->n_absent, absent);
    else
        report_note("%s: ok, %" PRIu64 " checksum%s, %s in %s (%s)", shown, n, plural(n),
                    human_bytes(l->bytes_checked).text, human_duration(seconds).text,
                    human_rate((double)l->bytes_checked / seconds).text);
}

/* Silence would say more than was checked. */
static void note_no_checksums(const struct ingot_source *src)
{
    char shown[256];
    report_note("%s: no checksums in this %s checkpoint: its structure is sound, its values could not be checked",
                ingot_escape(ingot_source_path(src), strlen(ingot_source_path(src)), shown, sizeof shown),
                ingot_source_format(src));
}

static int verify_source(const struct arguments *args, const struct ingot_source *src, struct ingot_error *err)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true },
        { .title = "file", .drop = 2 },
        { .title = "offset", .right = true },
        { .title = "bytes", .right = true },
        { .title = "checksum", .drop = 1 },
        { .title = "expected" },
        { .title = "found" },
    };
    const bool json = args->values[OPT_JSON].given;
    struct progress progress = progress_begin("verify", args->values[OPT_QUIET].given);
    struct checklist list = { .table = table_begin(columns, sizeof columns / sizeof *columns) };
    struct ingot_source_verify_options how = { .n_threads = (uint32_t)args->values[OPT_THREADS].count,
                                               .progress = progress_update,
                                               .progress_ctx = &progress,
                                               .check = add_check,
                                               .check_ctx = &list };
    uint64_t n_bad = 0;
    if (json) list.array = json_array();
    enum ingot_status status = ingot_source_verify(src, &how, &n_bad, err);
    double seconds = progress_end(&progress);
    if (status != INGOT_OK && n_bad == 0) {
        json_decref(list.array);
        table_discard(&list.table);
        return report_error(err);
    }
    if (json)
        print_checklist_json(src, &list, n_bad);
    else if (n_bad > 0)
        table_end(&list.table);
    if (!args->values[OPT_QUIET].given && ingot_source_check_count(src) == 0)
        note_no_checksums(src);
    else if (summary_wanted(&args->values[OPT_QUIET], &args->values[OPT_VERBOSE]))
        summarise_source(src, &list, n_bad, seconds);
    return n_bad > 0 ? CODE_NO : CODE_OK;
}

static int run_verify(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    if (checkpoint_open(args->operands[0], &cp, &err) != INGOT_OK) return report_error(&err);
    int code = cp.file ? verify_file(args, cp.file, &err) : verify_source(args, cp.source, &err);
    checkpoint_close(&cp);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "check every byte against the checksums that the file carries",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Reads every byte of an .ingot file once and compares it with the digests that the writer recorded: sections, "
        "index, both superblocks, padding, and nothing behind the end. Where all of it is as it was written, the "
        "rules of hyper-parameters and vocabulary are checked too. Says nothing when all is well.\n\n"
        "FILE may also be any checkpoint that convert reads. Of those only some carry checksums: TensorFlow of every "
        "tensor, PyTorch's zip files of every member. Where there are none, only the structure is checked, and a note "
        "says so.\n\n"
        "Exit code 0: intact, or nothing to compare with. 1: damaged, or bytes that should be here are not; each "
        "damaged range is listed with its name, offset and length. 3: too damaged to be opened.",
    .examples = "ingot verify gpt2.ingot && echo intact\n"
                "ingot verify models/124M\n"
                "ingot verify --json gpt2.ingot",
    .run = run_verify,
};
