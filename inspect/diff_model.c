/* diff_model.c - tokenizers are compared as the sections that they are or would become: equal ones give equal bytes.
 * Where the bytes differ, both are read to say in what. */
#include "inspect/diff_model.h"

#include "convert/vocab_section.h"
#include "convert/vocab_tables.h"
#include "convert/vocabulary.h"
#include "format/disk.h"
#include "format/error.h"
#include "inspect/hparams.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- hyper-parameters */

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void add_texts(struct diff_model *m, const char *name, const char *a, const char *b)
{
    struct diff_property *p = &m->properties[m->n_properties++];
    *p = (struct diff_property){ .name = name, .differs = strcmp(a, b) != 0 };
    snprintf(p->value[0], sizeof p->value[0], "%s", a);
    snprintf(p->value[1], sizeof p->value[1], "%s", b);
    m->n_differing += p->differs;
}

static void add_counts(struct diff_model *m, const char *name, uint32_t a, uint32_t b)
{
    char texts[2][16];
    snprintf(texts[0], sizeof texts[0], "%" PRIu32, a);
    snprintf(texts[1], sizeof texts[1], "%" PRIu32, b);
    add_texts(m, name, texts[0], texts[1]);
}

/* Nine digits tell any two f32 apart; most need fewer. */
static void epsilon_text(float value, char out[32])
{
    float back = 0;
    for (int digits = 1; digits <= 9 && back != value; digits++) {
        snprintf(out, 32, "%.*g", digits, (double)value);
        back = strtof(out, NULL);
    }
}

/* A recipe that is not the one that fits needs a plan of its own. */
static enum ingot_status read_hparams(const struct checkpoint *cp, const char *recipe, struct ingot_hparams *out,
                                      struct ingot_error *err)
{
    const struct ingot_convert_options how = { .recipe = recipe };
    struct ingot_plan_summary summary = { .n_tensors = 0 };
    if (!recipe) return checkpoint_hparams(cp, out, err);
    enum ingot_status status = ingot_convert_plan(cp->path, &how, NULL, NULL, &summary, err);
    if (status == INGOT_OK) *out = summary.hparams;
    return status;
}

static void compare_hparams(struct diff_model *m, const struct ingot_hparams *a, const struct ingot_hparams *b)
{
    char epsilon[2][32];
    const uint32_t scale = INGOT_ATTN_SCALE, by_layer = INGOT_ATTN_SCALE_BY_LAYER;
    add_counts(m, "n_layer", a->n_layer, b->n_layer);
    add_counts(m, "n_head", a->n_head, b->n_head);
    add_counts(m, "n_embd", a->n_embd, b->n_embd);
    add_counts(m, "n_inner", a->n_inner, b->n_inner);
    add_counts(m, "n_ctx", a->n_ctx, b->n_ctx);
    add_counts(m, "n_vocab", a->n_vocab, b->n_vocab);
    add_texts(m, "activation", activation_name(a->activation), activation_name(b->activation));
    add_texts(m, "attention_scale", truth(a->attention_flags & scale), truth(b->attention_flags & scale));
    add_texts(m, "attention_scale_by_layer", truth(a->attention_flags & by_layer),
              truth(b->attention_flags & by_layer));
    epsilon_text(a->layer_norm_epsilon, epsilon[0]);
    epsilon_text(b->layer_norm_epsilon, epsilon[1]);
    add_texts(m, "layer_norm_epsilon", epsilon[0], epsilon[1]);
}

/* -------------------------------------------------------------------------------------------------------- tokenizer */

/* The section of a file, or the one that a conversion would make; without data if there is no tokenizer, or one of a
 * kind that is not known. */
static enum ingot_status find_tokenizer(const struct checkpoint *cp, uint32_t n_vocab, struct vocabulary *owned,
                                        struct ingot_section *out, struct ingot_error *err)
{
    *out = (struct ingot_section){ 0 };
    if (cp->file) {
        if (!ingot_find(cp->file, INGOT_NAME_VOCABULARY, out)) *out = (struct ingot_section){ 0 };
        return INGOT_OK;
    }
    struct ingot_error why = { 0 };
    enum ingot_status status = vocabulary_of_source(cp->source, n_vocab, owned, &why);
    out->data = owned->bytes;
    out->raw_bytes = owned->n_bytes;
    if (status == INGOT_OK || status == INGOT_E_UNSUPPORTED) return INGOT_OK;
    if (err && err->status == INGOT_OK) *err = why;
    return status;
}

static void describe_token(const struct vocab_tables *t, uint32_t id, char *out, size_t cap)
{
    const struct vocab_piece *piece = &t->pieces[id];
    out[0] = '\0';
    if (piece->n > 0) ingot_escape((const char *)t->text + piece->off, piece->n, out, cap);
}

