/* repair.h - makes the checksums of a hostile .ingot file's superblocks and index fit what stands there. */
#ifndef FUZZ_REPAIR_H
#define FUZZ_REPAIR_H

#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"

static inline void repair(uint8_t *bytes, size_t n)
{
    for (size_t s = 0; s + SB_SLOT_BYTES <= n && s < INDEX_CANONICAL_OFF; s += SB_SLOT_BYTES) {
        uint8_t *sb = bytes + s;
        uint64_t off = get_u64(sb + SB_INDEX_OFF_OFF), index_bytes = get_u64(sb + SB_INDEX_BYTES_OFF);
        if (span_inside(off, index_bytes, n)) put_u64(sb + SB_INDEX_HASH_OFF, ingot_hash64(bytes + off, index_bytes));
        put_u64(sb + SB_HASH_OFF, ingot_hash64(sb, SB_HASH_OFF));
    }
}

#endif
