/* fuzz_run.c - a hostile .ingot file, its checksums made right, is bound and run: any weights, scales and
 * hyper-parameters. Prefill and decoding must give the same bits, whatever they are. */
#include "runtime/ingot_runtime.h"
#include "tests/fuzz/repair.h"

#include <stdlib.h>
#include <string.h>

#define N_TOKENS 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The logits of the last token. */
static void evaluate(const struct ingot_model *model, const uint32_t *ids, uint32_t at_once, float *logits)
{
    const struct ingot_session_options options = { .n_ctx = N_TOKENS, .n_threads = 1 };
    struct ingot_session *session;
    if (ingot_session_create(model, &options, &session, NULL) != INGOT_OK) abort();
    for (uint32_t i = 0; i < N_TOKENS; i += at_once)
        if (ingot_session_eval(session, ids + i, at_once, INGOT_LOGITS_LAST, logits, NULL) != INGOT_OK) abort();
    ingot_session_close(session);
}

static void run(const struct ingot_model *model)
{
    const struct ingot_hparams *hp = ingot_model_hparams(model);
    const uint32_t ids[N_TOKENS] = { hp->n_vocab / 2, hp->n_vocab - 1 };
    float *prefilled = calloc(hp->n_vocab, sizeof *prefilled), *decoded = calloc(hp->n_vocab, sizeof *decoded);
    if (hp->n_ctx >= N_TOKENS && prefilled && decoded) {
        evaluate(model, ids, N_TOKENS, prefilled);
        evaluate(model, ids, 1, decoded);
        if (memcmp(prefilled, decoded, hp->n_vocab * sizeof *decoded) != 0) abort();
    }
    free(prefilled);
    free(decoded);
}

static void open_and_run(uint8_t *bytes, size_t n)
{
    static const char *const rungs[] = { "scalar", NULL }; /* NULL: the best one here */
    struct ingot_file *file;
    struct ingot_model *model;
    repair(bytes, n);
    if (ingot_open_memory(bytes, n, "fuzz", &file, NULL) != INGOT_OK) return;
    for (size_t i = 0; i < 2; i++) {
        if (ingot_model_open(file, rungs[i], &model, NULL) != INGOT_OK) continue;
        run(model);
        ingot_model_close(model);
    }
    ingot_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    void *bytes = NULL;
    if (n == 0 || posix_memalign(&bytes, SECTION_ALIGN, n) != 0) return 0;
    memcpy(bytes, data, n);
    open_and_run(bytes, n);
    free(bytes);
    return 0;
}
