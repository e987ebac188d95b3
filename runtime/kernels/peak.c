/* peak.c - the assembly keeps the compiler from seeing that nothing is computed. */
#include "runtime/kernels/peak.h"

#include <string.h>

enum { CHAINS = 12 }; /* more than latency times throughput of any unit here, and within 16 registers */

typedef void loop_fn(uint64_t n);

/* What a rung can do in one turn of a loop; { NULL, 0 } where it has no such instructions. */
struct unit {
    loop_fn *loop;
    double operations;
};

struct units {
    const char *rung;
    struct unit fma, integer, fast;
};

#if defined(__x86_64__)

#include "runtime/kernels/amx.h"

#define CLOBBERS                                                                                                       \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"
#define EVERY_CHAIN(one) one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)
#define DEFINE_LOOP(name, turn)                                                                                        \
    static void name(uint64_t n)                                                                                       \
    {                                                                                                                  \
        __asm__ volatile("vzeroall" ::: CLOBBERS);                                                                     \
        for (; n > 0; n--) __asm__ volatile(turn::: CLOBBERS);                                                         \
        __asm__ volatile("vzeroupper" ::: "memory");                                                                   \
    }

#define FMA_YMM(r) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #r "\n\t"
#define FMA_ZMM(r) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #r "\n\t"
DEFINE_LOOP(fma_ymm, EVERY_CHAIN(FMA_YMM))
DEFINE_LOOP(fma_zmm, EVERY_CHAIN(FMA_ZMM))

/* Bytes to pairs in 16 bits, pairs to 32 bits, sum; 4 sums. */
#define PAIRS(t, sum)                                                                                                  \
    "vpmaddubsw %%ymm12, %%ymm13, %%ymm" #t "\n\t"                                                                     \
    "vpmaddwd %%ymm12, %%ymm" #t ", %%ymm" #t "\n\t"                                                                   \
    "vpaddd %%ymm" #t ", %%ymm" #sum ", %%ymm" #sum "\n\t"
#define ALL_PAIRS PAIRS(4, 0) PAIRS(5, 1) PAIRS(6, 2) PAIRS(7, 3)
DEFINE_LOOP(pairs_ymm, ALL_PAIRS)

#define DOT_YMM(r) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" #r "\n\t"
#define DOT_ZMM(r) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #r "\n\t"
DEFINE_LOOP(dot_ymm, EVERY_CHAIN(DOT_YMM))
DEFINE_LOOP(dot_zmm, EVERY_CHAIN(DOT_ZMM))

#define DOT_BF16(r) "vdpbf16ps %%zmm12, %%zmm13, %%zmm" #r "\n\t"
DEFINE_LOOP(dot_bf16_zmm, EVERY_CHAIN(DOT_BF16))

/* Four tiles of 16 x 16 sums, each of 64 products of bytes or 32 of bf16. */
enum { TILE_ROWS = 16, TILE_BYTES = 64 };

static const struct amx_config tiles = {
    .palette = 1,
    .row_bytes = { TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES },
    .rows = { TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS },
};

#define DEFINE_TILE_LOOP(name, dot)                                                                                    \
    static void name(uint64_t n)                                                                                       \
    {                                                                                                                  \
        AMX_CONFIGURE(&tiles);                                                                                         \
        for (; n > 0; n--) {                                                                                           \
            dot(0, 4, 6);                                                                                              \
            dot(1, 4, 7);                                                                                              \
            dot(2, 5, 6);                                                                                              \
            dot(3, 5, 7);                                                                                              \
        }                                                                                                              \
        AMX_RELEASE();                                                                                                 \
    }
DEFINE_TILE_LOOP(dot_tiles, AMX_DOT_S8)
DEFINE_TILE_LOOP(dot_bf16_tiles, AMX_DOT_BF16)

#define PRODUCTS(per_instruction, n_instructions) (2.0 * ((per_instruction) * (n_instructions)))
#define OF_TILES                                  PRODUCTS(TILE_ROWS *TILE_ROWS *TILE_BYTES, 4)
#define OF_BF16_TILES                             (OF_TILES / 2)

