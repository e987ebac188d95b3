/* recipe.c - from YAML to a recipe. Whatever is not of the language is refused where it stands. */
#include "convert/recipe.h"

#include "convert/array.h"
#include "convert/profile.h"
#include "convert/recipe_yaml.h"
#include "format/disk.h"

#include <stdio.h>
#include <string.h>

#define MAX_RULES  8192u
#define MAX_LIST   64u
#define MAX_FACTOR 1000000000u
#define ARROW      " -> "

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ----------------------------------------------------------------------------------------------------- small pieces */

/* A file beside the checkpoint: a recipe from elsewhere must not reach further. */
static const char *file_name(struct yaml_tree *t, const yaml_node_t *node, const char *what)
{
    const char *name = tree_text(t, node, what);
    if (strchr(name, '/') || strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        tree_fail(t, node, "a recipe names files that lie beside the checkpoint",
                  "%s must be a file's name, not a path", what);
    return name;
}

static void list(struct yaml_tree *t, const yaml_node_t *node, const char *what,
                 const char *(*item)(struct yaml_tree *, const yaml_node_t *, const char *), struct recipe_list *out)
{
    if (!node) return;
    uint32_t n = tree_list(t, node, what, MAX_LIST);
    out->items = tree_alloc(t, n, sizeof *out->items);
    if (!out->items) return;
    for (; out->n < n && tree_status(t) == INGOT_OK; out->n++)
        out->items[out->n] = item(t, tree_item(t, node, out->n), what);
}

static void pairs(struct yaml_tree *t, const yaml_node_t *node, const char *what,
                  const char *(*item)(struct yaml_tree *, const yaml_node_t *, const char *), struct recipe_pairs *out)
{
    if (!node) return;
    uint32_t n = tree_pairs(t, node, what, MAX_LIST);
    out->items = tree_alloc(t, n, sizeof *out->items);
    if (!out->items) return;
    for (; out->n < n && tree_status(t) == INGOT_OK; out->n++) {
        const yaml_node_t *key, *value;
        tree_pair(t, node, out->n, &key, &value);
        out->items[out->n] = (struct recipe_pair){ tree_text(t, key, "a key"), item(t, value, what) };
    }
}

/* "3n", "n", "2": a factor, a letter, or both. */
static struct recipe_dim dim(struct yaml_tree *t, const yaml_node_t *node)
{
    struct recipe_dim out = { 0, 0 };
    const char *text = tree_text(t, node, "a dimension");
    size_t n = strspn(text, "0123456789");
    for (size_t i = 0; i < n && out.factor < MAX_FACTOR; i++) out.factor = out.factor * 10 + (uint64_t)(text[i] - '0');
    if (n == 0) out.factor = 1;
    if (text[n] >= 'a' && text[n] <= 'z') out.letter = text[n++];
    if (text[n] != '\0' || n == 0 || out.factor == 0 || out.factor >= MAX_FACTOR)
        tree_fail(t, node, "as in [3n, n] or [1, t, t]", "a dimension is a number, a small letter, or both");
    return out;
}

static void shape(struct yaml_tree *t, const yaml_node_t *node, struct recipe_shape *out)
{
    if (!node) return;
    uint32_t n = tree_list(t, node, "shape", INGOT_MAX_RANK);
    if (tree_status(t) == INGOT_OK && node->type != YAML_SEQUENCE_NODE)
        tree_fail(t, node, "as in [3n, n]", "shape must be a list of dimensions");
    out->given = true;
    for (; out->rank < n && tree_status(t) == INGOT_OK; out->rank++)
        out->dims[out->rank] = dim(t, tree_item(t, node, out->rank));
}

/* ------------------------------------------------------------------------------------------------------------ rules */

enum {
    RULE_FROM,
    RULE_TO,
    RULE_TRANSPOSE,
    RULE_CONCATENATE,
    RULE_SPLIT,
    RULE_DTYPE,
    RULE_SHAPE,
    RULE_DROP_KEY,
    RULE_REFUSE_KEY,
    N_RULE_KEYS
};
static const char *const rule_keys[N_RULE_KEYS] = { "from",  "to",    "transpose", "concatenate", "split",
                                                    "dtype", "shape", "drop",      "refuse" };

static void check_pattern(struct yaml_tree *t, const yaml_node_t *node, const char *text)
{
    const char *problem = tree_status(t) == INGOT_OK ? pattern_check(text) : NULL;
    char shown[96];
    if (problem)
        tree_fail(t, node, "{i} stands for the number of a layer, * for anything, each once", "the pattern '%s' %s",
                  ingot_escape(text, strlen(text), shown, sizeof shown), problem);
}

static const char *pattern(struct yaml_tree *t, const yaml_node_t *node, const char *what)
{
    const char *text = tree_text(t, node, what);
    check_pattern(t, node, text);
    return text;
}

/* All parts of a rule must be of one layer. */
static void target(struct yaml_tree *t, const yaml_node_t *node, const char *name, const struct recipe_list *from,
                   struct rule_target *out)
{
    char shown[96];
    if (tree_status(t) != INGOT_OK) return;
    out->role = profile_parse(name, &out->layer);
    ingot_escape(name, strlen(name), shown, sizeof shown);
    if (out->role == PROFILE_ROLES) {
        tree_fail(t, node, "as in wte.weight or h.{i}.attn.c_attn.weight; see 'ingot help recipes'",
                  "'%s' is no tensor of the result", shown);
        return;
    }
    if (out->layer != LAYER_OF_PATTERN && out->layer >= LIMIT_N_LAYER)
        tree_fail(t, node, NULL, "'%s' is of a layer that no model has; the limit is %u layers", shown, LIMIT_N_LAYER);
    for (uint32_t i = 0; i < from->n; i++)
        if (pattern_has_layer(from->items[i]) != (out->layer == LAYER_OF_PATTERN))
            tree_fail(t, node, "{i} stands for the same number on both sides",
                      "{i} must be in both names or in neither, '%s' and '%s'", from->items[i], shown);
}

static void targets(struct yaml_tree *t, const yaml_node_t *node, struct recipe_rule *r)
{
    uint32_t n = tree_list(t, node, "to", MAX_LIST);
    r->to = tree_alloc(t, n, sizeof *r->to);
    if (!r->to) return;
    for (; r->n_to < n && tree_status(t) == INGOT_OK; r->n_to++) {
        const yaml_node_t *item = tree_item(t, node, r->n_to);
        target(t, item, tree_text(t, item, "to"), &r->from, &r->to[r->n_to]);
    }
}

/* "a -> b", or "a" for "a -> a". */
static void short_rule(struct yaml_tree *t, const yaml_node_t *node, struct recipe_rule *r)
{
    const char *text = tree_text(t, node, "a rule"), *arrow = strstr(text, ARROW);
    size_t n = arrow ? (size_t)(arrow - text) : strlen(text);
    r->short_from = tree_alloc(t, n + 1, 1);
    r->from.items = tree_alloc(t, 1, sizeof *r->from.items);
    r->to = tree_alloc(t, 1, sizeof *r->to);
    if (!r->short_from || !r->from.items || !r->to) return;
    memcpy(r->short_from, text, n);
    r->from.items[0] = r->short_from;
    r->from.n = r->n_to = 1;
    check_pattern(t, node, r->short_from);
    target(t, node, arrow ? arrow + strlen(ARROW) : text, &r->from, r->to);
}

static enum rule_axis axis(struct yaml_tree *t, const yaml_node_t *node, const char *what)
{
    static const char *const words[] = { [AXIS_OUT] = "out", [AXIS_IN] = "in" };
    return (enum rule_axis)tree_choice(t, node, what, words, COUNT(words));
}

static enum ingot_dtype dtype(struct yaml_tree *t, const yaml_node_t *node, const struct recipe_rule *r)
{
    static const char *const words[] = { "f32", "f16", "bf16", "q8", "q4" };
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_Q8, INGOT_Q4 };
    enum ingot_dtype out = dtypes[tree_choice(t, node, "dtype", words, COUNT(words))];
    for (uint32_t i = 0; i < r->n_to; i++) {
        const struct profile_tensor *to = &profile_gpt2[r->to[i].role];
        if (to->shape[1] == DIM_NONE && out != INGOT_F32)
            tree_fail(t, node, NULL, "norms and biases are always f32");
        else if (to->layout == INGOT_ROWS && (out == INGOT_Q8 || out == INGOT_Q4))
            tree_fail(t, node, "give f32, f16 or bf16", "%s is read row by row and cannot be %s", to->name,
                      ingot_dtype_name(out));
    }
    return out;
}

