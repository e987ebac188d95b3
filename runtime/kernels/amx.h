/*
 * amx.h - the tile instructions, for the files that have AMX in their name and for peak.c. Tiles are named by numbers,
 * which must be constants: they are part of the instruction.
 *
 * Statements of our own instead of the compilers' intrinsics: gcc 12's tell the compiler of none of the memory that a
 * tile is loaded from, and of 8 of the 64 bytes of a configuration, so it may drop the stores of what is to be loaded.
 */
#ifndef INGOT_AMX_H
#define INGOT_AMX_H

#include <stdint.h>

/* What each tile is: rows x row_bytes, at most 16 x 64. As LDTILECFG reads it. */
struct amx_config {
    uint8_t palette; /* 1: eight tiles of a KiB */
    uint8_t start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16]; /* of the first eight */
    uint8_t rows[16];
};

_Static_assert(sizeof(struct amx_config) == 64, "LDTILECFG reads 64 bytes");

#define AMX_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const struct amx_config *)(config)))

/* Without it, every later context switch of the thread would save eight KiB. */
#define AMX_RELEASE() __asm__ volatile("tilerelease")

#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile:)

/* Rows from and to memory, `stride` bytes apart. */
#define AMX_LOAD(tile, from, stride)                                                                                   \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"((int64_t)(stride)) : "memory")
#define AMX_STORE(tile, to, stride)                                                                                    \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((int64_t)(stride)) : "memory")

/* sums[m][n] += the sum over k of a[m][4 k .. 4 k + 3] * b[k][4 n .. 4 n + 3], signed bytes into 32 bits. */
#define AMX_DOT_S8(sums, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #sums:)

/* sums[m][n] += the sum over k of a[m][2 k] * b[k][2 n] + a[m][2 k + 1] * b[k][2 n + 1], of bf16 into floats. */
#define AMX_DOT_BF16(sums, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sums:)

#endif
