/* fuzz_export.c - a hostile .ingot file on its way out: bound, planned for every format, its tensors unpacked.
 *
 * Input: one byte that says what the rest is (even: a file, whose checksums are made right first; odd: a @vocabulary
 * section), then that. A vocabulary that is taken must come out of its lists again byte for byte. Nothing is written:
 * what is planned must lie inside the file that it is planned for. */
#include "convert/export.h"
#include "convert/q8_blocks.h"
#include "convert/vocab_section.h"
#include "format/checked.h"
#include "tests/fuzz/repair.h"

#include <stdlib.h>

#define N_VOCAB 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* ------------------------------------------------------------------------------------------------------ vocabulary */

static void read_section(const uint8_t *bytes, size_t n)
{
    const struct ingot_section section = { .data = bytes, .raw_bytes = n };
    struct ingot_error err = { 0 };
    struct vocab_tables t;
    uint32_t eot;
    uint8_t *again = NULL;
    uint64_t n_again = 0;
    enum ingot_status status = vocab_section_read(&section, "fuzz", N_VOCAB, &t, &eot, &err);
    if (status != err.status) abort();
    if (status != INGOT_OK) return;
    if (eot != VOCAB_NO_TOKEN && (eot >= t.n_pieces || !t.pieces[eot].special)) abort();
    if (vocab_tables_encode(&t, &again, &n_again, NULL) != INGOT_OK) abort();
    if (n_again != n || memcmp(again, bytes, n) != 0) abort();
    free(again);
    vocab_tables_free(&t);
}

/* ------------------------------------------------------------------------------------------------------------ file */

/* The first and the last elements of a piece. */
static void unpack_ends(const struct export_piece *p)
{
    enum { WINDOW = 300 };
    float window[WINDOW];
    uint64_t n = p->n_elems < WINDOW ? p->n_elems : WINDOW;
    if (p->dtype == INGOT_Q8) {
        n -= n % Q8_0_ELEMS;
        q8_get_blocks(p->section, 0, n, (uint8_t *)window);
        q8_get_blocks(p->section, p->n_elems - n, n, (uint8_t *)window);
        return;
    }
    ingot_unpack(p->section, p->transposed, p->dtype, 0, n, window, NULL);
    ingot_unpack(p->section, p->transposed, p->dtype, p->n_elems - n, n, window, NULL);
}

static void check_file(const struct export_file *f)
{
    if (f->head.bad || f->head.n > f->n_bytes) abort();
    for (size_t i = 0; i < f->n_pieces; i++) {
        const struct export_piece *p = &f->pieces[i];
        if (p->off < f->head.n || !span_inside(p->off, export_bytes(p->dtype, p->n_elems), f->n_bytes)) abort();
        unpack_ends(p);
    }
}

static void plan_for(const struct ingot_file *file, const struct export_target *target, enum ingot_dtype dtype)
{
    const struct ingot_export_options options = { .dtype = dtype };
    struct ingot_error err = { 0 };
    struct exporter e = { .file = file, .options = &options, .err = &err };
    enum ingot_status status = export_bind(&e);
    if (status == INGOT_OK) status = target->plan(&e);
    if (status != err.status) abort();
    for (size_t i = 0; i < e.n_files && status == INGOT_OK; i++) check_file(&e.files[i]);
    export_free(&e);
}

static void open_and_plan(uint8_t *bytes, size_t n)
{
    static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_F32, INGOT_F16, INGOT_BF16 };
    struct ingot_file *file;
    repair(bytes, n);
    if (ingot_open_memory(bytes, n, "fuzz", &file, NULL) != INGOT_OK) return;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        plan_for(file, &export_huggingface, dtypes[i]);
        plan_for(file, &export_gguf, dtypes[i]);
        plan_for(file, &export_llmc, dtypes[i]);
    }
    ingot_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    void *bytes = NULL;
    if (n < 2 || posix_memalign(&bytes, SECTION_ALIGN, n - 1) != 0) return 0;
    memcpy(bytes, data + 1, n - 1);
    if (data[0] & 1)
        read_section(bytes, n - 1);
    else
        open_and_plan(bytes, n - 1);
    free(bytes);
    return 0;
}