/* Which keys go together. */
static void check_parts(struct yaml_tree *t, const yaml_node_t *node, const yaml_node_t *const *keys,
                        const struct recipe_rule *r)
{
    if (r->from.n > 1 && r->n_to > 1)
        tree_fail(t, node, NULL, "several tensors cannot become several: write a rule for each");
    if ((r->from.n > 1) != (keys[RULE_CONCATENATE] != NULL))
        tree_fail(t, node, "as in {from: [q, k, v], to: qkv, concatenate: out}",
                  r->from.n > 1 ? "several tensors become one only with 'concatenate'"
                                : "'concatenate' needs several names in 'from'");
    if ((r->n_to > 1) != (keys[RULE_SPLIT] != NULL))
        tree_fail(t, node, "as in {from: ab, to: [a, b], split: out}",
                  r->n_to > 1 ? "one tensor becomes several only with 'split'" : "'split' needs several names in 'to'");
    if (keys[RULE_SHAPE]) tree_fail(t, keys[RULE_SHAPE], NULL, "'shape' is for tensors that are dropped");
}

static void take_rule(struct yaml_tree *t, const yaml_node_t *node, const yaml_node_t *const *keys,
                      struct recipe_rule *r)
{
    targets(t, keys[RULE_TO] ? keys[RULE_TO] : keys[RULE_FROM], r);
    if (tree_status(t) != INGOT_OK) return;
    check_parts(t, node, keys, r);
    if (keys[RULE_TRANSPOSE]) r->transposed = tree_bool(t, keys[RULE_TRANSPOSE], "transpose");
    if (keys[RULE_CONCATENATE]) r->axis = axis(t, keys[RULE_CONCATENATE], "concatenate");
    if (keys[RULE_SPLIT]) r->axis = axis(t, keys[RULE_SPLIT], "split");
    if (keys[RULE_DTYPE]) r->dtype = dtype(t, keys[RULE_DTYPE], r);
}

