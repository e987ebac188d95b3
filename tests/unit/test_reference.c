/*
 * test_reference.c - our logits against those of an independent implementation in float64.
 *
 * tests/reference/make_reference.py writes the .ref files and documents their format. The tolerance at a position is
 * 2e-4 x max(1, largest |logit| / 10): far above what f32 loses, far below what any mistake in the mathematics makes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/model_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE 7919u /* of make_reference.py */

struct reference {
    FILE *file;
    struct model_fixture fixture;
    uint32_t n_vocab, n_samples;
    double worst; /* error over tolerance; below 1 is right */
};

/* --------------------------------------------------------------------------------------------------------- reading */

static void open_reference(struct reference *ref, const char *name)
{
    char path[64], line[512], *rest;
    snprintf(path, sizeof path, "tests/reference/%s.ref", name);
    ref->file = fopen(path_from_root(path), "r");
    assert_non_null(ref->file);
    assert_non_null(fgets(line, sizeof line, ref->file));
    line[strcspn(line, "\n")] = '\0';
    rest = strchr(line, ' ');
    assert_non_null(rest);
    if (strncmp(line, "model ", 6) == 0)
        ref->fixture = model_from_checkpoint(path_from_root(rest + 1), INGOT_DTYPE_NONE, NULL);
    else
        ref->fixture = model_from_options(rest + 1, INGOT_DTYPE_NONE, NULL);
    assert_int_equal(fscanf(ref->file, "vocabulary %u samples %u\n", &ref->n_vocab, &ref->n_samples), 2);
    assert_int_equal(ref->n_vocab, ingot_model_hparams(ref->fixture.model)->n_vocab);
}

/* The next prompt; 0 at the end of the file. */
static size_t read_ids(struct reference *ref, uint32_t *ids, size_t most)
{
    char word[8];
    if (fscanf(ref->file, " %7[ids]", word) != 1) return 0;
    size_t n = 0;
    while (n < most && fscanf(ref->file, "%*[ ]%u", &ids[n]) == 1) n++;
    return n;
}

static double read_value(struct reference *ref)
{
    double value;
    assert_int_equal(fscanf(ref->file, "%lf", &value), 1);
    return value;
}

/* ------------------------------------------------------------------------------------------------------- comparing */

static double log_sum_exp(const float *logits, uint32_t n, double max)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += exp(logits[i] - max);
    return max + log(sum);
}

static void compare(struct reference *ref, double ours, double theirs, double tolerance)
{
    const double excess = fabs(ours - theirs) / tolerance;
    if (!(excess <= ref->worst)) ref->worst = excess;
}

/* One line of the file: besides the samples, no logit may lie outside [min, max], which every id takes part in. */
static void compare_position(struct reference *ref, uint32_t t, const float *logits)
{
    const uint32_t n = ref->n_vocab;
    assert_int_equal(read_value(ref), t);
    const uint32_t argmax = (uint32_t)read_value(ref);
    const double max = read_value(ref);
    const uint32_t argmin = (uint32_t)read_value(ref);
    const double min = read_value(ref);
    const double tolerance = 2e-4 * fmax(1.0, fmax(max, -min) / 10);

    double our_max = logits[0], our_min = logits[0];
    for (uint32_t i = 1; i < n; i++) {
        our_max = fmax(our_max, logits[i]);
        our_min = fmin(our_min, logits[i]);
    }
    compare(ref, logits[argmax], max, tolerance);
    compare(ref, logits[argmin], min, tolerance);
    compare(ref, our_max, max, tolerance);
    compare(ref, our_min, min, tolerance);
    compare(ref, log_sum_exp(logits, n, our_max), read_value(ref), tolerance);
    for (uint32_t k = 0; k < ref->n_samples; k++)
        compare(ref, logits[(uint64_t)(t * ref->n_samples + k) * STRIDE % n], read_value(ref), tolerance);
}

static void logits_equal_the_float64_reference(void **state)
{
    struct reference ref = { 0 };
    open_reference(&ref, *state);
    uint32_t ids[1024];
    size_t n, n_positions = 0;
    while ((n = read_ids(&ref, ids, sizeof ids / sizeof *ids)) > 0) {
        float *logits = all_logits(ref.fixture.model, NULL, ids, n);
        for (uint32_t t = 0; t < n; t++) compare_position(&ref, t, logits + (size_t)t * ref.n_vocab);
        free(logits);
        n_positions += n;
    }
    fclose(ref.file);
    model_fixture_close(&ref.fixture);
    print_message("# %s: worst error is %.3f of the tolerance\n", (const char *)*state, ref.worst);
    assert_true(n_positions > 0);
    assert_true(ref.worst <= 1.0);
}

int main(void)
{
    static char names[][32] = {
        "bard",     "heads-of-16",  "heads-25-of-64", "vocabulary-50257", "context-11",   "untied-head",
        "gelu-erf", "epsilon-1e-6", "inner-not-4x",   "weights-f16",      "weights-bf16", "no-bias",
    };
    enum { N = sizeof names / sizeof *names };
    struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){ names[i], logits_equal_the_float64_reference, NULL, NULL, names[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
