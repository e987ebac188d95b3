/* unpack.c - any range of a section's elements in plain row-major order: the way back from the running layout.
 *
 * Panels are walked in tiles of 16 lines of 64 bytes, in the section's own dtype. Where the result runs along
 * the outputs ([in, out]), a line is the 16 outputs of one input, as it stands in the panel. Where it runs along the
 * inputs, the tile is transposed as 32-bit words: one f32, or two neighbouring inputs of a 16-bit dtype, which bf16
 * holds side by side already. Lines are cast one by one, so that what is not asked for is not counted. Tiles of q8 and
 * q4 become f32 first: level x scale, rounded once. */
#include "format/bytes.h"
#include "format/cast.h"
#include "format/quant.h"

#define LANES      INGOT_PANEL_LANES
#define LINE_BYTES 64u
#define TILE_BYTES (16u * LINE_BYTES)

static_assert(LANES * sizeof(float) == LINE_BYTES, "a line of a tile is 16 words");

struct unpacker {
    const struct ingot_section *section;
    struct casts casts;
    enum ingot_dtype from, to; /* of a tile, of the result */
    size_t from_size, to_size;
    uint64_t n_out, n_in;
    uint64_t panel_bytes;
    uint64_t tile_inputs; /* inputs of a tile: 16, of 16-bit dtypes 32 */
    struct ingot_cast_stats stats;
};

/* Rows first_row .. last_row - 1, columns first_col .. last_col - 1 of the result, not empty; `dst` takes the first of
 * them, a row of the whole result is row_bytes long. */