static void leave_rule(struct yaml_tree *t, const yaml_node_t *const *keys, struct recipe_rule *r)
{
    r->action = keys[RULE_DROP_KEY] ? RULE_DROP : RULE_REFUSE;
    uint32_t which = keys[RULE_DROP_KEY] ? RULE_DROP_KEY : RULE_REFUSE_KEY;
    r->why = tree_text(t, keys[which], rule_keys[which]);
    for (uint32_t i = 0; i < N_RULE_KEYS; i++)
        if (keys[i] && i != which && i != RULE_FROM && i != RULE_SHAPE)
            tree_fail(t, keys[i], NULL, "'%s' and '%s' exclude each other", rule_keys[i], rule_keys[which]);
    shape(t, keys[RULE_SHAPE], &r->shape);
}

static void rule(struct yaml_tree *t, const yaml_node_t *node, struct recipe_rule *r)
{
    const yaml_node_t *keys[N_RULE_KEYS];
    r->line = node->start_mark.line + 1;
    if (node->type == YAML_SCALAR_NODE) {
        short_rule(t, node, r);
        return;
    }
    tree_fields(t, node, "a rule", rule_keys, N_RULE_KEYS, keys);
    if (!keys[RULE_FROM]) tree_fail(t, node, NULL, "a rule needs 'from', the name in the checkpoint");
    list(t, keys[RULE_FROM], "from", pattern, &r->from);
    if (tree_status(t) == INGOT_OK && r->from.n == 0) tree_fail(t, keys[RULE_FROM], NULL, "'from' is empty");
    if (tree_status(t) != INGOT_OK) return;
    if (keys[RULE_DROP_KEY] || keys[RULE_REFUSE_KEY])
        leave_rule(t, keys, r);
    else
        take_rule(t, node, keys, r);
}

static void rules(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    uint32_t n = tree_list(t, node, "tensors", MAX_RULES);
    if (tree_status(t) == INGOT_OK && (node->type != YAML_SEQUENCE_NODE || n == 0))
        tree_fail(t, node, NULL, "tensors must be a list of rules");
    r->rules = tree_alloc(t, n, sizeof *r->rules);
    if (!r->rules) return;
    while (r->n_rules < n && tree_status(t) == INGOT_OK) {
        const yaml_node_t *item = tree_item(t, node, r->n_rules);
        rule(t, item, &r->rules[r->n_rules++]);
    }
}

/* ------------------------------------------------------------------------------------------------- hyper-parameters */

/* A value as a person writes it, or else the key of a fact, which has a dot in it. */
static void term(struct yaml_tree *t, const yaml_node_t *node, enum hparam which, struct recipe_term *out)
{
    char expected[64];
    const char *text = tree_text(t, node, hparam_name(which));
    if (tree_status(t) != INGOT_OK) return;
    if (hparam_of_text(which, text, &out->literal)) {
        out->literal.origin = "the recipe";
    } else {
        out->fact = text;
        if (!strchr(text, '.') || strspn(text, "0123456789.-+") == strlen(text))
            tree_fail(t, node, "'ingot show' lists the facts that a checkpoint states",
                      "%s must be %s, or the key of a fact, as in config.%s", hparam_name(which),
                      hparam_expected(which, expected, sizeof expected), hparam_name(which));
    }
}

