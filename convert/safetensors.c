/* safetensors.c - u64 length of a JSON header, the header, then the tensors' bytes.
 *
 * The header is walked member by member (json_walk.h): memory is proportional to the number of tensors, time to the
 * length of the header. Spans are checked after sorting by offset, in one pass. */
#include "convert/safetensors.h"

#include "convert/array.h"
#include "convert/json_walk.h"
#include "convert/safetensors_usual.h"
#include "format/bytes.h"
#include "format/checked.h"
#include "format/map.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_BYTES          8u
/* A name's bytes may each be written as \uXXXX; a description has a dtype, 8 dimensions and 2 offsets. */
#define MAX_KEY_BYTES         (6 * INGOT_MAX_NAME + 2)
#define MAX_DESCRIPTION_BYTES 4096
#define KEY_METADATA          "__metadata__"
#define MAX_METADATA_BYTES    (1u << 20)
#define MAX_ROOM              (1u << 18) /* of tensors, made before they are seen: 54 MiB */

struct word {
    const char *name;
    uint32_t bits; /* of one element */
    enum ingot_scalar scalar;
};

/* Elements of less than a byte, and the bare exponents, have no scalar: they are listed, not read. */
static const struct word dtypes[] = {
    { "F32", 32, INGOT_SCALAR_F32 },        { "F16", 16, INGOT_SCALAR_F16 },     { "BF16", 16, INGOT_SCALAR_BF16 },
    { "F64", 64, INGOT_SCALAR_F64 },        { "I8", 8, INGOT_SCALAR_I8 },        { "U8", 8, INGOT_SCALAR_U8 },
    { "I32", 32, INGOT_SCALAR_I32 },        { "I64", 64, INGOT_SCALAR_I64 },     { "BOOL", 8, INGOT_SCALAR_BOOL },
    { "I16", 16, INGOT_SCALAR_I16 },        { "U16", 16, INGOT_SCALAR_U16 },     { "U32", 32, INGOT_SCALAR_U32 },
    { "U64", 64, INGOT_SCALAR_U64 },        { "C64", 64, INGOT_SCALAR_C64 },     { "F8_E4M3", 8, INGOT_SCALAR_F8_E4M3 },
    { "F8_E5M2", 8, INGOT_SCALAR_F8_E5M2 }, { "F8_E8M0", 8, INGOT_SCALAR_NONE }, { "F6_E2M3", 6, INGOT_SCALAR_NONE },
    { "F6_E3M2", 6, INGOT_SCALAR_NONE },    { "F4", 4, INGOT_SCALAR_NONE },
};

struct parser {
    const uint8_t *bytes;
    uint64_t size, data_off; /* of the file; where the tensors' bytes begin */
    const char *path, *base;
    struct name_pool *names;
    struct ingot_source_tensor *tensors;
    size_t n, cap;
    json_t *metadata;
};

/* One member of the header while it is being read. */
struct member {
    struct json_text text; /* the description */
    const char *name;      /* the tensor's, for errors */
    size_t name_len;
};

__attribute__((format(printf, 5, 6))) static enum ingot_status bad_member(const struct parser *p,
                                                                          const struct member *m,
                                                                          enum ingot_status status,
                                                                          struct ingot_error *err, const char *fmt, ...)
{
    char what[256], shown[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    ingot_escape(m->name, m->name_len, shown, sizeof shown);
    return ingot_fail(err, status, m->text.off, p->path, ADVICE_COPY, "tensor %s: %s", shown, what);
}

static const struct word *find_dtype(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strlen(dtypes[i].name) == n && memcmp(dtypes[i].name, name, n) == 0) return &dtypes[i];
    return NULL;
}

