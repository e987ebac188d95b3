/* quant.h - blocks of weights to a scale and codes. The scalar table is the definition; format/simd/quant_avx2.c gives
 * the same bits. */
#ifndef INGOT_QUANT_H
#define INGOT_QUANT_H

#include "format/bytes.h"
#include "format/layout.h"

/* One block of each of the 16 lanes of a panel. */
struct quant_blocks {
    uint16_t scales[INGOT_PANEL_LANES];                         /* f16 */
    uint8_t codes[INGOT_QUANT_BLOCK / 4][INGOT_PANEL_LANES][4]; /* of input k: [k / 4][lane][k % 4] */
};

/* Of the scales that are tried, each lane gets the one with the least sum of squared errors; its codes are those of the
 * levels nearest to x / scale. No scale's magnitude is below 2^-24 or above 65504, f16's finite range; a lane whose
 * levels are all 0 gets scale +0, and a lane that holds a NaN or an infinity a NaN and the code of level 0 throughout.
 * x is aligned to 32. */
typedef void quantise_fn(const float x[INGOT_QUANT_BLOCK][INGOT_PANEL_LANES], struct quant_blocks *out);

struct quants {
    quantise_fn *q8, *q4;
};

extern const struct quants quants_scalar;
#if defined(__x86_64__)
extern const struct quants quants_avx2;
#endif

/* The best for q8 or q4 that runs here. Asks the CPU each time: once per chunk. */
quantise_fn *quantiser(enum ingot_dtype dtype);

/* What both bodies share: the numbers of the search. A first scale is m / c, m being the weight of the largest
 * magnitude (of equals the first), for every c of the list; then the best is fitted to its own levels, QUANT_REFITS
 * times. */
enum { QUANT_Q8_TRIES = 40, QUANT_Q4_TRIES = 26, QUANT_REFITS = 2 };
extern const float quant_q8_tries[QUANT_Q8_TRIES];
extern const float quant_q4_tries[QUANT_Q4_TRIES];

/* The code of the level nearest to i / 2 - 64 and above, up to i / 2 - 63.5. No level's boundary lies between. */
extern const uint8_t quant_q4_nearest[256];

/* Of a block of finite elements, INGOT_PANEL_LANES apart, of which the largest magnitude is `largest`: the scale with
 * which q8 holds all of them exactly; 0 when there is none. */
float quant_exact_scale(const float *x, float largest);

#define QUANT_SCALE_MIN 0x1p-24f
#define QUANT_SCALE_MAX 65504.0f

/* Puts blocks into the step of `dtype` that begins at `step`, as its block 0 or 1. */
void quant_store(enum ingot_dtype dtype, const struct quant_blocks *blocks, size_t block, uint8_t *step);

/* A step's input k of a lane: level x scale, rounded once. */
static inline float quant_value(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t lane)
{
    const uint8_t code = step[quant_code_at(dtype, k, lane)];
    const int level = dtype == INGOT_Q8 ? code - QUANT_Q8_ZERO : quant_q4_levels[k % 8 < 4 ? code & 15 : code >> 4];
    return (float)level * ingot_f32_from_f16(get_u16(step + quant_scale_at(k, lane)));
}

/* The elements, level x scale, of a step's inputs k .. k + n - 1. */
typedef void quant_load_fn(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t n,
                           float x[][INGOT_PANEL_LANES]);
quant_load_fn quant_load, quant_load_by_definition;
#if defined(__x86_64__)
extern quant_load_fn *const quant_load_avx2;
#endif

#endif
