/* self_check.c - a missed transpose of a square matrix cannot be seen by its shape, only by its elements.
 *
 * The check shares nothing with the packing: the source is addressed by the shape and strides that stand in its file,
 * values are decoded and cast one by one, the result is read through the layout's inverse.
 *
 * Of q8 and q4 no value is expected, for how scales are found is the quantiser's affair. But whatever the scale, the
 * level must be the nearest one, which that of another element seldom is; and the scale must be one that reaches the
 * element. Blocks of Q8_0 that became q8 must be what they were. */
#include "convert/self_check.h"

#include "convert/q8_blocks.h"
#include "format/bytes.h"
#include "format/error.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Elements per tensor besides the corners; a tensor that has no more is compared whole. They are visited in steps of
 * the golden ratio, which fill any range evenly and have no common period with rows or panels. */
#define N_SPREAD        1024u
#define MAX_BLOCK_ELEMS 256u
#define GOLDEN_STEP     UINT64_C(0x9E3779B97F4A7C15)

/* Quantised: what the rounding of x / scale may add to the error of the nearest level, and how far an element may lie
 * beyond the last level, both in scales; and what may be left of a block whose scale is 0. Scales that are subnormal in
 * f16 are up to half of 2^-24 off, and the last level 128 times that. One cannot grow beyond f16's range: then any
 * distance is right. */
#define ROUNDING_SLACK 1e-3
#define CLIPPED_Q8     2.0
#define CLIPPED_Q4     24.0
#define LOST           0x1p-22
#define SUBNORMAL_OFF  0x1p-18
#define GREATEST_F16   65504.0

#define ADVICE_REPORT "please report this: the converter is at fault"

/* The one block that holds the element is decoded. */
static double block_element(const struct ingot_source_tensor *s, uint64_t index)
{
    float elems[MAX_BLOCK_ELEMS];
    assert(s->block->n_elems <= MAX_BLOCK_ELEMS);
    s->block->decode((const uint8_t *)s->data + index / s->block->n_elems * s->block->n_bytes, elems);
    return (double)elems[index % s->block->n_elems];
}

/* Element `offset` elements into the source's memory. */
static double plain_element(const struct ingot_source_tensor *s, uint64_t offset)
{
    const uint8_t *at = (const uint8_t *)s->data + offset * ingot_dtype_size(s->dtype);
    float f32;
    double f64;
    switch (s->dtype) {
    case INGOT_F16:
        return (double)ingot_f32_from_f16(get_u16(at));
    case INGOT_BF16:
        return (double)ingot_f32_from_bf16(get_u16(at));
    case INGOT_F64:
        memcpy(&f64, at, sizeof f64);
        return f64;
    default:
        memcpy(&f32, at, sizeof f32);
        return (double)f32;
    }
}

/* By the shape and the strides that stand in the file. Dimensions in front of the last two are 1. */
static double source_element(const struct plan_part *part, uint64_t row, uint64_t col)
{
    const struct ingot_source_tensor *s = part->source;
    uint64_t outer = part->transposed ? col : row, inner = part->transposed ? row : col;
    if (s->block) return block_element(s, outer * s->shape[s->rank - 1] + inner);
    uint64_t offset = s->rank > 0 ? inner * s->strides[s->rank - 1] : 0;
    if (s->rank > 1) offset += outer * s->strides[s->rank - 2];
    return plain_element(s, offset);
}

/* The first part whose rectangle holds the element. */
static const struct plan_part *part_of(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    const struct plan_part *p = t->parts;
    while (row - p->row >= p->view.n_rows || col - p->col >= p->view.n_cols) p++;
    return p;
}

/* f64 to an f32 that a second rounding cannot spoil: towards zero, with the last bit set when anything was lost
 * ("round to odd"; Boldo and Melquiond, 2005). */
static float f32_to_odd(double value)
{
    float f32 = ingot_f32_from_f64(value);
    if (isnan(value) || (double)f32 == value) return f32;
    if (fabs((double)f32) > fabs(value)) f32 = nextafterf(f32, 0);
    uint32_t bits;
    memcpy(&bits, &f32, sizeof bits);
    bits |= 1;
    memcpy(&f32, &bits, sizeof bits);
    return f32;
}

static double cast(double value, enum ingot_dtype to)
{
    if (to == INGOT_F16) return (double)ingot_f32_from_f16(ingot_f16_from_f32(f32_to_odd(value)));
    if (to == INGOT_BF16) return (double)ingot_f32_from_bf16(ingot_bf16_from_f32(f32_to_odd(value)));
    return (double)ingot_f32_from_f64(value);
}

/* Zeros are told apart; all NaN are one. */
static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

/* ---------------------------------------------------------------------------------------------------- quantised */

struct quantised {
    int level;
    double scale;
};

