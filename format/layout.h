/* layout.h - where elements and sections go: the geometry that reader, writer, packer and runtime share. */
#ifndef INGOT_LAYOUT_H
#define INGOT_LAYOUT_H

#include "format/disk.h"

/* Inputs that a panel holds, padding included: 16-bit dtypes come in pairs, so that a panel is whole cache lines. */
static inline uint64_t panel_inputs(enum ingot_dtype dtype, uint64_t n_in)
{
    return dtype == INGOT_F32 ? n_in : n_in + (n_in & 1);
}

/* Bytes of one panel of 16 outputs. The caller knows that ingot_layout_bytes() accepted the matrix. */
static inline uint64_t panel_bytes(enum ingot_dtype dtype, uint64_t n_in)
{
    return panel_inputs(dtype, n_in) * INGOT_PANEL_LANES * ingot_dtype_size(dtype);
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

/* What the name of a section that is not a tensor must be; NULL for tensors, aliases and unknown kinds. */
const char *kind_reserved_name(enum ingot_kind kind);

#endif
