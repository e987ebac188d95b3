/* batch.c - a list of conversions: read it, plan all of it, then convert one after the other. */
#include "convert/array.h"
#include "convert/prepare.h"
#include "convert/recipe_yaml.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MAX_ENTRIES  256u
#define MAX_SETTINGS 64u

/* What may be said for one entry and for all. */
struct common {
    enum ingot_dtype dtype;
    char *recipe; /* NULL: not said */
    char **settings;
    uint32_t n_settings;
};

struct entry {
    char *source, *output;
    struct common common;
    const yaml_node_t *output_node;
};

struct batch {
    const char *path;
    size_t directory_n; /* of path: with the slash */
    const struct ingot_convert_options *options;
    struct yaml_tree *tree;
    struct entry *entries;
    uint32_t n_entries;
};

/* --------------------------------------------------------------------------------------------------------- reading */

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
static void read_settings(const struct batch *b, const yaml_node_t *node, const struct common *all, struct common *out)
{
    struct yaml_tree *t = b->tree;
    uint32_t n = node ? tree_pairs(t, node, "set", MAX_SETTINGS) : 0;
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

enum { KEY_DTYPE, KEY_RECIPE, KEY_SET, N_COMMON };
#define COMMON_KEYS [KEY_DTYPE] = "dtype", [KEY_RECIPE] = "recipe", [KEY_SET] = "set"

static void read_common(const struct batch *b, const yaml_node_t *const *values, const struct common *all,
                        struct common *out)
{
    static const char *const names[] = { "keep", "f32", "f16", "bf16" };
    static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_F32, INGOT_F16, INGOT_BF16 };
    out->dtype = all->dtype;
    if (values[KEY_DTYPE]) out->dtype = dtypes[tree_choice(b->tree, values[KEY_DTYPE], "dtype", names, 4)];
    if (values[KEY_RECIPE])
        out->recipe = recipe_from(b, values[KEY_RECIPE]);
    else if (all->recipe)
        out->recipe = join(b->tree, "", 0, all->recipe);
    read_settings(b, values[KEY_SET], all, out);
}

static void read_entry(const struct batch *b, const yaml_node_t *node, const struct common *all, struct entry *out)
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

static void free_common(struct common *c)
{
    for (uint32_t i = 0; i < c->n_settings; i++) free(c->settings[i]);
    free(c->settings);
    free(c->recipe);
}

static void read_root(struct batch *b, const struct common *options)
{
    enum { KEY_CONVERSIONS = N_COMMON, N_KEYS };
    static const char *const names[N_KEYS] = { COMMON_KEYS, [KEY_CONVERSIONS] = "conversions" };
    const yaml_node_t *values[N_KEYS], *root = tree_root(b->tree);
    struct common all = { 0 };
    tree_fields(b->tree, root, "a batch", names, N_KEYS, values);
    if (tree_status(b->tree) != INGOT_OK) return;
    if (!values[KEY_CONVERSIONS]) tree_fail(b->tree, root, NULL, "the batch has no conversions");
    read_common(b, values, options, &all);
    uint32_t n = values[KEY_CONVERSIONS] ? tree_list(b->tree, values[KEY_CONVERSIONS], "conversions", MAX_ENTRIES) : 0;
    b->entries = tree_alloc(b->tree, n, sizeof *b->entries);
    for (uint32_t i = 0; b->entries && i < n && tree_status(b->tree) == INGOT_OK; i++)
        read_entry(b, tree_item(b->tree, values[KEY_CONVERSIONS], i), &all, &b->entries[b->n_entries++]);
    free_common(&all);
}

static enum ingot_status load(struct batch *b, struct ingot_error *err)
{
    struct input *in;
    char *directory = b->directory_n ? strndup(b->path, b->directory_n) : strdup(".");
    if (!directory) return fail_memory(err, b->path);
    enum ingot_status status = input_open(directory, b->path + b->directory_n, NULL, &in, err);
    free(directory);
    if (status != INGOT_OK) return status;
    status = tree_load((const char *)in->map.bytes, in->map.size, b->path, &b->tree, err);
    input_close(in);
    return status;
}

static enum ingot_status read_batch(struct batch *b, struct ingot_error *err)
{
    const char *slash = strrchr(b->path, '/');
    struct common options = { .dtype = b->options->dtype,
                              .recipe = (char *)(uintptr_t)b->options->recipe,
                              .settings = (char **)(uintptr_t)b->options->settings,
                              .n_settings = (uint32_t)b->options->n_settings };
    b->directory_n = slash ? (size_t)(slash - b->path) + 1 : 0;
    enum ingot_status status = load(b, err);
    if (status != INGOT_OK) return status;
    read_root(b, &options);
    return tree_status(b->tree);
}

