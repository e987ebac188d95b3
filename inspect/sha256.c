/* sha256.c - as FIPS 180-4 defines it (sections 4.1.2, 5.1.1 and 6.2), block by block, without tricks: it is asked for
 * where trust counts, not speed, and by one command: a library would be mapped at the start of them all. */
#include "inspect/sha256.h"

#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES  64u
#define LENGTH_BYTES 8u
#define STEP_BLOCKS  65536u /* 4 MiB */
#define N_ROUNDS     64u

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constants[N_ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first 8. */
static const uint32_t initial_state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t get_big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The message schedule W. */
static void expand(const uint8_t *block, uint32_t w[N_ROUNDS])
{
    for (unsigned t = 0; t < 16; t++) w[t] = get_big_endian(block + (size_t)4 * t);
    for (unsigned t = 16; t < N_ROUNDS; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];
        w[t] =
            (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + w[t - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 16];
    }
}

/* s holds a to h; each round moves them by one place. */
static void add_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[N_ROUNDS], s[8];
    expand(block, w);
    memcpy(s, state, sizeof s);
    for (unsigned t = 0; t < N_ROUNDS; t++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t t1 = s[7] + sum1 + choice + round_constants[t] + w[t];
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + sum0 + majority;
    }
    for (unsigned i = 0; i < 8; i++) state[i] += s[i];
}

/* The bytes behind the last whole block, a bit 1, zeros, and the length of all in bits: one block or two. */
static void add_end(uint32_t state[8], const uint8_t *rest, uint64_t n)
{
    uint8_t last[2 * BLOCK_BYTES] = { 0 };
    size_t n_rest = n % BLOCK_BYTES;
    size_t n_last = n_rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    if (n_rest > 0) memcpy(last, rest, n_rest);
    last[n_rest] = 0x80;
    for (unsigned i = 0; i < LENGTH_BYTES; i++) last[n_last - 1 - i] = (uint8_t)(n << 3 >> 8 * i);
    for (size_t i = 0; i < n_last; i += BLOCK_BYTES) add_block(state, last + i);
}

bool sha256_in_steps(const void *bytes, uint64_t n, bool (*step)(void *ctx, uint64_t bytes), void *ctx,
                     struct sha256 *out)
{
    const uint8_t *p = bytes;
    uint32_t state[8];
    memcpy(state, initial_state, sizeof state);
    for (uint64_t left = n / BLOCK_BYTES; left > 0;) {
        uint64_t n_blocks = left < STEP_BLOCKS ? left : STEP_BLOCKS;
        for (uint64_t i = 0; i < n_blocks; i++, p += BLOCK_BYTES) add_block(state, p);
        if (step && !step(ctx, n_blocks * BLOCK_BYTES)) return false;
        left -= n_blocks;
    }
    if (step && !step(ctx, n % BLOCK_BYTES)) return false;
    add_end(state, p, n);
    for (unsigned i = 0; i < SHA256_BYTES; i++) out->bytes[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    return true;
}

void sha256_text(const struct sha256 *digest, char out[2 * SHA256_BYTES + 1])
{
    for (unsigned i = 0; i < SHA256_BYTES; i++) snprintf(out + (size_t)2 * i, 3, "%02x", digest->bytes[i]);
}
