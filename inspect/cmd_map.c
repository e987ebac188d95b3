/* cmd_map.c - `ingot map`: where the bytes are, to scale. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/json_rows.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/map_draw.h"
#include "inspect/trees.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_LONG, OPT_VERIFY, OPT_SVG, OPT_FORCE, OPT_JSON, OPT_THREADS, OPT_QUIET, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_LONG] = { .name = "long", .letter = 'l', .help = "Also a table of every region" },
    [OPT_VERIFY] = { .name = "verify",
                     .help = "Check the checksums, which reads every byte, and mark what is damaged" },
    [OPT_SVG] = { .name = "svg",
                  .type = OPTION_FILE,
                  .value = "OUT",
                  .help = "Write the picture as SVG instead; - is the standard output" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace OUT if it exists" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] = THREADS_OPTION("Threads of --verify; as many as there are CPUs when not given"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

/* ------------------------------------------------------------------------------------------------------ printing */

static void resident_cell(struct table *table, const struct regions *r, uint64_t part, uint64_t whole)
{
    table_cell(table, "%s", r->knows_resident ? human_share(part, whole).text : "?");
}

static void print_legend(const struct regions *r)
{
    static const struct table_column columns[] = {
        { .title = "" },
        { .title = "what" },
        { .title = "regions", .right = true, .drop = 2 },
        { .title = "bytes", .right = true },
        { .title = "share", .right = true },
        { .title = "in memory", .right = true, .drop = 1 },
        { .title = "damaged", .right = true },
    };
    struct table table = table_begin(columns, r->verified ? 7 : 6);
    putchar('\n');
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.n == 0) continue;
        table_cell(&table, "%c", region_kind_letter((enum region_kind)k));
        table_cell(&table, "%s", region_kind_name((enum region_kind)k));
        table_cell(&table, "%s", human_count(total.n).text);
        table_cell(&table, "%s", human_count(total.bytes).text);
        table_cell(&table, "%s", human_share(total.bytes, r->n_bytes).text);
        resident_cell(&table, r, total.resident, total.bytes);
        if (r->verified) table_cell(&table, "%s", total.damaged ? human_count(total.damaged).text : "no");
    }
    table_end(&table);
    if (r->knows_resident) printf("Capitals are in memory now.\n");
    if (r->n_absent)
        printf("Not here: the files of %s tensor%s.\n", human_count(r->n_absent).text, plural(r->n_absent));
}

static void region_cells(struct table *table, const struct regions *r, const struct region *region)
{
    char shown[4 * INGOT_MAX_NAME + 8] = "";
    if (region->name) ingot_escape(region->name, region->name_len, shown, sizeof shown);
    table_cell(table, "%" PRIu64, region->off);
    table_cell(table, "%" PRIu64, region->n_bytes);
    table_cell(table, "%s", human_share(region->n_bytes, r->n_bytes).text);
    resident_cell(table, r, region->resident, region->n_bytes);
    table_cell(table, "%s", region_kind_name(region->kind));
    table_cell(table, "%s", shown);
    if (region->damaged)
        table_cell(table, "damaged");
    else if (region->n_sharing)
        table_cell(table, "shared with %u", region->n_sharing);
    else
        table_cell(table, "%s", "");
}

static void print_regions(const struct regions *r)
{
    static const struct table_column columns[] = {
        { .title = "offset", .right = true },
        { .title = "bytes", .right = true },
        { .title = "share", .right = true, .drop = 2 },
        { .title = "in memory", .right = true, .drop = 3 },
        { .title = "what" },
        { .title = "name", .flexible = true },
        { .title = "", .drop = 1 },
    };
    char shown[1024];
    for (size_t i = 0; i < r->n_files; i++) {
        const struct region_file *f = &r->files[i];
        struct table table = table_begin(columns, sizeof columns / sizeof *columns);
        printf("\n%s\n", ingot_escape(f->file.path, strlen(f->file.path), shown, sizeof shown));
        for (size_t k = 0; k < f->n; k++) region_cells(&table, r, &f->regions[k]);
        table_end(&table);
    }
}

static json_t *region_json(const struct regions *r, const struct region *region)
{
    json_t *row = json_object();
    json_put(row, "offset", json_count(region->off));
    json_put(row, "bytes", json_count(region->n_bytes));
    json_put(row, "kind", json_string(region_kind_name(region->kind)));
    json_put(row, "name", region->name ? json_text(region->name, region->name_len) : json_null());
    json_put(row, "resident_bytes", r->knows_resident ? json_count(region->resident) : json_null());
    json_put(row, "shared_with", json_count(region->n_sharing));
    json_put(row, "damaged", r->verified ? json_boolean(region->damaged > 0) : json_null());
    return row;
}

static void put_file(const struct regions *r, const struct region_file *f, struct json_rows *rows)
{
    json_t *head = json_object();
    json_put(head, "file", json_text(f->file.path, strlen(f->file.path)));
    json_put(head, "bytes", json_count(f->file.map->size));
    json_rows_open(rows, head, "regions");
    for (size_t i = 0; i < f->n; i++) json_rows_add(rows, region_json(r, &f->regions[i]));
    json_rows_close(rows, json_object());
}

