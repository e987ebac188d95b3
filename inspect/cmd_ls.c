/* cmd_ls.c - `ingot ls`: the tensors of a checkpoint, whatever its format, without touching their bytes. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/choose.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/json_rows.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/trees.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_DTYPE, OPT_SORT, OPT_LONG, OPT_JSON, N_OPTIONS };

enum sort_key { SORT_PLACE, SORT_NAME, SORT_SIZE, SORT_DTYPE, N_SORT_KEYS };

/* The keys, then the same the other way round. */
static const char *const sort_names[] = {
    "place", "name", "size", "dtype", "-place", "-name", "-size", "-dtype", NULL
};

static const struct option options[N_OPTIONS] = {
    [OPT_DTYPE] = { .name = "dtype",
                    .letter = 'd',
                    .type = OPTION_TEXT,
                    .value = "DTYPE",
                    .help = "Only tensors of this dtype, in small letters or large; may be a pattern" },
    [OPT_SORT] = { .name = "sort",
                   .letter = 's',
                   .type = OPTION_CHOICE,
                   .value = "KEY",
                   .fallback = "place",
                   .choices = sort_names,
                   .help = "Order of the rows; with a dash in front the other way round" },
    [OPT_LONG] = { .name = "long",
                   .letter = 'l',
                   .help = "Also exact bytes, offsets and digests, and sections that are not tensors" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
};

/* What may become a row: what it is chosen and sorted by. */
struct candidate {
    const char *name, *dtype;
    uint64_t n_bytes;
    size_t place; /* among the tensors, or with --long all sections of an .ingot file, in order of placement */
};

/* A row before it is printed. Of equal ones, forwards or backwards, the order is that of the file. */
struct row {
    union {
        const char *text;
        uint64_t number;
    } key;
    size_t place;
};

struct totals {
    uint64_t n_tensors, n_aliases, n_params, n_bytes;
    uint64_t n_absent; /* tensors whose file is not here */
};

/* What is wanted of a checkpoint, and the rows that are. */
struct listing {
    const struct checkpoint *cp;
    const char *const *patterns;
    size_t n_patterns;
    const char *dtype; /* NULL: all */
    enum sort_key key;
    bool backwards;
    bool sections; /* all of an .ingot file's, not only tensors */
    struct row *rows;
    size_t n_rows;
    struct totals shown, all; /* tensors only, whatever the rows are */
    const char *file;         /* of the last tensor that was looked at */
    bool many_files;
};

/* ------------------------------------------------------------------------------------------- choosing, sorting */

static bool matches_pattern(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->n_patterns; i++)
        if (fnmatch(l->patterns[i], name, 0) == 0) return true;
    return l->n_patterns == 0;
}

static bool is_wanted(const struct listing *l, const struct candidate *c)
{
    if (l->dtype && (!c->dtype || fnmatch(l->dtype, c->dtype, FNM_CASEFOLD) != 0)) return false;
    return matches_pattern(l, c->name);
}

