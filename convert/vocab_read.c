/* vocab_read.c - the parts that all spellings of a vocabulary share: a map of tokens, a list of merges. */
#include "convert/vocab_read.h"

#include "convert/vocab_spelling.h"
#include "format/disk.h"
#include "format/error.h"

#include <string.h>

#define SHOWN_BYTES   96
#define SPECIAL_LIMIT (256u << 10) /* JSON text of all tokens of a role */

struct json_text vocab_file_text(const struct input *in)
{
    return (struct json_text){ .at = (const char *)in->map.bytes, .n = in->map.size };
}

/* One JSON value as an id: a whole number below LIMIT_N_VOCAB. */
static enum ingot_status read_id(struct json_text text, const char *file, uint32_t *id, struct ingot_error *err)
{
    json_t *value;
    enum ingot_status status = json_parse(text, file, VOCAB_TOKEN_LIMIT, &value, err);
    if (status != INGOT_OK) return status;
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
    json_decref(value);
    if (n < 0 || n >= LIMIT_N_VOCAB)
        return ingot_fail(err, INGOT_E_SOURCE, text.off, file, NULL, "an id must be a whole number from 0 to %u",
                          LIMIT_N_VOCAB - 1);
    *id = (uint32_t)n;
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------- tokens */

static enum ingot_status fail_spelling(struct vocab_span text, struct vocab_place place, struct ingot_error *err)
{
    char shown[SHOWN_BYTES];
    return ingot_fail(err, INGOT_E_UNSUPPORTED, place.off, place.file, "only GPT-2's byte-level BPE is known",
                      "\"%s\" is not in GPT-2's spelling of bytes",
                      ingot_escape((const char *)text.at, text.n, shown, sizeof shown));
}

static bool is_special_token(const struct vocab_tables *t, uint32_t id, struct vocab_span text)
{
    if (id >= t->n_pieces || !t->pieces[id].special || t->pieces[id].n != text.n) return false;
    return memcmp(t->text + t->pieces[id].off, text.at, text.n) == 0;
}

enum ingot_status vocab_read_token(struct vocab_tables *t, uint32_t id, struct vocab_span text,
                                   struct vocab_place place, struct ingot_error *err)
{
    uint8_t bytes[VOCAB_TOKEN_LIMIT];
    size_t n;
    if (is_special_token(t, id, text)) return INGOT_OK;
    if (text.n > VOCAB_TOKEN_LIMIT)
        return ingot_fail(err, INGOT_E_LIMIT, place.off, place.file, NULL, "a token of %zu bytes; the limit is %u",
                          text.n, VOCAB_TOKEN_LIMIT);
    if (!vocab_spelling_decode((const char *)text.at, text.n, bytes, &n)) return fail_spelling(text, place, err);
    return vocab_tables_add_token(t, id, (struct vocab_span){ bytes, n }, false, place, err);
}

/* A key of a map with its id. `spelled`: in GPT-2's spelling, else a special token as itself. */
static enum ingot_status add_member(struct vocab_tables *t, struct json_text key, struct json_text value, bool spelled,
                                    const char *file, struct ingot_error *err)
{
    uint32_t id = 0;
    json_t *text;
    enum ingot_status status = read_id(value, file, &id, err);
    if (status == INGOT_OK) status = json_parse(key, file, VOCAB_TOKEN_LIMIT, &text, err);
    if (status != INGOT_OK) return status;
    struct vocab_place place = { .file = file, .off = key.off };
    struct vocab_span s = { (const uint8_t *)json_string_value(text), json_string_length(text) };
    status = spelled ? vocab_read_token(t, id, s, place, err) : vocab_tables_add_token(t, id, s, true, place, err);
    json_decref(text);
    return status;
}

static enum ingot_status read_members(struct json_text object, bool spelled, const char *file, struct vocab_tables *t,
                                      struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(object, file);
    for (;;) {
        struct json_text key, value;
        bool more;
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = add_member(t, key, value, spelled, file, err);
        if (status != INGOT_OK) return status;
    }
}

enum ingot_status vocab_read_map(struct json_text object, const char *file, struct vocab_tables *t,
                                 struct ingot_error *err)
{
    return read_members(object, true, file, t, err);
}

enum ingot_status vocab_read_added(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    return read_members(vocab_file_text(in), false, in->path, t, err);
}

/* ------------------------------------------------------------------------------------------------------- merges */

static enum ingot_status fail_merge_syntax(struct vocab_place place, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_SOURCE, place.off, place.file, NULL,
                      "merge %llu: expected two pieces of at most %u bytes with one space between them",
                      (unsigned long long)place.line, VOCAB_TOKEN_LIMIT);
}

