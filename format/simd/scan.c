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

/* ------------------------------------------------------------------------------------------------------- values */

/* What a scan has so far. */
struct sums {
    double values[SCAN_LANES], squares[SCAN_LANES];
};

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

/* Returns the square, or 0 for what is not finite. */
static double add_value(double value, size_t lane, double tiny, uint32_t *bins, struct sums *sums, struct scan_run *out)
{
    if (!isfinite(value)) {
        count_special(value, out);
        return 0;
    }
    count_finite(value, tiny, out);
    bins[scan_bin(value)]++;
    sums->values[lane] += value;
    sums->squares[lane] += value * value;
    return value * value;
}

static void begin(struct scan_run *out)
{
    *out = (struct scan_run){ .min = INFINITY, .max = -INFINITY, .abs_min = INFINITY };
}

/* All but m2; false where that needs a second pass. */
static bool finish(struct sums *sums, struct scan_run *out)
{
    out->sum = scan_add_lanes(sums->values);
    out->squares = scan_add_lanes(sums->squares);
    out->min += 0.0; /* of -0 */
    out->max += 0.0;
    return out->n_finite == 0 || (scan_scale(out->abs_max) == 0 && scan_m2_of_sums(out));
}

static void add_off(double value, size_t lane, const struct scan_run *run, double lanes[SCAN_LANES])
{
    const double off = ldexp(value - run->sum / run->n_finite, -scan_scale(run->abs_max));
    if (isfinite(value)) lanes[lane] += off * off;
}

/* --------------------------------------------------------------------------------------------------------- runs */

static double f64_at(const void *values, size_t i)
{
    double value;
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return value;
}

static double f32_at(const void *values, size_t i)
{
    float value;
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return (double)value;
}

typedef double value_fn(const void *values, size_t i);

static void scan_values(value_fn *value_at, const void *values, size_t n, double tiny, uint32_t *bins, double *squares,
                        struct scan_run *out)
{
    struct sums sums = { 0 };
    double lanes[SCAN_LANES] = { 0 };
    begin(out);
    for (size_t i = 0; i < n; i++) {
        const double square = add_value(value_at(values, i), i % SCAN_LANES, tiny, bins, &sums, out);
        if (squares) squares[i] += square;
    }
    if (finish(&sums, out)) return;
    for (size_t i = 0; i < n; i++) add_off(value_at(values, i), i % SCAN_LANES, out, lanes);
    out->m2 = scan_add_lanes(lanes);
}

void scan_f64(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out)
{
    scan_values(f64_at, values, n, tiny, bins, squares, out);
}

void scan_f32_by_definition(const void *values, size_t n, double tiny, uint32_t *bins, double *squares,
                            struct scan_run *out)
{
    scan_values(f32_at, values, n, tiny, bins, squares, out);
}

/* ------------------------------------------------------------------------------------------------------- panels */

static double f16_at(const void *values, size_t i)
{
    return (double)ingot_f32_from_f16(get_u16((const uint8_t *)values + 2 * i));
}

static double quant_at(enum ingot_dtype dtype, const void *values, size_t row, size_t col)
{
    const uint8_t *step = (const uint8_t *)values + col / INGOT_QUANT_STEP * quant_step_bytes(dtype);
    return (double)quant_value(dtype, step, col % INGOT_QUANT_STEP, row);
}

static double panel_at(enum scan_form form, const struct scan_panel *panel, size_t row, size_t col)
{
    const char *from_row = (const char *)panel->values + row * panel->row_bytes;
    switch (form) {
    case SCAN_F16:
        return f16_at(panel->values, col * SCAN_LANES + row);
    case SCAN_Q8:
        return quant_at(INGOT_Q8, panel->values, row, col);
    case SCAN_Q4:
        return quant_at(INGOT_Q4, panel->values, row, col);
    case SCAN_F32_ROWS:
        return f32_at(from_row, col);
    case SCAN_F16_ROWS:
        return f16_at(from_row, col);
    default:
        return f32_at(panel->values, col * SCAN_LANES + row);
    }
}

static void scan_panel(enum scan_form form, const struct scan_panel *panel, double tiny, uint32_t *bins,
                       double *row_squares, double *col_squares, struct scan_run *out)
{
    struct sums sums = { 0 };
    double lanes[SCAN_LANES] = { 0 };
    assert(panel->n_cols <= SCAN_COLS);
    begin(out);
    for (size_t col = 0; col < panel->n_cols; col++) {
        double squares[SCAN_LANES];
        for (size_t row = 0; row < SCAN_LANES; row++)
            squares[row] = add_value(panel_at(form, panel, row, col), row, tiny, bins, &sums, out);
        col_squares[col] += scan_add_lanes(squares);
    }
    for (size_t row = 0; row < SCAN_LANES; row++) row_squares[row] += sums.squares[row];
    if (finish(&sums, out)) return;
    for (size_t col = 0; col < panel->n_cols; col++)
        for (size_t row = 0; row < SCAN_LANES; row++) add_off(panel_at(form, panel, row, col), row, out, lanes);
    out->m2 = scan_add_lanes(lanes);
}

#define PANEL_BY_DEFINITION(name, form)                                                                                \
    static void name(const struct scan_panel *panel, double tiny, uint32_t *bins, double *row_squares,                 \
                     double *col_squares, struct scan_run *out)                                                        \
    {                                                                                                                  \
        scan_panel(form, panel, tiny, bins, row_squares, col_squares, out);                                            \
    }
PANEL_BY_DEFINITION(scan_f32_panel, SCAN_F32)
PANEL_BY_DEFINITION(scan_f16_panel, SCAN_F16)
PANEL_BY_DEFINITION(scan_q8_panel, SCAN_Q8)
PANEL_BY_DEFINITION(scan_q4_panel, SCAN_Q4)
PANEL_BY_DEFINITION(scan_f32_rows, SCAN_F32_ROWS)
PANEL_BY_DEFINITION(scan_f16_rows, SCAN_F16_ROWS)

scan_panel_fn *const scan_panel_by_definition[SCAN_FORMS] = {
    [SCAN_F32] = scan_f32_panel, [SCAN_F16] = scan_f16_panel,     [SCAN_Q8] = scan_q8_panel,
    [SCAN_Q4] = scan_q4_panel,   [SCAN_F32_ROWS] = scan_f32_rows, [SCAN_F16_ROWS] = scan_f16_rows,
};

/* ------------------------------------------------------------------------------------------------------- select */

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