/* -------------------------------------------------------------------------------------------------------- planning */

static struct ingot_convert_options options_of(const struct batch *b, const struct entry *e)
{
    struct ingot_convert_options o = *b->options;
    o.dtype = e->common.dtype;
    o.recipe = e->common.recipe;
    o.settings = (const char *const *)e->common.settings;
    o.n_settings = e->common.n_settings;
    return o;
}

/* Whether two paths name one file: links in their directories are followed, whether the file is there or not. */
static bool same_output(const char *a, const char *b)
{
    const char *paths[2] = { a, b }, *names[2];
    struct stat st[2];
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');
        char directory[PATH_MAX];
        names[i] = slash ? slash + 1 : paths[i];
        if (snprintf(directory, sizeof directory, "%.*s.", (int)(names[i] - paths[i]), paths[i]) >= PATH_MAX ||
            stat(directory, &st[i]) != 0)
            return false;
    }
    return strcmp(names[0], names[1]) == 0 && st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

/* The same of files that are there: the last link is followed, too. */
static bool same_file(const char *a, const char *b)
{
    struct stat st[2];
    return stat(a, &st[0]) == 0 && stat(b, &st[1]) == 0 && st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

static enum ingot_status check_outputs_differ(const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_entries; i++) {
        if (same_file(b->entries[i].output, b->path))
            tree_fail(b->tree, b->entries[i].output_node, NULL, "the output is this file");
        for (uint32_t k = 0; k < i; k++)
            if (same_output(b->entries[i].output, b->entries[k].output))
                tree_fail(b->tree, b->entries[i].output_node, "give each conversion an output of its own",
                          "the output is that of conversion %u too", k + 1);
    }
    return tree_status(b->tree);
}

/* An output may be an input of no conversion: another one would find it gone, or destroy what it was made of. */
static enum ingot_status check_outputs_apart(const struct batch *b, const struct prepared *in, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < b->n_entries && status == INGOT_OK; i++)
        status = prepared_check_output(in, b->entries[i].output, err);
    return status;
}

/* Everything that can be known before the first is written. */
static enum ingot_status plan_entry(const struct batch *b, const struct entry *e, struct ingot_error *err)
{
    struct ingot_convert_options options = options_of(b, e);
    struct ingot_writer_options how = { .align = options.align, .overwrite = options.overwrite };
    struct ingot_writer *writer = NULL;
    struct prepared in;
    options.warning = NULL; /* converting will say it */
    enum ingot_status status = prepare(e->source, &options, &in, err);
    if (status == INGOT_OK) status = check_outputs_apart(b, &in, err);
    if (status == INGOT_OK) status = ingot_writer_create(e->output, &how, &writer, err);
    ingot_writer_close(writer);
    prepared_free(&in);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ converting */

static enum ingot_status convert_entry(const struct batch *b, uint32_t i, ingot_batch_fn each, void *ctx,
                                       struct ingot_error *err)
{
    const struct entry *e = &b->entries[i];
    struct ingot_convert_options options = options_of(b, e);
    struct ingot_batch_entry entry = { e->source, e->output, i + 1, b->n_entries };
    struct ingot_convert_report report;
    if (each) each(ctx, &entry, NULL);
    enum ingot_status status = ingot_convert(e->source, e->output, &options, &report, err);
    if (status == INGOT_OK && each) each(ctx, &entry, &report);
    return status;
}

static void free_batch(struct batch *b)
{
    for (uint32_t i = 0; i < b->n_entries; i++) {
        free(b->entries[i].source);
        free(b->entries[i].output);
        free_common(&b->entries[i].common);
    }
    free(b->entries);
    tree_free(b->tree);
}

enum ingot_status ingot_convert_batch(const char *path, const struct ingot_convert_options *options,
                                      ingot_batch_fn each, void *ctx, struct ingot_error *err)
{
    static const struct ingot_convert_options defaults = { 0 };
    struct batch b = { .path = path, .options = options ? options : &defaults };
    enum ingot_status status = read_batch(&b, err);
    if (status == INGOT_OK) status = check_outputs_differ(&b);
    for (uint32_t i = 0; i < b.n_entries && status == INGOT_OK; i++) status = plan_entry(&b, &b.entries[i], err);
    for (uint32_t i = 0; i < b.n_entries && status == INGOT_OK; i++) status = convert_entry(&b, i, each, ctx, err);
    free_batch(&b);
    return status;
}
