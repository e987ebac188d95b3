/* dst_llmc.c - llm.c's model file, and the tokenizer's file beside it.
 *
 * From karpathy/llm.c, write_model() and write_tokenizer() of train_gpt2.py: a header of 256 i32, then 16 slots, each
 * stacked over the layers, matrices [out, in], all of one dtype: version 3 is f32, version 5 bf16. Version 5 is written
 * where it loses nothing, or where bf16 is asked for. The rows of the embedding are padded with zeros to a multiple of
 * 128, as llm.c's kernels want; rows that are there already stay.
 *
 * llm.c is one model: tanh form of GELU, epsilon 1e-5, a tied head, n_inner of 4 n_embd. What differs is refused. */
#include "convert/export.h"

#include "convert/llmc.h"

#include <inttypes.h>
#include <stdio.h>

#define VERSION_F32       3u
#define VERSION_BF16      5u
#define TOKENIZER_VERSION 2u /* says <|endoftext|> too */
#define HEADER_INTS       (LLMC_HEADER_BYTES / 4)
#define ROWS_UNIT         128u
#define MAX_TOKEN_BYTES   255u
#define EPSILON           1e-5f

static enum ingot_status check_norms(struct exporter *e)
{
    if (e->hp.layer_norm_epsilon == EPSILON) return INGOT_OK;
    return export_unsupported(e, "export it to huggingface", "llm.c's epsilon is 1e-5; this model has another");
}

static enum ingot_status check(struct exporter *e)
{
    static const char advice[] = "export it to huggingface";
    if (e->hp.activation != INGOT_GELU_TANH)
        return export_unsupported(e, advice, "llm.c computes the tanh form of GELU; this model has the erf form");
    if (e->hp.attention_flags != INGOT_ATTN_SCALE)
        return export_unsupported(e, advice,
                                  "llm.c divides scores by sqrt(head size) and nothing else; this model "
                                  "does not");
    if (!e->tied)
        return export_unsupported(e, advice,
                                  "llm.c's output head is the token embedding; this model has an lm_head "
                                  "of its own");
    if (e->hp.n_inner != 4 * e->hp.n_embd)
        return export_unsupported(e, advice, "llm.c's n_inner is 4 n_embd; this model has another");
    if (e->options->dtype == INGOT_F16) return export_unsupported(e, "--dtype f32 or bf16", "llm.c has no f16 files");
    return check_norms(e);
}

static enum ingot_dtype choose_dtype(const struct exporter *e)
{
    if (e->options->dtype != INGOT_DTYPE_NONE) return e->options->dtype;
    return export_common_dtype(e) == INGOT_BF16 && export_vectors_fit(e, INGOT_BF16) ? INGOT_BF16 : INGOT_F32;
}

/* One role after the other, each for all layers. */
static enum ingot_status place_tensors(struct exporter *e, struct export_file *f, enum ingot_dtype dtype, uint64_t rows)
{
    uint64_t at = f->head.n, size = ingot_dtype_size(dtype);
    enum ingot_status status = INGOT_OK;
    for (uint32_t role = 0; role < PROFILE_HEAD; role++) {
        uint32_t n = profile_role_has_layer(role) ? e->hp.n_layer : 1;
        for (uint32_t layer = 0; layer < n && status == INGOT_OK; layer++) {
            uint32_t slot = profile_slot(role, layer, e->hp.n_layer);
            status = export_place(e, f, slot, false, dtype, at);
            at += (role == PROFILE_WTE ? rows * e->hp.n_embd : export_elems(e, slot)) * size;
        }
    }
    f->n_bytes = at;
    return status;
}

static enum ingot_status plan_model(struct exporter *e)
{
    const struct ingot_hparams *hp = &e->hp;
    const enum ingot_dtype dtype = choose_dtype(e);
    const uint64_t rows = ((uint64_t)hp->n_vocab_stored + ROWS_UNIT - 1) / ROWS_UNIT * ROWS_UNIT;
    const uint32_t header[] = {
        LLMC_MAGIC,  dtype == INGOT_BF16 ? VERSION_BF16 : VERSION_F32,
        hp->n_ctx,   hp->n_vocab,
        hp->n_layer, hp->n_head,
        hp->n_embd,  (uint32_t)rows,
    };
    struct export_file *f = export_add_file(e, NULL);
    buffer_put(&f->head, header, sizeof header);
    buffer_fill(&f->head, 0, LLMC_HEADER_BYTES - sizeof header);
    if (f->head.bad) return fail_memory(e->err, ingot_file_path(e->file));
    return place_tensors(e, f, dtype, rows);
}

/* Its tokens have 1 to 255 bytes, and one of them ends a text. */
static bool can_say(const struct exporter *e, char *why, size_t cap)
{
    const struct vocab_tables *t = &e->vocabulary;
    if (e->eot == VOCAB_NO_TOKEN) {
        snprintf(why, cap, "no tokenizer is written: llm.c wants an <|endoftext|>, and there is none");
        return false;
    }
    for (uint32_t id = 0; id < t->n_pieces; id++)
        if (t->pieces[id].n < 1 || t->pieces[id].n > MAX_TOKEN_BYTES) {
            snprintf(why, cap, "no tokenizer is written: token %" PRIu32 " has %" PRIu32 " bytes, llm.c wants 1 to %u",
                     id, t->pieces[id].n, MAX_TOKEN_BYTES);
            return false;
        }
    return true;
}

static enum ingot_status plan_tokenizer(struct exporter *e)
{
    const struct vocab_tables *t = &e->vocabulary;
    char why[128];
    if (!can_say(e, why, sizeof why)) {
        export_warn(e, why);
        return INGOT_OK;
    }
    struct export_file *f = export_add_file(e, "gpt2_tokenizer.bin");
    const uint32_t header[] = { LLMC_TOKENIZER_MAGIC, TOKENIZER_VERSION, (uint32_t)t->n_pieces, e->eot };
    buffer_put(&f->head, header, sizeof header);
    buffer_fill(&f->head, 0, 4 * HEADER_INTS - sizeof header);
    for (uint32_t id = 0; id < t->n_pieces; id++) {
        const struct vocab_piece *p = &t->pieces[id];
        buffer_fill(&f->head, (uint8_t)p->n, 1);
        buffer_put(&f->head, t->text + p->off, p->n);
    }
    f->n_bytes = f->head.n;
    return f->head.bad ? fail_memory(e->err, ingot_file_path(e->file)) : INGOT_OK;
}

static enum ingot_status plan(struct exporter *e)
{
    enum ingot_status status = check(e);
    if (status == INGOT_OK) status = plan_model(e);
    return status == INGOT_OK && e->has_vocabulary ? plan_tokenizer(e) : status;
}

const struct export_target export_llmc = {
    .name = "llm.c",
    .about = "llm.c's model file, f32 or bf16, with gpt2_tokenizer.bin beside it",
    .plan = plan,
};
