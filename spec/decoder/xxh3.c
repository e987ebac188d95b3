/* xxh3.c - XXH3 written down from the description of the algorithm, for reading rather than for speed.
 *
 * One idea runs through all lengths: 16 input bytes are xored with 16 bytes of a fixed secret and the two halves are
 * multiplied to 128 bits, whose halves are folded. Lengths up to 16, 128 and 240 are special cases that read every byte
 * once or twice; from 241 on eight lanes are fed 64 bytes at a time and scrambled after each block of 1024. */
#include "spec/decoder/xxh3.h"

#define SECRET_BYTES 192u
#define STRIPE       64u   /* one 64-bit word for each lane */
#define BLOCK        1024u /* 16 stripes, each with the secret moved on by 8 bytes */
#define LANES        8u

static const uint64_t P32_1 = 0x9E3779B1, P32_2 = 0x85EBCA77, P32_3 = 0xC2B2AE3D;
static const uint64_t P64_1 = 0x9E3779B185EBCA87, P64_2 = 0xC2B2AE3D27D4EB4F, P64_3 = 0x165667B19E3779F9;
static const uint64_t P64_4 = 0x85EBCA77C2B2AE63, P64_5 = 0x27D4EB2F165667C5;
static const uint64_t MIX_1 = 0x165667919E3779F9, MIX_2 = 0x9FB21C651E98DF25;

static const uint8_t secret[SECRET_BYTES] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

/* ---------------------------------------------------------------------------------------------------- small pieces */

