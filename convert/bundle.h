/* bundle.h - what the index of a TensorFlow checkpoint says (tensorflow/core/protobuf/tensor_bundle.proto): in how many
 * data files its tensors lie, and of each tensor its type, its shape and its place. */
#ifndef INGOT_BUNDLE_H
#define INGOT_BUNDLE_H

#include "convert/ingot_convert.h"

#define BUNDLE_MAX_SHARDS 4096u

struct bundle_tensor {
    const char *name; /* borrowed for the call, not terminated, without a NUL */
    uint64_t n_name;
    const char *dtype_name; /* NULL: that of the scalar */
    enum ingot_scalar scalar;
    uint32_t rank, shard;
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t off, n_bytes;
    bool checked; /* `crc` is the masked CRC-32C of the bytes as they lie in the file */
    uint32_t crc;
    uint64_t entry_off; /* where the index says all this */
    /* A variable that was partitioned: as a whole without bytes of its own, and once more for each slice. */
    uint32_t n_slices; /* of a whole; 0: it is in one piece */
    bool is_slice;     /* the name is that of the whole, shape and place are the slice's */
};

typedef enum ingot_status (*bundle_tensor_fn)(void *ctx, const struct bundle_tensor *tensor, uint32_t n_shards,
                                              struct ingot_error *err);

/* Whether a file of `size` bytes that ends in these bytes is a sorted table. */
bool bundle_has_magic(const uint8_t last[8]);

/* Calls `tensor` for each: slices first, then in order of the names, which are unique. Shape and size agree; the shard
 * is below n_shards; off + n_bytes does not overflow. A status other than OK from `tensor` ends the walk. `path` names
 * the file in errors: those of sstable_walk(), and SOURCE, RANGE, SHAPE, LIMIT, NAME, UNSUPPORTED (big-endian, newer
 * writers, the first format, an unknown type), each with its offset. */
enum ingot_status bundle_walk(const uint8_t *bytes, uint64_t size, const char *path, bundle_tensor_fn tensor, void *ctx,
                              struct ingot_error *err);

#endif
