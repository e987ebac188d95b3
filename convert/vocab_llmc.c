/*
 * vocab_llmc.c - llm.c's tokenizer: 256 i32 of header, then every token as a length in one byte and its bytes
 * (karpathy/llm.c, write_tokenizer() of train_gpt2.py).
 *
 * It has no merges. But training a byte-level BPE gives each merge the next id, so ids are ranks; and the pair that
 * made a token is what is left of its bytes when all merges of lower rank have been done. For GPT-2's tokens this gives
 * back the merges as they were released.
 */
#include "convert/vocab_read.h"

#include "convert/fail.h"
#include "convert/llmc.h"
#include "format/bytes.h"
#include "format/disk.h"

#include <inttypes.h>

#define VERSION_OFF  4u
#define N_TOKENS_OFF 8u
#define EOT_OFF      12u
#define MAX_PIECES   255u
#define EOT          "<|endoftext|>"
#define SHOWN_BYTES  96
#define ADVICE_PAIR  "put vocab.json and merges.txt beside the model"

struct header {
    uint32_t version, n_tokens;
    uint32_t eot; /* VOCAB_NO_TOKEN: the file does not say */
};

/* --------------------------------------------------------------------------------------------------------- tokens */

static enum ingot_status check_magic(const struct input *in, struct ingot_error *err)
{
    if (in->map.size < LLMC_HEADER_BYTES)
        return ingot_fail(err, INGOT_E_TRUNCATED, in->map.size, in->path, ADVICE_COPY,
                          "%" PRIu64 " byte%s; the header alone takes %u", in->map.size, plural(in->map.size),
                          LLMC_HEADER_BYTES);
    if (get_u32(in->map.bytes) != LLMC_TOKENIZER_MAGIC)
        return ingot_fail(err, INGOT_E_SOURCE, 0, in->path, ADVICE_COPY, "begins with %" PRIu32 ", expected %u",
                          get_u32(in->map.bytes), LLMC_TOKENIZER_MAGIC);
    return INGOT_OK;
}

static enum ingot_status read_header(const struct input *in, struct header *h, struct ingot_error *err)
{
    enum ingot_status status = check_magic(in, err);
    if (status != INGOT_OK) return status;
    *h = (struct header){ .version = get_u32(in->map.bytes + VERSION_OFF),
                          .n_tokens = get_u32(in->map.bytes + N_TOKENS_OFF),
                          .eot = VOCAB_NO_TOKEN };
    if (h->version != 1 && h->version != 2)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, VERSION_OFF, in->path, ADVICE_PAIR,
                          "version %" PRIu32 " of llm.c's tokenizer; known are 1 and 2", h->version);
    if (h->n_tokens > LIMIT_N_VOCAB)
        return ingot_fail(err, INGOT_E_LIMIT, N_TOKENS_OFF, in->path, NULL, "%" PRIu32 " tokens; the limit is %u",
                          h->n_tokens, LIMIT_N_VOCAB);
    if (h->version == 1) return INGOT_OK;
    h->eot = get_u32(in->map.bytes + EOT_OFF);
    if (h->eot >= h->n_tokens)
        return ingot_fail(err, INGOT_E_SOURCE, EOT_OFF, in->path, ADVICE_COPY,
                          "the end of text is token %" PRIu32 " of %" PRIu32, h->eot, h->n_tokens);
    return INGOT_OK;
}

/* Version 1 does not say which token ends a text; by GPT-2's convention its bytes do. */
static bool is_eot(const struct header *h, uint32_t id, struct vocab_span bytes)
{
    if (h->eot != VOCAB_NO_TOKEN) return id == h->eot;
    return bytes.n == sizeof EOT - 1 && memcmp(bytes.at, EOT, bytes.n) == 0;
}