/* A JSON integer that is not negative. */
static bool get_count(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static enum ingot_status read_shape(const struct parser *p, const struct member *m, const json_t *shape,
                                    struct ingot_source_tensor *t, struct ingot_error *err)
{
    if (!json_is_array(shape)) return bad_member(p, m, INGOT_E_SOURCE, err, "\"shape\" is not an array");
    size_t rank = json_array_size(shape);
    if (rank > INGOT_MAX_RANK)
        return bad_member(p, m, INGOT_E_LIMIT, err, "%zu dimensions; the limit is %d", rank, INGOT_MAX_RANK);
    t->rank = (uint32_t)rank;
    for (size_t i = 0; i < rank; i++)
        if (!get_count(json_array_get(shape, i), &t->shape[i]))
            return bad_member(p, m, INGOT_E_SOURCE, err, "dimension %zu is not a count", i);
    return INGOT_OK;
}

/* shape x bits must be the span's bytes. */
static enum ingot_status check_size(const struct parser *p, const struct member *m, const struct word *word,
                                    const struct ingot_source_tensor *t, struct ingot_error *err)
{
    uint64_t elems, bits;
    if (!ingot_shape_elems(t->rank, t->shape, &elems) || !checked_mul(elems, word->bits, &bits))
        return bad_member(p, m, INGOT_E_SHAPE, err, "the product of the shape overflows");
    if (bits % 8 == 0 && bits / 8 == t->n_bytes) return INGOT_OK;
    return bad_member(p, m, INGOT_E_SHAPE, err,
                      "%s of this shape has %" PRIu64 " bits, but its span %" PRIu64 " byte%s", word->name, bits,
                      t->n_bytes, plural(t->n_bytes));
}

static enum ingot_status place(const struct parser *p, const struct member *m, uint64_t begin, uint64_t end,
                               struct ingot_source_tensor *t, struct ingot_error *err)
{
    uint64_t room = p->size - p->data_off;
    if (begin > end)
        return bad_member(p, m, INGOT_E_RANGE, err, "begins at %" PRIu64 ", after its end %" PRIu64, begin, end);
    if (end > room)
        return bad_member(p, m, INGOT_E_TRUNCATED, err, "ends at %" PRIu64 " of %" PRIu64 " byte%s of data", end, room,
                          plural(room));
    t->file_off = p->data_off + begin;
    t->data = p->bytes + t->file_off;
    t->n_bytes = end - begin;
    return INGOT_OK;
}

static enum ingot_status read_span(const struct parser *p, const struct member *m, const json_t *offsets,
                                   struct ingot_source_tensor *t, struct ingot_error *err)
{
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !get_count(json_array_get(offsets, 0), &begin) ||
        !get_count(json_array_get(offsets, 1), &end))
        return bad_member(p, m, INGOT_E_SOURCE, err, "\"data_offsets\" is not a pair of offsets");
    return place(p, m, begin, end, t, err);
}

static void set_dtype(struct ingot_source_tensor *t, const struct word *word)
{
    t->dtype_name = word->name;
    t->scalar = word->scalar;
    t->dtype = ingot_scalar_info(word->scalar)->dtype;
}

static enum ingot_status read_description(const struct parser *p, const struct member *m, const json_t *d,
                                          struct ingot_source_tensor *t, struct ingot_error *err)
{
    const char *dtype = json_string_value(json_object_get(d, "dtype"));
    if (!json_is_object(d)) return bad_member(p, m, INGOT_E_SOURCE, err, "the description is not an object");
    if (!dtype) return bad_member(p, m, INGOT_E_SOURCE, err, "\"dtype\" is not a string");
    if (json_object_size(d) != 3)
        return bad_member(p, m, INGOT_E_SOURCE, err, "expected dtype, shape and data_offsets, and nothing else");
    const struct word *word = find_dtype(dtype, strlen(dtype));
    char shown[64];
    if (!word)
        return bad_member(p, m, INGOT_E_UNSUPPORTED, err, "dtype %s is not known",
                          ingot_escape(dtype, strlen(dtype), shown, sizeof shown));
    set_dtype(t, word);
    enum ingot_status status = read_shape(p, m, json_object_get(d, "shape"), t, err);
    if (status == INGOT_OK) status = read_span(p, m, json_object_get(d, "data_offsets"), t, err);
    return status == INGOT_OK ? check_size(p, m, word, t, err) : status;
}

/* Reads a description in the usual spelling at the beginning of *text and moves behind it. False when it is in another
 * spelling, or not valid; what is in *t is then worth nothing. */
static bool read_usual(const struct parser *p, struct json_text *text, struct ingot_source_tensor *t)
{
    static const struct member nobody; /* whose errors nobody hears */
    struct usual_description d;
    const size_t n = usual_description_read(text->at, text->n, &d);
    const struct word *word = n > 0 ? find_dtype(d.dtype, d.dtype_bytes) : NULL;
    if (!word) return false;
    set_dtype(t, word);
    t->rank = d.rank;
    memcpy(t->shape, d.shape, d.rank * sizeof *d.shape);
    if (place(p, &nobody, d.span[0], d.span[1], t, NULL) != INGOT_OK) return false;
    if (check_size(p, &nobody, word, t, NULL) != INGOT_OK) return false;
    *text = (struct json_text){ text->at + n, text->n - n, text->off + n };
    return true;
}

static enum ingot_status read_any(const struct parser *p, const struct member *m, struct ingot_source_tensor *t,
                                  struct ingot_error *err)
{
    json_t *description = NULL;
    enum ingot_status status = json_parse(m->text, p->path, MAX_DESCRIPTION_BYTES, &description, err);
    if (status == INGOT_OK) status = read_description(p, m, description, t, err);
    json_decref(description);
    return status;
}

