/*
 * quant_neondot.c - the integer products with the dot product instructions (FEAT_DotProd, in ARMv8.2 and later): four
 * bytes times four bytes, added to 32 bits, in four lanes at once.
 */
#include "runtime/kernels/kernels.h"

#if defined(__aarch64__)

#include "runtime/kernels/quant_neon.h"

static inline int32x4_t dot(int32x4_t sums, struct quant_levels w, int8x16_t codes)
{
    sums = vdotq_laneq_s32(sums, w.four[0], codes, 0);
    sums = vdotq_laneq_s32(sums, w.four[1], codes, 1);
    sums = vdotq_laneq_s32(sums, w.four[2], codes, 2);
    return vdotq_laneq_s32(sums, w.four[3], codes, 3);
}

QUANT_NEON_KERNELS(quant_neondot, dot)

#endif
