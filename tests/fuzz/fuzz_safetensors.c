/* fuzz_safetensors.c - any bytes as a safetensors file: the parser must refuse them or give spans inside them. */
#include "convert/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Reads the first and last byte of every tensor, which a sanitizer checks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct name_pool names = { 0 };
    struct safetensors_file f;
    struct ingot_error err = { 0 };
    volatile uint8_t sink;
    if (safetensors_parse(data, n, "fuzz", "fuzz", &names, &f, &err) != INGOT_OK) {
        if (err.status == INGOT_OK || err.message[0] == '\0') abort();
        if (err.offset != INGOT_NO_OFFSET && err.offset > n) abort();
        name_pool_free(&names);
        return 0;
    }
    for (size_t i = 0; i < f.n_tensors; i++) {
        const uint8_t *at = f.tensors[i].data;
        if (f.tensors[i].n_bytes == 0) continue;
        sink = at[0];
        sink = at[f.tensors[i].n_bytes - 1];
    }
    (void)sink;
    name_pool_free(&names);
    safetensors_free(&f);
    return 0;
}
