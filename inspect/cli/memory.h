/* memory.h - allocations of the program (not of the libraries): they succeed, or the program says so and ends. */
#ifndef INGOT_CLI_MEMORY_H
#define INGOT_CLI_MEMORY_H

#include <stddef.h>

/* n * size zeroed bytes; to be freed with free(). Overflow counts as "not enough memory". */
void *memory_array(size_t n, size_t size);

/* Makes room for at least `need` elements, more than there is, by doubling; *capacity follows. */
void *memory_grow_now(void *array, size_t *capacity, size_t need, size_t size);

/* The same where there may be room already. */
static inline void *memory_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    return need <= *capacity ? array : memory_grow_now(array, capacity, need, size);
}

#endif
