/* fuzz_zip.c - any bytes as a zip file: the list must be refused, or have members apart from each other inside of them.
 */
#include "convert/zip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct zip zip;
    struct ingot_error err = { 0 };
    volatile uint8_t sink = 0;
    if (zip_list(data, n, "fuzz", &zip, &err) != INGOT_OK) {
        if (err.status == INGOT_OK || err.message[0] == '\0') abort();
        if (err.offset != INGOT_NO_OFFSET && err.offset > n) abort();
        return 0;
    }
    for (size_t i = 0; i < zip.n; i++) {
        const struct zip_member *m = &zip.members[i];
        if (zip_find(&zip, m->name, m->name_bytes) != m) abort();
        if (m->off < m->header_off || m->end < m->off + m->n_bytes || m->end > n) abort();
        if (m->n_bytes == 0) continue;
        sink = data[m->off];
        sink = data[m->off + m->n_bytes - 1];
    }
    (void)sink;
    zip_free(&zip);
    return 0;
}
