/* dst_huggingface.c - a Hugging Face directory: model.safetensors, config.json and the tokenizer's files.
 *
 * Names and orientation are those of the released gpt2: Conv1D keeps its weight as [in, out], and there is no lm_head
 * where it is tied. An untied head asks for the prefix "transformer.", without which transformers refuses the file as
 * corrupted (PreTrainedModel._load_pretrained_model).
 *
 * Vectors of an .ingot file are f32. Where all matrices are written as one 16-bit dtype and every vector's values are
 * values of it, the vectors are too: nothing is lost, and a checkpoint of one dtype comes out as one. Else they are
 * f32.
 *
 * transformers wants vocab_size to be the rows of the embedding. Where fewer of them are tokens, that number stands in
 * config.json as "logical_vocab_size", which transformers keeps and does not use, and config.c reads. */
#include "convert/export.h"

#include "convert/vocab_spelling.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PREFIX   "transformer."
#define LAYOUT   8u /* the header is padded so that the tensors begin at a multiple of this */
#define MAX_NAME (PROFILE_NAME_MAX + sizeof PREFIX)
#define EOT      "<|endoftext|>"

static const char *const files[] = {
    "model.safetensors",       "config.json",           "vocab.json",        "merges.txt",
    "special_tokens_map.json", "tokenizer_config.json", "added_tokens.json", NULL
};

static enum ingot_status fail_out(struct exporter *e)
{
    return fail_memory(e->err, ingot_file_path(e->file));
}

/* ---------------------------------------------------------------------------------------------------------- tensors */

struct tensor {
    char name[MAX_NAME];
    uint32_t slot;
    bool transposed;
    enum ingot_dtype dtype;
    uint64_t off, n_bytes; /* off: behind the header */
};

static bool is_conv1d(const struct exporter *e, uint32_t slot)
{
    const struct profile_tensor *role = &profile_gpt2[profile_role_of(slot, e->hp.n_layer)];
    return role->shape[1] != DIM_NONE && strncmp(role->name, "h.", 2) == 0;
}

static enum ingot_dtype vector_dtype(const struct exporter *e)
{
    enum ingot_dtype common = export_common_dtype(e);
    return common != INGOT_DTYPE_NONE && export_vectors_fit(e, common) ? common : INGOT_F32;
}

/* As the reference implementation orders them (safetensors, tensor.rs, prepare()): the dtypes of more bytes first, then
 * by name. Of the two of 16 bits, BF16 is the greater there. */
static unsigned dtype_order(enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 ? 0 : dtype == INGOT_BF16 ? 1 : 2;
}

static int compare_tensors(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    unsigned dx = dtype_order(x->dtype), dy = dtype_order(y->dtype);
    return dx != dy ? (dx > dy) - (dx < dy) : strcmp(x->name, y->name);
}

/* Sorted, with their offsets; to be freed. NULL without memory. */
static struct tensor *list_tensors(const struct exporter *e, size_t n)
{
    enum ingot_dtype vectors = vector_dtype(e);
    struct tensor *list = calloc(n, sizeof *list);
    if (!list) return NULL;
    for (uint32_t slot = 0; slot < n; slot++) {
        char name[PROFILE_NAME_MAX];
        struct tensor *t = &list[slot];
        bool head = slot == e->n_slots - 1;
        t->slot = slot;
        t->transposed = is_conv1d(e, slot);
        t->dtype = profile_gpt2[profile_role_of(slot, e->hp.n_layer)].shape[1] ? export_matrix_dtype(e, slot) : vectors;
        t->n_bytes = export_elems(e, slot) * ingot_dtype_size(t->dtype);
        profile_slot_name(slot, e->hp.n_layer, name);
        snprintf(t->name, sizeof t->name, "%s%s", e->tied || head ? "" : PREFIX, name);
    }
    qsort(list, n, sizeof *list, compare_tensors);
    for (size_t i = 1; i < n; i++) list[i].off = list[i - 1].off + list[i - 1].n_bytes;
    return list;
}

