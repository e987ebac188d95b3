/* cpu.h - what this CPU can do *and* this operating system lets it do. */
#ifndef INGOT_CPU_H
#define INGOT_CPU_H

#include <stdbool.h>

struct cpu_features {
    bool sse42;      /* hardware CRC32C */
    bool clmul;      /* PCLMULQDQ */
    bool avx2;       /* with FMA and F16C, and ymm state saved by the system */
    bool avx512;     /* F, BW, VL, DQ, and zmm and mask state saved by the system */
    bool avxvnni;    /* AVX2 with VPDPBUSD, on ymm */
    bool avx512vnni; /* AVX-512 with VPDPBUSD, on zmm */
    bool amx;        /* tiles, and their products of bytes; besides avx512vnni */
    bool avx512bf16; /* avx512vnni with VDPBF16PS and conversions to bf16 */
    bool amxbf16;    /* amx with products of bf16; besides avx512bf16 */
    bool dotprod;    /* AArch64: dot products of bytes, FEAT_DotProd */
};

/* A constant of the machine: on x86 the first call asks CPUID and XGETBV, later ones remember. Thread-safe. */
struct cpu_features cpu_detect(void);

/* The same once somebody has asked; until then nothing at all, without asking. */
struct cpu_features cpu_remembered(void);

/* Where there is AMX, it must be asked for before the first use, once in a process; asking again is harmless. False
 * where the system refuses. */
bool cpu_request_amx(void);

#endif
