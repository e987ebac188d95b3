/* table_fixture.h - writes the index of a TensorFlow checkpoint: whole, or piece by piece so that each can lie. */
#ifndef INGOT_TABLE_FIXTURE_H
#define INGOT_TABLE_FIXTURE_H

#include "format/bytes.h"
#include "format/simd/crc.h"

#include <snappy-c.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------------------ bytes */

struct bytes {
    uint8_t *p;
    size_t n;
};

static inline void put(struct bytes *b, const void *from, size_t n)
{
    b->p = realloc(b->p, b->n + n + 1);
    if (!b->p) abort();
    if (n > 0) memcpy(b->p + b->n, from, n);
    b->n += n;
}

static inline void put_byte(struct bytes *b, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    put(b, &byte, 1);
}

static inline void put_fixed(struct bytes *b, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) put_byte(b, (unsigned)(value >> 8 * i & 0xFF));
}

static inline void put_varint(struct bytes *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) put_byte(b, (unsigned)(value & 0x7F) | 0x80);
    put_byte(b, (unsigned)value);
}

/* ----------------------------------------------------------------------------------------------------------- pieces */

struct table_handle {
    uint64_t off, n;
};

static inline void put_handle(struct bytes *b, struct table_handle h)
{
    put_varint(b, h.off);
    put_varint(b, h.n);
}

static inline void put_entry(struct bytes *block, uint64_t shared, const void *rest, size_t n_rest, const void *value,
                             size_t n_value)
{
    put_varint(block, shared);
    put_varint(block, n_rest);
    put_varint(block, n_value);
    put(block, rest, n_rest);
    put(block, value, n_value);
}

/* Content as it is to stand in the file, with the trailer that says `type`. */
static inline struct table_handle put_block(struct bytes *file, const uint8_t *content, size_t n, unsigned type)
{
    const struct table_handle h = { file->n, n };
    put(file, content, n);
    put_byte(file, type);
    put_fixed(file, crc_mask(crc_of(CRC_32C, file->p + h.off, n + 1)), 4);
    return h;
}

static inline void put_footer(struct bytes *file, struct table_handle metaindex, struct table_handle index)
{
    const size_t at = file->n;
    put_handle(file, metaindex);
    put_handle(file, index);
    while (file->n < at + 40) put_byte(file, 0);
    put_fixed(file, UINT64_C(0xDB4775248B80FB57), 8);
}

/* An empty metaindex, the index as given, the footer. */
static inline void finish_file(struct bytes *file, const struct bytes *index)
{
    static const uint8_t empty[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };
    const struct table_handle metaindex = put_block(file, empty, sizeof empty, 0);
    put_footer(file, metaindex, put_block(file, index->p, index->n, 0));
}

/* A file with one data block, whose bytes are given. */
static inline struct bytes table_of_block(const uint8_t *content, size_t n, unsigned type)
{
    struct bytes file = { NULL, 0 }, index = { NULL, 0 }, handle = { NULL, 0 };
    put_handle(&handle, put_block(&file, content, n, type));
    put_entry(&index, 0, "~", 1, handle.p, handle.n);
    put_fixed(&index, 0, 4);
    put_fixed(&index, 1, 4);
    finish_file(&file, &index);
    free(index.p);
    free(handle.p);
    return file;
}

/* ----------------------------------------------------------------------------------------------------- whole tables */

struct table {
    size_t block_bytes; /* a block ends when it has that many */
    uint32_t interval;  /* entries from restart to restart */
    bool snappy;
    struct bytes file, block, restarts, index, key;
    uint32_t n_in_block;
};

static inline void table_flush(struct table *t)
{
    struct bytes handle = { NULL, 0 };
    if (t->n_in_block == 0) return;
    put(&t->block, t->restarts.p, t->restarts.n);
    put_fixed(&t->block, t->restarts.n / 4, 4);
    if (t->snappy) {
        size_t n = snappy_max_compressed_length(t->block.n);
        char *packed = malloc(n);
        if (!packed || snappy_compress((char *)t->block.p, t->block.n, packed, &n) != SNAPPY_OK) abort();
        put_handle(&handle, put_block(&t->file, (uint8_t *)packed, n, 1));
        free(packed);
    } else {
        put_handle(&handle, put_block(&t->file, t->block.p, t->block.n, 0));
    }
    put_entry(&t->index, 0, t->key.p, t->key.n, handle.p, handle.n);
    free(handle.p);
    t->block.n = t->restarts.n = t->n_in_block = 0;
}

/* Keys must come in order. */
static inline void table_add(struct table *t, const void *key, size_t n_key, const void *value, size_t n_value)
{
    size_t shared = 0;
    if (t->n_in_block++ % t->interval == 0)
        put_fixed(&t->restarts, t->block.n, 4);
    else
        while (shared < n_key && shared < t->key.n && ((const uint8_t *)key)[shared] == t->key.p[shared]) shared++;
    put_entry(&t->block, shared, (const uint8_t *)key + shared, n_key - shared, value, n_value);
    t->key.n = 0;
    put(&t->key, key, n_key);
    if (t->block.n >= t->block_bytes) table_flush(t);
}

/* The file; everything else is freed. The index has one restart, at its first entry, and no prefix is left out. */
static inline struct bytes table_end(struct table *t)
{
    table_flush(t);
    put_fixed(&t->index, 0, 4);
    put_fixed(&t->index, 1, 4);
    finish_file(&t->file, &t->index);
    free(t->block.p);
    free(t->restarts.p);
    free(t->index.p);
    free(t->key.p);
    return t->file;
}

/* --------------------------------------------------------------------------------------------------------- messages */

static inline void put_tag(struct bytes *b, unsigned field, unsigned wire)
{
    put_varint(b, field << 3 | wire);
}

static inline void put_number(struct bytes *b, unsigned field, uint64_t value)
{
    put_tag(b, field, 0);
    put_varint(b, value);
}

static inline void put_message(struct bytes *b, unsigned field, struct bytes *message)
{
    put_tag(b, field, 2);
    put_varint(b, message->n);
    put(b, message->p, message->n);
    free(message->p);
}

static inline struct bytes header_message(uint64_t n_shards)
{
    struct bytes b = { NULL, 0 }, version = { NULL, 0 };
    put_number(&b, 1, n_shards);
    put_number(&version, 1, 1);
    put_message(&b, 3, &version);
    return b;
}

struct table_tensor {
    const char *name;
    unsigned dtype, rank;
    uint64_t shape[8], shard, off, size;
    uint32_t crc;
};

static inline struct bytes tensor_message(const struct table_tensor *t)
{
    struct bytes b = { NULL, 0 }, shape = { NULL, 0 };
    put_number(&b, 1, t->dtype);
    for (unsigned i = 0; i < t->rank; i++) {
        struct bytes dim = { NULL, 0 };
        put_number(&dim, 1, t->shape[i]);
        put_message(&shape, 2, &dim);
    }
    put_message(&b, 2, &shape);
    if (t->shard) put_number(&b, 3, t->shard);
    put_number(&b, 4, t->off);
    put_number(&b, 5, t->size);
    put_tag(&b, 6, 5);
    put_fixed(&b, t->crc, 4);
    return b;
}

static inline void table_add_message(struct table *t, const char *key, struct bytes message)
{
    table_add(t, key, strlen(key), message.p, message.n);
    free(message.p);
}

#endif
