/* fuzz_open.c - a hostile .ingot file: opened, walked with every accessor, used and verified.
 *
 * Whoever writes a hostile file writes fitting checksums too, so each input is tried as it is and with the checksums of
 * its superblocks and index repaired; without that, no mutation would get beyond them. */
#include "format/checked.h"
#include "runtime/ingot_runtime.h"
#include "tests/fuzz/repair.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Reads what a section promises to be readable; a sanitizer sees the rest. */
static unsigned touch(const struct ingot_section *s)
{
    const uint8_t *bytes = s->data;
    unsigned sum = (unsigned)strlen(s->name);
    if (sum != s->name_len) abort();
    if (s->raw_bytes) sum += bytes[0] + (unsigned)bytes[s->raw_bytes - 1];
    return sum;
}

static void touch_elements(const struct ingot_section *s)
{
    bool tensor = s->kind == INGOT_KIND_TENSOR || s->kind == INGOT_KIND_ALIAS;
    if (!tensor || s->raw_bytes == 0 || s->rank < 1 || s->rank > 2) return;
    uint64_t last_row = s->rank == 2 ? s->shape[0] - 1 : 0;
    ingot_element(s, 0, 0);
    ingot_element(s, last_row, s->shape[s->rank - 1] - 1);
}

static void walk(const struct ingot_file *file)
{
    struct ingot_file_info info;
    struct ingot_section found;
    ingot_file_get_info(file, &info);
    uint32_t n = ingot_section_count(file);
    for (uint32_t i = 0; i < n; i++) {
        struct ingot_section s = ingot_section_at(file, i);
        touch(&s);
        touch_elements(&s);
        if (!ingot_find(file, s.name, &found) || found.data != s.data) abort();
        if (ingot_section_by_offset(file, i) >= n) abort();
        if (s.kind == INGOT_KIND_ALIAS && ingot_section_at(file, s.target).data != s.data) abort();
        if (!span_inside(s.data_off, s.stored_bytes, info.file_bytes)) abort();
    }
}

static void tokenize(const struct ingot_file *file)
{
    static const char text[] = "ab abab <|endoftext|>\xff 12";
    struct ingot_tokenizer *tokenizer;
    struct ingot_ids ids = { 0 };
    size_t n;
    if (ingot_tokenizer_open(file, &tokenizer, NULL) != INGOT_OK) return;
    ingot_tokenizer_encode(tokenizer, text, sizeof text - 1, INGOT_ENCODE_PLAIN, &ids, NULL);
    ingot_tokenizer_encode(tokenizer, text, sizeof text - 1, INGOT_ENCODE_SPECIAL, &ids, NULL);
    for (uint32_t id = 0; id < 300; id++) {
        const char *piece = ingot_tokenizer_piece(tokenizer, id, &n);
        for (size_t i = 0; i < n; i++) (void)*(const volatile char *)(piece + i);
    }
    ingot_ids_free(&ids);
    ingot_tokenizer_close(tokenizer);
}

static void open_and_use(const uint8_t *bytes, size_t n)
{
    const struct ingot_verify_options options = { .n_threads = 1 };
    struct ingot_hparams hp;
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    enum ingot_status status = ingot_open_memory(bytes, n, "fuzz", &file, &err);
    if (status != INGOT_OK) {
        if (err.status != status || file) abort();
        return;
    }
    walk(file);
    ingot_hparams_read(file, &hp, NULL);
    tokenize(file);
    ingot_verify(file, &options, NULL, NULL);
    ingot_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    void *bytes = NULL;
    if (posix_memalign(&bytes, SECTION_ALIGN, n ? n : 1) != 0) return 0;
    if (n) memcpy(bytes, data, n);
    open_and_use(bytes, n);
    repair(bytes, n);
    open_and_use(bytes, n);
    free(bytes);
    return 0;
}
