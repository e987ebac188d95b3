/* gguf.c - magic and version, two counts, keys with values, the list of tensors; then, aligned, the tensors' bytes.
 *
 * One cursor walks the head once; arrays stay where they are. Keys and spans are checked after sorting. The format:
 * ggml-org/ggml, docs/gguf.md. */
#include "convert/gguf.h"

#include "convert/array.h"
#include "convert/blocks.h"
#include "format/checked.h"

#include <inttypes.h>

#define MAGIC             "GGUF"
#define DEFAULT_ALIGNMENT 32u
#define MAX_KEY           65535u
#define MAX_DIMENSIONS    4u
#define MIN_VALUE_BYTES   13u /* an empty key, a type, one byte */
#define MIN_TENSOR_BYTES  24u /* an empty name, no dimensions, a type, an offset */
#define ALIGNMENT_KEY     "general.alignment"
#define ADVICE_COPY       "get another copy of the file"
#define SHOWN_BYTES       96

struct parser {
    const uint8_t *bytes;
    uint64_t size, data_off, alignment;
    const char *path, *base;
    struct cursor at;
    struct gguf_file *out;
    size_t cap_values, cap_tensors;
    uint64_t *places; /* of each tensor's entry in the list */
};

/* ---------------------------------------------------------------------------------------------------- small parts */

static enum ingot_status fail_truncated(const struct parser *p, struct ingot_error *err, const char *what)
{
    return ingot_fail(err, INGOT_E_TRUNCATED, p->at.at, p->path, ADVICE_COPY, "the file ends inside %s", what);
}

