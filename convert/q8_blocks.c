/* q8_blocks.c - a level of Q8_0 is a signed byte, a code of q8 the same plus 128: they differ in the highest bit. */
#include "convert/q8_blocks.h"

#include "format/bytes.h"

#define SIGNS      UINT32_C(0x80808080) /* of four levels */
#define GROUP_STEP (4 * INGOT_PANEL_LANES)

void q8_put_block(const uint8_t *block, uint8_t *step, size_t number, size_t lane)
{
    const size_t k = number * INGOT_QUANT_BLOCK;
    uint8_t *codes = step + quant_code_at(INGOT_Q8, k, lane);
    put_u16(step + quant_scale_at(k, lane), block ? get_u16(block) : 0);
    for (size_t i = 0; i < INGOT_QUANT_BLOCK / 4; i++)
        put_u32(codes + i * GROUP_STEP, (block ? get_u32(block + 2 + 4 * i) : 0) ^ SIGNS);
}

static void get_block(const uint8_t *step, size_t number, size_t lane, uint8_t *block)
{
    const size_t k = number * INGOT_QUANT_BLOCK;
    const uint8_t *codes = step + quant_code_at(INGOT_Q8, k, lane);
    put_u16(block, get_u16(step + quant_scale_at(k, lane)));
    for (size_t i = 0; i < INGOT_QUANT_BLOCK / 4; i++)
        put_u32(block + 2 + 4 * i, get_u32(codes + i * GROUP_STEP) ^ SIGNS);
}

void q8_get_blocks(const struct ingot_section *section, uint64_t first, uint64_t n, uint8_t *blocks)
{
    const uint64_t n_in = section->shape[1], panel = panel_bytes(INGOT_Q8, n_in);
    uint64_t row = first / n_in, col = first % n_in;
    for (; n > 0; n -= Q8_0_ELEMS, blocks += Q8_0_BYTES) {
        const uint8_t *step = (const uint8_t *)section->data + row / INGOT_PANEL_LANES * panel +
                              col / INGOT_QUANT_STEP * QUANT_Q8_STEP_BYTES;
        get_block(step, col % INGOT_QUANT_STEP / INGOT_QUANT_BLOCK, row % INGOT_PANEL_LANES, blocks);
        col += Q8_0_ELEMS;
        if (col < n_in) continue;
        col = 0;
        row++;
    }
}

bool q8_is_moved(const struct plan_tensor *t)
{
    bool whole = t->dtype == INGOT_Q8;
    for (uint32_t i = 0; i < t->n_parts && whole; i++) {
        const struct plan_part *p = &t->parts[i];
        whole = p->source->block && p->source->block->gguf_type == Q8_0_GGUF_TYPE && p->from_col % Q8_0_ELEMS == 0 &&
                p->col % Q8_0_ELEMS == 0 && p->view.n_cols % Q8_0_ELEMS == 0;
    }
    return whole;
}
