/* count.c - the definition of counting, one value at a time. */
#include "format/simd/count.h"

#include "format/bytes.h"
#include "format/ingot_format.h"
#include "format/simd/cpu.h"

#include <math.h>
#include <string.h>

static uint16_t bits_at(enum count_form form, const struct scan_panel *panel, size_t row, size_t col)
{
    const size_t at =
        form == COUNT_ROWS ? row * panel->row_bytes + 2 * col : 2 * ((col / 2 * SCAN_LANES + row) * 2 + col % 2);
    return get_u16((const uint8_t *)panel->values + at);
}

/* 0 for what is not finite. */
static double finite_at(enum count_form form, const struct scan_panel *panel, size_t row, size_t col)
{
    const float value = ingot_f32_from_bf16(bits_at(form, panel, row, col));
    return isfinite(value) ? (double)value : 0;
}

void count_squares(enum count_form form, const struct scan_panel *panel, double *row_squares, double *col_squares)
{
    double rows[SCAN_LANES] = { 0 };
    for (size_t col = 0; col < panel->n_cols; col++) {
        double column[SCAN_LANES];
        for (size_t row = 0; row < SCAN_LANES; row++) {
            const double value = finite_at(form, panel, row, col);
            column[row] = value * value;
            rows[row] += column[row];
        }
        col_squares[col] += scan_add_lanes(column);
    }
    for (size_t row = 0; row < SCAN_LANES; row++) row_squares[row] += rows[row];
}

static void count_panel(enum count_form form, const struct scan_panel *panel, uint32_t *counts, double *row_squares,
                        double *col_squares)
{
    for (size_t col = 0; col < panel->n_cols; col++)
        for (size_t row = 0; row < SCAN_LANES; row++) counts[bits_at(form, panel, row, col)]++;
    count_squares(form, panel, row_squares, col_squares);
}

#define PANEL(name, form)                                                                                              \
    static void name(const struct scan_panel *panel, uint32_t *counts, double *row_squares, double *col_squares)       \
    {                                                                                                                  \
        count_panel(form, panel, counts, row_squares, col_squares);                                                    \
    }
PANEL(count_rows, COUNT_ROWS)
PANEL(count_pairs, COUNT_PAIRS)

count_panel_fn *const count_panel_by_definition[COUNT_FORMS] = {
    [COUNT_ROWS] = count_rows,
    [COUNT_PAIRS] = count_pairs,
};

count_panel_fn *count_panel_select(enum count_form form)
{
#if defined(__x86_64__)
    if (cpu_detect().avx2) return count_panel_avx2[form];
#endif
    return count_panel_by_definition[form];
}
