/* xxh3.h - XXH3 in its 64- and 128-bit forms, default secret, seed 0: all that an .ingot file needs. */
#ifndef SPEC_XXH3_H
#define SPEC_XXH3_H

#include <stddef.h>
#include <stdint.h>

struct xxh3_128 {
    uint64_t lo, hi;
};

uint64_t xxh3_64(const void *bytes, size_t n);
struct xxh3_128 xxh3_128(const void *bytes, size_t n);

#endif
