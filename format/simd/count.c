/* count.c - the definition of counting, one value at a time. */
#include "format/simd/count.h"

#include "format/bytes.h"
#include "format/ingot_format.h"
#include "format/simd/cpu.h"

#include <math.h>
#include <string.h>

static uint16_t bits_at(enum count_form form, const void *values, size_t i)
{
    const size_t col = i / SCAN_LANES, lane = i % SCAN_LANES;
    const size_t at = form == COUNT_PAIRS ? (col / 2 * SCAN_LANES + lane) * 2 + col % 2 : i;
    return get_u16((const uint8_t *)values + 2 * at);
}

/* 0 for what is not finite. */
static double finite_at(enum count_form form, const void *values, size_t i)
{
    const uint16_t bits = bits_at(form, values, i);
    const float value = ingot_f32_from_bf16(bits);
    return isfinite(value) ? (double)value : 0;
}

void count_squares(enum count_form form, const void *values, size_t n, double *row_squares, double *col_squares)
{
    double rows[SCAN_LANES] = { 0 };
    for (size_t i = 0; i < n; i += SCAN_LANES) {
        double column[SCAN_LANES];
        for (size_t lane = 0; lane < SCAN_LANES; lane++) {
            const double value = finite_at(form, values, i + lane);
            column[lane] = value * value;
            rows[lane] += column[lane];
        }
        col_squares[i / SCAN_LANES] += scan_add_lanes(column);
    }
    for (size_t lane = 0; lane < SCAN_LANES; lane++) row_squares[lane] += rows[lane];
}

static void count_panel(enum count_form form, const void *values, size_t n, uint32_t *counts, double *row_squares,
                        double *col_squares)
{
    for (size_t i = 0; i < n; i++) counts[bits_at(form, values, i)]++;
    count_squares(form, values, n, row_squares, col_squares);
}

#define PANEL(name, form)                                                                                              \
    static void name(const void *values, size_t n, uint32_t *counts, double *row_squares, double *col_squares)         \
    {                                                                                                                  \
        count_panel(form, values, n, counts, row_squares, col_squares);                                                \
    }
PANEL(count_by_columns, COUNT_COLUMNS)
PANEL(count_by_pairs, COUNT_PAIRS)

count_panel_fn *const count_panel_by_definition[COUNT_FORMS] = {
    [COUNT_COLUMNS] = count_by_columns,
    [COUNT_PAIRS] = count_by_pairs,
};

count_panel_fn *count_panel_select(enum count_form form)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return count_panel_avx2[form];
#endif
    return count_panel_by_definition[form];
}