static enum ingot_status read_tokens(const struct input *in, const struct header *h, struct vocab_tables *t,
                                     struct ingot_error *err)
{
    struct cursor c = { .p = in->map.bytes + LLMC_HEADER_BYTES,
                        .left = in->map.size - LLMC_HEADER_BYTES,
                        .at = LLMC_HEADER_BYTES };
    enum ingot_status status = INGOT_OK;
    for (uint32_t id = 0; id < h->n_tokens && status == INGOT_OK; id++) {
        struct vocab_place place = { .file = in->path, .off = c.at };
        struct vocab_span bytes = { .n = cursor_u8(&c) };
        bytes.at = cursor_take(&c, bytes.n);
        if (c.bad)
            return ingot_fail(err, INGOT_E_TRUNCATED, place.off, in->path, ADVICE_COPY,
                              "ends inside token %" PRIu32 " of %" PRIu32, id, h->n_tokens);
        status = vocab_tables_add_token(t, id, bytes, is_eot(h, id, bytes), place, err);
    }
    if (status == INGOT_OK && c.left > 0)
        status =
            ingot_fail(err, INGOT_E_SOURCE, c.at, in->path, ADVICE_COPY,
                       "%" PRIu64 " byte%s behind the last of %" PRIu32 " tokens", c.left, plural(c.left), h->n_tokens);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- merges */

/* A token's bytes while they are being merged: piece i is start[i] .. start[i + 1], rank[i] that of piece i and the
 * next together. */
struct word {
    const struct vocab_tables *tables;
    const uint8_t *bytes;
    uint32_t limit; /* merges have ranks below it */
    uint32_t n;     /* pieces */
    uint16_t start[MAX_PIECES + 1];
    uint32_t rank[MAX_PIECES];
};

static void rank_pair(struct word *w, uint32_t i)
{
    struct vocab_span both = { w->bytes + w->start[i], (size_t)(w->start[i + 2] - w->start[i]) };
    uint32_t id = vocab_tables_find(w->tables, both);
    w->rank[i] = id < w->limit && !w->tables->pieces[id].special ? id : VOCAB_NO_TOKEN;
}

static struct word word_of(const struct vocab_tables *t, uint32_t id)
{
    const struct vocab_piece *piece = &t->pieces[id];
    struct word w = { .tables = t, .bytes = t->text + piece->off, .limit = id, .n = piece->n };
    for (uint32_t i = 0; i <= w.n; i++) w.start[i] = (uint16_t)i;
    for (uint32_t i = 0; i + 1 < w.n; i++) rank_pair(&w, i);
    return w;
}

/* The pair of the lowest rank, the first of equals; w->n when no pair is a token below the limit. */
static uint32_t lowest_pair(const struct word *w)
{
    uint32_t lowest = 0;
    for (uint32_t i = 1; i + 1 < w->n; i++)
        if (w->rank[i] < w->rank[lowest]) lowest = i;
    return w->rank[lowest] == VOCAB_NO_TOKEN ? w->n : lowest;
}

static void merge_pair(struct word *w, uint32_t i)
{
    memmove(&w->start[i + 1], &w->start[i + 2], (w->n - i - 1) * sizeof w->start[0]);
    memmove(&w->rank[i], &w->rank[i + 1], (w->n - i - 2) * sizeof w->rank[0]);
    w->n--;
    if (i > 0) rank_pair(w, i - 1);
    if (i + 1 < w->n) rank_pair(w, i);
}

/* Merges until two pieces are left. False when more are, and no merge is. */
static bool split_in_two(struct word *w)
{
    while (w->n > 2) {
        uint32_t pair = lowest_pair(w);
        if (pair == w->n) return false;
        merge_pair(w, pair);
    }
    return true;
}

static enum ingot_status recover_merge(struct vocab_tables *t, uint32_t id, struct vocab_place place,
                                       struct ingot_error *err)
{
    struct word w = word_of(t, id);
    struct vocab_span token = { w.bytes, w.n };
    char shown[SHOWN_BYTES];
    if (!split_in_two(&w))
        return ingot_fail(err, INGOT_E_UNSUPPORTED, place.off, place.file, ADVICE_PAIR,
                          "token %" PRIu32 ", \"%s\", is not made of two tokens before it", id,
                          ingot_escape((const char *)token.at, token.n, shown, sizeof shown));
    struct vocab_span left = { token.at, w.start[1] }, right = { token.at + left.n, token.n - left.n };
    return vocab_tables_add_merge(t, left, right, place, err);
}

/* Every token but the bytes and those that are special. In front of each stands its length: the place of token i is i
 * bytes further than that of its text in the tables. */
static enum ingot_status recover_merges(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    struct vocab_place place = { .file = in->path };
    enum ingot_status status = INGOT_OK;
    for (uint32_t id = 0; id < t->n_pieces && status == INGOT_OK; id++) {
        if (t->pieces[id].n == 1 || t->pieces[id].special) continue;
        place.off = LLMC_HEADER_BYTES + (uint64_t)t->pieces[id].off + id;
        place.line++;
        status = recover_merge(t, id, place, err);
    }
    return status;
}

enum ingot_status vocab_read_llmc(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    struct header header;
    enum ingot_status status = read_header(in, &header, err);
    if (status == INGOT_OK) status = read_tokens(in, &header, t, err);
    if (status == INGOT_OK) status = vocab_tables_close_tokens(t, in->path, err);
    return status == INGOT_OK ? recover_merges(in, t, err) : status;
}
