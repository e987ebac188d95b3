/*
 * quant_neondot.c - the integer products with the dot product instruction (FEAT_DotProd, in ARMv8.2 and later): four
 * bytes times four bytes, added to 32 bits, in four lanes at once.
 */
#include "runtime/kernels/kernels.h"

#if defined(__aarch64__)

#include "runtime/kernels/quant_neon.h"

TILE_BODY ints dot(ints sums, struct weights w, const int8_t *four)
{
    tile_forget_loads(); /* or the compiler loads the rows' inputs all at once, and spills sums */
    const int8x16_t x = splat_four(four);
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) sums.q[q] = vdotq_s32(sums.q[q], w.q[q], x);
    return sums;
}

/* Of the 32 registers, four a row are sums. */
#define QUANT_HEIGHTS(X, ...) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)

QUANT_NEON_KERNELS(quant_neondot, 6)

#endif
