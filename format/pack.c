/* pack.c - any range of a section's bytes from a strided view of its source, without the rest: what makes a chunk a
 * unit of parallel work. Padding is written as zero.
 *
 * Everything goes through tiles of at most 16 x 16 elements: loaded along the source's contiguous direction, widened to
 * f32 if there is a cast, transposed if need be, narrowed, and stored along the target's. */
#include "format/bytes.h"
#include "format/cast.h"
#include "format/quant.h"

#include <math.h>

#define TILE        16u /* inputs of a tile; its other side is the lanes of a panel */
#define TILE_ELEMS  (TILE * INGOT_PANEL_LANES)
/* Neighbouring panels that are packed side by side from an [in, out] source: 16 panels use 1 KiB of a source row at
 * once instead of one cache line per page. */
#define PANEL_GROUP 16u

static_assert(TILE == INGOT_PANEL_LANES, "tiles are square, so that they can be transposed");

struct packer {
    const struct ingot_view *view;
    struct casts casts;
    enum ingot_dtype to;
    bool copies;      /* no cast: bits are moved */
    size_t from_size; /* of an element of the view */
    size_t to_size;
    size_t mid_size;       /* of an element in a tile: from_size when copying, else f32's */
    quantise_fn *quantise; /* of block-quantised targets; else NULL */
    struct ingot_cast_stats stats;
};

static const uint8_t *source_at(const struct packer *p, uint64_t row, uint64_t col)
{
    const struct ingot_view *v = p->view;
    return (const uint8_t *)v->data + (row * v->row_stride + col * v->col_stride) * p->from_size;
}

/* n elements, `stride` elements apart, side by side. */
static void gather(const uint8_t *from, uint64_t stride, size_t size, size_t n, uint8_t *to)
{
    if (stride == 1) {
        memcpy(to, from, n * size);
        return;
    }
    uint64_t step = stride * size;
    switch (size) { /* moves of a constant size */
    case 1:
        for (size_t i = 0; i < n; i++) to[i] = from[i * step];
        break;
    case 2:
        for (size_t i = 0; i < n; i++) memcpy(to + 2 * i, from + i * step, 2);
        break;
    case 4:
        for (size_t i = 0; i < n; i++) memcpy(to + 4 * i, from + i * step, 4);
        break;
    default:
        for (size_t i = 0; i < n; i++) memcpy(to + 8 * i, from + i * step, 8);
        break;
    }
}

/* Contiguous elements of the view's dtype become a tile's: bits when copying, f32 otherwise. */
static void widen(struct packer *p, const void *from, void *to, size_t n)
{
    bool narrows_twice = p->to == INGOT_F16 || p->to == INGOT_BF16;
    struct ingot_cast_stats ignored = { 0 };
    struct ingot_cast_stats *stats = p->to == INGOT_F32 ? &p->stats : &ignored; /* of others, the next step counts */
    switch (p->copies ? INGOT_DTYPE_NONE : p->view->dtype) {
    case INGOT_F16:
        p->casts.f32_from_f16(from, to, n, stats);
        break;
    case INGOT_BF16:
        p->casts.f32_from_bf16(from, to, n, stats);
        break;
    case INGOT_F64:
        if (narrows_twice)
            p->casts.f32_from_f64_odd(from, to, n);
        else
            p->casts.f32_from_f64(from, to, n, stats);
        break;
    default:
        memcpy(to, from, n * p->mid_size);
        break;
    }
}

/* A tile's elements become the target's. */
static void narrow(struct packer *p, const void *from, void *to, size_t n)
{
    if (p->copies || p->to == INGOT_F32) {
        memcpy(to, from, n * p->to_size);
    } else if (p->to == INGOT_F16) {
        p->casts.f16_from_f32(from, to, n, &p->stats);
    } else if (p->to == INGOT_BF16) {
        p->casts.bf16_from_f32(from, to, n, &p->stats);
    } else {
        p->casts.f64_from_f32(from, to, n, &p->stats);
    }
}

/* ------------------------------------------------------------------------------------------------------- rows */

/* n elements of one source row (or of a contiguous matrix). */
static void pack_run(struct packer *p, const uint8_t *from, uint64_t stride, uint64_t n, uint8_t *to)
{
    uint8_t raw[TILE_ELEMS * 8], mid[TILE_ELEMS * 8];
    if (p->copies) {
        gather(from, stride, p->from_size, n, to);
        return;
    }
    for (uint64_t i = 0; i < n; i += TILE_ELEMS) {
        size_t step = n - i < TILE_ELEMS ? (size_t)(n - i) : TILE_ELEMS;
        const uint8_t *at = from + i * stride * p->from_size;
        if (stride != 1) gather(at, stride, p->from_size, step, raw);
        widen(p, stride != 1 ? raw : at, mid, step);
        narrow(p, mid, to + i * p->to_size, step);
    }
}

