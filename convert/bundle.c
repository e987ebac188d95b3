/* bundle.c - the messages in the index: the header under the empty key, which is the first, then a tensor under each.
 *
 * Numbers of fields and types: tensorflow/core/protobuf/tensor_bundle.proto, core/framework/tensor_shape.proto,
 * types.proto and versions.proto. Fields that are not known are passed over, as protobuf has it. */
#include "convert/bundle.h"

#include "convert/fail.h"
#include "convert/sstable.h"
#include "convert/varint.h"
#include "format/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define READER_VERSION 1 /* kTensorBundleVersion */
#define BIG_ENDIAN_    1
#define SHOWN_NAME     160

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum header_field { HEADER_N_SHARDS = 1, HEADER_ENDIANNESS = 2, HEADER_VERSION = 3 };
enum version_field { VERSION_MIN_CONSUMER = 2 };
enum entry_field {
    ENTRY_DTYPE = 1,
    ENTRY_SHAPE = 2,
    ENTRY_SHARD = 3,
    ENTRY_OFFSET = 4,
    ENTRY_SIZE = 5,
    ENTRY_CRC32C = 6,
    ENTRY_SLICES = 7,
};
enum shape_field { SHAPE_DIM = 2, SHAPE_UNKNOWN_RANK = 3 };
enum dim_field { DIM_SIZE = 1 };

struct type {
    uint32_t number;
    enum ingot_scalar scalar;
    const char *name; /* of what is no scalar: listed, not read */
};

/* Elements that are no scalar have no checksum that could be compared: that of strings is not taken over their bytes
 * as they lie in the file. The quantised types are the integers in which they are stored. */
static const struct type types[] = {
    { 1, INGOT_SCALAR_F32, NULL },      { 2, INGOT_SCALAR_F64, NULL },         { 3, INGOT_SCALAR_I32, NULL },
    { 4, INGOT_SCALAR_U8, NULL },       { 5, INGOT_SCALAR_I16, NULL },         { 6, INGOT_SCALAR_I8, NULL },
    { 7, INGOT_SCALAR_NONE, "STRING" }, { 8, INGOT_SCALAR_C64, NULL },         { 9, INGOT_SCALAR_I64, NULL },
    { 10, INGOT_SCALAR_BOOL, NULL },    { 11, INGOT_SCALAR_I8, NULL },         { 12, INGOT_SCALAR_U8, NULL },
    { 13, INGOT_SCALAR_I32, NULL },     { 14, INGOT_SCALAR_BF16, NULL },       { 15, INGOT_SCALAR_I16, NULL },
    { 16, INGOT_SCALAR_U16, NULL },     { 17, INGOT_SCALAR_U16, NULL },        { 18, INGOT_SCALAR_C128, NULL },
    { 19, INGOT_SCALAR_F16, NULL },     { 20, INGOT_SCALAR_NONE, "RESOURCE" }, { 21, INGOT_SCALAR_NONE, "VARIANT" },
    { 22, INGOT_SCALAR_U32, NULL },     { 23, INGOT_SCALAR_U64, NULL },        { 24, INGOT_SCALAR_F8_E5M2, NULL },
    { 25, INGOT_SCALAR_F8_E4M3, NULL },
};

struct bundle {
    const char *path;
    bool started; /* the header has been read */
    uint32_t n_shards;
    bundle_tensor_fn tensor;
    void *ctx;
};

/* One entry of the table while it is being read. */
struct message {
    const char *path;
    uint64_t off; /* for errors */
    char shown[SHOWN_NAME];
};

__attribute__((format(printf, 5, 6))) static enum ingot_status bad(const struct message *m, enum ingot_status status,
                                                                   const char *advice, struct ingot_error *err,
                                                                   const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(err, status, m->off, m->path, advice, "%s: %s", m->shown, what);
}

/* ------------------------------------------------------------------------------------------------------ protobuf */

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;    /* of a number */
    struct cursor sub; /* of WIRE_BYTES */
};

/* False at the end of the message, and when it is malformed: then it is `bad`. */
static bool next_field(struct cursor *c, struct field *f)
{
    if (c->bad || c->left == 0) return false;
    const uint64_t tag = cursor_varint(c);
    *f = (struct field){ .number = tag >> 3, .wire = (enum wire)(tag & 7) };
    switch (f->wire) {
    case WIRE_VARINT:
        f->value = cursor_varint(c);
        break;
    case WIRE_FIXED64:
        f->value = cursor_u64(c);
        break;
    case WIRE_FIXED32:
        f->value = cursor_u32(c);
        break;
    case WIRE_BYTES:
        f->sub.left = cursor_varint(c);
        f->sub.p = cursor_take(c, f->sub.left);
        break;
    default:
        c->bad = true;
    }
    if (f->number == 0) c->bad = true;
    return !c->bad;
}

static bool is_field(const struct field *f, uint64_t number, enum wire wire)
{
    return f->number == number && f->wire == wire;
}

/* -------------------------------------------------------------------------------------------------------- header */