static json_t *kinds_json(const struct regions *r)
{
    json_t *o = json_object();
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        json_t *row = json_object();
        json_put(row, "regions", json_count(total.n));
        json_put(row, "bytes", json_count(total.bytes));
        json_put(row, "resident_bytes", r->knows_resident ? json_count(total.resident) : json_null());
        json_put(o, region_kind_name((enum region_kind)k), row);
    }
    return o;
}

static void put_map(const struct checkpoint *cp, const struct regions *r, struct json_rows *rows)
{
    json_t *head = json_begin();
    json_put(head, "file", json_text(cp->path, strlen(cp->path)));
    json_put(head, "format", json_string(checkpoint_format(cp)));
    json_put(head, "bytes", json_count(r->n_bytes));
    json_put(head, "verified", json_boolean(r->verified));
    json_put(head, "tensors_absent", json_count(r->n_absent));
    json_put(head, "kinds", kinds_json(r));
    json_rows_open(rows, head, "files");
    for (size_t i = 0; i < r->n_files; i++) put_file(r, &r->files[i], rows);
    json_rows_close(rows, json_object());
}

json_t *map_tree(const struct checkpoint *cp, const struct regions *r)
{
    struct json_rows rows = { .keeps = true };
    put_map(cp, r, &rows);
    return rows.tree;
}

static enum ingot_status write_svg(const struct checkpoint *cp, const struct regions *r, const char *path, bool force,
                                   struct ingot_error *err)
{
    struct outfile out;
    size_t n;
    char *text = NULL;
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < r->n_files && status == INGOT_OK; i++)
        if (outfile_is_same(path, r->files[i].file.path))
            status = ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "give the picture a name of its own",
                                "is the file that is looked at");
    if (status != INGOT_OK) return status;
    status = outfile_open(&out, path, force, err);
    if (status == INGOT_OK) {
        text = map_svg(r, cp->path, &n);
        status = outfile_write(&out, text, n, err);
    }
    if (status == INGOT_OK) status = outfile_publish(&out, err);
    outfile_close(&out);
    free(text);
    return status;
}

static enum ingot_status check(const struct option_value *v, struct ingot_error *err)
{
    if (!v[OPT_JSON].given || !outfile_is_stdout(v[OPT_SVG].text)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "map", "give --svg OUT.svg",
                      "picture and JSON would both go to the standard output");
}

static enum ingot_status show_map(const struct checkpoint *cp, struct regions *r, const struct arguments *args,
                                  uint64_t *n_damaged, struct ingot_error *err)
{
    const char *svg = args->values[OPT_SVG].text;
    if (args->values[OPT_VERIFY].given && regions_verify(r, cp, (uint32_t)args->values[OPT_THREADS].count,
                                                         args->values[OPT_QUIET].given, n_damaged, err) != INGOT_OK)
        return err->status;
    if (svg && write_svg(cp, r, svg, args->values[OPT_FORCE].given, err) != INGOT_OK) return err->status;
    if (args->values[OPT_JSON].given) {
        put_map(cp, r, &(struct json_rows){ 0 });
    } else if (!svg) {
        map_print(r);
        print_legend(r);
        if (args->values[OPT_LONG].given) print_regions(r);
    }
    return INGOT_OK;
}

static int run_map(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    uint64_t n_damaged = 0;
    if (check(args->values, &err) != INGOT_OK || checkpoint_open(args->operands[0], &cp, &err) != INGOT_OK)
        return report_error(&err);
    struct regions regions = regions_of(&cp);
    enum ingot_status status = show_map(&cp, &regions, args, &n_damaged, &err);
    regions_free(&regions);
    checkpoint_close(&cp);
    if (status != INGOT_OK) return report_error(&err);
    return n_damaged > 0 ? CODE_NO : CODE_OK;
}

const struct command command_map = {
    .name = "map",
    .summary = "draw a checkpoint's bytes to scale",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Draws every file of a checkpoint to scale: each letter stands for a run of bytes and says what most of them "
        "are. Below it: how many bytes, what share and how many regions each kind has. A capital says that the bytes "
        "are in memory now: the "
        "first use of the others waits for the disk. (Linux tells it of files that you may write to; of others it "
        "says that all are.)\n\n"
        "Padding is what alignment asks for, or zeros between the tensors of other formats; dead space is what an "
        ".ingot file holds and nothing leads to; structure is whatever else another format keeps beside its tensors. "
        "Where tensors share bytes, the first has them.\n\n"
        "--long lists every region; --svg writes the picture for a browser: pointing at a region names it.\n\n"
        "Exit code 1: --verify found damage, which is drawn as '!'.",
    .examples = "ingot map gpt2.ingot\n"
                "ingot map --verify --svg gpt2.svg gpt2.ingot\n"
                "ingot map --long pytorch_model.bin | grep structure",
    .run = run_map,
};
