/*
 * fuzz_llmc.c - any bytes as llm.c's model file, and as its tokenizer.
 *
 * Input: one byte that says what the rest is (even: a model, odd: a tokenizer), then what stands in the file behind the
 * zeros of its header: 32 bytes, then the data. A model that is accepted must have its tensors inside the file, a
 * vocabulary must be a section that the runtime opens.
 */
#include "convert/llmc.h"
#include "convert/vocab_read.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define N_VOCAB  4096u
#define N_HEADER 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_error(enum ingot_status status, const struct ingot_error *err, uint64_t size)
{
    if (status != err->status || err->message[0] == '\0') abort();
    if (err->offset != INGOT_NO_OFFSET && err->offset > size) abort();
}

/* Reads the first and last byte of every tensor, which a sanitizer checks; together they are the file. */
static void try_model(const uint8_t *bytes, uint64_t size)
{
    struct name_pool names = { 0 };
    struct llmc_header header;
    struct ingot_source_tensor *tensors;
    struct ingot_error err = { 0 };
    size_t n;
    volatile uint8_t sink;
    uint64_t at = LLMC_HEADER_BYTES;
    enum ingot_status status = llmc_parse(bytes, size, "fuzz", "fuzz", &names, &header, &tensors, &n, &err);
    if (status != INGOT_OK) {
        check_error(status, &err, size);
        name_pool_free(&names);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *first = tensors[i].data;
        if (tensors[i].file_off != at || tensors[i].n_bytes == 0) abort();
        sink = first[0];
        sink = first[tensors[i].n_bytes - 1];
        at += tensors[i].n_bytes;
    }
    (void)sink;
    if (at != size || header.n_rows < header.n_vocab) abort();
    name_pool_free(&names);
    free(tensors);
}

static void try_tokenizer(const uint8_t *bytes, uint64_t size)
{
    static char path[] = "fuzz"; /* the tables borrow it */
    const struct input in = { .path = path, .base = path, .map = { .bytes = bytes, .size = size } };
    struct vocab_tables t = { .n_vocab = N_VOCAB };
    struct ingot_tokenizer tokenizer;
    struct ingot_error err = { 0 };
    uint8_t *section = NULL;
    uint64_t n_section = 0;
    enum ingot_status status = vocab_read_llmc(&in, &t, &err);
    if (status == INGOT_OK) status = vocab_tables_encode(&t, &section, &n_section, &err);
    if (status != INGOT_OK) check_error(status, &err, size);
    if (section && tokenizer_bind(section, n_section, "fuzz", 0, &tokenizer, NULL) != INGOT_OK) abort();
    free(section);
    vocab_tables_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0) return 0;
    size_t n_file = n - 1, n_head = n_file < N_HEADER ? n_file : N_HEADER;
    size_t size = n_file < N_HEADER ? n_file : LLMC_HEADER_BYTES + (n_file - N_HEADER);
    uint8_t *bytes = calloc(1, size ? size : 1);
    if (!bytes) return 0;
    memcpy(bytes, data + 1, n_head);
    if (n_file > N_HEADER) memcpy(bytes + LLMC_HEADER_BYTES, data + 1 + N_HEADER, n_file - N_HEADER);
    if (data[0] & 1)
        try_tokenizer(bytes, size);
    else
        try_model(bytes, size);
    free(bytes);
    return 0;
}