static bool same_token(const struct vocab_tables *a, const struct vocab_tables *b, uint32_t id)
{
    const struct vocab_piece *x = &a->pieces[id], *y = &b->pieces[id];
    return x->n == y->n && x->special == y->special &&
           (x->n == 0 || memcmp(a->text + x->off, b->text + y->off, x->n) == 0);
}

/* What differs first: tokens by id, then merges by rank. */
static void describe(const struct vocab_tables *a, const struct vocab_tables *b, char *out, size_t cap)
{
    size_t n_tokens = a->n_pieces < b->n_pieces ? a->n_pieces : b->n_pieces;
    size_t n_merges = a->n_merges < b->n_merges ? a->n_merges : b->n_merges, rank = 0;
    uint32_t id = 0;
    char x[96], y[96];
    while (id < n_tokens && same_token(a, b, id)) id++;
    while (rank < n_merges && a->merges[rank].left == b->merges[rank].left &&
           a->merges[rank].right == b->merges[rank].right)
        rank++;
    if (id < n_tokens) {
        describe_token(a, id, x, sizeof x);
        describe_token(b, id, y, sizeof y);
        if (strcmp(x, y) == 0)
            snprintf(out, cap, "token %" PRIu32 ", \"%s\", is special in one of them only", id, x);
        else
            snprintf(out, cap, "token %" PRIu32 " is \"%s\" in A, \"%s\" in B", id, x, y);
    } else if (a->n_pieces != b->n_pieces) {
        snprintf(out, cap, "%zu tokens in A, %zu in B", a->n_pieces, b->n_pieces);
    } else if (rank < n_merges) {
        snprintf(out, cap, "merge %zu makes token %" PRIu32 " in A, %" PRIu32 " in B", rank, a->merges[rank].merged,
                 b->merges[rank].merged);
    } else if (a->n_merges != b->n_merges) {
        snprintf(out, cap, "%zu merge%s in A, %zu in B", a->n_merges, plural(a->n_merges), b->n_merges);
    } else {
        snprintf(out, cap, "the same tokens and merges, laid out in another way");
    }
}

static enum ingot_status describe_sections(const struct checkpoint *const cp[2], const struct ingot_section s[2],
                                           struct diff_model *m, struct ingot_error *err)
{
    struct vocab_tables tables[2] = { 0 };
    uint32_t eot;
    enum ingot_status status = INGOT_OK;
    for (unsigned i = 0; i < 2 && status == INGOT_OK; i++)
        status = vocab_section_read(&s[i], cp[i]->path, LIMIT_N_VOCAB, &tables[i], &eot, err);
    if (status == INGOT_OK) describe(&tables[0], &tables[1], m->difference, sizeof m->difference);
    for (unsigned i = 0; i < 2; i++) vocab_tables_free(&tables[i]);
    return status;
}

static enum ingot_status compare_tokenizers(const struct checkpoint *const cp[2], const struct ingot_hparams hp[2],
                                            struct diff_model *m, struct ingot_error *err)
{
    struct vocabulary owned[2] = { 0 };
    struct ingot_section s[2] = { 0 };
    enum ingot_status status = INGOT_OK;
    m->tokenizer = DIFF_TOKENIZER_NOT_COMPARED;
    for (unsigned i = 0; i < 2 && status == INGOT_OK; i++) {
        status = find_tokenizer(cp[i], m->known[i] ? hp[i].n_vocab : LIMIT_N_VOCAB, &owned[i], &s[i], err);
        m->has_tokenizer[i] = s[i].data != NULL;
    }
    if (status == INGOT_OK && s[0].data && s[1].data) {
        bool same = s[0].raw_bytes == s[1].raw_bytes && memcmp(s[0].data, s[1].data, s[0].raw_bytes) == 0;
        m->tokenizer = same ? DIFF_TOKENIZER_SAME : DIFF_TOKENIZER_DIFFERS;
        if (!same) status = describe_sections(cp, s, m, err);
    }
    for (unsigned i = 0; i < 2; i++) vocabulary_free(&owned[i]);
    return status;
}

/* ----------------------------------------------------------------------------------------------------------- public */

enum ingot_status diff_model(const struct checkpoint *a, const struct checkpoint *b, const char *const recipe[2],
                             struct diff_model *out, struct ingot_error *err)
{
    const struct checkpoint *const cp[2] = { a, b };
    struct ingot_hparams hp[2] = { 0 };
    *out = (struct diff_model){ 0 };
    for (unsigned i = 0; i < 2; i++) {
        struct ingot_error why = { 0 };
        out->known[i] = read_hparams(cp[i], recipe[i], &hp[i], &why) == INGOT_OK;
        if (out->known[i]) continue;
        snprintf(out->unknown[i], sizeof out->unknown[i], "%.*s%s%.*s", 200, why.subject, *why.subject ? ": " : "", 300,
                 why.message);
    }
    if (out->known[0] && out->known[1]) compare_hparams(out, &hp[0], &hp[1]);
    return compare_tokenizers(cp, hp, out, err);
}
