/* page_pairs.h - a comparison's pairs, and the tensors of both files as these list them. */
#ifndef INGOT_PAGE_PAIRS_H
#define INGOT_PAGE_PAIRS_H

#include "inspect/findings.h"

#define PAGE_NO_PAIR   SIZE_MAX
#define PAGE_NO_TENSOR SIZE_MAX

/* More rows than these a browser would be busy with for a minute: what is left out is said above the table. */
#define PAGE_ROWS_MAX 10000u

struct page_pairs {
    const struct findings *findings; /* borrowed */
    size_t *order;                   /* of all pairs: first those that differ */
    bool *has_row;                   /* of every pair: of too many those that differ have one first, then the largest */
    size_t *pair_of[2];              /* of every tensor, or NO_PAIR */
    size_t *tensor_of[2];            /* of every pair, or NO_TENSOR where it has none, or several parts */
};

/* `a` and `b` are those that were compared, opened again. */
struct page_pairs page_pairs_of(const struct findings *f, const struct checkpoint *a, const struct checkpoint *b);
void page_pairs_free(struct page_pairs *p);

bool page_pairs_differ(const struct page_pairs *p, size_t pair);

#endif