static const char *show(struct gguf_text text, char out[SHOWN_BYTES])
{
    return ingot_escape(text.at, text.n, out, SHOWN_BYTES);
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

/* A key or a tensor's name: some text of at most `limit` bytes without NUL. */
static enum ingot_status take_name(struct parser *p, uint64_t limit, const char *what, struct gguf_text *out,
                                   struct ingot_error *err)
{
    uint64_t off = p->at.at;
    *out = gguf_take_string(&p->at);
    if (p->at.bad) return fail_truncated(p, err, what);
    if (out->n == 0) return ingot_fail(err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "%s is empty", what);
    if (out->n > limit)
        return ingot_fail(err, INGOT_E_LIMIT, off, p->path, NULL, "%s of %" PRIu64 " bytes; the limit is %" PRIu64,
                          what, out->n, limit);
    if (memchr(out->at, 0, out->n))
        return ingot_fail(err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "%s has a NUL in it", what);
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
static enum ingot_status take_type(struct parser *p, struct gguf_value *v, struct ingot_error *err)
{
    char key[SHOWN_BYTES];
    uint64_t off = p->at.at;
    uint32_t type = cursor_u32(&p->at);
    v->is_array = !p->at.bad && type == GGUF_ARRAY;
    v->n = 1;
    if (v->is_array) {
        off = p->at.at;
        type = cursor_u32(&p->at);
        v->n = cursor_u64(&p->at);
    }
    if (p->at.bad) return fail_truncated(p, err, "the type of a value");
    if (type >= GGUF_TYPE_COUNT)
        return ingot_fail(err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "the value of %s has the unknown type %u",
                          show(v->key, key), type);
    if (type == GGUF_ARRAY)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, off, p->path, NULL, "the value of %s is an array of arrays",
                          show(v->key, key));
    v->type = (enum gguf_type)type;
    return INGOT_OK;
}

/* Walks over strings, each of which must end inside the file. */
static enum ingot_status skip_strings(struct parser *p, const struct gguf_value *v, struct ingot_error *err)
{
    for (uint64_t i = 0; i < v->n; i++) {
        gguf_take_string(&p->at);
        if (p->at.bad) return fail_truncated(p, err, "a string");
    }
    return INGOT_OK;
}

static enum ingot_status check_bools(const struct parser *p, const struct gguf_value *v, struct ingot_error *err)
{
    char key[SHOWN_BYTES];
    for (uint64_t i = 0; i < v->n; i++)
        if (v->bytes.p[i] > 1)
            return ingot_fail(err, INGOT_E_SOURCE, v->bytes.at + i, p->path, ADVICE_COPY,
                              "the value of %s is neither true nor false, but %u", show(v->key, key), v->bytes.p[i]);
    return INGOT_OK;
}

static enum ingot_status take_elements(struct parser *p, struct gguf_value *v, struct ingot_error *err)
{
    uint64_t n_bytes, size = type_bytes(v->type);
    v->bytes = p->at;
    if (size == 0) {
        enum ingot_status status = skip_strings(p, v, err);
        v->bytes.left = p->at.at - v->bytes.at;
        return status;
    }
    if (!checked_mul(v->n, size, &n_bytes) || !cursor_take(&p->at, n_bytes)) return fail_truncated(p, err, "a value");
    v->bytes.left = n_bytes;
    return v->type == GGUF_BOOL ? check_bools(p, v, err) : INGOT_OK;
}

static enum ingot_status take_value(struct parser *p, struct ingot_error *err)
{
    struct gguf_file *f = p->out;
    struct gguf_value *grown = array_grow(f->values, &p->cap_values, f->n_values, sizeof *grown);
    if (!grown) return fail_memory(err, p->path);
    f->values = grown;
    struct gguf_value v = { 0 };
    enum ingot_status status = take_name(p, MAX_KEY, "a key", &v.key, err);
    if (status == INGOT_OK) status = take_type(p, &v, err);
    if (status == INGOT_OK) status = take_elements(p, &v, err);
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
static enum ingot_status check_keys(const struct parser *p, struct ingot_error *err)
{
    const struct gguf_file *f = p->out;
    char shown[SHOWN_BYTES];
    if (f->n_values > 0) qsort(f->values, f->n_values, sizeof *f->values, by_key);
    for (size_t i = 1; i < f->n_values; i++)
        if (compare_texts(f->values[i - 1].key, f->values[i].key) == 0)
            return ingot_fail(err, INGOT_E_SOURCE, (uint64_t)((const uint8_t *)f->values[i].key.at - p->bytes), p->path,
                              ADVICE_COPY, "the key %s stands in the file twice", show(f->values[i].key, shown));
    return INGOT_OK;
}

static enum ingot_status read_alignment(struct parser *p, struct ingot_error *err)
{
    const struct gguf_value *v = gguf_find(p->out, ALIGNMENT_KEY);
    p->alignment = DEFAULT_ALIGNMENT;
    if (!v) return INGOT_OK;
    if (v->is_array || v->type != GGUF_U32)
        return ingot_fail(err, INGOT_E_SOURCE, v->bytes.at, p->path, ADVICE_COPY, ALIGNMENT_KEY " is not a u32");
    p->alignment = get_u32(v->bytes.p);
    if (p->alignment != 0 && (p->alignment & (p->alignment - 1)) == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RANGE, v->bytes.at, p->path, ADVICE_COPY,
                      ALIGNMENT_KEY " is %" PRIu64 ", which is no power of two", p->alignment);
}

/* --------------------------------------------------------------------------------------------------------- tensors */

/* What one element or block of a tensor is. */
struct encoding {
    const char *name;
    uint32_t gguf_type;
    enum ingot_scalar scalar;
};

/* enum ggml_type of ggml/include/ggml.h: what is no block, and the names of what once was one. */
static const struct encoding scalars[] = {
    { "F32", 0, INGOT_SCALAR_F32 },  { "F16", 1, INGOT_SCALAR_F16 },    { "I8", 24, INGOT_SCALAR_I8 },
    { "I16", 25, INGOT_SCALAR_I16 }, { "I32", 26, INGOT_SCALAR_I32 },   { "I64", 27, INGOT_SCALAR_I64 },
    { "F64", 28, INGOT_SCALAR_F64 }, { "BF16", 30, INGOT_SCALAR_BF16 },
};

static const struct encoding removed[] = {
    { "Q4_2", 4, INGOT_SCALAR_NONE },        { "Q4_3", 5, INGOT_SCALAR_NONE },
    { "Q4_0_4_4", 31, INGOT_SCALAR_NONE },   { "Q4_0_4_8", 32, INGOT_SCALAR_NONE },
    { "Q4_0_8_8", 33, INGOT_SCALAR_NONE },   { "IQ4_NL_4_4", 36, INGOT_SCALAR_NONE },
    { "IQ4_NL_4_8", 37, INGOT_SCALAR_NONE }, { "IQ4_NL_8_8", 38, INGOT_SCALAR_NONE },
};

static const struct encoding *find_encoding(const struct encoding *table, size_t n, uint32_t gguf_type)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].gguf_type == gguf_type) return &table[i];
    return NULL;
}

