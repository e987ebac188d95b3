/* blocks.c - what the bytes of a quantised block mean, encoding by encoding.
 *
 * Layouts are those of ggml-org/llama.cpp, ggml/src/ggml-common.h; the order of the f32 operations is that of
 * ggml/src/ggml-quants.c, dequantize_row_*, so the values are the same to the last bit. They do not hang on fused
 * multiply-adds: a product that something is added to is exact, for 11 bits of an f16, 6 of a scale and 5 of a quantum
 * fit into an f32. In a comment `d` is a scale, `q` a quantum as stored, `s` a run of elements with a scale of its own.
 *
 * The loops have fixed lengths and no branches, which is all that a compiler needs to make vectors of them. */
#include "convert/blocks.h"

#include "format/bytes.h"

#define SMALL 32u  /* elements of a small block */
#define SUPER 256u /* of a super-block */

static float get_f16(const uint8_t *p)
{
    return ingot_f32_from_f16(get_u16(p));
}

/* Two elements lie in one byte: element i in the lower half of byte i, element i + 16 in the upper. */
static void split_nibbles(const uint8_t *restrict bytes, uint8_t *restrict q)
{
    for (unsigned i = 0; i < SMALL / 2; i++) {
        q[i] = bytes[i] & 15;
        q[i + SMALL / 2] = bytes[i] >> 4;
    }
}

/* The same with a fifth bit for each element, from a word of 32. */
static void split_fives(const uint8_t *restrict bytes, const uint8_t *restrict fifths, uint8_t *restrict q)
{
    static const uint8_t bit[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
    split_nibbles(bytes, q);
    for (unsigned i = 0; i < SMALL / 8; i++)
        for (unsigned k = 0; k < 8; k++) q[8 * i + k] |= (uint8_t)((fifths[i] & bit[k]) ? 16 : 0);
}

/* (q - zero) d */
static void scale_small(const uint8_t *restrict q, int zero, float d, float *restrict out)
{
    for (unsigned i = 0; i < SMALL; i++) out[i] = (float)(q[i] - zero) * d;
}

/* q d + m */
static void scale_and_add(const uint8_t *restrict q, float d, float m, float *restrict out)
{
    for (unsigned i = 0; i < SMALL; i++) out[i] = (float)q[i] * d + m;
}

/* --------------------------------------------------------------------------------------------------- 32 elements */

/* f16 d; nibbles: (q - 8) d */
static void decode_q4_0(const uint8_t *b, float *out)
{
    uint8_t q[SMALL];
    split_nibbles(b + 2, q);
    scale_small(q, 8, get_f16(b), out);
}

/* f16 d, m; nibbles: q d + m */
static void decode_q4_1(const uint8_t *b, float *out)
{
    uint8_t q[SMALL];
    split_nibbles(b + 4, q);
    scale_and_add(q, get_f16(b), get_f16(b + 2), out);
}

/* f16 d; u32 fifth bits; nibbles: (q - 16) d */
static void decode_q5_0(const uint8_t *b, float *out)
{
    uint8_t q[SMALL];
    split_fives(b + 6, b + 2, q);
    scale_small(q, 16, get_f16(b), out);
}

/* f16 d, m; u32 fifth bits; nibbles: q d + m */
static void decode_q5_1(const uint8_t *b, float *out)
{
    uint8_t q[SMALL];
    split_fives(b + 8, b + 4, q);
    scale_and_add(q, get_f16(b), get_f16(b + 2), out);
}

/* f16 d; i8 q[32]: q d */
static void decode_q8_0(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b);
    for (unsigned i = 0; i < SMALL; i++) out[i] = (float)(int8_t)b[2 + i] * d;
}

/* The 16 levels of a quantum in IQ4_NL and IQ4_XS. */
static const float uneven_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

/* Those of MXFP4, doubled: a sign, two bits of exponent, one of mantissa. */
static const float mxfp4_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* d level(q) of 32 nibbles */
static void scale_levels(const uint8_t *restrict bytes, const float *restrict levels, float d, float *restrict out)
{
    for (unsigned i = 0; i < SMALL / 2; i++) {
        out[i] = d * levels[bytes[i] & 15];
        out[i + SMALL / 2] = d * levels[bytes[i] >> 4];
    }
}

/* f16 d; nibbles: d level(q) */
static void decode_iq4_nl(const uint8_t *b, float *out)
{
    scale_levels(b + 2, uneven_levels, get_f16(b), out);
}