struct area {
    uint64_t first_row, last_row, first_col, last_col;
    uint8_t *dst;
    uint64_t row_bytes;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Elements of the section become f32. */
static void widen(struct unpacker *u, const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    if (u->from == INGOT_F16)
        u->casts.f32_from_f16(from, to, n, stats);
    else if (u->from == INGOT_BF16)
        u->casts.f32_from_bf16(from, to, n, stats);
    else
        memcpy(to, from, n * sizeof(float));
}

/* At most 32 neighbouring elements, cast. */
static void put_line(struct unpacker *u, const uint8_t *from, size_t n, uint8_t *dst)
{
    float wide[2 * LANES];
    struct ingot_cast_stats ignored = { 0 }; /* of the first of two casts: the second counts */
    if (u->from == u->to && n * u->to_size == LINE_BYTES) {
        memcpy(dst, from, LINE_BYTES);
    } else if (u->from == u->to) {
        memcpy(dst, from, n * u->to_size);
    } else if (u->to == INGOT_F32) {
        widen(u, from, dst, n, &u->stats);
    } else {
        widen(u, from, wide, n, &ignored);
        if (u->to == INGOT_F16) u->casts.f16_from_f32(wide, dst, n, &u->stats);
        if (u->to == INGOT_BF16) u->casts.bf16_from_f32(wide, dst, n, &u->stats);
        if (u->to == INGOT_F64) u->casts.f64_from_f32(wide, dst, n, &u->stats);
    }
}

/* The tile that begins at input k, a multiple of tile_inputs, of a panel. Where the panel ends inside it, it is copied
 * to `room` first, with zeros behind: nothing beyond the section is read. */
static const uint8_t *tile_at(const struct unpacker *u, uint64_t panel, uint64_t k, uint8_t *room)
{
    const uint8_t *bytes = (const uint8_t *)u->section->data + panel * u->panel_bytes;
    const uint64_t step_bytes = quant_step_bytes(u->section->dtype);
    if (step_bytes > 0) {
        quant_load(u->section->dtype, bytes + k / INGOT_QUANT_STEP * step_bytes, k % INGOT_QUANT_STEP, u->tile_inputs,
                   (float(*)[LANES])(void *)room);
        return room;
    }
    uint64_t off = k * LANES * u->from_size, left = u->panel_bytes - off;
    const uint8_t *at = bytes + off;
    if (left >= TILE_BYTES) return at;
    memcpy(room, at, left);
    memset(room + left, 0, TILE_BYTES - left);
    return room;
}

/* ------------------------------------------------------------------------------------- rows of the result: outputs */

/* lines[lane]: the tile's inputs of one output. */
static void lines_of_outputs(const struct unpacker *u, const uint8_t *tile, uint8_t *lines)
{
    _Alignas(64) uint8_t pairs[TILE_BYTES];
    if (u->from == INGOT_F16) {
        u->casts.pairs16(tile, pairs, LANES);
        tile = pairs;
    }
    u->casts.transpose32(tile, lines);
}

static void unpack_outputs(struct unpacker *u, const struct area *a)
{
    _Alignas(64) uint8_t room[TILE_BYTES], lines[TILE_BYTES];
    for (uint64_t panel = a->first_row / LANES; panel * LANES < a->last_row; panel++) {
        uint64_t row0 = max_u64(a->first_row, panel * LANES), row1 = min_u64(a->last_row, (panel + 1) * LANES);
        for (uint64_t k = a->first_col - a->first_col % u->tile_inputs; k < a->last_col; k += u->tile_inputs) {
            uint64_t col0 = max_u64(a->first_col, k), col1 = min_u64(a->last_col, k + u->tile_inputs);
            uint8_t *dst = a->dst + (col0 - a->first_col) * u->to_size;
            lines_of_outputs(u, tile_at(u, panel, k, room), lines);
            for (uint64_t row = row0; row < row1; row++)
                put_line(u, lines + row % LANES * LINE_BYTES + (col0 - k) * u->from_size, col1 - col0,
                         dst + (row - a->first_row) * a->row_bytes);
        }
    }
}

/* -------------------------------------------------------------------------------------- rows of the result: inputs */

/* Inputs k0 .. k1 - 1, all of one tile, of the outputs of one panel. */
static void unpack_tile_of_inputs(struct unpacker *u, const struct area *a, uint64_t panel, uint64_t k0, uint64_t k1)
{
    _Alignas(64) uint8_t room[TILE_BYTES], apart[TILE_BYTES];
    uint64_t k = k0 - k0 % u->tile_inputs, line = LANES * u->from_size;
    uint64_t col0 = max_u64(a->first_col, panel * LANES), col1 = min_u64(a->last_col, (panel + 1) * LANES);
    const uint8_t *tile = tile_at(u, panel, k, room);
    if (u->from == INGOT_BF16) {
        u->casts.unpairs16(tile, apart, LANES);
        tile = apart;
    }
    tile += (col0 - panel * LANES) * u->from_size;
    uint8_t *dst = a->dst + (col0 - a->first_col) * u->to_size;
    for (uint64_t row = k0; row < k1; row++)
        put_line(u, tile + (row - k) * line, col1 - col0, dst + (row - a->first_row) * a->row_bytes);
}

static void unpack_inputs(struct unpacker *u, const struct area *a)
{
    for (uint64_t k0 = a->first_row, k1; k0 < a->last_row; k0 = k1) {
        k1 = min_u64(a->last_row, k0 - k0 % u->tile_inputs + u->tile_inputs);
        for (uint64_t panel = a->first_col / LANES; panel * LANES < a->last_col; panel++)
            unpack_tile_of_inputs(u, a, panel, k0, k1);
    }
}

/* A range is the end of one row, whole rows, and the beginning of another; each may be absent. */
static void unpack_panel16(struct unpacker *u, bool transposed, uint64_t first, uint64_t n, uint8_t *dst)
{
    uint64_t n_cols = transposed ? u->n_out : u->n_in;
    while (n > 0) {
        uint64_t row = first / n_cols, col = first % n_cols;
        uint64_t n_rows = col == 0 && n >= n_cols ? n / n_cols : 1;
        uint64_t width = min_u64(n, n_cols - col);
        struct area area = { row, row + n_rows, col, col + width, NULL, n_cols * u->to_size };
        area.dst = dst;
        if (transposed)
            unpack_inputs(u, &area);
        else
            unpack_outputs(u, &area);
        first += n_rows * width;
        n -= n_rows * width;
        dst += n_rows * width * u->to_size;
    }
}

/* ---------------------------------------------------------------------------------------------------------- public */

/* Row-major order is what ingot_pack() makes of any view. */
static void unpack_rows(const struct ingot_section *s, bool transposed, enum ingot_dtype to, uint64_t first, uint64_t n,
                        void *dst, struct ingot_cast_stats *stats)
{
    uint64_t n_cols = s->shape[s->rank - 1], n_rows = s->rank == 1 ? 1 : s->shape[0];
    struct ingot_view view = { s->data, s->dtype, n_rows, n_cols, n_cols, 1 };
    if (transposed) view = (struct ingot_view){ s->data, s->dtype, n_cols, n_rows, 1, n_cols };
    size_t size = ingot_dtype_size(to);
    ingot_pack(&view, to, INGOT_ROWS, first * size, dst, n * size, stats);
}

void ingot_unpack(const struct ingot_section *section, bool transposed, enum ingot_dtype to, uint64_t first, uint64_t n,
                  void *dst, struct ingot_cast_stats *stats)
{
    if (section->layout == INGOT_ROWS) {
        unpack_rows(section, transposed, to, first, n, dst, stats);
        return;
    }
    struct unpacker u = {
        .section = section,
        .casts = casts_select(),
        .from = quant_step_bytes(section->dtype) > 0 ? INGOT_F32 : section->dtype,
        .to = to,
        .to_size = ingot_dtype_size(to),
        .n_out = section->shape[0],
        .n_in = section->shape[1],
        .panel_bytes = panel_bytes(section->dtype, section->shape[1]),
    };
    u.from_size = ingot_dtype_size(u.from);
    u.tile_inputs = LINE_BYTES / u.from_size;
    unpack_panel16(&u, transposed, first, n, dst);
    if (!stats) return;
    stats->n_overflow += u.stats.n_overflow;
    stats->n_underflow += u.stats.n_underflow;
    stats->n_nan += u.stats.n_nan;
}
