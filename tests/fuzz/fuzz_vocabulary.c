/*
 * fuzz_vocabulary.c - hostile tokenizer files.
 *
 * Input: one byte that says what the rest is (even: tokenizer.json, odd: a list of merges for the 256 bytes and what
 * the list itself makes of them), then the file. What is accepted must be a section that the runtime opens and encodes
 * with.
 */
#include "convert/vocab_read.h"
#include "format/error.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define N_VOCAB 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* All bytes, and every pair of letters of "helo". */
static enum ingot_status add_tokens(struct vocab_tables *t, struct ingot_error *err)
{
    static const uint8_t letters[] = "helo";
    const struct vocab_place place = { .file = "fuzz" };
    for (uint32_t b = 0; b < 256; b++) {
        uint8_t byte = (uint8_t)b;
        if (vocab_tables_add_token(t, b, (struct vocab_span){ &byte, 1 }, false, place, err) != INGOT_OK) abort();
    }
    for (uint32_t i = 0; i < 16; i++) {
        const uint8_t pair[] = { letters[i / 4], letters[i % 4] };
        if (vocab_tables_add_token(t, 256 + i, (struct vocab_span){ pair, 2 }, false, place, err) != INGOT_OK) abort();
    }
    return vocab_tables_close_tokens(t, "fuzz", err);
}

static enum ingot_status read_file(const uint8_t *data, size_t n, bool merges, struct vocab_tables *t,
                                   struct ingot_error *err)
{
    static char path[] = "fuzz"; /* the tables borrow it */
    const struct input in = { .path = path, .base = path, .map = { .bytes = data, .size = n } };
    if (!merges) return vocab_read_tokenizer(&in, t, err);
    enum ingot_status status = add_tokens(t, err);
    return status == INGOT_OK ? vocab_read_merges(&in, t, err) : status;
}

static void use(const uint8_t *bytes, uint64_t n_bytes)
{
    static const char text[] = "hello <|endoftext|> 123\n\n he\xff";
    struct ingot_tokenizer t;
    struct ingot_ids ids = { 0 };
    if (tokenizer_bind(bytes, n_bytes, "fuzz", 0, &t, NULL) != INGOT_OK) abort();
    if (ingot_tokenizer_encode(&t, text, sizeof text - 1, INGOT_ENCODE_SPECIAL, &ids, NULL) != INGOT_OK) abort();
    size_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        size_t length;
        const char *piece = ingot_tokenizer_piece(&t, ids.ids[i], &length);
        if (length > sizeof text - 1 - at || memcmp(piece, text + at, length) != 0) abort();
        at += length;
    }
    if (at != sizeof text - 1) abort();
    ingot_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct vocab_tables t = { .n_vocab = N_VOCAB };
    struct ingot_error err = { 0 };
    uint8_t *bytes = NULL;
    uint64_t n_bytes = 0;
    if (n == 0) return 0;
    enum ingot_status status = read_file(data + 1, n - 1, data[0] & 1, &t, &err);
    if (status == INGOT_OK) status = vocab_tables_encode(&t, &bytes, &n_bytes, &err);
    if (status != err.status || (status != INGOT_OK && bytes)) abort();
    if (bytes) use(bytes, n_bytes);
    free(bytes);
    vocab_tables_free(&t);
    return 0;
}
