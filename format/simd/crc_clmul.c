/* crc_clmul.c - both checksums by carry-less multiplication, 64 bytes a step.
 *
 * After V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. Four
 * registers of 128 bits each run 512 bits ahead of themselves: what a register holds is congruent, modulo the
 * polynomial, to something shorter that can be added where it would arrive. Then the four become one, and its sixteen
 * bytes are the message that is left.
 *
 * Derivation of the constants. A register of reflected bits is L x^64 + H, L its low quadword. To move it D bits ahead
 * is to form L x^(D+64) + H x^D. Reflected, the product of two quadwords of degree 63 has 127 bits, so that in a
 * register of 128 it reads as multiplied by x; hence the factors x^(D+63) and x^(D-1) modulo the polynomial, each
 * reflected into 32 bits, in the upper half of a quadword. */
#if defined(__x86_64__)

#include "format/simd/crc.h"

#include <immintrin.h>

#define STEP_BYTES 64u
#define REG_BYTES  16u

struct factors {
    uint32_t h512, l512; /* x^511, x^575 */
    uint32_t h128, l128; /* x^127, x^191 */
};

static const struct factors factors[] = {
    [CRC_32] = { 0xCAD38E8F, 0x653D9822, 0x9BA54C6F, 0x65673B46 },
    [CRC_32C] = { 0x75BBA45B, 0x1C19243B, 0x3171D430, 0x3743F7BD },
};

static __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static __m128i both(uint32_t h, uint32_t l)
{
    return _mm_set_epi32((int)h, 0, (int)l, 0);
}

/* `reg` moved ahead, onto `at`. The low quadword of `by` is for L. */
static __m128i fold(__m128i reg, __m128i by, __m128i at)
{
    return _mm_xor_si128(at, _mm_xor_si128(_mm_clmulepi64_si128(reg, by, 0x00), _mm_clmulepi64_si128(reg, by, 0x11)));
}

/* n is at least STEP_BYTES; *rest is what was not folded, fewer than REG_BYTES. */
static __m128i fold_all(const struct factors *f, uint32_t state, const uint8_t *p, size_t n, size_t *rest)
{
    __m128i r0 = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)state));
    __m128i r1 = load(p + 16), r2 = load(p + 32), r3 = load(p + 48);
    __m128i by = both(f->h512, f->l512);
    for (p += STEP_BYTES, n -= STEP_BYTES; n >= STEP_BYTES; p += STEP_BYTES, n -= STEP_BYTES) {
        r0 = fold(r0, by, load(p));
        r1 = fold(r1, by, load(p + 16));
        r2 = fold(r2, by, load(p + 32));
        r3 = fold(r3, by, load(p + 48));
    }
    by = both(f->h128, f->l128);
    r3 = fold(fold(fold(r0, by, r1), by, r2), by, r3);
    for (; n >= REG_BYTES; p += REG_BYTES, n -= REG_BYTES) r3 = fold(r3, by, load(p));
    *rest = n;
    return r3;
}

static uint32_t advance(enum crc_polynomial polynomial, uint32_t state, const void *bytes, size_t n)
{
    if (n < STEP_BYTES) return crc_advance_bits(polynomial, state, bytes, n);
    uint8_t last[REG_BYTES];
    size_t rest;
    _mm_storeu_si128((__m128i *)(void *)last, fold_all(&factors[polynomial], state, bytes, n, &rest));
    state = crc_advance_bits(polynomial, 0, last, sizeof last);
    return crc_advance_bits(polynomial, state, (const uint8_t *)bytes + n - rest, rest);
}

crc_advance_fn *const crc_advance_clmul = advance;

#else
typedef int crc_clmul_is_empty; /* ISO C wants a declaration in every file */
#endif
