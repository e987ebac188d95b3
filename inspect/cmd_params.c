/* cmd_params.c - `ingot params`: how many parameters, of which kind, and what they cost in memory. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/cost.h"
#include "inspect/hparams.h"
#include "inspect/trees.h"

#include <stdio.h>
#include <string.h>

enum { OPT_CONFIG, OPT_CTX, OPT_DTYPE, OPT_DRAW, OPT_LAYERS, OPT_TREE, OPT_DEPTH, OPT_JSON, N_OPTIONS };

static const char *const dtype_names[] = { "f32", "f16", "bf16", "q8", "q4", NULL };

static const struct option options[N_OPTIONS] = {
    [OPT_CONFIG] = { .name = "config",
                     .letter = 'c',
                     .type = OPTION_TEXT,
                     .value = "CONFIG",
                     .choices = subject_presets,
                     .help =
                         "Count a model that need not exist: gpt2, gpt2-medium, gpt2-large, gpt2-xl, gpt3-175b, or a "
                         "list such as n_layer=12,n_head=12,n_embd=768" },
    [OPT_CTX] = { .name = "ctx",
                  .type = OPTION_COUNT,
                  .value = "N",
                  .min = 1,
                  .max = UINT32_MAX,
                  .help = "Positions for which operations, bytes and memory are worked out; the model's context if not "
                          "given" },
    [OPT_DTYPE] = { .name = "dtype",
                    .letter = 'd',
                    .type = OPTION_CHOICE,
                    .value = "DTYPE",
                    .choices = dtype_names,
                    .help = "Work these out for matrices of this dtype; that of FILE, or f32, if not given" },
    [OPT_DRAW] = { .name = "draw", .help = "Draw the architecture: the steps from token ids to logits, with shapes" },
    [OPT_LAYERS] = { .name = "layers", .letter = 'l', .help = "Count by layer" },
    [OPT_TREE] = { .name = "tree", .letter = 't', .help = "Count by name; numbered parts that are alike are one row" },
    [OPT_DEPTH] = { .name = "depth",
                    .type = OPTION_COUNT,
                    .value = "N",
                    .min = 1,
                    .max = 1000,
                    .help = "With --tree: no more than this many levels" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
};

#define GPT1_VOCABULARY 40478u

/* The released sizes and the numbers under which they were announced. */
static const struct announced {
    const char *name;
    uint64_t n_params, n_embd;
} announced[] = {
    { "117M", 124439808, 768 },
    { "345M", 354823168, 1024 },
    { "762M", 774030080, 1280 },
    { "1542M", 1557611200, 1600 },
};

/* ------------------------------------------------------------------------------------------------- text */

static uint64_t kv_bytes(const struct ingot_hparams *hp, uint64_t n_positions, uint64_t elem_bytes)
{
    return 2 * elem_bytes * hp->n_layer * n_positions * hp->n_embd;
}

static void print_title(const struct subject *s)
{
    char text[768];
    ingot_escape(s->name, strlen(s->name), text, 256);
    size_t n = strlen(text);
    const struct ingot_hparams *hp = &s->hp;
    if (s->has_hparams)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              ": %u layer%s, %u head%s of %u, width %u, inner width %u, context %u, vocabulary %u",
                              hp->n_layer, plural(hp->n_layer), hp->n_head, plural(hp->n_head), hp->n_embd / hp->n_head,
                              hp->n_embd, hp->n_inner, hp->n_ctx, hp->n_vocab);
    if (s->has_hparams && hp->n_vocab_stored != hp->n_vocab)
        snprintf(text + n, sizeof text - n, " (%u rows stored)", hp->n_vocab_stored);
    paragraph_sentence(stdout, 0, 2, "%s", text);
    putchar('\n');
}

static void print_sentence(const char *text)
{
    paragraph_sentence(stdout, 0, 0, "%s", text);
}

static void category_row(struct table *t, const struct census *c, int category)
{
    uint64_t each = census_per_layer(c, (enum census_category)category);
    bool tied = category == CENSUS_UNEMBEDDING && c->tied;
    table_cell(t, "%s", census_name((enum census_category)category));
    table_cell(t, "%s", each ? human_count(each).text : "");
    table_cell(t, "%s", tied ? "tied" : human_count(c->count[category]).text);
    table_cell(t, "%s", tied ? "" : human_share(c->count[category], census_total(c)).text);
}

