/*
 * quant_many.h - integer products with many rows, for AVX2.
 *
 * No instruction of AVX2 multiplies the bytes of a file and adds them up in 32 bits, so operands are brought into other
 * shapes first. That costs as much as multiplying with a row or two, and is done once for all rows of a group:
 *
 *   for a piece of the inputs
 *       for a group of rows                of these it is gathered
 *           for two panels                 of which it is unpacked, to stay in the first-level cache
 *               for a row
 *
 * Weights are operands in memory, which cost no instruction of their own, and two panels share the loads of the inputs.
 *
 * q8: levels w and inputs x become signed words, of which VPMADDWD adds pairs of products. Half as many products do
 * (Winograd 1968), for (w0 + x1)(w1 + x0) = w0 x0 + w1 x1 + w0 w1 + x0 x1, and the last two terms, summed over a block,
 * depend on the panel or on the row alone: they are known beforehand and taken off.
 * Additions take the place of the products saved, but four pipes add where two multiply. Words are made from bytes by
 * shifts, which put inputs 0 and 2 of each four into one vector, and 1 and 3 into another.
 *
 * q4: inputs + 128 are unsigned, VPMADDUBSW adds pairs of their products with levels to 16 bits: 2 x 255 x 63 does not
 * saturate. What the 128 adds to the sum of two such pairs is unpacked with the levels, negated. The sum without it is
 * at most 4 x 127 x 63 and fits as well, so it is right although what leads to it may wrap around.
 */
#ifndef INGOT_QUANT_MANY_H
#define INGOT_QUANT_MANY_H

#include "runtime/kernels/quant_ymm.h"

enum {
    MANY_BLOCKS = 8, /* in a piece */
    MANY_GROUP = 96, /* rows at most; what is gathered of them takes 54 KiB of the stack */
    MANY_PANELS = 2, /* at once: their pieces fill half of the first-level cache */
    MANY_LEAST = 24, /* rows from which on unpacking pays */

    /* The shapes of a block, for all lanes and for one row. */
    BLOCK_WEIGHTS_q8 = INGOT_QUANT_BLOCK * INGOT_PANEL_LANES * 2,
    BLOCK_WEIGHTS_q4 = INGOT_QUANT_BLOCK / 8 * 3 * 64, /* of each eight: 4 levels of every lane, 4 more, the 16 bits */
    BLOCK_INPUTS_q8 = INGOT_QUANT_BLOCK * 2,
    BLOCK_INPUTS_q4 = INGOT_QUANT_BLOCK,
};

/* A piece of a panel. */
struct unpacked {
    _Alignas(64) uint8_t weights[MANY_BLOCKS * BLOCK_WEIGHTS_q8];
    floats scales[MANY_BLOCKS];
    ints starts[MANY_BLOCKS]; /* what the accumulators of a block begin with */
};

/* A piece of one row; not a power of two in size, so that rows do not compete for cache sets. */
struct gathered {
    _Alignas(64) uint8_t inputs[MANY_BLOCKS * BLOCK_INPUTS_q8];
    float scales[MANY_BLOCKS];
    int32_t rests[MANY_BLOCKS]; /* what is added to a block's sum in every lane */
};

/* A step, two blocks, and a block's inputs, whose rest is returned, into the shapes above. The bytes at
 * `step` + ahead are prefetched. */
typedef void unpack_fn(const uint8_t *step, size_t ahead, uint8_t *weights, ints *starts);
typedef int32_t gather_fn(const int8_t *codes, uint8_t *inputs);

/* sums[p] = block b of panel p times the same block of a row. */
typedef void block_fn(size_t n_panels, ints *sums, const struct unpacked *w, const struct gathered *x, size_t b);

/* The pieces of the tile's own number of panels times that of a row. */
typedef void many_tile_fn(const struct unpacked *w, size_t n_blocks, const struct gathered *x, float *y);

