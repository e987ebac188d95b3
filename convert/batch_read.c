/* batch_read.c - the YAML of a batch. */
#include "convert/batch.h"

#include "format/path.h"

#include <stdlib.h>
#include <string.h>

/* The first n bytes of a, then b. */
static char *join(struct yaml_tree *t, const char *a, size_t n, const char *b)
{
    char *out = tree_alloc(t, n + strlen(b) + 1, 1);
    if (!out) return NULL;
    memcpy(out, a, n);
    memcpy(out + n, b, strlen(b));
    return out;
}

static char *path_from(const struct batch *b, const yaml_node_t *node, const char *what)
{
    const char *path = tree_text(b->tree, node, what);
    return join(b->tree, b->path, path[0] == '/' ? 0 : b->directory_n, path);
}

/* The name of a built-in recipe is no path. */
static char *recipe_from(const struct batch *b, const yaml_node_t *node)
{
    const char *name = tree_text(b->tree, node, "the recipe");
    for (size_t i = 0; i < ingot_recipe_count(); i++)
        if (strcmp(ingot_recipe_info(i).name, name) == 0) return join(b->tree, "", 0, name);
    return path_from(b, node, "the recipe");
}

/* The settings of `all`, then those of the node: of one key the last holds. */
static void read_settings(const struct batch *b, const yaml_node_t *node, const struct batch_common *all,
                          struct batch_common *out)
{
    struct yaml_tree *t = b->tree;
    uint32_t n = node ? tree_pairs(t, node, "set", BATCH_MAX_SETTINGS) : 0;
    out->settings = tree_alloc(t, all->n_settings + n, sizeof *out->settings);
    if (!out->settings) return;
    for (uint32_t i = 0; i < all->n_settings; i++) out->settings[out->n_settings++] = join(t, "", 0, all->settings[i]);
    for (uint32_t i = 0; i < n; i++) {
        const yaml_node_t *key, *value;
        tree_pair(t, node, i, &key, &value);
        const char *name = tree_text(t, key, "a key of set"), *text = tree_text(t, value, name);
        char *begin = join(t, name, strlen(name), "=");
        out->settings[out->n_settings++] = begin ? join(t, begin, strlen(name) + 1, text) : NULL;
        free(begin);
    }
}

enum { KEY_DTYPE, KEY_EMBEDDING, KEY_RECIPE, KEY_SET, N_COMMON };
#define COMMON_KEYS [KEY_DTYPE] = "dtype", [KEY_EMBEDDING] = "embedding", [KEY_RECIPE] = "recipe", [KEY_SET] = "set"

static enum ingot_dtype read_dtype(const struct batch *b, const yaml_node_t *node, const char *key)
{
    static const char *const names[] = { "keep", "f32", "f16", "bf16", "q8", "q4" };
    static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_Q8, INGOT_Q4 };
    return dtypes[tree_choice(b->tree, node, key, names, sizeof names / sizeof *names)];
}

static void read_common(const struct batch *b, const yaml_node_t *const *values, const struct batch_common *all,
                        struct batch_common *out)
{
    out->dtype = values[KEY_DTYPE] ? read_dtype(b, values[KEY_DTYPE], "dtype") : all->dtype;
    out->sets_embedding = values[KEY_EMBEDDING] || all->sets_embedding;
    out->embedding = values[KEY_EMBEDDING] ? read_dtype(b, values[KEY_EMBEDDING], "embedding") : all->embedding;
    if (values[KEY_RECIPE])
        out->recipe = recipe_from(b, values[KEY_RECIPE]);
    else if (all->recipe)
        out->recipe = join(b->tree, "", 0, all->recipe);
    read_settings(b, values[KEY_SET], all, out);
}

static void read_entry(const struct batch *b, const yaml_node_t *node, const struct batch_common *all,
                       struct batch_entry *out)
{
    enum { KEY_SOURCE = N_COMMON, KEY_OUTPUT, N_KEYS };
    static const char *const names[N_KEYS] = { COMMON_KEYS, [KEY_SOURCE] = "source", [KEY_OUTPUT] = "output" };
    const yaml_node_t *values[N_KEYS];
    tree_fields(b->tree, node, "a conversion", names, N_KEYS, values);
    if (tree_status(b->tree) != INGOT_OK) return;
    for (size_t i = KEY_SOURCE; i < N_KEYS; i++)
        if (!values[i]) tree_fail(b->tree, node, NULL, "the conversion has no %s", names[i]);
    if (tree_status(b->tree) != INGOT_OK) return;
    out->source = path_from(b, values[KEY_SOURCE], "the source");
    out->output = path_from(b, values[KEY_OUTPUT], "the output");
    out->output_node = values[KEY_OUTPUT];
    read_common(b, values, all, &out->common);
}

static void free_common(struct batch_common *c)
{
    for (uint32_t i = 0; i < c->n_settings; i++) free(c->settings[i]);
    free(c->settings);
    free(c->recipe);
}

static void read_root(struct batch *b, const struct batch_common *options)
{
    enum { KEY_CONVERSIONS = N_COMMON, N_KEYS };
    static const char *const names[N_KEYS] = { COMMON_KEYS, [KEY_CONVERSIONS] = "conversions" };
    const yaml_node_t *values[N_KEYS], *root = tree_root(b->tree);
    struct batch_common all = { 0 };
    tree_fields(b->tree, root, "a batch", names, N_KEYS, values);
    if (tree_status(b->tree) != INGOT_OK) return;
    if (!values[KEY_CONVERSIONS]) tree_fail(b->tree, root, NULL, "the batch has no conversions");
    read_common(b, values, options, &all);
    uint32_t n =
        values[KEY_CONVERSIONS] ? tree_list(b->tree, values[KEY_CONVERSIONS], "conversions", BATCH_MAX_ENTRIES) : 0;
    if (n == 0 && values[KEY_CONVERSIONS])
        tree_fail(b->tree, values[KEY_CONVERSIONS], "list what to convert", "conversions is empty");
    b->entries = tree_alloc(b->tree, n, sizeof *b->entries);
    for (uint32_t i = 0; b->entries && i < n && tree_status(b->tree) == INGOT_OK; i++)
        read_entry(b, tree_item(b->tree, values[KEY_CONVERSIONS], i), &all, &b->entries[b->n_entries++]);
    free_common(&all);
}

enum ingot_status batch_parse(struct batch *b, const char *text, size_t n, struct ingot_error *err)
{
    const struct batch_common options = { .dtype = b->options->dtype,
                                          .sets_embedding = b->options->sets_embedding,
                                          .embedding = b->options->embedding,
                                          .recipe = (char *)(uintptr_t)b->options->recipe,
                                          .settings = (char **)(uintptr_t)b->options->settings,
                                          .n_settings = (uint32_t)b->options->n_settings };
    b->directory_n = (size_t)(path_base(b->path) - b->path);
    enum ingot_status status = tree_load(text, n, b->path, &b->tree, err);
    if (status != INGOT_OK) return status;
    read_root(b, &options);
    return tree_status(b->tree);
}

void batch_free(struct batch *b)
{
    for (uint32_t i = 0; i < b->n_entries; i++) {
        free(b->entries[i].source);
        free(b->entries[i].output);
        free_common(&b->entries[i].common);
    }
    free(b->entries);
    tree_free(b->tree);
}