static bool is_tensor(const struct ingot_section *s)
{
    return s->kind == INGOT_KIND_TENSOR || s->kind == INGOT_KIND_ALIAS;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_place(const struct row *x, const struct row *y)
{
    return order(x->place, y->place);
}

static int by_text(const void *a, const void *b)
{
    int sign = strcmp(((const struct row *)a)->key.text, ((const struct row *)b)->key.text);
    return sign ? sign : by_place(a, b);
}

static int by_text_backwards(const void *a, const void *b)
{
    int sign = strcmp(((const struct row *)b)->key.text, ((const struct row *)a)->key.text);
    return sign ? sign : by_place(a, b);
}

static int by_number(const void *a, const void *b)
{
    int sign = order(((const struct row *)a)->key.number, ((const struct row *)b)->key.number);
    return sign ? sign : by_place(a, b);
}

static int by_number_backwards(const void *a, const void *b)
{
    int sign = order(((const struct row *)b)->key.number, ((const struct row *)a)->key.number);
    return sign ? sign : by_place(a, b);
}

/* Forwards by place they stand already. */
static void sort_rows(struct listing *l)
{
    const bool text = l->key == SORT_NAME || l->key == SORT_DTYPE;
    if (l->key == SORT_PLACE && !l->backwards) return;
    if (l->backwards)
        qsort(l->rows, l->n_rows, sizeof *l->rows, text ? by_text_backwards : by_number_backwards);
    else
        qsort(l->rows, l->n_rows, sizeof *l->rows, text ? by_text : by_number);
}

static void count(struct totals *sum, const struct checkpoint_tensor *t)
{
    sum->n_absent += checkpoint_is_absent(t);
    if (t->target) {
        sum->n_aliases++;
        return;
    }
    sum->n_tensors++;
    sum->n_params += t->n_elems;
    sum->n_bytes += t->n_bytes;
}

static void add_row(struct listing *l, const struct candidate *c)
{
    struct row *row = &l->rows[l->n_rows++];
    row->place = c->place;
    switch (l->key) {
    case SORT_NAME:
        row->key.text = c->name;
        break;
    case SORT_DTYPE:
        row->key.text = c->dtype ? c->dtype : "";
        break;
    case SORT_SIZE:
        row->key.number = c->n_bytes;
        break;
    default:
        row->key.number = c->place;
    }
}

/* One pass over the tensors chooses and adds up. */
static void tally_tensors(struct listing *l)
{
    struct checkpoint_tensor t;
    for (size_t i = 0; i < l->cp->n_tensors; i++) {
        checkpoint_get_tensor(l->cp, i, &t);
        const struct candidate c = { .name = t.name, .dtype = t.dtype_name, .n_bytes = t.n_bytes, .place = i };
        l->many_files |= l->file && t.part_file != l->file && strcmp(t.part_file, l->file) != 0;
        l->file = t.part_file;
        count(&l->all, &t);
        if (!is_wanted(l, &c)) continue;
        count(&l->shown, &t);
        if (!l->sections) add_row(l, &c);
    }
}

static void pick_sections(struct listing *l)
{
    uint32_t n = ingot_section_count(l->cp->file);
    for (uint32_t i = 0; i < n; i++) {
        struct ingot_section s = ingot_section_at(l->cp->file, ingot_section_by_offset(l->cp->file, i));
        struct candidate c = { .name = s.name, .n_bytes = s.raw_bytes, .place = i };
        if (is_tensor(&s)) c.dtype = ingot_dtype_name(s.dtype);
        if (is_wanted(l, &c)) add_row(l, &c);
    }
}

static void choose_rows(struct listing *l)
{
    const size_t n = l->sections ? ingot_section_count(l->cp->file) : l->cp->n_tensors;
    size_t capacity = 0;
    l->rows = memory_grow(NULL, &capacity, n, sizeof *l->rows);
    tally_tensors(l);
    if (l->sections) pick_sections(l);
    sort_rows(l);
}

/* ------------------------------------------------------------------------------------------------------ totals */

static bool is_filtered(const struct listing *l)
{
    return l->n_patterns > 0 || l->dtype;
}

/* "12 of 149 tensors": the part only where it is one. */
struct clause {
    char text[128];
};

static struct clause total(bool part, struct human shown, struct human all, const char *what)
{
    struct clause c;
    snprintf(c.text, sizeof c.text, "%s%s%s%s", shown.text, part ? " of " : "", part ? all.text : "", what);
    return c;
}

static void print_totals(const struct listing *l)
{
    const struct totals *shown = &l->shown, *all = &l->all;
    const bool part = is_filtered(l);
    struct clause aliases = { "" };
    if (all->n_aliases)
        aliases = total(part, human_count(shown->n_aliases), human_count(all->n_aliases),
                        all->n_aliases == 1 ? " alias, " : " aliases, ");
    paragraph_sentence(stdout, 0, 2, "%s, %s%s, %s",
                       total(part, human_count(shown->n_tensors), human_count(all->n_tensors),
                             all->n_tensors == 1 ? " tensor" : " tensors")
                           .text,
                       aliases.text,
                       total(part, human_count(shown->n_params), human_count(all->n_params),
                             all->n_params == 1 ? " parameter" : " parameters")
                           .text,
                       total(part, human_bytes(shown->n_bytes), human_bytes(all->n_bytes), "").text);
    if (all->n_absent)
        report_note("%s of the tensors %s in a file that is not here", human_count(all->n_absent).text,
                    all->n_absent == 1 ? "is" : "are");
}

/* ----------------------------------------------------------------------------------------------------- nothing */

#define DTYPES_MAX 8

/* The dtypes of all tensors, or of those that a pattern matches: "f32, q4". */
static void list_dtypes(const struct listing *l, char *text, size_t cap)
{
    const char *seen[DTYPES_MAX];
    size_t n_seen = 0, n = 0;
    struct checkpoint_tensor t;
    for (size_t i = 0; i < l->cp->n_tensors && n_seen < DTYPES_MAX; i++) {
        size_t k = 0;
        checkpoint_get_tensor(l->cp, i, &t);
        if (!t.dtype_name || !matches_pattern(l, t.name)) continue;
        while (k < n_seen && strcmp(seen[k], t.dtype_name) != 0) k++;
        if (k < n_seen || n >= cap) continue;
        seen[n_seen++] = t.dtype_name;
        n += (size_t)snprintf(text + n, cap - n, "%s%s", n ? ", " : "", t.dtype_name);
    }
}

static void advise(const struct listing *l, char *advice, size_t cap)
{
    char dtypes[128] = "";
    *advice = '\0';
    if (l->dtype) list_dtypes(l, dtypes, sizeof dtypes);
    if (*dtypes)
        snprintf(advice, cap, "%s: %s", l->n_patterns ? "the dtypes of those that match" : "its dtypes", dtypes);
    else if (l->n_patterns && **l->patterns == '@' && l->cp->file)
        snprintf(advice, cap, "with --long ls lists sections that are not tensors too");
    else if (l->n_patterns)
        choose_advise(l->cp, *l->patterns, advice, cap);
}

/* That nothing matches is an answer, but an empty table would leave open to what. */
static void print_no_match(const struct listing *l)
{
    char of_dtype[96] = "", advice[192], shown[128] = "";
    if (l->dtype)
        snprintf(of_dtype, sizeof of_dtype, " of dtype '%s'",
                 ingot_escape(l->dtype, strlen(l->dtype), shown, sizeof shown / 2));
    advise(l, advice, sizeof advice);
    if (l->n_patterns == 0)
        report_failure(INGOT_E_ARGUMENT, l->cp->path, advice, "there is no tensor%s", of_dtype);
    else if (l->n_patterns == 1)
        report_failure(INGOT_E_ARGUMENT, l->cp->path, advice, "no tensor%s matches '%s'", of_dtype,
                       ingot_escape(*l->patterns, strlen(*l->patterns), shown, sizeof shown));
    else
        report_failure(INGOT_E_ARGUMENT, l->cp->path, advice, "no tensor%s matches one of the %zu patterns", of_dtype,
                       l->n_patterns);
}

/* ------------------------------------------------------------------------------------------------------- table */

/* Name, dtype, layout, shape, parameters. */
static void tensor_cells(struct table *table, const struct checkpoint_tensor *t)
{
    char shape[192];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    table_escaped(table, t->name, t->name_len);
    table_text(table, t->dtype_name);
    table_text(table, checkpoint_layout(t));
    table_text(table, shape);
}

/* An alias says whose bytes it shows. */
static void size_cells(struct table *table, const struct checkpoint_tensor *t, const struct totals *all)
{
    if (t->target) {
        char shown[128];
        table_cell(table, "= %s", ingot_escape(t->target, strlen(t->target), shown, sizeof shown));
        table_text(table, "");
        table_text(table, "");
        return;
    }
    table_text(table, human_count(t->n_elems).text);
    table_text(table, human_bytes(t->n_bytes).text);
    table_text(table, human_share(t->n_bytes, all->n_bytes).text);
}

static void print_table(const struct listing *l)
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
    struct table table = table_begin(columns, sizeof columns / sizeof *columns - !l->many_files);
    struct checkpoint_tensor t;
    table_expect(&table, l->n_rows);
    for (size_t i = 0; i < l->n_rows; i++) {
        checkpoint_get_tensor(l->cp, l->rows[i].place, &t);
        tensor_cells(&table, &t);
        size_cells(&table, &t, &l->all);
        if (l->many_files) table_escaped(&table, t.part_file, strlen(t.part_file));
    }
    table_rule(&table);
    table_end(&table);
    print_totals(l);
}

