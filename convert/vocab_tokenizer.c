/*
 * vocab_tokenizer.c - Hugging Face's tokenizer.json.
 *
 * The file describes a pipeline: normalizer, pre_tokenizer, model, post_processor, decoder. GPT-2's is ByteLevel, BPE
 * and nothing else; whatever would give other ids for some text is refused by name, never ignored. `truncation` and
 * `padding` are about batches, not about text, and do not matter here.
 */
#include "convert/vocab_read.h"

#include "format/error.h"

#include <string.h>

#define COMPONENT_LIMIT (64u << 10) /* JSON text of one small part */
#define SHOWN_BYTES     64

/* A member that is looked for; value.at is NULL when there is none. */
struct field {
    const char *name;
    struct json_text value;
};

enum { F_ADDED, F_NORMALIZER, F_PRE, F_POST, F_DECODER, F_MODEL, N_FIELDS };
enum { M_TYPE, M_VOCAB, M_MERGES, M_UNK, M_FUSE_UNK, M_NEUTRAL, N_MODEL_FIELDS = M_NEUTRAL + 5 };

static enum ingot_status refuse(const struct input *in, uint64_t off, struct ingot_error *err, const char *what,
                                const char *value)
{
    char shown[SHOWN_BYTES];
    return ingot_fail(err, INGOT_E_UNSUPPORTED, off, in->path, "only GPT-2's byte-level BPE is known",
                      "not GPT-2's tokenizer: %s is %s", what, ingot_escape(value, strlen(value), shown, sizeof shown));
}

static struct field *find_field(struct field *fields, size_t n, struct json_text key)
{
    for (size_t i = 0; i < n; i++)
        if (json_key_is(key, fields[i].name)) return &fields[i];
    return NULL;
}

static enum ingot_status refuse_key(const struct input *in, struct json_text key, struct ingot_error *err)
{
    char shown[SHOWN_BYTES];
    return ingot_fail(err, INGOT_E_UNSUPPORTED, key.off, in->path, "only GPT-2's byte-level BPE is known",
                      "not GPT-2's tokenizer: the model has an unknown field %s",
                      ingot_escape(key.at, key.n, shown, sizeof shown));
}

/* Finds the members of an object. `strict`: one that is not in the list is refused. */
static enum ingot_status collect(const struct input *in, struct json_text object, struct field *fields, size_t n,
                                 bool strict, struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(object, in->path);
    for (;;) {
        struct json_text key, value;
        bool more;
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        struct field *field = find_field(fields, n, key);
        if (!field && strict) return refuse_key(in, key, err);
        if (!field) continue;
        if (field->value.at)
            return ingot_fail(err, INGOT_E_SOURCE, key.off, in->path, NULL, "\"%s\" is given twice", field->name);
        field->value = value;
    }
}

/* ---------------------------------------------------------------------------------------------------- components */

/* false, 0, "" and null all say that something is not in use. */
static bool is_neutral(const json_t *value)
{
    if (!value || json_is_null(value) || json_is_false(value)) return true;
    if (json_is_number(value)) return json_number_value(value) == 0.0;
    return json_is_string(value) && json_string_length(value) == 0;
}

static enum ingot_status require_neutral(const struct input *in, const struct field *field, struct ingot_error *err)
{
    json_t *value;
    if (!field->value.at) return INGOT_OK;
    enum ingot_status status = json_parse(field->value, in->path, COMPONENT_LIMIT, &value, err);
    if (status != INGOT_OK) return status;
    const char *type = json_string_value(json_object_get(value, "type"));
    if (!is_neutral(value)) status = refuse(in, field->value.off, err, field->name, type ? type : "in use");
    json_decref(value);
    return status;
}

static const char *type_of(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "of no type";
}

