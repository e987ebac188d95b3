/* buffer.h - bytes that are put one behind the other in memory. A sticky error: put straight through, ask once. */
#ifndef INGOT_BUFFER_H
#define INGOT_BUFFER_H

#include "format/bytes.h"

#include <stdlib.h>

/* Zero-initialise; free `bytes` with free(). */
struct buffer {
    uint8_t *bytes;
    size_t n, cap;
    bool bad; /* an allocation failed: what is in it is not all */
};

/* Room for n bytes behind the others, which count as put; NULL without memory. */
static inline uint8_t *buffer_take(struct buffer *b, size_t n)
{
    if (b->bad) return NULL; /* else what is small might still fit behind what did not */
    if (n > b->cap - b->n) {
        size_t cap = 2 * (b->n + n) + 256;
        uint8_t *moved = realloc(b->bytes, cap);
        if (!moved) {
            b->bad = true;
            return NULL;
        }
        b->bytes = moved;
        b->cap = cap;
    }
    b->n += n;
    return b->bytes + b->n - n;
}

static inline void buffer_put(struct buffer *b, const void *bytes, size_t n)
{
    uint8_t *at = n > 0 ? buffer_take(b, n) : NULL;
    if (at) memcpy(at, bytes, n);
}

static inline void buffer_text(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

static inline void buffer_u32(struct buffer *b, uint32_t v)
{
    buffer_put(b, &v, sizeof v); /* bytes.h: the machine is little-endian */
}

static inline void buffer_u64(struct buffer *b, uint64_t v)
{
    buffer_put(b, &v, sizeof v);
}

/* n times the same byte. */
static inline void buffer_fill(struct buffer *b, uint8_t byte, size_t n)
{
    uint8_t *at = n > 0 ? buffer_take(b, n) : NULL;
    if (at) memset(at, byte, n);
}

#endif
