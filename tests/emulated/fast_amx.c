/* fast_amx.c - the fast products of AMX, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/amx.h"
#include "tests/emulated/tiles.h"

#define fast_amx emulated_fast_amx
#include "runtime/kernels/fast_amx.c" /* NOLINT(bugprone-suspicious-include) */

#endif
