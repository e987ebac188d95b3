/* vocab_tables.c - checks a vocabulary while it is read and writes it down in canonical form. */
#include "convert/vocab_tables.h"

#include "convert/array.h"
#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"

#define TEXT_LIMIT  (256u << 20) /* bytes of all tokens */
#define EOT         "<|endoftext|>"
#define SHOWN_BYTES 96

static const char *show(struct vocab_span s, char out[SHOWN_BYTES])
{
    return ingot_escape((const char *)s.at, s.n, out, SHOWN_BYTES);
}

static struct vocab_span piece_span(const struct vocab_tables *t, uint32_t id)
{
    return (struct vocab_span){ t->text + t->pieces[id].off, t->pieces[id].n };
}

/* ------------------------------------------------------------------------------------------------------- tokens */

/* Makes ids 0 .. id exist, unused. */
static bool reserve_piece(struct vocab_tables *t, uint32_t id)
{
    if (id >= t->cap_pieces) {
        size_t cap = 2 * ((size_t)id + 1);
        struct vocab_piece *pieces = reallocarray(t->pieces, cap, sizeof *pieces);
        if (!pieces) return false;
        memset(pieces + t->cap_pieces, 0, (cap - t->cap_pieces) * sizeof *pieces);
        t->pieces = pieces;
        t->cap_pieces = cap;
    }
    if (id >= t->n_pieces) t->n_pieces = (size_t)id + 1;
    return true;
}

static bool reserve_text(struct vocab_tables *t, size_t n)
{
    if (n <= t->cap_text - t->n_text) return true;
    size_t cap = 2 * (t->n_text + n) + 4096;
    uint8_t *text = realloc(t->text, cap);
    if (!text) return false;
    t->text = text;
    t->cap_text = cap;
    return true;
}

static enum ingot_status check_token(const struct vocab_tables *t, uint32_t id, struct vocab_span bytes,
                                     struct vocab_place place, struct ingot_error *err)
{
    char shown[SHOWN_BYTES];
    if (bytes.n == 0) return ingot_fail(err, INGOT_E_VOCABULARY, place.off, place.file, NULL, "token %u is empty", id);
    if (id >= t->n_vocab)
        return ingot_fail(
            err, INGOT_E_VOCABULARY, place.off, place.file, "is this the tokenizer of another model, or n_vocab wrong?",
            "token \"%s\" has id %u; the model has %u token%s", show(bytes, shown), id, t->n_vocab, plural(t->n_vocab));
    if (id < t->n_pieces && t->pieces[id].n > 0)
        return ingot_fail(err, INGOT_E_VOCABULARY, place.off, place.file, NULL, "id %u is given twice, to \"%s\" too",
                          id, show(bytes, shown));
    if (bytes.n > TEXT_LIMIT - t->n_text)
        return ingot_fail(err, INGOT_E_LIMIT, place.off, place.file, NULL, "the tokens have more than %u bytes",
                          TEXT_LIMIT);
    return INGOT_OK;
}

enum ingot_status vocab_tables_add_token(struct vocab_tables *t, uint32_t id, struct vocab_span bytes, bool special,
                                         struct vocab_place place, struct ingot_error *err)
{
    enum ingot_status status = check_token(t, id, bytes, place, err);
    if (status != INGOT_OK) return status;
    if (!reserve_piece(t, id) || !reserve_text(t, bytes.n)) return fail_memory(err, place.file);
    memcpy(t->text + t->n_text, bytes.at, bytes.n);
    t->pieces[id] = (struct vocab_piece){ .off = (uint32_t)t->n_text, .n = (uint32_t)bytes.n, .special = special };
    t->n_text += bytes.n;
    return INGOT_OK;
}

uint32_t vocab_tables_find(const struct vocab_tables *t, struct vocab_span bytes)
{
    const struct token_key *found = token_index_find(&t->index, bytes.at, bytes.n);
    return found ? found->id : VOCAB_NO_TOKEN;
}

