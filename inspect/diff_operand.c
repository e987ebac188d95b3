/* diff_operand.c - where elements lie, and how a band of them comes into row-major order. */
#include "inspect/diff_operand.h"

#include "format/cast.h"
#include "format/layout.h"
#include "inspect/values.h"

#include <string.h>

#define TILE 16u

struct diff_operand diff_operand_of(const struct diff_tensor *tensor)
{
    const struct checkpoint_tensor *t = &tensor->t;
    const struct ingot_source_tensor *s = &t->origin;
    struct diff_operand o = { .tensor = tensor, .scalar = values_scalar(t), .n_rows = 1, .way = DIFF_GATHERED };
    o.size = ingot_scalar_info(o.scalar)->bytes;
    o.n_cols = t->rank > 0 ? t->shape[t->rank - 1] : 1;
    if (o.n_cols > 0) o.n_rows = t->n_elems / o.n_cols;
    if (tensor->canonical.n_parts > 1 || t->layout != INGOT_ROWS || s->block) return o;
    o.data = s->data;
    if (!s->strided)
        o.way = DIFF_DIRECT;
    else if (t->rank == 2 && s->strides[0] == 1 && s->strides[1] > 1)
        o.way = DIFF_TRANSPOSED;
    o.col_stride = o.way == DIFF_TRANSPOSED ? s->strides[1] : 1;
    return o;
}

bool diff_operands_lie(const struct diff_operand *a, const struct diff_operand *b)
{
    return a->way == DIFF_TRANSPOSED && b->way == DIFF_TRANSPOSED && a->col_stride == a->n_rows &&
           b->col_stride == b->n_rows && a->n_rows == b->n_rows && a->n_cols == b->n_cols;
}

void diff_operand_turn(struct diff_operand *o)
{
    uint64_t n_rows = o->n_rows;
    o->n_rows = o->n_cols;
    o->n_cols = n_rows;
    o->way = DIFF_DIRECT;
}

/* ----------------------------------------------------------------------------------------------------------
 * transposing
 */

/* A band of a column-major matrix: its columns are contiguous in memory. */
struct band {
    const uint8_t *from; /* the first element */
    uint64_t col_bytes;  /* from column to column */
    uint8_t *to;
    uint64_t row_bytes; /* of the result */
    uint32_t size;
};

/* Elements that do not fill a tile, and those that are not of four bytes. */
static void turn_few(const struct band *b, uint64_t row, uint64_t n_rows, uint64_t col, uint64_t n_cols)
{
    for (uint64_t c = col; c < col + n_cols; c++) {
        const uint8_t *from = b->from + c * b->col_bytes + row * b->size;
        uint8_t *to = b->to + row * b->row_bytes + c * b->size;
        switch (b->size) { /* moves of a constant size */
        case 2:
            for (uint64_t r = 0; r < n_rows; r++) memcpy(to + r * b->row_bytes, from + 2 * r, 2);
            break;
        case 4:
            for (uint64_t r = 0; r < n_rows; r++) memcpy(to + r * b->row_bytes, from + 4 * r, 4);
            break;
        default:
            for (uint64_t r = 0; r < n_rows; r++) memcpy(to + r * b->row_bytes, from + b->size * r, b->size);
            break;
        }
    }
}

static void turn_tile(const struct band *b, const struct casts *casts, uint64_t row, uint64_t col)
{
    _Alignas(64) uint8_t columns[TILE * TILE * 4], rows[TILE * TILE * 4];
    const uint8_t *from = b->from + col * b->col_bytes + row * 4;
    uint8_t *to = b->to + row * b->row_bytes + col * 4;
    for (size_t i = 0; i < TILE; i++) memcpy(columns + i * TILE * 4, from + i * b->col_bytes, TILE * sizeof(float));
    casts->transpose32(columns, rows);
    for (size_t i = 0; i < TILE; i++) memcpy(to + i * b->row_bytes, rows + i * TILE * 4, TILE * sizeof(float));
}

