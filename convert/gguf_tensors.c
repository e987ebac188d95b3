/* gguf_tensors.c - the list of tensors of a GGUF file: names, shapes, encodings, and spans that lie in the file and do
 * not overlap. */
#include "convert/gguf_parser.h"

#include "convert/blocks.h"
#include "convert/fail.h"
#include "format/checked.h"
#include "format/map.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_DIMENSIONS 4u

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
static enum ingot_status take_shape(struct gguf_parser *p, const struct entry *e, struct ingot_source_tensor *t)
{
    char name[GGUF_SHOWN_BYTES];
    uint64_t off = p->at.at;
    t->rank = cursor_u32(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, "the list of tensors");
    if (t->rank > MAX_DIMENSIONS)
        return ingot_fail(p->err, INGOT_E_LIMIT, off, p->path, ADVICE_COPY, "tensor %s: %u dimensions; the limit is %u",
                          gguf_show(e->name, name), t->rank, MAX_DIMENSIONS);
    for (uint32_t i = t->rank; i-- > 0;) t->shape[i] = cursor_u64(&p->at);
    return p->at.bad ? gguf_fail_truncated(p, "the list of tensors") : INGOT_OK;
}

static enum ingot_status fail_encoding(const struct gguf_parser *p, const struct entry *e, uint32_t type)
{
    char name[GGUF_SHOWN_BYTES];
    const struct encoding *gone = find_encoding(removed, sizeof removed / sizeof *removed, type);
    if (gone)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, e->type_off, p->path, "convert the model anew from its origin",
                          "tensor %s: %s, an encoding that has been removed from GGUF", gguf_show(e->name, name),
                          gone->name);
    return ingot_fail(p->err, INGOT_E_UNSUPPORTED, e->type_off, p->path, NULL, "tensor %s: encoding %u is not known",
                      gguf_show(e->name, name), type);
}

/* The encoding and what follows from it for name, scalar, block. */
static enum ingot_status take_encoding(struct gguf_parser *p, struct entry *e, struct ingot_source_tensor *t)
{
    e->type_off = p->at.at;
    uint32_t type = cursor_u32(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, "the list of tensors");
    const struct encoding *scalar = find_encoding(scalars, sizeof scalars / sizeof *scalars, type);
    const struct ingot_block *block = block_find(type);
    if (scalar) {
        t->dtype_name = scalar->name;
        t->scalar = scalar->scalar;
        e->n_elems = 1;
        e->n_bytes = ingot_scalar_info(t->scalar)->bytes;
        return INGOT_OK;
    }
    if (!block) return fail_encoding(p, e, type);
    t->dtype_name = block->name;
    t->block = block->decode ? block : NULL;
    e->n_elems = block->n_elems;
    e->n_bytes = block->n_bytes;
    return INGOT_OK;
}

/* Blocks do not run over the end of a row. */
static enum ingot_status set_size(const struct gguf_parser *p, const struct entry *e, struct ingot_source_tensor *t)
{
    char name[GGUF_SHOWN_BYTES];
    uint64_t elems, row = t->rank > 0 ? t->shape[t->rank - 1] : 1;
    if (row % e->n_elems != 0)
        return ingot_fail(p->err, INGOT_E_SHAPE, e->type_off, p->path, ADVICE_COPY,
                          "tensor %s: rows of %" PRIu64 " element%s; %s has blocks of %u", gguf_show(e->name, name),
                          row, plural(row), t->dtype_name, e->n_elems);
    if (ingot_shape_elems(t->rank, t->shape, &elems) && checked_mul(elems / e->n_elems, e->n_bytes, &t->n_bytes))
        return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_SHAPE, e->off, p->path, ADVICE_COPY,
                      "tensor %s: the product of the shape overflows", gguf_show(e->name, name));
}

static enum ingot_status take_offset(struct gguf_parser *p, struct entry *e)
{
    char name[GGUF_SHOWN_BYTES];
    e->offset_off = p->at.at;
    e->offset = cursor_u64(&p->at);
    if (p->at.bad) return gguf_fail_truncated(p, "the list of tensors");
    if (e->offset % p->alignment == 0) return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_RANGE, e->offset_off, p->path, ADVICE_COPY,
                      "tensor %s: offset %" PRIu64 " is no multiple of the alignment %" PRIu64,
                      gguf_show(e->name, name), e->offset, p->alignment);
}

