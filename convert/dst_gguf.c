/* dst_gguf.c - GGUF version 3, architecture gpt2, as llama.cpp loads it.
 *
 * Keys and tensor names are those that llama.cpp's converter writes for GPT2LMHeadModel (conversion/gpt2.py and base.py
 * of its repository) and src/models/gpt2.cpp reads. What that graph computes otherwise than the model says is refused:
 * it knows the tanh form of GELU only, and scores divided by sqrt(head size).
 *
 * Vectors are f32, as llama.cpp wants them; each matrix keeps its dtype, q8 as Q8_0. llama.cpp has one vocabulary: the
 * list of tokens is as long as the embedding has rows, with "[PAD7]", unused, for an id without bytes. gpt2.vocab_size
 * is the logical one, which llama.cpp asks for only where there is no list. */
#include "convert/export.h"

#include "convert/q8_blocks.h"
#include "convert/vocab_spelling.h"

#include <stdio.h>
#include <string.h>

#define GGUF_MAGIC   "GGUF"
#define GGUF_VERSION 3u
#define ALIGNMENT    32u

/* Types of values and tensors, files and tokens: ggml's numbers (gguf.h, ggml.h, llama.h). */
enum { VALUE_U32 = 4, VALUE_I32 = 5, VALUE_F32 = 6, VALUE_STRING = 8, VALUE_ARRAY = 9 };
enum { TENSOR_F32 = 0, TENSOR_F16 = 1, TENSOR_Q8_0 = 8, TENSOR_BF16 = 30 };
enum { FILE_ALL_F32 = 0, FILE_MOSTLY_F16 = 1, FILE_MOSTLY_Q8_0 = 7, FILE_MOSTLY_BF16 = 32 };
enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_UNUSED = 5 };

/* By role of profile.h; %u is the layer. */
static const char *const names[PROFILE_ROLES] = {
    "token_embd.weight",      "position_embd.weight", "blk.%u.attn_norm.weight",   "blk.%u.attn_norm.bias",
    "blk.%u.attn_qkv.weight", "blk.%u.attn_qkv.bias", "blk.%u.attn_output.weight", "blk.%u.attn_output.bias",
    "blk.%u.ffn_norm.weight", "blk.%u.ffn_norm.bias", "blk.%u.ffn_up.weight",      "blk.%u.ffn_up.bias",
    "blk.%u.ffn_down.weight", "blk.%u.ffn_down.bias", "output_norm.weight",        "output_norm.bias",
    "output.weight",
};

/* ----------------------------------------------------------------------------------------------------------- values */

struct values {
    struct buffer bytes;
    uint64_t n;
};

static void put_string(struct buffer *b, const char *text, size_t n)
{
    buffer_u64(b, n);
    buffer_put(b, text, n);
}

static void put_key(struct values *v, const char *key, uint32_t type)
{
    put_string(&v->bytes, key, strlen(key));
    buffer_u32(&v->bytes, type);
    v->n++;
}

static void put_count(struct values *v, const char *key, uint32_t value)
{
    put_key(v, key, VALUE_U32);
    buffer_u32(&v->bytes, value);
}

static void put_text(struct values *v, const char *key, const char *value)
{
    put_key(v, key, VALUE_STRING);
    put_string(&v->bytes, value, strlen(value));
}

static void put_array(struct values *v, const char *key, uint32_t type, uint64_t n)
{
    put_key(v, key, VALUE_ARRAY);
    buffer_u32(&v->bytes, type);
    buffer_u64(&v->bytes, n);
}

/* A q8 matrix stays one, if its rows are whole blocks of Q8_0. */
static enum ingot_dtype tensor_dtype(const struct exporter *e, uint32_t slot)
{
    uint64_t shape[2];
    export_shape(e, slot, shape);
    if (!shape[1]) return INGOT_F32;
    bool moves = e->options->dtype == INGOT_DTYPE_NONE && e->slots[slot].dtype == INGOT_Q8;
    return moves && shape[1] % Q8_0_ELEMS == 0 ? INGOT_Q8 : export_matrix_dtype(e, slot);
}

/* What a tensor and a file of this dtype are called. */
static const struct number {
    enum ingot_dtype dtype;
    uint32_t tensor, file;
} numbers[] = {
    { INGOT_F32, TENSOR_F32, FILE_ALL_F32 },
    { INGOT_F16, TENSOR_F16, FILE_MOSTLY_F16 },
    { INGOT_BF16, TENSOR_BF16, FILE_MOSTLY_BF16 },
    { INGOT_Q8, TENSOR_Q8_0, FILE_MOSTLY_Q8_0 },
};

