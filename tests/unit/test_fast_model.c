/*
 * test_fast_model.c - what the fast modes do to the demonstration model: little.
 *
 * Rungs that have no fast kernels here are counted skips; the emulated ones run anywhere.
 */
#include "format/ingot_format.h"
#include "runtime/ingot_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state.h"
#include "tests/unit/rungs.h"
#include "tests/unit/skip.h"

enum { N_IDS = 32 };

static const char text[] = "JULIET:\nO Romeo, Romeo! wherefore art thou Romeo?\nDeny thy father and refuse thy name;\n"
                           "Or, if thou wilt not, be but sworn my love,\nAnd I'll no longer be a Capulet.\n";

struct demo {
    struct ingot_file *file;
    struct ingot_model *model;
    struct ingot_ids ids;
    uint32_t n_vocab;
};

/* name: "demo", "demo-f16", .. in the build directory. */
static struct demo demo_open(const char *name)
{
    struct demo d = { .file = NULL };
    struct ingot_tokenizer *tokenizer;
    char path[4096];
    const char *build = getenv("INGOT_BUILD");
    assert_non_null(build);
    snprintf(path, sizeof path, "%s/%s.ingot", build, name);
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &d.file, NULL), INGOT_OK);
    assert_int_equal(ingot_model_open(d.file, NULL, &d.model, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_open(d.file, &tokenizer, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_encode(tokenizer, text, strlen(text), 0, &d.ids, NULL), INGOT_OK);
    ingot_tokenizer_close(tokenizer);
    assert_true(d.ids.n > N_IDS);
    d.n_vocab = ingot_model_hparams(d.model)->n_vocab;
    return d;
}

static void demo_close(struct demo *d)
{
    ingot_ids_free(&d->ids);
    ingot_model_close(d->model);
    ingot_close(d->file);
}

/* [N_IDS][n_vocab], by these fast kernels or exactly; to be freed by the caller. */
static float *logits_by(const struct demo *d, const struct fast_kernels *fast)
{
    struct ingot_session *session;
    float *logits = calloc((size_t)N_IDS * d->n_vocab, sizeof *logits);
    assert_non_null(logits);
    assert_int_equal(ingot_session_create(d->model, NULL, &session, NULL), INGOT_OK);
    session->fast = fast;
    assert_int_equal(ingot_session_eval(session, d->ids.ids, N_IDS, INGOT_LOGITS_ALL, logits, NULL), INGOT_OK);
    ingot_session_close(session);
    return logits;
}

static double nats_per_token(const struct demo *d, const float *logits)
{
    double nats = 0;
    for (size_t i = 0; i < N_IDS; i++)
        nats -= ingot_log_probability(logits + i * d->n_vocab, d->n_vocab, d->ids.ids[i + 1]);
    return nats / N_IDS;
}

static float largest_difference(const float *a, const float *b, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(a[i] - b[i]));
    return largest;
}

static void logits_and_perplexity_of_a_fast_prefill_are_near_the_exact_ones(void **state)
{
    static const char *const names[] = { "demo", "demo-f16", "demo-bf16" };
    const struct rung *here = rung_of(state);
    const struct fast_kernels *fast = here->kernels ? kernels_fast(here) : here->fast;
    if (!fast) SKIP(here->kernels ? "not on this processor" : "no SIMDe");
    /* Emulated, one takes a second; other tests there tell the dtypes apart. */
    for (size_t i = 0; i < (here->kernels ? 3 : 1); i++) {
        struct demo d = demo_open(names[i]);
        float *exact = logits_by(&d, NULL), *near = logits_by(&d, fast);
        const float difference = largest_difference(exact, near, (size_t)N_IDS * d.n_vocab);
        assert_true(difference > 0 && difference < 0.1f);
        assert_true(fabs(nats_per_token(&d, near) - nats_per_token(&d, exact)) < 0.005);
        free(exact);
        free(near);
        demo_close(&d);
    }
}

int main(void)
{
    const struct rung_test tests[] = { FOR_FAST_RUNGS(
        logits_and_perplexity_of_a_fast_prefill_are_near_the_exact_ones) };
    return run_for_rungs(tests, sizeof tests / sizeof tests[0]);
}