/* The oldest reader that may read it; 0 when it does not say. */
static uint64_t read_min_consumer(struct cursor c, bool *malformed)
{
    uint64_t version = 0;
    struct field f;
    while (next_field(&c, &f))
        if (is_field(&f, VERSION_MIN_CONSUMER, WIRE_VARINT)) version = f.value;
    *malformed |= c.bad;
    return version;
}

/* In the first format the empty key holds a message of messages, the first of which has the number of n_shards. */
static enum ingot_status read_header(struct bundle *b, const struct message *m, struct cursor c,
                                     struct ingot_error *err)
{
    uint64_t n_shards = 0, endianness = 0, version = 0;
    bool malformed = false;
    struct field f;
    while (next_field(&c, &f)) {
        if (is_field(&f, HEADER_N_SHARDS, WIRE_BYTES))
            return bad(m, INGOT_E_UNSUPPORTED, "save it again with a newer TensorFlow (tf.train.Saver writes V2)", err,
                       "a checkpoint of TensorFlow's first format (V1)");
        if (is_field(&f, HEADER_N_SHARDS, WIRE_VARINT)) n_shards = f.value;
        if (is_field(&f, HEADER_ENDIANNESS, WIRE_VARINT)) endianness = f.value;
        if (is_field(&f, HEADER_VERSION, WIRE_BYTES)) version = read_min_consumer(f.sub, &malformed);
    }
    if (c.bad || malformed) return bad(m, INGOT_E_SOURCE, ADVICE_COPY, err, "the message is malformed");
    if (endianness == BIG_ENDIAN_)
        return bad(m, INGOT_E_UNSUPPORTED, "save it on a little-endian machine", err, "the tensors are big-endian");
    if (endianness != 0) return bad(m, INGOT_E_RANGE, ADVICE_COPY, err, "byte order %" PRIu64, endianness);
    if (version > READER_VERSION)
        return bad(m, INGOT_E_UNSUPPORTED, NULL, err, "wants a reader of version %" PRIu64 ", this is one of version 1",
                   version);
    if (n_shards == 0) return bad(m, INGOT_E_RANGE, ADVICE_COPY, err, "no data files");
    if (n_shards > BUNDLE_MAX_SHARDS)
        return bad(m, INGOT_E_LIMIT, NULL, err, "%" PRIu64 " data files; the limit is %u", n_shards, BUNDLE_MAX_SHARDS);
    b->n_shards = (uint32_t)n_shards;
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------- tensors */

static const struct type *find_type(uint64_t number)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == number) return &types[i];
    return NULL;
}

static enum ingot_status read_dim(const struct message *m, struct cursor c, struct bundle_tensor *t,
                                  struct ingot_error *err)
{
    uint64_t size = 0;
    struct field f;
    while (next_field(&c, &f))
        if (is_field(&f, DIM_SIZE, WIRE_VARINT)) size = f.value;
    if (c.bad) return bad(m, INGOT_E_SOURCE, ADVICE_COPY, err, "a dimension is malformed");
    if (t->rank == INGOT_MAX_RANK) return bad(m, INGOT_E_LIMIT, NULL, err, "more than %d dimensions", INGOT_MAX_RANK);
    if (size > INT64_MAX) return bad(m, INGOT_E_RANGE, ADVICE_COPY, err, "dimension %u is negative", t->rank);
    t->shape[t->rank++] = size;
    return INGOT_OK;
}

static enum ingot_status read_shape(const struct message *m, struct cursor c, struct bundle_tensor *t,
                                    struct ingot_error *err)
{
    struct field f;
    enum ingot_status status = INGOT_OK;
    while (status == INGOT_OK && next_field(&c, &f)) {
        if (is_field(&f, SHAPE_DIM, WIRE_BYTES)) status = read_dim(m, f.sub, t, err);
        if (is_field(&f, SHAPE_UNKNOWN_RANK, WIRE_VARINT) && f.value)
            status = bad(m, INGOT_E_SHAPE, ADVICE_COPY, err, "the shape is not known");
    }
    if (c.bad) return bad(m, INGOT_E_SOURCE, ADVICE_COPY, err, "the shape is malformed");
    return status;
}

static enum ingot_status read_type(const struct message *m, uint64_t number, struct bundle_tensor *t,
                                   struct ingot_error *err)
{
    const struct type *type = find_type(number);
    if (!type) return bad(m, INGOT_E_UNSUPPORTED, NULL, err, "type %" PRIu64 " is not known", number);
    t->scalar = type->scalar;
    t->dtype_name = type->name;
    t->checked = type->scalar != INGOT_SCALAR_NONE;
    return INGOT_OK;
}

