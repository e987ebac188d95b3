/* name_pool.h - names that live as long as their source, one behind the other in a few blocks of memory: of 100,000
 * tensors an allocation for each name took a tenth of listing them. */
#ifndef INGOT_NAME_POOL_H
#define INGOT_NAME_POOL_H

#include <stddef.h>

struct name_block;

/* Zero-initialise. */
struct name_pool {
    struct name_block *newest;
};

/* A NUL-terminated copy of text[0 .. n), which stays where it is until name_pool_free(); NULL without memory. */
const char *name_pool_add(struct name_pool *pool, const char *text, size_t n);

void name_pool_free(struct name_pool *pool);

#endif
