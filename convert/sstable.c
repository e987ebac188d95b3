/* sstable.c - footer -> index block -> data blocks -> entries.
 *
 *   file    blocks, then a footer of 48 bytes: the handles of the metaindex and of the index, zeros, the magic
 *   handle  varint offset, varint length of a block, its trailer not counted
 *   block   entries, u32 offset of each restart, u32 number of restarts; trailer: type byte, masked CRC-32C of both
 *   entry   varint shared, varint unshared, varint length of the value, the unshared end of the key, the value
 *
 * A key begins with the first `shared` bytes of the key before it; at a restart it is written out. Data blocks follow
 * one another in the file as their keys do, so that no bytes are walked twice. */
#include "convert/sstable.h"

#include "convert/array.h"
#include "convert/unsnap.h"
#include "convert/varint.h"
#include "format/checked.h"
#include "format/simd/crc.h"

#include <inttypes.h>

#define FOOTER_BYTES     48u
#define TRAILER_BYTES    5u
#define TYPE_PLAIN       0
#define TYPE_SNAPPY      1
/* Three bytes of Snappy say 64 at most: format_description.txt, copies with a 2-byte offset. */
#define SNAPPY_MAX_RATIO 22u
#define MAX_BLOCK_BYTES  (UINT64_C(64) << 20)
#define NO_RESTART       UINT64_MAX

struct table {
    const uint8_t *bytes;
    uint64_t size;
    const char *path;
};

struct handle {
    uint64_t off, n_bytes;
};

/* A block whose checksum is right, uncompressed. */
struct block {
    const uint8_t *bytes;
    uint64_t n_bytes, off; /* off: where it stands in the file */
    uint8_t *owned;        /* NULL when the bytes are the file's */
};

/* The key of the entry before, from block to block. */
struct last_key {
    uint8_t bytes[SSTABLE_MAX_KEY];
    uint64_t n;
    bool started; /* there was one */
};

/* A walk over the entries of one block. */
struct walk {
    const struct table *t;
    const struct block *b;
    struct cursor entries, restarts;
    uint32_t n_restarts;
    struct last_key *key;
};

static enum ingot_status bad(const struct table *t, enum ingot_status status, uint64_t off, struct ingot_error *err,
                             const char *what)
{
    return ingot_fail(err, status, off, t->path, ADVICE_COPY, "%s", what);
}

/* ------------------------------------------------------------------------------------------------------- blocks */

/* `at` is where the handle stands, for errors. */
static enum ingot_status read_handle(const struct table *t, struct cursor *c, uint64_t at, struct handle *out,
                                     struct ingot_error *err)
{
    const uint64_t room = t->size - FOOTER_BYTES;
    out->off = cursor_varint(c);
    out->n_bytes = cursor_varint(c);
    if (c->bad) return bad(t, INGOT_E_SOURCE, at, err, "the handle of a block is no pair of numbers");
    if (span_inside(out->off, out->n_bytes, room) && room - out->off - out->n_bytes >= TRAILER_BYTES) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RANGE, at, t->path, ADVICE_COPY,
                      "a block of %" PRIu64 " byte%s at %" PRIu64 "; blocks end before %" PRIu64, out->n_bytes,
                      plural(out->n_bytes), out->off, room);
}

static enum ingot_status decompress(const struct table *t, const struct handle *h, struct block *out,
                                    struct ingot_error *err)
{
    struct cursor c = { .p = t->bytes + h->off, .left = h->n_bytes, .at = h->off };
    const uint64_t n = unsnap_length(&c);
    if (c.bad) return bad(t, INGOT_E_SOURCE, h->off, err, "a compressed block does not say its length");
    if (n > MAX_BLOCK_BYTES || n > SNAPPY_MAX_RATIO * h->n_bytes)
        return ingot_fail(err, INGOT_E_LIMIT, h->off, t->path, ADVICE_COPY,
                          "a block of %" PRIu64 " byte%s claims to be %" PRIu64 " when uncompressed", h->n_bytes,
                          plural(h->n_bytes), n);
    out->owned = malloc(n + 1);
    if (!out->owned) return fail_memory(err, t->path);
    if (!unsnap(&c, out->owned, n)) return bad(t, INGOT_E_SOURCE, h->off, err, "a block is not what Snappy writes");
    out->bytes = out->owned;
    out->n_bytes = n;
    return INGOT_OK;
}