struct many {
    size_t step_bytes, block_weights, block_inputs;
    unpack_fn *unpack;
    gather_fn *gather;
    many_tile_fn *tile[MANY_PANELS + 1]; /* by panels */
};

/* sums + a x b, added up in pairs. The compiler shall not regroup the sums of several inputs: it would need registers
 * for all of them and keep the accumulators in memory. */
static inline __m256i add_pairs(__m256i sums, __m256i a, __m256i b)
{
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
    __asm__("" : "+x"(sums));
    return sums;
}

TILE_BODY ints plus(ints sums, int32_t i)
{
    for (size_t h = 0; h < 2; h++) sums.half[h] = _mm256_add_epi32(sums.half[h], _mm256_set1_epi32(i));
    return sums;
}

/* --------------------------------------------------------------------------------------------------------------- q8 */

static inline void store_ymm(uint8_t *to, __m256i v)
{
    _mm256_store_si256((__m256i *)(void *)to, v);
}

/* The signed bytes 0 and 2 of each four as words, and 1 and 3. */
static inline __m256i even_bytes(__m256i v)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
}

static inline __m256i odd_bytes(__m256i v)
{
    return _mm256_srai_epi16(v, 8);
}

/* Of each four inputs, all lanes' even ones, then the odd ones. */
static void unpack_q8(const uint8_t *step, size_t ahead, uint8_t *weights, ints *starts)
{
    const uint8_t *codes = step + QUANT_SCALE_BYTES;
    tile_prefetch(step, ahead, QUANT_Q8_STEP_BYTES);
    for (size_t b = 0; b < INGOT_QUANT_STEP / INGOT_QUANT_BLOCK; b++) {
        ints products = splat(0);
        for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 4, codes += 64, weights += 2 * 64)
            for (size_t h = 0; h < 2; h++) {
                const __m256i levels = _mm256_xor_si256(load_half(codes, h), _mm256_set1_epi8((char)QUANT_Q8_ZERO));
                const __m256i even = even_bytes(levels), odd = odd_bytes(levels);
                store_ymm(weights + h * 32, even);
                store_ymm(weights + 64 + h * 32, odd);
                products.half[h] = add_pairs(products.half[h], even, odd);
            }
        for (size_t h = 0; h < 2; h++) starts[b].half[h] = _mm256_sub_epi32(_mm256_setzero_si256(), products.half[h]);
    }
}

/* Of each four inputs the even ones, of all of them the odd ones. */
static int32_t gather_q8(const int8_t *codes, uint8_t *inputs)
{
    const __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)codes);
    const __m256i even = even_bytes(block), odd = odd_bytes(block);
    store_ymm(inputs, even);
    store_ymm(inputs + 32, odd);
    return -sum_of_8(_mm256_madd_epi16(even, odd));
}

TILE_BODY void block_q8(size_t n_panels, ints *sums, const struct unpacked *w, const struct gathered *x, size_t b)
{
    const int8_t *inputs = (const int8_t *)x->inputs + b * BLOCK_INPUTS_q8;
    TILE_UNROLL
    for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 4) {
        const __m256i x_even = splat_four(inputs + k), x_odd = splat_four(inputs + 32 + k);
        TILE_UNROLL
        for (size_t p = 0; p < n_panels; p++) {
            const uint8_t *weights = w[p].weights + b * BLOCK_WEIGHTS_q8 + k / 4 * (2 * 64);
            TILE_UNROLL
            for (size_t h = 0; h < 2; h++) {
                const __m256i even = load_half(weights, h), odd = load_half(weights, 2 + h);
                sums[p].half[h] = add_pairs(k ? sums[p].half[h] : w[p].starts[b].half[h], _mm256_add_epi16(even, x_odd),
                                            _mm256_add_epi16(odd, x_even));
            }
        }
    }
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) sums[p] = plus(sums[p], x->rests[b]);
}

