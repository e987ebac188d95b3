/* test_treemap.c - rectangles have the areas that they stand for, and together they are the whole. */
#include "inspect/treemap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST 300

static void check(const double *areas, size_t n, struct treemap_rect into)
{
    struct treemap_rect r[MOST];
    double sum = 0, whole = into.w * into.h;
    for (size_t i = 0; i < n; i++) sum += areas[i];
    treemap_lay(areas, n, into, r);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabs(r[i].w * r[i].h - whole * areas[i] / sum) < 1e-9 * whole);
        assert_true(r[i].x > into.x - 1e-6 && r[i].x + r[i].w < into.x + into.w + 1e-6);
        assert_true(r[i].y > into.y - 1e-6 && r[i].y + r[i].h < into.y + into.h + 1e-6);
        for (size_t k = 0; k < i; k++) {
            double across = fmin(r[i].x + r[i].w, r[k].x + r[k].w) - fmax(r[i].x, r[k].x);
            double down = fmin(r[i].y + r[i].h, r[k].y + r[k].h) - fmax(r[i].y, r[k].y);
            assert_true(across < 1e-6 || down < 1e-6);
        }
    }
}

static void rectangles_have_their_areas_and_do_not_overlap(void **state)
{
    const struct treemap_rect wide = { 10, 20, 1000, 480 }, tall = { 0, 0, 3, 700 };
    double areas[MOST], power = 1e12;
    (void)state;
    for (size_t i = 0; i < MOST; i++) areas[i] = 1;
    check(areas, MOST, wide);
    check(areas, 1, wide);
    check(areas, 7, tall);
    for (size_t i = 0; i < 30; i++, power /= 3) areas[i] = power;
    check(areas, 30, wide);
    areas[29] = 4 * areas[28]; /* out of order is only less pretty */
    check(areas, 30, tall);
}

/* The example of the paper: 6, 6, 4, 3, 2, 2, 1 in 6 x 4 begins with two squares of 3 x 2 above each other. */
static void the_example_of_the_paper_is_laid_out_as_there(void **state)
{
    const double areas[] = { 6, 6, 4, 3, 2, 2, 1 };
    struct treemap_rect r[7];
    (void)state;
    treemap_lay(areas, 7, (struct treemap_rect){ 0, 0, 6, 4 }, r);
    assert_true(fabs(r[0].w - 3) < 1e-9 && fabs(r[0].h - 2) < 1e-9);
    assert_true(fabs(r[1].x) < 1e-9 && fabs(r[1].y - 2) < 1e-9);
    assert_true(fabs(r[2].x - 3) < 1e-9 && fabs(r[2].w - 12.0 / 7) < 1e-9 && fabs(r[2].h - 7.0 / 3) < 1e-9);
    assert_true(fabs(r[3].w - 9.0 / 7) < 1e-9 && fabs(r[3].y) < 1e-9);
}

static void nothing_needs_no_room(void **state)
{
    (void)state;
    treemap_lay(NULL, 0, (struct treemap_rect){ 0, 0, 1, 1 }, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectangles_have_their_areas_and_do_not_overlap),
        cmocka_unit_test(the_example_of_the_paper_is_laid_out_as_there),
        cmocka_unit_test(nothing_needs_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