static void terms(struct yaml_tree *t, const yaml_node_t *node, enum hparam which, struct recipe_terms *out)
{
    uint32_t n = tree_list(t, node, hparam_name(which), MAX_LIST);
    out->items = tree_alloc(t, n, sizeof *out->items);
    if (!out->items) return;
    for (; out->n < n && tree_status(t) == INGOT_OK; out->n++)
        term(t, tree_item(t, node, out->n), which, &out->items[out->n]);
}

static uint32_t vocabulary_size(struct yaml_tree *t, const yaml_node_t *node)
{
    struct hparam_value value = { 0 };
    char expected[64];
    const char *text = tree_text(t, node, "unpad");
    if (tree_status(t) == INGOT_OK && !hparam_of_text(HPARAM_N_VOCAB, text, &value))
        tree_fail(t, node, "as in unpad: {50304: 50257}", "a size of the vocabulary must be %s",
                  hparam_expected(HPARAM_N_VOCAB, expected, sizeof expected));
    return value.count;
}

static void unpads(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    uint32_t n = tree_pairs(t, node, "unpad", MAX_LIST);
    r->unpad = tree_alloc(t, n, sizeof *r->unpad);
    if (!r->unpad) return;
    for (; r->n_unpad < n && tree_status(t) == INGOT_OK; r->n_unpad++) {
        const yaml_node_t *key, *value;
        tree_pair(t, node, r->n_unpad, &key, &value);
        r->unpad[r->n_unpad] = (struct recipe_unpad){ vocabulary_size(t, key), vocabulary_size(t, value) };
    }
}

/* n_vocab alone may be a mapping: {from: FACTS, unpad: {STORED: LOGICAL}, trim: zero_rows}. */
static void n_vocab(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    static const char *const keys[] = { "from", "unpad", "trim" }, *const trims[] = { "none", "zero_rows" };
    const yaml_node_t *values[COUNT(keys)];
    if (node->type != YAML_MAPPING_NODE) {
        terms(t, node, HPARAM_N_VOCAB, &r->hparams[HPARAM_N_VOCAB]);
        return;
    }
    tree_fields(t, node, "n_vocab", keys, COUNT(keys), values);
    if (!values[0]) tree_fail(t, node, NULL, "n_vocab needs 'from', the key of a fact");
    if (values[0]) terms(t, values[0], HPARAM_N_VOCAB, &r->hparams[HPARAM_N_VOCAB]);
    if (values[1]) unpads(t, values[1], r);
    if (values[2]) r->trims_zero_rows = tree_choice(t, values[2], "trim", trims, COUNT(trims)) == 1;
}

static void hyper_parameters(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    static const char *const configs[] = { "huggingface" };
    const char *names[HPARAM_COUNT + 1];
    const yaml_node_t *values[HPARAM_COUNT + 1];
    if (!node) return;
    for (uint32_t i = 0; i < HPARAM_COUNT; i++) names[i] = hparam_name((enum hparam)i);
    names[HPARAM_COUNT] = "config";
    tree_fields(t, node, "hyper-parameters", names, HPARAM_COUNT + 1, values);
    for (uint32_t i = 0; i < HPARAM_COUNT && tree_status(t) == INGOT_OK; i++)
        if (values[i] && i == HPARAM_N_VOCAB)
            n_vocab(t, values[i], r);
        else if (values[i])
            terms(t, values[i], (enum hparam)i, &r->hparams[i]);
    if (!values[HPARAM_COUNT]) return;
    tree_choice(t, values[HPARAM_COUNT], "config", configs, COUNT(configs));
    r->huggingface_config = true;
}

/* ----------------------------------------------------------------------------------------------------------- recipe */

static void fits(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    enum { FITS_FORMAT, FITS_TENSOR, FITS_SHAPE, FITS_FACT, N_FITS };
    static const char *const keys[N_FITS] = { "format", "tensor", "shape", "fact" };
    const yaml_node_t *values[N_FITS];
    if (!node) return;
    tree_fields(t, node, "fits", keys, N_FITS, values);
    if (values[FITS_FORMAT]) r->fits.format = tree_text(t, values[FITS_FORMAT], "format");
    if (values[FITS_TENSOR]) r->fits.tensor = tree_text(t, values[FITS_TENSOR], "tensor");
    if (values[FITS_SHAPE] && !values[FITS_TENSOR])
        tree_fail(t, values[FITS_SHAPE], NULL, "'shape' needs 'tensor': the name whose shape it is");
    shape(t, values[FITS_SHAPE], &r->fits.shape);
    list(t, values[FITS_FACT], "fact", tree_text, &r->fits.facts);
}

