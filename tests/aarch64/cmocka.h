/*
 * cmocka.h - the part of cmocka that our tests use, for a machine that we cross-compile for and that has no cmocka.
 *
 * Same names, TAP on stdout. A failing assertion ends its test by longjmp(), as cmocka's does; a crash ends the
 * program, which tests/run counts as a failure of all that was planned.
 */
#ifndef TESTS_AARCH64_CMOCKA_H
#define TESTS_AARCH64_CMOCKA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    int (*setup_func)(void **state);
    int (*teardown_func)(void **state);
    void *initial_state;
};

enum { MINI_PASSED, MINI_FAILED, MINI_SKIPPED };

__attribute__((weak)) jmp_buf mini_return; /* one for all files of a program */

static inline _Noreturn void mini_end(int result)
{
    longjmp(mini_return, result);
}

static inline void mini_check(bool holds, const char *what, const char *file, int line)
{
    if (holds) return;
    printf("# %s:%d: %s\n", file, line, what);
    mini_end(MINI_FAILED);
}

#define mini_assert(condition, text) mini_check((condition), text, __FILE__, __LINE__)
#define mini_compare(a, op, b)       mini_assert((uintmax_t)(a)op(uintmax_t)(b), #a " " #op " " #b)
#define mini_pointer(p)              ((uintptr_t)(p))

#define assert_true(x)                   mini_assert((x), #x)
#define assert_false(x)                  mini_assert(!(x), "not " #x)
#define assert_null(p)                   mini_assert((p) == NULL, #p " is NULL")
#define assert_non_null(p)               mini_assert((p) != NULL, #p " is not NULL")
#define assert_int_equal(a, b)           mini_compare(a, ==, b)
#define assert_int_not_equal(a, b)       mini_compare(a, !=, b)
#define assert_ptr_equal(a, b)           mini_compare(mini_pointer(a), ==, mini_pointer(b))
#define assert_ptr_not_equal(a, b)       mini_compare(mini_pointer(a), !=, mini_pointer(b))
#define assert_in_range(x, low, high)    mini_assert((x) >= (low) && (x) <= (high), #x " in " #low " .. " #high)
#define assert_string_equal(a, b)        mini_assert(strcmp((a), (b)) == 0, #a " is " #b)
#define assert_string_not_equal(a, b)    mini_assert(strcmp((a), (b)) != 0, #a " is not " #b)
#define assert_memory_equal(a, b, n)     mini_assert(memcmp((a), (b), (n)) == 0, #a " is " #b)
#define assert_memory_not_equal(a, b, n) mini_assert(memcmp((a), (b), (n)) != 0, #a " is not " #b)
#define fail()                           mini_check(false, "failure", __FILE__, __LINE__)
#define fail_msg(...)                    (printf("# " __VA_ARGS__), putchar('\n'), fail())
#define print_message(...)               printf("# " __VA_ARGS__)
#define skip()                           mini_end(MINI_SKIPPED)

#define cmocka_unit_test(f)                                                                                            \
    {                                                                                                                  \
#f, f, NULL, NULL, NULL                                                                                        \
    }
#define cmocka_unit_test_setup(f, s)                                                                                   \
    {                                                                                                                  \
#f, f, s, NULL, NULL                                                                                           \
    }
#define cmocka_unit_test_teardown(f, t)                                                                                \
    {                                                                                                                  \
#f, f, NULL, t, NULL                                                                                           \
    }
#define cmocka_unit_test_setup_teardown(f, s, t)                                                                       \
    {                                                                                                                  \
#f, f, s, t, NULL                                                                                              \
    }
#define cmocka_unit_test_prestate(f, p)                                                                                \
    {                                                                                                                  \
#f, f, NULL, NULL, p                                                                                           \
    }
#define cmocka_run_group_tests(tests, setup, teardown)            mini_run(tests, sizeof(tests) / sizeof *(tests), setup, teardown)
#define _cmocka_run_group_tests(name, tests, n, setup, teardown)  mini_run(tests, n, setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) cmocka_run_group_tests(tests, setup, teardown)

static inline int mini_run_one(const struct CMUnitTest *test, void *group_state)
{
    void *state = test->initial_state ? test->initial_state : group_state;
    int result = setjmp(mini_return);
    if (result) return result;
    if (test->setup_func && test->setup_func(&state)) return MINI_FAILED;
    test->test_func(&state);
    if (test->teardown_func && test->teardown_func(&state)) return MINI_FAILED;
    return MINI_PASSED;
}

static inline int mini_run(const struct CMUnitTest *tests, size_t n, int (*setup)(void **), int (*teardown)(void **))
{
    static const char *const words[] = { "ok", "not ok", "ok" };
    void *state = NULL;
    int n_failed = 0;
    printf("1..%zu\n", n);
    if (setup && setup(&state)) return 1;
    for (size_t i = 0; i < n; i++) {
        int result = mini_run_one(&tests[i], state);
        printf("%s %zu - %s%s\n", words[result], i + 1, tests[i].name, result == MINI_SKIPPED ? " # SKIP" : "");
        fflush(stdout);
        n_failed += result == MINI_FAILED;
    }
    if (teardown && teardown(&state)) n_failed++;
    return n_failed;
}

#endif