static bool is_printable(const char *text, size_t n)
{
    size_t i = 0;
    while (n - i >= 8 && eight_are_printable(text + i)) i += 8;
    while (i < n && text[i] >= 0x20 && text[i] <= 0x7E) i++;
    return i == n;
}

/* A name of plain ASCII without escapes, between its quotes. */
static bool is_usual_name(struct json_text key)
{
    const size_t n = key.n - 2;
    return n <= INGOT_MAX_NAME && is_printable(key.at + 1, n) && !memchr(key.at + 1, '\\', n);
}

static enum ingot_status keep_name(struct parser *p, struct member *m, const char *name, size_t n,
                                   struct ingot_error *err)
{
    m->name = name_pool_add(p->names, name, n);
    m->name_len = n;
    return m->name ? INGOT_OK : fail_memory(err, p->path);
}

/* Decodes the name; jansson has refused NUL inside it. */
static enum ingot_status read_name(struct parser *p, struct json_text key, struct member *m, struct ingot_error *err)
{
    json_t *name = NULL;
    if (is_usual_name(key)) return keep_name(p, m, key.at + 1, key.n - 2, err);
    enum ingot_status status = json_parse(key, p->path, MAX_KEY_BYTES, &name, err);
    if (status != INGOT_OK) return status;
    m->name = json_string_value(name);
    m->name_len = json_string_length(name);
    if (m->name_len > INGOT_MAX_NAME)
        status =
            bad_member(p, m, INGOT_E_LIMIT, err, "a name of %zu bytes; the limit is %d", m->name_len, INGOT_MAX_NAME);
    else
        status = keep_name(p, m, m->name, m->name_len, err);
    json_decref(name);
    return status;
}

static void clear_tensor(const struct parser *p, struct ingot_source_tensor *t)
{
    *t = (struct ingot_source_tensor){ .file = p->base, .check = INGOT_NO_CHECK };
}

/* Room for one tensor more. From the second time on, room for as many as the rest of the header would hold if its
 * members were as long as those so far: an array that need not grow again can be of large pages. Where that guesses too
 * many it costs addresses, not memory, for nobody touches them; and never more than MAX_ROOM. */
static bool make_room(struct parser *p, const struct json_walk *walk)
{
    size_t cap = p->cap ? 2 * p->cap : 256;
    if (p->n < p->cap) return true;
    if (p->n > 0) {
        const uint64_t taken = walk->rest.off - LENGTH_BYTES, all = p->n + walk->rest.n * p->n / taken * 9 / 8;
        if (cap < all && cap < MAX_ROOM) cap = all < MAX_ROOM ? (size_t)all : MAX_ROOM;
    }
    struct ingot_source_tensor *moved = map_large_malloc(cap * sizeof *moved);
    if (!moved) return false;
    if (p->n > 0) memcpy(moved, p->tensors, p->n * sizeof *moved);
    free(p->tensors);
    p->tensors = moved;
    p->cap = cap;
    return true;
}

/* Into its place in the array: there may be 100,000. */
static enum ingot_status add_tensor(struct parser *p, struct json_text key, struct json_walk *walk,
                                    struct ingot_error *err)
{
    struct member m = { .text = walk->rest };
    enum ingot_status status = INGOT_OK;
    if (!make_room(p, walk)) return fail_memory(err, p->path);
    struct ingot_source_tensor *t = &p->tensors[p->n];
    clear_tensor(p, t);
    const bool usual = read_usual(p, &walk->rest, t);
    if (!usual) status = json_walk_value(walk, &m.text, err);
    if (status == INGOT_OK) status = read_name(p, key, &m, err);
    if (status == INGOT_OK && p->n >= INGOT_MAX_SECTIONS)
        status = bad_member(p, &m, INGOT_E_LIMIT, err, "more than %u tensors", INGOT_MAX_SECTIONS);
    if (status == INGOT_OK && !usual) {
        clear_tensor(p, t);
        status = read_any(p, &m, t, err);
    }
    if (status != INGOT_OK) return status;
    t->name = m.name;
    p->n++;
    return INGOT_OK;
}

