/* test_divergence.c - the distance of two rows of logits, and what rows add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect/divergence.h"

#include <math.h>
#include <string.h>

static void assert_near(double a, double b)
{
    assert_true(a == b || fabs(a - b) <= 1e-12 * (fabs(a) + fabs(b)));
}

static struct divergence_row row_of(const float *a, const float *b, uint32_t n)
{
    const float *const pair[2] = { a, b };
    return divergence_row(pair, n, 0);
}

static void a_row_has_the_figures_of_its_definition(void **state)
{
    (void)state;
    const float a[3] = { 0, logf(2), -1 }, b[3] = { 1, 0.5f, 0 };
    double p[3], q[3], sum_p = 0, sum_q = 0, kl = 0;
    for (int i = 0; i < 3; i++) sum_p += p[i] = exp((double)a[i]), sum_q += q[i] = exp((double)b[i]);
    for (int i = 0; i < 3; i++) kl += p[i] / sum_p * log(p[i] / sum_p * sum_q / q[i]);
    const struct divergence_row row = row_of(a, b, 3);
    assert_near(row.kl, kl);
    assert_near(row.max_abs, 1);
    assert_near(row.mean_abs, (2 + ((double)logf(2) - 0.5)) / 3);
    assert_false(row.same_best || row.identical);
    assert_near(row.of[0].log_p, log(p[0] / sum_p));
    assert_near(row.of[1].log_p, log(q[0] / sum_q));
}

static void a_shift_of_all_logits_changes_no_probability(void **state)
{
    (void)state;
    const float a[4] = { 1, 2, 3, -4 }, b[4] = { 5, 6, 7, 0 };
    const struct divergence_row row = row_of(a, b, 4);
    assert_true(row.kl >= 0 && row.kl < 1e-15);
    assert_true(row.same_best && !row.identical);
    assert_near(row.mean_abs, 4);
}

static void the_same_bits_are_identical_whatever_they_are(void **state)
{
    (void)state;
    const float a[3] = { NAN, INFINITY, -0.0f }, b[3] = { 1, 2, -0.0f }, c[3] = { 1, 2, 0.0f };
    assert_true(row_of(a, a, 3).identical && row_of(a, a, 3).kl == 0 && row_of(a, a, 3).max_abs == 0);
    assert_false(row_of(b, c, 3).identical);
    assert_true(row_of(b, c, 3).kl == 0 && row_of(b, c, 3).max_abs == 0 && row_of(b, c, 3).same_best);
}

static void what_is_not_finite_is_infinitely_far(void **state)
{
    (void)state;
    const float a[3] = { 0, 0, 0 }, b[3] = { 0, 0, -INFINITY }, c[3] = { 0, 0, NAN };
    assert_true(row_of(a, b, 3).kl == INFINITY && row_of(a, b, 3).max_abs == INFINITY);
    assert_true(row_of(a, c, 3).kl == INFINITY && row_of(a, c, 3).mean_abs == INFINITY);
    assert_near(row_of(b, a, 3).kl, log(1.5));
}

static void the_likeliest_token_has_a_number_for_a_logit(void **state)
{
    (void)state;
    const float a[3] = { NAN, 1, 3 }, b[3] = { 0, 1, 3 }, c[3] = { NAN, 3, NAN }, d[3] = { 0, 3, 1 };
    assert_true(row_of(a, b, 3).same_best);
    assert_true(row_of(c, d, 3).same_best);
    assert_false(row_of(a, c, 3).same_best);
}

static void logits_without_probabilities_are_infinitely_far_either_way(void **state)
{
    (void)state;
    const float good[2] = { 1, 2 }, bad[3][2] = { { NAN, NAN }, { 1, INFINITY }, { -INFINITY, -INFINITY } };
    for (int i = 0; i < 3; i++) {
        assert_true(row_of(bad[i], good, 2).kl == INFINITY);
        assert_true(row_of(good, bad[i], 2).kl == INFINITY);
    }
}

static void sums_means_and_quantiles_are_those_of_the_rows(void **state)
{
    (void)state;
    struct divergence_row rows[200];
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < 200; i++) {
        rows[i] = (struct divergence_row){ .kl = (double)((i * 7) % 200 + 1), .mean_abs = 2, .same_best = i % 4 == 0 };
        rows[i].max_abs = i == 77 ? 9 : 1;
        rows[i].of[0].log_p = -1;
        rows[i].of[1].log_p = -2;
    }
    const struct divergence d = divergence_sum(rows, 200, NULL);
    assert_int_equal(d.n, 200);
    assert_int_equal(d.n_same_best, 50);
    assert_int_equal(d.n_identical, 0);
    assert_near(d.kl_mean, 100.5);
    assert_near(d.kl_median, 100);
    assert_near(d.kl_p99, 198);
    assert_near(d.kl_max, 200);
    assert_near(d.mean_abs, 2);
    assert_near(d.max_abs, 9);
    assert_near(score_perplexity(&d.total[0]), exp(1));
    assert_near(score_perplexity(&d.total[1]), exp(2));
    assert_near(divergence_sum(rows, 1, NULL).kl_p99, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_the_figures_of_its_definition),
        cmocka_unit_test(a_shift_of_all_logits_changes_no_probability),
        cmocka_unit_test(the_same_bits_are_identical_whatever_they_are),
        cmocka_unit_test(what_is_not_finite_is_infinitely_far),
        cmocka_unit_test(the_likeliest_token_has_a_number_for_a_logit),
        cmocka_unit_test(logits_without_probabilities_are_infinitely_far_either_way),
        cmocka_unit_test(sums_means_and_quantiles_are_those_of_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
