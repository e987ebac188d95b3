/* show_one.c - its place, its digest, and the first of its values or all of its text. */
#include "inspect/show.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rows and columns of the corner of a matrix. */
#define CORNER_ROWS 4
#define CORNER_COLS 5

/* How the tensor is looked at: a vector is one row, leading dimensions are folded into rows. False when there is
 * nothing to see. */
static bool has_corner(const struct checkpoint_tensor *t, uint64_t *n_rows, uint64_t *n_cols)
{
    if (t->n_elems == 0 || values_check(t, NULL) != INGOT_OK) return false;
    *n_cols = t->rank ? t->shape[t->rank - 1] : 1;
    *n_rows = t->n_elems / *n_cols;
    return true;
}

/* 16 bytes hold any element. */
static void corner_element(const struct checkpoint_tensor *t, uint64_t row, uint64_t col, uint64_t out[2])
{
    values_gather(t, row * (t->rank ? t->shape[t->rank - 1] : 1) + col, 1, out);
}

static void print_corner(const struct checkpoint_tensor *t)
{
    static const struct table_column columns[CORNER_COLS + 1] = {
        { .title = "" },
        { .title = "", .right = true },
        { .title = "", .right = true, .drop = 1 },
        { .title = "", .right = true, .drop = 2 },
        { .title = "", .right = true, .drop = 3 },
        { .title = "", .right = true, .drop = 4 },
    };
    struct table table = table_begin(columns, CORNER_COLS + 1);
    uint64_t n_rows, n_cols, element[2];
    char text[VALUES_TEXT_MAX];
    if (!has_corner(t, &n_rows, &n_cols)) return;
    table.no_titles = true;
    putchar('\n');
    show_heading("Values");
    for (uint64_t row = 0; row < n_rows && row < CORNER_ROWS; row++) {
        table_cell(&table, "  [%" PRIu64 "]", row);
        for (uint64_t col = 0; col < CORNER_COLS; col++) {
            *text = '\0';
            if (col < n_cols) {
                corner_element(t, row, col, element);
                values_text(values_scalar(t), element, VALUES_BRIEF, text);
            }
            table_cell(&table, "%s", text);
        }
    }
    table_end(&table);
    if (n_rows > CORNER_ROWS || n_cols > CORNER_COLS) printf("  ...\n");
}

/* Floats as the doubles that they widen to, null for what JSON does not have; the rest as `cat --json` prints it. */
static json_t *element_json(enum ingot_scalar scalar, const void *element)
{
    char text[VALUES_TEXT_MAX];
    bool is_float = scalar >= INGOT_SCALAR_F8_E4M3 && scalar <= INGOT_SCALAR_F64;
    values_text(scalar, element, VALUES_JSON, text);
    json_t *value = is_float ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return value ? value : json_number(values_number(scalar, element));
}

static json_t *corner_json(const struct checkpoint_tensor *t)
{
    json_t *rows = json_array();
    uint64_t n_rows, n_cols, element[2];
    if (!has_corner(t, &n_rows, &n_cols)) return rows;
    for (uint64_t row = 0; row < n_rows && row < CORNER_ROWS; row++) {
        json_t *line = json_array();
        for (uint64_t col = 0; col < n_cols && col < CORNER_COLS; col++) {
            corner_element(t, row, col, element);
            json_add(line, element_json(values_scalar(t), element));
        }
        json_add(rows, line);
    }
    return rows;
}

