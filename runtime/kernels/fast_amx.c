/*
 * fast_amx.c - products of bf16 for AMX: 32 rows times two panels are four tiles of sums, fed by two tiles of rows and
 * two of weights, so that a product of tiles needs one load. The sums start from y and stay in their tiles over a
 * chunk.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include "runtime/kernels/amx.h"
#include "runtime/kernels/fast_body.h"

enum { ROWS = 16, ROW_BYTES = 64 }; /* of every tile */

/* Sums 0 to 3, rows 4 and 5, weights 6 and 7. */
static const struct amx_config config = {
    .palette = 1,
    .row_bytes = { ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES },
    .rows = { ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS },
};

/* y is written, though no C shows it. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static void multiply(const struct block *rows, const uint8_t *const panel[2], size_t n_in, float *y, size_t y_stride)
{
    const size_t x_bytes = sizeof rows->x[0], y_bytes = y_stride * sizeof *y;
    AMX_LOAD(0, y, y_bytes);
    AMX_LOAD(1, y + LANES, y_bytes);
    AMX_LOAD(2, y + ROWS * y_stride, y_bytes);
    AMX_LOAD(3, y + ROWS * y_stride + LANES, y_bytes);
    for (size_t k = 0; k < n_in; k += STEP) {
        const size_t at = k / 2 * ROW_BYTES;
        AMX_LOAD(4, rows->x[0] + k, x_bytes);
        AMX_LOAD(6, panel[0] + at, ROW_BYTES);
        AMX_DOT_BF16(0, 4, 6);
        AMX_LOAD(7, panel[1] + at, ROW_BYTES);
        AMX_DOT_BF16(1, 4, 7);
        AMX_LOAD(5, rows->x[ROWS] + k, x_bytes);
        AMX_DOT_BF16(2, 5, 6);
        AMX_DOT_BF16(3, 5, 7);
    }
    AMX_STORE(0, y, y_bytes);
    AMX_STORE(1, y + LANES, y_bytes);
    AMX_STORE(2, y + ROWS * y_stride, y_bytes);
    AMX_STORE(3, y + ROWS * y_stride + LANES, y_bytes);
}

FAST_PANELS(f32, float, multiply, AMX_CONFIGURE(&config), AMX_RELEASE())
FAST_PANELS(f16, uint16_t, multiply, AMX_CONFIGURE(&config), AMX_RELEASE())
FAST_PANELS(bf16, uint16_t, multiply, AMX_CONFIGURE(&config), AMX_RELEASE())

const struct fast_kernels fast_amx = {
    .name = "amx-bf16",
    .arithmetic = "fast (amx-bf16)",
    .panels_f32 = panels_f32,
    .panels_f16 = panels_f16,
    .panels_bf16 = panels_bf16,
};

#endif
