/*
 * test_reference_nano_sort.c - a trained minGPT and the activations that its authors recorded.
 *
 * The model is converted as it was published, by the recipe that fits. Skipped where the corpus is absent.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/model_fixture.h"
#include "tests/unit/skip.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "../shared/corpus/gpt-nano-sort/"
enum { N_VOCAB = 3, N_CTX = 11, N_INPUTS = 3, N_LETTERS = 6 };

/* ------------------------------------------------------------------------------------------------------ recordings */

static unsigned base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return at && c ? (unsigned)(at - digits) : 0;
}

/* n floats of the recording `name`. */
static void read_recording(const json_t *recordings, const char *name, float *values, size_t n)
{
    const char *text = json_string_value(json_object_get(json_object_get(recordings, name), "data"));
    assert_non_null(text);
    assert_int_equal(strlen(text), (n * 4 + 2) / 3 * 4);
    uint8_t *out = (uint8_t *)values;
    for (size_t i = 0; i < n * 4; i++) {
        const char *four = text + i / 3 * 4;
        const unsigned three = base64_digit(four[0]) << 18 | base64_digit(four[1]) << 12 | base64_digit(four[2]) << 6 |
                               base64_digit(four[3]);
        out[i] = (uint8_t)(three >> (16 - 8 * (i % 3)));
    }
}

static bool corpus_is_here(void)
{
    return access(path_from_root(FOLDER "model.pt"), R_OK) == 0;
}

static struct model_fixture published_model(void)
{
    return model_from_checkpoint(path_from_root(FOLDER "model.pt"), INGOT_DTYPE_NONE, NULL);
}

static void logits_equal_the_recorded_activations(void **state)
{
    (void)state;
    if (!corpus_is_here()) SKIP("no corpus");
    json_t *recordings = json_load_file(path_from_root(FOLDER "gpt-nano-sort-t0-partials.json"), 0, NULL);
    float inputs[N_INPUTS * N_CTX], expected[N_INPUTS * N_CTX * N_VOCAB];
    read_recording(recordings, "idx", inputs, N_INPUTS * N_CTX);
    read_recording(recordings, "lm_head", expected, N_INPUTS * N_CTX * N_VOCAB);

    struct model_fixture fixture = published_model();
    double worst = 0;
    for (size_t i = 0; i < N_INPUTS; i++) {
        uint32_t ids[N_CTX];
        for (size_t t = 0; t < N_CTX; t++) ids[t] = (uint32_t)inputs[i * N_CTX + t];
        float *logits = all_logits(fixture.model, NULL, ids, N_CTX);
        for (size_t t = 0; t < N_CTX * N_VOCAB; t++)
            worst = fmax(worst, fabs((double)logits[t] - (double)expected[i * N_CTX * N_VOCAB + t]));
        free(logits);
    }
    model_fixture_close(&fixture);
    json_decref(recordings);
    print_message("# the largest difference is %.2g\n", worst);
    assert_true(worst < 2e-5);
}

/* Six letters in, and behind them one after the other the same letters in order. */
static void check_sorted(const struct model_fixture *fixture, unsigned number)
{
    uint32_t ids[2 * N_LETTERS], counts[N_VOCAB] = { 0 };
    for (unsigned t = 0; t < N_LETTERS; t++, number /= N_VOCAB) counts[ids[t] = number % N_VOCAB]++;
    for (size_t n = N_LETTERS; n < 2 * N_LETTERS; n++) {
        float *logits = all_logits(fixture->model, NULL, ids, n);
        const float *last = logits + (n - 1) * N_VOCAB;
        ids[n] = last[1] > last[0] ? 1 : 0;
        if (last[2] > last[ids[n]]) ids[n] = 2;
        free(logits);
    }
    size_t at = N_LETTERS;
    for (uint32_t letter = 0; letter < N_VOCAB; letter++)
        for (uint32_t k = 0; k < counts[letter]; k++) assert_int_equal(ids[at++], letter);
}

static void the_published_model_sorts(void **state)
{
    (void)state;
    if (!corpus_is_here()) SKIP("no corpus");
    struct model_fixture fixture = published_model();
    for (unsigned number = 1; number < 729; number += 61) check_sorted(&fixture, number);
    model_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_the_recorded_activations),
        cmocka_unit_test(the_published_model_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
