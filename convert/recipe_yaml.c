/* recipe_yaml.c - libyaml's document, with errors that say where and a budget for walks. */
#include "convert/recipe_yaml.h"

#include "convert/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_VISITS  262144u
#define MAX_DEPTH   64u
#define MAX_ANCHORS 1024u

struct yaml_tree {
    yaml_document_t document;
    const char *path;
    uint32_t n_visits;
    enum ingot_status status;
    struct ingot_error *err;
};

/* ----------------------------------------------------------------------------------------------------------- errors */

/* People count from 1. */
static void fail_at(struct yaml_tree *t, yaml_mark_t at, const char *advice, const char *what)
{
    if (t->status != INGOT_OK) return;
    t->status = ingot_fail(t->err, INGOT_E_RECIPE, at.index, t->path, advice, "line %zu, column %zu: %s", at.line + 1,
                           at.column + 1, what);
}

void tree_fail(struct yaml_tree *tree, const yaml_node_t *at, const char *advice, const char *fmt, ...)
{
    char what[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    fail_at(tree, at->start_mark, advice, what);
}

static void fail_no_memory(struct yaml_tree *tree)
{
    if (tree->status == INGOT_OK) tree->status = fail_memory(tree->err, tree->path);
}

enum ingot_status tree_status(const struct yaml_tree *tree)
{
    return tree->status;
}

static const char *escaped(const yaml_node_t *node, char *out, size_t cap)
{
    return ingot_escape((const char *)node->data.scalar.value, node->data.scalar.length, out, cap);
}

/* ---------------------------------------------------------------------------------------------------------- loading */

/* Of a byte: libyaml knows no line for what it cannot decode. */
static yaml_mark_t mark_of_byte(const char *text, size_t n, size_t byte)
{
    yaml_mark_t at = { .index = byte < n ? byte : n };
    for (size_t i = 0; i < at.index; i++) {
        at.column = text[i] == '\n' ? 0 : at.column + 1;
        at.line += text[i] == '\n';
    }
    return at;
}

static void fail_parser(struct yaml_tree *t, const yaml_parser_t *parser, const char *text, size_t n)
{
    char what[200];
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem) { /* libyaml does not always say that it is memory */
        fail_no_memory(t);
        return;
    }
    snprintf(what, sizeof what, "not YAML: %s", parser->problem);
    fail_at(t,
            parser->error == YAML_READER_ERROR ? mark_of_byte(text, n, parser->problem_offset) : parser->problem_mark,
            "quote names that hold any of {}[],*#: inside braces or brackets", what);
}

static bool begin_parser(struct yaml_tree *t, yaml_parser_t *parser, const char *text, size_t n)
{
    if (!yaml_parser_initialize(parser)) {
        fail_no_memory(t);
        return false;
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, n);
    return true;
}

/* What libyaml needs quadratic time for: deep brackets, anchors, and directives for tags. */
static void check_token(struct yaml_tree *t, const yaml_token_t *token, uint32_t *depth, uint32_t *n_anchors)
{
    switch (token->type) {
    case YAML_FLOW_SEQUENCE_START_TOKEN:
    case YAML_FLOW_MAPPING_START_TOKEN:
        if (++*depth > MAX_DEPTH) fail_at(t, token->start_mark, NULL, "brackets nested too deep");
        break;
    case YAML_FLOW_SEQUENCE_END_TOKEN:
    case YAML_FLOW_MAPPING_END_TOKEN:
        if (*depth > 0) --*depth;
        break;
    case YAML_ANCHOR_TOKEN:
        if (++*n_anchors > MAX_ANCHORS) fail_at(t, token->start_mark, NULL, "too many anchors");
        break;
    case YAML_TAG_DIRECTIVE_TOKEN:
        fail_at(t, token->start_mark, "leave it out", "a directive for tags");
        break;
    default:
        break;
    }
}

