/* gather.h - pieces of a file that come in any order, written in whole blocks.
 *
 * A file system that caches files in large pages makes a page as large as the write that brings it, where that is
 * aligned: written in aligned blocks of MAP_LARGE_PAGE, a new file can be mapped with one page fault per block, written
 * in pieces as they come it takes hundreds. Blocks that a piece covers whole are written from where they are; only what
 * is left at its ends is copied. Every byte of the file must come exactly once: a block is written when it is full. */
#ifndef INGOT_GATHER_H
#define INGOT_GATHER_H

#include "format/output.h"

struct gather;

/* For a file of file_bytes, already begun at `output`, which is borrowed. NULL without memory. */
struct gather *gather_create(const struct output *output, uint64_t file_bytes);

/* n bytes at off; with `bytes` NULL they are zeros. Thread-safe. MEMORY, and what output_write() says. */
enum ingot_status gather_put(struct gather *gather, const void *bytes, uint64_t n, uint64_t off,
                             struct ingot_error *err);

/* What is not full is dropped. free(NULL) is fine. */
void gather_free(struct gather *gather);

#endif
