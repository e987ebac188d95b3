/* cmd_ls.c - `ingot ls`: the tensors of a checkpoint, whatever its format, without touching their bytes. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_LONG, OPT_JSON, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_LONG] = { .name = "long",
                   .letter = 'l',
                   .help = "Also exact bytes, offsets and digests, and sections that are not tensors" },
    [OPT_JSON] = { .name = "json", .help = "Print JSON" },
};

struct totals {
    uint64_t n_tensors, n_aliases, n_params, n_bytes;
    uint64_t n_absent; /* tensors whose file is not here */
    bool one_file;
};

static struct totals sum_up(const struct checkpoint *cp)
{
    struct totals all = { .one_file = true };
    const char *file = NULL;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (file && strcmp(file, t.part_file) != 0) all.one_file = false;
        file = t.part_file;
        all.n_absent += t.n_elems > 0 && !t.data;
        if (t.target) {
            all.n_aliases++;
            continue;
        }
        all.n_tensors++;
        all.n_params += t.n_elems;
        all.n_bytes += t.n_bytes;
    }
    return all;
}

static void name_cell(struct table *table, const char *name, size_t n)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    table_cell(table, "%s", ingot_escape(name, n, shown, sizeof shown));
}

/* Name, dtype, layout, shape. An alias says whose bytes it shows. */
static void tensor_cells(struct table *table, const struct checkpoint_tensor *t)
{
    char shape[192];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    name_cell(table, t->name, t->name_len);
    name_cell(table, t->dtype_name, strlen(t->dtype_name));
    table_cell(table, "%s", checkpoint_layout(t));
    table_cell(table, "%s", shape);
}

static void alias_cells(struct table *table, const struct checkpoint_tensor *t)
{
    char shown[128], text[136];
    snprintf(text, sizeof text, "= %s", ingot_escape(t->target, strlen(t->target), shown, sizeof shown));
    tensor_cells(table, t);
    table_cell(table, "%s", text);
    table_cell(table, "%s", "");
    table_cell(table, "%s", "");
}

static void print_totals(const struct totals *all)
{
    printf("%s tensor%s", human_count(all->n_tensors).text, all->n_tensors == 1 ? "" : "s");
    if (all->n_aliases) printf(", %s alias%s", human_count(all->n_aliases).text, all->n_aliases == 1 ? "" : "es");
    printf(", %s parameter%s, %s\n", human_count(all->n_params).text, all->n_params == 1 ? "" : "s",
           human_bytes(all->n_bytes).text);
    if (all->n_absent)
        report_note("%s of the tensors %s in a file that is not here", human_count(all->n_absent).text,
                    all->n_absent == 1 ? "is" : "are");
}

static void print_table(const struct checkpoint *cp)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true },
        { .title = "dtype", .drop = 1 },
        { .title = "layout", .drop = 3 },
        { .title = "shape", .right = true },
        { .title = "parameters", .right = true },
        { .title = "bytes", .right = true, .drop = 2 },
        { .title = "share", .right = true, .drop = 4 },
        { .title = "file", .drop = 5 },
    };
    struct totals all = sum_up(cp);
    struct table table = table_begin(columns, sizeof columns / sizeof *columns - all.one_file);
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target) {
            alias_cells(&table, &t);
            continue;
        }
        tensor_cells(&table, &t);
        table_cell(&table, "%s", human_count(t.n_elems).text);
        table_cell(&table, "%s", human_bytes(t.n_bytes).text);
        table_cell(&table, "%s", human_share(t.n_bytes, all.n_bytes).text);
        if (!all.one_file) name_cell(&table, t.part_file, strlen(t.part_file));
    }
    table_rule(&table);
    table_end(&table);
    print_totals(&all);
}

/* ------------------------------------------------------------------------------------------------- long */

/* Every section of an .ingot file in order of placement, with what is needed to find its bytes. */
static void print_long_ingot(const struct checkpoint *cp)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true }, { .title = "kind", .drop = 3 },
        { .title = "dtype", .drop = 2 },       { .title = "layout", .drop = 4 },
        { .title = "shape", .right = true },   { .title = "offset", .right = true },
        { .title = "bytes", .right = true },   { .title = "xxh3-128", .drop = 5 },
    };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    for (uint32_t i = 0; i < ingot_section_count(cp->file); i++) {
        struct ingot_section s = ingot_section_at(cp->file, ingot_section_by_offset(cp->file, i));
        bool tensor = s.kind == INGOT_KIND_TENSOR || s.kind == INGOT_KIND_ALIAS;
        char shape[192] = "";
        if (tensor) human_shape(s.rank, s.shape, shape, sizeof shape);
        name_cell(&table, s.name, s.name_len);
        table_cell(&table, "%s", ingot_kind_name(s.kind));
        table_cell(&table, "%s", tensor ? ingot_dtype_name(s.dtype) : "");
        table_cell(&table, "%s", tensor ? ingot_layout_name(s.layout) : "");
        table_cell(&table, "%s", shape);
        table_cell(&table, "%" PRIu64, s.data_off);
        table_cell(&table, "%" PRIu64, s.raw_bytes);
        table_cell(&table, "%s", human_digest(s.digest).text);
    }
    table_end(&table);
}