/* One entry of the list while it is being read. */
struct entry {
    struct gguf_text name;
    uint64_t off, type_off, offset_off; /* where it, its type, its offset stand */
    uint64_t offset;                    /* from the start of the data */
    uint32_t n_elems, n_bytes;          /* of one element or block */
};

/* GGUF counts dimensions from the innermost. */
static enum ingot_status take_shape(struct parser *p, const struct entry *e, struct ingot_source_tensor *t,
                                    struct ingot_error *err)
{
    char name[SHOWN_BYTES];
    uint64_t off = p->at.at;
    t->rank = cursor_u32(&p->at);
    if (p->at.bad) return fail_truncated(p, err, "the list of tensors");
    if (t->rank > MAX_DIMENSIONS)
        return ingot_fail(err, INGOT_E_LIMIT, off, p->path, ADVICE_COPY, "tensor %s: %u dimensions; the limit is %u",
                          show(e->name, name), t->rank, MAX_DIMENSIONS);
    for (uint32_t i = t->rank; i-- > 0;) t->shape[i] = cursor_u64(&p->at);
    return p->at.bad ? fail_truncated(p, err, "the list of tensors") : INGOT_OK;
}

static enum ingot_status fail_encoding(const struct parser *p, const struct entry *e, uint32_t type,
                                       struct ingot_error *err)
{
    char name[SHOWN_BYTES];
    const struct encoding *gone = find_encoding(removed, sizeof removed / sizeof *removed, type);
    if (gone)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, e->type_off, p->path, "convert the model anew from its origin",
                          "tensor %s: %s, an encoding that has been removed from GGUF", show(e->name, name),
                          gone->name);
    return ingot_fail(err, INGOT_E_UNSUPPORTED, e->type_off, p->path, NULL, "tensor %s: encoding %u is not known",
                      show(e->name, name), type);
}

/* The encoding and what follows from it for name, scalar, block. */
static enum ingot_status take_encoding(struct parser *p, struct entry *e, struct ingot_source_tensor *t,
                                       struct ingot_error *err)
{
    e->type_off = p->at.at;
    uint32_t type = cursor_u32(&p->at);
    if (p->at.bad) return fail_truncated(p, err, "the list of tensors");
    const struct encoding *scalar = find_encoding(scalars, sizeof scalars / sizeof *scalars, type);
    const struct ingot_block *block = block_find(type);
    if (scalar) {
        t->dtype_name = scalar->name;
        t->scalar = scalar->scalar;
        e->n_elems = 1;
        e->n_bytes = ingot_scalar_info(t->scalar)->bytes;
        return INGOT_OK;
    }
    if (!block) return fail_encoding(p, e, type, err);
    t->dtype_name = block->name;
    t->block = block->decode ? block : NULL;
    e->n_elems = block->n_elems;
    e->n_bytes = block->n_bytes;
    return INGOT_OK;
}

/* Blocks do not run over the end of a row. */
static enum ingot_status set_size(const struct parser *p, const struct entry *e, struct ingot_source_tensor *t,
                                  struct ingot_error *err)
{
    char name[SHOWN_BYTES];
    uint64_t elems, row = t->rank > 0 ? t->shape[t->rank - 1] : 1;
    if (row % e->n_elems != 0)
        return ingot_fail(err, INGOT_E_SHAPE, e->type_off, p->path, ADVICE_COPY,
                          "tensor %s: rows of %" PRIu64 " element%s; %s has blocks of %u", show(e->name, name), row,
                          plural(row), t->dtype_name, e->n_elems);
    if (ingot_shape_elems(t->rank, t->shape, &elems) && checked_mul(elems / e->n_elems, e->n_bytes, &t->n_bytes))
        return INGOT_OK;
    return ingot_fail(err, INGOT_E_SHAPE, e->off, p->path, ADVICE_COPY, "tensor %s: the product of the shape overflows",
                      show(e->name, name));
}