/* -------------------------------------------------------------------------------------------------------- long */

static void exact_cell(struct table *table, uint64_t n)
{
    table_cell(table, "%llu", (unsigned long long)n);
}

/* Every section of an .ingot file, with what is needed to find its bytes. */
static void print_sections(const struct listing *l)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true }, { .title = "kind", .drop = 3 },
        { .title = "dtype", .drop = 2 },       { .title = "layout", .drop = 4 },
        { .title = "shape", .right = true },   { .title = "offset", .right = true },
        { .title = "bytes", .right = true },   { .title = "xxh3-128", .drop = 5 },
    };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    table_expect(&table, l->n_rows);
    for (size_t i = 0; i < l->n_rows; i++) {
        uint32_t id = ingot_section_by_offset(l->cp->file, (uint32_t)l->rows[i].place);
        struct ingot_section s = ingot_section_at(l->cp->file, id);
        char shape[192] = "";
        if (is_tensor(&s)) human_shape(s.rank, s.shape, shape, sizeof shape);
        table_escaped(&table, s.name, s.name_len);
        table_text(&table, ingot_kind_name(s.kind));
        table_text(&table, is_tensor(&s) ? ingot_dtype_name(s.dtype) : "");
        table_text(&table, is_tensor(&s) ? ingot_layout_name(s.layout) : "");
        table_text(&table, shape);
        exact_cell(&table, s.data_off);
        exact_cell(&table, s.raw_bytes);
        table_text(&table, human_digest(s.digest).text);
    }
    table_end(&table);
}

