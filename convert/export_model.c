/* export_model.c - the model that is to be written out: every tensor that a GPT-2 has, found, with the shape that the
 * hyper-parameters give it. */
#include "convert/export.h"

#include "convert/q8_blocks.h"
#include "convert/vocab_section.h"
#include "convert/vocab_spelling.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#define ADVICE_WHOLE "only a whole GPT-2 can be exported"
#define ADVICE_LLMC  "llm.c's files can say it: --to llm.c"

static bool is_float(enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 || dtype == INGOT_F16 || dtype == INGOT_BF16;
}

static bool is_quantised(enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 || dtype == INGOT_Q4;
}

static const struct profile_tensor *role_of(const struct exporter *e, uint32_t slot)
{
    return &profile_gpt2[profile_role_of(slot, e->hp.n_layer)];
}

static bool is_matrix(const struct exporter *e, uint32_t slot)
{
    return role_of(e, slot)->shape[1] != DIM_NONE;
}

void export_shape(const struct exporter *e, uint32_t slot, uint64_t shape[2])
{
    for (size_t i = 0; i < 2; i++) shape[i] = profile_dim_value(role_of(e, slot)->shape[i], &e->hp);
}

/* No overflow: the limits of the hyper-parameters see to it. */
uint64_t export_elems(const struct exporter *e, uint32_t slot)
{
    uint64_t shape[2];
    export_shape(e, slot, shape);
    return shape[1] ? shape[0] * shape[1] : shape[0];
}

static enum ingot_status check_tensor(const struct exporter *e, uint32_t slot, const struct ingot_section *s)
{
    uint64_t shape[2];
    export_shape(e, slot, shape);
    uint32_t rank = is_matrix(e, slot) ? 2 : 1;
    if (s->rank != rank || s->shape[0] != shape[0] || (rank == 2 && s->shape[1] != shape[1]))
        return ingot_fail(e->err, INGOT_E_SHAPE, s->data_off, s->name, ADVICE_WHOLE,
                          "rank %u, shape [%" PRIu64 ", %" PRIu64 "]; @model says rank %u, [%" PRIu64 ", %" PRIu64 "]",
                          s->rank, s->shape[0], s->shape[1], rank, shape[0], shape[1]);
    if (!is_float(s->dtype) && !is_quantised(s->dtype))
        return ingot_fail(e->err, INGOT_E_DTYPE, s->data_off, s->name, NULL,
                          "dtype %s; expected f32, f16, bf16, q8 or q4", ingot_dtype_name(s->dtype));
    return INGOT_OK;
}

static enum ingot_status bind_slot(struct exporter *e, uint32_t slot)
{
    char name[PROFILE_NAME_MAX];
    struct ingot_section *s = &e->slots[slot];
    profile_slot_name(slot, e->hp.n_layer, name);
    if (ingot_find(e->file, name, s)) return check_tensor(e, slot, s);
    *s = (struct ingot_section){ 0 };
    if (!role_of(e, slot)->is_bias)
        return ingot_fail(e->err, INGOT_E_MISSING, INGOT_NO_OFFSET, name, ADVICE_WHOLE, "no such tensor");
    e->n_no_bias++;
    return INGOT_OK;
}

/* Before there is memory for its slots, the file must show that it has that many sections. */
static enum ingot_status bind_slots(struct exporter *e)
{
    const char *path = ingot_file_path(e->file);
    uint32_t n_biases = 0;
    for (uint32_t role = 0; role < PROFILE_LAYER_ROLES; role++)
        n_biases += profile_gpt2[PROFILE_FIRST_LAYER + role].is_bias;
    uint64_t needed = (uint64_t)(PROFILE_LAYER_ROLES - n_biases) * e->hp.n_layer;
    if (needed > ingot_section_count(e->file))
        return ingot_fail(e->err, INGOT_E_MISSING, INGOT_NO_OFFSET, path, ADVICE_WHOLE,
                          "%u section%s cannot hold the tensors of %u layer%s", ingot_section_count(e->file),
                          plural(ingot_section_count(e->file)), e->hp.n_layer, plural(e->hp.n_layer));
    e->n_slots = profile_slot_count(e->hp.n_layer);
    e->slots = calloc(e->n_slots, sizeof *e->slots);
    if (!e->slots) return fail_memory(e->err, path);
    enum ingot_status status = INGOT_OK;
    for (uint32_t slot = 0; slot < e->n_slots && status == INGOT_OK; slot++) status = bind_slot(e, slot);
    return status;
}

