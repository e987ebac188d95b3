/*
 * name_tree.h - tensors as a tree by their names, which dots and slashes part.
 *
 * Neighbours that are numbered and alike (the same names below them, with the same shapes and dtypes) are one branch:
 * h.{0..11}, model/h{0..11}. A chain of branches without a fork is one branch too.
 */
#ifndef INGOT_NAME_TREE_H
#define INGOT_NAME_TREE_H

#include "inspect/checkpoint.h"

struct name_branch {
    char label[INGOT_MAX_NAME + 48];      /* as in the file, hostile: "h.{0..11}" */
    uint32_t depth;                       /* 0: at the root */
    uint64_t n_alike;                     /* branches that this one stands for, itself and above: 12 */
    uint64_t n_tensors, n_elems, n_bytes; /* of all of them */
    const struct checkpoint_tensor *leaf; /* the (first) tensor itself, when nothing is below; else NULL */
    bool folded;                          /* has more below than max_depth shows */
};

/* Called for every branch, parents first. */
typedef void (*name_branch_fn)(void *ctx, const struct name_branch *branch);

/* Branches deeper than max_depth are not shown; 0: all are. */
void name_tree_walk(const struct checkpoint *cp, uint32_t max_depth, name_branch_fn show, void *ctx);

#endif
