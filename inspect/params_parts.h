/* params_parts.h - what `ingot params` shows beside the categories: cost, layers, the tree of names, the drawing. */
#ifndef INGOT_PARAMS_PARTS_H
#define INGOT_PARAMS_PARTS_H

#include "inspect/cli/json.h"
#include "inspect/subject.h"

struct parts_wanted {
    bool draw, layers, tree;
    uint32_t depth;         /* of the tree; 0: all */
    uint64_t n_ctx;         /* 0: the model's */
    enum ingot_dtype dtype; /* NONE: the subject's */
};

/* Prints the drawing, the layers and the tree as they are wanted; false when none is. */
bool parts_print(const struct subject *s, const struct parts_wanted *wanted);

/* Needs the hyper-parameters. */
void parts_print_cost(const struct subject *s, const struct parts_wanted *wanted);

/* The cost always, null when it cannot be known; the others as they are wanted. */
void parts_json(json_t *root, const struct subject *s, const struct parts_wanted *wanted);

#endif