static enum ingot_status take_offset(struct parser *p, struct entry *e, struct ingot_error *err)
{
    char name[SHOWN_BYTES];
    e->offset_off = p->at.at;
    e->offset = cursor_u64(&p->at);
    if (p->at.bad) return fail_truncated(p, err, "the list of tensors");
    if (e->offset % p->alignment == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RANGE, e->offset_off, p->path, ADVICE_COPY,
                      "tensor %s: offset %" PRIu64 " is no multiple of the alignment %" PRIu64, show(e->name, name),
                      e->offset, p->alignment);
}

/* Until the list has been read, file_off is the offset in the data, for nobody knows where that begins. */
static enum ingot_status take_tensor(struct parser *p, struct ingot_error *err)
{
    struct gguf_file *f = p->out;
    struct entry e = { .off = p->at.at };
    struct ingot_source_tensor t = { .file = p->base, .check = INGOT_NO_CHECK };
    struct ingot_source_tensor *grown = array_grow(f->tensors, &p->cap_tensors, f->n_tensors, sizeof *grown);
    if (!grown) return fail_memory(err, p->path);
    f->tensors = grown;
    enum ingot_status status = take_name(p, INGOT_MAX_NAME, "a tensor's name", &e.name, err);
    if (status == INGOT_OK) status = take_shape(p, &e, &t, err);
    if (status == INGOT_OK) status = take_encoding(p, &e, &t, err);
    if (status == INGOT_OK) status = set_size(p, &e, &t, err);
    if (status == INGOT_OK) status = take_offset(p, &e, err);
    if (status != INGOT_OK) return status;
    t.file_off = e.offset;
    t.name = strndup(e.name.at, e.name.n);
    if (!t.name) return fail_memory(err, p->path);
    p->places[f->n_tensors] = e.offset_off;
    f->tensors[f->n_tensors++] = t;
    return INGOT_OK;
}

/* Turns offsets in the data into offsets in the file. */
static enum ingot_status place_tensors(struct parser *p, struct ingot_error *err)
{
    char name[SHOWN_BYTES];
    bool fits = checked_align(p->at.at, p->alignment, &p->data_off);
    uint64_t room = fits && p->data_off <= p->size ? p->size - p->data_off : 0;
    for (size_t i = 0; i < p->out->n_tensors; i++) {
        struct ingot_source_tensor *t = &p->out->tensors[i];
        struct gguf_text text = { t->name, strlen(t->name) };
        if (!span_inside(t->file_off, t->n_bytes, room))
            return ingot_fail(err, INGOT_E_TRUNCATED, p->places[i], p->path, ADVICE_COPY,
                              "tensor %s: %" PRIu64 " byte%s at %" PRIu64 " of the data, which has %" PRIu64,
                              show(text, name), t->n_bytes, plural(t->n_bytes), t->file_off, room);
        t->file_off += p->data_off;
        if (t->file_off > p->size) t->file_off = p->size; /* nothing lies there: a file without data has no padding */
        t->data = p->bytes + t->file_off;
    }
    return INGOT_OK;
}

struct span {
    uint64_t off, end;
    const char *name;
};

static int by_offset(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->off != y->off) return x->off < y->off ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Empty tensors share their place with anything. */
static enum ingot_status check_overlap(const struct parser *p, struct ingot_error *err)
{
    const struct gguf_file *f = p->out;
    struct span *spans = malloc(f->n_tensors * sizeof *spans + 1);
    size_t n = 0;
    char shown[SHOWN_BYTES];
    if (!spans) return fail_memory(err, p->path);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct ingot_source_tensor *t = &f->tensors[i];
        if (t->n_bytes > 0) spans[n++] = (struct span){ t->file_off, t->file_off + t->n_bytes, t->name };
    }
    if (n > 0) qsort(spans, n, sizeof *spans, by_offset);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 1; i < n && status == INGOT_OK; i++)
        if (spans[i].off < spans[i - 1].end)
            status =
                ingot_fail(err, INGOT_E_OVERLAP, spans[i].off, p->path, ADVICE_COPY,
                           "tensor %s begins before the one in front of it ends at %" PRIu64,
                           ingot_escape(spans[i].name, strlen(spans[i].name), shown, sizeof shown), spans[i - 1].end);
    free(spans);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ head */

