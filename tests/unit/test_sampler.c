/* Sampling, as spec/arithmetic.md defines it: sets, distributions, ties, and numbers that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ingot_runtime.h"
#include "runtime/kernels/mathf.h"

#define N_DRAWS 20000

static struct ingot_sampler *create(struct ingot_sampling settings, uint32_t n)
{
    struct ingot_sampler *s;
    struct ingot_error err = { 0 };
    if (ingot_sampler_create(&settings, n, &s, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return s;
}

static struct ingot_sampling settings_of(float temperature, uint32_t k, float p, uint64_t seed)
{
    return (struct ingot_sampling){ .temperature = temperature, .top_k = k, .top_p = p, .seed = seed };
}

static uint32_t draw_once(struct ingot_sampling settings, const float *logits, uint32_t n)
{
    struct ingot_sampler *s = create(settings, n);
    uint32_t id = ingot_sampler_draw(s, logits);
    ingot_sampler_close(s);
    return id;
}

/* How often each id comes in N_DRAWS draws. */
static void count_draws(struct ingot_sampling settings, const float *logits, uint32_t n, uint32_t *counts)
{
    struct ingot_sampler *s = create(settings, n);
    memset(counts, 0, n * sizeof *counts);
    for (int i = 0; i < N_DRAWS; i++) {
        uint32_t id = ingot_sampler_draw(s, logits);
        assert_true(id < n);
        counts[id]++;
    }
    ingot_sampler_close(s);
}

static double chi_square(const uint32_t *counts, const double *probability, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double expected = probability[i] * N_DRAWS;
        if (expected == 0.0) assert_int_equal(counts[i], 0);
        if (expected > 0.0) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return sum;
}

/* Logits without ties, in no order. */
static void fill(float *logits, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        logits[i] = (float)(seed >> 40) * 0x1p-21f - 4.0f;
    }
}

/* ------------------------------------------------------------------------------------ the definition, step by step */

