/* cmd_show.c - `ingot show`: everything about a file, or about one tensor. */
#include "inspect/commands.h"

#include "format/bytes.h"
#include "format/disk.h"
#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/hparams.h"
#include "inspect/overview.h"
#include "inspect/show.h"
#include "inspect/trees.h"
#include "inspect/values.h"

#include <inttypes.h>
#include <stdio.h>
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

/* What is shown of long lists and texts unless all is asked for. */
#define LIST_LINES 24
#define TEXT_BYTES 72 /* of a value on one line */

/* ------------------------------------------------------------------------------------------------ pieces */

/* An overview_fn. */
static void print_field(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    show_field(name, "%s", value);
}

/* What is said of a checkpoint as a whole, whatever its format. */
static void print_overview(const struct checkpoint *cp)
{
    char shown[256];
    show_heading(ingot_escape(cp->path, strlen(cp->path), shown, sizeof shown));
    overview_file(cp, print_field, NULL);
    putchar('\n');
    show_heading("Model");
    overview_model(cp, print_field, NULL);
    putchar('\n');
    show_heading("Vocabulary");
    overview_vocabulary(cp, print_field, NULL);
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
    show_heading("Bytes");
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
    show_heading("Metadata");
    size_t left = show_lines(s.data, s.raw_bytes, "  ", all ? SIZE_MAX : LIST_LINES);
    if (left) printf("  ... %zu more line%s: --all\n", left, plural(left));
}

/* The metadata has its name, which is enough but for a recipe of one's own. */
static void print_recipe(const struct ingot_file *file, bool all)
{
    struct ingot_section s;
    if (!all || !ingot_find(file, INGOT_NAME_RECIPE, &s)) return;
    putchar('\n');
    show_heading("Recipe");
    show_lines(s.data, s.raw_bytes, "  ", SIZE_MAX);
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
        show_lines(s.data, s.raw_bytes, "", SIZE_MAX);
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
    show_heading("Stated beside the tensors");
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

/* ---------------------------------------------------------------------------------------------- the command */

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
    .description =
        "Shows versions, hyper-parameters, vocabulary, where the bytes are, and metadata of FILE if "
        "it is an .ingot "
        "file; of any checkpoint that convert reads: format, files, checksums, hyper-parameters or what is "
        "missing to know "
        "them, tokenizer, and every value that it states beside its tensors.\n\n"
        "With TENSOR (a name as ls prints it, or that of a section such as @metadata): its place, digest and "
        "shape; in an .ingot file what it was made of and how; figures of its values (ingot stats has more) and the "
        "first "
        "rows and columns of them (ingot cat prints them all).",
    .examples = "ingot show gpt2.ingot\n"
                "ingot show gpt2.ingot h.0.attn.c_attn.weight\n"
                "ingot show gpt2.ingot --provenance\n"
                "ingot show ckpt.pt --all",
    .run = run_show,
};
