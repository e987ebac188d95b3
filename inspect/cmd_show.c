/* cmd_show.c - `ingot show`: everything about a file, or about one tensor. */
#include "inspect/commands.h"

#include "format/bytes.h"
#include "format/disk.h"
#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/cli/terminal.h"
#include "inspect/hparams.h"
#include "inspect/overview.h"
#include "inspect/trees.h"
#include "inspect/values.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_PROVENANCE, OPT_RECIPE, OPT_ALL, OPT_JSON, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_PROVENANCE] = { .name = "provenance",
                         .help =
                             "Print only where each tensor of an .ingot file came from, and what became of it (YAML)" },
    [OPT_RECIPE] = { .name = "recipe", .help = "Print only the recipe by which an .ingot file was converted (YAML)" },
    [OPT_ALL] = { .name = "all", .letter = 'a', .help = "Print long lists and texts to their end, and the recipe" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
};

/* Rows and columns of the corner of a matrix. */
#define CORNER_ROWS 4
#define CORNER_COLS 5

/* What is shown of long lists and texts unless all is asked for. */
#define LIST_LINES 24
#define TEXT_BYTES 72 /* of a value on one line */

/* ------------------------------------------------------------------------------------------------ pieces */

static void heading(const char *text)
{
    printf("%s%s%s\n", terminal_style(stdout, STYLE_BOLD), text, terminal_style(stdout, STYLE_PLAIN));
}

__attribute__((format(printf, 2, 3))) static void field(const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("  %-20s", name);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

/* An overview_fn. */
static void print_field(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    field(name, "%s", value);
}

/* What is said of a checkpoint as a whole, whatever its format. */
static void print_overview(const struct checkpoint *cp)
{
    char shown[256];
    heading(ingot_escape(cp->path, strlen(cp->path), shown, sizeof shown));
    overview_file(cp, print_field, NULL);
    putchar('\n');
    heading("Model");
    overview_model(cp, print_field, NULL);
    putchar('\n');
    heading("Vocabulary");
    overview_vocabulary(cp, print_field, NULL);
}

/* Foreign text line by line, each made harmless. Returns how many lines there are beyond `max`, which are not printed.
 */
static size_t print_lines(const char *text, size_t n, const char *indent, size_t max)
{
    char *shown = memory_array(4 * n + 8, 1);
    size_t n_lines = 0;
    for (size_t i = 0; i < n;) {
        const char *newline = memchr(text + i, '\n', n - i);
        size_t line = newline ? (size_t)(newline - (text + i)) : n - i;
        if (n_lines++ < max) printf("%s%s\n", indent, ingot_escape(text + i, line, shown, 4 * n + 8));
        i += line + 1;
    }
    free(shown);
    return n_lines > max ? n_lines - max : 0;
}

static json_t *model_json(const struct checkpoint *cp)
{
    struct ingot_hparams hp;
    if (checkpoint_hparams(cp, &hp, NULL) != INGOT_OK) return json_null();
    json_t *o = hparams_json(&hp);
    json_put(o, "attention_scale", json_boolean(hp.attention_flags & INGOT_ATTN_SCALE));
    json_put(o, "attention_scale_by_layer", json_boolean(hp.attention_flags & INGOT_ATTN_SCALE_BY_LAYER));
    return o;
}

/* ----------------------------------------------------------------------------------------- .ingot: the file */

/* Where the bytes of a file are. Their sum is the file's length. */
struct budget {
    uint64_t superblocks, index, tensors, vocabulary, digests, texts, padding;
};

static uint64_t *budget_of_kind(struct budget *b, enum ingot_kind kind)
{
    switch (kind) {
    case INGOT_KIND_TENSOR:
        return &b->tensors;
    case INGOT_KIND_VOCABULARY:
        return &b->vocabulary;
    case INGOT_KIND_CHUNKS:
        return &b->digests;
    default:
        return &b->texts; /* the model's 64 bytes too */
    }
}

static struct budget make_budget(const struct ingot_file *file, const struct ingot_file_info *info)
{
    struct budget b = { .superblocks = 2 * SB_SLOT_BYTES, .index = info->index_bytes };
    uint64_t used = b.superblocks + b.index;
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i);
        if (s.kind == INGOT_KIND_ALIAS) continue;
        *budget_of_kind(&b, s.kind) += s.stored_bytes;
        used += s.stored_bytes;
    }
    b.padding = info->file_bytes > used ? info->file_bytes - used : 0;
    return b;
}