/* Free text about the file: it must be well-formed, and decides nothing. */
static enum ingot_status read_metadata(struct parser *p, struct json_text key, struct json_walk *walk,
                                       struct ingot_error *err)
{
    struct json_text value;
    if (p->metadata)
        return ingot_fail(err, INGOT_E_SOURCE, key.off, p->path, ADVICE_COPY, "__metadata__ stands in the file twice");
    enum ingot_status status = json_walk_value(walk, &value, err);
    if (status == INGOT_OK) status = json_parse(value, p->path, MAX_METADATA_BYTES, &p->metadata, err);
    if (status == INGOT_OK && !json_is_object(p->metadata))
        status = ingot_fail(err, INGOT_E_SOURCE, value.off, p->path, ADVICE_COPY, "__metadata__ is not an object");
    return status;
}

/* Checks the length and hands out the header's text. */
static enum ingot_status find_header(struct parser *p, struct json_text *out, struct ingot_error *err)
{
    if (p->size < LENGTH_BYTES)
        return ingot_fail(err, INGOT_E_TRUNCATED, p->size, p->path, ADVICE_COPY,
                          "%" PRIu64 " byte%s; the length of the header alone takes 8", p->size, plural(p->size));
    uint64_t n = get_u64(p->bytes);
    if (n > SAFETENSORS_MAX_HEADER)
        return ingot_fail(err, INGOT_E_LIMIT, 0, p->path, "is it a safetensors file?",
                          "a header of %" PRIu64 " bytes; the limit is %" PRIu64, n, SAFETENSORS_MAX_HEADER);
    if (n > p->size - LENGTH_BYTES)
        return ingot_fail(err, INGOT_E_TRUNCATED, 0, p->path, ADVICE_COPY,
                          "a header of %" PRIu64 " byte%s in a file of %" PRIu64, n, plural(n), p->size);
    p->data_off = LENGTH_BYTES + n;
    *out = (struct json_text){ (const char *)p->bytes + LENGTH_BYTES, n, LENGTH_BYTES };
    return INGOT_OK;
}

static enum ingot_status read_header(struct parser *p, struct json_text header, struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(header, p->path);
    struct json_text key;
    bool more = true;
    for (;;) {
        enum ingot_status status = json_walk_key(&walk, &key, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = json_key_is(key, KEY_METADATA) ? read_metadata(p, key, &walk, err) : add_tensor(p, key, &walk, err);
        if (status != INGOT_OK) return status;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct ingot_source_tensor *x = a, *y = b;
    if (x->file_off != y->file_off) return x->file_off < y->file_off ? -1 : 1;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Most headers already are in order. */
static void sort_by_place(struct parser *p)
{
    size_t i = 1;
    while (i < p->n && by_place(&p->tensors[i - 1], &p->tensors[i]) <= 0) i++;
    if (i < p->n) qsort(p->tensors, p->n, sizeof *p->tensors, by_place);
}

/* In order of offset: each tensor begins where the one before ended, the last ends with the file. */
static enum ingot_status check_places(const struct parser *p, struct ingot_error *err)
{
    uint64_t at = p->data_off;
    char shown[160];
    for (size_t i = 0; i < p->n; i++) {
        const struct ingot_source_tensor *t = &p->tensors[i];
        if (t->file_off != at) ingot_escape(t->name, strlen(t->name), shown, sizeof shown);
        if (t->file_off < at)
            return ingot_fail(err, INGOT_E_OVERLAP, t->file_off, p->path, ADVICE_COPY,
                              "tensor %s begins before the one in front of it ends at %" PRIu64, shown, at);
        if (t->file_off > at)
            return ingot_fail(err, INGOT_E_SOURCE, at, p->path, ADVICE_COPY,
                              "%" PRIu64 " byte%s in front of tensor %s, of no tensor", t->file_off - at,
                              plural(t->file_off - at), shown);
        at += t->n_bytes;
    }
    if (at == p->size) return INGOT_OK;
    return ingot_fail(err, INGOT_E_SOURCE, at, p->path, ADVICE_COPY,
                      "%" PRIu64 " byte%s behind the last tensor, of no tensor", p->size - at, plural(p->size - at));
}

enum ingot_status safetensors_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                                    struct name_pool *names, struct safetensors_file *out, struct ingot_error *err)
{
    struct parser p = { .bytes = bytes, .size = size, .path = path, .base = base, .names = names };
    struct json_text header;
    enum ingot_status status = find_header(&p, &header, err);
    if (status == INGOT_OK) status = read_header(&p, header, err);
    if (status == INGOT_OK) sort_by_place(&p);
    if (status == INGOT_OK) status = check_places(&p, err);
    *out = (struct safetensors_file){ .tensors = p.tensors, .n_tensors = p.n, .metadata = p.metadata };
    if (status != INGOT_OK) safetensors_free(out);
    return status;
}

void safetensors_free(struct safetensors_file *file)
{
    free(file->tensors);
    json_decref(file->metadata);
    *file = (struct safetensors_file){ 0 };
}