/* u8 e; nibbles: 2^(e - 128) level(q). For e of 0 and 1 the power is subnormal. */
static void decode_mxfp4(const uint8_t *b, float *out)
{
    uint32_t bits = b[0] < 2 ? UINT32_C(0x200000) << b[0] : (uint32_t)(b[0] - 1) << 23;
    float d;
    memcpy(&d, &bits, sizeof d);
    scale_levels(b + 1, mxfp4_levels, d, out);
}

/* -------------------------------------------------------------------------------------------------- 256 elements */

/* u8 of each run of 16: d's quantum in the lower half, m's in the upper; 2 bits for each q, four runs of 32 in a byte's
 * width; f16 d, m: (d dq) q - m mq */
static void decode_q2_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b + 80), m = get_f16(b + 82);
    for (unsigned s = 0; s < SUPER / 16; s++, out += 16) {
        const uint8_t *q = b + 16 + 32 * (s / 8) + 16 * (s % 2);
        const unsigned shift = 2 * (s / 2 % 4);
        const float ds = d * (float)(b[s] & 15), ms = m * (float)(b[s] >> 4);
        for (unsigned i = 0; i < 16; i++) out[i] = ds * (float)(q[i] >> shift & 3) - ms;
    }
}

/* The scale of a run of 16 in Q3_K: 6 bits, of which 12 bytes hold the lower four (runs s and s + 8 in one byte), then
 * the upper two (runs s, s + 4, s + 8, s + 12). */
static int scale_q3_k(const uint8_t *packed, unsigned s)
{
    int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
    int high = packed[8 + s % 4] >> (2 * (s / 4)) & 3;
    return (low | high << 4) - 32;
}

/* A third bit for each q, run of 32 by run of 32; the lower two as in Q2_K; scales; f16 d: (d dq) (q - 4) */
static void decode_q3_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b + 108);
    for (unsigned s = 0; s < SUPER / 16; s++, out += 16) {
        const uint8_t *low = b + 32 + 32 * (s / 8) + 16 * (s % 2), *high = b + 16 * (s % 2);
        const unsigned shift = 2 * (s / 2 % 4), third = s / 2;
        const float ds = d * (float)scale_q3_k(b + 96, s);
        for (unsigned i = 0; i < 16; i++) {
            int q = (low[i] >> shift & 3) | (high[i] >> third & 1) << 2;
            out[i] = ds * (float)(q - 4);
        }
    }
}

/* Scale and minimum of a run of 32 in Q4_K and Q5_K: 6 bits each in 12 bytes. Those of the first four runs are the
 * lower six bits of bytes s and s + 4; those of the others lie in byte s + 4 and in the two bits that were left over.
 */
static void scales_k4(const uint8_t *packed, unsigned s, float d, float m, float *ds, float *ms)
{
    unsigned dq = packed[s] & 63, mq = packed[s + 4] & 63;
    if (s >= 4) {
        dq = (unsigned)((packed[s + 4] & 15) | packed[s - 4] >> 6 << 4);
        mq = (unsigned)(packed[s + 4] >> 4 | packed[s] >> 6 << 4);
    }
    *ds = d * (float)dq;
    *ms = m * (float)mq;
}

/* f16 d, m; scales; nibbles, two runs of 32 in 32 bytes: (d dq) q - m mq */
static void decode_q4_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b), m = get_f16(b + 2);
    for (unsigned s = 0; s < SUPER / 32; s++, out += 32) {
        const uint8_t *q = b + 16 + 32 * (s / 2);
        const unsigned shift = 4 * (s % 2);
        float ds, ms;
        scales_k4(b + 4, s, d, m, &ds, &ms);
        for (unsigned i = 0; i < 32; i++) out[i] = ds * (float)(q[i] >> shift & 15) - ms;
    }
}

/* The same with a fifth bit: bit s of byte i is that of element i of run s. */
static void decode_q5_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b), m = get_f16(b + 2);
    for (unsigned s = 0; s < SUPER / 32; s++, out += 32) {
        const uint8_t *low = b + 48 + 32 * (s / 2), *high = b + 16;
        const unsigned shift = 4 * (s % 2);
        float ds, ms;
        scales_k4(b + 4, s, d, m, &ds, &ms);
        for (unsigned i = 0; i < 32; i++) {
            int q = (low[i] >> shift & 15) | (high[i] >> s & 1) << 4;
            out[i] = ds * (float)q - ms;
        }
    }
}

