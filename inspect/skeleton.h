/* skeleton.h - the slots, the index and the records of an .ingot file that may be damaged, found as far as that goes.
 */
#ifndef INGOT_SKELETON_H
#define INGOT_SKELETON_H

#include "format/ingot_format.h"

/* What an .ingot file seems to be. */
struct skeleton {
    const uint8_t *bytes;
    uint64_t n;
    bool slot_valid[2];
    uint64_t sb;          /* offset of the superblock that counts; n when there is none */
    uint64_t index_off;   /* n when there is none */
    uint64_t index_bytes; /* as far as they are in the file */
    uint64_t claimed;     /* records, as the index says */
    uint32_t n_records;   /* whole ones in the file */
    uint64_t order_off, names_off, names_bytes;
};

struct skeleton skeleton_of(const uint8_t *bytes, uint64_t n);

/* i must be below n_records. */
const uint8_t *skeleton_record(const struct skeleton *s, uint32_t i);

#define SKELETON_NAME_MAX (4 * INGOT_MAX_NAME + 8)

/* The name as its record says, escaped; "?" when it is not there. Returns out. */
const char *skeleton_name(const struct skeleton *s, uint32_t i, char out[SKELETON_NAME_MAX]);

#endif
