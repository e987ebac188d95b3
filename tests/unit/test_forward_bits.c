/*
 * test_forward_bits.c - the promise of spec/arithmetic.md: the logits of a file are the same bits everywhere.
 *
 * The definition is the scalar rung on one thread, all tokens in one batch. Everything else is compared with memcmp
 * over all logits of all positions: other rungs, threads, batch sizes, cuts of the prompt, the caller's rounding mode,
 * and what an earlier timeline left in the cache.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/forward.h"
#include "runtime/kernels/kernels.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/random.h"

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 1040

/* A model, a prompt that fills its context, and the logits by definition. */
struct subject {
    struct model_fixture fixture;
    uint32_t ids[MAX_TOKENS];
    size_t n, n_vocab;
    enum ingot_kv kv;
    float *definition; /* [n][n_vocab] */
};

static struct subject open_subject_kv(const char *options, enum ingot_dtype dtype, enum ingot_kv kv)
{
    struct subject s = { .kv = kv };
    s.fixture = options ? model_from_options(options, dtype, "scalar")
                        : model_from_checkpoint(path_from_root("tests/models/bard"), dtype, "scalar");
    const struct ingot_hparams *hp = ingot_model_hparams(s.fixture.model);
    uint64_t state = 1;
    s.n = hp->n_ctx;
    s.n_vocab = hp->n_vocab;
    assert_in_range(s.n, 1, MAX_TOKENS);
    for (size_t i = 0; i < s.n; i++) s.ids[i] = (uint32_t)random_below(&state, hp->n_vocab);
    const struct ingot_session_options one = { .n_threads = 1, .n_batch = hp->n_ctx, .kv = kv };
    s.definition = all_logits(s.fixture.model, &one, s.ids, s.n);
    return s;
}

static struct subject open_subject(const char *options, enum ingot_dtype dtype)
{
    return open_subject_kv(options, dtype, INGOT_KV_DEFAULT);
}

static void close_subject(struct subject *s)
{
    free(s->definition);
    model_fixture_close(&s->fixture);
}

static void assert_same_bits(const struct subject *s, const float *logits, size_t from, size_t n)
{
    assert_memory_equal(logits, s->definition + from * s->n_vocab, n * s->n_vocab * sizeof *logits);
}

/* Evaluates the prompt from `session`'s position on, cut into random pieces of at most `most` tokens. */
static void eval_in_pieces(const struct subject *s, struct ingot_session *session, uint32_t most, uint64_t seed)
{
    float *logits = malloc(s->n * s->n_vocab * sizeof *logits);
    size_t at = ingot_session_position(session);
    while (at < s->n) {
        size_t n = 1 + random_below(&seed, most);
        if (n > s->n - at) n = s->n - at;
        assert_int_equal(ingot_session_eval(session, s->ids + at, n, INGOT_LOGITS_ALL, logits, NULL), INGOT_OK);
        assert_same_bits(s, logits, at, n);
        at += n;
    }
    free(logits);
}