static void print_long_source(const struct listing *l)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true }, { .title = "dtype", .drop = 1 },     { .title = "shape", .right = true },
        { .title = "offset", .right = true },  { .title = "bytes", .right = true }, { .title = "file", .drop = 2 },
    };
    struct table table = table_begin(columns, sizeof columns / sizeof *columns);
    table_expect(&table, l->n_rows);
    for (size_t i = 0; i < l->n_rows; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(l->cp, l->rows[i].place);
        char shape[192];
        human_shape(t.rank, t.shape, shape, sizeof shape);
        table_escaped(&table, t.name, t.name_len);
        table_text(&table, t.dtype_name);
        table_text(&table, shape);
        exact_cell(&table, t.file_off);
        exact_cell(&table, t.n_bytes);
        table_escaped(&table, t.part_file, strlen(t.part_file));
    }
    table_end(&table);
}

static void print_long(const struct listing *l)
{
    if (l->sections)
        print_sections(l);
    else
        print_long_source(l);
    print_totals(l);
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
    if (t->part_file) json_put(o, "present", json_boolean(!checkpoint_is_absent(t)));
    if (t->target) json_put(o, "alias_of", json_text(t->target, strlen(t->target)));
    return o;
}

static void put_totals(json_t *o, const struct totals *t)
{
    json_put(o, "n_tensors", json_count(t->n_tensors));
    json_put(o, "n_aliases", json_count(t->n_aliases));
    json_put(o, "parameters", json_count(t->n_params));
    json_put(o, "bytes", json_count(t->n_bytes));
}

static void put_listing(const struct listing *l, struct json_rows *rows)
{
    const struct checkpoint *cp = l->cp;
    json_t *head = json_begin(), *tail = json_object(), *whole = json_object();
    json_put(head, "file", json_text(cp->path, strlen(cp->path)));
    json_put(head, "format", json_string(checkpoint_format(cp)));
    json_rows_open(rows, head, "tensors");
    for (size_t i = 0; i < l->n_rows; i++) {
        size_t place = l->rows[i].place;
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, place);
        json_t *row = tensor_json(&t);
        if (cp->file) json_put(row, "digest", json_digest(ingot_section_at(cp->file, cp->sections[place]).digest));
        json_rows_add(rows, row);
    }
    put_totals(tail, &l->shown);
    put_totals(whole, &l->all);
    json_put(tail, "all", whole);
    json_rows_close(rows, tail);
}

json_t *ls_tree(const struct checkpoint *cp)
{
    struct listing l = { .cp = cp };
    struct json_rows rows = { .keeps = true };
    choose_rows(&l);
    put_listing(&l, &rows);
    free(l.rows);
    return rows.tree;
}

static int run_ls(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    if (checkpoint_open(args->operands[0], &cp, &err) != INGOT_OK) return report_error(&err);
    bool is_long = v[OPT_LONG].given && !v[OPT_JSON].given;
    struct listing l = {
        .cp = &cp,
        .patterns = args->operands + 1,
        .n_patterns = args->n_operands - 1,
        .dtype = v[OPT_DTYPE].text,
        .key = (enum sort_key)(v[OPT_SORT].count % N_SORT_KEYS),
        .backwards = v[OPT_SORT].count >= N_SORT_KEYS,
        .sections = is_long && cp.file,
    };
    choose_rows(&l);
    const bool none = is_filtered(&l) && l.n_rows == 0;
    if (v[OPT_JSON].given)
        put_listing(&l, &(struct json_rows){ 0 });
    else if (is_long && !none)
        print_long(&l);
    else if (!none)
        print_table(&l);
    if (none) print_no_match(&l);
    free(l.rows);
    checkpoint_close(&cp);
    return none ? CODE_NO : CODE_OK;
}

const struct command command_ls = {
    .name = "ls",
    .summary = "list the tensors of a checkpoint",
    .operands = "FILE [PATTERN]...",
    .min_operands = 1,
    .max_operands = OPERANDS_MAX,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Lists name, dtype, layout, shape, parameters, bytes and share of every tensor, in the order in "
        "which they stand in the file. FILE is an .ingot file or any checkpoint that convert reads, a file or "
        "a directory; which one is decided by its content. No tensor byte is read.\n\n"
        "With a PATTERN only the tensors whose whole name it matches, with several those that one of them matches. "
        "As in a shell, * stands for any characters (dots and slashes too), ? for one, [0-9] and [!0-9] for one of, or "
        "none of, a set, and a backslash takes the special meaning from the next character; put PATTERN in quotes. "
        "Shares stay those of the whole file. The last line adds up what is shown and what there is. When nothing "
        "matches, the exit "
        "code is 1.\n\n"
        "On a terminal the table is fitted to its width; in a pipe nothing is cut.",
    .examples = "ingot ls gpt2.ingot\n"
                "ingot ls gpt2/ 'h.*.attn.*' --sort -size\n"
                "ingot ls model.gguf --dtype 'q*'\n"
                "ingot ls --json gpt2.ingot | jq '.tensors[].name'",
    .run = run_ls,
};