static void put_header_line(const struct exporter *e, struct buffer *b, const struct tensor *t)
{
    char text[MAX_NAME + 192], shape_text[64];
    uint64_t shape[2];
    export_shape(e, t->slot, shape);
    uint64_t first = shape[t->transposed ? 1 : 0], second = shape[t->transposed ? 0 : 1];
    if (shape[1])
        snprintf(shape_text, sizeof shape_text, "%" PRIu64 ",%" PRIu64, first, second);
    else
        snprintf(shape_text, sizeof shape_text, "%" PRIu64, shape[0]);
    const char *dtype = t->dtype == INGOT_F32 ? "F32" : t->dtype == INGOT_F16 ? "F16" : "BF16";
    snprintf(text, sizeof text, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
             t->name, dtype, shape_text, t->off, t->off + t->n_bytes);
    buffer_text(b, text);
}

static enum ingot_status plan_weights(struct exporter *e)
{
    size_t n = e->n_slots - e->tied;
    struct tensor *list = list_tensors(e, n);
    if (!list) return fail_out(e);
    struct export_file *f = export_add_file(e, "model.safetensors");
    buffer_u64(&f->head, 0);
    buffer_text(&f->head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n; i++) put_header_line(e, &f->head, &list[i]);
    buffer_text(&f->head, "}");
    buffer_fill(&f->head, ' ', (LAYOUT - f->head.n % LAYOUT) % LAYOUT);
    enum ingot_status status = f->head.bad ? fail_out(e) : INGOT_OK;
    if (status == INGOT_OK) put_u64(f->head.bytes, f->head.n - 8);
    for (size_t i = 0; i < n && status == INGOT_OK; i++)
        status = export_place(e, f, list[i].slot, list[i].transposed, list[i].dtype, f->head.n + list[i].off);
    f->n_bytes = f->head.n + list[n - 1].off + list[n - 1].n_bytes;
    free(list);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

/* An object under way. A sticky error: set straight through, add_json() asks once. */
struct object {
    json_t *json;
    bool bad; /* without memory: something did not get into it */
};

static struct object begin_object(void)
{
    json_t *json = json_object();
    return (struct object){ json, json == NULL };
}

/* Takes the value, which is NULL for want of memory. */
static void set(struct object *o, const char *key, json_t *value)
{
    if (json_object_set_new(o->json, key, value) != 0) o->bad = true;
}

static int put_dump(const char *text, size_t n, void *ctx)
{
    buffer_put(ctx, text, n);
    return 0;
}

/* Frees the object. Jansson's own buffer is not used: json_dumps() loses a name when it cannot grow, and goes on. */
static enum ingot_status add_json(struct exporter *e, const char *name, struct object *o, size_t flags)
{
    struct export_file *f = export_add_file(e, name);
    bool bad = o->bad || json_dump_callback(o->json, put_dump, &f->head, flags) != 0;
    json_decref(o->json);
    buffer_text(&f->head, "\n");
    f->n_bytes = f->head.n;
    return bad || f->head.bad ? fail_out(e) : INGOT_OK;
}

/* The digits that the value needs to be read back, as a double and then as the f32 that it is. */
static int digits_of(float value)
{
    char text[64];
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if ((float)strtod(text, NULL) == value) break;
    }
    return digits;
}

static json_t *id_or_null(uint32_t id)
{
    return id == VOCAB_NO_TOKEN ? json_null() : json_integer(id);
}

static const char *torch_dtype(const struct exporter *e)
{
    enum ingot_dtype dtype = export_common_dtype(e);
    return dtype == INGOT_F16 ? "float16" : dtype == INGOT_BF16 ? "bfloat16" : "float32";
}

static void set_counts(struct object *config, const struct ingot_hparams *hp)
{
    set(config, "n_ctx", json_integer(hp->n_ctx));
    set(config, "n_embd", json_integer(hp->n_embd));
    set(config, "n_head", json_integer(hp->n_head));
    set(config, "n_inner", hp->n_inner == 4 * hp->n_embd ? json_null() : json_integer(hp->n_inner));
    set(config, "n_layer", json_integer(hp->n_layer));
    set(config, "n_positions", json_integer(hp->n_ctx));
    set(config, "vocab_size", json_integer(hp->n_vocab_stored));
    if (hp->n_vocab != hp->n_vocab_stored) set(config, "logical_vocab_size", json_integer(hp->n_vocab));
}

