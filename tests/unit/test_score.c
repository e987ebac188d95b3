/* test_score.c - windows count every prediction once; ranks and sums under hostile logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/score.h"
#include "inspect/windows.h"

#include <math.h>

#define N_MAX 40

/* The first window that has the position, from its definition. */
static size_t begin_of(size_t position, uint32_t n_ctx, uint32_t stride)
{
    size_t begin = 0;
    while (position >= begin + n_ctx) begin += stride;
    return begin;
}

/* Walks all windows; what is counted must be as defined, what is evaluated must follow what was evaluated before. */
static void check_windows(size_t n_ids, uint32_t n_ctx, uint32_t stride, uint32_t portion)
{
    struct windows w = windows_begin(n_ids, n_ctx, stride, portion);
    struct window_step step;
    size_t counted = 0, begin = 0, at = 0, n_windows = 0;
    while (windows_next(&w, &step)) {
        assert_true(step.n > 0);
        if (step.fresh) {
            begin = at = step.first;
            n_windows++;
        }
        assert_int_equal(step.first, at);
        at += step.n;
        assert_true(at - begin <= n_ctx && at < n_ids);
        if (!step.counts) continue;
        assert_true(step.n <= portion);
        assert_int_equal(step.first, counted);
        for (size_t i = step.first; i < at; i++) assert_int_equal(begin_of(i, n_ctx, stride), begin);
        counted = at;
    }
    assert_int_equal(counted, n_ids ? n_ids - 1 : 0);
    assert_int_equal(n_windows, windows_count(n_ids, n_ctx, stride));
}

static void every_prediction_counts_once_in_the_first_window_that_has_it(void **state)
{
    (void)state;
    for (size_t n = 0; n < N_MAX; n++)
        for (uint32_t n_ctx = 1; n_ctx < 12; n_ctx++)
            for (uint32_t stride = 1; stride <= n_ctx; stride++)
                for (uint32_t portion = 1; portion < 14; portion += 3) check_windows(n, n_ctx, stride, portion);
}

static void a_rank_counts_what_is_likelier_and_nan_comes_last(void **state)
{
    (void)state;
    const float logits[] = { 1, 3, NAN, 3, -INFINITY, 2, NAN };
    const uint32_t ranks[] = { 4, 1, 6, 2, 5, 3, 7 };
    for (uint32_t id = 0; id < 7; id++) {
        const struct score_token token = score_token(logits, 7, id);
        assert_int_equal(token.id, id);
        assert_int_equal(token.rank, ranks[id]);
    }
    assert_true(score_token(logits, 7, 2).log_p == -INFINITY);
    assert_true(fabs(score_token(logits, 7, 1).log_p + log(2 + exp(-2) + exp(-1))) < 1e-12);
}

static void totals_are_sums_and_their_quotients(void **state)
{
    (void)state;
    const struct score_token tokens[] = { { .log_p = -1, .rank = 1 }, { .log_p = -2, .rank = 3 } };
    struct score_total total = { 0 }, all = { 0 };
    assert_true(isnan(score_nats_per_token(&total)) && isnan(score_bits_per_byte(&total)));
    score_add(&total, tokens, 2, NULL);
    score_add_total(&all, &total);
    score_add_total(&all, &total);
    assert_int_equal(all.n_tokens, 4);
    assert_int_equal(all.n_best, 2);
    assert_true(all.nats == 6 && score_nats_per_token(&all) == 1.5 && score_perplexity(&all) == exp(1.5));
    assert_true(isnan(score_bits_per_byte(&all)));
    all.n_bytes = 12;
    assert_true(fabs(score_bits_per_byte(&all) - 0.5 / log(2)) < 1e-15);
}

static void windows_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    struct score_settings s = { .n_ctx = 9 };
    assert_int_equal(score_settings_check(8, &s, &err), INGOT_E_ARGUMENT);
    s = (struct score_settings){ .n_ctx = 4, .stride = 5 };
    err = (struct ingot_error){ 0 };
    assert_int_equal(score_settings_check(8, &s, &err), INGOT_E_ARGUMENT);
    s = (struct score_settings){ 0 };
    assert_int_equal(score_settings_check(1, &s, &err), INGOT_OK);
    assert_true(s.n_ctx == 1 && s.stride == 1);
    s = (struct score_settings){ .n_ctx = 7 };
    assert_int_equal(score_settings_check(8, &s, &err), INGOT_OK);
    assert_true(s.n_ctx == 7 && s.stride == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prediction_counts_once_in_the_first_window_that_has_it),
        cmocka_unit_test(a_rank_counts_what_is_likelier_and_nan_comes_last),
        cmocka_unit_test(totals_are_sums_and_their_quotients),
        cmocka_unit_test(windows_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