static uint64_t reference_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15;
    uint64_t z = (*state ^ (*state >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

struct ranked {
    float logit;
    uint32_t id;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_id(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Sorts everything, with 128-bit arithmetic. */
static uint32_t reference_draw(struct ingot_sampling s, uint64_t *state, const float *logits, uint32_t n)
{
    struct ranked all[512];
    uint64_t weights[512], total = 0, sum = 0, r = reference_random(state);
    uint32_t kept = 0;
    bool cuts = (s.top_k > 0 && s.top_k < n) || s.top_p < 1.0f;
    for (uint32_t i = 0; i < n; i++)
        if (!isnan(logits[i])) all[kept++] = (struct ranked){ logits[i], i };
    if (kept == 0) return 0;
    qsort(all, kept, sizeof *all, by_rank);
    float max = all[0].logit;
    if (s.top_k > 0 && s.top_k < kept) kept = s.top_k;
    if (!cuts) qsort(all, kept, sizeof *all, by_id);
    for (uint32_t i = 0; i < kept; i++) {
        float d = all[i].logit == max ? 0.0f : all[i].logit - max;
        weights[i] = (uint64_t)(mathf_exp(d / s.temperature) * 0x1p38f);
        total += weights[i];
    }
    uint64_t mass = s.top_p < 1.0f ? (uint64_t)ceil((double)s.top_p * (double)total) : total;
    for (uint32_t i = 0; i < kept && cuts; i++) {
        sum += weights[i];
        if (sum >= mass) kept = i + 1;
    }
    if (cuts) total = sum;
    __extension__ typedef unsigned __int128 wide;
    uint64_t target = (uint64_t)(((wide)r * total) >> 64);
    for (uint32_t i = 0; i < kept; i++) {
        if (target < weights[i]) return all[i].id;
        target -= weights[i];
    }
    fail_msg("the draw lies beyond the sum");
    return 0;
}

static void every_draw_is_the_one_that_the_definition_gives(void **state)
{
    (void)state;
    static const float temperatures[] = { 0.01f, 0.7f, 1.0f, 3.0f }, ps[] = { 1.0f, 0.95f, 0.5f, 1e-6f };
    static const uint32_t ks[] = { 0, 1, 2, 40, 299, 300, UINT32_MAX };
    float logits[300];
    for (uint64_t seed = 0; seed < 4 * 4 * 7 * 3; seed++) {
        struct ingot_sampling s = settings_of(temperatures[seed % 4], ks[seed / 16 % 7], ps[seed / 4 % 4], seed);
        struct ingot_sampler *sampler = create(s, 300);
        uint64_t random = seed;
        for (int i = 0; i < 20; i++) {
            fill(logits, 300, seed * 100 + (uint64_t)i);
            if (i % 3 == 1)
                for (uint32_t k = 0; k < 300; k++) logits[k] = rintf(logits[k]); /* ties */
            if (i % 5 == 2) logits[i] = NAN, logits[i + 50] = -INFINITY;
            if (i % 7 == 3) logits[2 * i] = INFINITY, logits[3 * i] = INFINITY;
            assert_int_equal(ingot_sampler_draw(sampler, logits), reference_draw(s, &random, logits, 300));
        }
        ingot_sampler_close(sampler);
    }
}

static void the_generator_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t first[] = { 0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f };
    static float logits[1 << 12]; /* equal weights: the draw is the upper 12 bits of the number */
    struct ingot_sampler *s = create(settings_of(1.0f, 0, 1.0f, 0), 1 << 12);
    for (int i = 0; i < 3; i++) assert_int_equal(ingot_sampler_draw(s, logits), first[i] >> 52);
    ingot_sampler_close(s);
}

/* -------------------------------------------------------------------------------------------------- distributions */

/* 31 degrees of freedom: 61.1 is exceeded once in a thousand. The seed is fixed: this passes always or never. */
static void draws_follow_the_softmax_of_logits_over_temperature(void **state)
{
    (void)state;
    static const float temperatures[] = { 0.5f, 1.0f, 2.0f };
    float logits[32];
    uint32_t counts[32];
    double probability[32];
    fill(logits, 32, 1);
    for (size_t t = 0; t < 3; t++) {
        double sum = 0;
        for (int i = 0; i < 32; i++) sum += probability[i] = exp((double)logits[i] / (double)temperatures[t]);
        for (int i = 0; i < 32; i++) probability[i] /= sum;
        count_draws(settings_of(temperatures[t], 0, 1.0f, 11), logits, 32, counts);
        assert_true(chi_square(counts, probability, 32) < 61.1);
    }
}

static void top_k_keeps_the_k_largest_in_proportion(void **state)
{
    (void)state;
    const float logits[] = { 0.0f, 2.0f, 1.0f, 2.0f, -1.0f, 2.0f };
    const double e = exp(1.0), three = 3 * e + 1;
    const double probability[] = { 0, e / three, 1 / three, e / three, 0, e / three };
    uint32_t counts[6];
    count_draws(settings_of(1.0f, 4, 1.0f, 5), logits, 6, counts);
    assert_true(chi_square(counts, probability, 6) < 16.3);
}

static void of_equal_logits_the_lower_ids_are_kept(void **state)
{
    (void)state;
    const float logits[] = { 0.0f, 1.0f, 1.0f, -0.0f, 1.0f, 0.0f };
    uint32_t counts[6];
    count_draws(settings_of(1.0f, 2, 1.0f, 5), logits, 6, counts);
    assert_true(counts[1] > 0 && counts[2] > 0);
    assert_int_equal(counts[1] + counts[2], N_DRAWS);
    count_draws(settings_of(1.0f, 4, 1.0f, 5), logits, 6, counts);
    assert_true(counts[0] > 0 && counts[3] == 0 && counts[5] == 0);
}

static void top_p_keeps_the_smallest_set_that_reaches_p(void **state)
{
    (void)state;
    const float logits[] = { logf(0.1f), logf(0.5f), logf(0.15f), logf(0.25f) };
    static const struct {
        float p;
        bool kept[4];
    } cases[] = {
        { 1e-6f, { false, true, false, false } }, { 0.49f, { false, true, false, false } },
        { 0.51f, { false, true, false, true } },  { 0.74f, { false, true, false, true } },
        { 0.76f, { false, true, true, true } },   { 0.91f, { true, true, true, true } },
        { 1.0f, { true, true, true, true } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t counts[4];
        count_draws(settings_of(1.0f, 0, cases[i].p, 3), logits, 4, counts);
        for (int id = 0; id < 4; id++) assert_int_equal(counts[id] > 0, cases[i].kept[id]);
    }
}

/* Weights 2^38, 2^38, 1: half of all is 2^38 + 1/2, which one of them alone does not reach. */
static void what_lacks_half_a_unit_does_not_reach_p(void **state)
{
    (void)state;
    const float logits[] = { 0.0f, 0.0f, -26.3f };
    uint32_t counts[3];
    count_draws(settings_of(1.0f, 0, 0.5f, 3), logits, 3, counts);
    assert_true(counts[0] > 0 && counts[1] > 0);
    assert_int_equal(counts[2], 0);
}

/* Two equal weights, and seeds whose first number is 2^63, the first of the second half, or the one before it. */
static void a_number_on_the_border_belongs_to_the_next_token(void **state)
{
    (void)state;
    static const uint64_t seeds[] = { UINT64_C(0x0d4f88b4067761bd), UINT64_C(0x2fedf1efce1d5545) };
    const float logits[] = { 0.0f, 0.0f };
    for (uint32_t i = 0; i < 2; i++)
        for (int nucleus = 0; nucleus < 2; nucleus++) {
            struct ingot_sampler *s = create(settings_of(1.0f, 0, nucleus ? 0.9f : 1.0f, seeds[i]), 2);
            assert_int_equal(ingot_sampler_draw(s, logits), i);
            ingot_sampler_close(s);
        }
}

/* 4 kept of weights 4 3 2 1; of these 0.65 is reached by two; without top-k first it would be three. */
static void top_p_counts_within_what_top_k_left(void **state)
{
    (void)state;
    const float logits[] = { logf(4), logf(3), logf(2), logf(1), logf(0.9f), logf(0.9f), logf(0.9f) };
    uint32_t counts[7];
    count_draws(settings_of(1.0f, 4, 0.65f, 3), logits, 7, counts);
    assert_true(counts[0] > 0 && counts[1] > 0);
    assert_int_equal(counts[0] + counts[1], N_DRAWS);
    count_draws(settings_of(1.0f, 0, 0.65f, 3), logits, 7, counts);
    assert_true(counts[2] > 0);
}

/* ---------------------------------------------------------------------------------------------------- determinism */

static void the_seed_decides_and_logits_keep_no_memory(void **state)
{
    (void)state;
    float logits[100], other[100];
    fill(logits, 100, 8);
    fill(other, 100, 9);
    struct ingot_sampler *a = create(settings_of(1.0f, 0, 0.9f, 77), 100);
    struct ingot_sampler *b = create(settings_of(1.0f, 0, 0.9f, 77), 100);
    struct ingot_sampler *c = create(settings_of(1.0f, 0, 0.9f, 78), 100);
    uint32_t n_different = 0;
    for (int i = 0; i < 200; i++) {
        ingot_sampler_draw(b, other); /* draws count, whatever was drawn from */
        ingot_sampler_draw(a, logits);
        uint32_t id = ingot_sampler_draw(a, logits);
        assert_int_equal(id, ingot_sampler_draw(b, logits));
        n_different += id != ingot_sampler_draw(c, logits);
    }
    assert_true(n_different > 100);
    ingot_sampler_close(a);
    ingot_sampler_close(b);
    ingot_sampler_close(c);
}

static void the_callers_rounding_mode_neither_matters_nor_changes(void **state)
{
    (void)state;
    float logits[300];
    fill(logits, 300, 10);
    struct ingot_sampler *a = create(settings_of(0.8f, 0, 0.9f, 4), 300),
                         *b = create(settings_of(0.8f, 0, 0.9f, 4), 300);
    for (int i = 0; i < 200; i++) {
        uint32_t id = ingot_sampler_draw(a, logits);
        fesetround(FE_UPWARD);
        uint32_t same = ingot_sampler_draw(b, logits);
        int mode = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(mode, FE_UPWARD);
        assert_int_equal(id, same);
    }
    ingot_sampler_close(a);
    ingot_sampler_close(b);
}

/* ---------------------------------------------------------------------------------------- greedy, odd numbers */

static void greedy_takes_the_largest_and_of_equals_the_lowest(void **state)
{
    (void)state;
    const struct ingot_sampling greedy = settings_of(0.0f, 3, 0.5f, 1);
    assert_int_equal(draw_once(greedy, (float[]){ 1, 3, 2, 3 }, 4), 1);
    assert_int_equal(draw_once(greedy, (float[]){ -0.0f, 0.0f }, 2), 0);
    assert_int_equal(draw_once(greedy, (float[]){ NAN, -5, NAN, -4 }, 4), 3);
    assert_int_equal(draw_once(greedy, (float[]){ NAN, -INFINITY, -INFINITY }, 3), 1);
    assert_int_equal(draw_once(greedy, (float[]){ 1, INFINITY, INFINITY }, 3), 1);
    assert_int_equal(draw_once(greedy, (float[]){ NAN, NAN }, 2), 0);
}

static void numbers_that_are_none_are_never_drawn(void **state)
{
    (void)state;
    uint32_t counts[5];
    count_draws(settings_of(1.0f, 0, 1.0f, 2), (float[]){ NAN, 1, NAN, 1, -INFINITY }, 5, counts);
    assert_int_equal(counts[1] + counts[3], N_DRAWS);
    count_draws(settings_of(1.0f, 3, 0.9f, 2), (float[]){ NAN, NAN, NAN, NAN, -INFINITY }, 5, counts);
    assert_int_equal(counts[4], N_DRAWS);
    count_draws(settings_of(1.0f, 0, 0.9f, 2), (float[]){ 1e30f, INFINITY, NAN, INFINITY, 3 }, 5, counts);
    assert_true(counts[1] > 0 && counts[3] > 0);
    assert_int_equal(counts[1] + counts[3], N_DRAWS);
    assert_int_equal(draw_once(settings_of(1.0f, 2, 0.9f, 2), (float[]){ NAN, NAN, NAN }, 3), 0);
}

static void extreme_temperatures_are_the_limits(void **state)
{
    (void)state;
    const float logits[] = { 1.0f, 1.0000001f, -3e38f, 0.5f };
    uint32_t counts[4];
    count_draws(settings_of(1e-45f, 0, 1.0f, 6), logits, 4, counts);
    assert_int_equal(counts[1], N_DRAWS);
    count_draws(settings_of(3e38f, 0, 1.0f, 6), (float[]){ 1, -50, 7, 20 }, 4, counts);
    assert_true(chi_square(counts, (double[]){ 0.25, 0.25, 0.25, 0.25 }, 4) < 16.3);
}

static void a_vocabulary_of_one_gives_it(void **state)
{
    (void)state;
    assert_int_equal(draw_once(settings_of(1.0f, 1, 0.1f, 0), (float[]){ -7 }, 1), 0);
}

static void settings_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    const struct {
        struct ingot_sampling settings;
        uint32_t n;
        const char *name;
    } cases[] = {
        { settings_of(-0.1f, 0, 1, 0), 9, "temperature" },
        { settings_of(NAN, 0, 1, 0), 9, "temperature" },
        { settings_of(INFINITY, 0, 1, 0), 9, "temperature" },
        { settings_of(1, 0, 0, 0), 9, "top_p" },
        { settings_of(1, 0, 1.01f, 0), 9, "top_p" },
        { settings_of(1, 0, NAN, 0), 9, "top_p" },
        { settings_of(1, 0, 1, 0), 0, "n_vocab" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_sampler *s = (struct ingot_sampler *)&s; /* to be overwritten */
        struct ingot_error err = { 0 };
        assert_int_equal(ingot_sampler_create(&cases[i].settings, cases[i].n, &s, &err), INGOT_E_ARGUMENT);
        assert_int_equal(err.status, INGOT_E_ARGUMENT);
        assert_string_equal(err.subject, cases[i].name);
        assert_null(s);
    }
    ingot_sampler_close(NULL);
}

static void without_settings_it_is_greedy(void **state)
{
    (void)state;
    const float logits[] = { 0.0f, 2.0f, -1.0f, 2.0f };
    struct ingot_sampler *s;
    assert_int_equal(ingot_sampler_create(NULL, 4, &s, NULL), INGOT_OK);
    for (int i = 0; i < 9; i++) assert_int_equal(ingot_sampler_draw(s, logits), 1);
    ingot_sampler_close(s);
}

static void log_probabilities_are_those_of_the_softmax(void **state)
{
    (void)state;
    const float logits[] = { 0.0f, 1.0f, -2.0f, NAN, -INFINITY };
    double sum = 1 + exp(1.0) + exp(-2.0);
    for (uint32_t id = 0; id < 3; id++)
        assert_true(fabs(ingot_log_probability(logits, 5, id) - ((double)logits[id] - log(sum))) < 1e-14);
    assert_true(ingot_log_probability(logits, 5, 3) == -INFINITY);
    assert_true(ingot_log_probability(logits, 5, 4) == -INFINITY);
    assert_true(fabs(ingot_log_probability((float[]){ 3e38f, 3e38f, -3e38f }, 3, 1) + log(2)) < 1e-14);
    assert_true(fabs(ingot_log_probability((float[]){ INFINITY, 1, INFINITY }, 3, 2) + log(2)) < 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_draw_is_the_one_that_the_definition_gives),
        cmocka_unit_test(the_generator_is_splitmix64),
        cmocka_unit_test(draws_follow_the_softmax_of_logits_over_temperature),
        cmocka_unit_test(top_k_keeps_the_k_largest_in_proportion),
        cmocka_unit_test(of_equal_logits_the_lower_ids_are_kept),
        cmocka_unit_test(top_p_keeps_the_smallest_set_that_reaches_p),
        cmocka_unit_test(what_lacks_half_a_unit_does_not_reach_p),
        cmocka_unit_test(a_number_on_the_border_belongs_to_the_next_token),
        cmocka_unit_test(top_p_counts_within_what_top_k_left),
        cmocka_unit_test(the_seed_decides_and_logits_keep_no_memory),
        cmocka_unit_test(the_callers_rounding_mode_neither_matters_nor_changes),
        cmocka_unit_test(greedy_takes_the_largest_and_of_equals_the_lowest),
        cmocka_unit_test(numbers_that_are_none_are_never_drawn),
        cmocka_unit_test(extreme_temperatures_are_the_limits),
        cmocka_unit_test(a_vocabulary_of_one_gives_it),
        cmocka_unit_test(settings_out_of_range_are_refused_by_name),
        cmocka_unit_test(without_settings_it_is_greedy),
        cmocka_unit_test(log_probabilities_are_those_of_the_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
