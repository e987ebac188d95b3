/* name_pool.c - each block has four times the room of the one before, so that few names take little memory and many
 * take few blocks. */
#include "convert/name_pool.h"

#include "format/map.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096

struct name_block {
    struct name_block *before;
    size_t used, capacity;
    char text[];
};

/* A block with room for n bytes; the large ones can have large pages. */
static struct name_block *add_block(struct name_pool *pool, size_t n)
{
    struct name_block *before = pool->newest;
    size_t capacity = before ? 4 * before->capacity : FIRST_BYTES;
    if (capacity < n) capacity = n;
    struct name_block *block = map_large_malloc(sizeof *block + capacity);
    if (!block) return NULL;
    *block = (struct name_block){ .before = before, .capacity = capacity };
    return pool->newest = block;
}

const char *name_pool_add(struct name_pool *pool, const char *text, size_t n)
{
    struct name_block *block = pool->newest;
    if (!block || n >= block->capacity - block->used) block = add_block(pool, n + 1);
    if (!block) return NULL;
    char *name = block->text + block->used;
    memcpy(name, text, n);
    name[n] = '\0';
    block->used += n + 1;
    return name;
}

void name_pool_free(struct name_pool *pool)
{
    while (pool->newest) {
        struct name_block *before = pool->newest->before;
        free(pool->newest);
        pool->newest = before;
    }
}