/* Up to the first error, which loading will meet again. */
static void check_tokens(struct yaml_tree *t, const char *text, size_t n)
{
    yaml_parser_t parser;
    yaml_token_t token;
    uint32_t depth = 0, n_anchors = 0;
    bool more = true;
    if (!begin_parser(t, &parser, text, n)) return;
    while (more && t->status == INGOT_OK && yaml_parser_scan(&parser, &token)) {
        more = token.type != YAML_STREAM_END_TOKEN;
        check_token(t, &token, &depth, &n_anchors);
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
}

/* There must be nothing behind the one document. */
static void check_single(struct yaml_tree *t, yaml_parser_t *parser, const char *text, size_t n)
{
    yaml_document_t second;
    if (!yaml_parser_load(parser, &second)) {
        fail_parser(t, parser, text, n);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    if (root) fail_at(t, root->start_mark, NULL, "a second document");
    yaml_document_delete(&second);
}

static void parse(struct yaml_tree *t, const char *text, size_t n)
{
    yaml_parser_t parser;
    check_tokens(t, text, n);
    if (t->status != INGOT_OK || !begin_parser(t, &parser, text, n)) return;
    if (!yaml_parser_load(&parser, &t->document)) {
        memset(&t->document, 0, sizeof t->document);
        fail_parser(t, &parser, text, n);
    } else if (!tree_root(t)) {
        fail_at(t, (yaml_mark_t){ 0 }, NULL, "nothing is here");
    } else {
        check_single(t, &parser, text, n);
    }
    yaml_parser_delete(&parser);
}

enum ingot_status tree_load(const char *text, size_t n, const char *path, struct yaml_tree **out,
                            struct ingot_error *err)
{
    *out = NULL;
    if (n > TREE_MAX_BYTES)
        return ingot_fail(err, INGOT_E_LIMIT, TREE_MAX_BYTES, path, "use patterns: {i} stands for the layer",
                          "%zu bytes, the limit is %llu", n, (unsigned long long)TREE_MAX_BYTES);
    struct yaml_tree *t = calloc(1, sizeof *t);
    if (!t) return fail_memory(err, path);
    *t = (struct yaml_tree){ .path = path, .err = err };
    parse(t, text, n);
    if (t->status == INGOT_OK) {
        *out = t;
        return INGOT_OK;
    }
    enum ingot_status status = t->status;
    tree_free(t);
    return status;
}

void tree_free(struct yaml_tree *tree)
{
    if (!tree) return;
    yaml_document_delete(&tree->document);
    free(tree);
}

const yaml_node_t *tree_root(const struct yaml_tree *tree)
{
    return yaml_document_get_root_node((yaml_document_t *)(uintptr_t)&tree->document);
}

void *tree_alloc(struct yaml_tree *tree, size_t n, size_t size)
{
    if (tree->status != INGOT_OK || n == 0) return NULL;
    void *memory = calloc(n, size);
    if (!memory) fail_no_memory(tree);
    return memory;
}

/* ---------------------------------------------------------------------------------------------------------- walking */

static const yaml_node_t *visit(struct yaml_tree *t, int number)
{
    const yaml_node_t *node = yaml_document_get_node(&t->document, number);
    if (++t->n_visits > MAX_VISITS) tree_fail(t, node, NULL, "aliases make more of this than a recipe needs");
    return node;
}

/* Tags name types of other languages; a recipe knows text, lists and mappings. */
static bool is_plain(struct yaml_tree *t, const yaml_node_t *node)
{
    static const char *const tags[] = {
        [YAML_SCALAR_NODE] = YAML_STR_TAG, [YAML_SEQUENCE_NODE] = YAML_SEQ_TAG, [YAML_MAPPING_NODE] = YAML_MAP_TAG
    };
    char shown[96];
    if (t->status != INGOT_OK) return false;
    if (node->type == YAML_NO_NODE || strcmp((const char *)node->tag, tags[node->type]) == 0) return true;
    tree_fail(t, node, "leave it out", "the tag %s",
              ingot_escape((const char *)node->tag, strlen((const char *)node->tag), shown, sizeof shown));
    return false;
}

const char *tree_text(struct yaml_tree *tree, const yaml_node_t *node, const char *what)
{
    if (!is_plain(tree, node)) return "";
    const char *text = (const char *)node->data.scalar.value;
    if (node->type != YAML_SCALAR_NODE)
        tree_fail(tree, node, NULL, "%s must be text, not a %s", what,
                  node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    else if (node->data.scalar.length == 0)
        tree_fail(tree, node, NULL, "%s is empty", what);
    else if (strlen(text) != node->data.scalar.length)
        tree_fail(tree, node, NULL, "%s holds a zero byte", what);
    else
        return text;
    return "";
}

bool tree_bool(struct yaml_tree *tree, const yaml_node_t *node, const char *what)
{
    static const char *const words[] = { "false", "true" };
    return tree_choice(tree, node, what, words, 2) == 1;
}

/* "a, b, c" */
static char *join(const char *const *words, size_t n, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i ? ", " : "", words[i]);
    return out;
}

size_t tree_choice(struct yaml_tree *tree, const yaml_node_t *node, const char *what, const char *const *words,
                   size_t n)
{
    char known[160], shown[96];
    const char *text = tree_text(tree, node, what);
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0) return i;
    if (tree->status == INGOT_OK)
        tree_fail(tree, node, NULL, "%s is '%s', expected one of %s", what, escaped(node, shown, sizeof shown),
                  join(words, n, known, sizeof known));
    return 0;
}

uint32_t tree_list(struct yaml_tree *tree, const yaml_node_t *node, const char *what, uint32_t max)
{
    if (!is_plain(tree, node)) return 0;
    if (node->type != YAML_SEQUENCE_NODE) return 1;
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n <= max) return (uint32_t)n;
    tree_fail(tree, node, NULL, "%s has %zu items, the limit is %u", what, n, max);
    return 0;
}

