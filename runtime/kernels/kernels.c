/* kernels.c - the ladder: every rung that was compiled in, best first, with the question whether it can run here. */
#include "runtime/kernels/kernels.h"

#include <string.h>

#include "format/simd/cpu.h"

#if defined(__x86_64__)
static bool can_avx512(const struct cpu_features *cpu)
{
    return cpu->avx512;
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
} ladder[] = {
#if defined(__x86_64__)
    { { "avx512", &kernels_avx512, &quant_avx2 }, can_avx512 },
    { { "avx2", &kernels_avx2, &quant_avx2 }, can_avx2 },
#elif defined(__aarch64__)
    { { "neondot", &kernels_neon, &quant_neondot }, can_dotprod },
    { { "neon", &kernels_neon, &quant_neon }, can_always },
#endif
    { { "scalar", &kernels_scalar, &quant_scalar }, can_always },
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