static enum ingot_status plan_config(struct exporter *e)
{
    const struct ingot_hparams *hp = &e->hp;
    const bool tanh_form = hp->activation == INGOT_GELU_TANH;
    struct object config = begin_object();
    set(&config, "activation_function", json_string(tanh_form ? "gelu_new" : "gelu"));
    set(&config, "architectures", json_pack("[s]", "GPT2LMHeadModel"));
    set(&config, "bos_token_id", id_or_null(e->eot));
    set(&config, "eos_token_id", id_or_null(e->eot));
    set(&config, "layer_norm_epsilon", json_real((double)hp->layer_norm_epsilon));
    set(&config, "model_type", json_string("gpt2"));
    set_counts(&config, hp);
    set(&config, "scale_attn_weights", json_boolean(hp->attention_flags & INGOT_ATTN_SCALE));
    set(&config, "scale_attn_by_inverse_layer_idx", json_boolean(hp->attention_flags & INGOT_ATTN_SCALE_BY_LAYER));
    set(&config, "tie_word_embeddings", json_boolean(e->tied));
    set(&config, "torch_dtype", json_string(torch_dtype(e)));
    const size_t digits = (size_t)digits_of(hp->layer_norm_epsilon);
    return add_json(e, "config.json", &config, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
}

/* ------------------------------------------------------------------------------------------------------- vocabulary */

/* A string of JSON without its quotes; what needs escapes by number does not occur in a spelling. */
static void put_json_text(struct buffer *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\') buffer_put(b, "\\", 1);
        buffer_put(b, text + i, 1);
    }
}

/* Of plain visible characters: then the spelling of the token is the token. */
static bool spells_itself(const uint8_t *at, size_t n)
{
    size_t i = 0;
    while (i < n && at[i] >= 0x21 && at[i] <= 0x7e) i++;
    return i == n;
}

/* Special tokens that vocab.json and special_tokens_map.json together do not bring back: one that is no word of visible
 * characters, or that merges make too. They stand in added_tokens.json. */
static bool is_added(const struct vocab_tables *t, uint32_t id)
{
    const struct vocab_piece *p = &t->pieces[id];
    return p->special && (p->reachable || !spells_itself(t->text + p->off, p->n));
}

static enum ingot_status plan_tokens(struct exporter *e)
{
    const struct vocab_tables *t = &e->vocabulary;
    struct export_file *f = export_add_file(e, "vocab.json");
    size_t longest = 0;
    for (uint32_t id = 0; id < t->n_pieces; id++)
        if (t->pieces[id].n > longest) longest = t->pieces[id].n;
    char *spelled = malloc(2 * longest + 1);
    if (!spelled) return fail_out(e);
    for (uint32_t id = 0; id < t->n_pieces; id++) {
        const struct vocab_piece *p = &t->pieces[id];
        char number[24];
        if (p->n == 0 || is_added(t, id)) continue;
        buffer_text(&f->head, f->head.n ? ", \"" : "{\"");
        put_json_text(&f->head, spelled, vocab_spelling_encode(t->text + p->off, p->n, spelled));
        snprintf(number, sizeof number, "\": %" PRIu32, id);
        buffer_text(&f->head, number);
    }
    free(spelled);
    buffer_text(&f->head, "}\n");
    f->n_bytes = f->head.n;
    return f->head.bad ? fail_out(e) : INGOT_OK;
}

static void put_spelled(struct buffer *b, const struct vocab_tables *t, uint32_t id)
{
    const struct vocab_piece *p = &t->pieces[id];
    char *text = (char *)buffer_take(b, 2 * (size_t)p->n);
    if (text) b->n -= 2 * (size_t)p->n - vocab_spelling_encode(t->text + p->off, p->n, text);
}

static enum ingot_status plan_merges(struct exporter *e)
{
    const struct vocab_tables *t = &e->vocabulary;
    struct export_file *f = export_add_file(e, "merges.txt");
    buffer_text(&f->head, "#version: 0.2\n");
    for (size_t i = 0; i < t->n_merges; i++) {
        put_spelled(&f->head, t, t->merges[i].left);
        buffer_text(&f->head, " ");
        put_spelled(&f->head, t, t->merges[i].right);
        buffer_text(&f->head, "\n");
    }
    f->n_bytes = f->head.n;
    return f->head.bad ? fail_out(e) : INGOT_OK;
}