static void print_left_out(const struct census *c)
{
    char text[160 * CENSUS_REASONS] = "Not counted, though stored:";
    size_t n = strlen(text);
    if (c->n_reasons == 0) return;
    for (uint32_t i = 0; i < c->n_reasons; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s element%s of %s", i ? "," : "",
                              human_count(c->left_out[i].n_elems).text, plural(c->left_out[i].n_elems),
                              c->left_out[i].why);
    snprintf(text + n, sizeof text - n, ".");
    print_sentence(text);
}

static void print_categories(const struct census *c)
{
    static const struct table_column columns[] = {
        { .title = "parameters", .flexible = true },
        { .title = "per layer", .right = true },
        { .title = "in all", .right = true },
        { .title = "share", .right = true, .drop = 1 },
    };
    struct table t = table_begin(columns, 4);
    uint64_t each = 0;
    for (int i = 0; i < CENSUS_CATEGORIES; i++) {
        if (c->count[i] == 0 && (i == CENSUS_OTHER || census_is_foreign(c))) continue;
        category_row(&t, c, i);
        each += census_per_layer(c, (enum census_category)i);
    }
    table_rule(&t);
    table_cell(&t, "total");
    table_cell(&t, "%s", each ? human_count(each).text : "");
    table_cell(&t, "%s", human_count(census_total(c)).text);
    table_cell(&t, "%s", "");
    table_end(&t);
    if (census_is_foreign(c) && census_total(c) > 0)
        print_sentence("Nothing here has a place in a GPT-2; ingot params --tree counts by name.");
    if (c->tied) print_sentence("The unembedding is the token embedding, used a second time and counted once.");
    print_left_out(c);
}

/* Each dtype of which the size does not follow from the counts alone. */
static void quantised_rows(struct table *t, const struct subject *s)
{
    static const enum ingot_dtype dtypes[] = { INGOT_Q8, INGOT_Q4 };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        const struct cost_question q = { .hp = &s->hp, .census = &s->census, .dtype = dtypes[i] };
        table_cell(t, "%s", ingot_dtype_name(dtypes[i]));
        table_cell(t, "%s", "");
        table_cell(t, "%s", human_count((uint64_t)cost_weight_bytes(&q)).text);
    }
}

static void print_sizes(const struct subject *s)
{
    const struct census *c = &s->census;
    static const struct table_column columns[] = {
        { .title = "dtype" },
        { .title = "bytes", .right = true },
        { .title = "with norms and biases in f32", .right = true, .drop = 1 },
    };
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    uint64_t total = census_total(c), vectors = census_vectors(c);
    const size_t n_columns = census_is_foreign(c) ? 2 : 3;
    struct table t = table_begin(columns, n_columns);
    putchar('\n');
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        uint64_t size = ingot_dtype_size(dtypes[i]);
        table_cell(&t, "%s", ingot_dtype_name(dtypes[i]));
        table_cell(&t, "%s", human_count(total * size).text);
        if (n_columns > 2) table_cell(&t, "%s", human_count((total - vectors) * size + vectors * 4).text);
    }
    if (s->has_hparams && n_columns > 2) quantised_rows(&t, s);
    table_end(&t);
}

static void print_kv(const struct ingot_hparams *hp)
{
    static const struct table_column columns[] = {
        { .title = "KV cache, positions" },
        { .title = "f32", .right = true },
        { .title = "f16", .right = true },
    };
    const uint64_t positions[] = { 1, hp->n_ctx };
    struct table t = table_begin(columns, 3);
    putchar('\n');
    for (size_t i = 0; i < (hp->n_ctx > 1 ? 2 : 1); i++) {
        table_cell(&t, "%s", human_count(positions[i]).text);
        table_cell(&t, "%s", human_count(kv_bytes(hp, positions[i], 4)).text);
        table_cell(&t, "%s", human_count(kv_bytes(hp, positions[i], 2)).text);
    }
    table_end(&t);
}

/* OpenAI's repository says only that the counts in the paper "were wrong due to an error". That all four come out when
 * the vocabulary of the predecessor is put in is arithmetic that anyone can repeat. */