static void pack_rows(struct packer *p, uint64_t off, uint8_t *dst, uint64_t n)
{
    const struct ingot_view *v = p->view;
    uint64_t left = n / p->to_size;
    uint64_t at = off / p->to_size;
    bool contiguous = v->col_stride == 1 && (v->row_stride == v->n_cols || v->n_rows == 1);
    uint64_t row_elems = contiguous ? v->n_rows * v->n_cols : v->n_cols;
    while (left > 0) {
        uint64_t row = at / row_elems, col = at % row_elems;
        uint64_t run = row_elems - col < left ? row_elems - col : left;
        pack_run(p, source_at(p, row, col), v->col_stride, run, dst);
        dst += run * p->to_size;
        at += run;
        left -= run;
    }
}

/* ------------------------------------------------------------------------------------------------------ panels */

static void transpose(const struct packer *p, const uint8_t *from, uint8_t *to)
{
    if (p->mid_size == 4) {
        p->casts.transpose32(from, to);
        return;
    }
    for (size_t r = 0; r < TILE; r++)
        for (size_t c = 0; c < TILE; c++) memcpy(to + 2 * (TILE * c + r), from + 2 * (TILE * r + c), 2);
}

/* 16 elements in a row are the common case: moves of a constant size. */
static void gather_line(const uint8_t *from, uint64_t stride, size_t size, size_t n, uint8_t *to)
{
    if (n != TILE || stride != 1 || (size != 4 && size != 2))
        gather(from, stride, size, n, to);
    else if (size == 4)
        memcpy(to, from, TILE * 4);
    else
        memcpy(to, from, TILE * 2);
}

/* tile[k][lane] for inputs k0 .. k0 + n_k - 1 and the lanes of a panel; zero where there is no source. */
static void load_tile(struct packer *p, uint64_t panel, uint64_t k0, uint64_t n_k, uint8_t *tile)
{
    const struct ingot_view *v = p->view;
    _Alignas(64) uint8_t raw[TILE_ELEMS * 8], mid[TILE_ELEMS * 4];
    uint64_t row = panel * INGOT_PANEL_LANES;
    uint64_t lanes = v->n_rows - row < INGOT_PANEL_LANES ? v->n_rows - row : INGOT_PANEL_LANES;
    uint64_t left = v->n_cols > k0 ? v->n_cols - k0 : 0, inputs = left < n_k ? left : n_k;
    bool casts = !p->copies && v->dtype != INGOT_F32;
    bool by_row = v->col_stride == 1; /* the source is contiguous along the inputs */
    uint8_t *to = casts || by_row ? raw : tile;
    uint64_t n_lines = by_row ? lanes : inputs, n = by_row ? inputs : lanes;
    if (n_lines < TILE || n < TILE) memset(to, 0, TILE_ELEMS * p->from_size);
    for (uint64_t i = 0; i < n_lines; i++) {
        const uint8_t *from = by_row ? source_at(p, row + i, k0) : source_at(p, row, k0 + i);
        gather_line(from, by_row ? 1 : v->row_stride, p->from_size, n, to + i * TILE * p->from_size);
    }
    if (casts) {
        to = by_row ? mid : tile;
        widen(p, raw, to, TILE_ELEMS);
    }
    if (by_row) transpose(p, to, tile);
}

static void pack_tile(struct packer *p, uint64_t panel, uint64_t k0, uint64_t n_k, uint8_t *dst)
{
    _Alignas(64) uint8_t tile[TILE_ELEMS * 4], halves[TILE_ELEMS * 2];
    size_t n = n_k * INGOT_PANEL_LANES;
    if (p->to != INGOT_BF16 && p->mid_size == p->to_size && n_k == TILE) {
        load_tile(p, panel, k0, n_k, dst);
        return;
    }
    load_tile(p, panel, k0, n_k, tile);
    if (p->to != INGOT_BF16) {
        narrow(p, tile, dst, n);
        return;
    }
    if (!p->copies) narrow(p, tile, halves, n);
    p->casts.pairs16(p->copies ? tile : halves, dst, n_k / 2);
}

