/* slice.h - a part of a tensor, written as NumPy writes it: [3], [0:4, :8], [-1], [:, 2], [::2], [..., 0]. */
#ifndef INGOT_SLICE_H
#define INGOT_SLICE_H

#include "format/ingot_format.h"

struct slice {
    uint32_t rank; /* of the tensor */
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t begin[INGOT_MAX_RANK], count[INGOT_MAX_RANK], step[INGOT_MAX_RANK];
    uint32_t out_rank; /* dimensions that were given as one index are gone */
    uint64_t out_shape[INGOT_MAX_RANK];
    uint64_t n_elems;
    uint64_t run; /* elements of the slice that are neighbours in row-major order */
};

/* The whole of a tensor. */
struct slice slice_whole(uint32_t rank, const uint64_t *shape);

/* Applies "[...]" to a whole: negative numbers count from the end, ranges are cut to the shape, dimensions that are not
 * mentioned are whole. ARGUMENT, naming `subject`, for what cannot be read or an index outside the shape. */
enum ingot_status slice_parse(const char *text, const char *subject, struct slice *s, struct ingot_error *err);

/* Where elements at, at + 1, ... of the slice are in the tensor: *first is the row-major number of the first, the
 * result how many of them, at most `max`, follow it there. `at` must be below n_elems. */
uint64_t slice_piece(const struct slice *s, uint64_t at, uint64_t max, uint64_t *first);

#endif
