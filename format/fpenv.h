/*
 * fpenv.h - the promises of arithmetic and of casts hold only in the IEEE default environment: nearest even, subnormals
 * kept.
 *
 * A caller may run with another rounding mode or with flush-to-zero. Every entry point that computes, and every worker
 * thread, brackets its work with these two; the caller's environment, exception flags included, comes back unchanged.
 */
#ifndef INGOT_FPENV_H
#define INGOT_FPENV_H

#include <fenv.h>

/* Saves the environment and installs the default one: FE_DFL_ENV, which on x86 also clears FTZ and DAZ. */
static inline void fpenv_enter(fenv_t *saved)
{
    fegetenv(saved);
    fesetenv(FE_DFL_ENV);
}

static inline void fpenv_leave(const fenv_t *saved)
{
    fesetenv(saved);
}

#endif
