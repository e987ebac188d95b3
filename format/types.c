/* types.c - the words and sizes of statuses, dtypes, layouts and kinds: one table row each. */
#include "format/layout.h"
#include "format/checked.h"

#include <string.h>

static const struct {
    enum ingot_status status;
    const char *name;
} status_names[] = {
    { INGOT_OK, "ok" },
    { INGOT_E_MAGIC, "magic" },
    { INGOT_E_TEXT_MODE, "text-mode" },
    { INGOT_E_TRUNCATED, "truncated" },
    { INGOT_E_SUPERBLOCK, "superblock" },
    { INGOT_E_INDEX, "index" },
    { INGOT_E_RANGE, "range" },
    { INGOT_E_OVERLAP, "overlap" },
    { INGOT_E_ORDER, "order" },
    { INGOT_E_RESERVED, "reserved" },
    { INGOT_E_DIGEST, "digest" },
    { INGOT_E_NAME, "name" },
    { INGOT_E_SHAPE, "shape" },
    { INGOT_E_SOURCE, "source" },
    { INGOT_E_MISSING, "missing" },
    { INGOT_E_MODEL, "model" },
    { INGOT_E_VOCABULARY, "vocabulary" },
    { INGOT_E_CHANGED, "changed" },
    { INGOT_E_READ_VERSION, "read-version" },
    { INGOT_E_FEATURE, "feature" },
    { INGOT_E_KIND, "kind" },
    { INGOT_E_DTYPE, "dtype" },
    { INGOT_E_LAYOUT, "layout" },
    { INGOT_E_CODEC, "codec" },
    { INGOT_E_UNSUPPORTED, "unsupported" },
    { INGOT_E_LIMIT, "limit" },
    { INGOT_E_IO, "io" },
    { INGOT_E_MEMORY, "memory" },
    { INGOT_E_THREAD, "thread" },
    { INGOT_E_EXISTS, "exists" },
    { INGOT_E_CPU, "cpu" },
    { INGOT_E_INTERRUPTED, "interrupted" },
    { INGOT_E_ARGUMENT, "argument" },
    { INGOT_E_CONTEXT_FULL, "context-full" },
    { INGOT_E_TOKEN, "token" },
    { INGOT_E_RECIPE, "recipe" },
};

/* Indexed by the on-disk code; a row without a name is no dtype. */
static const struct {
    const char *name;
    size_t size;
    bool panels; /* has a panel16 layout */
} dtypes[] = {
    [INGOT_DTYPE_NONE] = { "none", 0, false },
    [INGOT_F32] = { "f32", 4, true },
    [INGOT_F16] = { "f16", 2, true },
    [INGOT_BF16] = { "bf16", 2, true },
    [INGOT_F64] = { "f64", 8, false },
    [INGOT_I8] = { "i8", 1, false },
    [INGOT_U8] = { "u8", 1, false },
    [INGOT_I32] = { "i32", 4, false },
    [INGOT_I64] = { "i64", 8, false },
    [INGOT_Q8] = { "q8", 0, true },
    [INGOT_Q4] = { "q4", 0, true },
};

static const struct {
    enum ingot_kind kind;
    const char *name;
    const char *section; /* the only name that a section of this kind may have; NULL: any that '@' does not begin */
} kinds[] = {
    { INGOT_KIND_TENSOR, "tensor", NULL },
    { INGOT_KIND_ALIAS, "alias", NULL },
    { INGOT_KIND_MODEL, "model", INGOT_NAME_MODEL },
    { INGOT_KIND_CHUNKS, "chunks", INGOT_NAME_CHUNKS },
    { INGOT_KIND_VOCABULARY, "vocabulary", INGOT_NAME_VOCABULARY },
    { INGOT_KIND_METADATA, "metadata", INGOT_NAME_METADATA },
    { INGOT_KIND_RECIPE, "recipe", INGOT_NAME_RECIPE },
    { INGOT_KIND_PROVENANCE, "provenance", INGOT_NAME_PROVENANCE },
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

const char *ingot_status_name(enum ingot_status status)
{
    for (size_t i = 0; i < COUNT(status_names); i++)
        if (status_names[i].status == status) return status_names[i].name;
    return "?";
}

const char *ingot_dtype_name(enum ingot_dtype dtype)
{
    return (size_t)dtype < COUNT(dtypes) && dtypes[dtype].name ? dtypes[dtype].name : "?";
}

const char *ingot_layout_name(enum ingot_layout layout)
{
    switch (layout) {
    case INGOT_ROWS:
        return "rows";
    case INGOT_PANEL16:
        return "panel16";
    }
    return "?";
}

const char *ingot_kind_name(enum ingot_kind kind)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].kind == kind) return kinds[i].name;
    return "?";
}

const char *kind_reserved_name(enum ingot_kind kind)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].kind == kind) return kinds[i].section;
    return NULL;
}

bool is_reserved_name(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].section && strcmp(kinds[i].section, name) == 0) return true;
    return false;
}

size_t ingot_dtype_size(enum ingot_dtype dtype)
{
    return (size_t)dtype < COUNT(dtypes) ? dtypes[dtype].size : 0;
}

bool dtype_has_panels(enum ingot_dtype dtype)
{
    return (size_t)dtype < COUNT(dtypes) && dtypes[dtype].panels;
}

bool ingot_dtype_parse(const char *name, enum ingot_dtype *out)
{
    for (size_t i = INGOT_F32; i < COUNT(dtypes); i++)
        if (dtypes[i].name && strcmp(dtypes[i].name, name) == 0) {
            *out = (enum ingot_dtype)i;
            return true;
        }
    return false;
}

/* unit x the product of the dimensions. A zero dimension makes the product 0 but may not hide that the others overflow.
 */
static bool shape_product(uint32_t rank, const uint64_t *shape, uint64_t unit, uint64_t *out)
{
    uint64_t product = unit;
    bool empty = false;
    if (rank > INGOT_MAX_RANK) return false;
    for (uint32_t i = 0; i < rank; i++) {
        empty |= shape[i] == 0;
        if (!checked_mul(product, shape[i] ? shape[i] : 1, &product)) return false;
    }
    *out = empty ? 0 : product;
    return true;
}

bool ingot_shape_elems(uint32_t rank, const uint64_t *shape, uint64_t *elems)
{
    return shape_product(rank, shape, 1, elems);
}

bool ingot_layout_bytes(enum ingot_dtype dtype, enum ingot_layout layout, uint32_t rank, const uint64_t *shape,
                        uint64_t *bytes)
{
    const uint64_t size = ingot_dtype_size(dtype), step = quant_step_bytes(dtype);
    if (size == 0 && step == 0) return false;
    if (layout == INGOT_ROWS) return size > 0 && shape_product(rank, shape, size, bytes);
    if (layout != INGOT_PANEL16 || rank != 2 || !dtype_has_panels(dtype)) return false;
    uint64_t padded[2];
    if (!checked_align(shape[0], INGOT_PANEL_LANES, &padded[0])) return false;
    if (!checked_align(shape[1], panel_input_unit(dtype), &padded[1])) return false;
    if (step == 0) return shape_product(2, padded, size, bytes);
    padded[0] /= INGOT_PANEL_LANES;
    padded[1] /= INGOT_QUANT_STEP;
    return shape_product(2, padded, step, bytes);
}
