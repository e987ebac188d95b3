/* gguf_fixture.h - GGUF files, made in memory byte by byte, right or wrong. Included by the tests of the reader. */
#ifndef INGOT_GGUF_FIXTURE_H
#define INGOT_GGUF_FIXTURE_H

#include "tests/unit/checkpoint_fixture.h"

#include "convert/gguf.h"

#define GGUF_HEADER_BYTES 24u

struct gguf_image {
    uint8_t *bytes;
    size_t n, cap;
};

static inline void put_bytes(struct gguf_image *im, const void *bytes, size_t n)
{
    if (im->n + n > im->cap) {
        im->cap = 2 * (im->n + n) + 256;
        im->bytes = realloc(im->bytes, im->cap);
        assert_non_null(im->bytes);
    }
    if (n > 0) memcpy(im->bytes + im->n, bytes, n);
    im->n += n;
}

static inline void put_32(struct gguf_image *im, uint32_t value)
{
    put_bytes(im, &value, sizeof value);
}

static inline void put_64(struct gguf_image *im, uint64_t value)
{
    put_bytes(im, &value, sizeof value);
}

static inline void put_text(struct gguf_image *im, const char *text)
{
    put_64(im, strlen(text));
    put_bytes(im, text, strlen(text));
}

static inline struct gguf_image gguf_begin(uint32_t version, uint64_t n_tensors, uint64_t n_values)
{
    struct gguf_image im = { 0 };
    put_bytes(&im, "GGUF", 4);
    put_32(&im, version);
    put_64(&im, n_tensors);
    put_64(&im, n_values);
    return im;
}

/* A key and its type; the value follows. */
static inline void put_key(struct gguf_image *im, const char *key, enum gguf_type type)
{
    put_text(im, key);
    put_32(im, type);
}

static inline void put_key_u32(struct gguf_image *im, const char *key, uint32_t value)
{
    put_key(im, key, GGUF_U32);
    put_32(im, value);
}

static inline void put_key_text(struct gguf_image *im, const char *key, const char *value)
{
    put_key(im, key, GGUF_STRING);
    put_text(im, value);
}

static inline void put_key_array(struct gguf_image *im, const char *key, enum gguf_type type, uint64_t n)
{
    put_key(im, key, GGUF_ARRAY);
    put_32(im, type);
    put_64(im, n);
}

/* A matrix of `rows` rows; GGUF says the innermost dimension first. */
static inline void put_matrix(struct gguf_image *im, const char *name, uint64_t rows, uint64_t columns, uint32_t type,
                              uint64_t offset)
{
    put_text(im, name);
    put_32(im, 2);
    put_64(im, columns);
    put_64(im, rows);
    put_32(im, type);
    put_64(im, offset);
}

/* Zeros up to a multiple of `alignment`, then n bytes of data that count up. Returns where the data begins. */
static inline size_t put_data(struct gguf_image *im, size_t alignment, size_t n)
{
    while (im->n % alignment != 0) put_bytes(im, "", 1);
    size_t off = im->n;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)i;
        put_bytes(im, &byte, 1);
    }
    return off;
}

static inline void gguf_free_image(struct gguf_image *im)
{
    free(im->bytes);
    *im = (struct gguf_image){ 0 };
}

#endif
