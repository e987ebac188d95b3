/* gguf.c - magic and version, two counts, keys with values, the list of tensors; then, aligned, the tensors' bytes.
 *
 * One cursor walks the head once; arrays stay where they are. Keys and spans are checked after sorting. The format:
 * ggml-org/ggml, docs/gguf.md. */
#include "convert/gguf_parser.h"

#include "convert/array.h"
#include "format/checked.h"

#include <inttypes.h>

#define MAGIC             "GGUF"
#define DEFAULT_ALIGNMENT 32u
#define MAX_KEY           65535u
#define MIN_VALUE_BYTES   13u /* an empty key, a type, one byte */
#define MIN_TENSOR_BYTES  24u /* an empty name, no dimensions, a type, an offset */
#define ALIGNMENT_KEY     "general.alignment"

/* ---------------------------------------------------------------------------------------------------- small parts */

enum ingot_status gguf_fail_truncated(const struct gguf_parser *p, const char *what)
{
    return ingot_fail(p->err, INGOT_E_TRUNCATED, p->at.at, p->path, ADVICE_COPY, "the file ends inside %s", what);
}

const char *gguf_show(struct gguf_text text, char out[GGUF_SHOWN_BYTES])
{
    return ingot_escape(text.at, text.n, out, GGUF_SHOWN_BYTES);
}

struct gguf_text gguf_take_string(struct cursor *at)
{
    struct cursor ahead = *at;
    uint64_t n = cursor_u64(&ahead);
    const uint8_t *text = cursor_take(&ahead, n);
    if (!text) {
        at->bad = true;
        return (struct gguf_text){ "", 0 };
    }
    *at = ahead;
    return (struct gguf_text){ (const char *)text, n };
}

enum ingot_status gguf_take_name(struct gguf_parser *p, uint64_t limit, const char *what, struct gguf_text *out)
{
    uint64_t off = p->at.at;
    *out = gguf_take_string(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, what);
    if (out->n == 0) return ingot_fail(p->err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "%s is empty", what);
    if (out->n > limit)
        return ingot_fail(p->err, INGOT_E_LIMIT, off, p->path, NULL, "%s of %" PRIu64 " bytes; the limit is %" PRIu64,
                          what, out->n, limit);
    if (memchr(out->at, 0, out->n))
        return ingot_fail(p->err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "%s has a NUL in it", what);
    return INGOT_OK;
}

/* ---------------------------------------------------------------------------------------------------------- values */

/* Bytes of an element; 0 for a string, whose length varies. */
static uint64_t type_bytes(enum gguf_type type)
{
    static const uint8_t bytes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_BOOL] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4,
        [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_U64] = 8,  [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return bytes[type];
}

/* The type of a value, and that of an array's elements. */
static enum ingot_status take_type(struct gguf_parser *p, struct gguf_value *v)
{
    char key[GGUF_SHOWN_BYTES];
    uint64_t off = p->at.at;
    uint32_t type = cursor_u32(&p->at);
    v->is_array = !p->at.bad && type == GGUF_ARRAY;
    v->n = 1;
    if (v->is_array) {
        off = p->at.at;
        type = cursor_u32(&p->at);
        v->n = cursor_u64(&p->at);
    }
    if (p->at.bad) return gguf_fail_truncated(p, "the type of a value");
    if (type >= GGUF_TYPE_COUNT)
        return ingot_fail(p->err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "the value of %s has the unknown type %u",
                          gguf_show(v->key, key), type);
    if (type == GGUF_ARRAY)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, off, p->path, NULL, "the value of %s is an array of arrays",
                          gguf_show(v->key, key));
    v->type = (enum gguf_type)type;
    return INGOT_OK;
}

/* Walks over strings, each of which must end inside the file. */
static enum ingot_status skip_strings(struct gguf_parser *p, const struct gguf_value *v)
{
    for (uint64_t i = 0; i < v->n; i++) {
        gguf_take_string(&p->at);
        if (p->at.bad) return gguf_fail_truncated(p, "a string");
    }
    return INGOT_OK;
}

static enum ingot_status check_bools(const struct gguf_parser *p, const struct gguf_value *v)
{
    char key[GGUF_SHOWN_BYTES];
    for (uint64_t i = 0; i < v->n; i++)
        if (v->bytes.p[i] > 1)
            return ingot_fail(p->err, INGOT_E_SOURCE, v->bytes.at + i, p->path, ADVICE_COPY,
                              "the value of %s is neither true nor false, but %u", gguf_show(v->key, key),
                              v->bytes.p[i]);
    return INGOT_OK;
}

