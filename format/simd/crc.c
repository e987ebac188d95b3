/* crc.c - the definition of both checksums, the table that does eight bytes a step, the choice, and the join.
 *
 * Bit i of a reflected register is the coefficient of x^(31-i), so that multiplying by x is a shift to the right. The
 * table is made for the call: that takes as long as 4 KB of it do, and leaves neither 16 KB of constants nor state. */
#include "format/simd/crc.h"

#include "format/bytes.h"
#include "format/simd/cpu.h"

#include <stdbool.h>

#define ONES             UINT32_C(0xFFFFFFFF)
#define X_TO_THE_0       UINT32_C(0x80000000)
#define WORTH_A_TABLE    1024u
#define WORTH_A_QUESTION 64u /* fewer bytes are not folded */

static const uint32_t polynomials[] = { [CRC_32] = UINT32_C(0xEDB88320), [CRC_32C] = UINT32_C(0x82F63B78) };

static uint32_t times_x(uint32_t a, uint32_t polynomial)
{
    return a >> 1 ^ (polynomial & (0 - (a & 1)));
}

uint32_t crc_advance_bits(enum crc_polynomial polynomial, uint32_t state, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        state ^= p[i];
        for (int bit = 0; bit < 8; bit++) state = times_x(state, polynomials[polynomial]);
    }
    return state;
}

/* table[k][b] is what byte b becomes with k zero bytes behind it. */
static void make_table(uint32_t polynomial, uint32_t table[8][256])
{
    table[0][0] = 0;
    for (uint32_t bit = 128, v = polynomial; bit > 0; bit >>= 1, v = times_x(v, polynomial))
        for (uint32_t b = 0; b < 256; b += 2 * bit) table[0][b + bit] = table[0][b] ^ v;
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++) table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xFF];
}

uint32_t crc_advance_table(enum crc_polynomial polynomial, uint32_t state, const void *bytes, size_t n)
{
    if (n < WORTH_A_TABLE) return crc_advance_bits(polynomial, state, bytes, n);
    uint32_t table[8][256];
    make_table(polynomials[polynomial], table);
    const uint8_t *p = bytes;
    for (; n >= 8; n -= 8, p += 8) {
        const uint32_t a = get_u32(p) ^ state, b = get_u32(p + 4);
        state = table[7][a & 0xFF] ^ table[6][a >> 8 & 0xFF] ^ table[5][a >> 16 & 0xFF] ^ table[4][a >> 24] ^
                table[3][b & 0xFF] ^ table[2][b >> 8 & 0xFF] ^ table[1][b >> 16 & 0xFF] ^ table[0][b >> 24];
    }
    return crc_advance_bits(polynomial, state, p, n);
}

static crc_advance_fn *choose(size_t n)
{
#if defined(__x86_64__)
    if (n >= WORTH_A_QUESTION && cpu_detect().clmul) return crc_advance_clmul;
#endif
    return n >= WORTH_A_TABLE ? crc_advance_table : crc_advance_bits;
}

uint32_t crc_of(enum crc_polynomial polynomial, const void *bytes, size_t n)
{
    return ~choose(n)(polynomial, ONES, bytes, n);
}

uint32_t crc_by_definition(enum crc_polynomial polynomial, const void *bytes, size_t n)
{
    return ~crc_advance_bits(polynomial, ONES, bytes, n);
}

/* a times b modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b, uint32_t polynomial)
{
    uint32_t product = 0;
    for (; a; a <<= 1, b = times_x(b, polynomial))
        if (a & X_TO_THE_0) product ^= b;
    return product;
}

/* n zero bytes behind A multiply it by x^8n; the ones of initial value and final xor cancel out. */
uint32_t crc_join(enum crc_polynomial polynomial, uint32_t of_a, uint32_t of_b, uint64_t b_bytes)
{
    const uint32_t p = polynomials[polynomial];
    uint32_t power = X_TO_THE_0 >> 8; /* x^8, x^16, x^32, ... */
    for (; b_bytes > 0; b_bytes >>= 1, power = multiply(power, power, p))
        if (b_bytes & 1) of_a = multiply(of_a, power, p);
    return of_a ^ of_b;
}