static enum ingot_status bind_vocabulary(struct exporter *e)
{
    struct ingot_section s;
    e->eot = VOCAB_NO_TOKEN;
    if (!ingot_find(e->file, INGOT_NAME_VOCABULARY, &s)) {
        export_warn(e, "there is no tokenizer in it; the result takes and gives token ids only");
        return INGOT_OK;
    }
    enum ingot_status status =
        vocab_section_read(&s, ingot_file_path(e->file), e->hp.n_vocab, &e->vocabulary, &e->eot, e->err);
    e->has_vocabulary = status == INGOT_OK;
    return status;
}

enum ingot_status export_bind(struct exporter *e)
{
    enum ingot_status status = ingot_hparams_read(e->file, &e->hp, e->err);
    if (status == INGOT_OK) status = bind_slots(e);
    if (status != INGOT_OK) return status;
    const struct ingot_section *head = &e->slots[e->n_slots - 1];
    e->tied = head->data == e->slots[PROFILE_WTE].data;
    if (e->n_no_bias > 0) export_warn(e, "biases that it does not have are written as zeros, which mean the same");
    return bind_vocabulary(e);
}

void export_free(struct exporter *e)
{
    for (size_t i = 0; i < e->n_files; i++) {
        free(e->files[i].head.bytes);
        free(e->files[i].pieces);
    }
    vocab_tables_free(&e->vocabulary);
    free(e->slots);
}

/* ----------------------------------------------------------------------------------------------- for the targets */

enum ingot_status export_unsupported(struct exporter *e, const char *advice, const char *what)
{
    return ingot_fail(e->err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, ingot_file_path(e->file), advice, "%s", what);
}

void export_warn(const struct exporter *e, const char *message)
{
    if (e->options->warning) e->options->warning(e->options->warning_ctx, ingot_file_path(e->file), message);
}

static bool is_text(const uint8_t *at, size_t n)
{
    utf8proc_int32_t c;
    for (size_t i = 0; i < n;) {
        utf8proc_ssize_t length = utf8proc_iterate(at + i, (utf8proc_ssize_t)(n - i), &c);
        if (length < 1 || c == 0) return false;
        i += (size_t)length;
    }
    return true;
}

/* The token that is spelled as this special one reads; VOCAB_NO_TOKEN when there is none but itself. `room` has place
 * for the special one. */
static uint32_t find_spelled(const struct vocab_tables *t, const struct vocab_piece *p, uint8_t *room)
{
    struct vocab_span bytes = { .at = room };
    if (!vocab_spelling_decode((const char *)t->text + p->off, p->n, room, &bytes.n)) return VOCAB_NO_TOKEN;
    uint32_t id = vocab_tables_find(t, bytes);
    return id == VOCAB_NO_TOKEN || t->pieces[id].special ? VOCAB_NO_TOKEN : id;
}

static enum ingot_status check_special(struct exporter *e, uint32_t id)
{
    const struct vocab_tables *t = &e->vocabulary;
    const struct vocab_piece *p = &t->pieces[id];
    char shown[96];
    const char *text = (const char *)t->text + p->off, *file = ingot_file_path(e->file);
    ingot_escape(text, p->n, shown, sizeof shown);
    if (!is_text(t->text + p->off, p->n))
        return ingot_fail(e->err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, file, ADVICE_LLMC,
                          "the special token %" PRIu32 ", %s, is not text in UTF-8", id, shown);
    uint8_t *room = malloc(p->n);
    if (!room) return fail_memory(e->err, file);
    uint32_t other = find_spelled(t, p, room);
    free(room);
    if (other == VOCAB_NO_TOKEN) return INGOT_OK;
    return ingot_fail(e->err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, file, ADVICE_LLMC,
                      "the special token %" PRIu32 ", %s, reads as token %" PRIu32 " is spelled", id, shown, other);
}