static void try_threads_and_cuts(const struct subject *s, const struct ingot_model *model)
{
    for (uint32_t threads = 1; threads <= 3; threads++) {
        const uint32_t batches[] = { 1, 5, 17, 0 }, pieces[] = { 256, 64, 13, 1 };
        for (size_t i = 0; i < 4; i++) {
            const struct ingot_session_options options = { .n_threads = threads, .n_batch = batches[i], .kv = s->kv };
            struct ingot_session *session;
            assert_int_equal(ingot_session_create(model, &options, &session, NULL), INGOT_OK);
            eval_in_pieces(s, session, pieces[i], threads);
            ingot_session_close(session);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- tests */

static const char *const SHAPES[] = {
    "--n_layer 2 --n_head 3 --n_embd 48 --n_vocab 67 --n_ctx 70",
    "--n_layer 2 --n_head 5 --n_embd 75 --n_inner 131 --n_vocab 101 --n_ctx 37 --activation gelu",
    "--n_layer 1 --n_head 1 --n_embd 65 --n_inner 3 --n_vocab 3 --n_ctx 11 --no-bias --untied",
    "--n_layer 1 --n_head 7 --n_embd 7 --n_vocab 33 --n_ctx 1",
    "--n_layer 1 --n_head 1 --n_embd 1 --n_inner 1 --n_vocab 1 --n_ctx 3",
    "--n_layer 2 --n_head 1 --n_embd 2 --n_inner 1 --n_vocab 2 --n_ctx 19",
    "--n_layer 1 --n_head 3 --n_embd 51 --n_inner 17 --n_vocab 17 --n_ctx 33",
    "--n_layer 1 --n_head 5 --n_embd 80 --n_inner 200 --n_vocab 3 --n_ctx 11",
    /* more than one block of the cache */
    "--n_layer 1 --n_head 2 --n_embd 34 --n_inner 70 --n_vocab 5 --n_ctx 150",
};

/* What a file's matrices and a session's cache are. */
struct storage {
    enum ingot_dtype dtype;
    enum ingot_kv kv;
};

static void try_rung(const struct subject *s, const struct rung *rung)
{
    struct ingot_model *model = model_on(&s->fixture, rung->name);
    if (model) try_threads_and_cuts(s, model);
    ingot_model_close(model);
}

static void bits_do_not_depend_on_rung_threads_or_cuts(void **state)
{
    const struct storage *storage = *state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        struct subject s = open_subject_kv(SHAPES[i], storage->dtype, storage->kv);
        for (size_t r = 0; kernels_rung(r); r++) try_rung(&s, kernels_rung(r));
        close_subject(&s);
    }
}

/* Without the last rung, the definition, which is slow and what all are compared with. */
static void bits_of_the_shipped_model_do_not_depend_on_rung_threads_or_cuts(void **state)
{
    (void)state;
    struct subject s = open_subject(NULL, INGOT_F32);
    for (size_t r = 0; kernels_rung(r + 1); r++) try_rung(&s, kernels_rung(r));
    close_subject(&s);
}

/* Rows of 1600 are not whole tiles of panels, and take seven chains of blocks. */
static void bits_of_the_widest_gpt2_do_not_depend_on_the_rung(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F16, INGOT_Q8, INGOT_Q4 };
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        struct subject s =
            open_subject("--n_layer 1 --n_head 25 --n_embd 1600 --n_inner 33 --n_vocab 3 --n_ctx 11", dtypes[d]);
        for (size_t r = 0; kernels_rung(r + 1); r++) {
            struct ingot_model *model = model_on(&s.fixture, kernels_rung(r)->name);
            const struct ingot_session_options options = { .n_threads = 2, .n_batch = 7 };
            float *logits = model ? all_logits(model, &options, s.ids, s.n) : NULL;
            if (logits) assert_same_bits(&s, logits, 0, s.n);
            free(logits);
            ingot_model_close(model);
        }
        close_subject(&s);
    }
}

/* The cache's blocks grow, to a largest length: 128, 128, 256, 512 positions, and the last 16 of these. */
static void bits_do_not_depend_on_how_a_context_of_five_blocks_is_cut(void **state)
{
    (void)state;
    struct subject s =
        open_subject("--n_layer 2 --n_head 2 --n_embd 34 --n_inner 5 --n_vocab 5 --n_ctx 1040", INGOT_F16);
    for (size_t r = 0; kernels_rung(r + 1); r++) {
        struct ingot_model *model = model_on(&s.fixture, kernels_rung(r)->name);
        for (uint32_t most = 1; model && most <= 400; most += 399) {
            const struct ingot_session_options options = { .n_threads = 2, .kv = s.kv };
            struct ingot_session *session;
            assert_int_equal(ingot_session_create(model, &options, &session, NULL), INGOT_OK);
            eval_in_pieces(&s, session, most, most);
            ingot_session_close(session);
        }
        ingot_model_close(model);
    }
    close_subject(&s);
}

enum { N_CLOSE = 64 };