/* out->owned is to be freed, on failure too. */
static enum ingot_status read_block(const struct table *t, const struct handle *h, struct block *out,
                                    struct ingot_error *err)
{
    const uint8_t *p = t->bytes + h->off, *trailer = p + h->n_bytes;
    *out = (struct block){ .bytes = p, .n_bytes = h->n_bytes, .off = h->off };
    const uint32_t found = crc_mask(crc_of(CRC_32C, p, h->n_bytes + 1)), expected = get_u32(trailer + 1);
    if (found != expected)
        return ingot_fail(err, INGOT_E_DIGEST, h->off, t->path, ADVICE_COPY,
                          "a block of %" PRIu64 " byte%s has crc32c %08x, expected %08x", h->n_bytes,
                          plural(h->n_bytes), found, expected);
    if (trailer[0] == TYPE_SNAPPY) return decompress(t, h, out, err);
    if (trailer[0] == TYPE_PLAIN) return INGOT_OK;
    return ingot_fail(err, INGOT_E_UNSUPPORTED, h->off + h->n_bytes, t->path, NULL,
                      "a block has compression %u; known are none (0) and Snappy (1)", trailer[0]);
}

/* ------------------------------------------------------------------------------------------------------ entries */

/* Offsets inside a compressed block say nothing to who looks at the file. */
static uint64_t place(const struct block *b, uint64_t in_block)
{
    return b->owned ? b->off : b->off + in_block;
}

static enum ingot_status bad_entry(const struct walk *w, enum ingot_status status, uint64_t at, struct ingot_error *err,
                                   const char *what)
{
    return bad(w->t, status, place(w->b, at), err, what);
}

/* NO_RESTART behind the last. */
static uint64_t next_restart(const struct walk *w)
{
    struct cursor c = w->restarts;
    const uint32_t at = cursor_u32(&c);
    return c.bad ? NO_RESTART : at;
}

/* Parts a block into entries and restarts. */
static enum ingot_status begin_walk(struct walk *w, const struct table *t, const struct block *b, struct last_key *key,
                                    struct ingot_error *err)
{
    *w = (struct walk){ .t = t, .b = b, .key = key };
    if (b->n_bytes < 4) return bad_entry(w, INGOT_E_SOURCE, 0, err, "a block has no restarts");
    w->n_restarts = get_u32(b->bytes + b->n_bytes - 4);
    const uint64_t room = b->n_bytes - 4, n = UINT64_C(4) * w->n_restarts;
    if (n == 0 || n > room)
        return bad_entry(w, INGOT_E_SOURCE, room, err, "the number of restarts is not one of this block");
    w->entries = (struct cursor){ .p = b->bytes, .left = room - n };
    w->restarts = (struct cursor){ .p = b->bytes + room - n, .left = n };
    if (next_restart(w) == 0) return INGOT_OK;
    return bad_entry(w, INGOT_E_ORDER, room - n, err, "the first restart is not the first entry");
}

static enum ingot_status bad_restart(const struct walk *w, struct ingot_error *err)
{
    return bad_entry(w, INGOT_E_ORDER, w->b->n_bytes - 4 - w->restarts.left, err,
                     "a restart is not where an entry begins");
}

/* Whether a restart is at `at`, the offset of the next entry: then its key must be written out. */
static enum ingot_status check_restart(struct walk *w, uint64_t at, uint64_t shared, struct ingot_error *err)
{
    const uint64_t restart = next_restart(w);
    if (restart < at) return bad_restart(w, err);
    if (restart > at) return INGOT_OK;
    cursor_u32(&w->restarts);
    if (shared == 0) return INGOT_OK;
    return bad_entry(w, INGOT_E_SOURCE, at, err, "a key at a restart is not written out");
}

/* The last restart must have been met; the only one of a block without entries is at its end. */
static enum ingot_status end_walk(const struct walk *w, struct ingot_error *err)
{
    const bool empty = w->entries.at == 0 && w->n_restarts == 1 && next_restart(w) == 0;
    return w->restarts.left == 0 || empty ? INGOT_OK : bad_restart(w, err);
}

/* The new key in place of the old one. It must be above it: compared are the bytes, the shorter being the lower. */
static enum ingot_status advance_key(struct walk *w, uint64_t at, uint64_t shared, const uint8_t *rest, uint64_t n,
                                     struct ingot_error *err)
{
    struct last_key *key = w->key;
    if (n > SSTABLE_MAX_KEY - shared) return bad_entry(w, INGOT_E_LIMIT, at, err, "a key has more than 4096 bytes");
    const uint64_t old = key->n - shared, common = old < n ? old : n;
    const int order = common ? memcmp(rest, key->bytes + shared, common) : 0;
    if (key->started && (order < 0 || (order == 0 && n <= old)))
        return bad_entry(w, INGOT_E_ORDER, at, err, "a key is not above the one before it");
    if (n > 0) memcpy(key->bytes + shared, rest, n);
    key->n = shared + n;
    key->started = true;
    return INGOT_OK;
}