static void print_announced(const struct census *c)
{
    char text[1024];
    uint64_t total = census_total(c);
    for (size_t i = 0; i < sizeof announced / sizeof *announced; i++) {
        if (announced[i].n_params != total) continue;
        uint64_t missing = (GPT2_VOCABULARY - GPT1_VOCABULARY) * announced[i].n_embd;
        snprintf(text, sizeof text,
                 "Why \"%s\"? The paper and the first release gave the model that name; OpenAI later said that the "
                 "published counts were wrong, and renamed the models. The released tensors hold %s parameters, "
                 "the tied matrix counted once. With GPT-1's vocabulary of 40,478 tokens in place of 50,257 the "
                 "same sum gives %s, and so for all four sizes (117M, 345M, 762M, 1542M): probably the error, "
                 "though OpenAI did not say which it was.",
                 announced[i].name, human_count(total).text, human_count(total - missing).text);
        putchar('\n');
        print_sentence(text);
    }
}

/* The well-known count of GPT-3, which is matrices only and has the embedding at both ends. */
static void print_eight(const struct census *c)
{
    static const struct table_column columns[] = { { .title = "eight categories" },
                                                   { .title = "in all", .right = true } };
    static const int rows[] = { CENSUS_TOKEN_EMBEDDING,  CENSUS_KEY, CENSUS_QUERY, CENSUS_VALUE,
                                CENSUS_ATTENTION_OUTPUT, CENSUS_UP,  CENSUS_DOWN };
    char text[512];
    struct table t = table_begin(columns, 2);
    uint64_t sum = c->count[CENSUS_TOKEN_EMBEDDING];
    putchar('\n');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        table_cell(&t, "%s", i ? census_name((enum census_category)rows[i]) : "embedding");
        table_cell(&t, "%s", human_count(c->count[rows[i]]).text);
        sum += c->count[rows[i]];
    }
    table_cell(&t, "unembedding");
    table_cell(&t, "%s", human_count(c->count[CENSUS_TOKEN_EMBEDDING]).text);
    table_rule(&t);
    table_cell(&t, "total");
    table_cell(&t, "%s", human_count(sum).text);
    table_end(&t);
    snprintf(text, sizeof text,
             "This often quoted sum counts the tied matrix twice (%s) and leaves out positions (%s), biases (%s) and "
             "norms (%s); hence the difference to the total above.",
             human_count(c->count[CENSUS_TOKEN_EMBEDDING]).text, human_count(c->count[CENSUS_POSITION_EMBEDDING]).text,
             human_count(c->count[CENSUS_BIASES]).text, human_count(c->count[CENSUS_NORMS]).text);
    print_sentence(text);
}

static void print_text(const struct subject *s, const struct parts_wanted *wanted)
{
    print_title(s);
    if (parts_print(s, wanted)) return;
    print_categories(&s->census);
    print_sizes(s);
    if (s->has_hparams) print_kv(&s->hp);
    if (s->has_hparams) parts_print_cost(s, wanted);
    print_announced(&s->census);
    if (s->is_gpt3) print_eight(&s->census);
}

/* ------------------------------------------------------------------------------------------------- JSON */

static json_t *categories_json(const struct census *c)
{
    json_t *array = json_array();
    for (int i = 0; i < CENSUS_CATEGORIES; i++) {
        json_t *row = json_object();
        json_put(row, "name", json_string(census_name((enum census_category)i)));
        json_put(row, "per_layer", json_count(census_per_layer(c, (enum census_category)i)));
        json_put(row, "parameters", json_count(c->count[i]));
        json_add(array, row);
    }
    return array;
}

static json_t *eight_json(const struct census *c)
{
    json_t *o = json_object();
    uint64_t sum = 2 * c->count[CENSUS_TOKEN_EMBEDDING];
    json_put(o, "embedding", json_count(c->count[CENSUS_TOKEN_EMBEDDING]));
    for (int i = CENSUS_QUERY; i <= CENSUS_DOWN; i++) {
        json_put(o, census_name((enum census_category)i), json_count(c->count[i]));
        sum += c->count[i];
    }
    json_put(o, "unembedding", json_count(c->count[CENSUS_TOKEN_EMBEDDING]));
    json_put(o, "total", json_count(sum));
    return o;
}

static json_t *bytes_json(const struct subject *s, enum ingot_dtype dtype)
{
    const struct cost_question q = { .hp = &s->hp, .census = &s->census, .dtype = dtype };
    return s->has_hparams ? json_count((uint64_t)cost_weight_bytes(&q)) : json_null();
}

