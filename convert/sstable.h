/* sstable.h - the sorted table in which TensorFlow keeps the index of a checkpoint: LevelDB's file format
 * (doc/table_format.md there, tensorflow/core/lib/io/table*.cc here), read from its first entry to its last. */
#ifndef INGOT_SSTABLE_H
#define INGOT_SSTABLE_H

#include "format/ingot_format.h"

#define SSTABLE_MAGIC       UINT64_C(0xDB4775248B80FB57) /* the last eight bytes */
#define SSTABLE_MAGIC_BYTES 8u
#define SSTABLE_MAX_KEY     4096u

struct sstable_entry {
    const uint8_t *key, *value; /* borrowed for the call */
    uint64_t n_key, n_value;
    uint64_t off; /* in the file: of the value, or of the block that holds it when that is compressed */
};

typedef enum ingot_status (*sstable_entry_fn)(void *ctx, const struct sstable_entry *entry, struct ingot_error *err);

/* Calls `entry` for every entry in order of the keys, which ascend strictly. Every block's checksum is verified before
 * it is read. A status other than OK from `entry` ends the walk. `path` names the file in errors: TRUNCATED, SOURCE,
 * RANGE, ORDER, OVERLAP, DIGEST, LIMIT, UNSUPPORTED (a compression), each with its offset; in a compressed block that
 * is the block's. */
enum ingot_status sstable_walk(const uint8_t *bytes, uint64_t size, const char *path, sstable_entry_fn entry, void *ctx,
                               struct ingot_error *err);

#endif