static const struct number *number_of(enum ingot_dtype dtype)
{
    const struct number *n = numbers;
    while (n->dtype != dtype) n++;
    return n;
}

static uint32_t file_type(const struct exporter *e)
{
    /* of mixed ones, what most of the bytes are */
    uint32_t slot = profile_slot(profile_find("h.{i}.mlp.c_fc.weight"), 0, e->hp.n_layer);
    return number_of(tensor_dtype(e, slot))->file;
}

static void put_hparams(const struct exporter *e, struct values *v)
{
    const struct ingot_hparams *hp = &e->hp;
    put_text(v, "general.architecture", "gpt2");
    put_text(v, "general.type", "model");
    put_count(v, "general.alignment", ALIGNMENT);
    put_count(v, "general.quantization_version", 2);
    put_count(v, "general.file_type", file_type(e));
    put_count(v, "gpt2.vocab_size", e->has_vocabulary ? hp->n_vocab : hp->n_vocab_stored);
    put_count(v, "gpt2.block_count", hp->n_layer);
    put_count(v, "gpt2.context_length", hp->n_ctx);
    put_count(v, "gpt2.embedding_length", hp->n_embd);
    put_count(v, "gpt2.feed_forward_length", hp->n_inner);
    put_count(v, "gpt2.attention.head_count", hp->n_head);
    put_key(v, "gpt2.attention.layer_norm_epsilon", VALUE_F32);
    buffer_put(&v->bytes, &hp->layer_norm_epsilon, sizeof hp->layer_norm_epsilon);
}

/* ------------------------------------------------------------------------------------------------------- vocabulary */

static void put_spelled(struct buffer *b, const struct vocab_tables *t, uint32_t id)
{
    const struct vocab_piece *p = &t->pieces[id];
    size_t at = b->n;
    buffer_u64(b, 0);
    char *text = (char *)buffer_take(b, 2 * (size_t)p->n);
    if (!text) return;
    size_t n = vocab_spelling_encode(t->text + p->off, p->n, text);
    b->n = at + 8 + n;
    memcpy(b->bytes + at, &(uint64_t){ n }, 8);
}

static bool is_used(const struct vocab_tables *t, uint32_t id)
{
    return id < t->n_pieces && t->pieces[id].n > 0;
}

/* llama.cpp keeps its tokens in a map by text: "[PAD7]" grows until no token has it. */
static void put_padding(struct buffer *b, const struct vocab_tables *t, uint32_t id)
{
    struct buffer text = { 0 };
    char shortest[32];
    snprintf(shortest, sizeof shortest, "[PAD%u]", id);
    buffer_text(&text, shortest);
    while (!text.bad && vocab_tables_find(t, (struct vocab_span){ text.bytes, text.n }) != VOCAB_NO_TOKEN)
        buffer_text(&text, "]");
    put_string(b, (const char *)text.bytes, text.n);
    b->bad |= text.bad;
    free(text.bytes);
}

static void put_token(struct buffer *b, const struct vocab_tables *t, uint32_t id)
{
    if (!is_used(t, id))
        put_padding(b, t, id);
    else if (t->pieces[id].special)
        put_string(b, (const char *)t->text + t->pieces[id].off, t->pieces[id].n);
    else
        put_spelled(b, t, id);
}

static void put_merges(struct values *v, const struct vocab_tables *t)
{
    put_array(v, "tokenizer.ggml.merges", VALUE_STRING, t->n_merges);
    for (size_t i = 0; i < t->n_merges; i++) {
        const struct vocab_piece *left = &t->pieces[t->merges[i].left], *right = &t->pieces[t->merges[i].right];
        size_t at = v->bytes.n;
        buffer_u64(&v->bytes, 0);
        char *text = (char *)buffer_take(&v->bytes, 2 * ((size_t)left->n + right->n) + 1);
        if (!text) return;
        size_t n = vocab_spelling_encode(t->text + left->off, left->n, text);
        text[n++] = ' ';
        n += vocab_spelling_encode(t->text + right->off, right->n, text + n);
        v->bytes.n = at + 8 + n;
        memcpy(v->bytes.bytes + at, &(uint64_t){ n }, 8);
    }
}

