/* quant.c - the levels of q4, and the search for the scale of a block.
 *
 * A scale is judged by what it does: the squared errors of its block, added up in order, each element at the level
 * nearest to it. Every operation is one rounded f32 operation on one lane, so any instruction set finds the same scale.
 *
 * The scale that fits the largest weight is rarely the best one: a little less or more moves all the other weights
 * within their steps, and some of those scales happen to suit most of them. So a list is tried, and the best of it is
 * fitted to the levels that it chose (least squares). */
#include "format/quant.h"
#include "format/bytes.h"
#include "format/simd/cpu.h"

#include <math.h>

#define BLOCK   INGOT_QUANT_BLOCK
#define LANES   INGOT_PANEL_LANES
#define F16_NAN 0x7E00u

const int8_t quant_q4_levels[16] = { -63, -49, -38, -30, -22, -16, -10, -5, 0, 5, 11, 17, 23, 31, 40, 52 };

/* clang-format off */
const uint8_t quant_q4_nearest[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13,
    13, 13, 13, 13, 13, 13, 13, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
};
/* clang-format on */

/* What the weight of the largest magnitude is divided by to get a scale that is tried: the level, or nearly, that it
 * shall become. Of q8 the first is Q8_0's, so that what came from there is found again at once. Both signs are tried
 * where an end of the levels is near, for they do not reach equally far up and down (-128 .. 127; -63 .. 52). */
const float quant_q8_tries[QUANT_Q8_TRIES] = { 127,      127.5f,  -127.5f,  128, -128,     128.5f,  -128.5f,  126.5f,
                                               126.125f, 125.75f, 125.375f, 125, 124.625f, 124.25f, 123.875f, 123.5f,
                                               123.125f, 122.75f, 122.375f, 122, 121.625f, 121.25f, 120.875f, 120.5f,
                                               120.125f, 119.75f, 119.375f, 119, 118.625f, 118.25f, 117.875f, 117.5f,
                                               117.125f, 116.75f, 116.375f, 116, 115.625f, 115.25f, 114.875f, 114.5f };
const float quant_q4_tries[QUANT_Q4_TRIES] = { 44,  -44, 47,  -47, 50,  -50, 53,  -53, 56,  -56, 59,  -59, 62,
                                               -62, 65,  -65, 68,  -68, 71,  -71, 74,  -74, 77,  -77, 80,  -80 };

static float clamp(float v, float low, float high)
{
    v = v < low ? low : v;
    return v > high ? high : v;
}

/* q8: the integer nearest to t, of two the even one. */
static float nearest_integer(float t)
{
    return clamp(t, -128, 127) + 0x1.8p23f - 0x1.8p23f;
}

/* q4: the code of the level nearest to t, of two the upper one. */
static uint8_t nearest_code(float t)
{
    return quant_q4_nearest[(int)clamp(t * 2 + 128, 0, 255)];
}

static float nearest_level(enum ingot_dtype dtype, float t)
{
    return dtype == INGOT_Q8 ? nearest_integer(t) : (float)quant_q4_levels[nearest_code(t)];
}

/* The f16 next to `scale` that may be one. */
static float round_scale(float scale)
{
    const float a = clamp(fabsf(scale), QUANT_SCALE_MIN, QUANT_SCALE_MAX);
    return copysignf(ingot_f32_from_f16(ingot_f16_from_f32(a)), scale);
}

/* The search's state: the best scale so far. */
struct search {
    enum ingot_dtype dtype;
    const float *x; /* BLOCK finite elements, LANES apart */
    float scale, error;
};

static void try_scale(struct search *s, float scale)
{
    const float inverse = 1 / scale;
    float error = 0;
    for (size_t k = 0; k < BLOCK; k++) {
        const float x = s->x[k * LANES], rest = x - nearest_level(s->dtype, x * inverse) * scale;
        error += rest * rest;
    }
    if (!(error < s->error)) return;
    s->error = error;
    s->scale = scale;
}

/* The scale that suits the levels of the best one: the least squares' sum(x l) / sum(l l). */
static float fitted_scale(const struct search *s)
{
    const float inverse = 1 / s->scale;
    float xl = 0, ll = 0;
    for (size_t k = 0; k < BLOCK; k++) {
        const float x = s->x[k * LANES], l = nearest_level(s->dtype, x * inverse);
        xl += x * l;
        ll += l * l;
    }
    return ll > 0 ? round_scale(xl / ll) : s->scale;
}

/* The greatest g of which all elements are whole multiples, at most 128; 0 when there is none. */
static float common_measure(const float *x, float largest)
{
    float g = largest;
    for (size_t k = 0; k < BLOCK; k++)
        for (float b = fabsf(x[k * LANES]); b > 0;) {
            const float rest = fmodf(g, b);
            if (b * 128 < largest) return 0;
            g = b;
            b = rest;
        }
    return g;
}

