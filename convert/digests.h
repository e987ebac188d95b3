/* digests.h - what is read of a source's bytes beside packing them: a digest of every tensor that is used, for the
 * provenance, and the checksums that the source itself carries for these tensors. The work comes in *units*, chunks of
 * INGOT_CHUNK_BYTES, which any thread may do in any order; where a checksum covers just the bytes of a tensor, one unit
 * does both.
 *
 * The digest of a source tensor is over its stored bytes, from its first element in memory to the end of its last: for
 * a strided view with whatever lies between. It is the XXH3-128 of the XXH3-64s of the chunks. */
#ifndef INGOT_DIGESTS_H
#define INGOT_DIGESTS_H

#include "convert/plan.h"

struct digest_item;

struct digests {
    const struct ingot_source *source;
    struct digest_item *items; /* in order of first use */
    size_t n_items;
    uint32_t *of_tensor, *of_check; /* by number in the source: the number of the item + 1; 0: not used */
    uint64_t *hashes;               /* one per unit */
    uint32_t *sums;                 /* one per unit */
    uint64_t n_units, n_bytes;
};

/* Lists what `plan` uses. first_units, of plan->n_tensors + 1 elements, says where the units of each tensor begin:
 * those of a source that several use belong to the first. Free with digests_free(), after a failure too. */
enum ingot_status digests_plan(struct digests *d, const struct ingot_source *source, const struct plan *plan,
                               uint64_t *first_units, struct ingot_error *err);
void digests_free(struct digests *d);

/* Does one unit; *n_bytes is what it read. DIGEST when it was the last one of a checksum, in whatever order they were
 * done, and that is not the one that the source carries. */
enum ingot_status digests_do(struct digests *d, uint64_t unit, uint64_t *n_bytes, struct ingot_error *err);

/* The checksums of no bytes, of which no unit tells: DIGEST or MISSING for the first that is wrong. */
enum ingot_status digests_compare_empty(const struct digests *d, struct ingot_error *err);

/* Of a tensor that is used. */
struct ingot_digest digests_of(const struct digests *d, const struct ingot_source_tensor *tensor);

#endif
