/*
 * amx.h - the tile instructions of runtime/kernels/amx.h in plain C, for any processor. What the processor would refuse
 * fails the test.
 */
#ifndef INGOT_AMX_H
#define INGOT_AMX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

struct amx_config {
    uint8_t palette;
    uint8_t start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* A tile forgets what was in it when it is configured, and a loaded or zeroed one has only its rows and columns. */
static _Thread_local struct {
    struct amx_config config;
    uint8_t tile[8][16][64];
} amx;

static inline void amx_configure(const struct amx_config *config)
{
    amx.config = *config;
    memset(amx.tile, 0, sizeof amx.tile);
    assert_int_equal(config->palette, 1);
    for (size_t t = 0; t < 8; t++) {
        assert_true(config->row_bytes[t] <= 64 && config->rows[t] <= 16);
        assert_true((config->row_bytes[t] == 0) == (config->rows[t] == 0));
    }
}

static inline void amx_zero(size_t tile)
{
    assert_true(amx.config.rows[tile] > 0);
    memset(amx.tile[tile], 0, sizeof amx.tile[tile]);
}

static inline void amx_load(size_t tile, const void *from, size_t stride)
{
    amx_zero(tile);
    for (size_t r = 0; r < amx.config.rows[tile]; r++)
        memcpy(amx.tile[tile][r], (const uint8_t *)from + r * stride, amx.config.row_bytes[tile]);
}

static inline void amx_store(size_t tile, void *to, size_t stride)
{
    assert_true(amx.config.rows[tile] > 0);
    for (size_t r = 0; r < amx.config.rows[tile]; r++)
        memcpy((uint8_t *)to + r * stride, amx.tile[tile][r], amx.config.row_bytes[tile]);
}

/* What the machine asks of three tiles before it multiplies: anything else is an invalid instruction. */
static inline void amx_check_product(size_t sums, size_t a, size_t b)
{
    assert_true(sums != a && sums != b && a != b);
    assert_int_equal(amx.config.rows[a], amx.config.rows[sums]);
    assert_int_equal(amx.config.row_bytes[b] / 4, amx.config.row_bytes[sums] / 4);
    assert_int_equal(amx.config.row_bytes[a] / 4, amx.config.rows[b]);
}

static inline void amx_dot_s8(size_t sums, size_t a, size_t b)
{
    const size_t rows = amx.config.rows[sums], columns = amx.config.row_bytes[sums] / 4;
    amx_check_product(sums, a, b);
    for (size_t m = 0; m < rows; m++)
        for (size_t n = 0; n < columns; n++) {
            uint32_t sum;
            memcpy(&sum, amx.tile[sums][m] + 4 * n, sizeof sum);
            for (size_t k = 0; k < amx.config.row_bytes[a]; k++)
                sum += (uint32_t)((int8_t)amx.tile[a][m][k] * (int8_t)amx.tile[b][k / 4][4 * n + k % 4]);
            memcpy(amx.tile[sums][m] + 4 * n, &sum, sizeof sum);
        }
}

/* What is subnormal is zero to these products, before and after every operation. */
static inline float amx_flush(float f)
{
    return f > -0x1p-126f && f < 0x1p-126f ? 0 * f : f;
}

static inline float amx_bf16(const uint8_t *at)
{
    const uint32_t bits = (uint32_t)(at[0] | at[1] << 8) << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return amx_flush(f);
}

/* Even and odd inputs are summed apart, each in a chain of its own. */
static inline void amx_dot_bf16(size_t sums, size_t a, size_t b)
{
    const size_t rows = amx.config.rows[sums], columns = amx.config.row_bytes[sums] / 4;
    amx_check_product(sums, a, b);
    for (size_t m = 0; m < rows; m++)
        for (size_t n = 0; n < columns; n++) {
            float sum, part[2] = { 0, 0 };
            for (size_t k = 0; k < amx.config.row_bytes[a] / 2u; k++)
                part[k % 2] = amx_flush(fmaf(amx_bf16(amx.tile[a][m] + 2 * k),
                                             amx_bf16(amx.tile[b][k / 2] + 4 * n + 2 * (k % 2)), part[k % 2]));
            memcpy(&sum, amx.tile[sums][m] + 4 * n, sizeof sum);
            sum = amx_flush(amx_flush(sum) + amx_flush(part[0] + part[1]));
            memcpy(amx.tile[sums][m] + 4 * n, &sum, sizeof sum);
        }
}

#define AMX_CONFIGURE(config)        amx_configure(config)
#define AMX_RELEASE()                memset(&amx, 0, sizeof amx)
#define AMX_ZERO(tile)               amx_zero(tile)
#define AMX_LOAD(tile, from, stride) amx_load(tile, from, stride)
#define AMX_STORE(tile, to, stride)  amx_store(tile, to, stride)
#define AMX_DOT_S8(sums, a, b)       amx_dot_s8(sums, a, b)
#define AMX_DOT_BF16(sums, a, b)     amx_dot_bf16(sums, a, b)

#endif