static uint64_t read32(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t read64(const uint8_t *p)
{
    return read32(p) | read32(p + 4) << 32;
}

static uint64_t rotl64(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t swap32(uint64_t x)
{
    return (x & 0xff) << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | (x >> 24 & 0xff);
}

static uint64_t swap64(uint64_t x)
{
    return swap32(x & 0xffffffff) << 32 | swap32(x >> 32);
}

/* The full product, from four products of halves. */
static struct xxh3_128 multiply(uint64_t a, uint64_t b)
{
    uint64_t al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
    uint64_t ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
    uint64_t middle = (ll >> 32) + (lh & 0xffffffff) + hl;
    return (struct xxh3_128){ middle << 32 | (ll & 0xffffffff), hh + (middle >> 32) + (lh >> 32) };
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    struct xxh3_128 product = multiply(a, b);
    return product.lo ^ product.hi;
}

static uint64_t avalanche(uint64_t h)
{
    h = (h ^ h >> 37) * MIX_1;
    return h ^ h >> 32;
}

/* The older mixer, that of XXH64; the shortest inputs use it. */
static uint64_t avalanche_old(uint64_t h)
{
    h = (h ^ h >> 33) * P64_2;
    h = (h ^ h >> 29) * P64_3;
    return h ^ h >> 32;
}

static uint64_t mix16(const uint8_t *p, const uint8_t *s)
{
    return fold(read64(p) ^ read64(s), read64(p + 8) ^ read64(s + 8));
}

/* First, middle and last byte and the length of 1 to 3 bytes in one word. */
static uint64_t gather_1to3(const uint8_t *p, size_t n)
{
    return (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 24 | p[n - 1] | (uint64_t)n << 8;
}

/* --------------------------------------------------------------------------------------- more than 240 bytes: lanes */

static void accumulate(uint64_t acc[LANES], const uint8_t *p, const uint8_t *s)
{
    for (size_t i = 0; i < LANES; i++) {
        uint64_t word = read64(p + 8 * i), key = word ^ read64(s + 8 * i);
        acc[i ^ 1] += word;
        acc[i] += (key & 0xffffffff) * (key >> 32);
    }
}

static void scramble(uint64_t acc[LANES])
{
    const uint8_t *s = secret + SECRET_BYTES - STRIPE;
    for (size_t i = 0; i < LANES; i++) acc[i] = (acc[i] ^ acc[i] >> 47 ^ read64(s + 8 * i)) * P32_1;
}

static void run_lanes(uint64_t acc[LANES], const uint8_t *p, size_t n)
{
    size_t n_blocks = (n - 1) / BLOCK, last = n_blocks * BLOCK;
    for (size_t block = 0; block < n_blocks; block++) {
        for (size_t i = 0; i < BLOCK / STRIPE; i++) accumulate(acc, p + block * BLOCK + i * STRIPE, secret + 8 * i);
        scramble(acc);
    }
    for (size_t i = 0; i < (n - 1 - last) / STRIPE; i++) accumulate(acc, p + last + i * STRIPE, secret + 8 * i);
    accumulate(acc, p + n - STRIPE, secret + SECRET_BYTES - STRIPE - 7);
}

static void init_lanes(uint64_t acc[LANES])
{
    const uint64_t start[LANES] = { P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1 };
    for (size_t i = 0; i < LANES; i++) acc[i] = start[i];
}

static uint64_t merge_lanes(const uint64_t acc[LANES], const uint8_t *s, uint64_t start)
{
    for (size_t i = 0; i < LANES; i += 2) start += fold(acc[i] ^ read64(s + 8 * i), acc[i + 1] ^ read64(s + 8 * i + 8));
    return avalanche(start);
}

/* --------------------------------------------------------------------------------------------------------- 64 bits */

static uint64_t short_64(const uint8_t *p, size_t n)
{
    const uint8_t *s = secret;
    if (n == 0) return avalanche_old(read64(s + 56) ^ read64(s + 64));
    if (n <= 3) return avalanche_old(gather_1to3(p, n) ^ read32(s) ^ read32(s + 4));
    if (n <= 8) {
        uint64_t h = (read32(p + n - 4) + (read32(p) << 32)) ^ read64(s + 8) ^ read64(s + 16);
        h = (h ^ rotl64(h, 49) ^ rotl64(h, 24)) * MIX_2;
        h = (h ^ ((h >> 35) + n)) * MIX_2;
        return h ^ h >> 28;
    }
    uint64_t lo = read64(p) ^ read64(s + 24) ^ read64(s + 32);
    uint64_t hi = read64(p + n - 8) ^ read64(s + 40) ^ read64(s + 48);
    return avalanche(n + swap64(lo) + hi + fold(lo, hi));
}

/* Pairs of 16 bytes from both ends towards the middle. */
static uint64_t medium_64(const uint8_t *p, size_t n)
{
    uint64_t h = n * P64_1;
    for (size_t i = 0; i <= (n - 1) / 32; i++)
        h += mix16(p + 16 * i, secret + 32 * i) + mix16(p + n - 16 * (i + 1), secret + 32 * i + 16);
    return avalanche(h);
}

static uint64_t upper_64(const uint8_t *p, size_t n)
{
    uint64_t h = n * P64_1, tail = mix16(p + n - 16, secret + 119);
    for (size_t i = 0; i < 8; i++) h += mix16(p + 16 * i, secret + 16 * i);
    for (size_t i = 8; i < n / 16; i++) tail += mix16(p + 16 * i, secret + 16 * (i - 8) + 3);
    return avalanche(avalanche(h) + tail);
}

uint64_t xxh3_64(const void *bytes, size_t n)
{
    if (n <= 16) return short_64(bytes, n);
    if (n <= 128) return medium_64(bytes, n);
    if (n <= 240) return upper_64(bytes, n);
    uint64_t acc[LANES];
    init_lanes(acc);
    run_lanes(acc, bytes, n);
    return merge_lanes(acc, secret + 11, n * P64_1);
}

/* -------------------------------------------------------------------------------------------------------- 128 bits */

static struct xxh3_128 short_4to8(const uint8_t *p, size_t n)
{
    uint64_t key = (read32(p) + (read32(p + n - 4) << 32)) ^ read64(secret + 16) ^ read64(secret + 24);
    struct xxh3_128 h = multiply(key, P64_1 + (n << 2));
    h.hi += h.lo << 1;
    h.lo ^= h.hi >> 3;
    h.lo = (h.lo ^ h.lo >> 35) * MIX_2;
    h.lo ^= h.lo >> 28;
    h.hi = avalanche(h.hi);
    return h;
}

static struct xxh3_128 short_9to16(const uint8_t *p, size_t n)
{
    uint64_t lo = read64(p), hi = read64(p + n - 8);
    struct xxh3_128 m = multiply(lo ^ hi ^ read64(secret + 32) ^ read64(secret + 40), P64_1);
    m.lo += (uint64_t)(n - 1) << 54;
    hi ^= read64(secret + 48) ^ read64(secret + 56);
    m.hi += hi + (hi & 0xffffffff) * (P32_2 - 1);
    m.lo ^= swap64(m.hi);
    struct xxh3_128 h = multiply(m.lo, P64_2);
    h.hi += m.hi * P64_2;
    return (struct xxh3_128){ avalanche(h.lo), avalanche(h.hi) };
}

static struct xxh3_128 short_128(const uint8_t *p, size_t n)
{
    const uint8_t *s = secret;
    if (n == 0)
        return (struct xxh3_128){ avalanche_old(read64(s + 64) ^ read64(s + 72)),
                                  avalanche_old(read64(s + 80) ^ read64(s + 88)) };
    if (n > 8) return short_9to16(p, n);
    if (n > 3) return short_4to8(p, n);
    uint64_t lo = gather_1to3(p, n), swapped = swap32(lo), hi = (swapped << 13 | swapped >> 19) & 0xffffffff;
    return (struct xxh3_128){ avalanche_old(lo ^ read32(s) ^ read32(s + 4)),
                              avalanche_old(hi ^ read32(s + 8) ^ read32(s + 12)) };
}

static void mix32(struct xxh3_128 *h, const uint8_t *a, const uint8_t *b, const uint8_t *s)
{
    h->lo = (h->lo + mix16(a, s)) ^ (read64(b) + read64(b + 8));
    h->hi = (h->hi + mix16(b, s + 16)) ^ (read64(a) + read64(a + 8));
}

static struct xxh3_128 finish_128(struct xxh3_128 h, size_t n)
{
    uint64_t hi = h.lo * P64_1 + h.hi * P64_4 + n * P64_2;
    return (struct xxh3_128){ avalanche(h.lo + h.hi), 0 - avalanche(hi) };
}

/* From the middle outwards: here the order matters. */
static struct xxh3_128 medium_128(const uint8_t *p, size_t n)
{
    struct xxh3_128 h = { n * P64_1, 0 };
    for (size_t i = (n - 1) / 32 + 1; i-- > 0;) mix32(&h, p + 16 * i, p + n - 16 * (i + 1), secret + 32 * i);
    return finish_128(h, n);
}

static struct xxh3_128 upper_128(const uint8_t *p, size_t n)
{
    struct xxh3_128 h = { n * P64_1, 0 };
    for (size_t at = 0; at < 128; at += 32) mix32(&h, p + at, p + at + 16, secret + at);
    h = (struct xxh3_128){ avalanche(h.lo), avalanche(h.hi) };
    for (size_t at = 128; at + 32 <= n; at += 32) mix32(&h, p + at, p + at + 16, secret + 3 + (at - 128));
    mix32(&h, p + n - 16, p + n - 32, secret + 103);
    return finish_128(h, n);
}

struct xxh3_128 xxh3_128(const void *bytes, size_t n)
{
    if (n <= 16) return short_128(bytes, n);
    if (n <= 128) return medium_128(bytes, n);
    if (n <= 240) return upper_128(bytes, n);
    uint64_t acc[LANES];
    init_lanes(acc);
    run_lanes(acc, bytes, n);
    return (struct xxh3_128){ merge_lanes(acc, secret + 11, n * P64_1),
                              merge_lanes(acc, secret + SECRET_BYTES - STRIPE - 11, ~(n * P64_2)) };
}