/* Lower nibbles, upper pairs of bits, i8 scale of each run of 16, f16 d: (d dq) (q - 32). In each half of 128 elements,
 * runs of 32: 0 and 2 share the first 32 bytes of nibbles, 1 and 3 the next; all four share 32 bytes of pairs. */
static void decode_q6_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = get_f16(b + 208);
    for (unsigned s = 0; s < SUPER / 16; s++, out += 16) {
        const unsigned half = s / 8, run = s / 2 % 4, odd = 16 * (s % 2);
        const uint8_t *low = b + 64 * half + 32 * (run % 2) + odd, *high = b + 128 + 32 * half + odd;
        const unsigned low_shift = 4 * (run / 2), high_shift = 2 * run;
        const float ds = d * (float)(int8_t)b[192 + s];
        for (unsigned i = 0; i < 16; i++) {
            int q = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
            out[i] = ds * (float)(q - 32);
        }
    }
}

/* f32 d; i8 q[256]; sums that are of no use here: d q */
static void decode_q8_k(const uint8_t *restrict b, float *restrict out)
{
    float d;
    memcpy(&d, b, sizeof d);
    for (unsigned i = 0; i < SUPER; i++) out[i] = d * (float)(int8_t)b[4 + i];
}

/* f16 d; the upper pairs of the scales of eight runs of 32 in a u16; their lower nibbles; nibbles: (d dq) level(q) */
static void decode_iq4_xs(const uint8_t *b, float *out)
{
    const float d = get_f16(b);
    for (unsigned s = 0; s < SUPER / 32; s++) {
        int scale = (b[4 + s / 2] >> (4 * (s % 2)) & 15) | (get_u16(b + 2) >> (2 * s) & 3) << 4;
        scale_levels(b + 8 + 16 * s, uneven_levels, d * (float)(scale - 32), out + 32 * s);
    }
}

/* ------------------------------------------------------------------------------------------------------ the table */

/* Numbers: enum ggml_type of ggml/include/ggml.h. Those that are not decoded need tables of thousands of values, or are
 * made only in memory (Q8_1), or are too young to be found in a GPT-2. */
static const struct ingot_block blocks[] = {
    { "Q4_0", 2, SMALL, 18, decode_q4_0 },
    { "Q4_1", 3, SMALL, 20, decode_q4_1 },
    { "Q5_0", 6, SMALL, 22, decode_q5_0 },
    { "Q5_1", 7, SMALL, 24, decode_q5_1 },
    { "Q8_0", 8, SMALL, 34, decode_q8_0 },
    { "Q8_1", 9, SMALL, 36, NULL },
    { "Q2_K", 10, SUPER, 84, decode_q2_k },
    { "Q3_K", 11, SUPER, 110, decode_q3_k },
    { "Q4_K", 12, SUPER, 144, decode_q4_k },
    { "Q5_K", 13, SUPER, 176, decode_q5_k },
    { "Q6_K", 14, SUPER, 210, decode_q6_k },
    { "Q8_K", 15, SUPER, 292, decode_q8_k },
    { "IQ2_XXS", 16, SUPER, 66, NULL },
    { "IQ2_XS", 17, SUPER, 74, NULL },
    { "IQ3_XXS", 18, SUPER, 98, NULL },
    { "IQ1_S", 19, SUPER, 50, NULL },
    { "IQ4_NL", 20, SMALL, 18, decode_iq4_nl },
    { "IQ3_S", 21, SUPER, 110, NULL },
    { "IQ2_S", 22, SUPER, 82, NULL },
    { "IQ4_XS", 23, SUPER, 136, decode_iq4_xs },
    { "IQ1_M", 29, SUPER, 56, NULL },
    { "TQ1_0", 34, SUPER, 54, NULL },
    { "TQ2_0", 35, SUPER, 66, NULL },
    { "MXFP4", 39, SMALL, 17, decode_mxfp4 },
    { "NVFP4", 40, 64, 36, NULL },
    { "Q1_0", 41, 128, 18, NULL },
    { "Q2_0", 42, 64, 18, NULL },
};

const struct ingot_block *block_find(uint32_t gguf_type)
{
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i].gguf_type == gguf_type) return &blocks[i];
    return NULL;
}