static enum ingot_status check_version(const struct parser *p, uint32_t version, struct ingot_error *err)
{
    if (version == 2 || version == 3) return INGOT_OK;
    if (version != 0 && (version & 0xFFFF) == 0)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, 4, p->path, "convert it to little-endian: gguf_convert_endian.py",
                          "a big-endian GGUF file");
    return ingot_fail(err, INGOT_E_UNSUPPORTED, 4, p->path, "convert the model anew: version 3 is written everywhere",
                      "version %u of GGUF; 2 and 3 are known", version);
}

/* A count of things that take at least `least` bytes each, checked against the bytes that are left. */
static enum ingot_status take_count(struct parser *p, const char *what, uint64_t limit, uint64_t *out,
                                    struct ingot_error *err)
{
    uint64_t off = p->at.at;
    *out = cursor_u64(&p->at);
    if (p->at.bad) return fail_truncated(p, err, "the header");
    if (*out <= limit) return INGOT_OK;
    return ingot_fail(err, INGOT_E_LIMIT, off, p->path, ADVICE_COPY, "%" PRIu64 " %s%s; the limit is %" PRIu64, *out,
                      what, plural(*out), limit);
}

static enum ingot_status check_room(const struct parser *p, uint64_t n, uint64_t least, uint64_t off, const char *what,
                                    struct ingot_error *err)
{
    if (n <= p->at.left / least) return INGOT_OK;
    return ingot_fail(err, INGOT_E_TRUNCATED, off, p->path, ADVICE_COPY,
                      "no room for %" PRIu64 " %s%s in the %" PRIu64 " byte%s that follow", n, what, plural(n),
                      p->at.left, plural(p->at.left));
}

static enum ingot_status read_header(struct parser *p, uint64_t *n_tensors, uint64_t *n_values, struct ingot_error *err)
{
    const uint8_t *magic = cursor_take(&p->at, 4);
    if (!magic) return fail_truncated(p, err, "the magic");
    if (memcmp(magic, MAGIC, 4) != 0)
        return ingot_fail(err, INGOT_E_SOURCE, 0, p->path, "is it a GGUF file?", "it does not begin with " MAGIC);
    uint32_t version = cursor_u32(&p->at);
    if (p->at.bad) return fail_truncated(p, err, "the header");
    enum ingot_status status = check_version(p, version, err);
    if (status == INGOT_OK) status = take_count(p, "tensor", INGOT_MAX_SECTIONS, n_tensors, err);
    if (status == INGOT_OK) status = take_count(p, "value", UINT64_MAX, n_values, err);
    if (status == INGOT_OK) status = check_room(p, *n_tensors, MIN_TENSOR_BYTES, 8, "tensor", err);
    return status == INGOT_OK ? check_room(p, *n_values, MIN_VALUE_BYTES, 16, "value", err) : status;
}

static enum ingot_status read_all(struct parser *p, struct ingot_error *err)
{
    uint64_t n_tensors = 0, n_values = 0;
    enum ingot_status status = read_header(p, &n_tensors, &n_values, err);
    for (uint64_t i = 0; i < n_values && status == INGOT_OK; i++) status = take_value(p, err);
    if (status == INGOT_OK) status = check_keys(p, err);
    if (status == INGOT_OK) status = read_alignment(p, err);
    if (status == INGOT_OK && !(p->places = calloc(n_tensors + 1, sizeof *p->places)))
        status = fail_memory(err, p->path);
    for (uint64_t i = 0; i < n_tensors && status == INGOT_OK; i++) status = take_tensor(p, err);
    if (status == INGOT_OK) status = place_tensors(p, err);
    return status == INGOT_OK ? check_overlap(p, err) : status;
}

enum ingot_status gguf_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                             struct gguf_file *out, struct ingot_error *err)
{
    struct parser p = {
        .bytes = bytes, .size = size, .path = path, .base = base, .at = { .p = bytes, .left = size }, .out = out
    };
    *out = (struct gguf_file){ 0 };
    enum ingot_status status = read_all(&p, err);
    free(p.places);
    if (status != INGOT_OK) gguf_free(out);
    return status;
}

void gguf_free(struct gguf_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) free((void *)(uintptr_t)file->tensors[i].name);
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
