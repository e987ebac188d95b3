/* npy.c - magic, version, length, a Python dictionary, spaces up to a multiple of 64, a newline (NEP 1). */
#include "inspect/npy.h"

#include "format/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#define PREFIX_BYTES 10

void npy_header(uint64_t n_rows, uint64_t n_cols, uint8_t out[NPY_HEADER_BYTES])
{
    char text[NPY_HEADER_BYTES];
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %" PRIu64 "), }", n_rows, n_cols);
    memset(out, ' ', NPY_HEADER_BYTES);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    put_u16(out + 8, NPY_HEADER_BYTES - PREFIX_BYTES);
    memcpy(out + PREFIX_BYTES, text, (size_t)n);
    out[NPY_HEADER_BYTES - 1] = '\n';
}
