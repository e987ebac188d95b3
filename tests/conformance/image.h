/*
 * image.h - .ingot files in memory, made byte by byte from spec/format.md alone: no code of format/ is used, so that a
 * mistake there cannot hide in the files that it is tested with.
 *
 * Life of a valid file: image_new(), image_add() for each section in order of placement, image_finish(). A damaged one
 * is then patched, and sealed again as far as the damage is not to show in a checksum.
 */
#ifndef CONFORMANCE_IMAGE_H
#define CONFORMANCE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TENSOR = 1,
    ALIAS = 2,
    MODEL = 3,
    CHUNKS = 4,
    VOCABULARY = 5,
    METADATA = 0x8001,
    RECIPE = 0x8002,
    PROVENANCE = 0x8003
};
enum { F32 = 1, F16, BF16, F64, I8, U8, I32, I64, Q8 = 16, Q4 };
enum { ROWS, PANEL16 };

#define IMAGE_MAX_PARTS 32

struct image_part {
    const char *name;
    unsigned kind, dtype, layout, rank;
    uint64_t shape[8];
    const char *target;   /* aliases */
    const uint8_t *bytes; /* of sections that are not tensors; NULL: numbers made from the name and the place */
    uint64_t n_bytes;
    /* filled in by image_finish() */
    uint64_t off;
    uint32_t record, first_chunk;
};

struct image {
    uint8_t *bytes; /* aligned to 64 */
    uint64_t n;
    uint32_t align;
    uint64_t generation;
    uint64_t gap; /* unused bytes before the last section */
    uint64_t index_off, index_bytes;
    uint32_t n_parts;
    struct image_part parts[IMAGE_MAX_PARTS];
};

/* alignment 4096, generation 1, no section. */
struct image *image_new(void);
void image_free(struct image *image);

void image_add(struct image *image, const struct image_part *part);

/* Places the sections and writes everything. `tail_index`: the index stands after the sections, as an edit leaves it;
 * else before. */
void image_finish(struct image *image, int tail_index);

/* The part of that name, which must exist. */
const struct image_part *image_part(const struct image *image, const char *name);

/* Offset of that part's record. */
uint64_t image_record(const struct image *image, const char *name);

/* Little-endian, `width` bytes. */
void image_put(struct image *image, uint64_t at, unsigned width, uint64_t value);
uint64_t image_get(const struct image *image, uint64_t at, unsigned width);

/* Makes checksums fit what stands there: */
void image_seal_slots(struct image *image);   /* of both slots */
void image_seal_index(struct image *image);   /* of the index and both slots */
void image_seal_content(struct image *image); /* chunks, digests, content id, index and slots */

/* Adds zero bytes at the end, or cuts there. */
void image_resize(struct image *image, uint64_t n);

#endif
