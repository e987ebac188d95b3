/*
 * tokenizer.c - text to token ids and back, in place over the @vocabulary section.
 *
 * Opening checks only that header and table spans fit. What the tables say is checked where it is used: an id that is
 * no token, or a piece that lies outside the text, can make an error or an empty piece, and nothing worse.
 *
 * Words repeat. A direct-mapped cache of short pieces, made for each call, answers most of them without a merge.
 */
#include "runtime/tokenizer.h"

#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"
#include "format/error.h"
#include "runtime/pretokenize.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------------- opening */

static enum ingot_status fail_at(const struct ingot_tokenizer *t, enum ingot_status status, uint64_t off,
                                 struct ingot_error *err, const char *problem)
{
    return ingot_fail(err, status, t->file_off + off, t->file, "convert the checkpoint again", "%s: %s",
                      INGOT_NAME_VOCABULARY, problem);
}

struct table {
    uint32_t off_field; /* where the header says the offset */
    const char *problem;
    uint64_t n_bytes;
    const uint8_t **at;
};

static enum ingot_status bind_tables(struct ingot_tokenizer *t, uint64_t n_bytes, struct ingot_error *err)
{
    const struct table tables[] = {
        { VOCAB_PIECES_OFF_OFF, "the table of pieces does not fit", 4 * ((uint64_t)t->n_tokens + 1), &t->pieces },
        { VOCAB_BYTES_OFF_OFF, "the table of bytes does not fit", UINT64_C(4) * 256, &t->bpe.byte_ids },
        { VOCAB_SPECIAL_OFF_OFF, "the table of special tokens does not fit", UINT64_C(4) * t->n_special, &t->special },
        { VOCAB_MERGES_OFF_OFF, "the table of merges does not fit", (uint64_t)VOCAB_SLOT_BYTES * t->bpe.n_slots,
          &t->bpe.slots },
        { VOCAB_TEXT_OFF_OFF, "the text does not fit", t->text_bytes, &t->text },
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        uint64_t off = get_u64(t->bytes + tables[i].off_field);
        if (off < VOCAB_HEADER_BYTES || off % SECTION_ALIGN != 0 ||
            !span_inside(off, tables[i].n_bytes, n_bytes)) /* [F-96] */
            return fail_at(t, INGOT_E_VOCABULARY, tables[i].off_field, err, tables[i].problem);
        *tables[i].at = t->bytes + off;
    }
    return INGOT_OK;
}

static enum ingot_status read_header(struct ingot_tokenizer *t, struct ingot_error *err)
{
    uint32_t n_merges = get_u32(t->bytes + VOCAB_N_MERGES_OFF);
    t->n_tokens = t->bpe.n_tokens = get_u32(t->bytes + VOCAB_N_TOKENS_OFF);
    t->bpe.n_slots = get_u32(t->bytes + VOCAB_N_SLOTS_OFF);
    t->n_special = get_u32(t->bytes + VOCAB_N_SPECIAL_OFF);
    t->eot = get_u32(t->bytes + VOCAB_EOT_OFF);
    t->text_bytes = get_u64(t->bytes + VOCAB_TEXT_BYTES_OFF);
    if (get_u32(t->bytes + VOCAB_FLAVOUR_OFF) != VOCAB_FLAVOUR_GPT2) /* [F-92] */
        return fail_at(t, INGOT_E_UNSUPPORTED, VOCAB_FLAVOUR_OFF, err, "a kind of tokenizer that is not known");
    if (t->n_tokens == 0 || t->n_tokens > LIMIT_N_VOCAB) /* [F-93] */
        return fail_at(t, INGOT_E_VOCABULARY, VOCAB_N_TOKENS_OFF, err, "the number of tokens is out of range");
    if (t->bpe.n_slots <= n_merges || (t->bpe.n_slots & (t->bpe.n_slots - 1)) != 0) /* [F-94] */
        return fail_at(t, INGOT_E_VOCABULARY, VOCAB_N_SLOTS_OFF, err,
                       "the number of slots is no power of two above the number of merges");
    if (t->n_special > VOCAB_MAX_SPECIAL) /* [F-98] */
        return fail_at(t, INGOT_E_LIMIT, VOCAB_N_SPECIAL_OFF, err, "more than 1024 special tokens");
    if (t->eot != VOCAB_NO_TOKEN && t->eot >= t->n_tokens) /* [F-95] */
        return fail_at(t, INGOT_E_VOCABULARY, VOCAB_EOT_OFF, err, "the end-of-text id is no token");
    return INGOT_OK;
}