static void tokenizer(struct yaml_tree *t, const yaml_node_t *node, struct recipe *r)
{
    if (!node) return;
    list(t, node, "tokenizer", file_name, &r->tokenizer);
    if (tree_status(t) == INGOT_OK && r->tokenizer.n != 1 && r->tokenizer.n != 2)
        tree_fail(t, node, "as in [vocab.json, merges.txt], tokenizer.json or none", "tokenizer is one file or two");
    if (r->tokenizer.n != 1 || strcmp(r->tokenizer.items[0], "none") != 0) return;
    r->no_tokenizer = true;
    r->tokenizer.n = 0;
}

enum {
    KEY_RECIPE,
    KEY_ABOUT,
    KEY_FITS,
    KEY_FILES,
    KEY_PREFIXES,
    KEY_FACTS,
    KEY_REQUIRES,
    KEY_HPARAMS,
    KEY_HEAD,
    KEY_TENSORS,
    KEY_TOKENIZER,
    KEY_METADATA,
    N_KEYS
};
static const char *const recipe_keys[N_KEYS] = { "recipe",   "about",   "fits",      "files",
                                                 "prefixes", "facts",   "requires",  "hyper-parameters",
                                                 "head",     "tensors", "tokenizer", "metadata" };

static void root(struct yaml_tree *t, struct recipe *r)
{
    static const char *const heads[] = { [HEAD_AUTO] = "auto", [HEAD_TIED] = "tied", [HEAD_STORED] = "stored" };
    const yaml_node_t *v[N_KEYS], *node = tree_root(t);
    tree_fields(t, node, "a recipe", recipe_keys, N_KEYS, v);
    if (!v[KEY_RECIPE]) tree_fail(t, node, NULL, "the recipe has no name: begin with 'recipe: NAME'");
    if (!v[KEY_TENSORS]) tree_fail(t, node, NULL, "the recipe has no 'tensors'");
    if (tree_status(t) != INGOT_OK || !v[KEY_TENSORS]) return;
    r->name = tree_text(t, v[KEY_RECIPE], "recipe");
    r->about = v[KEY_ABOUT] ? tree_text(t, v[KEY_ABOUT], "about") : "";
    fits(t, v[KEY_FITS], r);
    if (v[KEY_FILES]) r->file = file_name(t, v[KEY_FILES], "files");
    list(t, v[KEY_PREFIXES], "prefixes", tree_text, &r->prefixes);
    pairs(t, v[KEY_FACTS], "facts", file_name, &r->facts);
    pairs(t, v[KEY_REQUIRES], "requires", tree_text, &r->requires);
    hyper_parameters(t, v[KEY_HPARAMS], r);
    if (v[KEY_HEAD]) r->head = (enum recipe_head)tree_choice(t, v[KEY_HEAD], "head", heads, COUNT(heads));
    rules(t, v[KEY_TENSORS], r);
    tokenizer(t, v[KEY_TOKENIZER], r);
    pairs(t, v[KEY_METADATA], "metadata", tree_text, &r->metadata);
}

enum ingot_status recipe_parse(const char *text, size_t n, const char *path, struct recipe **out,
                               struct ingot_error *err)
{
    *out = NULL;
    struct recipe *r = calloc(1, sizeof *r);
    if (!r) return fail_memory(err, path);
    enum ingot_status status = tree_load(text, n, path, &r->tree, err);
    if (status == INGOT_OK) {
        root(r->tree, r);
        status = tree_status(r->tree);
    }
    if (status == INGOT_OK) {
        r->text = malloc(n);
        r->n_text = n;
        status = r->text ? INGOT_OK : fail_memory(err, path);
    }
    if (status != INGOT_OK) {
        recipe_free(r);
        return status;
    }
    memcpy(r->text, text, n);
    *out = r;
    return INGOT_OK;
}

void recipe_free(struct recipe *recipe)
{
    if (!recipe) return;
    for (uint32_t i = 0; i < recipe->n_rules; i++) {
        free(recipe->rules[i].short_from);
        free(recipe->rules[i].from.items);
        free(recipe->rules[i].to);
    }
    for (uint32_t i = 0; i < HPARAM_COUNT; i++) free(recipe->hparams[i].items);
    free(recipe->rules);
    free(recipe->unpad);
    free(recipe->fits.facts.items);
    free(recipe->prefixes.items);
    free(recipe->tokenizer.items);
    free(recipe->facts.items);
    free(recipe->requires.items);
    free(recipe->metadata.items);
    free(recipe->text);
    tree_free(recipe->tree);
    free(recipe);
}