static void budget_row(struct table *t, const char *name, uint64_t bytes, uint64_t whole)
{
    table_cell(t, "  %s", name);
    table_cell(t, "%s", human_count(bytes).text);
    table_cell(t, "%s", human_share(bytes, whole).text);
}

static void print_budget(const struct budget *b, uint64_t file_bytes)
{
    static const struct table_column columns[] = { { .title = "" },
                                                   { .title = "", .right = true },
                                                   { .title = "", .right = true } };
    struct table t = table_begin(columns, 3);
    t.no_titles = true;
    heading("Bytes");
    budget_row(&t, "tensors           ", b->tensors, file_bytes);
    budget_row(&t, "vocabulary", b->vocabulary, file_bytes);
    budget_row(&t, "model and texts", b->texts, file_bytes);
    budget_row(&t, "digests", b->digests, file_bytes);
    budget_row(&t, "index", b->index, file_bytes);
    budget_row(&t, "superblocks", b->superblocks, file_bytes);
    budget_row(&t, "padding", b->padding, file_bytes);
    table_end(&t);
}

static json_t *vocabulary_json(const uint8_t *p)
{
    if (!p) return json_null();
    uint32_t eot = get_u32(p + VOCAB_EOT_OFF);
    json_t *o = json_object();
    json_put(o, "tokens", json_count(get_u32(p + VOCAB_N_TOKENS_OFF)));
    json_put(o, "merges", json_count(get_u32(p + VOCAB_N_MERGES_OFF)));
    json_put(o, "special_tokens", json_count(get_u32(p + VOCAB_N_SPECIAL_OFF)));
    json_put(o, "end_of_text", eot == VOCAB_NO_TOKEN ? json_null() : json_count(eot));
    return o;
}

static void print_metadata(const struct ingot_file *file, bool all)
{
    struct ingot_section s;
    if (!ingot_find(file, INGOT_NAME_METADATA, &s)) return;
    putchar('\n');
    heading("Metadata");
    size_t left = print_lines(s.data, s.raw_bytes, "  ", all ? SIZE_MAX : LIST_LINES);
    if (left) printf("  ... %zu more line%s: --all\n", left, plural(left));
}

/* The metadata has its name, which is enough but for a recipe of one's own. */
static void print_recipe(const struct ingot_file *file, bool all)
{
    struct ingot_section s;
    if (!all || !ingot_find(file, INGOT_NAME_RECIPE, &s)) return;
    putchar('\n');
    heading("Recipe");
    print_lines(s.data, s.raw_bytes, "  ", SIZE_MAX);
}

static void show_ingot(const struct checkpoint *cp, bool all)
{
    struct ingot_file_info info;
    ingot_file_get_info(cp->file, &info);
    struct budget budget = make_budget(cp->file, &info);
    print_overview(cp);
    putchar('\n');
    print_budget(&budget, info.file_bytes);
    print_metadata(cp->file, all);
    print_recipe(cp->file, all);
}

static json_t *budget_json(const struct budget *b)
{
    json_t *o = json_object();
    json_put(o, "tensors", json_count(b->tensors));
    json_put(o, "vocabulary", json_count(b->vocabulary));
    json_put(o, "model_and_texts", json_count(b->texts));
    json_put(o, "digests", json_count(b->digests));
    json_put(o, "index", json_count(b->index));
    json_put(o, "superblocks", json_count(b->superblocks));
    json_put(o, "padding", json_count(b->padding));
    return o;
}

static json_t *ingot_json(const struct checkpoint *cp)
{
    struct ingot_file_info info;
    struct ingot_section metadata;
    ingot_file_get_info(cp->file, &info);
    struct budget budget = make_budget(cp->file, &info);
    json_t *root = json_begin();
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, "format", json_string("ingot"));
    json_put(root, "read_version", json_count(info.read_version));
    json_put(root, "write_version", json_count(info.write_version));
    json_put(root, "features_must", json_count(info.features_must));
    json_put(root, "features_may", json_count(info.features_may));
    json_put(root, "generation", json_count(info.generation));
    json_put(root, "file_bytes", json_count(info.file_bytes));
    json_put(root, "actual_bytes", json_count(info.actual_bytes));
    json_put(root, "content_id", json_digest(info.content_id));
    json_put(root, "slots_valid", json_pack("[b, b]", info.slot_valid[0], info.slot_valid[1]));
    json_put(root, "slots_equal", json_boolean(info.slots_equal));
    json_put(root, "align", json_count(info.align));
    json_put(root, "sections", json_count(ingot_section_count(cp->file)));
    json_put(root, "hyper_parameters", model_json(cp));
    json_put(root, "vocabulary", vocabulary_json(overview_stored_vocabulary(cp->file)));
    json_put(root, "bytes", budget_json(&budget));
    bool has = ingot_find(cp->file, INGOT_NAME_METADATA, &metadata);
    json_put(root, "metadata", has ? json_text(metadata.data, metadata.raw_bytes) : json_null());
    return root;
}

