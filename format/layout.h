/* layout.h - where elements and sections go: the geometry that reader, writer, packer and runtime share. */
#ifndef INGOT_LAYOUT_H
#define INGOT_LAYOUT_H

#include "format/disk.h"

/* ---- q8 and q4: where things are in a step of INGOT_QUANT_STEP inputs of one panel (ingot_format.h, INGOT_PANEL16) */

enum {
    QUANT_SCALE_BYTES = 64, /* of a step: two blocks x 16 lanes x f16 */
    QUANT_Q8_STEP_BYTES = QUANT_SCALE_BYTES + INGOT_QUANT_STEP * INGOT_PANEL_LANES,
    QUANT_Q4_STEP_BYTES = QUANT_SCALE_BYTES + INGOT_QUANT_STEP * INGOT_PANEL_LANES / 2,
    QUANT_Q8_ZERO = 128, /* the code of level 0 */
    QUANT_Q4_ZERO = 8,
};

/* The level of each code of q4, ascending; within -63 .. 63, so that a level plus 64 times an activation's code
 * fits twice into a signed 16-bit sum. Fitted by tests/tools/fit_q4.py to trained weights. */
extern const int8_t quant_q4_levels[16];

/* Bytes of a step; 0 for dtypes that are not block-quantised. */
static inline uint64_t quant_step_bytes(enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 ? QUANT_Q8_STEP_BYTES : dtype == INGOT_Q4 ? QUANT_Q4_STEP_BYTES : 0;
}

/* The code of level 0: what padding holds. */
static inline uint8_t quant_zero_code(enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 ? QUANT_Q8_ZERO : QUANT_Q4_ZERO;
}

/* Offset of the scale of a step's input k < INGOT_QUANT_STEP. */
static inline size_t quant_scale_at(size_t k, size_t lane)
{
    return (k / INGOT_QUANT_BLOCK * INGOT_PANEL_LANES + lane) * 2;
}

/* Offset of the byte with the code of a step's input k. q4: the low nibble where k / 4 is even. */
static inline size_t quant_code_at(enum ingot_dtype dtype, size_t k, size_t lane)
{
    const size_t group = dtype == INGOT_Q8 ? k / 4 : k / 8;
    return QUANT_SCALE_BYTES + (group * INGOT_PANEL_LANES + lane) * 4 + k % 4;
}

/* Inputs that come together, the last ones padded: 16-bit dtypes in pairs, so that a panel is whole cache lines. */
static inline uint64_t panel_input_unit(enum ingot_dtype dtype)
{
    return quant_step_bytes(dtype) > 0 ? INGOT_QUANT_STEP : dtype == INGOT_F32 ? 1 : 2;
}

/* Inputs that a panel holds, padding included. */
static inline uint64_t panel_inputs(enum ingot_dtype dtype, uint64_t n_in)
{
    const uint64_t unit = panel_input_unit(dtype);
    return (n_in + unit - 1) / unit * unit;
}

/* Bytes of one panel of 16 outputs. The caller knows that ingot_layout_bytes() accepted the matrix. */
static inline uint64_t panel_bytes(enum ingot_dtype dtype, uint64_t n_in)
{
    const uint64_t step = quant_step_bytes(dtype), inputs = panel_inputs(dtype, n_in);
    return step > 0 ? inputs / INGOT_QUANT_STEP * step : inputs * INGOT_PANEL_LANES * ingot_dtype_size(dtype);
}

/* The alignment that a section's offset must have [F-60]: matrices and the vocabulary the file's, all else a cache
 * line. An empty section has no byte to align. */
static inline uint64_t section_align(enum ingot_kind kind, uint32_t rank, uint64_t raw_bytes, uint64_t file_align)
{
    bool matrix = (kind == INGOT_KIND_TENSOR || kind == INGOT_KIND_ALIAS) && rank >= 2;
    return raw_bytes > 0 && (matrix || kind == INGOT_KIND_VOCABULARY) ? file_align : SECTION_ALIGN;
}

/* Chunks of a section of raw_bytes. */
static inline uint64_t chunk_count(uint64_t raw_bytes)
{
    return raw_bytes / INGOT_CHUNK_BYTES + (raw_bytes % INGOT_CHUNK_BYTES != 0);
}

/* Bytes of chunk number `chunk` of a section of raw_bytes. */
static inline uint64_t chunk_bytes(uint64_t raw_bytes, uint64_t chunk)
{
    uint64_t rest = raw_bytes - chunk * INGOT_CHUNK_BYTES;
    return rest < INGOT_CHUNK_BYTES ? rest : INGOT_CHUNK_BYTES;
}

/* Whether matrices of this dtype can be in panels [F-41]. */
bool dtype_has_panels(enum ingot_dtype dtype);

/* What the name of a section that is not a tensor must be; NULL for tensors, aliases and unknown kinds. */
const char *kind_reserved_name(enum ingot_kind kind);
/* Whether it is the name of some kind. */
bool is_reserved_name(const char *name);

#endif
