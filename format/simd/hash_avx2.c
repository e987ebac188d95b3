/* hash_avx2.c - XXH3-64 compiled for AVX2. */
#if defined(__x86_64__)

#include "format/simd/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t hash64(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

hash64_fn *const hash64_avx2 = hash64;

#else
typedef int hash_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif
