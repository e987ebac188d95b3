/* diff_operand.h - one side of a comparison as a matrix of which any band of rows can be had, without a copy where it
 * lies in memory as it is wanted. */
#ifndef INGOT_DIFF_OPERAND_H
#define INGOT_DIFF_OPERAND_H

#include "inspect/diff.h"

/* Elements that are fetched at once. */
#define DIFF_TILE_ELEMS    (UINT64_C(1) << 17)
#define DIFF_SCRATCH_BYTES (DIFF_TILE_ELEMS * 8)

enum diff_way {
    DIFF_DIRECT,     /* row-major in memory */
    DIFF_TRANSPOSED, /* column-major: neighbours in a column are neighbours in memory */
    DIFF_GATHERED,   /* panels, blocks, other strides, several parts */
};

struct diff_operand {
    const struct diff_tensor *tensor; /* borrowed */
    enum ingot_scalar scalar;
    uint32_t size; /* of an element */
    uint64_t n_rows, n_cols;
    enum diff_way way;
    const uint8_t *data; /* DIRECT, TRANSPOSED */
    uint64_t col_stride; /* TRANSPOSED: elements from column to column */
};

/* A vector is one row; dimensions in front of the last are rows. */
struct diff_operand diff_operand_of(const struct diff_tensor *tensor);

/* Whether turning both on their side lets both be read as they lie. */
bool diff_operands_lie(const struct diff_operand *a, const struct diff_operand *b);
void diff_operand_turn(struct diff_operand *o);

/* n_rows x n_cols elements from (row, col) on, contiguous: whole rows, or a part of one. At most DIFF_TILE_ELEMS unless
 * the way is DIRECT. The result is in memory of the file or in `scratch`, DIFF_SCRATCH_BYTES aligned as malloc()
 * aligns. */
const uint8_t *diff_fetch(const struct diff_operand *o, uint64_t row, uint64_t n_rows, uint64_t col, uint64_t n_cols,
                          uint8_t *scratch);

/* Whether the same part of both is the same bytes in memory, so that no element needs to be looked at. False also when
 * one cannot tell so cheaply. */
bool diff_same_bytes(const struct diff_operand *a, const struct diff_operand *b, uint64_t row, uint64_t n_rows,
                     uint64_t col, uint64_t n_cols);

#endif
