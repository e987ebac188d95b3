/*
 * quant_neon.c - the integer products with what every AArch64 has: bytes are multiplied into 16 bits, and those are
 * added in pairs, twice.
 */
#include "runtime/kernels/kernels.h"

#if defined(__aarch64__)

#include "runtime/kernels/quant_neon.h"

/* Levels reach 128 and codes 127; the sum of two products, 2 x 128 x 127 at most, is below 2^15. */
TILE_BODY ints dot(ints sums, struct weights w, const int8_t *four)
{
    tile_forget_loads(); /* or the compiler loads the rows' inputs all at once, and spills sums */
    const int8x16_t x = splat_four(four);
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) {
        const int16x8_t low = vmull_s8(vget_low_s8(w.q[q]), vget_low_s8(x)), high = vmull_high_s8(w.q[q], x);
        sums.q[q] = vpadalq_s16(sums.q[q], vpaddq_s16(low, high));
    }
    return sums;
}

/* Of the 32 registers, four a row are sums, and four are products on their way. */
#define QUANT_HEIGHTS(X, ...) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)

QUANT_NEON_KERNELS(quant_neon, 4)

#endif