static void put_vocabulary(const struct exporter *e, struct values *v)
{
    const struct vocab_tables *t = &e->vocabulary;
    uint32_t n = e->hp.n_vocab_stored;
    if (!e->has_vocabulary) {
        put_text(v, "tokenizer.ggml.model", "no_vocab");
        return;
    }
    put_text(v, "tokenizer.ggml.model", "gpt2");
    put_text(v, "tokenizer.ggml.pre", "gpt-2");
    put_array(v, "tokenizer.ggml.tokens", VALUE_STRING, n);
    for (uint32_t id = 0; id < n; id++) put_token(&v->bytes, t, id);
    put_array(v, "tokenizer.ggml.token_type", VALUE_I32, n);
    for (uint32_t id = 0; id < n; id++)
        buffer_u32(&v->bytes, !is_used(t, id) ? TOKEN_UNUSED : t->pieces[id].special ? TOKEN_CONTROL : TOKEN_NORMAL);
    put_merges(v, t);
    if (e->eot == VOCAB_NO_TOKEN) return;
    put_count(v, "tokenizer.ggml.bos_token_id", e->eot);
    put_count(v, "tokenizer.ggml.eos_token_id", e->eot);
}

/* ---------------------------------------------------------------------------------------------------------- tensors */

static uint64_t align_up(uint64_t n)
{
    return (n + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* Dimensions stand innermost first. */
static void put_tensor(const struct exporter *e, struct buffer *b, uint32_t slot, uint64_t off)
{
    char name[64];
    uint64_t shape[2];
    uint32_t layer = slot < PROFILE_FIRST_LAYER ? 0 : (slot - PROFILE_FIRST_LAYER) / PROFILE_LAYER_ROLES;
    export_shape(e, slot, shape);
    snprintf(name, sizeof name, names[profile_role_of(slot, e->hp.n_layer)], layer);
    put_string(b, name, strlen(name));
    buffer_u32(b, shape[1] ? 2 : 1);
    if (shape[1]) buffer_u64(b, shape[1]);
    buffer_u64(b, shape[0]);
    buffer_u32(b, number_of(tensor_dtype(e, slot))->tensor);
    buffer_u64(b, off);
}

static uint64_t tensor_bytes(const struct exporter *e, uint32_t slot)
{
    return export_bytes(tensor_dtype(e, slot), export_elems(e, slot));
}

/* A tied head is not written: llama.cpp takes the token embedding for it. */
static uint32_t tensor_count(const struct exporter *e)
{
    return e->n_slots - e->tied;
}

static enum ingot_status place_tensors(struct exporter *e, struct export_file *f)
{
    uint64_t at = align_up(f->head.n);
    enum ingot_status status = INGOT_OK;
    for (uint32_t slot = 0; slot < tensor_count(e) && status == INGOT_OK; slot++) {
        status = export_place(e, f, slot, false, tensor_dtype(e, slot), at);
        at += align_up(tensor_bytes(e, slot));
    }
    f->n_bytes = at;
    return status;
}

static enum ingot_status check(struct exporter *e)
{
    if (e->hp.activation != INGOT_GELU_TANH)
        return export_unsupported(e, "export it to huggingface",
                                  "llama.cpp's gpt2 computes the tanh form of GELU; this "
                                  "model has the erf form");
    if (e->hp.attention_flags != INGOT_ATTN_SCALE)
        return export_unsupported(e, "export it to huggingface",
                                  "llama.cpp's gpt2 divides scores by sqrt(head size) and nothing else; this model "
                                  "does not");
    if (!e->has_vocabulary && e->hp.n_vocab < e->hp.n_vocab_stored)
        export_warn(e, "without a list of tokens, GGUF cannot say which rows of the embedding are padding");
    return INGOT_OK;
}

static enum ingot_status plan(struct exporter *e)
{
    struct values v = { 0 };
    uint64_t off = 0;
    enum ingot_status status = check(e);
    if (status == INGOT_OK && e->has_vocabulary) status = export_check_special(e);
    if (status != INGOT_OK) return status;
    struct export_file *f = export_add_file(e, NULL);
    put_hparams(e, &v);
    put_vocabulary(e, &v);
    buffer_text(&f->head, GGUF_MAGIC);
    buffer_u32(&f->head, GGUF_VERSION);
    buffer_u64(&f->head, tensor_count(e));
    buffer_u64(&f->head, v.n);
    buffer_put(&f->head, v.bytes.bytes, v.bytes.n);
    for (uint32_t slot = 0; slot < tensor_count(e); slot++) {
        put_tensor(e, &f->head, slot, off);
        off += align_up(tensor_bytes(e, slot));
    }
    bool bad = v.bytes.bad || f->head.bad;
    free(v.bytes.bytes);
    return bad ? fail_memory(e->err, ingot_file_path(e->file)) : place_tensors(e, f);
}

const struct export_target export_gguf = {
    .name = "gguf",
    .about = "one file for llama.cpp, tokenizer included",
    .plan = plan,
};
