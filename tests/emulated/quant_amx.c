/* quant_amx.c - the integer products of AMX, emulated. */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "tests/emulated/amx.h"
#include "tests/emulated/tiles.h"

/* Its few rows. */
extern const struct quant_kernels emulated_quant_avx512;

#define quant_amx    emulated_quant_amx
#define quant_avx512 emulated_quant_avx512
#include "runtime/kernels/quant_amx.c" /* NOLINT(bugprone-suspicious-include) */

#endif
