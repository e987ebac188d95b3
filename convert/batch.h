/* batch.h - a list of conversions as its YAML file says it; see ingot_convert_batch(). */
#ifndef INGOT_BATCH_H
#define INGOT_BATCH_H

#include "convert/ingot_convert.h"
#include "convert/recipe_yaml.h"

#define BATCH_MAX_ENTRIES  256u
#define BATCH_MAX_SETTINGS 64u /* of one entry, and of all */

/* What may be said for one entry and for all. Owned. */
struct batch_common {
    enum ingot_dtype dtype, embedding;
    bool sets_embedding;
    char *recipe; /* NULL: not said */
    char **settings;
    uint32_t n_settings;
};

struct batch_entry {
    char *source, *output; /* owned; paths as they will be opened */
    struct batch_common common;
    const yaml_node_t *output_node;
    bool failed;
};

struct batch {
    const char *path; /* set by the caller, as are the options */
    const struct ingot_convert_options *options;
    size_t directory_n; /* of path: with the slash */
    struct yaml_tree *tree;
    struct batch_entry *entries;
    uint32_t n_entries;
};

/* Reads the text of a batch file that lies at b->path. RECIPE with line and column, LIMIT, MEMORY. Free with
 * batch_free(), after a failure too. */
enum ingot_status batch_parse(struct batch *b, const char *text, size_t n, struct ingot_error *err);
void batch_free(struct batch *b);

#endif
