/* kernels.c - the ladder: every rung that was compiled in, best first, with the question whether it can run here. */
#include "runtime/kernels/kernels.h"

#include <string.h>

#include "format/simd/cpu.h"

#if defined(__x86_64__)
static bool can_amx(const struct cpu_features *cpu)
{
    return cpu->amx && cpu_request_amx();
}

static bool can_avx512vnni(const struct cpu_features *cpu)
{
    return cpu->avx512vnni;
}

static bool has_amxbf16(const struct cpu_features *cpu)
{
    return cpu->amxbf16;
}

static bool has_avx512bf16(const struct cpu_features *cpu)
{
    return cpu->avx512bf16;
}

static bool can_avx512(const struct cpu_features *cpu)
{
    return cpu->avx512;
}

static bool can_avxvnni(const struct cpu_features *cpu)
{
    return cpu->avxvnni;
}

static bool can_avx2(const struct cpu_features *cpu)
{
    return cpu->avx2;
}
#elif defined(__aarch64__)
static bool can_dotprod(const struct cpu_features *cpu)
{
    return cpu->dotprod;
}
#endif

static bool can_always(const struct cpu_features *cpu)
{
    (void)cpu;
    return true;
}

static const struct step {
    struct rung rung;
    bool (*can_run)(const struct cpu_features *cpu);
    bool (*can_run_fast)(const struct cpu_features *cpu); /* besides; where there is anything fast */
} ladder[] = {
#if defined(__x86_64__)
    { { "amx", "AVX-512 F, BW, VL, DQ and VNNI; AMX tiles and INT8", &kernels_avx512, &quant_amx, &fast_amx },
      can_amx,
      has_amxbf16 },
    { { "avx512vnni", "AVX-512 F, BW, VL, DQ and VNNI", &kernels_avx512, &quant_avx512, &fast_avx512bf16 },
      can_avx512vnni,
      has_avx512bf16 },
    { { "avx512", "AVX-512 F, BW, VL and DQ", &kernels_avx512, &quant_avx2, NULL }, can_avx512, NULL },
    { { "avxvnni", "AVX2, FMA, F16C and AVX-VNNI", &kernels_avx2, &quant_avxvnni, NULL }, can_avxvnni, NULL },
    { { "avx2", "AVX2, FMA and F16C", &kernels_avx2, &quant_avx2, NULL }, can_avx2, NULL },
#elif defined(__aarch64__)
    { { "neondot", "AArch64 with dot products of bytes", &kernels_neon, &quant_neondot, NULL }, can_dotprod, NULL },
    { { "neon", "AArch64", &kernels_neon, &quant_neon, NULL }, can_always, NULL },
#endif
    { { "scalar", "nothing: the definition", &kernels_scalar, &quant_scalar, NULL }, can_always, NULL },
};

enum { N_RUNGS = sizeof ladder / sizeof ladder[0] };

const struct rung *kernels_select(const char *name)
{
    const struct cpu_features cpu = cpu_detect();
    for (size_t i = 0; i < N_RUNGS; i++)
        if ((!name || strcmp(name, ladder[i].rung.name) == 0) && ladder[i].can_run(&cpu)) return &ladder[i].rung;
    return NULL;
}

const struct rung *kernels_rung(size_t i)
{
    return i < N_RUNGS ? &ladder[i].rung : NULL;
}

const struct fast_kernels *kernels_fast(const struct rung *rung)
{
    const struct cpu_features cpu = cpu_detect();
    for (size_t i = 0; i < N_RUNGS; i++)
        if (rung == &ladder[i].rung && rung->fast && ladder[i].can_run(&cpu) && ladder[i].can_run_fast(&cpu))
            return rung->fast;
    return NULL;
}