enum ingot_status export_check_special(struct exporter *e)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t id = 0; id < e->vocabulary.n_pieces && status == INGOT_OK; id++)
        if (e->vocabulary.pieces[id].special) status = check_special(e, id);
    return status;
}

struct export_file *export_add_file(struct exporter *e, const char *name)
{
    struct export_file *f = &e->files[e->n_files++];
    *f = (struct export_file){ .name = name };
    return f;
}

enum ingot_status export_place(struct exporter *e, struct export_file *f, uint32_t slot, bool transposed,
                               enum ingot_dtype dtype, uint64_t off)
{
    if (!e->slots[slot].data) return INGOT_OK;
    struct export_piece *pieces = array_grow(f->pieces, &f->cap_pieces, f->n_pieces, sizeof *pieces);
    if (!pieces) return fail_memory(e->err, ingot_file_path(e->file));
    f->pieces = pieces;
    struct export_piece *p = &pieces[f->n_pieces++];
    memset(p, 0, sizeof *p);
    p->section = &e->slots[slot];
    p->transposed = transposed;
    p->dtype = dtype;
    p->off = off;
    p->n_elems = export_elems(e, slot);
    return INGOT_OK;
}

enum ingot_dtype export_matrix_dtype(const struct exporter *e, uint32_t slot)
{
    if (e->options->dtype != INGOT_DTYPE_NONE) return e->options->dtype;
    return is_quantised(e->slots[slot].dtype) ? INGOT_F32 : e->slots[slot].dtype;
}

uint64_t export_bytes(enum ingot_dtype dtype, uint64_t n)
{
    return dtype == INGOT_Q8 ? n / Q8_0_ELEMS * Q8_0_BYTES : n * ingot_dtype_size(dtype);
}

enum ingot_dtype export_common_dtype(const struct exporter *e)
{
    enum ingot_dtype common = export_matrix_dtype(e, PROFILE_WTE);
    for (uint32_t slot = 0; slot < e->n_slots; slot++)
        if (is_matrix(e, slot) && export_matrix_dtype(e, slot) != common) return INGOT_DTYPE_NONE;
    return common;
}

/* Bit for bit: a signalling NaN that a cast makes quiet does not fit. */
static bool vector_fits(const struct ingot_section *s, enum ingot_dtype dtype)
{
    enum { WINDOW = 1024 };
    uint16_t halves[WINDOW];
    uint32_t wide[WINDOW], again[WINDOW];
    for (uint64_t first = 0, n; first < s->shape[0]; first += n) {
        n = s->shape[0] - first < WINDOW ? s->shape[0] - first : WINDOW;
        ingot_unpack(s, false, INGOT_F32, first, n, wide, NULL);
        ingot_unpack(s, false, dtype, first, n, halves, NULL);
        const struct ingot_section narrow = {
            .dtype = dtype, .layout = INGOT_ROWS, .rank = 1, .shape = { n }, .data = halves
        };
        ingot_unpack(&narrow, false, INGOT_F32, 0, n, again, NULL);
        if (memcmp(wide, again, n * sizeof *wide) != 0) return false;
    }
    return true;
}

bool export_vectors_fit(const struct exporter *e, enum ingot_dtype dtype)
{
    for (uint32_t slot = 0; slot < e->n_slots && dtype != INGOT_F32; slot++)
        if (!is_matrix(e, slot) && e->slots[slot].data && !vector_fits(&e->slots[slot], dtype)) return false;
    return true;
}
