/*
 * fuzz_gguf.c - any bytes as a GGUF file: the parser must refuse them or give spans inside them, values that can be
 * read, and blocks that can be decoded.
 */
#include "convert/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Walks over every value as the reader does; a sanitizer checks what is touched. */
static void use_value(const struct gguf_file *f, const struct gguf_value *v)
{
    struct ingot_fact fact;
    struct cursor at = v->bytes;
    bool is_fact = gguf_fact(v, &fact);
    if (is_fact && v->is_array) abort();
    if (v->type != GGUF_STRING) return;
    for (uint64_t i = 0; i < v->n; i++) gguf_take_string(&at);
    if (at.bad || at.left != 0) abort();
    char *key = strndup(v->key.at, v->key.n);
    if (!key || gguf_find(f, key) != v) abort();
    free(key);
}

/* The first and the last elements of a tensor. */
static void use_tensor(const struct ingot_source_tensor *t)
{
    uint64_t elems;
    double out[32];
    if (!ingot_shape_elems(t->rank, t->shape, &elems)) abort();
    if (elems == 0 || (t->scalar == INGOT_SCALAR_NONE && !t->block)) return;
    uint64_t n = elems < 32 ? elems : 32;
    ingot_source_gather(t, 0, n, out);
    ingot_source_gather(t, elems - n, n, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gguf_file f;
    struct ingot_error err = { 0 };
    if (gguf_parse(data, n, "fuzz", "fuzz", &f, &err) != INGOT_OK) {
        if (err.status == INGOT_OK || err.message[0] == '\0') abort();
        if (err.offset == INGOT_NO_OFFSET || err.offset > n) abort();
        return 0;
    }
    for (size_t i = 0; i < f.n_values; i++) use_value(&f, &f.values[i]);
    for (size_t i = 0; i < f.n_tensors; i++) use_tensor(&f.tensors[i]);
    gguf_free(&f);
    return 0;
}
