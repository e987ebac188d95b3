/* array.h - arrays that grow by doubling. */
#ifndef INGOT_ARRAY_H
#define INGOT_ARRAY_H

#include "convert/fail.h"

#include <stdlib.h>

/* Makes room for one more element of `size` bytes behind the first n. Returns the array, which may have moved, or NULL
 * without memory; the old array is then untouched. */
static inline void *array_grow(void *array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap) return array;
    size_t more = *cap ? 2 * *cap : 16;
    void *moved = reallocarray(array, more, size);
    if (moved) *cap = more;
    return moved;
}

#endif