/* Of the shipped model's logits, on the best rung. */
static float *shipped_logits(enum ingot_dtype dtype, enum ingot_kv kv, size_t *n)
{
    struct model_fixture fixture = model_from_checkpoint(path_from_root("tests/models/bard"), dtype, NULL);
    const uint32_t n_vocab = ingot_model_hparams(fixture.model)->n_vocab;
    const struct ingot_session_options options = { .kv = kv };
    uint32_t ids[N_CLOSE];
    for (uint32_t i = 0; i < N_CLOSE; i++) ids[i] = (i * i * 7 + i * 131 + 40) % n_vocab;
    float *logits = all_logits(fixture.model, &options, ids, N_CLOSE);
    *n = (size_t)N_CLOSE * n_vocab;
    model_fixture_close(&fixture);
    return logits;
}

/* The root mean square of the difference over that of the exact ones. */
static double distance(const float *exact, const float *other, size_t n)
{
    double squares = 0, error = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)exact[i], d = (double)other[i] - e;
        squares += e * e;
        error += d * d;
    }
    return sqrt(error / squares);
}

/* The bounds are loose: they stand against wrong places and wrong scales, not against a rounding. */
static void what_is_stored_more_coarsely_stays_close(void **state)
{
    (void)state;
    static const struct {
        struct storage storage;
        double least, most;
    } cases[] = {
        { { INGOT_F32, INGOT_KV_F16 }, 1e-7, 1e-3 },
        { { INGOT_Q8, INGOT_KV_F32 }, 1e-4, 0.02 },
        { { INGOT_Q8, INGOT_KV_F16 }, 1e-4, 0.02 },
        { { INGOT_Q4, INGOT_KV_F16 }, 1e-3, 0.2 },
    };
    size_t n;
    float *exact = shipped_logits(INGOT_F32, INGOT_KV_F32, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *other = shipped_logits(cases[i].storage.dtype, cases[i].storage.kv, &n);
        const double found = distance(exact, other, n);
        if (!(found >= cases[i].least && found <= cases[i].most)) fail_msg("case %zu: %g", i, found);
        free(other);
    }
    free(exact);
}

static void last_logits_are_the_last_row_of_all_logits(void **state)
{
    (void)state;
    struct subject s = open_subject(SHAPES[0], INGOT_F32);
    const struct ingot_session_options options = { .n_threads = 2, .n_batch = 16 };
    struct ingot_session *session;
    float *logits = malloc(s.n_vocab * sizeof *logits);
    assert_int_equal(ingot_session_create(s.fixture.model, &options, &session, NULL), INGOT_OK);
    for (size_t n = 1; n <= s.n; n += 11) {
        ingot_session_rewind(session, 0);
        assert_int_equal(ingot_session_eval(session, s.ids, n, INGOT_LOGITS_LAST, logits, NULL), INGOT_OK);
        assert_same_bits(&s, logits, n - 1, 1);
        ingot_session_rewind(session, 0);
        if (n > 1) assert_int_equal(ingot_session_eval(session, s.ids, n - 1, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
        assert_int_equal(ingot_session_eval(session, s.ids + n - 1, 1, INGOT_LOGITS_LAST, logits, NULL), INGOT_OK);
        assert_same_bits(&s, logits, n - 1, 1);
    }
    free(logits);
    ingot_session_close(session);
    close_subject(&s);
}

static void products_measured_alone_leave_the_timeline_as_it_is(void **state)
{
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_Q8 };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct subject s = open_subject(SHAPES[0], dtypes[i]);
        const struct ingot_session_options two = { .n_threads = 2 };
        struct ingot_session *session;
        struct ingot_error err = { 0 };
        float *logits = malloc(s.n * s.n_vocab * sizeof *logits);
        const size_t half = s.n / 2;
        assert_non_null(logits);
        assert_int_equal(ingot_session_create(s.fixture.model, &two, &session, &err), INGOT_OK);
        assert_int_equal(ingot_session_eval(session, s.ids, half, INGOT_LOGITS_ALL, logits, &err), INGOT_OK);
        forward_products(session, (uint32_t)half);
        assert_int_equal(ingot_session_position(session), half);
        assert_int_equal(
            ingot_session_eval(session, s.ids + half, s.n - half, INGOT_LOGITS_ALL, logits + half * s.n_vocab, &err),
            INGOT_OK);
        assert_same_bits(&s, logits, 0, s.n);
        free(logits);
        ingot_session_close(session);
        close_subject(&s);
    }
}

