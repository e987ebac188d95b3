/* npy.h - the header of NumPy's format 1.0 for little-endian elements in C order. */
#ifndef INGOT_NPY_H
#define INGOT_NPY_H

#include "format/ingot_format.h"

#define NPY_HEADER_MAX 320

/* `descr` is NumPy's name of the dtype, "<f4". Returns the length of the header, a multiple of 64. */
size_t npy_header(const char *descr, uint32_t rank, const uint64_t *shape, uint8_t out[NPY_HEADER_MAX]);

/* ARGUMENT where `path` is "-" and stdout is a terminal, or also gets JSON. */
enum ingot_status npy_check_target(const char *path, bool json, struct ingot_error *err);

#endif