/* `others`: special tokens but for <|endoftext|>; `added`: those of added_tokens.json; `decoder`: all of them, as
 * transformers wants them since 2023. */
struct special {
    struct object added, decoder;
    json_t *others;
};

static void add_special(const struct exporter *e, uint32_t id, struct special *s)
{
    const struct vocab_piece *p = &e->vocabulary.pieces[id];
    json_t *text = json_stringn((const char *)e->vocabulary.text + p->off, p->n);
    char number[16];
    if (!text || (id != e->eot && json_array_append(s->others, text) != 0)) s->decoder.bad = true;
    if (!text) return;
    snprintf(number, sizeof number, "%" PRIu32, id);
    if (is_added(&e->vocabulary, id)) set(&s->added, json_string_value(text), json_integer(id));
    set(&s->decoder, number,
        json_pack("{sOsbsbsbsbsb}", "content", text, "lstrip", 0, "normalized", 0, "rstrip", 0, "single_word", 0,
                  "special", 1));
    json_decref(text);
}

/* transformers' own defaults for the three roles are <|endoftext|>, which it would add where there is none. */
static void set_roles(const struct exporter *e, struct object *o)
{
    static const char *const roles[] = { "bos_token", "eos_token", "unk_token" };
    for (size_t i = 0; i < 3; i++) set(o, roles[i], e->eot == VOCAB_NO_TOKEN ? json_null() : json_string(EOT));
}

static enum ingot_status plan_map(struct exporter *e, const struct special *s)
{
    struct object map = begin_object();
    set_roles(e, &map);
    if (json_array_size(s->others) > 0) set(&map, "additional_special_tokens", json_incref(s->others));
    return add_json(e, "special_tokens_map.json", &map, JSON_INDENT(2));
}

static enum ingot_status plan_tokenizer_config(struct exporter *e, const struct special *s)
{
    struct object config = begin_object();
    set(&config, "add_bos_token", json_false());
    set(&config, "add_prefix_space", json_false());
    set(&config, "added_tokens_decoder", json_incref(s->decoder.json));
    set_roles(e, &config);
    if (json_array_size(s->others) > 0) set(&config, "additional_special_tokens", json_incref(s->others));
    set(&config, "model_max_length", json_integer(e->hp.n_ctx));
    set(&config, "tokenizer_class", json_string("GPT2Tokenizer"));
    return add_json(e, "tokenizer_config.json", &config, JSON_INDENT(2));
}

static enum ingot_status plan_special(struct exporter *e)
{
    struct special s = { begin_object(), begin_object(), json_array() };
    for (uint32_t id = 0; id < e->vocabulary.n_pieces; id++)
        if (e->vocabulary.pieces[id].special) add_special(e, id, &s);
    enum ingot_status status = !s.others || s.decoder.bad ? fail_out(e) : plan_map(e, &s);
    if (status == INGOT_OK) status = plan_tokenizer_config(e, &s);
    bool any_added = s.added.bad || json_object_size(s.added.json) > 0;
    if (status == INGOT_OK && any_added)
        status = add_json(e, "added_tokens.json", &s.added, JSON_INDENT(2));
    else
        json_decref(s.added.json);
    json_decref(s.decoder.json);
    json_decref(s.others);
    return status;
}

static enum ingot_status plan_vocabulary(struct exporter *e)
{
    enum ingot_status status = export_check_special(e);
    if (status == INGOT_OK) status = plan_tokens(e);
    if (status == INGOT_OK) status = plan_merges(e);
    return status == INGOT_OK ? plan_special(e) : status;
}

static enum ingot_status plan(struct exporter *e)
{
    enum ingot_status status = plan_weights(e);
    if (status == INGOT_OK) status = plan_config(e);
    return status == INGOT_OK && e->has_vocabulary ? plan_vocabulary(e) : status;
}

const struct export_target export_huggingface = {
    .name = "huggingface",
    .about = "a directory for transformers: model.safetensors, config.json, vocab.json, merges.txt",
    .is_directory = true,
    .files = files,
    .plan = plan,
};