static void a_shorter_context_gives_the_same_bits(void **state)
{
    (void)state;
    struct subject s = open_subject(SHAPES[0], INGOT_F32);
    const struct ingot_session_options options = { .n_ctx = 33 };
    float *logits = all_logits(s.fixture.model, &options, s.ids, 33);
    assert_same_bits(&s, logits, 0, 33);
    free(logits);
    close_subject(&s);
}

/* A copy of the file in memory, to be changed before it is opened; the caller frees it after closing. */
static char *copy_file(const struct ingot_file *file, uint64_t *n_bytes)
{
    struct ingot_file_info info;
    const struct ingot_section first = ingot_section_at(file, 0);
    void *bytes;
    ingot_file_get_info(file, &info);
    assert_int_equal(posix_memalign(&bytes, 64, info.file_bytes), 0);
    memcpy(bytes, (const char *)first.data - first.data_off, info.file_bytes);
    *n_bytes = info.file_bytes;
    return bytes;
}

/* The f32 values of a tensor in such a copy. */
static float *values_in(char *bytes, const struct ingot_file *file, const char *name)
{
    struct ingot_section section;
    assert_true(ingot_find(file, name, &section));
    return (float *)(void *)(bytes + section.data_off);
}

static struct model_fixture open_copy(const char *bytes, uint64_t n_bytes)
{
    struct model_fixture fixture;
    assert_int_equal(ingot_open_memory(bytes, n_bytes, "copy", &fixture.file, NULL), INGOT_OK);
    assert_int_equal(ingot_model_open(fixture.file, NULL, &fixture.model, NULL), INGOT_OK);
    return fixture;
}

/* The same model, token 0's embedding replaced by NaN. */
static struct model_fixture poison_token_0(const struct model_fixture *from, void **bytes)
{
    uint64_t n_bytes;
    char *copy = copy_file(from->file, &n_bytes);
    float *panel = values_in(copy, from->file, "wte.weight");
    for (uint32_t k = 0; k < ingot_model_hparams(from->model)->n_embd; k++) panel[k * INGOT_PANEL_LANES] = NAN;
    *bytes = copy;
    return open_copy(copy, n_bytes);
}

