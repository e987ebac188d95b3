/* vocab_section.c - the tables in place become lists again: tokens by id, merges by rank. They are given to
 * vocab_tables.h, which checks them as it checks a tokenizer's files and makes a section of them again. That must be
 * the one that was read, to the byte: then nothing in it, be it a slot that no look-up finds or a byte between two
 * tables, says anything that the lists do not. */
#include "convert/vocab_section.h"

#include "convert/array.h"
#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"

#define ADVICE "convert the checkpoint again"

/* Bytes of the tokens that all merges make. GPT-2's make 300 KB. A merge is 16 bytes in the section, but written out it
 * is as long as its token: a small file may not ask for terabytes of text. */
#define SPELLED_LIMIT (UINT64_C(1) << 28)

struct merge {
    uint32_t left, right;
    uint32_t slot; /* where it stands */
    bool seen;
};

struct section {
    const uint8_t *bytes;
    uint64_t n_bytes, file_off;
    const char *file;
    uint32_t n_tokens, n_merges, n_slots, n_special;
    uint64_t text_bytes;
    const uint8_t *pieces, *special, *slots, *text;
    struct merge *merges; /* owned, by rank */
    uint8_t *is_special;  /* owned, by id */
    struct ingot_error *err;
};

static enum ingot_status fail_at(const struct section *s, enum ingot_status status, uint64_t off, const char *problem)
{
    return ingot_fail(s->err, status, s->file_off + off, s->file, ADVICE, "%s: %s", INGOT_NAME_VOCABULARY, problem);
}

static enum ingot_status fail_in(const struct section *s, const uint8_t *at, const char *problem)
{
    return fail_at(s, INGOT_E_VOCABULARY, (uint64_t)(at - s->bytes), problem);
}

/* What vocab_tables.h finds wrong: its words are of the lists, but its advice is for who has a tokenizer's files. */
static enum ingot_status fail_as_section(const struct section *s, enum ingot_status status)
{
    if (status == INGOT_OK || status == INGOT_E_MEMORY || !s->err) return status;
    const struct ingot_error found = *s->err;
    *s->err = (struct ingot_error){ 0 };
    return ingot_fail(s->err, status, found.offset, s->file, ADVICE, "%s: %s", INGOT_NAME_VOCABULARY, found.message);
}

/* -------------------------------------------------------------------------------------------------------- header */

static enum ingot_status read_header(struct section *s)
{
    if (s->n_bytes < VOCAB_HEADER_BYTES || memcmp(s->bytes, VOCAB_MAGIC, sizeof VOCAB_MAGIC - 1) != 0)
        return fail_at(s, INGOT_E_VOCABULARY, 0, "no header, or not one of " VOCAB_MAGIC);
    if (get_u32(s->bytes + VOCAB_FLAVOUR_OFF) != VOCAB_FLAVOUR_GPT2)
        return fail_at(s, INGOT_E_UNSUPPORTED, VOCAB_FLAVOUR_OFF, "a kind of tokenizer that is not known");
    s->n_tokens = get_u32(s->bytes + VOCAB_N_TOKENS_OFF);
    s->n_merges = get_u32(s->bytes + VOCAB_N_MERGES_OFF);
    s->n_slots = get_u32(s->bytes + VOCAB_N_SLOTS_OFF);
    s->n_special = get_u32(s->bytes + VOCAB_N_SPECIAL_OFF);
    s->text_bytes = get_u64(s->bytes + VOCAB_TEXT_BYTES_OFF);
    if (s->n_tokens == 0 || s->n_tokens > LIMIT_N_VOCAB)
        return fail_at(s, INGOT_E_VOCABULARY, VOCAB_N_TOKENS_OFF, "the number of tokens is out of range");
    if (s->n_slots <= s->n_merges)
        return fail_at(s, INGOT_E_VOCABULARY, VOCAB_N_SLOTS_OFF, "not more slots than merges");
    return INGOT_OK;
}