/* Inputs k0 .. k1 - 1 of n panels; dst is where the first of them goes, panels are panel_stride bytes apart. */
static void pack_panels(struct packer *p, uint64_t panel, uint64_t n, uint64_t k0, uint64_t k1, uint8_t *dst,
                        uint64_t panel_stride)
{
    uint64_t group = p->view->col_stride == 1 ? 1 : PANEL_GROUP;
    for (uint64_t first = 0; first < n; first += group) {
        uint64_t last = n - first < group ? n : first + group;
        for (uint64_t k = k0; k < k1; k += TILE) {
            uint64_t n_k = k1 - k < TILE ? k1 - k : TILE;
            uint64_t at = (k - k0) * INGOT_PANEL_LANES * p->to_size;
            for (uint64_t i = first; i < last; i++) pack_tile(p, panel + i, k, n_k, dst + i * panel_stride + at);
        }
    }
}

/* A range is the end of one panel, whole panels, and the beginning of another; each may be absent. */
static void pack_panel16(struct packer *p, uint64_t off, uint8_t *dst, uint64_t n)
{
    uint64_t stride = panel_bytes(p->to, p->view->n_cols);
    uint64_t input_bytes = INGOT_PANEL_LANES * p->to_size;
    while (n > 0) {
        uint64_t panel = off / stride, inside = off % stride;
        uint64_t whole = inside == 0 ? n / stride : 0;
        uint64_t part = stride - inside < n ? stride - inside : n;
        uint64_t done = whole ? whole * stride : part;
        uint64_t k0 = inside / input_bytes, k1 = whole ? stride / input_bytes : (inside + part) / input_bytes;
        pack_panels(p, panel, whole ? whole : 1, k0, k1, dst, stride);
        off += done;
        dst += done;
        n -= done;
    }
}

/* ------------------------------------------------------------------------------------------------------ blocks */

#define STEP  INGOT_QUANT_STEP
#define BLOCK INGOT_QUANT_BLOCK
#define LANES INGOT_PANEL_LANES

/* What a block's one lane could not keep, of its first n elements. */
static void count_losses(enum ingot_dtype to, const float *x, size_t n, uint16_t scale, struct ingot_cast_stats *stats)
{
    const float s = ingot_f32_from_f16(scale), limit = to == INGOT_Q8 ? 128 * QUANT_SCALE_MAX : 63 * QUANT_SCALE_MAX;
    const bool nan = isnan(s), zero = s == 0, clamped = fabsf(s) == QUANT_SCALE_MAX;
    if (nan) stats->n_nan += n;
    for (size_t k = 0; k < n && zero; k++) stats->n_underflow += x[k * LANES] != 0;
    for (size_t k = 0; k < n && clamped; k++) stats->n_overflow += fabsf(x[k * LANES]) > limit;
}

/* The step of inputs k0 .. k0 + 63 of a panel; `counts`: its losses, too. */
static void pack_step(struct packer *p, uint64_t panel, uint64_t k0, bool counts, uint8_t *dst)
{
    _Alignas(64) float x[STEP][LANES];
    const struct ingot_view *v = p->view;
    const uint64_t lanes = v->n_rows - panel * LANES;
    for (uint64_t k = 0; k < STEP; k += TILE) load_tile(p, panel, k0 + k, TILE, (uint8_t *)x[k]);
    for (size_t b = 0; b < STEP / BLOCK; b++) {
        const uint64_t k = k0 + b * BLOCK, left = v->n_cols > k ? v->n_cols - k : 0;
        struct quant_blocks blocks;
        p->quantise((const float(*)[LANES])x + b * BLOCK, &blocks);
        quant_store(p->to, &blocks, b, dst);
        for (size_t lane = 0; counts && lane < LANES && lane < lanes; lane++)
            count_losses(p->to, x[b * BLOCK] + lane, left < BLOCK ? left : BLOCK, blocks.scales[lane], &p->stats);
    }
}

/* Bytes [begin, end) of the section, all of one step, to dst. A step has `bytes` bytes, a panel `stride`. Of a step
 * that is asked for in part the whole is made in `room`; what it loses is counted by the call that asks for its first
 * byte, so that it counts once. */
static void pack_part_of_step(struct packer *p, uint64_t bytes, uint64_t stride, uint64_t begin, uint64_t end,
                              uint8_t *dst)
{
    _Alignas(64) uint8_t room[QUANT_Q8_STEP_BYTES];
    const uint64_t off = begin % bytes;
    const bool whole = end - begin == bytes;
    pack_step(p, begin / stride, begin % stride / bytes * STEP, off == 0, whole ? dst : room);
    if (!whole) memcpy(dst, room + off, end - begin);
}

