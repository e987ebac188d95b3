/* digest.h - checksums beyond the two plain ones of the public header. */
#ifndef INGOT_DIGEST_H
#define INGOT_DIGEST_H

#include "format/ingot_format.h"

static inline bool digest_equal(struct ingot_digest a, struct ingot_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* The digest of a section that holds these bytes: XXH3-128 of the XXH3-64s of its chunks. */
struct ingot_digest section_digest(const void *bytes, uint64_t n);

/* ingot_hash128() of many bytes, in steps: `step` (may be NULL) is told how many bytes each one was, and false from it
 * ends the work. False then, and *out is left alone. */
bool digest_in_steps(const void *bytes, uint64_t n, bool (*step)(void *ctx, uint64_t bytes), void *ctx,
                     struct ingot_digest *out);

/* The content id [F-88] of n index records and their names; `model` is the 64 bytes of @model, or NULL without one. */
struct ingot_digest content_id(const uint8_t *records, uint32_t n, const char *names, const uint8_t *model);

#endif
