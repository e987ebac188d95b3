/* kernels.c - the ladder: every table that was compiled in, best first, with the question whether it can run here. */
#include "runtime/kernels/kernels.h"

#include <string.h>

#include "format/simd/cpu.h"

static bool can_always(const struct cpu_features *cpu)
{
    (void)cpu;
    return true;
}

static const struct rung {
    const struct kernels *kernels;
    bool (*can_run)(const struct cpu_features *cpu);
} ladder[] = {
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
