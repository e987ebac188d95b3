/* checksum.h - the checksums that a source carries, chunk by chunk, so that whoever reads the bytes anyway can check
 * them with as many threads as it has.
 *
 * The bytes of a check are cut into chunks of INGOT_CHUNK_BYTES, counted by chunk_count(c->n_bytes) (format/layout.h).
 * A check whose `data` is NULL has nothing to compute; checksum_finish() then says MISSING. */
#ifndef INGOT_CHECKSUM_H
#define INGOT_CHECKSUM_H

#include "convert/source.h"

/* Of chunk number `chunk` alone. The chunk must exist and `data` be there. */
uint32_t checksum_chunk(const struct source_check *c, uint64_t chunk);

/* The checksum of all chunks, in the form in which the source stores it. */
uint32_t checksum_join(const struct source_check *c, const uint32_t *of_chunks);

/* Compares: DIGEST with the tensor or member, file, offset, found and expected; MISSING when the file that should hold
 * the bytes is not here (of_chunks is not looked at). */
enum ingot_status checksum_finish(const struct source_check *c, const uint32_t *of_chunks, struct ingot_error *err);

#endif
