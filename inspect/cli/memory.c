/* memory.c - allocate or end. */
#include "inspect/cli/memory.h"

#include "inspect/cli/report.h"

#include <stdlib.h>

void *memory_array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) report_no_memory();
    return p;
}

void *memory_grow_now(void *array, size_t *capacity, size_t need, size_t size)
{
    size_t wanted = *capacity < 16 ? 16 : *capacity;
    while (wanted < need && wanted <= SIZE_MAX / 2) wanted *= 2;
    void *p = wanted < need ? NULL : reallocarray(array, wanted, size);
    if (!p) report_no_memory();
    *capacity = wanted;
    return p;
}