/* By the definition of the two dtypes in spec/format.md. */
static struct quantised quantised_at(const struct ingot_section *s, uint64_t row, uint64_t col)
{
    const uint64_t n_steps = (s->shape[1] + 63) / 64, lane = row % 16, k = col % 64;
    const uint64_t step_bytes = s->dtype == INGOT_Q8 ? 1088 : 576;
    const uint8_t *step = (const uint8_t *)s->data + (row / 16 * n_steps + col / 64) * step_bytes;
    const double scale = (double)ingot_f32_from_f16(get_u16(step + 2 * (k / 32 * 16 + lane)));
    if (s->dtype == INGOT_Q8) return (struct quantised){ step[64 + 4 * (k / 4 * 16 + lane) + k % 4] - 128, scale };
    const uint8_t pair = step[64 + 4 * (k / 8 * 16 + lane) + k % 4];
    return (struct quantised){ quant_q4_levels[k % 8 < 4 ? pair & 15 : pair >> 4], scale };
}

/* The distance from value to the nearest of all levels. */
static double least_error(enum ingot_dtype dtype, double value, double scale)
{
    if (dtype == INGOT_Q8) return fabs(value - fmin(fmax(rint(value / scale), -128), 127) * scale);
    double least = INFINITY;
    for (size_t code = 0; code < 16; code++) {
        const double error = fabs(value - quant_q4_levels[code] * scale);
        if (error < least) least = error;
    }
    return least;
}

static double value_of(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    const struct plan_part *p = part_of(t, row, col);
    return source_element(p, p->from_row + row - p->row, p->from_col + col - p->col);
}

/* Whether all elements of the block of 32 are numbers; without them it has no scale. */
static bool is_finite_block(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    bool finite = true;
    for (uint64_t k = col - col % 32; k < t->n_cols && k < col - col % 32 + 32 && finite; k++)
        finite = isfinite(value_of(t, row, k));
    return finite;
}

static bool is_nearest(const struct plan_tensor *t, double value, struct quantised q)
{
    const double size = fabs(q.scale), error = fabs(value - q.level * q.scale);
    if (size == 0) return q.level == 0 && fabs(value) <= LOST;
    if (error > least_error(t->dtype, value, q.scale) + ROUNDING_SLACK * size) return false;
    const double reach = (t->dtype == INGOT_Q8 ? CLIPPED_Q8 : CLIPPED_Q4) * size + SUBNORMAL_OFF;
    return error <= reach || size == GREATEST_F16;
}

static enum ingot_status check_quantised(const struct plan_tensor *t, const struct ingot_section *section, uint64_t row,
                                         uint64_t col, struct ingot_error *err)
{
    const double value = value_of(t, row, col), found = ingot_element(section, row, col);
    const struct quantised q = quantised_at(section, row, col);
    bool right = same(found, (double)((float)q.level * (float)q.scale));
    if (q8_is_moved(t))
        right = right && same(found, value);
    else if (isnan(q.scale))
        right = right && q.level == 0 && !is_finite_block(t, row, col);
    else
        right = right && is_nearest(t, value, q);
    if (right) return INGOT_OK;
    return ingot_fail(err, INGOT_E_MODEL, INGOT_NO_OFFSET, t->name, ADVICE_REPORT,
                      "self-check: element [%" PRIu64 ", %" PRIu64
                      "], %.9g, was written as %.9g: level %d of scale %.9g",
                      row, col, value, found, q.level, q.scale);
}

/* ---------------------------------------------------------------------------------------------------------- all */

static enum ingot_status check_element(const struct plan_tensor *t, const struct ingot_section *section, uint64_t row,
                                       uint64_t col, struct ingot_error *err)
{
    if (t->dtype == INGOT_Q8 || t->dtype == INGOT_Q4) return check_quantised(t, section, row, col, err);
    double expected = cast(value_of(t, row, col), t->dtype), found = ingot_element(section, row, col);
    if (same(expected, found)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_MODEL, INGOT_NO_OFFSET, t->name, ADVICE_REPORT,
                      "self-check: element [%" PRIu64 ", %" PRIu64 "] was written as %.9g, expected %.9g", row, col,
                      found, expected);
}

static enum ingot_status check_tensor(const struct plan_tensor *t, const struct ingot_file *file, uint64_t *n_checked,
                                      struct ingot_error *err)
{
    struct ingot_section section;
    uint64_t rows = t->n_rows, cols = t->n_cols, last = rows * cols - 1;
    const uint64_t corners[] = { 0, cols - 1, last - (cols - 1), last };
    bool whole = last < N_SPREAD;
    uint64_t n = whole ? last + 1 : N_SPREAD + 4;
    if (!ingot_find(file, t->name, &section))
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, t->name, NULL, "self-check: was not written");
    enum ingot_status status = INGOT_OK;
    for (uint64_t i = 0; i < n && status == INGOT_OK; i++) {
        uint64_t spread = i < 4 ? corners[i] : i * GOLDEN_STEP % (last + 1);
        uint64_t at = whole ? i : spread;
        status = check_element(t, &section, at / cols, at % cols, err);
        ++*n_checked;
    }
    return status;
}

enum ingot_status self_check(const struct plan *plan, const struct ingot_file *file, uint64_t *n_checked,
                             struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < plan->n_tensors && status == INGOT_OK; i++)
        status = check_tensor(&plan->tensors[i], file, n_checked, err);
    return status;
}