/* Shape and size of elements, place and size in the file. */
static enum ingot_status check_tensor(const struct bundle *b, const struct message *m, const struct bundle_tensor *t,
                                      uint64_t shard, struct ingot_error *err)
{
    const uint32_t size = ingot_scalar_info(t->scalar)->bytes;
    uint64_t elems, n_bytes;
    if (shard >= b->n_shards)
        return bad(m, INGOT_E_RANGE, ADVICE_COPY, err, "lies in data file %" PRIu64 " of %u", shard, b->n_shards);
    if (t->n_slices > 0 && t->n_bytes > 0)
        return bad(m, INGOT_E_SHAPE, ADVICE_COPY, err, "has slices, but %" PRIu64 " byte%s of its own", t->n_bytes,
                   plural(t->n_bytes));
    if (t->off > INT64_MAX || t->n_bytes > INT64_MAX)
        return bad(m, INGOT_E_RANGE, ADVICE_COPY, err, "the place in the data file is negative");
    if (!ingot_shape_elems(t->rank, t->shape, &elems) || !checked_mul(elems, size, &n_bytes))
        return bad(m, INGOT_E_SHAPE, ADVICE_COPY, err, "the product of the shape overflows");
    if (t->checked && n_bytes != t->n_bytes)
        return bad(m, INGOT_E_SHAPE, ADVICE_COPY, err, "%s of this shape takes %" PRIu64 " byte%s, but it has %" PRIu64,
                   ingot_scalar_info(t->scalar)->name, n_bytes, plural(n_bytes), t->n_bytes);
    return INGOT_OK;
}

static enum ingot_status read_tensor(const struct bundle *b, const struct message *m, struct cursor c,
                                     struct bundle_tensor *t, struct ingot_error *err)
{
    uint64_t type = 0, shard = 0;
    enum ingot_status status = INGOT_OK;
    struct field f;
    while (status == INGOT_OK && next_field(&c, &f)) {
        if (is_field(&f, ENTRY_DTYPE, WIRE_VARINT)) type = f.value;
        if (is_field(&f, ENTRY_SHAPE, WIRE_BYTES)) status = read_shape(m, f.sub, t, err);
        if (is_field(&f, ENTRY_SHARD, WIRE_VARINT)) shard = f.value;
        if (is_field(&f, ENTRY_OFFSET, WIRE_VARINT)) t->off = f.value;
        if (is_field(&f, ENTRY_SIZE, WIRE_VARINT)) t->n_bytes = f.value;
        if (is_field(&f, ENTRY_CRC32C, WIRE_FIXED32)) t->crc = (uint32_t)f.value;
        t->n_slices += is_field(&f, ENTRY_SLICES, WIRE_BYTES);
    }
    if (c.bad) return bad(m, INGOT_E_SOURCE, ADVICE_COPY, err, "the message is malformed");
    if (status == INGOT_OK) status = read_type(m, type, t, err);
    if (t->n_slices > 0) t->checked = false;
    if (status == INGOT_OK) status = check_tensor(b, m, t, shard, err);
    t->shard = (uint32_t)shard;
    return status;
}

/* A slice stands under a key of its own: a zero byte, the name, and what part of it. */
static enum ingot_status read_name(struct message *m, const struct sstable_entry *e, struct bundle_tensor *t,
                                   struct ingot_error *err)
{
    t->name = (const char *)e->key;
    t->is_slice = e->n_key > 0 && t->name[0] == '\0';
    t->name += t->is_slice;
    t->n_name = strnlen(t->name, e->n_key - t->is_slice);
    char shown[SHOWN_NAME - 16];
    snprintf(m->shown, sizeof m->shown, "%s %s", t->is_slice ? "a slice of" : "tensor",
             ingot_escape(t->name, t->n_name, shown, sizeof shown));
    if (!t->is_slice && t->n_name != e->n_key)
        return bad(m, INGOT_E_NAME, ADVICE_COPY, err, "its name goes on behind a zero byte");
    if (t->n_name <= INGOT_MAX_NAME) return INGOT_OK;
    return bad(m, INGOT_E_LIMIT, NULL, err, "a name of %zu bytes; the limit is %d", (size_t)t->n_name, INGOT_MAX_NAME);
}

static enum ingot_status on_entry(void *ctx, const struct sstable_entry *e, struct ingot_error *err)
{
    struct bundle *b = ctx;
    struct message m = { .path = b->path, .off = e->off, .shown = "the header" };
    const struct cursor c = { .p = e->value, .left = e->n_value };
    if (!b->started) {
        b->started = true;
        if (e->n_key == 0) return read_header(b, &m, c, err);
        return bad(&m, INGOT_E_SOURCE, "is it the index of a checkpoint?", err, "is not there");
    }
    struct bundle_tensor t = { .entry_off = e->off };
    enum ingot_status status = read_name(&m, e, &t, err);
    if (status == INGOT_OK) status = read_tensor(b, &m, c, &t, err);
    return status == INGOT_OK ? b->tensor(b->ctx, &t, b->n_shards, err) : status;
}

bool bundle_has_magic(const uint8_t last[8])
{
    return get_u64(last) == SSTABLE_MAGIC;
}

enum ingot_status bundle_walk(const uint8_t *bytes, uint64_t size, const char *path, bundle_tensor_fn tensor, void *ctx,
                              struct ingot_error *err)
{
    struct bundle b = { .path = path, .tensor = tensor, .ctx = ctx };
    enum ingot_status status = sstable_walk(bytes, size, path, on_entry, &b, err);
    if (status == INGOT_OK && !b.started)
        return ingot_fail(err, INGOT_E_SOURCE, 0, path, "is it the index of a checkpoint?", "the header: is not there");
    return status;
}