/* The pre-tokenizer adds no space and splits by GPT-2's pattern, which `use_regex` turns off in newer files. */
static enum ingot_status check_split(const struct input *in, const json_t *component, uint64_t off,
                                     struct ingot_error *err)
{
    const json_t *use_regex = json_object_get(component, "use_regex");
    if (!json_is_false(json_object_get(component, "add_prefix_space")))
        return refuse(in, off, err, "pre_tokenizer.add_prefix_space", "not false");
    if (use_regex && !json_is_true(use_regex))
        return refuse(in, off, err, "pre_tokenizer.use_regex", "not true: it splits by another pattern");
    return INGOT_OK;
}

/* A component must be ByteLevel; if it is not the pre-tokenizer, it may also be absent. */
static enum ingot_status require_byte_level(const struct input *in, const struct field *field, bool splits,
                                            struct ingot_error *err)
{
    json_t *value = NULL;
    if (field->value.at) {
        enum ingot_status status = json_parse(field->value, in->path, COMPONENT_LIMIT, &value, err);
        if (status != INGOT_OK) return status;
    }
    bool absent = !value || json_is_null(value);
    enum ingot_status status = INGOT_OK;
    if (absent && splits)
        status = refuse(in, field->value.off, err, field->name, "absent");
    else if (!absent && strcmp(type_of(value), "ByteLevel") != 0)
        status = refuse(in, field->value.off, err, field->name, type_of(value));
    else if (splits)
        status = check_split(in, value, field->value.off, err);
    json_decref(value);
    return status;
}

static enum ingot_status require_bpe(const struct input *in, const struct field *type, struct ingot_error *err)
{
    char shown[SHOWN_BYTES];
    if (!type->value.at || json_key_is(type->value, "BPE")) return INGOT_OK;
    return refuse(in, type->value.off, err, "model.type",
                  ingot_escape(type->value.at, type->value.n, shown, sizeof shown));
}

/* ----------------------------------------------------------------------------------------------------- the tables */

static enum ingot_status check_added(const struct input *in, const json_t *token, uint64_t off, struct ingot_error *err)
{
    static const char *const changes[] = { "lstrip", "rstrip", "single_word" };
    if (!json_is_integer(json_object_get(token, "id")) || !json_is_string(json_object_get(token, "content")))
        return ingot_fail(err, INGOT_E_SOURCE, off, in->path, NULL, "an added token needs \"id\" and \"content\"");
    const char *content = json_string_value(json_object_get(token, "content"));
    if (!json_is_true(json_object_get(token, "special")))
        return refuse(in, off, err, "an added token that also plain text is split by", content);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (json_is_true(json_object_get(token, changes[i])))
            return refuse(in, off, err, "an added token with lstrip, rstrip or single_word", content);
    return INGOT_OK;
}

static enum ingot_status add_added(const struct input *in, const json_t *token, uint64_t off, struct vocab_tables *t,
                                   struct ingot_error *err)
{
    enum ingot_status status = check_added(in, token, off, err);
    if (status != INGOT_OK) return status;
    const json_t *content = json_object_get(token, "content");
    json_int_t id = json_integer_value(json_object_get(token, "id"));
    struct vocab_place place = { .file = in->path, .off = off };
    struct vocab_span text = { (const uint8_t *)json_string_value(content), json_string_length(content) };
    uint32_t clamped = id >= 0 && id < UINT32_MAX ? (uint32_t)id : UINT32_MAX;
    return vocab_tables_add_token(t, clamped, text, true, place, err);
}

static enum ingot_status read_added(const struct input *in, struct json_text array, struct vocab_tables *t,
                                    struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(array, in->path);
    for (;;) {
        struct json_text value;
        bool more;
        json_t *token;
        enum ingot_status status = json_walk_element(&walk, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = json_parse(value, in->path, COMPONENT_LIMIT, &token, err);
        if (status != INGOT_OK) return status;
        status = add_added(in, token, value.off, t, err);
        json_decref(token);
        if (status != INGOT_OK) return status;
    }
}

static struct vocab_span string_span(const json_t *string)
{
    return (struct vocab_span){ (const uint8_t *)json_string_value(string), json_string_length(string) };
}

/* "a b", or since 2024 ["a", "b"]. */
static enum ingot_status add_merge(const json_t *merge, struct vocab_place place, struct vocab_tables *t,
                                   struct ingot_error *err)
{
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_is_string(merge)) return vocab_read_merge(string_span(merge), place, t, err);
    if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right))
        return vocab_read_merge_pair(string_span(left), string_span(right), place, t, err);
    return ingot_fail(err, INGOT_E_SOURCE, place.off, place.file, NULL,
                      "merge %llu: expected \"a b\" or [\"a\", \"b\"]", (unsigned long long)place.line);
}

