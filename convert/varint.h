/* varint.h - the integers of LevelDB and protobuf: seven bits a byte, the lowest first, the top bit says that more
 * follow. */
#ifndef INGOT_VARINT_H
#define INGOT_VARINT_H

#include "format/bytes.h"

/* At most ten bytes; what does not fit into 64 bits is bad. */
static inline uint64_t cursor_varint(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = cursor_u8(c);
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return value;
    }
    c->bad = true;
    return 0;
}

#endif