static enum ingot_status take_elements(struct gguf_parser *p, struct gguf_value *v)
{
    uint64_t n_bytes, size = type_bytes(v->type);
    v->bytes = p->at;
    if (size == 0) {
        enum ingot_status status = skip_strings(p, v);
        v->bytes.left = p->at.at - v->bytes.at;
        return status;
    }
    if (!checked_mul(v->n, size, &n_bytes) || !cursor_take(&p->at, n_bytes)) return gguf_fail_truncated(p, "a value");
    v->bytes.left = n_bytes;
    return v->type == GGUF_BOOL ? check_bools(p, v) : INGOT_OK;
}

static enum ingot_status take_value(struct gguf_parser *p)
{
    struct gguf_file *f = p->out;
    struct gguf_value *grown = array_grow(f->values, &p->cap_values, f->n_values, sizeof *grown);
    if (!grown) return fail_memory(p->err, p->path);
    f->values = grown;
    struct gguf_value v = { 0 };
    enum ingot_status status = gguf_take_name(p, MAX_KEY, "a key", &v.key);
    if (status == INGOT_OK) status = take_type(p, &v);
    if (status == INGOT_OK) status = take_elements(p, &v);
    if (status == INGOT_OK) f->values[f->n_values++] = v;
    return status;
}

static int compare_texts(struct gguf_text a, struct gguf_text b)
{
    int order = memcmp(a.at, b.at, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b)
{
    const struct gguf_value *x = a, *y = b;
    int order = compare_texts(x->key, y->key);
    return order ? order : (x->bytes.at > y->bytes.at) - (x->bytes.at < y->bytes.at);
}

/* Sorts them. A key that stands twice would make the choice between two values an accident. */
static enum ingot_status check_keys(const struct gguf_parser *p)
{
    const struct gguf_file *f = p->out;
    char shown[GGUF_SHOWN_BYTES];
    if (f->n_values > 0) qsort(f->values, f->n_values, sizeof *f->values, by_key);
    for (size_t i = 1; i < f->n_values; i++)
        if (compare_texts(f->values[i - 1].key, f->values[i].key) == 0)
            return ingot_fail(p->err, INGOT_E_SOURCE, (uint64_t)((const uint8_t *)f->values[i].key.at - p->bytes),
                              p->path, ADVICE_COPY, "the key %s stands in the file twice",
                              gguf_show(f->values[i].key, shown));
    return INGOT_OK;
}

static enum ingot_status read_alignment(struct gguf_parser *p)
{
    const struct gguf_value *v = gguf_find(p->out, ALIGNMENT_KEY);
    p->alignment = DEFAULT_ALIGNMENT;
    if (!v) return INGOT_OK;
    if (v->is_array || v->type != GGUF_U32)
        return ingot_fail(p->err, INGOT_E_SOURCE, v->bytes.at, p->path, ADVICE_COPY, ALIGNMENT_KEY " is not a u32");
    p->alignment = get_u32(v->bytes.p);
    if (p->alignment != 0 && (p->alignment & (p->alignment - 1)) == 0) return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_RANGE, v->bytes.at, p->path, ADVICE_COPY,
                      ALIGNMENT_KEY " is %" PRIu64 ", which is no power of two", p->alignment);
}

/* ------------------------------------------------------------------------------------------------------------ head */

static enum ingot_status check_version(const struct gguf_parser *p, uint32_t version)
{
    if (version == 2 || version == 3) return INGOT_OK;
    if (version != 0 && (version & 0xFFFF) == 0)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, 4, p->path,
                          "convert it to little-endian: gguf_convert_endian.py", "a big-endian GGUF file");
    return ingot_fail(p->err, INGOT_E_UNSUPPORTED, 4, p->path,
                      "convert the model anew: version 3 is written everywhere",
                      "version %u of GGUF; 2 and 3 are known", version);
}

static enum ingot_status take_count(struct gguf_parser *p, const char *what, uint64_t limit, uint64_t *out)
{
    uint64_t off = p->at.at;
    *out = cursor_u64(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, "the header");
    if (*out <= limit) return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_LIMIT, off, p->path, ADVICE_COPY, "%" PRIu64 " %s%s; the limit is %" PRIu64, *out,
                      what, plural(*out), limit);
}

/* Whether n things that take at least `least` bytes each may still follow. */
static enum ingot_status check_room(const struct gguf_parser *p, uint64_t n, uint64_t least, uint64_t off,
                                    const char *what)
{
    if (n <= p->at.left / least) return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_TRUNCATED, off, p->path, ADVICE_COPY,
                      "no room for %" PRIu64 " %s%s in the %" PRIu64 " byte%s that follow", n, what, plural(n),
                      p->at.left, plural(p->at.left));
}