enum ingot_status tokenizer_bind(const uint8_t *bytes, uint64_t n_bytes, const char *file, uint64_t file_off,
                                 struct ingot_tokenizer *out, struct ingot_error *err)
{
    struct ingot_tokenizer t = { .file = file, .bytes = bytes, .file_off = file_off };
    if (n_bytes < VOCAB_HEADER_BYTES) /* [F-90] */
        return fail_at(&t, INGOT_E_VOCABULARY, 0, err, "shorter than its header");
    if (memcmp(bytes, VOCAB_MAGIC, sizeof VOCAB_MAGIC - 1) != 0) /* [F-91] */
        return fail_at(&t, INGOT_E_VOCABULARY, 0, err, "the magic is not " VOCAB_MAGIC);
    enum ingot_status status = read_header(&t, err);
    if (status == INGOT_OK) status = bind_tables(&t, n_bytes, err);
    if (status != INGOT_OK) return status;
    for (uint32_t at = VOCAB_TEXT_BYTES_OFF + 8; at < VOCAB_HEADER_BYTES; at++) /* [F-97] */
        if (bytes[at] != 0) return fail_at(&t, INGOT_E_RESERVED, at, err, "a reserved byte is not zero");
    *out = t;
    return INGOT_OK;
}

/* An id that the tokenizer gives must be one that the model takes. */
static enum ingot_status check_model(const struct ingot_tokenizer *t, const struct ingot_file *file,
                                     struct ingot_error *err)
{
    struct ingot_section model;
    struct ingot_hparams hp;
    if (!ingot_find(file, INGOT_NAME_MODEL, &model)) return INGOT_OK;
    enum ingot_status status = ingot_hparams_read(file, &hp, err);
    if (status != INGOT_OK) return status;
    if (t->n_tokens > hp.n_vocab) /* [F-99] */
        return fail_at(t, INGOT_E_VOCABULARY, VOCAB_N_TOKENS_OFF, err, "more tokens than the model has");
    return INGOT_OK;
}

enum ingot_status ingot_tokenizer_open(const struct ingot_file *file, struct ingot_tokenizer **out,
                                       struct ingot_error *err)
{
    struct ingot_section s;
    struct ingot_tokenizer t;
    *out = NULL;
    if (!ingot_find(file, INGOT_NAME_VOCABULARY, &s))
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, ingot_file_path(file),
                          "convert again with the tokenizer's files beside the weights", "the file has no %s",
                          INGOT_NAME_VOCABULARY);
    enum ingot_status status = tokenizer_bind(s.data, s.raw_bytes, ingot_file_path(file), s.data_off, &t, err);
    if (status == INGOT_OK) status = check_model(&t, file, err);
    if (status != INGOT_OK) return status;
    struct ingot_tokenizer *copy = malloc(sizeof *copy);
    if (!copy) return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, t.file, NULL, "out of memory");
    *copy = t;
    *out = copy;
    return INGOT_OK;
}

void ingot_tokenizer_close(struct ingot_tokenizer *tokenizer)
{
    free(tokenizer);
}

uint32_t ingot_tokenizer_count(const struct ingot_tokenizer *tokenizer)
{
    return tokenizer->n_tokens;
}

uint32_t ingot_tokenizer_eot(const struct ingot_tokenizer *tokenizer)
{
    return tokenizer->eot;
}

