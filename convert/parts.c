/* parts.c - what is one view goes straight to ingot_pack(); what is not is gathered into a tile, a small dense matrix
 * of the parts' own dtype, and that is packed. Bits are only changed by ingot_pack(), so a result does not depend on
 * how it was put together. The one exception are blocks of Q8_0 that become q8: they are moved. */
#include "convert/parts.h"

#include "convert/q8_blocks.h"

#include <string.h>

struct assembly {
    const struct plan_tensor *t;
    size_t from_size, to_size; /* of an element */
    uint8_t *tile;
    struct ingot_cast_stats *stats;
    bool moves_blocks; /* all parts are blocks of Q8_0, and so is the result but for their order */
};

/* ------------------------------------------------------------------------------------------------------ one part */

/* The last of parts low .. high - 1 that begins at `row` or above it. */
static uint32_t last_above(const struct plan_part *parts, uint32_t low, uint32_t high, uint64_t row)
{
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (parts[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The part that holds an element of the result: the band first, then the place in the band. */
static const struct plan_part *part_at(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    const struct plan_part *parts = t->parts;
    uint32_t high = last_above(parts, 0, t->n_parts, row), low = 0, top = high;
    while (low < top) { /* the first of the band */
        uint32_t middle = low + (top - low) / 2;
        if (parts[middle].row < parts[high].row)
            low = middle + 1;
        else
            top = middle;
    }
    for (++high; high - low > 1;) {
        uint32_t middle = low + (high - low) / 2;
        if (parts[middle].col <= col)
            low = middle;
        else
            high = middle;
    }
    return &parts[low];
}

static const uint8_t *view_at(const struct ingot_view *v, uint64_t row, uint64_t col)
{
    return (const uint8_t *)v->data + (row * v->row_stride + col * v->col_stride) * ingot_dtype_size(v->dtype);
}

/* n neighbours in a row of a view, whose elements lie `step` bytes apart. */
static void gather_strided(const uint8_t *from, size_t step, size_t size, uint64_t n, uint8_t *to)
{
    switch (size) { /* moves of a constant size */
    case 2:
        for (uint64_t i = 0; i < n; i++) memcpy(to + 2 * i, from + i * step, 2);
        break;
    case 4:
        for (uint64_t i = 0; i < n; i++) memcpy(to + 4 * i, from + i * step, 4);
        break;
    default:
        for (uint64_t i = 0; i < n; i++) memcpy(to + 8 * i, from + i * step, 8);
        break;
    }
}

/* n neighbours in a row of a part, from its element (row, col). */
static void gather_part(const struct plan_part *part, uint64_t row, uint64_t col, uint64_t n, uint8_t *to)
{
    const struct ingot_source_tensor *s = part->source;
    const struct ingot_view *v = &part->view;
    const size_t size = ingot_dtype_size(v->dtype);
    if (!v->data)
        ingot_source_gather(s, (part->from_row + row) * s->shape[s->rank - 1] + part->from_col + col, n, to);
    else if (v->col_stride == 1)
        memcpy(to, view_at(v, row, col), n * size);
    else
        gather_strided(view_at(v, row, col), v->col_stride * size, size, n, to);
}

/* ----------------------------------------------------------------------------------------------------- all parts */

/* Elements (row, col) .. (row, col + n - 1) of the result, side by side. */
static void gather_row(const struct assembly *a, uint64_t row, uint64_t col, uint64_t n, uint8_t *to)
{
    while (n > 0) {
        const struct plan_part *part = part_at(a->t, row, col);
        uint64_t rest = part->view.n_cols - (col - part->col), step = rest < n ? rest : n;
        gather_part(part, row - part->row, col - part->col, step, to);
        to += step * a->from_size;
        col += step;
        n -= step;
    }
}

/* The rows from `row` on that one view holds in their whole width, as a view; no rows if there are none. */
static struct ingot_view whole_rows(const struct assembly *a, uint64_t row)
{
    const struct plan_part *part = part_at(a->t, row, 0);
    struct ingot_view v = part->view;
    if (!v.data || v.n_cols != a->t->n_cols) return (struct ingot_view){ 0 };
    v.data = view_at(&v, row - part->row, 0);
    v.n_rows -= row - part->row;
    return v;
}

/* Each returns the bytes done, at least one element's: a view's, or a tile's. */

static uint64_t pack_some_rows(const struct assembly *a, uint64_t off, uint8_t *dst, uint64_t n)
{
    const uint64_t n_cols = a->t->n_cols;
    uint64_t at = off / a->to_size, left = n / a->to_size, row = at / n_cols, col = at % n_cols;
    struct ingot_view v = whole_rows(a, row);
    if (v.n_rows > 0) {
        uint64_t rest = v.n_rows * n_cols - col, run = rest < left ? rest : left;
        ingot_pack(&v, a->t->dtype, INGOT_ROWS, col * a->to_size, dst, run * a->to_size, a->stats);
        return run * a->to_size;
    }
    uint64_t run = left < PARTS_TILE_ELEMS ? left : PARTS_TILE_ELEMS;
    for (uint64_t done = 0, step; done < run; done += step, row++, col = 0) {
        step = n_cols - col < run - done ? n_cols - col : run - done;
        gather_row(a, row, col, step, a->tile + done * a->from_size);
    }
    v = (struct ingot_view){ a->tile, a->t->from, 1, run, run, 1 };
    ingot_pack(&v, a->t->dtype, INGOT_ROWS, 0, dst, run * a->to_size, a->stats);
    return run * a->to_size;
}

/* Rows `row` .. of the result, columns from k0 on, as a dense matrix. */
static struct ingot_view gather_tile(const struct assembly *a, uint64_t row, uint64_t n_rows, uint64_t k0, uint64_t n)
{
    const struct plan_tensor *t = a->t;
    uint64_t rows = t->n_rows - row < n_rows ? t->n_rows - row : n_rows;
    uint64_t cols = t->n_cols - k0 < n ? t->n_cols - k0 : n;
    for (uint64_t r = 0; r < rows; r++) gather_row(a, row + r, k0, cols, a->tile + r * cols * a->from_size);
    return (struct ingot_view){ a->tile, t->from, rows, cols, cols, 1 };
}

/* Inputs k0 .. k1 - 1, padding included, of panels panel .. panel + n - 1; more than one only in their whole length. */
static void pack_tile(const struct assembly *a, uint64_t panel, uint64_t n, uint64_t k0, uint64_t k1, uint8_t *dst)
{
    struct ingot_view v = gather_tile(a, panel * INGOT_PANEL_LANES, n * INGOT_PANEL_LANES, k0, k1 - k0);
    ingot_pack(&v, a->t->dtype, INGOT_PANEL16, 0, dst, n * (k1 - k0) * INGOT_PANEL_LANES * a->to_size, a->stats);
}

/* The panels that one view holds whole; none if there are none. */
static uint64_t pack_whole_panels(const struct assembly *a, uint64_t off, uint8_t *dst, uint64_t n)
{
    const struct plan_tensor *t = a->t;
    const uint64_t stride = panel_bytes(t->dtype, t->n_cols), inside = off % stride;
    const uint64_t row = off / stride * INGOT_PANEL_LANES;
    struct ingot_view v = whole_rows(a, row);
    if (row + v.n_rows < t->n_rows) v.n_rows -= v.n_rows % INGOT_PANEL_LANES;
    if (v.n_rows == 0) return 0;
    uint64_t rest = (v.n_rows + INGOT_PANEL_LANES - 1) / INGOT_PANEL_LANES * stride - inside;
    uint64_t done = rest < n ? rest : n;
    ingot_pack(&v, t->dtype, INGOT_PANEL16, inside, dst, done, a->stats);
    return done;
}

static uint64_t pack_some_panels(const struct assembly *a, uint64_t off, uint8_t *dst, uint64_t n)
{
    const struct plan_tensor *t = a->t;
    const uint64_t stride = panel_bytes(t->dtype, t->n_cols), input_bytes = INGOT_PANEL_LANES * a->to_size;
    const uint64_t n_inputs = stride / input_bytes, most_inputs = PARTS_TILE_ELEMS / INGOT_PANEL_LANES;
    const uint64_t panel = off / stride, inside = off % stride;
    uint64_t whole = inside == 0 ? n / stride : 0;
    if (whole > most_inputs / n_inputs) whole = most_inputs / n_inputs;
    uint64_t k0 = inside / input_bytes, left = stride - inside < n ? stride - inside : n;
    uint64_t k1 = k0 + left / input_bytes;
    if (k1 - k0 > most_inputs) k1 = k0 + most_inputs; /* even, as k0 is: a pair of inputs stays together */
    if (whole > 0) k1 = n_inputs;
    pack_tile(a, panel, whole ? whole : 1, k0, k1, dst);
    return (whole ? whole : 1) * (k1 - k0) * input_bytes;
}

/* ------------------------------------------------------------------------------------------ steps of q8 and q4 */

static const uint8_t *block_at(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    if (row >= t->n_rows || col >= t->n_cols) return NULL;
    const struct plan_part *part = part_at(t, row, col);
    const struct ingot_source_tensor *s = part->source;
    const uint64_t elem = (part->from_row + row - part->row) * s->shape[s->rank - 1] + part->from_col + col - part->col;
    return (const uint8_t *)s->data + elem / Q8_0_ELEMS * Q8_0_BYTES;
}

/* n steps of a panel, from input k0 on. */
static void make_steps(const struct assembly *a, uint64_t panel, uint64_t k0, uint64_t n, uint8_t *dst,
                       struct ingot_cast_stats *stats)
{
    const uint64_t row = panel * INGOT_PANEL_LANES;
    if (!a->moves_blocks) {
        struct ingot_view v = gather_tile(a, row, INGOT_PANEL_LANES, k0, n * INGOT_QUANT_STEP);
        ingot_pack(&v, a->t->dtype, INGOT_PANEL16, 0, dst, n * quant_step_bytes(a->t->dtype), stats);
        return;
    }
    for (uint64_t i = 0; i < 2 * n; i++)
        for (uint64_t lane = 0; lane < INGOT_PANEL_LANES; lane++)
            q8_put_block(block_at(a->t, row + lane, k0 + i * Q8_0_ELEMS), dst + i / 2 * QUANT_Q8_STEP_BYTES, i % 2,
                         lane);
}

/* Whole steps, or the part of one that the range begins or ends in: what is lost in it counts where it begins. */
static uint64_t pack_some_steps(const struct assembly *a, uint64_t off, uint8_t *dst, uint64_t n)
{
    const struct plan_tensor *t = a->t;
    const uint64_t stride = panel_bytes(t->dtype, t->n_cols), step = quant_step_bytes(t->dtype);
    const uint64_t panel = off / stride, inside = off % stride, cut = inside % step,
                   k0 = inside / step * INGOT_QUANT_STEP;
    const uint64_t most = PARTS_TILE_ELEMS / (INGOT_PANEL_LANES * INGOT_QUANT_STEP);
    uint64_t n_steps = (n < stride - inside ? n : stride - inside) / step;
    if (cut == 0 && n_steps > 0) {
        if (n_steps > most) n_steps = most;
        make_steps(a, panel, k0, n_steps, dst, a->stats);
        return n_steps * step;
    }
    _Alignas(SECTION_ALIGN) uint8_t whole[QUANT_Q8_STEP_BYTES];
    const uint64_t done = step - cut < n ? step - cut : n;
    make_steps(a, panel, k0, 1, whole, cut == 0 ? a->stats : NULL);
    memcpy(dst, whole + cut, done);
    return done;
}

/* ------------------------------------------------------------------------------------------------------- public */

/* Each returns the bytes done. */
static uint64_t pack_some(const struct assembly *a, uint64_t off, uint8_t *dst, uint64_t n)
{
    if (a->t->layout == INGOT_ROWS) return pack_some_rows(a, off, dst, n);
    uint64_t done = pack_whole_panels(a, off, dst, n);
    if (done > 0) return done;
    return quant_step_bytes(a->t->dtype) > 0 ? pack_some_steps(a, off, dst, n) : pack_some_panels(a, off, dst, n);
}

void parts_pack(const struct plan_tensor *t, uint64_t off, void *dst, size_t n, void *scratch,
                struct ingot_cast_stats *stats)
{
    struct assembly a = { t, ingot_dtype_size(t->from), ingot_dtype_size(t->dtype), scratch, stats, q8_is_moved(t) };
    uint8_t *to = dst;
    while (n > 0) {
        uint64_t done = pack_some(&a, off, to, n);
        to += done;
        off += done;
        n -= done;
    }
}
