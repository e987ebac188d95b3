/* scalar.c - the elements that foreign tensors are made of, and how any range of a tensor is gathered, whatever its
 * strides or blocks. */
#include "convert/ingot_convert.h"

#include <assert.h>
#include <string.h>

#define MAX_BLOCK_ELEMS 256u

static const struct ingot_scalar_info scalars[INGOT_SCALAR_COUNT] = {
    [INGOT_SCALAR_NONE] = { "?", 0, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_BOOL] = { "BOOL", 1, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_U8] = { "U8", 1, INGOT_U8 },
    [INGOT_SCALAR_I8] = { "I8", 1, INGOT_I8 },
    [INGOT_SCALAR_U16] = { "U16", 2, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_I16] = { "I16", 2, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_U32] = { "U32", 4, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_I32] = { "I32", 4, INGOT_I32 },
    [INGOT_SCALAR_U64] = { "U64", 8, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_I64] = { "I64", 8, INGOT_I64 },
    [INGOT_SCALAR_F8_E4M3] = { "F8_E4M3", 1, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_F8_E5M2] = { "F8_E5M2", 1, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_F16] = { "F16", 2, INGOT_F16 },
    [INGOT_SCALAR_BF16] = { "BF16", 2, INGOT_BF16 },
    [INGOT_SCALAR_F32] = { "F32", 4, INGOT_F32 },
    [INGOT_SCALAR_F64] = { "F64", 8, INGOT_F64 },
    [INGOT_SCALAR_C64] = { "C64", 8, INGOT_DTYPE_NONE },
    [INGOT_SCALAR_C128] = { "C128", 16, INGOT_DTYPE_NONE },
};

const struct ingot_scalar_info *ingot_scalar_info(enum ingot_scalar scalar)
{
    return &scalars[(unsigned)scalar < INGOT_SCALAR_COUNT ? scalar : INGOT_SCALAR_NONE];
}

/* Whole blocks where they are wanted whole, the others by way of a buffer. */
static void gather_blocks(const struct ingot_source_tensor *t, uint64_t first, uint64_t n, float *out)
{
    const struct ingot_block *b = t->block;
    float elems[MAX_BLOCK_ELEMS];
    assert(b->n_elems <= MAX_BLOCK_ELEMS);
    while (n > 0) {
        const uint8_t *at = (const uint8_t *)t->data + first / b->n_elems * b->n_bytes;
        uint64_t skip = first % b->n_elems, step = b->n_elems - skip < n ? b->n_elems - skip : n;
        if (step == b->n_elems) {
            b->decode(at, out);
        } else {
            b->decode(at, elems);
            memcpy(out, elems + skip, step * sizeof *elems);
        }
        first += step;
        out += step;
        n -= step;
    }
}

static void gather_strided(const struct ingot_source_tensor *t, uint64_t first, uint64_t n, uint8_t *out)
{
    const uint32_t size = ingot_scalar_info(t->scalar)->bytes;
    uint64_t at[INGOT_MAX_RANK] = { 0 }, off = 0;
    for (uint32_t i = t->rank; i-- > 0; first /= t->shape[i]) {
        at[i] = first % t->shape[i];
        off += at[i] * t->strides[i];
    }
    while (n-- > 0) {
        memcpy(out, (const uint8_t *)t->data + off * size, size);
        out += size;
        for (uint32_t i = t->rank; i-- > 0;) { /* the next index, as an odometer turns */
            off += t->strides[i];
            if (++at[i] < t->shape[i]) break;
            off -= at[i] * t->strides[i];
            at[i] = 0;
        }
    }
}

void ingot_source_gather(const struct ingot_source_tensor *t, uint64_t first, uint64_t n, void *out)
{
    const uint32_t size = ingot_scalar_info(t->scalar)->bytes;
    if (n == 0) return;
    if (t->block)
        gather_blocks(t, first, n, out);
    else if (t->strided)
        gather_strided(t, first, n, out);
    else
        memcpy(out, (const uint8_t *)t->data + first * size, n * size);
}
