/*
 * test_fast_choice.c - a session that asks to be fast is so only where that was measured. No clock is trusted further
 * than a factor of two.
 */
#include "runtime/fast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/model_fixture.h"

static void panels_in_no_time(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,
                              size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    (void)w, (void)panel_bytes, (void)n_panels, (void)n_in, (void)x, (void)x_stride, (void)n_rows, (void)y_stride;
    y[0] = 0;
}

static void panels_twice(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,
                         size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    for (int i = 0; i < 2; i++)
        kernels_select(NULL)->kernels->panels_f32(w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

static void kernels_that_take_less_time_than_the_exact_ones_pay(void **state)
{
    const struct fast_kernels nothing = { .panels_f32 = panels_in_no_time };
    (void)state;
    assert_true(fast_pays(kernels_select(NULL)->kernels, &nothing));
}

static void kernels_that_take_twice_as_long_do_not_pay(void **state)
{
    const struct fast_kernels slow = { .panels_f32 = panels_twice };
    (void)state;
    assert_false(fast_pays(kernels_select(NULL)->kernels, &slow));
}

static void a_rung_without_fast_kernels_is_exact(void **state)
{
    (void)state;
    assert_null(fast_of_rung(kernels_select("scalar")));
}

static void what_was_measured_for_a_model_stays(void **state)
{
    struct model_fixture fixture =
        model_from_options("--n_layer 1 --n_head 2 --n_embd 32 --n_vocab 20 --n_ctx 16", INGOT_F32, NULL);
    (void)state;
    const struct fast_kernels *first = fast_of_model(fixture.model);
    assert_true(!first || first == kernels_fast(fixture.model->rung));
    assert_int_equal(atomic_load(fixture.model->fast_choice), first ? FAST_PAYS : FAST_IS_EXACT);
    atomic_store(fixture.model->fast_choice, FAST_IS_EXACT);
    assert_null(fast_of_model(fixture.model));
    model_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_that_take_less_time_than_the_exact_ones_pay),
        cmocka_unit_test(kernels_that_take_twice_as_long_do_not_pay),
        cmocka_unit_test(a_rung_without_fast_kernels_is_exact),
        cmocka_unit_test(what_was_measured_for_a_model_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