/* In an untied model only the input embedding is poisoned, so logits of other tokens stay as they are. */
static void what_an_earlier_timeline_left_in_the_cache_never_leaks(void **state)
{
    (void)state;
    struct subject s = open_subject("--n_layer 2 --n_head 3 --n_embd 48 --n_vocab 67 --n_ctx 70 --untied", INGOT_F32);
    for (size_t i = 0; i < s.n; i++) s.ids[i] += s.ids[i] == 0;
    free(s.definition);
    s.definition = all_logits(s.fixture.model, NULL, s.ids, s.n);
    void *bytes;
    struct model_fixture poisoned = poison_token_0(&s.fixture, &bytes);
    const uint32_t zeros[MAX_TOKENS] = { 0 };
    const struct ingot_session_options options = { .n_threads = 2, .n_batch = 30 };
    struct ingot_session *session;
    assert_int_equal(ingot_session_create(poisoned.model, &options, &session, NULL), INGOT_OK);
    for (uint32_t kept = 0; kept < s.n; kept += 7) {
        ingot_session_rewind(session, 0);
        if (kept) assert_int_equal(ingot_session_eval(session, s.ids, kept, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
        assert_int_equal(ingot_session_eval(session, zeros, s.n - kept, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
        ingot_session_rewind(session, kept);
        eval_in_pieces(&s, session, 20, kept);
    }
    ingot_session_close(session);
    model_fixture_close(&poisoned);
    free(bytes);
    close_subject(&s);
}

static void a_token_never_changes_what_stands_before_it(void **state)
{
    (void)state;
    struct subject s = open_subject("--n_layer 2 --n_head 3 --n_embd 48 --n_vocab 67 --n_ctx 70 --untied", INGOT_F32);
    for (size_t i = 0; i < s.n; i++) s.ids[i] += s.ids[i] == 0;
    free(s.definition);
    s.definition = all_logits(s.fixture.model, NULL, s.ids, s.n);
    void *bytes;
    struct model_fixture poisoned = poison_token_0(&s.fixture, &bytes);
    for (size_t at = 1; at < s.n; at += 3) {
        const uint32_t kept = s.ids[at];
        s.ids[at] = 0;
        float *logits = all_logits(poisoned.model, NULL, s.ids, s.n);
        assert_same_bits(&s, logits, 0, at);
        assert_true(isnan(logits[at * s.n_vocab]));
        s.ids[at] = kept;
        free(logits);
    }
    model_fixture_close(&poisoned);
    free(bytes);
    close_subject(&s);
}

enum { SCALED_EMBD = 32, SCALED_LAYERS = 2 }; /* heads of 16: scores are divided by 4 */

/* Multiplies what makes the queries of one layer. Whole panels: 32 outputs. */
static void scale_queries(char *bytes, const struct ingot_file *file, unsigned layer, float factor)
{
    char name[32];
    snprintf(name, sizeof name, "h.%u.attn.c_attn.weight", layer);
    float *weight = values_in(bytes, file, name);
    snprintf(name, sizeof name, "h.%u.attn.c_attn.bias", layer);
    float *bias = values_in(bytes, file, name);
    for (size_t i = 0; i < SCALED_EMBD * SCALED_EMBD; i++) weight[i] *= factor;
    for (size_t i = 0; i < SCALED_EMBD; i++) bias[i] *= factor;
}

/* Logits of a copy whose attention flags are changed and whose queries are multiplied, layer by layer. */
static float *logits_of_changed(const struct subject *s, uint32_t flags, const float factors[SCALED_LAYERS])
{
    uint64_t n_bytes;
    char *copy = copy_file(s->fixture.file, &n_bytes);
    struct ingot_hparams hp = *ingot_model_hparams(s->fixture.model);
    struct ingot_section model;
    hp.attention_flags = flags;
    assert_true(ingot_find(s->fixture.file, INGOT_NAME_MODEL, &model));
    ingot_hparams_encode(&hp, (uint8_t *)copy + model.data_off);
    for (unsigned layer = 0; layer < SCALED_LAYERS; layer++)
        scale_queries(copy, s->fixture.file, layer, factors[layer]);
    struct model_fixture changed = open_copy(copy, n_bytes);
    float *logits = all_logits(changed.model, NULL, s->ids, s->n);
    model_fixture_close(&changed);
    free(copy);
    return logits;
}

/* All factors are powers of two, so that scaling the weights instead of the scores gives the same bits. */
static void scores_are_scaled_as_the_flags_say(void **state)
{
    (void)state;
    struct subject s = open_subject("--n_layer 2 --n_head 2 --n_embd 32 --n_vocab 20 --n_ctx 20", INGOT_F32);
    static const struct {
        uint32_t flags;
        float factors[SCALED_LAYERS]; /* that undo the difference to INGOT_ATTN_SCALE alone */
    } cases[] = {
        { INGOT_ATTN_SCALE, { 1, 1 } },
        { 0, { 0.25f, 0.25f } },
        { INGOT_ATTN_SCALE | INGOT_ATTN_SCALE_BY_LAYER, { 1, 2 } },
        { INGOT_ATTN_SCALE_BY_LAYER, { 0.25f, 0.5f } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *logits = logits_of_changed(&s, cases[i].flags, cases[i].factors);
        assert_same_bits(&s, logits, 0, s.n);
        free(logits);
    }
    close_subject(&s);
}

/* ------------------------------------------------------------------------------------- floating-point environment */

static void the_callers_rounding_mode_changes_nothing_and_comes_back(void **state)
{
    (void)state;
    struct subject s = open_subject(SHAPES[1], INGOT_F16);
    const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (size_t i = 0; i < 3; i++) {
        const struct ingot_session_options options = { .n_threads = 1 + (uint32_t)i, .n_batch = 16 };
        assert_int_equal(fesetround(modes[i]), 0);
        float *logits = all_logits(s.fixture.model, &options, s.ids, s.n);
        const int after = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(after, modes[i]);
        assert_same_bits(&s, logits, 0, s.n);
        free(logits);
    }
    close_subject(&s);
}

#if defined(__x86_64__)
#define MXCSR_FLUSH 0x8040u /* results and operands that are subnormal become zero */

static uint32_t get_mxcsr(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr;
}

static void set_mxcsr(uint32_t mxcsr)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

/* With weights of 5e-21 the logits themselves are subnormal. */
static void flush_to_zero_changes_nothing_and_comes_back(void **state)
{
    (void)state;
    struct subject s =
        open_subject("--n_layer 1 --n_head 2 --n_embd 32 --n_vocab 20 --n_ctx 20 --std 5e-21", INGOT_F32);
    size_t n_subnormal = 0;
    for (size_t i = 0; i < s.n * s.n_vocab; i++) n_subnormal += fpclassify(s.definition[i]) == FP_SUBNORMAL;
    assert_true(n_subnormal > 0);
    const uint32_t before = get_mxcsr();
    for (uint32_t threads = 1; threads <= 2; threads++) {
        const struct ingot_session_options options = { .n_threads = threads };
        set_mxcsr(before | MXCSR_FLUSH);
        float *logits = all_logits(s.fixture.model, &options, s.ids, s.n);
        const uint32_t after = get_mxcsr();
        set_mxcsr(before);
        assert_int_equal(after & MXCSR_FLUSH, MXCSR_FLUSH);
        assert_same_bits(&s, logits, 0, s.n);
        free(logits);
    }
    close_subject(&s);
}
#endif

int main(void)
{
    static struct storage f32 = { INGOT_F32, INGOT_KV_DEFAULT }, f16 = { INGOT_F16, INGOT_KV_DEFAULT },
                          bf16 = { INGOT_BF16, INGOT_KV_DEFAULT }, q8 = { INGOT_Q8, INGOT_KV_DEFAULT },
                          q4 = { INGOT_Q4, INGOT_KV_DEFAULT }, f32_f16 = { INGOT_F32, INGOT_KV_F16 },
                          q8_f32 = { INGOT_Q8, INGOT_KV_F32 };
    const struct CMUnitTest tests[] = {
        { "bits_of_f32_do_not_depend_on_rung_threads_or_cuts", bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL,
          &f32 },
        { "bits_of_f16_do_not_depend_on_rung_threads_or_cuts", bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL,
          &f16 },
        { "bits_of_bf16_do_not_depend_on_rung_threads_or_cuts", bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL,
          &bf16 },
        { "bits_of_q8_do_not_depend_on_rung_threads_or_cuts", bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL,
          &q8 },
        { "bits_of_q4_do_not_depend_on_rung_threads_or_cuts", bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL,
          &q4 },
        { "bits_of_f32_with_a_cache_of_f16_do_not_depend_on_rung_threads_or_cuts",
          bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL, &f32_f16 },
        { "bits_of_q8_with_a_cache_of_f32_do_not_depend_on_rung_threads_or_cuts",
          bits_do_not_depend_on_rung_threads_or_cuts, NULL, NULL, &q8_f32 },
        cmocka_unit_test(bits_of_the_widest_gpt2_do_not_depend_on_the_rung),
        cmocka_unit_test(bits_do_not_depend_on_how_a_context_of_five_blocks_is_cut),
        cmocka_unit_test(what_is_stored_more_coarsely_stays_close),
        cmocka_unit_test(bits_of_the_shipped_model_do_not_depend_on_rung_threads_or_cuts),
        cmocka_unit_test(last_logits_are_the_last_row_of_all_logits),
        cmocka_unit_test(products_measured_alone_leave_the_timeline_as_it_is),
        cmocka_unit_test(a_shorter_context_gives_the_same_bits),
        cmocka_unit_test(what_an_earlier_timeline_left_in_the_cache_never_leaks),
        cmocka_unit_test(a_token_never_changes_what_stands_before_it),
        cmocka_unit_test(scores_are_scaled_as_the_flags_say),
        cmocka_unit_test(the_callers_rounding_mode_changes_nothing_and_comes_back),
#if defined(__x86_64__)
        cmocka_unit_test(flush_to_zero_changes_nothing_and_comes_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