const char *ingot_tokenizer_piece(const struct ingot_tokenizer *tokenizer, uint32_t id, size_t *n)
{
    *n = 0;
    if (id >= tokenizer->n_tokens) return "";
    uint32_t begin = get_u32(tokenizer->pieces + 4 * (size_t)id);
    uint32_t end = get_u32(tokenizer->pieces + 4 * ((size_t)id + 1));
    if (begin > end || end > tokenizer->text_bytes) return "";
    *n = end - begin;
    return (const char *)tokenizer->text + begin;
}

/* ----------------------------------------------------------------------------------------------- a list of ids */

void ingot_ids_free(struct ingot_ids *ids)
{
    free(ids->ids);
    *ids = (struct ingot_ids){ 0 };
}

static bool ids_reserve(struct ingot_ids *ids, size_t n)
{
    if (n <= ids->capacity - ids->n) return true;
    size_t capacity = ids->n + n + ids->capacity / 2 + 64;
    uint32_t *moved = reallocarray(ids->ids, capacity, sizeof *moved);
    if (!moved) return false;
    ids->ids = moved;
    ids->capacity = capacity;
    return true;
}

/* --------------------------------------------------------------------------------------------------------- cache */

#define CACHE_KEY_BYTES 15u        /* longer pieces are not kept; the 16th byte of a key is the length */
#define CACHE_ENTRIES   (1u << 13) /* 256 KiB */
#define CACHE_IDS       3u         /* pieces of more tokens are not kept */
#define CACHE_WORTH     (4u << 10) /* shorter texts do without */
#define CACHE_MULTIPLY  VOCAB_HASH_LEFT

struct cached_piece {
    uint64_t key[2];
    uint32_t n, ids[CACHE_IDS];
};

/* What one call carries from piece to piece. `text_end`: readable up to here. */
struct encoder {
    const struct ingot_tokenizer *t;
    struct bpe_scratch *scratch;
    struct cached_piece *cache; /* NULL: none */
    const uint8_t *text_end;
    struct ingot_ids *out;
};

/* The bytes of a short piece, zeros behind them, and its length. */
static void make_key(const struct encoder *e, const uint8_t *piece, size_t n, uint64_t key[2])
{
    uint8_t bytes[16] = { 0 };
    if ((size_t)(e->text_end - piece) >= sizeof bytes) {
        memcpy(bytes, piece, sizeof bytes);
        key[0] = get_u64(bytes) & (n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX);
        key[1] = n > 8 ? get_u64(bytes + 8) & ((UINT64_C(1) << 8 * (n - 8)) - 1) : 0;
    } else {
        memcpy(bytes, piece, n);
        key[0] = get_u64(bytes);
        key[1] = get_u64(bytes + 8);
    }
    key[1] |= (uint64_t)n << 56;
}

static struct cached_piece *cache_slot(const struct encoder *e, const uint64_t key[2])
{
    uint64_t hash = (key[0] ^ (key[1] * VOCAB_HASH_RIGHT)) * CACHE_MULTIPLY;
    return &e->cache[(hash >> 32) & (CACHE_ENTRIES - 1)];
}

/* ------------------------------------------------------------------------------------------------------ encoding */

static enum ingot_status fail_memory(const struct encoder *e, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, e->t->file, NULL, "out of memory for the tokens");
}

/* Room for the piece's ids has been made. False without memory. */
static bool encode_piece(struct encoder *e, const uint8_t *piece, size_t n)
{
    uint32_t *ids = e->out->ids + e->out->n;
    struct cached_piece *cached = NULL;
    uint64_t key[2] = { 0, 0 };
    if (e->cache && n <= CACHE_KEY_BYTES) {
        make_key(e, piece, n, key);
        cached = cache_slot(e, key);
        if (cached->key[0] == key[0] && cached->key[1] == key[1]) {
            for (uint32_t i = 0; i < cached->n; i++) ids[i] = cached->ids[i];
            e->out->n += cached->n;
            return true;
        }
    }
    size_t n_ids = bpe_encode(&e->t->bpe, e->scratch, piece, n, ids);
    e->out->n += n_ids;
    if (cached && n_ids <= CACHE_IDS) {
        *cached = (struct cached_piece){ .key = { key[0], key[1] }, .n = (uint32_t)n_ids };
        for (size_t i = 0; i < n_ids; i++) cached->ids[i] = ids[i];
    }
    return n_ids > 0;
}

