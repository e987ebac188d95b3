/* npy.c - magic, version, length, a Python dictionary, spaces up to a multiple of 64, a newline (NEP 1). */
#include "inspect/npy.h"

#include "format/error.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/terminal.h"

#include "format/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#define PREFIX_BYTES 10

/* A tuple of one is "(3,)" in Python. */
size_t npy_header(const char *descr, uint32_t rank, const uint64_t *shape, uint8_t out[NPY_HEADER_MAX])
{
    char text[NPY_HEADER_MAX];
    size_t n = (size_t)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < rank; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%" PRIu64 "%s", i ? ", " : "", shape[i],
                              rank == 1 ? "," : "");
    n += (size_t)snprintf(text + n, sizeof text - n, "), }");
    size_t total = (PREFIX_BYTES + n + 1 + 63) / 64 * 64;
    memset(out, ' ', total);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    put_u16(out + 8, (uint16_t)(total - PREFIX_BYTES));
    memcpy(out + PREFIX_BYTES, text, n);
    out[total - 1] = '\n';
    return total;
}

enum ingot_status npy_check_target(const char *path, bool json, struct ingot_error *err)
{
    if (!outfile_is_stdout(path)) return INGOT_OK;
    if (json)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--npy -", "give --npy FILE.npy",
                          "array and JSON would both go to the standard output");
    if (terminal_is(stdout))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--npy -", "redirect it: --npy - >FILE.npy",
                          "bytes are not for a terminal");
    return INGOT_OK;
}