/* Panels side by side, as pack_panels() does, where the source has neighbouring outputs side by side. */
static void pack_quant_panels(struct packer *p, uint64_t panel, uint64_t n, uint8_t *dst)
{
    const uint64_t bytes = quant_step_bytes(p->to), stride = panel_bytes(p->to, p->view->n_cols);
    const uint64_t group = p->view->col_stride == 1 ? 1 : PANEL_GROUP;
    for (uint64_t first = 0; first < n; first += group)
        for (uint64_t at = 0; at < stride; at += bytes)
            for (uint64_t i = first; i < n && i < first + group; i++)
                pack_step(p, panel + i, at / bytes * STEP, true, dst + i * stride + at);
}

static void pack_quant(struct packer *p, uint64_t off, uint8_t *dst, uint64_t n)
{
    const uint64_t bytes = quant_step_bytes(p->to), stride = panel_bytes(p->to, p->view->n_cols);
    while (n > 0 && bytes > 0 && stride > 0) {
        const uint64_t to_step_end = bytes - off % bytes, panels = off % stride == 0 ? n / stride : 0;
        const uint64_t done = panels ? panels * stride : to_step_end < n ? to_step_end : n;
        if (panels)
            pack_quant_panels(p, off / stride, panels, dst);
        else
            pack_part_of_step(p, bytes, stride, off, off + done, dst);
        off += done;
        dst += done;
        n -= done;
    }
}

/* ------------------------------------------------------------------------------------------------------ public */

void ingot_pack(const struct ingot_view *view, enum ingot_dtype to, enum ingot_layout layout, uint64_t off, void *dst,
                size_t n, struct ingot_cast_stats *stats)
{
    struct packer p = {
        .view = view,
        .casts = casts_select(),
        .to = to,
        .copies = view->dtype == to,
        .from_size = ingot_dtype_size(view->dtype),
        .to_size = ingot_dtype_size(to),
    };
    p.mid_size = p.copies ? p.from_size : sizeof(float);
    p.quantise = quant_step_bytes(to) > 0 ? quantiser(to) : NULL;
    if (p.quantise)
        pack_quant(&p, off, dst, n);
    else if (layout == INGOT_PANEL16)
        pack_panel16(&p, off, dst, n);
    else
        pack_rows(&p, off, dst, n);
    if (!stats) return;
    stats->n_overflow += p.stats.n_overflow;
    stats->n_underflow += p.stats.n_underflow;
    stats->n_nan += p.stats.n_nan;
}

/* Where element (row, col) of a section stands, in elements. */
static uint64_t element_index(const struct ingot_section *s, uint64_t row, uint64_t col)
{
    uint64_t n_cols = s->shape[s->rank - 1];
    if (s->layout == INGOT_ROWS) return row * n_cols + col;
    uint64_t panel = row / INGOT_PANEL_LANES, lane = row % INGOT_PANEL_LANES;
    uint64_t inputs = panel_inputs(s->dtype, n_cols);
    if (s->dtype != INGOT_BF16) return (panel * inputs + col) * INGOT_PANEL_LANES + lane;
    return ((panel * (inputs / 2) + col / 2) * INGOT_PANEL_LANES + lane) * 2 + col % 2;
}

/* Element (row, col) of a block-quantised matrix: its level times its block's scale, rounded once. */
static double quant_element(const struct ingot_section *s, uint64_t row, uint64_t col)
{
    const uint8_t *step = (const uint8_t *)s->data + row / INGOT_PANEL_LANES * panel_bytes(s->dtype, s->shape[1]) +
                          col / INGOT_QUANT_STEP * quant_step_bytes(s->dtype);
    return (double)quant_value(s->dtype, step, col % INGOT_QUANT_STEP, row % INGOT_PANEL_LANES);
}

double ingot_element(const struct ingot_section *section, uint64_t row, uint64_t col)
{
    if (quant_step_bytes(section->dtype) > 0) return quant_element(section, row, col);
    size_t size = ingot_dtype_size(section->dtype);
    const uint8_t *at = (const uint8_t *)section->data + element_index(section, row, col) * size;
    float f32;
    double f64;
    switch (section->dtype) {
    case INGOT_F32:
        memcpy(&f32, at, sizeof f32);
        return (double)f32;
    case INGOT_F16:
        return (double)ingot_f32_from_f16(get_u16(at));
    case INGOT_BF16:
        return (double)ingot_f32_from_bf16(get_u16(at));
    case INGOT_F64:
        memcpy(&f64, at, sizeof f64);
        return f64;
    case INGOT_I8:
        return (double)(int8_t)at[0];
    case INGOT_U8:
        return (double)at[0];
    case INGOT_I32:
        return (double)(int32_t)get_u32(at);
    case INGOT_I64:
        return (double)(int64_t)get_u64(at);
    default:
        return 0;
    }
}
