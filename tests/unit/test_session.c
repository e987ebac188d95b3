/* test_session.c - arguments, errors and life of sessions; what they compute is tested elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/state.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/skip.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define OPTIONS "--n_layer 2 --n_head 2 --n_embd 32 --n_vocab 20 --n_ctx 16"

static struct model_fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    fixture = model_from_options(OPTIONS, INGOT_F32, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_fixture_close(&fixture);
    return 0;
}

static struct ingot_session *open_session(struct ingot_session_options options)
{
    struct ingot_session *session;
    assert_int_equal(ingot_session_create(fixture.model, &options, &session, NULL), INGOT_OK);
    return session;
}

/* -------------------------------------------------------------------------------------------------------- sessions */

static void a_session_starts_empty_with_the_models_context(void **state)
{
    (void)state;
    struct ingot_session *session = open_session((struct ingot_session_options){ 0 });
    assert_int_equal(ingot_session_position(session), 0);
    assert_int_equal(ingot_session_n_ctx(session), 16);
    assert_true(ingot_session_n_threads(session) >= 1);
    ingot_session_close(session);
    ingot_session_close(NULL);
}

static void a_context_beyond_the_models_is_refused(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    struct ingot_session *session;
    const struct ingot_session_options options = { .n_ctx = 17 };
    assert_int_equal(ingot_session_create(fixture.model, &options, &session, &err), INGOT_E_ARGUMENT);
    assert_null(session);
    assert_string_equal(err.subject, "n_ctx");
}

static void a_cache_is_of_the_dtype_that_was_asked_for(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F32, INGOT_F16 };
    const struct ingot_session_options unknown = { .kv = 3 };
    struct ingot_session *session;
    for (unsigned kv = 0; kv < 3; kv++) {
        session = open_session((struct ingot_session_options){ .kv = (enum ingot_kv)kv });
        assert_int_equal(ingot_session_kv(session), dtypes[kv]);
        ingot_session_close(session);
    }
    assert_int_equal(ingot_session_create(fixture.model, &unknown, &session, &err), INGOT_E_ARGUMENT);
    assert_string_equal(err.subject, "kv");
}

static void the_cache_of_a_quantised_model_is_f16(void **state)
{
    (void)state;
    struct model_fixture quantised = model_from_options(OPTIONS, INGOT_Q4, NULL);
    struct ingot_session *session;
    assert_int_equal(ingot_session_create(quantised.model, NULL, &session, NULL), INGOT_OK);
    assert_int_equal(ingot_session_kv(session), INGOT_F16);
    ingot_session_close(session);
    model_fixture_close(&quantised);
}

/* Fast kernels that run on any processor. */
#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)
extern const struct fast_kernels emulated_fast_amx;
static const struct fast_kernels *const some_fast = &emulated_fast_amx;
#else
static const struct fast_kernels *const some_fast = NULL;
#endif

/* Logits of n tokens at once, by these fast kernels or exact ones. */
static void logits_by(const struct model_fixture *on, const struct fast_kernels *fast, uint32_t n_threads, size_t n,
                      float logits[16 * 20])
{
    static const uint32_t ids[16] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3 };
    const struct ingot_session_options options = { .n_threads = n_threads };
    struct ingot_session *session;
    assert_int_equal(ingot_session_create(on->model, &options, &session, NULL), INGOT_OK);
    session->fast = fast;
    assert_int_equal(ingot_session_eval(session, ids, n, INGOT_LOGITS_ALL, logits, NULL), INGOT_OK);
    ingot_session_close(session);
}

static void a_fast_batch_of_many_rows_is_near_the_exact_one_for_any_number_of_threads(void **state)
{
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    (void)state;
    if (!some_fast) SKIP("no SIMDe");
    for (size_t d = 0; d < 3; d++) {
        struct model_fixture model = model_from_options(OPTIONS, dtypes[d], NULL);
        float exact[16 * 20], fast[16 * 20], threads[16 * 20], largest = 0;
        logits_by(&model, NULL, 1, 16, exact);
        logits_by(&model, some_fast, 1, 16, fast);
        logits_by(&model, some_fast, 2, 16, threads);
        assert_memory_equal(fast, threads, sizeof fast);
        assert_memory_not_equal(fast, exact, sizeof fast);
        for (size_t i = 0; i < 16 * 20; i++) largest = fmaxf(largest, fabsf(exact[i]));
        for (size_t i = 0; i < 16 * 20; i++) assert_true(fabsf(fast[i] - exact[i]) < 0.02f * largest);
        model_fixture_close(&model);
    }
}