static enum ingot_status check_twins(const struct vocab_tables *t, const char *file, struct ingot_error *err)
{
    const struct token_key *twins[2];
    char shown[SHOWN_BYTES];
    if (!token_index_twins(&t->index, twins)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, file, NULL, "token \"%s\" is given twice, as %u and %u",
                      show(piece_span(t, twins[0]->id), shown), twins[0]->id, twins[1]->id);
}

static enum ingot_status index_tokens(struct vocab_tables *t, const char *file, struct ingot_error *err)
{
    size_t longest = 0;
    uint32_t n = 0;
    struct token_key *keys = calloc(t->n_pieces + 1, sizeof *keys);
    for (uint32_t id = 0; keys && id < t->n_pieces; id++) {
        const struct vocab_span s = piece_span(t, id);
        if (s.n > longest) longest = s.n;
        if (s.n == 0) continue;
        keys[n] = (struct token_key){ .at = s.at, .n = (uint32_t)s.n, .id = id };
        n++;
    }
    t->joined = malloc(2 * longest + 1);
    const bool built = keys && t->joined && token_index_build(&t->index, keys, n);
    free(keys);
    return built ? check_twins(t, file, err) : fail_memory(err, file);
}

enum ingot_status vocab_tables_close_tokens(struct vocab_tables *t, const char *file, struct ingot_error *err)
{
    enum ingot_status status = index_tokens(t, file, err);
    if (status != INGOT_OK) return status;
    for (unsigned b = 0; b < 256; b++) {
        uint8_t byte = (uint8_t)b;
        uint32_t id = vocab_tables_find(t, (struct vocab_span){ &byte, 1 });
        if (id == VOCAB_NO_TOKEN)
            return ingot_fail(err, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, file,
                              "a byte-level vocabulary can spell every text", "there is no token for the byte 0x%02x",
                              b);
        t->byte_ids[b] = id;
        t->pieces[id].reachable = true;
    }
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------- merges */

static enum ingot_status fail_merge(struct vocab_place place, struct vocab_span piece, const char *problem,
                                    struct ingot_error *err)
{
    char shown[SHOWN_BYTES];
    return ingot_fail(err, INGOT_E_VOCABULARY, place.off, place.file, "do the two files belong together?",
                      "merge %llu: \"%s\" %s", (unsigned long long)place.line, show(piece, shown), problem);
}

/* The token that two tokens make together. */
static enum ingot_status find_joined(const struct vocab_tables *t, struct vocab_span left, struct vocab_span right,
                                     struct vocab_place place, uint32_t *id, struct ingot_error *err)
{
    struct vocab_span joined = { t->joined, left.n + right.n };
    memcpy(t->joined, left.at, left.n);
    memcpy(t->joined + left.n, right.at, right.n);
    *id = vocab_tables_find(t, joined);
    return *id == VOCAB_NO_TOKEN ? fail_merge(place, joined, "is made here and is no token", err) : INGOT_OK;
}

enum ingot_status vocab_tables_add_merge(struct vocab_tables *t, struct vocab_span left, struct vocab_span right,
                                         struct vocab_place place, struct ingot_error *err)
{
    struct vocab_merge m = { .off = place.off, .line = place.line };
    m.left = vocab_tables_find(t, left);
    if (m.left == VOCAB_NO_TOKEN) return fail_merge(place, left, "is no token", err);
    m.right = vocab_tables_find(t, right);
    if (m.right == VOCAB_NO_TOKEN) return fail_merge(place, right, "is no token", err);
    enum ingot_status status = find_joined(t, left, right, place, &m.merged, err);
    if (status != INGOT_OK) return status;
    if (t->n_merges >= LIMIT_N_VOCAB)
        return ingot_fail(err, INGOT_E_LIMIT, place.off, place.file, NULL, "more than %u merges", LIMIT_N_VOCAB);
    struct vocab_merge *merges = array_grow(t->merges, &t->cap_merges, t->n_merges, sizeof *merges);
    if (!merges) return fail_memory(err, place.file);
    t->merges = merges;
    t->merges_file = place.file;
    t->merges[t->n_merges++] = m;
    t->pieces[m.merged].reachable = true;
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------ encoding */

static enum ingot_status check_reachable(const struct vocab_tables *t, struct ingot_error *err)
{
    for (size_t i = 0; i < t->n_merges; i++) {
        const struct vocab_merge *m = &t->merges[i];
        uint32_t stray = t->pieces[m->left].reachable ? m->right : m->left;
        char shown[SHOWN_BYTES];
        if (t->pieces[stray].reachable) continue;
        return ingot_fail(err, INGOT_E_UNSUPPORTED, m->off, t->merges_file, "only GPT-2's byte-level BPE is known",
                          "not a byte-level BPE: merge %llu needs \"%s\", which is no byte and no merge makes",
                          (unsigned long long)m->line, show(piece_span(t, stray), shown));
    }
    return INGOT_OK;
}

/* Returns the id, VOCAB_NO_TOKEN when no token is meant: what merges make is text, whoever calls it special. */
static uint32_t mark_special(struct vocab_tables *t, struct vocab_span bytes)
{
    uint32_t id = vocab_tables_find(t, bytes);
    if (id == VOCAB_NO_TOKEN || t->pieces[id].reachable) return VOCAB_NO_TOKEN;
    t->pieces[id].special = true;
    return id;
}

void vocab_tables_mark_special(struct vocab_tables *t, struct vocab_span bytes)
{
    mark_special(t, bytes);
}

/* Where each table of the section begins. */
struct section_plan {
    uint32_t n_tokens, n_special, n_slots, max_piece, eot;
    uint64_t text_bytes;
    uint64_t pieces, bytes, special, merges, text, end;
};

static uint64_t place_table(uint64_t *end, uint64_t n_bytes)
{
    uint64_t at = (*end + SECTION_ALIGN - 1) & ~(uint64_t)(SECTION_ALIGN - 1);
    *end = at + n_bytes;
    return at;
}

/* Nothing here overflows: ids and merges are below LIMIT_N_VOCAB, the text within TEXT_LIMIT. */
static struct section_plan plan_section(const struct vocab_tables *t)
{
    struct section_plan s = { .n_tokens = (uint32_t)t->n_pieces, .n_slots = 1, .end = VOCAB_HEADER_BYTES };
    for (size_t id = 0; id < t->n_pieces; id++) {
        s.n_special += t->pieces[id].special;
        s.text_bytes += t->pieces[id].n;
        if (t->pieces[id].n > s.max_piece) s.max_piece = t->pieces[id].n;
    }
    while (s.n_slots < 2 * t->n_merges) s.n_slots *= 2;
    s.pieces = place_table(&s.end, 4 * ((uint64_t)s.n_tokens + 1));
    s.bytes = place_table(&s.end, UINT64_C(4) * 256);
    s.special = place_table(&s.end, UINT64_C(4) * s.n_special);
    s.merges = place_table(&s.end, (uint64_t)VOCAB_SLOT_BYTES * s.n_slots);
    s.text = place_table(&s.end, s.text_bytes);
    return s;
}

static void put_header(uint8_t *out, const struct section_plan *s, uint32_t n_merges)
{
    memcpy(out, VOCAB_MAGIC, 4);
    put_u32(out + VOCAB_FLAVOUR_OFF, VOCAB_FLAVOUR_GPT2);
    put_u32(out + VOCAB_N_TOKENS_OFF, s->n_tokens);
    put_u32(out + VOCAB_N_MERGES_OFF, n_merges);
    put_u32(out + VOCAB_N_SLOTS_OFF, s->n_slots);
    put_u32(out + VOCAB_N_SPECIAL_OFF, s->n_special);
    put_u32(out + VOCAB_EOT_OFF, s->eot);
    put_u32(out + VOCAB_MAX_PIECE_OFF, s->max_piece);
    put_u64(out + VOCAB_PIECES_OFF_OFF, s->pieces);
    put_u64(out + VOCAB_BYTES_OFF_OFF, s->bytes);
    put_u64(out + VOCAB_SPECIAL_OFF_OFF, s->special);
    put_u64(out + VOCAB_MERGES_OFF_OFF, s->merges);
    put_u64(out + VOCAB_TEXT_OFF_OFF, s->text);
    put_u64(out + VOCAB_TEXT_BYTES_OFF, s->text_bytes);
}

static void put_pieces(uint8_t *out, const struct section_plan *s, const struct vocab_tables *t)
{
    uint32_t end = 0, n_special = 0;
    for (uint32_t id = 0; id < s->n_tokens; id++) {
        struct vocab_span piece = piece_span(t, id);
        if (piece.n > 0) memcpy(out + s->text + end, piece.at, piece.n);
        end += (uint32_t)piece.n;
        put_u32(out + s->pieces + 4 * ((uint64_t)id + 1), end);
        if (t->pieces[id].special) put_u32(out + s->special + UINT64_C(4) * n_special++, id);
    }
    for (size_t b = 0; b < 256; b++) put_u32(out + s->bytes + 4 * b, t->byte_ids[b]);
}

static uint32_t home_slot(uint32_t left, uint32_t right, uint32_t n_slots)
{
    return (uint32_t)((left * VOCAB_HASH_LEFT + right * VOCAB_HASH_RIGHT) >> 32) & (n_slots - 1);
}

static enum ingot_status put_merge(uint8_t *slots, uint32_t n_slots, const struct vocab_merge *m, uint32_t rank,
                                   const char *file, struct ingot_error *err)
{
    uint32_t at = home_slot(m->left, m->right, n_slots);
    for (uint32_t probe = 0; probe < VOCAB_MAX_PROBES && probe < n_slots; probe++, at = (at + 1) & (n_slots - 1)) {
        uint8_t *slot = slots + (uint64_t)VOCAB_SLOT_BYTES * at;
        if (get_u32(slot) == m->left && get_u32(slot + 4) == m->right)
            return ingot_fail(err, INGOT_E_VOCABULARY, m->off, file, NULL, "merge %llu stands in the file twice",
                              (unsigned long long)m->line);
        if (get_u32(slot) != VOCAB_NO_TOKEN) continue;
        put_u32(slot, m->left);
        put_u32(slot + 4, m->right);
        put_u32(slot + 8, rank);
        put_u32(slot + 12, m->merged);
        return INGOT_OK;
    }
    return ingot_fail(err, INGOT_E_LIMIT, m->off, file, NULL,
                      "merge %llu finds no place in the table: more than %u others collide with it",
                      (unsigned long long)m->line, VOCAB_MAX_PROBES - 1);
}

enum ingot_status vocab_tables_encode(struct vocab_tables *t, uint8_t **bytes, uint64_t *n_bytes,
                                      struct ingot_error *err)
{
    enum ingot_status status = check_reachable(t, err);
    if (status != INGOT_OK) return status;
    /* by GPT-2's convention, even where no file says so */
    uint32_t eot = mark_special(t, (struct vocab_span){ (const uint8_t *)EOT, sizeof EOT - 1 });
    struct section_plan s = plan_section(t);
    s.eot = eot;
    if (s.n_special > VOCAB_MAX_SPECIAL)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, t->merges_file, NULL,
                          "%u special tokens; the limit is %u", s.n_special, VOCAB_MAX_SPECIAL);
    uint8_t *out = calloc(1, s.end);
    if (!out) return fail_memory(err, t->merges_file);
    put_header(out, &s, (uint32_t)t->n_merges);
    put_pieces(out, &s, t);
    memset(out + s.merges, 0xff, (uint64_t)VOCAB_SLOT_BYTES * s.n_slots);
    for (uint32_t rank = 0; rank < t->n_merges && status == INGOT_OK; rank++)
        status = put_merge(out + s.merges, s.n_slots, &t->merges[rank], rank, t->merges_file, err);
    if (status != INGOT_OK) {
        free(out);
        return status;
    }
    *bytes = out;
    *n_bytes = s.end;
    return INGOT_OK;
}

void vocab_tables_free(struct vocab_tables *t)
{
    free(t->pieces);
    free(t->text);
    token_index_free(&t->index);
    free(t->joined);
    free(t->merges);
    *t = (struct vocab_tables){ 0 };
}