const yaml_node_t *tree_item(struct yaml_tree *tree, const yaml_node_t *node, uint32_t i)
{
    return node->type == YAML_SEQUENCE_NODE ? visit(tree, node->data.sequence.items.start[i]) : node;
}

static bool is_mapping(struct yaml_tree *t, const yaml_node_t *node, const char *what)
{
    if (!is_plain(t, node)) return false;
    if (node->type != YAML_MAPPING_NODE) tree_fail(t, node, NULL, "%s must be a mapping of keys to values", what);
    return t->status == INGOT_OK;
}

static size_t pair_count(const yaml_node_t *node)
{
    return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

void tree_pair(struct yaml_tree *tree, const yaml_node_t *node, uint32_t i, const yaml_node_t **key,
               const yaml_node_t **value)
{
    const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
    *key = visit(tree, pair->key);
    *value = visit(tree, pair->value);
}

static void fail_twice(struct yaml_tree *t, const yaml_node_t *key)
{
    char shown[96];
    tree_fail(t, key, NULL, "the key '%s' is given twice", escaped(key, shown, sizeof shown));
}

/* n is small: quadratic is fine. */
static void check_keys_unique(struct yaml_tree *t, const yaml_node_t *node, uint32_t n)
{
    const yaml_node_t *key, *other, *value;
    for (uint32_t i = 0; i < n && t->status == INGOT_OK; i++) {
        tree_pair(t, node, i, &key, &value);
        const char *text = tree_text(t, key, "a key");
        for (uint32_t k = 0; k < i && t->status == INGOT_OK; k++) {
            tree_pair(t, node, k, &other, &value);
            if (strcmp(tree_text(t, other, "a key"), text) == 0) fail_twice(t, key);
        }
    }
}

uint32_t tree_pairs(struct yaml_tree *tree, const yaml_node_t *node, const char *what, uint32_t max)
{
    if (!is_mapping(tree, node, what)) return 0;
    size_t n = pair_count(node);
    if (n > max)
        tree_fail(tree, node, NULL, "%s has %zu keys, the limit is %u", what, n, max);
    else
        check_keys_unique(tree, node, (uint32_t)n);
    return tree->status == INGOT_OK ? (uint32_t)n : 0;
}

static void field(struct yaml_tree *t, const yaml_node_t *key, const yaml_node_t *value, const char *what,
                  const char *const *names, size_t n, const yaml_node_t **values)
{
    char known[192], shown[96], advice[240];
    const char *name = tree_text(t, key, "a key");
    if (t->status != INGOT_OK) return;
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) {
            if (values[i]) fail_twice(t, key);
            values[i] = value;
            return;
        }
    snprintf(advice, sizeof advice, "known are %s", join(names, n, known, sizeof known));
    tree_fail(t, key, advice, "%s has no key '%s'", what, escaped(key, shown, sizeof shown));
}

void tree_fields(struct yaml_tree *tree, const yaml_node_t *node, const char *what, const char *const *names, size_t n,
                 const yaml_node_t **values)
{
    memset(values, 0, n * sizeof *values);
    if (!is_mapping(tree, node, what)) return;
    size_t n_pairs = pair_count(node);
    for (size_t i = 0; i < n_pairs && tree->status == INGOT_OK; i++) {
        const yaml_node_t *key, *value;
        tree_pair(tree, node, (uint32_t)i, &key, &value);
        field(tree, key, value, what, names, n, values);
    }
}