static void few_rows_and_quantised_matrices_are_exact_in_a_fast_session(void **state)
{
    (void)state;
    if (!some_fast) SKIP("no SIMDe");
    struct model_fixture quantised = model_from_options(OPTIONS, INGOT_Q8, NULL);
    float exact[16 * 20], fast[16 * 20];
    logits_by(&fixture, NULL, 1, 15, exact);
    logits_by(&fixture, some_fast, 1, 15, fast);
    assert_memory_equal(fast, exact, 15 * 20 * sizeof *fast);
    logits_by(&quantised, NULL, 1, 16, exact);
    logits_by(&quantised, some_fast, 1, 16, fast);
    assert_memory_equal(fast, exact, sizeof fast);
    assert_null(ingot_model_fast(quantised.model));
    model_fixture_close(&quantised);
}

/* And the model foretells it. */
static void a_session_is_fast_only_if_that_was_asked_for_and_can_be(void **state)
{
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        struct ingot_session *session = open_session((struct ingot_session_options){ .fast = asked });
        if (!asked) assert_null(session->fast);
        if (session->fast) assert_ptr_equal(session->fast, kernels_fast(fixture.model->rung));
        if (asked) assert_ptr_equal(ingot_model_fast(fixture.model), session->fast ? session->fast->arithmetic : NULL);
        ingot_session_close(session);
    }
    struct ingot_model *scalar = model_on(&fixture, "scalar");
    assert_null(ingot_model_fast(scalar));
    ingot_model_close(scalar);
}

static void a_token_beyond_the_vocabulary_is_refused_by_its_index(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    struct ingot_session *session = open_session((struct ingot_session_options){ .n_batch = 2 });
    const uint32_t ids[] = { 1, 2, 3, 20, 4 };
    assert_int_equal(ingot_session_eval(session, ids, 5, INGOT_LOGITS_NONE, NULL, &err), INGOT_E_TOKEN);
    assert_int_equal(err.offset, 3);
    assert_int_equal(ingot_session_position(session), 0);
    ingot_session_close(session);
}

