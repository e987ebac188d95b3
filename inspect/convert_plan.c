/* convert_plan.c - `ingot convert --plan`: recipe and hyper-parameters, then from what, how and to what. */
#include "inspect/convert_plan.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/hparams.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_AT 8 /* the column of what recipe and model are */

/* ------------------------------------------------------------------------------------------------------------ table */

static void foreign_cell(struct table *table, const char *text)
{
    char shown[1024];
    table_cell(table, "%s", ingot_escape(text, strlen(text), shown, sizeof shown));
}

static void shape_cell(struct table *table, uint32_t rank, const uint64_t *shape)
{
    char shown[192];
    human_shape(rank, shape, shown, sizeof shown);
    table_cell(table, "%s", shown);
}

static void add_row(void *ctx, const struct ingot_plan_line *line)
{
    struct table *table = ctx;
    foreign_cell(table, line->file);
    foreign_cell(table, line->from);
    table_cell(table, "%s", line->from_dtype);
    shape_cell(table, line->from_rank, line->from_shape);
    foreign_cell(table, line->transform);
    table_cell(table, "%s", line->to ? line->to : "left out");
    table_cell(table, "%s", line->to ? ingot_dtype_name(line->to_dtype) : "");
    table_cell(table, "%s", line->to ? ingot_layout_name(line->to_layout) : "");
    if (line->to)
        shape_cell(table, line->to_rank, line->to_shape);
    else
        table_cell(table, "%s", "");
}

static void print_hparams(const struct ingot_plan_summary *s)
{
    const struct ingot_hparams *hp = &s->hparams;
    char shown[256];
    printf("recipe  %s\nmodel   ", ingot_escape(s->recipe, strlen(s->recipe), shown, sizeof shown));
    paragraph_sentence(stdout, VALUE_AT, VALUE_AT,
                       "n_layer %u, n_head %u, n_embd %u, n_inner %u, n_ctx %u, n_vocab %u (%u stored), %s, "
                       "epsilon %g, head %s",
                       hp->n_layer, hp->n_head, hp->n_embd, hp->n_inner, hp->n_ctx, hp->n_vocab, hp->n_vocab_stored,
                       activation_name(hp->activation), hp->layer_norm_epsilon, s->tied ? "tied" : "stored");
    putchar('\n');
}

static void print_table(struct table *table, const struct ingot_plan_summary *s)
{
    print_hparams(s);
    table_end(table);
    putchar('\n');
    paragraph_sentence(stdout, 0, 2, "%s tensor%s, %s; %s left out", human_count(s->n_tensors).text,
                       plural(s->n_tensors), human_bytes(s->output_bytes).text, human_count(s->n_dropped).text);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *foreign_json(const char *text)
{
    return json_text(text, strlen(text));
}

static void add_json(void *ctx, const struct ingot_plan_line *line)
{
    json_t *o = json_object(), *to = json_null();
    json_put(o, "file", foreign_json(line->file));
    json_put(o, "from", foreign_json(line->from));
    json_put(o, "dtype", json_string(line->from_dtype));
    json_put(o, "shape", json_shape(line->from_rank, line->from_shape));
    json_put(o, line->to ? "transform" : "dropped", foreign_json(line->transform));
    if (line->to) {
        to = json_object();
        json_put(to, "name", json_string(line->to));
        json_put(to, "dtype", json_string(ingot_dtype_name(line->to_dtype)));
        json_put(to, "layout", json_string(ingot_layout_name(line->to_layout)));
        json_put(to, "shape", json_shape(line->to_rank, line->to_shape));
    }
    json_put(o, "to", to);
    json_add(ctx, o);
}

static void print_json(json_t *lines, const struct ingot_plan_summary *s)
{
    json_t *root = json_begin();
    json_put(root, "recipe", foreign_json(s->recipe));
    json_put(root, "hparams", hparams_json(&s->hparams));
    json_put(root, "tied", json_boolean(s->tied));
    json_put(root, "tensors", json_count(s->n_tensors));
    json_put(root, "dropped", json_count(s->n_dropped));
    json_put(root, "bytes", json_count(s->output_bytes));
    json_put(root, "plan", lines);
    json_end(root);
}

int print_plan(const char *source, const struct ingot_convert_options *options, bool json)
{
    static const struct table_column columns[] = {
        { .title = "file", .drop = 3 },
        { .title = "from", .flexible = true },
        { .title = "dtype", .drop = 2 },
        { .title = "shape", .right = true },
        { .title = "transform" },
        { .title = "to" },
        { .title = "dtype", .drop = 1 },
        { .title = "layout", .drop = 4 },
        { .title = "shape", .right = true },
    };
    struct ingot_error err = { 0 };
    struct ingot_plan_summary summary;
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    json_t *lines = json_array();
    enum ingot_status status =
        ingot_convert_plan(source, options, json ? add_json : add_row, json ? (void *)lines : &table, &summary, &err);
    if (status == INGOT_OK && json)
        print_json(json_incref(lines), &summary);
    else if (status == INGOT_OK)
        print_table(&table, &summary);
    if (status != INGOT_OK || json) table_discard(&table);
    json_decref(lines);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}