static enum ingot_status bind_tables(struct section *s)
{
    const struct {
        uint32_t off_field;
        uint64_t n_bytes;
        const uint8_t **at;
    } tables[] = {
        { VOCAB_PIECES_OFF_OFF, 4 * ((uint64_t)s->n_tokens + 1), &s->pieces },
        { VOCAB_SPECIAL_OFF_OFF, UINT64_C(4) * s->n_special, &s->special },
        { VOCAB_MERGES_OFF_OFF, (uint64_t)VOCAB_SLOT_BYTES * s->n_slots, &s->slots },
        { VOCAB_TEXT_OFF_OFF, s->text_bytes, &s->text },
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        uint64_t off = get_u64(s->bytes + tables[i].off_field);
        if (!span_inside(off, tables[i].n_bytes, s->n_bytes))
            return fail_at(s, INGOT_E_VOCABULARY, tables[i].off_field, "a table does not fit");
        *tables[i].at = s->bytes + off;
    }
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------------------- tokens */

static enum ingot_status read_special(struct section *s)
{
    s->is_special = calloc(s->n_tokens, 1);
    if (!s->is_special) return fail_memory(s->err, s->file);
    for (uint32_t i = 0; i < s->n_special; i++) {
        uint32_t id = get_u32(s->special + 4 * (size_t)i);
        if (id >= s->n_tokens) return fail_in(s, s->special + 4 * (size_t)i, "a special token is no token");
        s->is_special[id] = 1;
    }
    return INGOT_OK;
}

static enum ingot_status read_tokens(const struct section *s, struct vocab_tables *t)
{
    for (uint32_t id = 0; id < s->n_tokens; id++) {
        const uint8_t *at = s->pieces + 4 * (size_t)id;
        uint32_t begin = get_u32(at), end = get_u32(at + 4);
        struct vocab_place place = { .file = s->file, .off = s->file_off + (uint64_t)(at - s->bytes) };
        if (begin > end || end > s->text_bytes) return fail_in(s, at, "a token lies outside the text");
        if (begin == end) continue;
        struct vocab_span bytes = { s->text + begin, end - begin };
        enum ingot_status status = vocab_tables_add_token(t, id, bytes, s->is_special[id], place, s->err);
        if (status != INGOT_OK) return fail_as_section(s, status);
    }
    return fail_as_section(s, vocab_tables_close_tokens(t, s->file, s->err));
}

/* -------------------------------------------------------------------------------------------------------- merges */

/* Puts the slots in order of their ranks. */
static enum ingot_status sort_merges(struct section *s)
{
    uint32_t n = 0;
    s->merges = calloc((size_t)s->n_merges + 1, sizeof *s->merges);
    if (!s->merges) return fail_memory(s->err, s->file);
    for (uint32_t i = 0; i < s->n_slots; i++) {
        const uint8_t *slot = s->slots + (uint64_t)VOCAB_SLOT_BYTES * i;
        if (get_u32(slot) == VOCAB_NO_TOKEN) continue;
        uint32_t rank = get_u32(slot + 8);
        if (rank >= s->n_merges || s->merges[rank].seen) return fail_in(s, slot, "the rank of a merge is wrong");
        s->merges[rank] = (struct merge){ get_u32(slot), get_u32(slot + 4), i, true };
        n++;
    }
    return n == s->n_merges ? INGOT_OK : fail_at(s, INGOT_E_VOCABULARY, VOCAB_N_MERGES_OFF, "merges are missing");
}

static bool token_span(const struct vocab_tables *t, uint32_t id, struct vocab_span *out)
{
    if (id >= t->n_pieces || t->pieces[id].n == 0) return false;
    *out = (struct vocab_span){ t->text + t->pieces[id].off, t->pieces[id].n };
    return true;
}

static enum ingot_status read_merges(const struct section *s, struct vocab_tables *t)
{
    uint64_t spelled = 0;
    for (uint32_t rank = 0; rank < s->n_merges; rank++) {
        const struct merge *m = &s->merges[rank];
        const uint8_t *slot = s->slots + (uint64_t)VOCAB_SLOT_BYTES * m->slot;
        struct vocab_span left, right;
        struct vocab_place place = { s->file, s->file_off + (uint64_t)(slot - s->bytes), (uint64_t)rank + 1 };
        if (!token_span(t, m->left, &left) || !token_span(t, m->right, &right))
            return fail_in(s, slot, "a merge of what is no token");
        spelled += left.n + right.n;
        if (spelled > SPELLED_LIMIT)
            return fail_at(s, INGOT_E_LIMIT, (uint64_t)(slot - s->bytes),
                           "the merges make more than 256 MiB of tokens");
        enum ingot_status status = vocab_tables_add_merge(t, left, right, place, s->err);
        if (status != INGOT_OK) return fail_as_section(s, status);
    }
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------------ all */

/* Two ids of one pair, an id of a byte that is another's, what a merge makes, the end of text: all are seen here. */
static enum ingot_status check_canonical(const struct section *s, struct vocab_tables *t)
{
    uint8_t *bytes = NULL;
    uint64_t n_bytes = 0, same = 0;
    enum ingot_status status = vocab_tables_encode(t, &bytes, &n_bytes, s->err);
    if (status != INGOT_OK) return fail_as_section(s, status);
    while (same < n_bytes && same < s->n_bytes && bytes[same] == s->bytes[same]) same++;
    free(bytes);
    if (same == n_bytes && same == s->n_bytes) return INGOT_OK;
    return fail_at(s, INGOT_E_VOCABULARY, same, "not what its own tokens and merges make");
}

enum ingot_status vocab_section_read(const struct ingot_section *section, const char *file, uint32_t n_vocab,
                                     struct vocab_tables *out, uint32_t *eot, struct ingot_error *err)
{
    struct section s = { section->data, section->raw_bytes, .file_off = section->data_off, .file = file, .err = err };
    *out = (struct vocab_tables){ .n_vocab = n_vocab };
    enum ingot_status status = read_header(&s);
    if (status == INGOT_OK) status = bind_tables(&s);
    if (status == INGOT_OK) status = read_special(&s);
    if (status == INGOT_OK) status = read_tokens(&s, out);
    if (status == INGOT_OK) status = sort_merges(&s);
    if (status == INGOT_OK) status = read_merges(&s, out);
    if (status == INGOT_OK) status = check_canonical(&s, out);
    free(s.is_special);
    free(s.merges);
    if (status == INGOT_OK)
        *eot = get_u32(s.bytes + VOCAB_EOT_OFF);
    else
        vocab_tables_free(out);
    return status;
}