static void more_tokens_than_room_are_refused_and_nothing_is_evaluated(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    struct ingot_session *session = open_session((struct ingot_session_options){ .n_ctx = 5 });
    const uint32_t ids[6] = { 0 };
    assert_int_equal(ingot_session_eval(session, ids, 3, INGOT_LOGITS_NONE, NULL, &err), INGOT_OK);
    assert_int_equal(ingot_session_eval(session, ids, 3, INGOT_LOGITS_NONE, NULL, &err), INGOT_E_CONTEXT_FULL);
    assert_int_equal(ingot_session_position(session), 3);
    assert_int_equal(ingot_session_eval(session, ids, 2, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_session_eval(session, ids, 1, INGOT_LOGITS_NONE, NULL, NULL), INGOT_E_CONTEXT_FULL);
    assert_int_equal(ingot_session_position(session), 5);
    ingot_session_close(session);
}

static void no_tokens_or_no_room_for_logits_is_an_argument_error(void **state)
{
    (void)state;
    struct ingot_session *session = open_session((struct ingot_session_options){ 0 });
    const uint32_t id = 1;
    float logits[20];
    assert_int_equal(ingot_session_eval(session, &id, 0, INGOT_LOGITS_LAST, logits, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_session_eval(session, NULL, 1, INGOT_LOGITS_LAST, logits, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_session_eval(session, &id, 1, INGOT_LOGITS_LAST, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_session_eval(session, &id, 1, INGOT_LOGITS_ALL, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_session_position(session), 0);
    ingot_session_close(session);
}

/* Goes on `left` times; then it is asked no more. */
struct patience {
    uint64_t left, asked, total;
};

static bool has_patience(void *ctx, uint64_t done, uint64_t total)
{
    struct patience *p = ctx;
    assert_true(p->asked == 0 || total == p->total);
    assert_int_equal(done, p->asked++);
    p->total = total;
    return p->left-- > 0;
}

/* Batches of 4, 4 and 1 tokens through 2 layers. */
static void an_evaluation_that_is_stopped_before_any_layer_leaves_the_session_as_it_was(void **state)
{
    (void)state;
    enum { N = 9, N_KEPT = 3, N_ASKED = 6 };
    const uint32_t ids[N_KEPT + N] = { 7, 7, 7, 3, 1, 4, 1, 5, 9, 2, 6, 5 };
    float expected[20], logits[20];
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++)
        for (uint64_t left = 0; left <= N_ASKED; left++) {
            struct ingot_error err = { 0 };
            struct patience patience = { .left = UINT64_MAX };
            struct ingot_session *session = open_session((struct ingot_session_options){
                .n_batch = 4, .n_threads = n_threads, .progress = has_patience, .progress_ctx = &patience });
            assert_int_equal(ingot_session_eval(session, ids, N_KEPT, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
            patience = (struct patience){ .left = left };
            const enum ingot_status status =
                ingot_session_eval(session, ids + N_KEPT, N, INGOT_LOGITS_LAST, expected, &err);
            assert_int_equal(status, left < N_ASKED ? INGOT_E_INTERRUPTED : INGOT_OK);
            assert_int_equal(err.status, status);
            assert_int_equal(patience.asked, left < N_ASKED ? left + 1 : N_ASKED);
            assert_int_equal(patience.total, N_ASKED);
            assert_int_equal(ingot_session_position(session), N_KEPT + (status ? 0 : N));
            ingot_session_rewind(session, N_KEPT);
            patience = (struct patience){ .left = UINT64_MAX };
            assert_int_equal(ingot_session_eval(session, ids + N_KEPT, N, INGOT_LOGITS_LAST, logits, NULL), INGOT_OK);
            ingot_session_close(session);
            float *all = all_logits(fixture.model, NULL, ids, N_KEPT + N);
            assert_memory_equal(logits, all + (N_KEPT + N - 1) * 20, sizeof logits);
            free(all);
        }
}

/* Goes on until all layers of a batch are done, and then `left` times more. */
static bool sees_the_head(void *ctx, uint64_t done, uint64_t total)
{
    struct patience *p = ctx;
    if (done < total) return true;
    p->asked++;
    return p->left-- > 0;
}

static void an_evaluation_of_many_logits_can_be_stopped_between_them(void **state)
{
    (void)state;
    enum { N = 600, N_STRIPS = 3, N_VOCAB = 20 };
    struct model_fixture long_one =
        model_from_options("--n_layer 1 --n_head 1 --n_embd 16 --n_vocab 20 --n_ctx 600", INGOT_F32, NULL);
    uint32_t ids[N];
    for (uint32_t i = 0; i < N; i++) ids[i] = i * i % N_VOCAB;
    float *expected = all_logits(long_one.model, NULL, ids, N), *logits = calloc(N, N_VOCAB * sizeof *logits);
    for (uint64_t left = 0; left <= N_STRIPS; left++) {
        struct patience patience = { .left = left };
        const struct ingot_session_options options = {
            .n_batch = N, .n_threads = 3, .progress = sees_the_head, .progress_ctx = &patience
        };
        struct ingot_session *session;
        assert_int_equal(ingot_session_create(long_one.model, &options, &session, NULL), INGOT_OK);
        assert_int_equal(ingot_session_eval(session, ids, N, INGOT_LOGITS_ALL, logits, NULL),
                         left < N_STRIPS ? INGOT_E_INTERRUPTED : INGOT_OK);
        assert_int_equal(patience.asked, left < N_STRIPS ? left + 1 : N_STRIPS);
        assert_int_equal(ingot_session_position(session), left < N_STRIPS ? 0 : N);
        ingot_session_close(session);
    }
    assert_memory_equal(logits, expected, N * N_VOCAB * sizeof *logits);
    free(logits);
    free(expected);
    model_fixture_close(&long_one);
}

static void rewinding_never_moves_forward(void **state)
{
    (void)state;
    struct ingot_session *session = open_session((struct ingot_session_options){ 0 });
    const uint32_t ids[4] = { 3, 2, 1, 0 };
    assert_int_equal(ingot_session_eval(session, ids, 4, INGOT_LOGITS_NONE, NULL, NULL), INGOT_OK);
    ingot_session_rewind(session, 9);
    assert_int_equal(ingot_session_position(session), 4);
    ingot_session_rewind(session, 1);
    assert_int_equal(ingot_session_position(session), 1);
    ingot_session_close(session);
}

static void logits_are_written_up_to_the_logical_vocabulary_and_no_further(void **state)
{
    (void)state;
    struct ingot_session *session = open_session((struct ingot_session_options){ 0 });
    const uint32_t ids[2] = { 3, 2 };
    float logits[2 * 20 + 1];
    logits[20] = logits[40] = 12345.0f;
    assert_int_equal(ingot_session_eval(session, ids, 2, INGOT_LOGITS_LAST, logits, NULL), INGOT_OK);
    assert_true(logits[20] == 12345.0f);
    ingot_session_rewind(session, 0);
    assert_int_equal(ingot_session_eval(session, ids, 2, INGOT_LOGITS_ALL, logits, NULL), INGOT_OK);
    assert_true(logits[20] != 12345.0f && logits[40] == 12345.0f);
    ingot_session_close(session);
}

/* Threads that each own a session share the model. */
static void *eval_in_a_thread(void *arg)
{
    const uint32_t ids[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    const struct ingot_session_options options = { .n_threads = 2 };
    *(float **)arg = all_logits(fixture.model, &options, ids, 16);
    return NULL;
}

static void sessions_of_one_model_run_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[3];
    float *logits[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, eval_in_a_thread, &logits[i]), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_memory_equal(logits[0], logits[1], 16 * 20 * sizeof(float));
    assert_memory_equal(logits[0], logits[2], 16 * 20 * sizeof(float));
    for (int i = 0; i < 3; i++) free(logits[i]);
}

/* What malloc gave is what was asked for, a cache line for alignment included, rounded up to no more than a page. */
static void assert_reserved(void *memory, uint64_t bytes)
{
    const uint64_t given = malloc_usable_size(memory);
    assert_in_range(given, bytes + 64, bytes + 64 + 4096);
}

static void the_memory_that_is_foretold_is_what_a_session_reserves(void **state)
{
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        const struct ingot_session_options options = { .n_threads = n_threads,
                                                       .n_ctx = 16 / n_threads,
                                                       .kv = n_threads % 2 ? INGOT_KV_F16 : INGOT_KV_DEFAULT };
        const struct ingot_session_memory memory = ingot_session_memory(ingot_model_hparams(fixture.model), &options);
        struct ingot_session *session = open_session(options);
        const uint64_t started = ingot_session_n_threads(session);
        assert_reserved(session->cache_memory, memory.cache_bytes);
        assert_reserved(session->arena_memory, memory.activation_bytes + started * memory.thread_bytes);
        ingot_session_close(session);
    }
}

/* A wish may be larger than what is of any use. */
static void batches_and_threads_have_a_most(void **state)
{
    (void)state;
    const struct ingot_hparams hp = { .n_layer = 1, .n_head = 1, .n_embd = 16, .n_inner = 16, .n_ctx = 9000 };
    const struct ingot_session_options most = { .n_batch = 4096 }, beyond = { .n_batch = 4097 };
    assert_true(ingot_session_memory(&hp, &most).activation_bytes > ingot_session_memory(&hp, NULL).activation_bytes);
    assert_int_equal(ingot_session_memory(&hp, &beyond).activation_bytes,
                     ingot_session_memory(&hp, &most).activation_bytes);
    struct ingot_session *session = open_session((struct ingot_session_options){ .n_threads = 300 });
    assert_in_range(ingot_session_n_threads(session), 2, 256);
    ingot_session_close(session);
}

static void memory_that_cannot_be_counted_is_the_maximum(void **state)
{
    (void)state;
    const struct ingot_hparams huge = {
        .n_layer = UINT32_MAX, .n_head = UINT32_MAX, .n_embd = UINT32_MAX, .n_ctx = UINT32_MAX
    };
    assert_true(ingot_session_memory(&huge, NULL).cache_bytes == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_starts_empty_with_the_models_context),
        cmocka_unit_test(a_context_beyond_the_models_is_refused),
        cmocka_unit_test(a_cache_is_of_the_dtype_that_was_asked_for),
        cmocka_unit_test(the_cache_of_a_quantised_model_is_f16),
        cmocka_unit_test(a_fast_batch_of_many_rows_is_near_the_exact_one_for_any_number_of_threads),
        cmocka_unit_test(few_rows_and_quantised_matrices_are_exact_in_a_fast_session),
        cmocka_unit_test(a_session_is_fast_only_if_that_was_asked_for_and_can_be),
        cmocka_unit_test(a_token_beyond_the_vocabulary_is_refused_by_its_index),
        cmocka_unit_test(more_tokens_than_room_are_refused_and_nothing_is_evaluated),
        cmocka_unit_test(no_tokens_or_no_room_for_logits_is_an_argument_error),
        cmocka_unit_test(an_evaluation_that_is_stopped_before_any_layer_leaves_the_session_as_it_was),
        cmocka_unit_test(an_evaluation_of_many_logits_can_be_stopped_between_them),
        cmocka_unit_test(rewinding_never_moves_forward),
        cmocka_unit_test(logits_are_written_up_to_the_logical_vocabulary_and_no_further),
        cmocka_unit_test(sessions_of_one_model_run_side_by_side),
        cmocka_unit_test(the_memory_that_is_foretold_is_what_a_session_reserves),
        cmocka_unit_test(batches_and_threads_have_a_most),
        cmocka_unit_test(memory_that_cannot_be_counted_is_the_maximum),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