static void print_long_source(const struct checkpoint *cp)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true }, { .title = "dtype", .drop = 1 },     { .title = "shape", .right = true },
        { .title = "offset", .right = true },  { .title = "bytes", .right = true }, { .title = "file", .drop = 2 },
    };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        char shape[192];
        human_shape(t.rank, t.shape, shape, sizeof shape);
        name_cell(&table, t.name, t.name_len);
        name_cell(&table, t.dtype_name, strlen(t.dtype_name));
        table_cell(&table, "%s", shape);
        table_cell(&table, "%" PRIu64, t.file_off);
        table_cell(&table, "%" PRIu64, t.n_bytes);
        name_cell(&table, t.part_file, strlen(t.part_file));
    }
    table_end(&table);
}

static void print_long(const struct checkpoint *cp)
{
    struct totals all = sum_up(cp);
    if (cp->file)
        print_long_ingot(cp);
    else
        print_long_source(cp);
    print_totals(&all);
}

/* ------------------------------------------------------------------------------------------------- JSON */

static json_t *tensor_json(const struct checkpoint_tensor *t)
{
    json_t *o = json_object();
    json_put(o, "name", json_text(t->name, t->name_len));
    json_put(o, "dtype", json_text(t->dtype_name, strlen(t->dtype_name)));
    json_put(o, "layout", json_string(checkpoint_layout(t)));
    json_put(o, "shape", json_shape(t->rank, t->shape));
    if (t->origin.strided) json_put(o, "strides", json_shape(t->rank, t->origin.strides));
    json_put(o, "parameters", json_count(t->n_elems));
    json_put(o, "bytes", json_count(t->n_bytes));
    json_put(o, "offset", json_count(t->file_off));
    if (t->part_file) json_put(o, "file", json_text(t->part_file, strlen(t->part_file)));
    if (t->part_file) json_put(o, "present", json_boolean(t->n_elems == 0 || t->data));
    if (t->target) json_put(o, "alias_of", json_text(t->target, strlen(t->target)));
    return o;
}

static void print_json(const struct checkpoint *cp)
{
    struct totals all = sum_up(cp);
    json_t *root = json_begin(), *tensors = json_array();
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, "format", json_string(checkpoint_format(cp)));
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        json_t *row = tensor_json(&t);
        if (cp->file) json_put(row, "digest", json_digest(ingot_section_at(cp->file, cp->sections[i]).digest));
        json_add(tensors, row);
    }
    json_put(root, "tensors", tensors);
    json_put(root, "n_tensors", json_count(all.n_tensors));
    json_put(root, "n_aliases", json_count(all.n_aliases));
    json_put(root, "parameters", json_count(all.n_params));
    json_put(root, "bytes", json_count(all.n_bytes));
    json_end(root);
}

static int run_ls(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    if (checkpoint_open(args->operands[0], &cp, &err) != INGOT_OK) return report_error(&err);
    if (args->values[OPT_JSON].given)
        print_json(&cp);
    else if (args->values[OPT_LONG].given)
        print_long(&cp);
    else
        print_table(&cp);
    checkpoint_close(&cp);
    return CODE_OK;
}

const struct command command_ls = {
    .name = "ls",
    .summary = "list the tensors of a checkpoint",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Lists name, dtype, layout, shape, parameters, bytes and share of every tensor, in the order in "
        "which they stand in the file. FILE is an .ingot file or any checkpoint that convert reads, a file or "
        "a directory; which one, is decided by its content. No tensor byte is read.\n\n"
        "On a terminal the table is fitted to its width; in a pipe nothing is cut.",
    .examples = "ingot ls gpt2.ingot\n"
                "ingot ls gpt2/ | grep wte\n"
                "ingot ls --json gpt2.ingot | jq '.tensors[].name'",
    .run = run_ls,
};
