/* npy.h - the header of NumPy's format 1.0 for a matrix of little-endian floats in C order. */
#ifndef INGOT_NPY_H
#define INGOT_NPY_H

#include <stddef.h>
#include <stdint.h>

#define NPY_HEADER_BYTES 128

void npy_header(uint64_t n_rows, uint64_t n_cols, uint8_t out[NPY_HEADER_BYTES]);

#endif