/* A section of text alone, as it stands: it can be saved and read as YAML. */
static int show_text(const struct checkpoint *cp, const char *name, const char *what, bool json)
{
    struct ingot_section s;
    if (!cp->file)
        return report_failure(INGOT_E_MISSING, cp->path,
                              "a converted file does: ingot convert CHECKPOINT -o FILE.ingot",
                              "a checkpoint holds no %s", what);
    if (!ingot_find(cp->file, name, &s))
        return report_failure(INGOT_E_MISSING, cp->path, NULL, "the file holds no %s", what);
    if (!json) {
        print_lines(s.data, s.raw_bytes, "", SIZE_MAX);
        return CODE_OK;
    }
    json_t *root = json_begin();
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, what, json_text(s.data, s.raw_bytes));
    json_end(root);
    return CODE_OK;
}

/* --------------------------------------------------------------------------------------------- foreign: the file */

static void print_facts(const struct checkpoint *cp, bool all)
{
    static const struct table_column columns[] = { { .title = "" }, { .title = "", .flexible = true } };
    size_t n = ingot_source_fact_count(cp->source), n_shown = all || n < LIST_LINES ? n : LIST_LINES;
    struct table t = table_begin(columns, 2);
    char key[256], text[1024];
    if (n == 0) return;
    t.no_titles = true;
    putchar('\n');
    heading("Stated beside the tensors");
    for (size_t i = 0; i < n_shown; i++) {
        struct ingot_fact f = ingot_source_fact(cp->source, i);
        overview_fact_text(&f, all ? sizeof text : TEXT_BYTES, text, sizeof text);
        table_cell(&t, "  %s", ingot_escape(f.key, strlen(f.key), key, sizeof key));
        table_cell(&t, "%s", text);
    }
    table_end(&t);
    if (n > n_shown) printf("  ... %zu more: --all\n", n - n_shown);
}

static void show_source(const struct checkpoint *cp, bool all)
{
    print_overview(cp);
    print_facts(cp, all);
}

static json_t *fact_json(const struct ingot_fact *f)
{
    switch (f->type) {
    case INGOT_FACT_BOOL:
        return json_boolean(f->integer);
    case INGOT_FACT_INT:
        return json_integer(f->integer);
    case INGOT_FACT_FLOAT:
        return json_number(f->number);
    case INGOT_FACT_TEXT:
        return json_text(f->text, strlen(f->text));
    case INGOT_FACT_NULL:
        break;
    }
    return json_null();
}

/* Keys that are not UTF-8 become what a terminal would show. */
static json_t *facts_json(const struct checkpoint *cp)
{
    json_t *o = json_object();
    for (size_t i = 0; i < ingot_source_fact_count(cp->source); i++) {
        struct ingot_fact f = ingot_source_fact(cp->source, i);
        json_t *key = json_text(f.key, strlen(f.key));
        json_put(o, json_string_value(key), fact_json(&f));
        json_decref(key);
    }
    return o;
}

static json_t *source_json(const struct checkpoint *cp)
{
    struct vocabulary vocabulary = { 0 };
    char recipe[INGOT_RECIPE_NAME_MAX];
    json_t *root = json_begin();
    bool usable = overview_read_vocabulary(cp, &vocabulary, NULL) == INGOT_OK;
    bool fits = ingot_source_recipe(cp->source, recipe, NULL) == INGOT_OK;
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, "format", json_string(checkpoint_format(cp)));
    json_put(root, "recipe", fits ? json_string(recipe) : json_null());
    json_put(root, "n_tensors", json_count(cp->n_tensors));
    json_put(root, "n_tensors_absent", json_count(overview_absent_count(cp)));
    json_put(root, "n_files", json_count(overview_file_count(cp)));
    json_put(root, "bytes", json_count(overview_tensor_bytes(cp)));
    json_put(root, "checksums", json_count(ingot_source_check_count(cp->source)));
    json_put(root, "hyper_parameters", model_json(cp));
    json_put(root, "vocabulary", vocabulary_json(usable ? vocabulary.bytes : NULL));
    json_put(root, "facts", facts_json(cp));
    vocabulary_free(&vocabulary);
    return root;
}

