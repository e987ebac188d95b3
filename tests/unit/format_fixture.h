/* format_fixture.h - a small file with every kind of section, to be read, damaged and sealed again. */
#ifndef FORMAT_FIXTURE_H
#define FORMAT_FIXTURE_H

#include "format/ingot_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bytes of a file, aligned to 64; room for one byte more. */
struct image {
    uint8_t *bytes;
    uint64_t n;
};

/* A directory of its own below TMPDIR, in a buffer to be passed to remove_directory(), which wants it empty. */
#define DIRECTORY_BYTES 512
void make_directory(char out[DIRECTORY_BYTES]);
void remove_directory(const char *path);

/* Writes the sample to path. `large_bytes` > 0 adds a u8 tensor "large" of that size. */
void write_sample(const char *path, uint64_t large_bytes);

/* The tensors of the sample. */
struct sample_tensor {
    const char *name;
    enum ingot_dtype dtype;
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[2];
};
extern const struct sample_tensor sample_tensors[];
extern const size_t n_sample_tensors;
#define SAMPLE_ALIAS  "z.alias"
#define SAMPLE_TARGET "w.f32" /* a panel16 matrix with padding */

struct image make_sample(uint64_t large_bytes);
struct image copy_image(const struct image *image);
void free_image(struct image *image);

/* Offset of a record's first byte, by name; of the index. */
uint64_t record_at(const struct image *image, const char *name);
uint64_t index_at(const struct image *image);

/* Recomputes the checksums of index and superblock and makes slot B equal to slot A. */
void seal_image(struct image *image);

/* Recomputes the digests of all sections too, and the content id. */
void reseal_digests(struct image *image);

enum ingot_status open_image(const struct image *image, struct ingot_file **file, struct ingot_error *err);

/* Opens and verifies; the first failure of the two. */
enum ingot_status check_image(const struct image *image, struct ingot_error *err);

#endif
