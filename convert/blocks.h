/* blocks.h - the block-quantised encodings of GGUF. */
#ifndef INGOT_BLOCKS_H
#define INGOT_BLOCKS_H

#include "convert/ingot_convert.h"

/* The encoding that GGUF gives this number; NULL for an element type, a removed encoding, or an unknown number. An
 * encoding whose `decode` is NULL can be listed, its size known, and not read. Static. */
const struct ingot_block *block_find(uint32_t gguf_type);

#endif
