/* recipe_yaml.h - a YAML document as a tree to walk, every node distrusted.
 *
 * Anchors are allowed: an alias is the same node once more. So that a few lines cannot stand for billions, every step
 * of a walk is counted against a budget. Errors are sticky: after the first, every function returns something harmless
 * and tree_status() says what went wrong, with line and column. */
#ifndef INGOT_RECIPE_YAML_H
#define INGOT_RECIPE_YAML_H

#include "format/ingot_format.h"

#include <yaml.h>

/* More than any recipe needs: one that spells every tensor of a GPT-2 of 48 layers has 60 KiB. */
#define TREE_MAX_BYTES (UINT64_C(256) << 10)

struct yaml_tree;

/* Parses one document of UTF-8. `path` names it in errors. RECIPE for bad YAML, a second document, an empty one; LIMIT
 * for a long one. */
enum ingot_status tree_load(const char *text, size_t n, const char *path, struct yaml_tree **out,
                            struct ingot_error *err);
void tree_free(struct yaml_tree *tree);

const yaml_node_t *tree_root(const struct yaml_tree *tree);
enum ingot_status tree_status(const struct yaml_tree *tree);

/* RECIPE: "line 3, column 7: ...". */
__attribute__((format(printf, 4, 5))) void tree_fail(struct yaml_tree *tree, const yaml_node_t *at, const char *advice,
                                                     const char *fmt, ...);

/* The text of a scalar that is not empty; `what` names it in errors. "" after a failure. Valid until tree_free(). */
const char *tree_text(struct yaml_tree *tree, const yaml_node_t *node, const char *what);
/* "true" or "false". */
bool tree_bool(struct yaml_tree *tree, const yaml_node_t *node, const char *what);
/* Which of the words a scalar is; 0 after a failure. */
size_t tree_choice(struct yaml_tree *tree, const yaml_node_t *node, const char *what, const char *const *words,
                   size_t n);

/* The number of items of a sequence, at most `max`; anything else is a list of itself. */
uint32_t tree_list(struct yaml_tree *tree, const yaml_node_t *node, const char *what, uint32_t max);
const yaml_node_t *tree_item(struct yaml_tree *tree, const yaml_node_t *node, uint32_t i);

/* The number of pairs of a mapping, at most `max`, no key twice. */
uint32_t tree_pairs(struct yaml_tree *tree, const yaml_node_t *node, const char *what, uint32_t max);
void tree_pair(struct yaml_tree *tree, const yaml_node_t *node, uint32_t i, const yaml_node_t **key,
               const yaml_node_t **value);

/* The values of a mapping whose keys are some of names[0 .. n), by name; NULL for those that are absent. */
void tree_fields(struct yaml_tree *tree, const yaml_node_t *node, const char *what, const char *const *names, size_t n,
                 const yaml_node_t **values);

/* Zeroed memory, or NULL after a failure. n 0 gives NULL. */
void *tree_alloc(struct yaml_tree *tree, size_t n, size_t size);

#endif
