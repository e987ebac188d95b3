/*
 * fuzz_tokenizer.c - a hostile @vocabulary section and a hostile text.
 *
 * Input: u16 length of the text, the text, the section. What opens must encode without reading outside the section and
 * give only ids that are tokens, never more than the text has bytes.
 */
#include "format/bytes.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(const struct ingot_tokenizer *t, const uint8_t *text, size_t n, unsigned flags)
{
    struct ingot_ids ids = { 0 };
    struct ingot_error err = { 0 };
    enum ingot_status status = ingot_tokenizer_encode(t, (const char *)text, n, flags, &ids, &err);
    if (status != INGOT_OK && status != INGOT_E_VOCABULARY && status != INGOT_E_MEMORY) abort();
    if (status != err.status || (status != INGOT_OK && ids.n != 0) || ids.n > n) abort();
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < ids.n; i++) {
        size_t length;
        const char *piece = ingot_tokenizer_piece(t, ids.ids[i], &length);
        if (ids.ids[i] >= ingot_tokenizer_count(t)) abort();
        if (length > 0) sum = (uint8_t)(sum + (uint8_t)piece[0] + (uint8_t)piece[length - 1]);
    }
    ingot_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) return 0;
    size_t n_text = get_u16(data) < n - 2 ? get_u16(data) : n - 2, n_section = n - 2 - n_text;
    uint8_t *section = aligned_alloc(64, (n_section + 64) & ~(size_t)63), *text = malloc(n_text + 1);
    struct ingot_tokenizer t;
    struct ingot_error err = { 0 };
    if (!section || !text) abort();
    memcpy(text, data + 2, n_text);
    memcpy(section, data + 2 + n_text, n_section);
    if (tokenizer_bind(section, n_section, "fuzz", 0, &t, &err) == INGOT_OK) {
        if (t.eot != UINT32_MAX && t.eot >= t.n_tokens) abort();
        use(&t, text, n_text, INGOT_ENCODE_PLAIN);
        use(&t, text, n_text, INGOT_ENCODE_SPECIAL);
    }
    free(section);
    free(text);
    return 0;
}
