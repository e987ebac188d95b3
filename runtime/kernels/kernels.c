/* kernels.c - the ladder: every table that was compiled in, best first, with the question whether it can run here. */
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
#endif

static bool can_always(const struct cpu_features *cpu)
{
    (void)cpu;
    return true;
}

static const struct rung {
    const struct kernels *kernels;
    bool (*can_run)(const struct cpu_features *cpu);
} ladder[] = {
#if defined(__x86_64__)
    { &kernels_avx512, can_avx512 },
    { &kernels_avx2, can_avx2 },
#elif defined(__aarch64__)
    { &kernels_neon, can_always },
#endif
    { &kernels_scalar, can_always },
};

const struct kernels *kernels_select(const char *name)
{
    const struct cpu_features cpu = cpu_detect();
    for (size_t i = 0; i < sizeof ladder / sizeof ladder[0]; i++) {
        const struct rung *rung = &ladder[i];
        if ((!name || strcmp(name, rung->kernels->name) == 0) && rung->can_run(&cpu)) return rung->kernels;
    }
    return NULL;
}
