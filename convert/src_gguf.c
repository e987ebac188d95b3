/* src_gguf.c - a GGUF file, or a directory with exactly one. What llama.cpp calls metadata becomes facts; the tokenizer
 * stands in arrays of the file itself. */
#include "convert/source.h"

#include "convert/array.h"
#include "convert/first_two.h"
#include "convert/gguf.h"
#include "convert/vocab_read.h"
#include "format/disk.h"

#include <inttypes.h>

#define SUFFIX         ".gguf"
#define ADVICE_BPE     "only GPT-2's byte-level BPE is known"
#define KEY_MODEL      "tokenizer.ggml.model"
#define KEY_SPLIT      "tokenizer.ggml.pre"
#define KEY_TOKENS     "tokenizer.ggml.tokens"
#define KEY_TOKEN_TYPE "tokenizer.ggml.token_type"
#define KEY_MERGES     "tokenizer.ggml.merges"
#define SHOWN_BYTES    96

/* ------------------------------------------------------------------------------------------------------- the file */

/* A damaged file is still claimed by its name, for a better error. */
static bool probe(const struct source_candidate *c)
{
    struct first_two names;
    if (c->is_directory) return first_two_list(c->path, SUFFIX, &names) && names.n > 0;
    return (!c->content_only && path_ends_with(c->path, SUFFIX)) || gguf_knows(c->head, c->head_bytes);
}

static enum ingot_status find_file(const struct ingot_source *src, struct first_two *out, struct ingot_error *err)
{
    char first[SHOWN_BYTES], second[SHOWN_BYTES];
    if (!first_two_list(src->directory, SUFFIX, out)) return ingot_fail_errno(err, src->path, "read");
    if (out->n == 1) return INGOT_OK;
    if (out->n == 0) /* there was one when the format was chosen */
        return ingot_fail(err, INGOT_E_CHANGED, INGOT_NO_OFFSET, src->path, NULL, "the GGUF file has gone");
    return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, src->path, "give one of them",
                      "the directory has %zu GGUF files: %s, %s%s", out->n,
                      ingot_escape(out->names[0], strlen(out->names[0]), first, sizeof first),
                      ingot_escape(out->names[1], strlen(out->names[1]), second, sizeof second),
                      out->n > 2 ? ", ..." : "");
}

/* A model may be split over files that each hold a part of the tensors; then one alone is no model. */
static enum ingot_status check_whole(const struct input *in, const struct gguf_file *f, struct ingot_error *err)
{
    struct ingot_fact count;
    const struct gguf_value *v = gguf_find(f, "split.count");
    if (!v || !gguf_fact(v, &count) || count.type != INGOT_FACT_INT || count.integer <= 1) return INGOT_OK;
    return ingot_fail(err, INGOT_E_UNSUPPORTED, v->bytes.at, in->path, "join the parts: llama-gguf-split --merge",
                      "one of %" PRId64 " parts of a model (split.count)", count.integer);
}

/* A text that a fact cannot hold, too long or with a NUL in it, is left out: no hyper-parameter looks like that. */
static enum ingot_status add_fact(struct ingot_source *src, const struct gguf_value *v, struct ingot_error *err)
{
    struct ingot_fact fact;
    struct cursor at = v->bytes;
    struct gguf_text text = { "", 0 };
    if (!gguf_fact(v, &fact)) return INGOT_OK;
    if (fact.type == INGOT_FACT_TEXT) text = gguf_take_string(&at);
    if (text.n > SOURCE_MAX_FACT_BYTES || (text.n > 0 && memchr(text.at, 0, text.n))) return INGOT_OK;
    char *key = strndup(v->key.at, v->key.n), *copy = strndup(text.at, text.n);
    fact.key = key;
    fact.text = copy;
    enum ingot_status status = key && copy ? source_add_fact(src, &fact, err) : fail_memory(err, src->path);
    free(key);
    free(copy);
    return status;
}

