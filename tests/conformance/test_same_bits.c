/*
 * test_same_bits.c - the logits of a file are these bits, whatever compiler, instruction set and machine.
 *
 * The demonstration model, converted to each dtype, answers a fixed list of ids; the digest of all its logits stands
 * here. The same source is run as built by gcc, by clang, with sanitizers, and cross-compiled under an emulator. A
 * digest may change only together with spec/arithmetic.md or the shipped model; one of q8 or q4 also with the search
 * for scales.
 */
#include "format/ingot_format.h"
#include "runtime/ingot_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/rungs.h"
#include "tests/unit/skip.h"

enum { N_IDS = 96 };

struct model {
    struct ingot_file *file;
    struct ingot_model *model;
    uint32_t n_vocab;
    uint32_t ids[N_IDS];
};

/* name: "demo", "demo-f16", .. in the build directory. */
static struct model open_model(const char *name, const char *cpu)
{
    struct model m = { NULL, NULL, 0, { 0 } };
    char path[4096];
    const char *build = getenv("INGOT_BUILD");
    assert_non_null(build);
    snprintf(path, sizeof path, "%s/%s.ingot", build, name);
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &m.file, NULL), INGOT_OK);
    enum ingot_status status = ingot_model_open(m.file, cpu, &m.model, NULL);
    if (status == INGOT_E_CPU) {
        ingot_close(m.file);
        SKIP("not on this processor");
    }
    assert_int_equal(status, INGOT_OK);
    m.n_vocab = ingot_model_hparams(m.model)->n_vocab;
    for (uint32_t i = 0; i < N_IDS; i++) m.ids[i] = (i * i * 7 + i * 131 + 40) % m.n_vocab;
    return m;
}

static void close_model(struct model *m)
{
    ingot_model_close(m->model);
    ingot_close(m->file);
}

/* The digest of the logits of every position, the ids cut into pieces of n_piece. */
static struct ingot_digest logits_digest(const struct model *m, uint32_t n_threads, uint32_t n_piece)
{
    struct ingot_session *session;
    const struct ingot_session_options options = { .n_ctx = N_IDS, .n_threads = n_threads, .n_batch = n_piece };
    float *logits = calloc((size_t)N_IDS * m->n_vocab, sizeof *logits);
    assert_non_null(logits);
    assert_int_equal(ingot_session_create(m->model, &options, &session, NULL), INGOT_OK);
    for (uint32_t at = 0; at < N_IDS; at += n_piece) {
        uint32_t n = N_IDS - at < n_piece ? N_IDS - at : n_piece;
        float *rows = logits + (size_t)at * m->n_vocab;
        assert_int_equal(ingot_session_eval(session, m->ids + at, n, INGOT_LOGITS_ALL, rows, NULL), INGOT_OK);
    }
    struct ingot_digest digest = ingot_hash128(logits, (size_t)N_IDS * m->n_vocab * sizeof *logits);
    ingot_session_close(session);
    free(logits);
    return digest;
}

static void assert_digest(struct ingot_digest found, uint64_t hi, uint64_t lo)
{
    if (found.hi == hi && found.lo == lo) return;
    fail_msg("digest { 0x%016llx, 0x%016llx }", (unsigned long long)found.hi, (unsigned long long)found.lo);
}

static void check(const char *name, const char *cpu, uint64_t hi, uint64_t lo)
{
    struct model m = open_model(name, cpu);
    assert_digest(logits_digest(&m, 1, N_IDS), hi, lo);
    assert_digest(logits_digest(&m, 2, 7), hi, lo);
    close_model(&m);
}

static void f32_logits_are_these_bits(void **state)
{
    check("demo", *state, UINT64_C(0xb4e710b8693ccfb5), UINT64_C(0xac0d628dc4586aa6));
}

static void f16_logits_are_these_bits(void **state)
{
    check("demo-f16", *state, UINT64_C(0x1e5c1f83cef71fa5), UINT64_C(0x25f0dec110b7f831));
}

static void bf16_logits_are_these_bits(void **state)
{
    check("demo-bf16", *state, UINT64_C(0x9db41215e39f7389), UINT64_C(0xbec77ca218dc0474));
}

static void q8_logits_are_these_bits(void **state)
{
    check("demo-q8", *state, UINT64_C(0x0f5a9fe4b24b9de3), UINT64_C(0xee7c06d7c3155d7c));
}

static void q4_logits_are_these_bits(void **state)
{
    check("demo-q4", *state, UINT64_C(0x2ac38d4f170a2d5e), UINT64_C(0xa1df7ab8c970745b));
}

int main(void)
{
    const struct rung_test tests[] = {
        FOR_LADDER(f32_logits_are_these_bits),  FOR_LADDER(f16_logits_are_these_bits),
        FOR_LADDER(bf16_logits_are_these_bits), FOR_LADDER(q8_logits_are_these_bits),
        FOR_LADDER(q4_logits_are_these_bits),
    };
    return run_for_rungs(tests, sizeof tests / sizeof tests[0]);
}
