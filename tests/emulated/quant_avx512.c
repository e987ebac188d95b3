/* quant_avx512.c - the integer products of AVX-512 with VNNI, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/tiles.h"

#define quant_avx512 emulated_quant_avx512
#include "runtime/kernels/quant_avx512.c" /* NOLINT(bugprone-suspicious-include) */

#endif