/* Not called at the end of the entries. */
static enum ingot_status next_entry(struct walk *w, struct sstable_entry *out, struct ingot_error *err)
{
    struct cursor *c = &w->entries;
    const uint64_t at = c->at, shared = cursor_varint(c), unshared = cursor_varint(c), n_value = cursor_varint(c);
    const uint8_t *rest = cursor_take(c, unshared);
    out->off = place(w->b, c->at);
    out->value = cursor_take(c, n_value);
    out->n_value = n_value;
    if (c->bad) return bad_entry(w, INGOT_E_TRUNCATED, at, err, "an entry does not end in its block");
    if (shared > w->key->n)
        return bad_entry(w, INGOT_E_RANGE, at, err, "a key shares more with the one before it than that has");
    enum ingot_status status = check_restart(w, at, shared, err);
    if (status == INGOT_OK) status = advance_key(w, at, shared, rest, unshared, err);
    out->key = w->key->bytes;
    out->n_key = w->key->n;
    return status;
}

static enum ingot_status walk_data(struct last_key *key, const struct table *t, const struct handle *h,
                                   sstable_entry_fn entry, void *ctx, struct ingot_error *err)
{
    struct block b;
    struct walk w = { 0 };
    struct sstable_entry e;
    enum ingot_status status = read_block(t, h, &b, err);
    if (status == INGOT_OK) status = begin_walk(&w, t, &b, key, err);
    while (status == INGOT_OK && w.entries.left > 0) {
        status = next_entry(&w, &e, err);
        if (status == INGOT_OK) status = entry(ctx, &e, err);
    }
    if (status == INGOT_OK) status = end_walk(&w, err);
    free(b.owned);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- table */

/* An entry of the index: a key not below the block's last, the block's handle. */
static enum ingot_status walk_indexed(struct last_key *key, const struct table *t, const struct sstable_entry *indexed,
                                      uint64_t *end, sstable_entry_fn entry, void *ctx, struct ingot_error *err)
{
    struct cursor c = { .p = indexed->value, .left = indexed->n_value };
    struct handle h;
    enum ingot_status status = read_handle(t, &c, indexed->off, &h, err);
    if (status != INGOT_OK) return status;
    if (h.off < *end)
        return bad(t, INGOT_E_OVERLAP, indexed->off, err, "a block begins before the one in front of it ends");
    *end = h.off + h.n_bytes + TRAILER_BYTES;
    return walk_data(key, t, &h, entry, ctx, err);
}

static enum ingot_status walk_index(const struct table *t, const struct handle *h, sstable_entry_fn entry, void *ctx,
                                    struct ingot_error *err)
{
    struct block b;
    struct walk w = { 0 };
    struct last_key of_index = { .n = 0 }, of_data = { .n = 0 };
    struct sstable_entry e;
    uint64_t end = 0;
    enum ingot_status status = read_block(t, h, &b, err);
    if (status == INGOT_OK) status = begin_walk(&w, t, &b, &of_index, err);
    while (status == INGOT_OK && w.entries.left > 0) {
        status = next_entry(&w, &e, err);
        if (status == INGOT_OK) status = walk_indexed(&of_data, t, &e, &end, entry, ctx, err);
    }
    if (status == INGOT_OK) status = end_walk(&w, err);
    free(b.owned);
    return status;
}

/* Nothing is asked of the metaindex; its checksum counts like the others. */
static enum ingot_status check_metaindex(const struct table *t, const struct handle *h, struct ingot_error *err)
{
    struct block b;
    enum ingot_status status = read_block(t, h, &b, err);
    free(b.owned);
    return status;
}

enum ingot_status sstable_walk(const uint8_t *bytes, uint64_t size, const char *path, sstable_entry_fn entry, void *ctx,
                               struct ingot_error *err)
{
    const struct table t = { bytes, size, path };
    struct handle metaindex, index;
    if (size < FOOTER_BYTES)
        return ingot_fail(err, INGOT_E_TRUNCATED, size, path, ADVICE_COPY,
                          "%" PRIu64 " byte%s; the footer of the index alone takes 48", size, plural(size));
    if (get_u64(bytes + size - SSTABLE_MAGIC_BYTES) != SSTABLE_MAGIC)
        return bad(&t, INGOT_E_SOURCE, size - SSTABLE_MAGIC_BYTES, err, "the file does not end as an index does");
    const uint64_t footer = size - FOOTER_BYTES;
    struct cursor c = { .p = bytes + footer, .left = FOOTER_BYTES - SSTABLE_MAGIC_BYTES };
    enum ingot_status status = read_handle(&t, &c, footer, &metaindex, err);
    if (status == INGOT_OK) status = read_handle(&t, &c, footer + c.at, &index, err);
    if (status == INGOT_OK) status = check_metaindex(&t, &metaindex, err);
    return status == INGOT_OK ? walk_index(&t, &index, entry, ctx, err) : status;
}
