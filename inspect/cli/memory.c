/* memory.c - allocate or end. */
#include "inspect/cli/memory.h"

#include "format/map.h"
#include "inspect/cli/report.h"

#include <stdlib.h>

/* At least one large page lies in it, wherever it begins. */
#define LARGE_BYTES (2 * (size_t)MAP_LARGE_PAGE)

void *memory_array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) report_no_memory();
    if (n > LARGE_BYTES / size) map_large_pages(p, n * size);
    return p;
}

void *memory_grow_now(void *array, size_t *capacity, size_t need, size_t size)
{
    size_t wanted = *capacity < 16 ? 16 : *capacity;
    while (wanted < need && wanted <= SIZE_MAX / 2) wanted *= 2;
    void *p = NULL;
    if (wanted >= need && wanted <= SIZE_MAX / size)
        p = array ? realloc(array, wanted * size) : map_large_malloc(wanted * size);
    if (!p) report_no_memory();
    *capacity = wanted;
    return p;
}