json_t *params_tree(const struct subject *s, const struct parts_wanted *wanted)
{
    const struct census *c = &s->census;
    json_t *root = json_begin(), *bytes = json_object();
    uint64_t total = census_total(c);
    json_put(root, "subject", json_text(s->name, strlen(s->name)));
    json_put(root, "hyper_parameters", s->has_hparams ? hparams_counts_json(&s->hp) : json_null());
    json_put(root, "categories", categories_json(c));
    json_put(root, "layers", json_count(c->n_layer));
    json_put(root, "parameters", json_count(total));
    json_put(root, "tied", json_boolean(c->tied));
    json_put(root, "buffer_elements", json_count(c->n_left_out));
    json_put(bytes, "f32", json_count(4 * total));
    json_put(bytes, "f16", json_count(2 * total));
    json_put(bytes, "bf16", json_count(2 * total));
    json_put(bytes, "q8", bytes_json(s, INGOT_Q8));
    json_put(bytes, "q4", bytes_json(s, INGOT_Q4));
    json_put(root, "bytes", bytes);
    json_put(root, "kv_bytes_per_position", s->has_hparams ? json_count(kv_bytes(&s->hp, 1, 4)) : json_null());
    json_put(root, "kv_bytes", s->has_hparams ? json_count(kv_bytes(&s->hp, s->hp.n_ctx, 4)) : json_null());
    if (s->is_gpt3) json_put(root, "eight_categories", eight_json(c));
    parts_json(root, s, wanted);
    return root;
}

static enum ingot_status check_wanted(const struct subject *s, const struct parts_wanted *wanted,
                                      struct ingot_error *err)
{
    if (wanted->draw && !s->has_hparams)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--draw", "give the directory with its config.json",
                          "%s does not say how many heads the model has", s->name);
    if (wanted->tree && s->checkpoint.n_tensors == 0)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--tree", NULL, "names need a file with tensors");
    if (s->has_hparams && wanted->n_ctx > s->hp.n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--ctx", NULL, "%llu positions; this model has %u",
                          (unsigned long long)wanted->n_ctx, s->hp.n_ctx);
    return INGOT_OK;
}

static int run_params(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct subject s = { 0 };
    const char *config = v[OPT_CONFIG].text;
    struct parts_wanted wanted = { .draw = v[OPT_DRAW].given,
                                   .layers = v[OPT_LAYERS].given,
                                   .tree = v[OPT_TREE].given,
                                   .depth = (uint32_t)v[OPT_DEPTH].count,
                                   .n_ctx = v[OPT_CTX].count };
    if (v[OPT_DTYPE].given) ingot_dtype_parse(v[OPT_DTYPE].text, &wanted.dtype);
    if ((config != NULL) == (args->n_operands == 1))
        return report_failure(INGOT_E_ARGUMENT, "params", "usage: ingot params FILE, or ingot params --config gpt2",
                              "either a file or --config is needed");
    enum ingot_status status =
        config ? subject_from_config(config, &s, &err) : subject_from_file(args->operands[0], &s, &err);
    if (status == INGOT_OK) status = check_wanted(&s, &wanted, &err);
    if (status == INGOT_OK) {
        if (v[OPT_JSON].given)
            json_end(params_tree(&s, &wanted));
        else
            print_text(&s, &wanted);
    }
    subject_close(&s);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_params = {
    .name = "params",
    .summary = "count parameters; draw the architecture; work out operations and memory",
    .operands = "[FILE]",
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Counts the parameters of FILE (an .ingot file, or any checkpoint that convert reads) from its "
                   "tensors, by GPT-2's categories, per layer and in all. Query, key and value are the "
                   "thirds of one matrix. Norms are the weights and biases of the layer norms, the last one "
                   "included; biases are those of the four projections. A token embedding that serves as the "
                   "unembedding too is counted once.\n\n"
                   "Operations are those of the matrix products and of attention, a multiplication and its addition "
                   "counting as two; the memory is what run reserves for one session with one thread and reads of "
                   "the file. In q8 and q4 that is with their scales and paddings, positions in f16, and the KV "
                   "cache in f16.\n\n"
                   "With --config the model need not exist. Keys: n_layer, n_head, n_embd (required); n_vocab "
                   "(50257), n_ctx (1024), n_inner (4 n_embd), tied (yes), biases (yes).",
    .examples = "ingot params gpt2.ingot\n"
                "ingot params --config gpt2-xl\n"
                "ingot params gpt2/ --tree --depth 2\n"
                "ingot params --config gpt2 --draw\n"
                "ingot params --config gpt2 --ctx 256 --dtype bf16\n"
                "ingot params --config n_layer=4,n_head=8,n_embd=512,n_vocab=8000,n_ctx=256",
    .run = run_params,
};