bool gguf_knows(const uint8_t *head, size_t n)
{
    return n >= 4 && memcmp(head, MAGIC, 4) == 0;
}

static enum ingot_status read_header(struct gguf_parser *p, uint64_t *n_tensors, uint64_t *n_values)
{
    const uint8_t *magic = cursor_take(&p->at, 4);
    if (!magic) return gguf_fail_truncated(p, "the magic");
    if (!gguf_knows(magic, 4))
        return ingot_fail(p->err, INGOT_E_SOURCE, 0, p->path, "is it a GGUF file?", "it does not begin with " MAGIC);
    uint32_t version = cursor_u32(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, "the header");
    enum ingot_status status = check_version(p, version);
    if (status == INGOT_OK) status = take_count(p, "tensor", INGOT_MAX_SECTIONS, n_tensors);
    if (status == INGOT_OK) status = take_count(p, "value", UINT64_MAX, n_values);
    if (status == INGOT_OK) status = check_room(p, *n_tensors, MIN_TENSOR_BYTES, 8, "tensor");
    return status == INGOT_OK ? check_room(p, *n_values, MIN_VALUE_BYTES, 16, "value") : status;
}

static enum ingot_status read_all(struct gguf_parser *p)
{
    uint64_t n_tensors = 0, n_values = 0;
    enum ingot_status status = read_header(p, &n_tensors, &n_values);
    for (uint64_t i = 0; i < n_values && status == INGOT_OK; i++) status = take_value(p);
    if (status == INGOT_OK) status = check_keys(p);
    if (status == INGOT_OK) status = read_alignment(p);
    return status == INGOT_OK ? gguf_read_tensors(p, n_tensors) : status;
}

enum ingot_status gguf_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                             struct gguf_file *out, struct ingot_error *err)
{
    struct gguf_parser p = { .bytes = bytes, .size = size, .path = path, .base = base, .out = out, .err = err };
    p.at = (struct cursor){ .p = bytes, .left = size };
    *out = (struct gguf_file){ 0 };
    enum ingot_status status = read_all(&p);
    if (status != INGOT_OK) gguf_free(out);
    return status;
}

void gguf_free(struct gguf_file *file)
{
    name_pool_free(&file->names);
    free(file->tensors);
    free(file->values);
    *file = (struct gguf_file){ 0 };
}

/* ---------------------------------------------------------------------------------------------------------- asking */

const struct gguf_value *gguf_find(const struct gguf_file *file, const char *key)
{
    const struct gguf_text wanted = { key, strlen(key) };
    size_t low = 0, high = file->n_values;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_texts(file->values[middle].key, wanted);
        if (order == 0) return &file->values[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool gguf_is_text(const struct gguf_value *value, const char *text)
{
    struct cursor at = value->bytes;
    if (value->is_array || value->type != GGUF_STRING) return false;
    return compare_texts(gguf_take_string(&at), (struct gguf_text){ text, strlen(text) }) == 0;
}

static int64_t read_integer(enum gguf_type type, const uint8_t *p)
{
    switch (type) {
    case GGUF_I8:
        return (int8_t)*p;
    case GGUF_U16:
        return get_u16(p);
    case GGUF_I16:
        return (int16_t)get_u16(p);
    case GGUF_U32:
        return get_u32(p);
    case GGUF_I32:
        return (int32_t)get_u32(p);
    case GGUF_U64:
    case GGUF_I64:
        return (int64_t)get_u64(p);
    default:
        return *p;
    }
}

static double read_number(enum gguf_type type, const uint8_t *p)
{
    float f32;
    double f64;
    memcpy(&f32, p, sizeof f32);
    if (type == GGUF_F32) return (double)f32;
    memcpy(&f64, p, sizeof f64);
    return f64;
}

bool gguf_fact(const struct gguf_value *value, struct ingot_fact *out)
{
    *out = (struct ingot_fact){ .type = INGOT_FACT_INT };
    if (value->is_array) return false;
    if (value->type == GGUF_STRING) {
        out->type = INGOT_FACT_TEXT;
        return true;
    }
    if (value->type == GGUF_F32 || value->type == GGUF_F64) {
        out->type = INGOT_FACT_FLOAT;
        out->number = read_number(value->type, value->bytes.p);
        return true;
    }
    if (value->type == GGUF_BOOL) out->type = INGOT_FACT_BOOL;
    out->integer = read_integer(value->type, value->bytes.p);
    return value->type != GGUF_U64 || out->integer >= 0;
}