/* Until the list has been read, file_off is the offset in the data, for nobody knows where that begins. */
static enum ingot_status take_tensor(struct gguf_parser *p)
{
    struct gguf_file *f = p->out;
    struct entry e = { .off = p->at.at };
    struct ingot_source_tensor *t = &f->tensors[f->n_tensors];
    *t = (struct ingot_source_tensor){ .file = p->base, .check = INGOT_NO_CHECK };
    enum ingot_status status = gguf_take_name(p, INGOT_MAX_NAME, "a tensor's name", &e.name);
    if (status == INGOT_OK) status = take_shape(p, &e, t);
    if (status == INGOT_OK) status = take_encoding(p, &e, t);
    if (status == INGOT_OK) status = set_size(p, &e, t);
    if (status == INGOT_OK) status = take_offset(p, &e);
    if (status != INGOT_OK) return status;
    t->file_off = e.offset;
    t->name = name_pool_add(&f->names, e.name.at, e.name.n);
    if (!t->name) return fail_memory(p->err, p->path);
    p->places[f->n_tensors++] = e.offset_off;
    return INGOT_OK;
}

static enum ingot_status fail_outside(const struct gguf_parser *p, size_t i, uint64_t room)
{
    char name[GGUF_SHOWN_BYTES];
    const struct ingot_source_tensor *t = &p->out->tensors[i];
    return ingot_fail(p->err, INGOT_E_TRUNCATED, p->places[i], p->path, ADVICE_COPY,
                      "tensor %s: %" PRIu64 " byte%s at %" PRIu64 " of the data, which has %" PRIu64,
                      ingot_escape(t->name, strlen(t->name), name, sizeof name), t->n_bytes, plural(t->n_bytes),
                      t->file_off, room);
}

/* Turns offsets in the data into offsets in the file. */
static enum ingot_status place_tensors(struct gguf_parser *p)
{
    uint64_t data_off = 0;
    bool fits = checked_align(p->at.at, p->alignment, &data_off);
    uint64_t room = fits && data_off <= p->size ? p->size - data_off : 0;
    for (size_t i = 0; i < p->out->n_tensors; i++) {
        struct ingot_source_tensor *t = &p->out->tensors[i];
        if (!span_inside(t->file_off, t->n_bytes, room)) return fail_outside(p, i, room);
        t->file_off += data_off;
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

/* Whether each begins where the one in front of it has ended, as in most files. All ends lie inside the file. */
static bool is_in_order(const struct gguf_file *f)
{
    for (size_t i = 1; i < f->n_tensors; i++)
        if (f->tensors[i].file_off < f->tensors[i - 1].file_off + f->tensors[i - 1].n_bytes) return false;
    return true;
}

/* Empty tensors share their place with anything. */
static enum ingot_status check_overlap(const struct gguf_parser *p)
{
    const struct gguf_file *f = p->out;
    if (is_in_order(f)) return INGOT_OK;
    struct span *spans = malloc(f->n_tensors * sizeof *spans + 1);
    size_t n = 0;
    char shown[GGUF_SHOWN_BYTES];
    if (!spans) return fail_memory(p->err, p->path);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct ingot_source_tensor *t = &f->tensors[i];
        if (t->n_bytes > 0) spans[n++] = (struct span){ t->file_off, t->file_off + t->n_bytes, t->name };
    }
    if (n > 0) qsort(spans, n, sizeof *spans, by_offset);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 1; i < n && status == INGOT_OK; i++)
        if (spans[i].off < spans[i - 1].end)
            status =
                ingot_fail(p->err, INGOT_E_OVERLAP, spans[i].off, p->path, ADVICE_COPY,
                           "tensor %s begins before the one in front of it ends at %" PRIu64,
                           ingot_escape(spans[i].name, strlen(spans[i].name), shown, sizeof shown), spans[i - 1].end);
    free(spans);
    return status;
}

enum ingot_status gguf_read_tensors(struct gguf_parser *p, uint64_t n)
{
    enum ingot_status status = INGOT_OK;
    p->places = map_large_malloc(n * sizeof *p->places + 1);
    p->out->tensors = map_large_malloc(n * sizeof *p->out->tensors + 1);
    if (!p->places || !p->out->tensors) status = fail_memory(p->err, p->path);
    for (uint64_t i = 0; i < n && status == INGOT_OK; i++) status = take_tensor(p);
    if (status == INGOT_OK) status = place_tensors(p);
    if (status == INGOT_OK) status = check_overlap(p);
    free(p->places);
    return status;
}
