/* avx512.c - the kernels of AVX-512, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/tiles.h"

#define kernels_avx512 emulated_avx512
#include "runtime/kernels/avx512.c" /* NOLINT(bugprone-suspicious-include) */

#endif