/* --------------------------------------------------------------------------------------------------------------- q4 */

static void unpack_q4(const uint8_t *step, size_t ahead, uint8_t *weights, ints *starts)
{
    const uint8_t *codes = step + QUANT_SCALE_BYTES;
    const __m256i levels = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)quant_q4_levels));
    const __m256i nibble = _mm256_set1_epi8(15), offset = _mm256_set1_epi8((char)128);
    tile_prefetch(step, ahead, QUANT_Q4_STEP_BYTES);
    (void)starts; /* sums begin with the first product */
    for (size_t k = 0; k < INGOT_QUANT_STEP; k += 8, codes += 64, weights += 3 * 64)
        for (size_t h = 0; h < 2; h++) {
            const __m256i both = load_half(codes, h);
            const __m256i low = _mm256_shuffle_epi8(levels, _mm256_and_si256(both, nibble));
            const __m256i high = _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble));
            const __m256i excess =
                _mm256_add_epi16(_mm256_maddubs_epi16(offset, low), _mm256_maddubs_epi16(offset, high));
            store_ymm(weights + h * 32, low);
            store_ymm(weights + 64 + h * 32, high);
            store_ymm(weights + 128 + h * 32, _mm256_sub_epi16(_mm256_setzero_si256(), excess));
        }
}

static int32_t gather_q4(const int8_t *codes, uint8_t *inputs)
{
    const __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)codes);
    store_ymm(inputs, _mm256_xor_si256(block, _mm256_set1_epi8((char)128)));
    return 0;
}