static enum ingot_status encode_plain(struct encoder *e, const uint8_t *text, size_t n, struct ingot_error *err)
{
    for (size_t at = 0; at < n;) {
        size_t length = pretokenize_next(text + at, n - at);
        if (length > INT32_MAX)
            return ingot_fail(err, INGOT_E_LIMIT, at, NULL, NULL, "a word of %zu bytes; the limit is %d", length,
                              INT32_MAX);
        if (!ids_reserve(e->out, length) || !encode_piece(e, text + at, length)) return fail_memory(e, err);
        at += length;
    }
    return INGOT_OK;
}

/* The longest special token that text begins with. */
static size_t match_special(const struct ingot_tokenizer *t, const uint8_t *text, size_t n, uint32_t *id)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < t->n_special; i++) {
        size_t length;
        uint32_t candidate = get_u32(t->special + 4 * (size_t)i);
        const char *piece = ingot_tokenizer_piece(t, candidate, &length);
        if (length <= longest || length > n || memcmp(piece, text, length) != 0) continue;
        longest = length;
        *id = candidate;
    }
    return longest;
}

static void mark_first_bytes(const struct ingot_tokenizer *t, bool first[256])
{
    for (uint32_t i = 0; i < t->n_special; i++) {
        size_t length;
        const char *piece = ingot_tokenizer_piece(t, get_u32(t->special + 4 * (size_t)i), &length);
        if (length > 0) first[(uint8_t)piece[0]] = true;
    }
}

/* Special tokens part the text; leftmost first, then longest. What lies between them is encoded for itself. */
static enum ingot_status encode_special(struct encoder *e, const uint8_t *text, size_t n, struct ingot_error *err)
{
    bool first[256] = { false };
    size_t plain = 0;
    mark_first_bytes(e->t, first);
    for (size_t at = 0; at < n;) {
        uint32_t id = 0;
        size_t length = first[text[at]] ? match_special(e->t, text + at, n - at, &id) : 0;
        if (length == 0) {
            at++;
            continue;
        }
        enum ingot_status status = encode_plain(e, text + plain, at - plain, err);
        if (status != INGOT_OK) return status;
        if (!ids_reserve(e->out, 1)) return fail_memory(e, err);
        e->out->ids[e->out->n++] = id;
        at += length;
        plain = at;
    }
    return encode_plain(e, text + plain, n - plain, err);
}

enum ingot_status tokenizer_encode(const struct ingot_tokenizer *tokenizer, struct bpe_scratch *scratch,
                                   const uint8_t *text, size_t n, unsigned flags, struct ingot_ids *out,
                                   struct ingot_error *err)
{
    size_t n_before = out->n;
    struct encoder e = { .t = tokenizer, .scratch = scratch, .out = out };
    if (n == 0) return INGOT_OK;
    e.text_end = text + n;
    if (n >= CACHE_WORTH) e.cache = calloc(CACHE_ENTRIES, sizeof *e.cache); /* without memory it is only slower */
    enum ingot_status status =
        flags & INGOT_ENCODE_SPECIAL ? encode_special(&e, text, n, err) : encode_plain(&e, text, n, err);
    if (status == INGOT_OK && scratch->damaged)
        status = fail_at(tokenizer, INGOT_E_VOCABULARY, 0, err,
                         "the table of bytes or of merges gives an id that is no token");
    free(e.cache);
    if (status != INGOT_OK) out->n = n_before;
    return status;
}

enum ingot_status ingot_tokenizer_encode(const struct ingot_tokenizer *tokenizer, const char *text, size_t n,
                                         unsigned flags, struct ingot_ids *out, struct ingot_error *err)
{
    struct bpe_scratch scratch = { 0 };
    enum ingot_status status = tokenizer_encode(tokenizer, &scratch, (const uint8_t *)text, n, flags, out, err);
    bpe_scratch_free(&scratch);
    return status;
}
