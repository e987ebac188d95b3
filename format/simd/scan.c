/* scan.c - the definition of a scan, one value at a time. */
#include "format/simd/scan.h"

#include "format/quant.h"
#include "format/simd/cpu.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define BIN_SHIFT 15 /* 8 bits of exponent and 8 of mantissa are left */

/* The nearest f32, or where that is farther from zero its neighbour: FLT_MAX for all that is larger. */
uint32_t scan_bin(double value)
{
    float nearest = (float)value;
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    return (bits - (fabs((double)nearest) > fabs(value))) >> BIN_SHIFT;
}

double scan_bin_magnitude(uint32_t bin)
{
    float f;
    uint32_t bits = (bin & (SCAN_SIGN - 1)) << BIN_SHIFT;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double value_at(const void *values, size_t i)
{
    double value;
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return value;
}

static void count_special(double value, struct scan_run *out)
{
    out->n_nan += isnan(value) != 0;
    out->n_pos_inf += value > 0;
    out->n_neg_inf += value < 0;
}

static void count_finite(double value, double tiny, struct scan_run *out)
{
    double magnitude = fabs(value);
    out->n_finite++;
    out->n_zero += magnitude == 0;
    out->n_denormal += magnitude != 0 && magnitude < tiny;
    if (value < out->min) out->min = value;
    if (value > out->max) out->max = value;
    if (magnitude < out->abs_min && magnitude != 0) out->abs_min = magnitude;
    if (magnitude > out->abs_max) out->abs_max = magnitude;
}

static double squares_off(const void *values, size_t n, double mean, int scale)
{
    double lanes[SCAN_LANES] = { 0 };
    for (size_t i = 0; i < n; i++) {
        double off = ldexp(value_at(values, i) - mean, -scale);
        if (isfinite(value_at(values, i))) lanes[i % SCAN_LANES] += off * off;
    }
    return scan_add_lanes(lanes);
}

/* `lanes` gets the squares' sums, lane by lane. */
static void scan_wide(const void *values, size_t n, double tiny, uint32_t *bins, double *squares,
                      double lanes[SCAN_LANES], struct scan_run *out)
{
    double sums[SCAN_LANES] = { 0 }, added[SCAN_LANES];
    *out = (struct scan_run){ .min = INFINITY, .max = -INFINITY, .abs_min = INFINITY };
    for (size_t i = 0; i < SCAN_LANES; i++) lanes[i] = 0;
    for (size_t i = 0; i < n; i++) {
        double value = value_at(values, i);
        if (!isfinite(value)) {
            count_special(value, out);
            continue;
        }
        count_finite(value, tiny, out);
        sums[i % SCAN_LANES] += value;
        lanes[i % SCAN_LANES] += value * value;
        if (squares) squares[i] += value * value;
        bins[scan_bin(value)]++;
    }
    memcpy(added, lanes, sizeof added);
    out->sum = scan_add_lanes(sums);
    out->squares = scan_add_lanes(added);
    out->min += 0.0; /* of -0 */
    out->max += 0.0;
    if (out->n_finite == 0) return;
    const int scale = scan_scale(out->abs_max);
    if (scale != 0 || !scan_m2_of_sums(out)) out->m2 = squares_off(values, n, out->sum / out->n_finite, scale);
}

void scan_f64(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out)
{
    double lanes[SCAN_LANES];
    scan_wide(values, n, tiny, bins, squares, lanes, out);
}

static double f32_at(const void *values, size_t i)
{
    float value;
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return (double)value;
}

static double f16_at(const void *values, size_t i)
{
    return (double)ingot_f32_from_f16(get_u16((const uint8_t *)values + 2 * i));
}

static double quant_at(enum ingot_dtype dtype, const void *values, size_t i)
{
    const size_t col = i / SCAN_LANES;
    const uint8_t *step = (const uint8_t *)values + col / INGOT_QUANT_STEP * quant_step_bytes(dtype);
    return (double)quant_value(dtype, step, col % INGOT_QUANT_STEP, i % SCAN_LANES);
}

static double q8_at(const void *values, size_t i)
{
    return quant_at(INGOT_Q8, values, i);
}

static double q4_at(const void *values, size_t i)
{
    return quant_at(INGOT_Q4, values, i);
}

void scan_f32_by_definition(const void *values, size_t n, double tiny, uint32_t *bins, double *squares,
                            struct scan_run *out)
{
    double wide[SCAN_MAX] = { 0 };
    assert(n <= SCAN_MAX);
    for (size_t i = 0; i < n; i++) wide[i] = f32_at(values, i);
    scan_f64(wide, n, tiny, bins, squares, out);
}

static void scan_panel(const double *wide, size_t n, double tiny, uint32_t *bins, double *row_squares,
                       double *col_squares, struct scan_run *out)
{
    double squares[SCAN_PANEL] = { 0 }, rows[SCAN_LANES];
    scan_wide(wide, n, tiny, bins, squares, rows, out);
    for (size_t row = 0; row < SCAN_LANES; row++) row_squares[row] += rows[row];
    for (size_t i = 0; i < n; i += SCAN_LANES) col_squares[i / SCAN_LANES] += scan_add_lanes(squares + i);
}

#define PANEL_BY_DEFINITION(type)                                                                                      \
    static void scan_##type##_panel(const void *values, size_t n, double tiny, uint32_t *bins, double *row_squares,    \
                                    double *col_squares, struct scan_run *out)                                         \
    {                                                                                                                  \
        double wide[SCAN_PANEL] = { 0 };                                                                               \
        assert(n <= SCAN_PANEL);                                                                                       \
        for (size_t i = 0; i < n; i++) wide[i] = type##_at(values, i);                                                 \
        scan_panel(wide, n, tiny, bins, row_squares, col_squares, out);                                                \
    }
PANEL_BY_DEFINITION(f32)
PANEL_BY_DEFINITION(f16)
PANEL_BY_DEFINITION(q8)
PANEL_BY_DEFINITION(q4)

scan_panel_fn *const scan_panel_by_definition[SCAN_FORMS] = {
    [SCAN_F32] = scan_f32_panel,
    [SCAN_F16] = scan_f16_panel,
    [SCAN_Q8] = scan_q8_panel,
    [SCAN_Q4] = scan_q4_panel,
};

void scan_turn_by_definition(const void *rows, size_t row_bytes, size_t n, float *panel)
{
    for (size_t i = 0; i < n; i++) {
        const char *row = (const char *)rows + i % SCAN_LANES * row_bytes;
        memcpy(&panel[i], row + i / SCAN_LANES * sizeof(float), sizeof(float));
    }
}

void scan_turn_halves_by_definition(const void *rows, size_t row_bytes, size_t n, uint16_t *panel)
{
    for (size_t i = 0; i < n; i++) {
        const char *row = (const char *)rows + i % SCAN_LANES * row_bytes;
        memcpy(&panel[i], row + i / SCAN_LANES * sizeof *panel, sizeof *panel);
    }
}

scan_fn *scan_f32_select(void)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return scan_f32_avx2;
#endif
    return scan_f32_by_definition;
}

scan_panel_fn *scan_panel_select(enum scan_form form)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return scan_panel_avx2[form];
#endif
    return scan_panel_by_definition[form];
}

scan_turn_fn *scan_turn_select(void)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return scan_turn_avx2;
#endif
    return scan_turn_by_definition;
}

scan_turn_halves_fn *scan_turn_halves_select(void)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return scan_turn_halves_avx2;
#endif
    return scan_turn_halves_by_definition;
}