TILE_BODY void block_q4(size_t n_panels, ints *sums, const struct unpacked *w, const struct gathered *x, size_t b)
{
    const int8_t *inputs = (const int8_t *)x->inputs + b * BLOCK_INPUTS_q4;
    TILE_UNROLL
    for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 8) {
        const __m256i x_low = splat_four(inputs + k), x_high = splat_four(inputs + k + 4);
        TILE_UNROLL
        for (size_t p = 0; p < n_panels; p++) {
            const uint8_t *weights = w[p].weights + b * BLOCK_WEIGHTS_q4 + k / 8 * (3 * 64);
            TILE_UNROLL
            for (size_t h = 0; h < 2; h++) {
                const __m256i first =
                    _mm256_add_epi16(_mm256_maddubs_epi16(x_low, load_half(weights, h)), load_half(weights, 4 + h));
                const __m256i both = _mm256_add_epi16(first, _mm256_maddubs_epi16(x_high, load_half(weights, 2 + h)));
                sums[p].half[h] = k ? add_pairs(sums[p].half[h], both, _mm256_set1_epi16(1))
                                    : _mm256_madd_epi16(both, _mm256_set1_epi16(1));
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------ tiles */

/* The body of every many_tile_fn; the first two arguments are constants after inlining. */
TILE_BODY void many_tile(block_fn *block, size_t n_panels, const struct unpacked *w, size_t n_blocks,
                         const struct gathered *x, float *y)
{
    for (size_t b = 0; b < n_blocks; b++) {
        ints sums[MANY_PANELS];
        block(n_panels, sums, w, x, b);
        TILE_UNROLL
        for (size_t p = 0; p < n_panels; p++) finish(sums[p], w[p].scales[b], x->scales[b], y + p * INGOT_PANEL_LANES);
    }
}

#define MANY_DEFINE(panels, dtype)                                                                                     \
    static void many_##dtype##_##panels(const struct unpacked *w, size_t n_blocks, const struct gathered *x, float *y) \
    {                                                                                                                  \
        many_tile(block_##dtype, panels, w, n_blocks, x, y);                                                           \
    }
#define MANY_ENTRY(panels, dtype) [panels] = many_##dtype##_##panels,
#define MANY_WIDTHS(X, dtype)     X(1, dtype) X(2, dtype)

#define MANY(dtype)                                                                                                    \
    MANY_WIDTHS(MANY_DEFINE, dtype)                                                                                    \
    static const struct many many_##dtype = {                                                                          \
        .step_bytes = QUANT_SCALE_BYTES + INGOT_QUANT_STEP / 8 * EIGHT_BYTES_##dtype,                                  \
        .block_weights = BLOCK_WEIGHTS_##dtype,                                                                        \
        .block_inputs = BLOCK_INPUTS_##dtype,                                                                          \
        .unpack = unpack_##dtype,                                                                                      \
        .gather = gather_##dtype,                                                                                      \
        .tile = { MANY_WIDTHS(MANY_ENTRY, dtype) },                                                                    \
    };

MANY(q8)
MANY(q4)

/* ------------------------------------------------------------------------------------------------------------ loops */

/* n_blocks of a panel, `w` the first one's step. The bytes at `w` + ahead are wanted next. */
static void unpack(const struct many *many, const uint8_t *w, size_t n_blocks, size_t ahead, struct unpacked *to)
{
    for (size_t b = 0; b < n_blocks; b += 2, w += many->step_bytes) {
        many->unpack(w, ahead, to->weights + b * many->block_weights, to->starts + b);
        for (size_t i = 0; i < 2; i++) to->scales[b + i] = load_scales(w, i);
    }
}

/* n_blocks of n_rows from block b on. */
static void gather_many(const struct many *many, const struct quant_rows *x, size_t b, size_t n_blocks, size_t n_rows,
                        struct gathered *rows)
{
    for (size_t r = 0; r < n_rows; r++) {
        const int8_t *codes = x->codes + r * x->code_stride + b * INGOT_QUANT_BLOCK;
        for (size_t i = 0; i < n_blocks; i++)
            rows[r].rests[i] = many->gather(codes + i * INGOT_QUANT_BLOCK, rows[r].inputs + i * many->block_inputs);
        memcpy(rows[r].scales, x->scales + r * x->block_stride + b, n_blocks * sizeof *rows->scales);
    }
}

/* n_blocks from block b on, of all panels times up to MANY_GROUP rows. */
static void group_times_panels(const struct many *many, const uint8_t *w, size_t panel_bytes, size_t n_panels, size_t b,
                               size_t n_blocks, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    struct gathered rows[MANY_GROUP];
    struct unpacked panels[MANY_PANELS];
    gather_many(many, x, b, n_blocks, n_rows, rows);
    for (size_t p = 0, n; p < n_panels; p += n) {
        n = n_panels - p < MANY_PANELS ? n_panels - p : MANY_PANELS;
        for (size_t i = 0; i < n; i++)
            unpack(many, w + (p + i) * panel_bytes + b / 2 * many->step_bytes, n_blocks, n * panel_bytes, &panels[i]);
        for (size_t r = 0; r < n_rows; r++)
            many->tile[n](panels, n_blocks, rows + r, y + r * y_stride + p * INGOT_PANEL_LANES);
    }
}

/* quant_panels_fn for n_rows >= MANY_LEAST. */
static void many_rows(const struct many *many, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                      const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    const size_t n_all = (n_in + INGOT_QUANT_BLOCK - 1) / INGOT_QUANT_BLOCK;
    const size_t n_groups = (n_rows + MANY_GROUP - 1) / MANY_GROUP;
    for (size_t b = 0; b < n_all; b += MANY_BLOCKS)
        for (size_t g = 0; g < n_groups; g++) {
            const size_t r = n_rows * g / n_groups, r_end = n_rows * (g + 1) / n_groups;
            struct quant_rows rows = *x;
            rows.codes += r * x->code_stride;
            rows.scales += r * x->block_stride;
            group_times_panels(many, w, panel_bytes, n_panels, b, n_all - b < MANY_BLOCKS ? n_all - b : MANY_BLOCKS,
                               &rows, r_end - r, y + r * y_stride, y_stride);
        }
}

#endif
