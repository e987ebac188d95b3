/* q8_blocks.h - Q8_0 of GGUF and q8 of an .ingot file are the same numbers in another order: 32 inputs of one output
 * share an f16, a level is a signed byte. They are moved, and no bit is lost either way. */
#ifndef INGOT_Q8_BLOCKS_H
#define INGOT_Q8_BLOCKS_H

#include "convert/plan.h"
#include "format/layout.h"

#define Q8_0_GGUF_TYPE 8u
#define Q8_0_ELEMS     INGOT_QUANT_BLOCK
#define Q8_0_BYTES     34u /* f16 scale; i8 levels */

/* Puts a block where block 0 or 1 of `lane` belongs in a step of q8; NULL: padding. */
void q8_put_block(const uint8_t *block, uint8_t *step, size_t number, size_t lane);

/* n elements from element `first` of a q8 matrix, in row-major order, as n / 32 blocks. Rows, `first` and n are
 * multiples of 32. */
void q8_get_blocks(const struct ingot_section *section, uint64_t first, uint64_t n, uint8_t *blocks);

/* Whether a q8 tensor is made of whole blocks of Q8_0 and nothing else. */
bool q8_is_moved(const struct plan_tensor *t);

#endif
