/* page_parts.h - what a page says of a checkpoint, section by section. Every function adds to `to`. */
#ifndef INGOT_PAGE_PARTS_H
#define INGOT_PAGE_PARTS_H

#include "inspect/cli/markup.h"
#include "inspect/page_pairs.h"
#include "inspect/regions.h"
#include "inspect/stats.h"
#include "inspect/subject.h"

/* Figures of one tensor. */
struct page_figures {
    bool known; /* aliases and what cannot be read have none */
    struct stats_figures figures;
};

/* All that is known of a checkpoint before the first word is written. */
struct page_model {
    const struct subject *subject;
    struct regions regions;
    enum region_kind *kinds;      /* of every tensor */
    struct page_figures *figures; /* of every tensor; NULL without statistics */
    struct stats_figures total;
    uint64_t n_tensors, n_params, n_bytes; /* aliases left out */
    uint64_t n_damaged;
    bool verified;
    unsigned side;                  /* of two: 0 for A, 1 for B */
    const struct page_pairs *pairs; /* of two; else NULL */
};

/* The last part of a path; a name of its own for a directory too. Not NUL-terminated. */
const char *page_name(const char *path, size_t *n);

/* From the doctype to <main>; `links` are ids and titles of sections, NULL-terminated. */
struct page_link {
    const char *id, *title;
};
void page_begin(struct markup *to, const char *const *paths, size_t n_paths, const char *lede,
                const struct page_link *links);
void page_end(struct markup *to);

/* Before row i of a table's body: from row 500 on, rows are in a body that is not laid out where a script will show it
 * by and by. */
void page_row(struct markup *to, size_t i);

/* Of n tensors more than PAGE_ROWS_MAX: which have a row, and the command that lists all. Nothing of fewer. */
void page_rows_note(struct markup *to, const char *which, uint64_t n, const char *command);

/* A tensor's name; one that would make its row a wall is shown in a box. */
void page_tensor_name(struct markup *to, const char *name, size_t n);

/* Bytes in a row of a map of so many rows, about: no row of a few bytes for a few bytes of file. */
uint64_t page_row_bytes(uint64_t n_bytes, unsigned n_rows);

/* One row of a list of names and values; an overview_fn, whose ctx is the markup. */
void page_field(void *ctx, const char *name, const char *value);

void page_summary(struct markup *to, const struct page_model *m);
void page_architecture(struct markup *to, const struct page_model *m);
void page_parameters(struct markup *to, const struct page_model *m);
void page_tensors(struct markup *to, const struct page_model *m);
void page_bytes(struct markup *to, const struct page_model *m);
void page_origin(struct markup *to, const struct page_model *m);

/* Of the sections above, what a page of two has of each; "verification" is a row of a list. */
void page_verification(struct markup *to, const struct page_model *m);
void page_treemap(struct markup *to, const struct page_model *m);
void page_strips(struct markup *to, const struct page_model *m, uint64_t row_bytes);

/* Whether there are such figures of tensor i. */
bool page_has_figures(const struct page_model *m, size_t i);

/* Two checkpoints: what they have in common, and what not. Both models know the pairs. */
struct page_both {
    const struct findings *findings;
    const struct page_pairs *pairs;
    const struct page_model *model[2];
};

void page_both_summary(struct markup *to, const struct page_both *b);
void page_both_tensors(struct markup *to, const struct page_both *b);
void page_both_model(struct markup *to, const struct page_both *b);
void page_both_parameters(struct markup *to, const struct page_both *b);
void page_both_bytes(struct markup *to, const struct page_both *b);
void page_both_origin(struct markup *to, const struct page_both *b);

#endif
