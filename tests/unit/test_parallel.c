/* test_parallel.c - every job once, and the same error whatever the timing. */
#include "format/parallel.h"
#include "format/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_JOBS 1000

struct count {
    atomic_uint done[N_JOBS];
    uint32_t n_workers;
    uint64_t fail_from; /* jobs at and beyond fail */
    atomic_bool bad_worker;
};

static enum ingot_status count_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct count *c = ctx;
    atomic_fetch_add(&c->done[job], 1);
    if (worker >= c->n_workers) atomic_store(&c->bad_worker, true);
    if (job < c->fail_from) return INGOT_OK;
    return ingot_fail(err, INGOT_E_DIGEST, job, NULL, NULL, "job");
}

static void every_job_is_done_once_on_any_number_of_threads(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 6; n++) {
        struct count c = { .n_workers = n, .fail_from = UINT64_MAX };
        assert_int_equal(parallel_for(N_JOBS, n, count_job, &c, NULL), INGOT_OK);
        for (size_t i = 0; i < N_JOBS; i++) assert_int_equal(atomic_load(&c.done[i]), 1);
        assert_false(atomic_load(&c.bad_worker));
    }
}

static void the_lowest_failing_job_is_reported_whatever_the_timing(void **state)
{
    (void)state;
    for (uint64_t from = 0; from < 100; from++) {
        struct count c = { .n_workers = 4, .fail_from = from };
        struct ingot_error err = { 0 };
        assert_int_equal(parallel_for(N_JOBS, 4, count_job, &c, &err), INGOT_E_DIGEST);
        assert_int_equal(err.offset, from);
    }
}

static void jobs_after_a_failure_are_dropped(void **state)
{
    (void)state;
    struct count c = { .n_workers = 1, .fail_from = 3 };
    assert_int_equal(parallel_for(N_JOBS, 1, count_job, &c, NULL), INGOT_E_DIGEST);
    for (size_t i = 0; i < N_JOBS; i++) assert_int_equal(atomic_load(&c.done[i]), i < 4);
}

static void an_error_that_is_already_set_stays(void **state)
{
    (void)state;
    struct count c = { .n_workers = 1 };
    struct ingot_error err = { .status = INGOT_E_IO, .offset = 77 };
    assert_int_equal(parallel_for(N_JOBS, 1, count_job, &c, &err), INGOT_E_DIGEST);
    assert_int_equal(err.status, INGOT_E_IO);
    assert_int_equal(err.offset, 77);
}

static void no_jobs_are_no_work(void **state)
{
    (void)state;
    struct count c = { .n_workers = 4 };
    assert_int_equal(parallel_for(0, 4, count_job, &c, NULL), INGOT_OK);
    assert_int_equal(atomic_load(&c.done[0]), 0);
}

static void threads_are_at_least_one_and_at_most_256(void **state)
{
    (void)state;
    assert_true(parallel_threads(0) >= 1);
    assert_int_equal(parallel_threads(3), 3);
    assert_int_equal(parallel_threads(UINT32_MAX), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_is_done_once_on_any_number_of_threads),
        cmocka_unit_test(the_lowest_failing_job_is_reported_whatever_the_timing),
        cmocka_unit_test(jobs_after_a_failure_are_dropped),
        cmocka_unit_test(an_error_that_is_already_set_stays),
        cmocka_unit_test(no_jobs_are_no_work),
        cmocka_unit_test(threads_are_at_least_one_and_at_most_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