/* The names stay with the parsed file, which is there as long as the source is. */
static enum ingot_status take_tensors(struct ingot_source *src, struct gguf_file *f, struct ingot_error *err)
{
    struct ingot_source_tensor *tensors = f->tensors;
    f->tensors = NULL; /* the source frees them */
    return source_take_tensors(src, tensors, f->n_tensors, err);
}

static enum ingot_status open_source(struct ingot_source *src, struct ingot_error *err)
{
    struct first_two names;
    const struct input *in = NULL;
    struct gguf_file *f = calloc(1, sizeof *f);
    src->reader_data = f;
    if (!f) return fail_memory(err, src->path);
    enum ingot_status status = src->base ? INGOT_OK : find_file(src, &names, err);
    if (status == INGOT_OK) status = source_add_file(src, src->base ? src->base : names.names[0], &in, err);
    if (status == INGOT_OK) status = gguf_parse(in->map.bytes, in->map.size, in->path, in->base, f, err);
    if (status == INGOT_OK) status = check_whole(in, f, err);
    if (status == INGOT_OK) status = take_tensors(src, f, err);
    for (size_t i = 0; i < f->n_values && status == INGOT_OK; i++) status = add_fact(src, &f->values[i], err);
    return status;
}

static void close_source(struct ingot_source *src)
{
    if (src->reader_data) gguf_free(src->reader_data);
    free(src->reader_data);
}

/* -------------------------------------------------------------------------------------------------- the vocabulary */

/* llama.cpp, enum llama_token_type. */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED, /* fills the list up to the rows of the embedding */
    TOKEN_BYTE,
};

struct reading {
    const struct gguf_file *f;
    const char *path;
    struct vocab_tables *t;
};

static enum ingot_status refuse(const struct reading *r, const struct gguf_value *v, struct ingot_error *err)
{
    char key[SHOWN_BYTES], shown[SHOWN_BYTES] = "true";
    struct cursor at = v->bytes;
    if (v->is_array || v->type != GGUF_BOOL) snprintf(shown, sizeof shown, "no text");
    if (!v->is_array && v->type == GGUF_STRING) {
        struct gguf_text text = gguf_take_string(&at);
        ingot_escape(text.at, text.n, shown, sizeof shown);
    }
    return ingot_fail(err, INGOT_E_UNSUPPORTED, v->bytes.at, r->path, ADVICE_BPE, "not GPT-2's tokenizer: %s is %s",
                      ingot_escape(v->key.at, v->key.n, key, sizeof key), shown);
}

/* Whatever gives other ids for some text. KEY_SPLIT names the pattern that text is split by; the oldest files, which
 * are all GPT-2's, do not have it. */
static enum ingot_status check_kind(const struct reading *r, struct ingot_error *err)
{
    static const char *const additions[] = { "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token",
                                             "tokenizer.ggml.add_space_prefix" };
    const struct gguf_value *model = gguf_find(r->f, KEY_MODEL), *split = gguf_find(r->f, KEY_SPLIT);
    if (!gguf_is_text(model, "gpt2")) return refuse(r, model, err);
    if (split && !gguf_is_text(split, "gpt-2")) return refuse(r, split, err);
    for (size_t i = 0; i < sizeof additions / sizeof *additions; i++) {
        struct ingot_fact adds;
        const struct gguf_value *v = gguf_find(r->f, additions[i]);
        if (v && gguf_fact(v, &adds) && adds.integer != 0) return refuse(r, v, err);
    }
    return INGOT_OK;
}

static enum ingot_status find_array(const struct reading *r, const char *key, enum gguf_type type,
                                    const struct gguf_value **out, struct ingot_error *err)
{
    const struct gguf_value *v = *out = gguf_find(r->f, key);
    if (!v)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, r->path, ADVICE_COPY,
                          "the file has a tokenizer, but no %s", key);
    if (!v->is_array || v->type != type)
        return ingot_fail(err, INGOT_E_SOURCE, v->bytes.at, r->path, ADVICE_COPY, "%s is not an array of %s", key,
                          type == GGUF_STRING ? "strings" : "i32");
    if (v->n <= LIMIT_N_VOCAB) return INGOT_OK;
    return ingot_fail(err, INGOT_E_LIMIT, v->bytes.at, r->path, NULL, "%s has %" PRIu64 " entries; the limit is %u",
                      key, v->n, LIMIT_N_VOCAB);
}

