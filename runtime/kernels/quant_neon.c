/*
 * quant_neon.c - the integer products with what every AArch64 has: bytes are multiplied into 16 bits, and those are
 * added in pairs.
 */
#include "runtime/kernels/kernels.h"

#if defined(__aarch64__)

#include "runtime/kernels/quant_neon.h"

/* Four inputs of two lanes, and four more: levels reach 128 and codes 127, but 2 x 128 x 127 is still below 2^15. */
static inline int16x8_t two_groups(int8x8_t w, int8x8_t codes, int8x8_t more_w, int8x8_t more_codes)
{
    return vmlal_s8(vmull_s8(w, codes), more_w, more_codes);
}

/* Two lanes at a time, whose halves are one pairwise addition away from the sums of four lanes. */
static inline int32x4_t dot(int32x4_t sums, struct quant_levels w, int8x16_t codes)
{
    const int32x4_t groups = vreinterpretq_s32_s8(codes);
    const int8x8_t x[4] = {
        vreinterpret_s8_s32(vdup_laneq_s32(groups, 0)),
        vreinterpret_s8_s32(vdup_laneq_s32(groups, 1)),
        vreinterpret_s8_s32(vdup_laneq_s32(groups, 2)),
        vreinterpret_s8_s32(vdup_laneq_s32(groups, 3)),
    };
    int32x4_t low = vpaddlq_s16(two_groups(vget_low_s8(w.four[0]), x[0], vget_low_s8(w.four[1]), x[1]));
    low = vpadalq_s16(low, two_groups(vget_low_s8(w.four[2]), x[2], vget_low_s8(w.four[3]), x[3]));
    int32x4_t high = vpaddlq_s16(two_groups(vget_high_s8(w.four[0]), x[0], vget_high_s8(w.four[1]), x[1]));
    high = vpadalq_s16(high, two_groups(vget_high_s8(w.four[2]), x[2], vget_high_s8(w.four[3]), x[3]));
    return vaddq_s32(sums, vpaddq_s32(low, high));
}

QUANT_NEON_KERNELS(quant_neon, dot)

#endif
