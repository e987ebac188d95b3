/* json_walk.c - finding the ends of JSON values in one pass. */
#include "convert/json_walk.h"

#include "convert/fail.h"

#include <string.h>

static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline void advance(struct json_text *t, size_t n)
{
    t->at += n;
    t->n -= n;
    t->off += n;
}

static inline void skip_space(struct json_text *t)
{
    while (t->n > 0 && is_space(*t->at)) advance(t, 1);
}

static bool skip_char(struct json_text *t, char c)
{
    skip_space(t);
    if (t->n == 0 || *t->at != c) return false;
    advance(t, 1);
    return true;
}

/* Length of the string that begins at t, quotes included; 0 when it does not end. Most hold no backslash. */
static size_t string_length(struct json_text t)
{
    const char *end = t.n > 0 ? memchr(t.at + 1, '"', t.n - 1) : NULL;
    if (!end) return 0;
    const char *escape = memchr(t.at, '\\', (size_t)(end - t.at));
    for (size_t i = escape ? (size_t)(escape - t.at) : (size_t)(end - t.at); i < t.n; i++) {
        if (t.at[i] == '"') return i + 1;
        if (t.at[i] == '\\') i++;
    }
    return 0;
}

enum mark { PLAIN, OPENING, CLOSING, QUOTE };
static const uint8_t marks[256] = { ['{'] = OPENING, ['['] = OPENING, ['}'] = CLOSING, [']'] = CLOSING, ['"'] = QUOTE };

/* Length of the array or object that begins at t; 0 when it does not end. Kinds of brackets are not told apart. */
static size_t nested_length(struct json_text t)
{
    size_t depth = 0, n = 0;
    do {
        while (n < t.n && marks[(uint8_t)t.at[n]] == PLAIN) n++;
        if (n == t.n) return 0;
        const uint8_t mark = marks[(uint8_t)t.at[n]];
        size_t length = mark == QUOTE ? string_length((struct json_text){ t.at + n, t.n - n, 0 }) : 1;
        if (length == 0) return 0;
        if (mark == OPENING) depth++;
        if (mark == CLOSING) depth--;
        n += length;
    } while (depth > 0);
    return n;
}

/* Length of the number or word that begins at t. */
static size_t scalar_length(struct json_text t)
{
    size_t n = 0;
    while (n < t.n && !is_space(t.at[n]) && t.at[n] != ',' && t.at[n] != '}' && t.at[n] != ']') n++;
    return n;
}

static size_t value_length(struct json_text t)
{
    if (t.n == 0) return 0;
    if (*t.at == '"') return string_length(t);
    return *t.at == '{' || *t.at == '[' ? nested_length(t) : scalar_length(t);
}

/* Cuts the next value off t. */
static bool take_value(struct json_text *t, struct json_text *out)
{
    skip_space(t);
    *out = *t;
    out->n = value_length(*t);
    advance(t, out->n);
    return out->n > 0;
}

struct json_walk json_walk_begin(struct json_text object, const char *file)
{
    return (struct json_walk){ .rest = object, .file = file };
}

static enum ingot_status malformed(const struct json_walk *walk, const char *expected, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_SOURCE, walk->rest.off, walk->file, "get another copy", "bad JSON: expected %s",
                      expected);
}

static enum ingot_status walk_end(struct json_walk *walk, bool *more, struct ingot_error *err)
{
    skip_space(&walk->rest);
    if (walk->rest.n > 0) return malformed(walk, "nothing after the object", err);
    walk->ended = true;
    *more = false;
    return INGOT_OK;
}

enum ingot_status json_walk_key(struct json_walk *walk, struct json_text *key, bool *more, struct ingot_error *err)
{
    struct json_text *rest = &walk->rest;
    if (!walk->started && !skip_char(rest, '{')) return malformed(walk, "{", err);
    if (skip_char(rest, '}')) return walk_end(walk, more, err);
    if (walk->started && !skip_char(rest, ',')) return malformed(walk, ", or }", err);
    walk->started = true;
    skip_space(rest);
    *key = *rest;
    if (rest->n == 0 || *rest->at != '"' || !(key->n = string_length(*rest)))
        return malformed(walk, "a name in quotes", err);
    advance(rest, key->n);
    if (!skip_char(rest, ':')) return malformed(walk, ":", err);
    skip_space(rest);
    *more = true;
    return INGOT_OK;
}

enum ingot_status json_walk_value(struct json_walk *walk, struct json_text *value, struct ingot_error *err)
{
    return take_value(&walk->rest, value) ? INGOT_OK : malformed(walk, "a value", err);
}

enum ingot_status json_walk_next(struct json_walk *walk, struct json_text *key, struct json_text *value, bool *more,
                                 struct ingot_error *err)
{
    enum ingot_status status = json_walk_key(walk, key, more, err);
    return status == INGOT_OK && *more ? json_walk_value(walk, value, err) : status;
}

enum ingot_status json_walk_element(struct json_walk *walk, struct json_text *value, bool *more,
                                    struct ingot_error *err)
{
    struct json_text *rest = &walk->rest;
    if (!walk->started && !skip_char(rest, '[')) return malformed(walk, "[", err);
    if (skip_char(rest, ']')) return walk_end(walk, more, err);
    if (walk->started && !skip_char(rest, ',')) return malformed(walk, ", or ]", err);
    walk->started = true;
    if (!take_value(rest, value)) return malformed(walk, "a value", err);
    *more = true;
    return INGOT_OK;
}

enum ingot_status json_parse(struct json_text text, const char *file, size_t max_bytes, json_t **out,
                             struct ingot_error *err)
{
    json_error_t problem;
    *out = NULL;
    if (text.n > max_bytes)
        return ingot_fail(err, INGOT_E_LIMIT, text.off, file, NULL, "a JSON value of %zu bytes; the limit is %zu",
                          text.n, max_bytes);
    *out = json_loadb(text.at, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (*out) return INGOT_OK;
    if (json_error_code(&problem) == json_error_out_of_memory) return fail_memory(err, file);
    char shown[128];
    return ingot_fail(err, INGOT_E_SOURCE, text.off + (problem.position > 0 ? (uint64_t)problem.position : 0), file,
                      "get another copy", "bad JSON: %s",
                      ingot_escape(problem.text, strlen(problem.text), shown, sizeof shown));
}

bool json_key_is(struct json_text key, const char *name)
{
    size_t n = strlen(name);
    return key.n == n + 2 && memcmp(key.at + 1, name, n) == 0;
}
