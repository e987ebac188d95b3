/* hashes.h - digests of many spans of mapped bytes, in parallel. */
#ifndef INGOT_HASHES_H
#define INGOT_HASHES_H

#include "format/map.h"
#include "inspect/sha256.h"

struct hash_span {
    const struct file_map *map;
    uint64_t off, n_bytes; /* inside the map */
    bool plain;            /* XXH3-128 of the bytes as they stand; else the digest of a section [F-87] */
};

struct hash_options {
    uint32_t n_threads; /* 0: as many as the process may run on */
    ingot_progress_fn progress;
    void *progress_ctx;
};

/* One digest for each span. A plain one is the work of one thread, so the plain ones had better come first. INTERRUPTED
 * when `progress` wants to stop. */
enum ingot_status hash_spans(const struct hash_span *spans, size_t n, const struct hash_options *options,
                             struct ingot_digest *out, struct ingot_error *err);

/* The SHA-256 of the bytes of each span, each the work of one thread. INTERRUPTED as above. */
enum ingot_status hash_sha256(const struct hash_span *spans, size_t n, const struct hash_options *options,
                              struct sha256 *out, struct ingot_error *err);

#endif