static enum ingot_status add_token(const struct reading *r, uint32_t id, struct gguf_text text, uint32_t type,
                                   struct vocab_place place, struct ingot_error *err)
{
    const struct vocab_span s = { (const uint8_t *)text.at, text.n };
    switch (type) {
    case TOKEN_NORMAL:
        return vocab_read_token(r->t, id, s, place, err);
    case TOKEN_UNKNOWN:
    case TOKEN_CONTROL:
    case TOKEN_USER_DEFINED:
        return vocab_tables_add_token(r->t, id, s, true, place, err);
    case TOKEN_UNUSED:
        return INGOT_OK;
    default:
        return ingot_fail(err, INGOT_E_UNSUPPORTED, place.off, place.file, ADVICE_BPE, "token %u has the type %u%s", id,
                          type, type == TOKEN_BYTE ? ", a byte of another kind of tokenizer" : "");
    }
}

static enum ingot_status read_tokens(const struct reading *r, struct ingot_error *err)
{
    const struct gguf_value *tokens, *types = NULL;
    enum ingot_status status = find_array(r, KEY_TOKENS, GGUF_STRING, &tokens, err);
    if (status == INGOT_OK && gguf_find(r->f, KEY_TOKEN_TYPE))
        status = find_array(r, KEY_TOKEN_TYPE, GGUF_I32, &types, err);
    if (status != INGOT_OK) return status;
    if (types && types->n != tokens->n)
        return ingot_fail(err, INGOT_E_SOURCE, types->bytes.at, r->path, ADVICE_COPY,
                          "%" PRIu64 " type%s of %" PRIu64 " token%s", types->n, plural(types->n), tokens->n,
                          plural(tokens->n));
    struct cursor at = tokens->bytes;
    for (uint32_t id = 0; id < tokens->n && status == INGOT_OK; id++) {
        struct vocab_place place = { .file = r->path, .off = at.at };
        struct gguf_text text = gguf_take_string(&at);
        uint32_t type = types ? get_u32(types->bytes.p + 4 * (size_t)id) : TOKEN_NORMAL;
        status = add_token(r, id, text, type, place, err);
    }
    return status == INGOT_OK ? vocab_tables_close_tokens(r->t, r->path, err) : status;
}

static enum ingot_status read_merges(const struct reading *r, struct ingot_error *err)
{
    const struct gguf_value *merges;
    enum ingot_status status = find_array(r, KEY_MERGES, GGUF_STRING, &merges, err);
    if (status != INGOT_OK) return status;
    struct cursor at = merges->bytes;
    for (uint64_t i = 0; i < merges->n && status == INGOT_OK; i++) {
        struct vocab_place place = { .file = r->path, .off = at.at, .line = i + 1 };
        struct gguf_text text = gguf_take_string(&at);
        status = vocab_read_merge((struct vocab_span){ (const uint8_t *)text.at, text.n }, place, r->t, err);
    }
    return status;
}

/* llama.cpp writes "none" or "no_vocab" where a model goes without. */
static enum ingot_status read_vocabulary(const struct ingot_source *src, struct vocab_tables *t, bool *found,
                                         struct ingot_error *err)
{
    const struct reading r = { .f = src->reader_data, .path = src->files[0]->path, .t = t };
    const struct gguf_value *model = gguf_find(r.f, KEY_MODEL);
    *found = model && !gguf_is_text(model, "none") && !gguf_is_text(model, "no_vocab");
    if (!*found) return INGOT_OK;
    enum ingot_status status = check_kind(&r, err);
    if (status == INGOT_OK) status = read_tokens(&r, err);
    return status == INGOT_OK ? read_merges(&r, err) : status;
}

const struct source_reader source_gguf = {
    .format = "gguf",
    .files = "model.gguf",
    .probe = probe,
    .open = open_source,
    .close = close_source,
    .read_vocabulary = read_vocabulary,
};
