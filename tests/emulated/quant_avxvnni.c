/* quant_avxvnni.c - the integer products of AVX-VNNI, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/tiles.h"

#define quant_avxvnni emulated_quant_avxvnni
#include "runtime/kernels/quant_avxvnni.c" /* NOLINT(bugprone-suspicious-include) */

#endif
