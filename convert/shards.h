/* shards.h - a Hugging Face checkpoint in several files, with the index that says which tensor lies in which. */
#ifndef INGOT_SHARDS_H
#define INGOT_SHARDS_H

#include "convert/source.h"

/* Adds one file and declares its tensors. */
typedef enum ingot_status (*shard_open_fn)(struct ingot_source *src, const char *name, struct ingot_error *err);

/* Opens the index and every shard that it names; index and shards must name the same tensors in the same places.
 * Errors: SOURCE for a malformed index, or one that contradicts its shards; MISSING for a tensor that no shard holds;
 * LIMIT; those of open_shard. */
enum ingot_status shards_open(struct ingot_source *src, const char *index_name, shard_open_fn open_shard,
                              struct ingot_error *err);

#endif