json_t *show_tree(const struct checkpoint *cp)
{
    return cp->file ? ingot_json(cp) : source_json(cp);
}

/* ------------------------------------------------------------------------------------------------ one tensor */

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
    heading("Values");
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
    field("strides", "%s elements", text);
}

static void show_tensor(const struct checkpoint_tensor *t, const struct ingot_section *s)
{
    char shown[4 * INGOT_MAX_NAME + 8], shape[192];
    human_shape(t->rank, t->shape, shape, sizeof shape);
    heading(ingot_escape(t->name, t->name_len, shown, sizeof shown));
    if (t->target) field("alias of", "%s", ingot_escape(t->target, strlen(t->target), shown, sizeof shown));
    field("dtype", "%s", ingot_escape(t->dtype_name, strlen(t->dtype_name), shown, sizeof shown));
    field("layout", "%s", checkpoint_layout(t));
    field("shape", "%s", shape);
    print_strides(t);
    field("parameters", "%s", human_count(t->n_elems).text);
    field("bytes", "%s", human_count(t->n_bytes).text);
    if (t->part_file) field("file", "%s", ingot_escape(t->part_file, strlen(t->part_file), shown, sizeof shown));
    field("offset", "%" PRIu64, t->file_off);
    if (s) field("xxh3-128", "%s", human_digest(s->digest).text);
    if (t->n_elems > 0 && !t->data) field("values", "not here: the file is missing");
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
    json_put(root, "present", json_boolean(t->n_elems == 0 || t->data));
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
    heading(ingot_escape(s->name, s->name_len, shown, sizeof shown));
    field("kind", "%s", ingot_kind_name(s->kind));
    field("bytes", "%s", human_count(s->raw_bytes).text);
    field("offset", "%" PRIu64, s->data_off);
    field("xxh3-128", "%s", human_digest(s->digest).text);
    if (s->kind != INGOT_KIND_METADATA && s->kind != INGOT_KIND_RECIPE && s->kind != INGOT_KIND_PROVENANCE) return;
    putchar('\n');
    heading("Text");
    print_lines(s->data, s->raw_bytes, "  ", SIZE_MAX);
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

static int show_one(const struct checkpoint *cp, const char *name, bool json)
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

static int show(const struct checkpoint *cp, const struct arguments *args)
{
    bool json = args->values[OPT_JSON].given, all = args->values[OPT_ALL].given;
    if (args->n_operands > 1) return show_one(cp, args->operands[1], json);
    if (args->values[OPT_PROVENANCE].given) return show_text(cp, INGOT_NAME_PROVENANCE, "provenance", json);
    if (args->values[OPT_RECIPE].given) return show_text(cp, INGOT_NAME_RECIPE, "recipe", json);
    if (json)
        json_end(show_tree(cp));
    else
        (cp->file ? show_ingot : show_source)(cp, all);
    return CODE_OK;
}

static int run_show(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    if (checkpoint_open(args->operands[0], &cp, &err) != INGOT_OK) return report_error(&err);
    int code = show(&cp, args);
    checkpoint_close(&cp);
    return code;
}

const struct command command_show = {
    .name = "show",
    .summary = "show everything about a file, or about one tensor",
    .operands = "FILE [TENSOR]",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Shows versions, hyper-parameters, vocabulary, where the bytes are, and metadata of FILE if "
                   "it is an .ingot "
                   "file; of any checkpoint that convert reads: format, files, checksums, hyper-parameters or what is "
                   "missing to know "
                   "them, tokenizer, and every value that it states beside its tensors.\n\n"
                   "With TENSOR (a name as ls prints it, or that of a section such as @metadata): its place, digest, "
                   "shape, and the "
                   "values of its first rows and columns; ingot cat prints them all.",
    .examples = "ingot show gpt2.ingot\n"
                "ingot show gpt2.ingot h.0.attn.c_attn.weight\n"
                "ingot show gpt2.ingot --provenance\n"
                "ingot show ckpt.pt --all",
    .run = run_show,
};
