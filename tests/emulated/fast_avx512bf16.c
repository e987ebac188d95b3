/* fast_avx512bf16.c - the fast products of AVX-512, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/tiles.h"

#define fast_avx512bf16 emulated_fast_avx512bf16
#include "runtime/kernels/fast_avx512bf16.c" /* NOLINT(bugprone-suspicious-include) */

#endif
