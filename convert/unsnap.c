/* unsnap.c - a length, then elements: literal bytes, or a copy of bytes that were made already.
 *
 *   tag & 3   element
 *   0         literal of 1 + (tag >> 2) bytes; 60 to 63 there say that 1 to 4 bytes of length - 1 follow
 *   1         copy of 4 + (tag >> 2 & 7) bytes from (tag >> 5 << 8 | a byte) bytes back
 *   2, 3      copy of 1 + (tag >> 2) bytes from u16, u32 bytes back
 *
 * A copy may reach into what it makes itself: it then repeats. Source: format_description.txt of google/snappy. */
#include "convert/unsnap.h"

#include "convert/varint.h"

#include <string.h>

#define LONG_LITERAL 60u

enum { LITERAL, COPY_NEAR, COPY };

struct made {
    uint8_t *bytes;
    uint64_t n, size;
};

static uint64_t length_bytes(struct cursor *c, unsigned n_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n_bytes; i++) value |= (uint64_t)cursor_u8(c) << 8 * i;
    return value;
}

static bool put_literal(struct made *made, struct cursor *c, uint64_t n)
{
    const uint8_t *from = cursor_take(c, n);
    if (!from || n > made->size - made->n) return false;
    memcpy(made->bytes + made->n, from, n);
    made->n += n;
    return true;
}

static bool put_copy(struct made *made, uint64_t n, uint64_t back)
{
    if (back == 0 || back > made->n || n > made->size - made->n) return false;
    uint8_t *to = made->bytes + made->n;
    for (uint64_t i = 0; i < n; i++) to[i] = *(to + i - back);
    made->n += n;
    return true;
}

static bool put_element(struct made *made, struct cursor *c)
{
    const unsigned tag = cursor_u8(c), upper = tag >> 2;
    switch (tag & 3) {
    case LITERAL:
        return put_literal(made, c, 1 + (upper < LONG_LITERAL ? upper : length_bytes(c, upper - LONG_LITERAL + 1)));
    case COPY_NEAR:
        return put_copy(made, 4 + (upper & 7), tag >> 5 << 8 | cursor_u8(c));
    case COPY:
        return put_copy(made, 1 + upper, cursor_u16(c));
    default:
        return put_copy(made, 1 + upper, cursor_u32(c));
    }
}

uint64_t unsnap_length(struct cursor *c)
{
    return cursor_varint(c);
}

bool unsnap(struct cursor *c, uint8_t *to, uint64_t n)
{
    struct made made = { .size = n };
    made.bytes = to;
    while (c->left > 0)
        if (!put_element(&made, c)) return false;
    return !c->bad && made.n == n;
}