static const struct units units[] = {
    { "avx2", { fma_ymm, PRODUCTS(8, CHAINS) }, { pairs_ymm, PRODUCTS(32, 4) }, { NULL, 0 } },
    { "avxvnni", { fma_ymm, PRODUCTS(8, CHAINS) }, { dot_ymm, PRODUCTS(32, CHAINS) }, { NULL, 0 } },
    { "avx512", { fma_zmm, PRODUCTS(16, CHAINS) }, { pairs_ymm, PRODUCTS(32, 4) }, { NULL, 0 } },
    { "avx512vnni",
      { fma_zmm, PRODUCTS(16, CHAINS) },
      { dot_zmm, PRODUCTS(64, CHAINS) },
      { dot_bf16_zmm, PRODUCTS(32, CHAINS) } },
    { "amx", { fma_zmm, PRODUCTS(16, CHAINS) }, { dot_tiles, OF_TILES }, { dot_bf16_tiles, OF_BF16_TILES } },
};

#elif defined(__aarch64__)

#define CLOBBERS         "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13"
#define EVERY_CHAIN(one) one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)
#define ZERO(r)          "movi v" #r ".4s, #0\n\t"
#define DEFINE_LOOP(name, turn)                                                                                        \
    static void name(uint64_t n)                                                                                       \
    {                                                                                                                  \
        __asm__ volatile(EVERY_CHAIN(ZERO) ZERO(12) ZERO(13)::: CLOBBERS);                                             \
        for (; n > 0; n--) __asm__ volatile(turn::: CLOBBERS);                                                         \
    }

#define FMA(r)        "fmla v" #r ".4s, v12.4s, v13.4s\n\t"
DEFINE_LOOP(fma_v, EVERY_CHAIN(FMA))

/* Bytes to 16 bits, pairs of these added to 32 bits. */
#define PAIRS(t, sum) "smull v" #t ".8h, v12.8b, v13.8b\n\tsadalp v" #sum ".4s, v" #t ".8h\n\t"
#define ALL_PAIRS     PAIRS(4, 0) PAIRS(5, 1) PAIRS(6, 2) PAIRS(7, 3)
DEFINE_LOOP(pairs_v, ALL_PAIRS)

#define DOT(r) "sdot v" #r ".4s, v12.16b, v13.16b\n\t"
DEFINE_LOOP(dot_v, ".arch armv8.2-a+dotprod\n\t" EVERY_CHAIN(DOT))

#define PRODUCTS(per_instruction, n_instructions) (2.0 * ((per_instruction) * (n_instructions)))

static const struct units units[] = {
    { "neon", { fma_v, PRODUCTS(4, CHAINS) }, { pairs_v, PRODUCTS(8, 4) }, { NULL, 0 } },
    { "neondot", { fma_v, PRODUCTS(4, CHAINS) }, { dot_v, PRODUCTS(16, CHAINS) }, { NULL, 0 } },
};

#else

static const struct units units[] = { { .rung = "" } };

#endif

static const struct units *units_of(const struct rung *rung)
{
    static const struct units none = { .rung = "" };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].rung, rung->name) == 0) return &units[i];
    return &none;
}

static double run(const struct unit *unit, uint64_t n)
{
    if (!unit->loop) return 0;
    unit->loop(n);
    return unit->operations * (double)n;
}

double peak_fma(const struct rung *rung, uint64_t n)
{
    return run(&units_of(rung)->fma, n);
}

double peak_integer(const struct rung *rung, uint64_t n)
{
    return run(&units_of(rung)->integer, n);
}

double peak_fast(const struct rung *rung, uint64_t n)
{
    return run(&units_of(rung)->fast, n);
}

typedef uint64_t line_part __attribute__((vector_size(16)));

/* In pieces of 4 streams; while it reads a piece it prefetches the next. */
uint64_t peak_read(const void *bytes, size_t n)
{
    enum { STREAMS = 4, STREAM_BYTES = 24576, PIECE_BYTES = STREAMS * STREAM_BYTES };
    const uint8_t *piece = bytes;
    line_part sum[STREAMS] = { { 0 } };
    for (; n >= PIECE_BYTES; n -= PIECE_BYTES, piece += PIECE_BYTES)
        for (size_t i = 0; i < STREAM_BYTES; i += 64)
            for (size_t stream = 0; stream < STREAMS; stream++) {
                const line_part *line = (const line_part *)(const void *)(piece + stream * STREAM_BYTES + i);
                __builtin_prefetch((const void *)((uintptr_t)line + PIECE_BYTES), 0, 2);
                sum[stream] ^= line[0] ^ line[1] ^ line[2] ^ line[3];
            }
    for (; n >= 64; n -= 64, piece += 64) {
        const line_part *line = (const line_part *)(const void *)piece;
        sum[0] ^= line[0] ^ line[1] ^ line[2] ^ line[3];
    }
    return sum[0][0] ^ sum[1][1] ^ sum[2][0] ^ sum[3][1];
}
