/* show_one.c - its place, its digest, where it came from, figures and the first of its values, or all of its text. */
#include "inspect/show.h"

#include "format/error.h"
#include "inspect/choose.h"
#include "inspect/cli/chart.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/trees.h"
#include "inspect/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tensor, and what is known of it beside its record. */
struct one {
    struct checkpoint_tensor tensor;
    const struct ingot_section *section; /* of an .ingot file, else NULL */
    char *provenance;                    /* YAML; NULL when nothing is told */
    struct stats_figures figures;
    bool has_figures;
};

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

/* ------------------------------------------------------------------------------------------------ provenance */

#define PROVENANCE_INDENT 4 /* of what is told of a tensor */

/* Where the lines below `  "NAME":` begin, in the form in which ingot writes them. In YAML of another hand there may be
 * none like that, and then nothing is told: a parser would have to be safe from all that YAML can be. */
static const char *provenance_begin(const char *text, size_t n, const char *name)
{
    const size_t name_len = strlen(name);
    for (const char *line = text, *end = text + n; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) break;
        if ((size_t)(newline - line) == name_len + 5 && memcmp(line, "  \"", 3) == 0 &&
            memcmp(line + 3, name, name_len) == 0 && memcmp(line + 3 + name_len, "\":", 2) == 0)
            return newline + 1;
        line = newline + 1;
    }
    return text + n;
}

/* A copy of the lines from there on that are indented as deep, without that indentation; NULL when there are none. */
static char *copy_lines(const char *line, const char *end)
{
    char *copy = memory_array((size_t)(end - line) + 1, 1), *to = copy;
    while (end - line > PROVENANCE_INDENT && memcmp(line, "    ", PROVENANCE_INDENT) == 0) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline + 1 : end;
        to = mempcpy(to, line + PROVENANCE_INDENT, (size_t)(next - line) - PROVENANCE_INDENT);
        line = next;
    }
    if (to > copy) return copy;
    free(copy);
    return NULL;
}

static char *find_provenance(const struct ingot_file *file, const struct checkpoint_tensor *t)
{
    struct ingot_section s;
    if (!file || !ingot_find(file, INGOT_NAME_PROVENANCE, &s)) return NULL;
    const char *text = s.data, *end = text + s.raw_bytes;
    return copy_lines(provenance_begin(text, s.raw_bytes, t->target ? t->target : t->name), end);
}

/* -------------------------------------------------------------------------------------------------- statistics */

/* A stats_fn. */
static void keep_figures(void *ctx, const struct stats_tensor *s)
{
    struct one *one = ctx;
    one->figures = s->figures;
    one->has_figures = s->unreadable.status == INGOT_OK;
}

/* Figures of elements that nobody can read, or that are not here, are left out. */
static enum ingot_status read_figures(const struct checkpoint *cp, const char *name, struct one *one,
                                      struct ingot_error *err)
{
    struct choice choice = { 0 };
    struct stats_figures total;
    struct progress progress = progress_begin("show", false);
    const struct stats_options how = {
        .progress = progress_update, .progress_ctx = &progress, .each = keep_figures, .each_ctx = one
    };
    enum ingot_status status = choose_tensors(cp, &name, 1, &choice, err);
    if (status == INGOT_OK) status = stats_run(cp, choice.list, choice.n, &how, &total, err);
    progress_end(&progress);
    free(choice.list);
    return status;
}

static void print_count(const char *name, uint64_t n, uint64_t whole)
{
    if (n > 0) show_field(name, "%s, %s", human_count(n).text, human_share(n, whole).text);
}

static void print_figures(const struct stats_figures *f)
{
    char line[CHART_LINE_MAX(STATS_BARS)];
    putchar('\n');
    show_heading("Statistics");
    if (f->n_finite > 0) {
        show_field("min, max", "%.6g, %.6g", f->min, f->max);
        show_field("mean, deviation", "%.6g, %.6g", f->mean, f->std);
        show_field("|x| 50 %, 99 %", "%.4g, %.4g", f->quantiles[STATS_P50], f->quantiles[STATS_P99]);
    }
    print_count("zeros", f->n_zero, f->n);
    print_count("denormals", f->n_denormal, f->n);
    print_count("nan", f->n_nan, f->n);
    print_count("inf, -inf", f->n_pos_inf + f->n_neg_inf, f->n);
    if (f->n_finite > 0) show_field("from min to max", "%s", chart_line(f->histogram, STATS_BARS, 0, 1, line));
}

/* ---------------------------------------------------------------------------------------------------- a tensor */

static void print_strides(const struct checkpoint_tensor *t)
{
    char text[24 * INGOT_MAX_RANK] = "";
    size_t n = 0;
    if (!t->origin.strided) return;
    for (uint32_t i = 0; i < t->rank; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%" PRIu64, i ? ", " : "", t->origin.strides[i]);
    show_field("strides", "%s elements", text);
}

static void print_place(const struct checkpoint_tensor *t, const struct ingot_section *s)
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
}

static void show_tensor(const struct one *one)
{
    print_place(&one->tensor, one->section);
    if (one->provenance) {
        putchar('\n');
        show_heading("Source");
        show_lines(one->provenance, strlen(one->provenance), "  ", SIZE_MAX);
    }
    if (one->has_figures && one->figures.n > 0) print_figures(&one->figures);
    print_corner(&one->tensor);
}

static void show_tensor_json(const struct one *one)
{
    const struct checkpoint_tensor *t = &one->tensor;
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
    if (one->section) json_put(root, "digest", json_digest(one->section->digest));
    json_put(root, "provenance", one->provenance ? json_text(one->provenance, strlen(one->provenance)) : json_null());
    json_put(root, "statistics", one->has_figures ? stats_figures_tree(&one->figures) : json_null());
    json_put(root, "corner", corner_json(t));
    json_end(root);
}

static int show_found(const struct checkpoint *cp, struct one *one, bool json)
{
    struct ingot_error err = { 0 };
    bool readable = values_check(&one->tensor, NULL) == INGOT_OK;
    if (readable && read_figures(cp, one->tensor.name, one, &err) != INGOT_OK) return report_error(&err);
    one->provenance = find_provenance(cp->file, &one->tensor);
    (json ? show_tensor_json : show_tensor)(one);
    free(one->provenance);
    return CODE_OK;
}

/* --------------------------------------------------------------------------------------------------- a section */

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
    struct one one = { 0 };
    struct ingot_error err = { 0 };
    bool is_section = cp->file && ingot_find(cp->file, name, &s);
    if (checkpoint_find(cp, name, &one.tensor, &err) == INGOT_OK) {
        one.section = is_section ? &s : NULL;
        return show_found(cp, &one, json);
    }
    if (!is_section) return report_error(&err);
    (json ? show_section_json : show_section)(&s);
    return CODE_OK;
}