static enum ingot_status read_merges(const struct input *in, struct json_text array, struct vocab_tables *t,
                                     struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(array, in->path);
    struct vocab_place place = { .file = in->path };
    for (;;) {
        struct json_text value;
        bool more;
        json_t *merge;
        enum ingot_status status = json_walk_element(&walk, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = json_parse(value, in->path, COMPONENT_LIMIT, &merge, err);
        if (status != INGOT_OK) return status;
        place.off = value.off;
        place.line++;
        status = add_merge(merge, place, t, err);
        json_decref(merge);
        if (status != INGOT_OK) return status;
    }
}

static enum ingot_status read_model(const struct input *in, struct json_text object, struct vocab_tables *t,
                                    struct ingot_error *err)
{
    struct field fields[N_MODEL_FIELDS] = {
        [M_TYPE] = { "type", { 0 } },
        [M_VOCAB] = { "vocab", { 0 } },
        [M_MERGES] = { "merges", { 0 } },
        /* what to do with unknown characters: a byte-level BPE knows all bytes */
        [M_UNK] = { "unk_token", { 0 } },
        [M_FUSE_UNK] = { "fuse_unk", { 0 } },
        [M_NEUTRAL] = { "dropout", { 0 } },
        { "continuing_subword_prefix", { 0 } },
        { "end_of_word_suffix", { 0 } },
        { "byte_fallback", { 0 } },
        { "ignore_merges", { 0 } },
    };
    enum ingot_status status = collect(in, object, fields, N_MODEL_FIELDS, true, err);
    if (status == INGOT_OK) status = require_bpe(in, &fields[M_TYPE], err);
    for (size_t i = M_NEUTRAL; i < N_MODEL_FIELDS && status == INGOT_OK; i++)
        status = require_neutral(in, &fields[i], err);
    if (status != INGOT_OK) return status;
    if (!fields[M_VOCAB].value.at || !fields[M_MERGES].value.at)
        return ingot_fail(err, INGOT_E_SOURCE, object.off, in->path, NULL, "model.vocab or model.merges is missing");
    status = vocab_read_map(fields[M_VOCAB].value, in->path, t, err);
    if (status == INGOT_OK) status = vocab_tables_close_tokens(t, in->path, err);
    return status == INGOT_OK ? read_merges(in, fields[M_MERGES].value, t, err) : status;
}

enum ingot_status vocab_read_tokenizer(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    struct field fields[N_FIELDS] = {
        [F_ADDED] = { "added_tokens", { 0 } }, [F_NORMALIZER] = { "normalizer", { 0 } },
        [F_PRE] = { "pre_tokenizer", { 0 } },  [F_POST] = { "post_processor", { 0 } },
        [F_DECODER] = { "decoder", { 0 } },    [F_MODEL] = { "model", { 0 } },
    };
    enum ingot_status status = collect(in, vocab_file_text(in), fields, N_FIELDS, false, err);
    if (status != INGOT_OK) return status;
    if (!fields[F_MODEL].value.at)
        return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, in->path, NULL, "\"model\" is missing");
    status = require_neutral(in, &fields[F_NORMALIZER], err);
    if (status == INGOT_OK) status = require_byte_level(in, &fields[F_PRE], true, err);
    if (status == INGOT_OK) status = require_byte_level(in, &fields[F_POST], false, err);
    if (status == INGOT_OK) status = require_byte_level(in, &fields[F_DECODER], false, err);
    if (status == INGOT_OK && fields[F_ADDED].value.at) status = read_added(in, fields[F_ADDED].value, t, err);
    return status == INGOT_OK ? read_model(in, fields[F_MODEL].value, t, err) : status;
}