static bool holds(const float *x, float value)
{
    for (size_t k = 0; k < BLOCK; k++)
        if (x[k * LANES] == value) return true;
    return false;
}

float quant_exact_scale(const float *x, float largest)
{
    const float g = common_measure(x, largest);
    const int n = g > 0 ? (int)(largest / g) : 129; /* a whole number */
    for (int k = 1; n * k <= 128; k++) {
        const float d = g / (float)k;
        if (d * (float)k != g || round_scale(d) != d) continue;
        if (n * k < 128 || !holds(x, largest)) return d;
        return holds(x, -largest) ? 0 : -d; /* there is a level -128, but no level 128 */
    }
    return 0;
}

static float search_scale(enum ingot_dtype dtype, const float *x, float largest)
{
    struct search s = { dtype, x, 0, INFINITY };
    const size_t n = dtype == INGOT_Q8 ? QUANT_Q8_TRIES : QUANT_Q4_TRIES;
    const float *tries = dtype == INGOT_Q8 ? quant_q8_tries : quant_q4_tries;
    s.scale = round_scale(largest / tries[0]);
    for (size_t i = 0; i < n; i++) try_scale(&s, round_scale(largest / tries[i]));
    for (size_t i = 0; i < QUANT_REFITS; i++) try_scale(&s, fitted_scale(&s));
    const float exact = dtype == INGOT_Q8 && s.error > 0 ? quant_exact_scale(x, largest) : 0;
    return exact != 0 ? exact : s.scale;
}

/* The largest magnitude; NaN when an element is infinite or no number. */
static float largest_magnitude(const float *x)
{
    float largest = 0;
    for (size_t k = 0; k < BLOCK; k++) {
        const float a = fabsf(x[k * LANES]);
        if (!(a < INFINITY)) return NAN;
        largest = a > largest ? a : largest;
    }
    return largest;
}

static void quantise_lane(enum ingot_dtype dtype, const float *x, size_t lane, struct quant_blocks *out)
{
    const uint8_t zero = quant_zero_code(dtype);
    const float largest = largest_magnitude(x), scale = largest > 0 ? search_scale(dtype, x, largest) : 0;
    const float inverse = largest > 0 ? 1 / scale : 0;
    bool all_zero = true;
    for (size_t k = 0; k < BLOCK; k++) {
        const float t = x[k * LANES] * inverse;
        const uint8_t code = !(largest > 0)      ? zero
                             : dtype == INGOT_Q8 ? (uint8_t)(nearest_integer(t) + 128)
                                                 : nearest_code(t);
        out->codes[k / 4][lane][k % 4] = code;
        all_zero &= code == zero;
    }
    out->scales[lane] = isnan(largest) ? F16_NAN : all_zero ? 0 : ingot_f16_from_f32(scale);
}

static void quantise(enum ingot_dtype dtype, const float x[BLOCK][LANES], struct quant_blocks *out)
{
    for (size_t lane = 0; lane < LANES; lane++) quantise_lane(dtype, x[0] + lane, lane, out);
}

static void quantise_q8(const float x[BLOCK][LANES], struct quant_blocks *out)
{
    quantise(INGOT_Q8, x, out);
}

static void quantise_q4(const float x[BLOCK][LANES], struct quant_blocks *out)
{
    quantise(INGOT_Q4, x, out);
}

const struct quants quants_scalar = { .q8 = quantise_q8, .q4 = quantise_q4 };

quantise_fn *quantiser(enum ingot_dtype dtype)
{
    struct quants quants = quants_scalar;
#if defined(__x86_64__)
    if (cpu_detect().avx2) quants = quants_avx2;
#endif
    return dtype == INGOT_Q8 ? quants.q8 : quants.q4;
}

void quant_store(enum ingot_dtype dtype, const struct quant_blocks *blocks, size_t block, uint8_t *step)
{
    const size_t first = block * BLOCK, n = sizeof blocks->codes[0];
    memcpy(step + quant_scale_at(first, 0), blocks->scales, sizeof blocks->scales);
    uint8_t *to = step + quant_code_at(dtype, first, 0);
    if (dtype == INGOT_Q8) {
        memcpy(to, blocks->codes, sizeof blocks->codes);
        return;
    }
    for (size_t group = 0; group < BLOCK / 4; group += 2) {
        const uint8_t *low = blocks->codes[group][0], *high = blocks->codes[group + 1][0];
        for (size_t i = 0; i < n; i++) to[group / 2 * n + i] = (uint8_t)(low[i] | high[i] << 4);
    }
}

void quant_load_by_definition(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t n, float x[][LANES])
{
    for (size_t i = 0; i < n; i++, k++)
        for (size_t lane = 0; lane < LANES; lane++) x[i][lane] = quant_value(dtype, step, k, lane);
}

void quant_load(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t n, float x[][LANES])
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) {
        quant_load_avx2(dtype, step, k, n, x);
        return;
    }
#endif
    quant_load_by_definition(dtype, step, k, n, x);
}