static void print_strides(const struct checkpoint_tensor *t)
{
    char text[24 * INGOT_MAX_RANK] = "";
    size_t n = 0;
    if (!t->origin.strided) return;
    for (uint32_t i = 0; i < t->rank; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%" PRIu64, i ? ", " : "", t->origin.strides[i]);
    show_field("strides", "%s elements", text);
}

static void show_tensor(const struct checkpoint_tensor *t, const struct ingot_section *s)
{
    char shown[4 * INGOT_MAX_NAME + 8], shape[192];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    show_heading(ingot_escape(t->name, t->name_len, shown, sizeof shown));
    if (t->target) show_field("alias of", "%s", ingot_escape(t->target, strlen(t->target), shown, sizeof shown));
    show_field("dtype", "%s", ingot_escape(t->dtype_name, strlen(t->dtype_name), shown, sizeof shown));
    show_field("layout", "%s", checkpoint_layout(t));
    show_field("shape", "%s", shape);
    print_strides(t);
    show_field("parameters", "%s", human_count(t->n_elems).text);
    show_field("bytes", "%s", human_count(t->n_bytes).text);
    if (t->part_file) show_field("file", "%s", ingot_escape(t->part_file, strlen(t->part_file), shown, sizeof shown));
    show_field("offset", "%" PRIu64, t->file_off);
    if (s) show_field("xxh3-128", "%s", human_digest(s->digest).text);
    if (checkpoint_is_absent(t)) show_field("values", "not here: the file is missing");
    if (t->origin.n_slices > 0) show_field("values", "in %u slice%s", t->origin.n_slices, plural(t->origin.n_slices));
    print_corner(t);
}

static void show_tensor_json(const struct checkpoint_tensor *t, const struct ingot_section *s)
{
    json_t *root = json_begin();
    json_put(root, "name", json_text(t->name, t->name_len));
    if (t->target) json_put(root, "alias_of", json_text(t->target, strlen(t->target)));
    json_put(root, "dtype", json_text(t->dtype_name, strlen(t->dtype_name)));
    json_put(root, "layout", json_string(checkpoint_layout(t)));
    json_put(root, "shape", json_shape(t->rank, t->shape));
    if (t->origin.strided) json_put(root, "strides", json_shape(t->rank, t->origin.strides));
    json_put(root, "present", json_boolean(!checkpoint_is_absent(t)));
    json_put(root, "parameters", json_count(t->n_elems));
    json_put(root, "bytes", json_count(t->n_bytes));
    if (t->part_file) json_put(root, "file", json_text(t->part_file, strlen(t->part_file)));
    json_put(root, "offset", json_count(t->file_off));
    if (s) json_put(root, "digest", json_digest(s->digest));
    json_put(root, "corner", corner_json(t));
    json_end(root);
}

/* A section that is not a tensor: what the index says, and the text if it is one. */
static void show_section(const struct ingot_section *s)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    show_heading(ingot_escape(s->name, s->name_len, shown, sizeof shown));
    show_field("kind", "%s", ingot_kind_name(s->kind));
    show_field("bytes", "%s", human_count(s->raw_bytes).text);
    show_field("offset", "%" PRIu64, s->data_off);
    show_field("xxh3-128", "%s", human_digest(s->digest).text);
    if (s->kind != INGOT_KIND_METADATA && s->kind != INGOT_KIND_RECIPE && s->kind != INGOT_KIND_PROVENANCE) return;
    putchar('\n');
    show_heading("Text");
    show_lines(s->data, s->raw_bytes, "  ", SIZE_MAX);
}

static void show_section_json(const struct ingot_section *s)
{
    json_t *root = json_begin();
    json_put(root, "name", json_text(s->name, s->name_len));
    json_put(root, "kind", json_string(ingot_kind_name(s->kind)));
    json_put(root, "bytes", json_count(s->raw_bytes));
    json_put(root, "offset", json_count(s->data_off));
    json_put(root, "digest", json_digest(s->digest));
    json_end(root);
}

int show_one(const struct checkpoint *cp, const char *name, bool json)
{
    struct ingot_section s = { 0 };
    struct checkpoint_tensor t;
    struct ingot_error err = { 0 };
    bool is_section = cp->file && ingot_find(cp->file, name, &s);
    if (checkpoint_find(cp, name, &t, &err) == INGOT_OK)
        (json ? show_tensor_json : show_tensor)(&t, is_section ? &s : NULL);
    else if (is_section)
        (json ? show_section_json : show_section)(&s);
    else
        return report_error(&err);
    return CODE_OK;
}
