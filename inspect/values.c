/* values.c - foreign bytes may lie at any address, so elements are copied out before they are looked at. */
#include "inspect/values.h"

#include "format/bytes.h"

#include <string.h>

bool values_shape(const struct checkpoint_tensor *t, uint64_t *n_rows, uint64_t *n_cols)
{
    uint64_t bytes;
    bool known = ingot_dtype_size(t->dtype) > 0 && ingot_layout_bytes(t->dtype, t->layout, t->rank, t->shape, &bytes);
    if (!known || bytes != t->n_bytes) return false;
    *n_cols = t->rank ? t->shape[t->rank - 1] : 1;
    *n_rows = *n_cols ? t->n_elems / *n_cols : 0;
    return true;
}

static double element_at(enum ingot_dtype dtype, const uint8_t *p)
{
    float f;
    double d;
    switch (dtype) {
    case INGOT_F32:
        memcpy(&f, p, sizeof f);
        return (double)f;
    case INGOT_F64:
        memcpy(&d, p, sizeof d);
        return d;
    case INGOT_F16:
        return (double)ingot_f32_from_f16(get_u16(p));
    case INGOT_BF16:
        return (double)ingot_f32_from_bf16(get_u16(p));
    case INGOT_I8:
        return (double)(int8_t)*p;
    case INGOT_U8:
        return (double)*p;
    case INGOT_I32:
        return (double)(int32_t)get_u32(p);
    case INGOT_I64:
        return (double)(int64_t)get_u64(p);
    case INGOT_DTYPE_NONE:
        break;
    }
    return 0;
}

double values_element(const struct checkpoint_tensor *t, uint64_t row, uint64_t col)
{
    if (t->layout != INGOT_ROWS) {
        struct ingot_section s = { .dtype = t->dtype, .layout = t->layout, .rank = t->rank, .data = t->data };
        memcpy(s.shape, t->shape, sizeof s.shape);
        return ingot_element(&s, row, col);
    }
    uint64_t n_cols = t->rank ? t->shape[t->rank - 1] : 1;
    return element_at(t->dtype, (const uint8_t *)t->data + (row * n_cols + col) * ingot_dtype_size(t->dtype));
}