/* By groups of 16 columns, each walked along, for memory is read fastest in long runs. */
static void turn(const struct band *b, uint64_t n_rows, uint64_t n_cols)
{
    const struct casts casts = casts_select();
    for (uint64_t col = 0; col < n_cols; col += TILE) {
        uint64_t width = n_cols - col < TILE ? n_cols - col : TILE, row = 0;
        for (; b->size == 4 && width == TILE && n_rows - row >= TILE; row += TILE) turn_tile(b, &casts, row, col);
        for (uint64_t n; row < n_rows; row += n) {
            n = n_rows - row < TILE ? n_rows - row : TILE;
            turn_few(b, row, n, col, width);
        }
    }
}

/* -------------------------------------------------------------------------------------------------------------
 * fetching
 */

const uint8_t *diff_fetch(const struct diff_operand *o, uint64_t row, uint64_t n_rows, uint64_t col, uint64_t n_cols,
                          uint8_t *scratch)
{
    const uint64_t first = row * o->n_cols + col, n = n_rows * n_cols;
    if (o->way == DIFF_DIRECT) return o->data + first * o->size;
    if (o->way == DIFF_TRANSPOSED) {
        struct band band = { .from = o->data + (row + col * o->col_stride) * o->size,
                             .col_bytes = o->col_stride * o->size,
                             .to = scratch,
                             .row_bytes = n_cols * o->size,
                             .size = o->size };
        turn(&band, n_rows, n_cols);
    } else if (o->tensor->canonical.n_parts > 1) {
        ingot_canonical_gather(&o->tensor->canonical, first, n, scratch);
    } else {
        values_gather(&o->tensor->t, first, n, scratch);
    }
    return scratch;
}

/* Panels hold 16 rows each. */
static bool same_panels(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b, uint64_t row,
                        uint64_t n_rows)
{
    const uint64_t bytes = panel_bytes(a->dtype, a->shape[1]), panel = row / INGOT_PANEL_LANES;
    uint64_t n = (n_rows + INGOT_PANEL_LANES - 1) / INGOT_PANEL_LANES;
    const uint8_t *from_a = a->data, *from_b = b->data;
    if (row % INGOT_PANEL_LANES != 0 || (n_rows % INGOT_PANEL_LANES != 0 && row + n_rows != a->shape[0])) return false;
    return memcmp(from_a + panel * bytes, from_b + panel * bytes, n * bytes) == 0;
}

static bool same_blocks(const struct ingot_source_tensor *a, const struct ingot_source_tensor *b, uint64_t first,
                        uint64_t n)
{
    const struct ingot_block *block = a->block;
    if (first % block->n_elems != 0 || n % block->n_elems != 0) return false;
    uint64_t off = first / block->n_elems * block->n_bytes;
    return memcmp((const uint8_t *)a->data + off, (const uint8_t *)b->data + off,
                  n / block->n_elems * block->n_bytes) == 0;
}

bool diff_same_bytes(const struct diff_operand *a, const struct diff_operand *b, uint64_t row, uint64_t n_rows,
                     uint64_t col, uint64_t n_cols)
{
    const struct checkpoint_tensor *ta = &a->tensor->t, *tb = &b->tensor->t;
    const uint64_t first = row * a->n_cols + col, n = n_rows * n_cols;
    if (a->scalar != b->scalar || a->n_cols != b->n_cols) return false;
    if (a->way == DIFF_DIRECT && b->way == DIFF_DIRECT)
        return memcmp(a->data + first * a->size, b->data + first * b->size, n * a->size) == 0;
    if (a->tensor->canonical.n_parts > 1 || b->tensor->canonical.n_parts > 1) return false;
    if (ta->layout == INGOT_PANEL16 && tb->layout == INGOT_PANEL16 && ta->dtype == tb->dtype && n_cols == a->n_cols)
        return ta->shape[0] == tb->shape[0] && same_panels(ta, tb, row, n_rows);
    if (ta->layout != INGOT_ROWS || tb->layout != INGOT_ROWS) return false;
    if (ta->origin.block && ta->origin.block == tb->origin.block)
        return same_blocks(&ta->origin, &tb->origin, first, n);
    return false;
}
