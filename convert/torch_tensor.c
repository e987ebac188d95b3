/* torch_tensor.c - from recorded calls of _rebuild_tensor_v2() and its kin to tensors that lie inside their storages.
 *
 * Source of the signatures: torch/_utils.py and torch/serialization.py of PyTorch 0.4 to 2.5. */
#include "convert/torch.h"

#include "convert/array.h"
#include "format/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_ARGS       8u
#define MAX_PARAMETERS 4u /* one inside the other; there is ever only one */
/* PyTorch's keys are numbers. They are sorted and searched: one of megabytes, named a million times, would take hours.
 */
#define MAX_KEY        255u
/* A view may show an element more than once. How often is bounded, for the bytes of a result are not. */
#define FREE_ELEMS     (UINT64_C(1) << 20)
#define MAX_EXPANSION  16u

const struct pickle_name torch_names[] = {
    { "torch._utils", "_rebuild_tensor_v2", PICKLE_CALLED, TORCH_REBUILD_TENSOR_V2 },
    { "torch._utils", "_rebuild_tensor_v3", PICKLE_CALLED, TORCH_REBUILD_TENSOR_V3 },
    { "torch._utils", "_rebuild_tensor", PICKLE_CALLED, TORCH_REBUILD_TENSOR },
    { "torch._utils", "_rebuild_parameter", PICKLE_CALLED, TORCH_REBUILD_PARAMETER },
    { "torch._utils", "_rebuild_parameter_with_state", PICKLE_CALLED, TORCH_REBUILD_PARAMETER },
    { "collections", "OrderedDict", PICKLE_MAP, TORCH_MAP },
    { "collections", "defaultdict", PICKLE_MAP, TORCH_MAP },
    { "torch", "Size", PICKLE_CALLED, TORCH_VALUE },
    { "torch", "device", PICKLE_CALLED, TORCH_VALUE },
    { "_codecs", "encode", PICKLE_CALLED, TORCH_VALUE },
    { "torch.serialization", "_get_layout", PICKLE_CALLED, TORCH_VALUE },
    { "torch._utils", "_rebuild_qtensor", PICKLE_CALLED, TORCH_QUANTISED_TENSOR },
    { "torch._utils", "_rebuild_sparse_tensor", PICKLE_CALLED, TORCH_SPARSE_TENSOR },
    { "torch._utils", "_rebuild_sparse_csr_tensor", PICKLE_CALLED, TORCH_SPARSE_TENSOR },
    { "torch._utils", "_rebuild_nested_tensor", PICKLE_CALLED, TORCH_OTHER_TENSOR },
    { "torch._utils", "_rebuild_meta_tensor_no_storage", PICKLE_CALLED, TORCH_OTHER_TENSOR },
    { "torch._utils", "_rebuild_device_tensor_from_numpy", PICKLE_CALLED, TORCH_OTHER_TENSOR },
    { "torch._utils", "_rebuild_xla_tensor", PICKLE_CALLED, TORCH_OTHER_TENSOR },
    { "torch._tensor", "_rebuild_from_type_v2", PICKLE_CALLED, TORCH_OTHER_TENSOR },
    { "torch", "DoubleStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_F64 },
    { "torch", "FloatStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_F32 },
    { "torch", "HalfStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_F16 },
    { "torch", "BFloat16Storage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_BF16 },
    { "torch", "LongStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_I64 },
    { "torch", "IntStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_I32 },
    { "torch", "ShortStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_I16 },
    { "torch", "CharStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_I8 },
    { "torch", "ByteStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_U8 },
    { "torch", "BoolStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_BOOL },
    { "torch", "ComplexFloatStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_C64 },
    { "torch", "ComplexDoubleStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_C128 },
    { "torch", "UntypedStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_NONE },
    { "torch.storage", "UntypedStorage", PICKLE_NAMED, TORCH_STORAGE + INGOT_SCALAR_NONE },
    { "torch", "float64", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_F64 },
    { "torch", "float32", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_F32 },
    { "torch", "float16", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_F16 },
    { "torch", "bfloat16", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_BF16 },
    { "torch", "float8_e4m3fn", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_F8_E4M3 },
    { "torch", "float8_e5m2", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_F8_E5M2 },
    { "torch", "uint64", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_U64 },
    { "torch", "uint32", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_U32 },
    { "torch", "uint16", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_U16 },
    { "torch", "uint8", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_U8 },
    { "torch", "int64", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_I64 },
    { "torch", "int32", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_I32 },
    { "torch", "int16", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_I16 },
    { "torch", "int8", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_I8 },
    { "torch", "bool", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_BOOL },
    { "torch", "complex64", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_C64 },
    { "torch", "complex128", PICKLE_NAMED, TORCH_DTYPE + INGOT_SCALAR_C128 },
};
const size_t torch_n_names = sizeof torch_names / sizeof *torch_names;

/* A tensor while it is being read. */
struct view {
    const struct torch_file *f;
    const char *name;
    uint32_t at; /* in the pickle, for errors */
    uint32_t args[MAX_ARGS];
    size_t n_args;
    struct torch_id id;
    uint64_t first; /* element of the storage */
    struct ingot_source_tensor *t;
};

__attribute__((format(printf, 4, 5))) static enum ingot_status bad_view(const struct view *v, enum ingot_status status,
                                                                        struct ingot_error *err, const char *fmt, ...)
{
    char what[224], shown[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(err, status, v->f->pickle_off + v->at, v->f->in->path,
                      status == INGOT_E_UNSUPPORTED ? TORCH_ADVICE_SAVE : ADVICE_COPY, "tensor %s: %s",
                      ingot_escape(v->name, strlen(v->name), shown, sizeof shown), what);
}

/* ------------------------------------------------------------------------------------------------- persistent ids */

int torch_compare_keys(const void *a, const void *b)
{
    const struct torch_storage *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes);
    return order ? order : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static struct torch_storage *find_storage(const struct torch_file *f, const char *key, size_t key_bytes)
{
    const struct torch_storage wanted = { .key = key, .key_bytes = key_bytes };
    if (f->n_storages == 0) return NULL;
    return bsearch(&wanted, f->storages, f->n_storages, sizeof wanted, torch_compare_keys);
}

static bool get_count(const struct pickle *p, uint32_t value, uint64_t *out)
{
    const struct pickle_value *v = pickle_at(p, value);
    if (v->type != PICKLE_INT || v->as.integer < 0) return false;
    *out = (uint64_t)v->as.integer;
    return true;
}

static enum ingot_status bad_id(const struct torch_file *f, const struct pickle_value *v, enum ingot_status status,
                                const char *what, struct ingot_error *err)
{
    return ingot_fail(err, status, f->pickle_off + v->at, f->in->path,
                      status == INGOT_E_UNSUPPORTED ? TORCH_ADVICE_SAVE : ADVICE_COPY, "%s", what);
}

/* The class as a global name: a known one has a scalar. */
static enum ingot_status read_class(const struct torch_file *f, uint32_t value, enum ingot_scalar *out,
                                    struct ingot_error *err)
{
    const struct pickle_value *class = pickle_at(f->pickle, value);
    char shown[256], what[320];
    if (class->type != PICKLE_GLOBAL) return bad_id(f, class, INGOT_E_SOURCE, "a storage whose class is no name", err);
    const int id = class->as.global.id < 0 ? -1 : torch_names[class->as.global.id].id;
    if (id >= TORCH_STORAGE && id < TORCH_DTYPE) {
        *out = (enum ingot_scalar)(id - TORCH_STORAGE);
        return INGOT_OK;
    }
    snprintf(what, sizeof what, "a storage of class %s", pickle_global_name(f->pickle, class, shown, sizeof shown));
    return bad_id(f, class, INGOT_E_UNSUPPORTED, what, err);
}

/* (key of the view, its first element, its elements): PyTorch 0.1 to 0.3 wrote that for a storage inside another. */
static bool read_storage_view(const struct pickle *p, uint32_t value, struct torch_id *id)
{
    uint32_t parts[3];
    const struct pickle_value *v = pickle_at(p, value);
    uint64_t end;
    id->view_first = 0;
    id->view_elems = id->n_elems;
    if (v->type == PICKLE_NONE) return true;
    return v->type == PICKLE_TUPLE && pickle_first_items(p, v, parts, 3) == 3 &&
           get_count(p, parts[1], &id->view_first) && get_count(p, parts[2], &id->view_elems) &&
           checked_add(id->view_first, id->view_elems, &end) && end <= id->n_elems;
}

enum ingot_status torch_read_id(const struct torch_file *f, const struct pickle_value *persistent, struct torch_id *out,
                                struct ingot_error *err)
{
    const struct pickle *p = f->pickle;
    const struct pickle_value *v = pickle_at(p, persistent->as.persistent);
    uint32_t parts[6];
    const size_t n = v->type == PICKLE_TUPLE ? pickle_first_items(p, v, parts, 6) : 0;
    if ((n != 5 && n != 6) || !pickle_is_text(p, pickle_at(p, parts[0]), "storage"))
        return bad_id(f, v, INGOT_E_SOURCE, "a persistent object that is no storage", err);
    const struct pickle_value *key = pickle_at(p, parts[2]);
    if (key->type != PICKLE_TEXT || !get_count(p, parts[4], &out->n_elems))
        return bad_id(f, v, INGOT_E_SOURCE, "a storage without a key or a number of elements", err);
    out->key = pickle_bytes(p, key, &out->key_bytes);
    if (out->key_bytes > MAX_KEY)
        return bad_id(f, v, INGOT_E_LIMIT, "a storage whose key has more than 255 bytes", err);
    out->view_first = 0;
    out->view_elems = out->n_elems;
    if (n == 6 && !read_storage_view(p, parts[5], out))
        return bad_id(f, v, INGOT_E_SOURCE, "a malformed view of a storage", err);
    return read_class(f, parts[1], &out->scalar, err);
}

/* ---------------------------------------------------------------------------------------------------------- views */

/* Up to eight counts of a tuple or a list. */
static enum ingot_status read_counts(const struct view *v, uint32_t value, const char *what, uint64_t *out,
                                     uint32_t *rank, struct ingot_error *err)
{
    const struct pickle *p = v->f->pickle;
    const struct pickle_value *from = pickle_at(p, value);
    uint32_t items[INGOT_MAX_RANK];
    if (from->type == PICKLE_CALL && from->as.call.id == TORCH_VALUE) { /* torch.Size(...) */
        if (pickle_first_items(p, pickle_at(p, from->as.call.args), items, 1) == 1) from = pickle_at(p, items[0]);
    }
    if (from->type != PICKLE_TUPLE && from->type != PICKLE_LIST)
        return bad_view(v, INGOT_E_SOURCE, err, "its %s is no tuple", what);
    const size_t n = pickle_first_items(p, from, items, INGOT_MAX_RANK);
    if (n > INGOT_MAX_RANK) return bad_view(v, INGOT_E_LIMIT, err, "more than %d dimensions", INGOT_MAX_RANK);
    for (size_t i = 0; i < n; i++)
        if (!get_count(p, items[i], &out[i]))
            return bad_view(v, INGOT_E_SOURCE, err, "an entry of its %s is not a count", what);
    *rank = (uint32_t)n;
    return INGOT_OK;
}

static enum ingot_status read_shape(struct view *v, uint32_t shape, uint32_t strides, struct ingot_error *err)
{
    uint32_t n_strides = 0;
    enum ingot_status status = read_counts(v, shape, "shape", v->t->shape, &v->t->rank, err);
    if (status == INGOT_OK) status = read_counts(v, strides, "strides", v->t->strides, &n_strides, err);
    if (status == INGOT_OK && n_strides != v->t->rank)
        status = bad_view(v, INGOT_E_SHAPE, err, "%" PRIu32 " dimension%s, but %" PRIu32 " stride%s", v->t->rank,
                          plural(v->t->rank), n_strides, plural(n_strides));
    return status;
}

/* Hooks would be code that runs during training. */
static enum ingot_status check_hooks(const struct view *v, uint32_t value, struct ingot_error *err)
{
    uint32_t item;
    const struct pickle_value *hooks = pickle_at(v->f->pickle, value);
    if (hooks->type == PICKLE_NONE) return INGOT_OK;
    if (hooks->type == PICKLE_DICT && pickle_first_items(v->f->pickle, hooks, &item, 0) == 0) return INGOT_OK;
    return bad_view(v, INGOT_E_UNSUPPORTED, err, "it has hooks");
}

/* The dtype of _rebuild_tensor_v3(), whose storage has none. */
static enum ingot_status read_dtype(struct view *v, uint32_t value, struct ingot_error *err)
{
    char shown[256];
    const struct pickle_value *dtype = pickle_at(v->f->pickle, value);
    if (dtype->type != PICKLE_GLOBAL) return bad_view(v, INGOT_E_SOURCE, err, "its dtype is no name");
    const int id = dtype->as.global.id < 0 ? -1 : torch_names[dtype->as.global.id].id;
    if (id < TORCH_DTYPE)
        return bad_view(v, INGOT_E_UNSUPPORTED, err, "dtype %s",
                        pickle_global_name(v->f->pickle, dtype, shown, sizeof shown));
    v->t->scalar = (enum ingot_scalar)(id - TORCH_DTYPE);
    return INGOT_OK;
}

/* Element size and elements of the storage as the tensor sees it; both were checked against the file's bytes. */
static enum ingot_status read_storage(struct view *v, uint64_t *n_elems, struct torch_storage **out,
                                      struct ingot_error *err)
{
    const struct pickle *p = v->f->pickle;
    const struct pickle_value *storage = pickle_at(p, v->args[0]);
    uint64_t bytes;
    if (storage->type != PICKLE_PERSISTENT) return bad_view(v, INGOT_E_SOURCE, err, "it has no storage");
    enum ingot_status status = torch_read_id(v->f, storage, &v->id, err);
    if (status != INGOT_OK) return status;
    const uint32_t size = v->id.scalar ? ingot_scalar_info(v->id.scalar)->bytes : 1;
    *out = find_storage(v->f, v->id.key, v->id.key_bytes);
    if (!*out) return bad_view(v, INGOT_E_MISSING, err, "the file does not hold its storage");
    if (!checked_mul(v->id.n_elems, size, &bytes) || bytes != (*out)->n_bytes)
        return bad_view(
            v, INGOT_E_SHAPE, err,
            "a storage of %" PRIu64 " element%s of %" PRIu32 " byte%s, where the file holds %" PRIu64 " byte%s",
            v->id.n_elems, plural(v->id.n_elems), size, plural(size), (*out)->n_bytes, plural((*out)->n_bytes));
    if (v->t->scalar && v->id.scalar && v->t->scalar != v->id.scalar)
        return bad_view(v, INGOT_E_SOURCE, err, "its dtype is not that of its storage");
    if (!v->t->scalar) v->t->scalar = v->id.scalar;
    if (!v->t->scalar) return bad_view(v, INGOT_E_SOURCE, err, "its storage has no dtype");
    *n_elems = v->id.scalar ? v->id.view_elems : v->id.view_elems / ingot_scalar_info(v->t->scalar)->bytes;
    return INGOT_OK;
}

/* The element that lies farthest behind the first. */
static bool farthest(const struct ingot_source_tensor *t, uint64_t *out)
{
    *out = 0;
    for (uint32_t i = 0; i < t->rank; i++) {
        uint64_t reach;
        if (!checked_mul(t->shape[i] - 1, t->strides[i], &reach) || !checked_add(*out, reach, out)) return false;
    }
    return true;
}

/* Row-major, where the stride of a dimension of one element says nothing. */
static bool is_row_major(const struct ingot_source_tensor *t)
{
    uint64_t step = 1;
    for (uint32_t i = t->rank; i-- > 0; step *= t->shape[i])
        if (t->shape[i] > 1 && t->strides[i] != step) return false;
    return true;
}

/* Declares the checksum of the member when its first tensor is met. */
static enum ingot_status open_check(const struct torch_file *f, struct torch_storage *s, struct ingot_error *err)
{
    if (!s->member || s->check != INGOT_NO_CHECK) return INGOT_OK;
    const char *name = name_pool_add(&f->src->names, s->member->name, s->member->name_bytes);
    if (!name) return fail_memory(err, f->in->path);
    const struct source_check check = { .name = name,
                                        .algorithm = SOURCE_CRC32,
                                        .expected = s->member->crc32,
                                        .data = f->in->map.bytes + s->off,
                                        .n_bytes = s->n_bytes,
                                        .file = f->in->base,
                                        .file_off = s->off };
    return source_add_check(f->src, &check, &s->check, err);
}

/* Places the view in the storage; every element that it can reach lies inside. */
static enum ingot_status place(struct view *v, struct ingot_error *err)
{
    struct ingot_source_tensor *t = v->t;
    struct torch_storage *s = NULL;
    uint64_t n = 0, room = 0, reach, last;
    enum ingot_status status = read_storage(v, &room, &s, err);
    if (status != INGOT_OK || !s) return status;
    status = open_check(v->f, s, err);
    if (status != INGOT_OK) return status;
    const uint64_t size = ingot_scalar_info(t->scalar)->bytes;
    const uint64_t begin = s->off + v->id.view_first * (v->id.scalar ? size : 1);
    if (!ingot_shape_elems(t->rank, t->shape, &n) || n > UINT64_MAX / size)
        return bad_view(v, INGOT_E_SHAPE, err, "the product of the shape overflows");
    t->file = v->f->in->base;
    t->file_off = begin;
    t->data = v->f->in->map.bytes + begin;
    t->strided = n > 0 && !is_row_major(t);
    t->check = s->check;
    if (n == 0) return INGOT_OK;
    if (!farthest(t, &reach) || !checked_add(reach, v->first, &last) || last >= room)
        return bad_view(v, INGOT_E_RANGE, err,
                        "it reaches beyond its storage of %" PRIu64 " element%s (it begins at %" PRIu64 ")", room,
                        plural(room), v->first);
    if (n > FREE_ELEMS && n / MAX_EXPANSION > room)
        return bad_view(v, INGOT_E_LIMIT, err, "a view of %" PRIu64 " elements over a storage of %" PRIu64, n, room);
    t->file_off += v->first * size;
    t->data = v->f->in->map.bytes + t->file_off;
    t->n_bytes = (reach + 1) * size;
    return INGOT_OK;
}

/* (storage, offset, shape, strides[, requires_grad, hooks[, dtype][, metadata]]) */
static enum ingot_status read_view(struct view *v, int function, struct ingot_error *err)
{
    static const size_t least[] = {
        [TORCH_REBUILD_TENSOR] = 4, [TORCH_REBUILD_TENSOR_V2] = 6, [TORCH_REBUILD_TENSOR_V3] = 7
    };
    if (v->n_args < least[function] || v->n_args > least[function] + 1)
        return bad_view(v, INGOT_E_SOURCE, err, "%zu argument%s; expected %zu", v->n_args, plural(v->n_args),
                        least[function]);
    if (!get_count(v->f->pickle, v->args[1], &v->first))
        return bad_view(v, INGOT_E_SOURCE, err, "its offset is not a count");
    enum ingot_status status = read_shape(v, v->args[2], v->args[3], err);
    if (status == INGOT_OK && function != TORCH_REBUILD_TENSOR) status = check_hooks(v, v->args[5], err);
    if (status == INGOT_OK && function == TORCH_REBUILD_TENSOR_V3) status = read_dtype(v, v->args[6], err);
    return status == INGOT_OK ? place(v, err) : status;
}

/* A call that is understood, and gives no view of a storage. */
static enum ingot_status refuse(const struct view *v, const struct pickle_value *call, struct ingot_error *err)
{
    switch (call->as.call.id) {
    case TORCH_QUANTISED_TENSOR:
        return bad_view(v, INGOT_E_UNSUPPORTED, err, "it is quantised");
    case TORCH_SPARSE_TENSOR:
        return bad_view(v, INGOT_E_UNSUPPORTED, err, "it is sparse");
    case TORCH_OTHER_TENSOR:
        return bad_view(v, INGOT_E_UNSUPPORTED, err, "it is no plain array of a storage");
    default:
        return bad_view(v, INGOT_E_SOURCE, err, "a call that gives no tensor");
    }
}

enum ingot_status torch_read_tensor(const struct torch_file *f, const struct pickle_value *call, const char *name,
                                    struct ingot_source_tensor *out, struct ingot_error *err)
{
    *out = (struct ingot_source_tensor){ .check = INGOT_NO_CHECK };
    struct view v = { .f = f, .name = name, .at = call->at, .t = out };
    for (unsigned depth = 0; call->type == PICKLE_CALL; depth++) {
        v.n_args = pickle_first_items(f->pickle, pickle_at(f->pickle, call->as.call.args), v.args, MAX_ARGS);
        if (call->as.call.id <= TORCH_REBUILD_TENSOR_V3) return read_view(&v, call->as.call.id, err);
        if (call->as.call.id != TORCH_REBUILD_PARAMETER || v.n_args < 1 || depth == MAX_PARAMETERS) break;
        call = pickle_at(f->pickle, v.args[0]); /* (tensor, requires_grad, hooks[, state]) */
    }
    if (call->type == PICKLE_CALL) return refuse(&v, call, err);
    return bad_view(&v, INGOT_E_SOURCE, err, "a parameter without a tensor");
}