enum ingot_status vocab_read_merge_pair(struct vocab_span left, struct vocab_span right, struct vocab_place place,
                                        struct vocab_tables *t, struct ingot_error *err)
{
    uint8_t left_bytes[VOCAB_TOKEN_LIMIT], right_bytes[VOCAB_TOKEN_LIMIT];
    struct vocab_span l = { .at = left_bytes }, r = { .at = right_bytes };
    if (left.n == 0 || right.n == 0 || left.n > VOCAB_TOKEN_LIMIT || right.n > VOCAB_TOKEN_LIMIT)
        return fail_merge_syntax(place, err);
    if (!vocab_spelling_decode((const char *)left.at, left.n, left_bytes, &l.n)) return fail_spelling(left, place, err);
    if (!vocab_spelling_decode((const char *)right.at, right.n, right_bytes, &r.n))
        return fail_spelling(right, place, err);
    return vocab_tables_add_merge(t, l, r, place, err);
}

enum ingot_status vocab_read_merge(struct vocab_span text, struct vocab_place place, struct vocab_tables *t,
                                   struct ingot_error *err)
{
    const uint8_t *space = text.n > 0 ? memchr(text.at, ' ', text.n) : NULL;
    if (!space) return fail_merge_syntax(place, err);
    struct vocab_span left = { text.at, (size_t)(space - text.at) };
    struct vocab_span right = { space + 1, text.n - left.n - 1 };
    if (right.n > 0 && memchr(right.at, ' ', right.n)) return fail_merge_syntax(place, err);
    return vocab_read_merge_pair(left, right, place, t, err);
}

static bool is_version_line(struct vocab_span line)
{
    static const char version[] = "#version";
    return line.n >= sizeof version - 1 && memcmp(line.at, version, sizeof version - 1) == 0;
}

enum ingot_status vocab_read_merges(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    const uint8_t *at = in->map.bytes, *end = at + in->map.size;
    struct vocab_place place = { .file = in->path };
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *line_end = newline ? newline : end;
        struct vocab_span line = { at, (size_t)(line_end - at) };
        place.off = (uint64_t)(at - in->map.bytes);
        place.line++;
        if (line.n > 0 && line.at[line.n - 1] == '\r') line.n--;
        if (line.n > 0 && !(place.line == 1 && is_version_line(line))) {
            enum ingot_status status = vocab_read_merge(line, place, t, err);
            if (status != INGOT_OK) return status;
        }
        at = newline ? newline + 1 : end;
    }
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------ special tokens */

/* "<s>" or {"content": "<s>", "lstrip": false, ..}. */
static enum ingot_status mark_special(const json_t *token, struct vocab_place place, struct vocab_tables *t,
                                      struct ingot_error *err)
{
    const json_t *text = json_is_string(token) ? token : json_object_get(token, "content");
    if (!json_is_string(text))
        return ingot_fail(err, INGOT_E_SOURCE, place.off, place.file, NULL, "expected a token or a list of tokens");
    if (json_is_true(json_object_get(token, "lstrip")) || json_is_true(json_object_get(token, "rstrip")) ||
        json_is_true(json_object_get(token, "single_word"))) {
        char shown[SHOWN_BYTES];
        return ingot_fail(err, INGOT_E_UNSUPPORTED, place.off, place.file, "only GPT-2's byte-level BPE is known",
                          "not GPT-2's tokenizer: token %s has lstrip, rstrip or single_word",
                          ingot_escape(json_string_value(text), json_string_length(text), shown, sizeof shown));
    }
    struct vocab_span bytes = { (const uint8_t *)json_string_value(text), json_string_length(text) };
    vocab_tables_mark_special(t, bytes);
    return INGOT_OK;
}

static enum ingot_status mark_role(const json_t *value, struct vocab_place place, struct vocab_tables *t,
                                   struct ingot_error *err)
{
    if (json_is_null(value)) return INGOT_OK;
    if (!json_is_array(value)) return mark_special(value, place, t, err);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < json_array_size(value) && status == INGOT_OK; i++)
        status = mark_special(json_array_get(value, i), place, t, err);
    return status;
}

enum ingot_status vocab_read_special(const struct input *in, struct vocab_tables *t, struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(vocab_file_text(in), in->path);
    for (;;) {
        struct json_text key, value;
        bool more;
        json_t *role;
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = json_parse(value, in->path, SPECIAL_LIMIT, &role, err);
        if (status != INGOT_OK) return status;
        status = mark_role(role, (struct vocab_place){ .file = in->path, .off = value.off }, t, err);
        json_decref(role);
        if (status != INGOT_OK) return status;
    }
}
