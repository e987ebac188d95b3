/* checked.h - arithmetic on sizes asks before it multiplies. Each is false on overflow; *out is then garbage. */
#ifndef INGOT_CHECKED_H
#define INGOT_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Rounds a up to a multiple of `unit`, a power of two. */
static inline bool checked_align(uint64_t a, uint64_t unit, uint64_t *out)
{
    uint64_t sum;
    if (!checked_add(a, unit - 1, &sum)) return false;
    *out = sum & ~(unit - 1);
    return true;
}

/* Whether [off, off + n) lies inside [0, size). */
static inline bool span_inside(uint64_t off, uint64_t n, uint64_t size)
{
    return off <= size && n <= size - off;
}

#endif
