/* test_pool.c - every item goes to one thread, a barrier makes work visible, workers leave signals alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/pool.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_ITEMS = 1000, N_ROUNDS = 300 };

struct work {
    struct pool *pool;
    uint32_t done[2][N_ITEMS]; /* plain memory: only the barrier orders it */
    uint32_t wrong;
    bool blocked[8], deaf[8];
    int rounding[8];
};

static struct work *new_work(uint32_t n_threads)
{
    struct work *work = calloc(1, sizeof *work);
    assert_non_null(work);
    work->pool = pool_create(n_threads);
    assert_non_null(work->pool);
    return work;
}

static void close_work(struct work *work)
{
    pool_close(work->pool);
    free(work);
}

/* Round after round, each item of one array is made from its mirror image in the other. */
static void rounds(void *ctx, uint32_t thread)
{
    struct work *w = ctx;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        uint32_t item;
        while (pool_next(w->pool, thread, N_ITEMS, &item))
            w->done[(round + 1) % 2][item] = w->done[round % 2][N_ITEMS - 1 - item] + 1;
        pool_barrier(w->pool);
    }
}

static void every_item_is_done_once_between_two_barriers(void **state)
{
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 5; n_threads++) {
        struct work *work = new_work(n_threads);
        assert_int_equal(pool_size(work->pool), n_threads);
        for (uint32_t run = 1; run <= 5; run++) {
            pool_run(work->pool, rounds, work);
            for (size_t i = 0; i < N_ITEMS; i++) assert_int_equal(work->done[N_ROUNDS % 2][i], run * N_ROUNDS);
        }
        close_work(work);
    }
}

/* Longer than anyone spins. */
static void dawdle(void *ctx, uint32_t thread)
{
    struct work *w = ctx;
    if (thread == 0) usleep(20000);
    pool_barrier(w->pool);
    if (thread == 1) usleep(20000);
    pool_barrier(w->pool);
    w->done[0][thread]++;
}

static void who_waits_long_sleeps_and_is_woken(void **state)
{
    (void)state;
    struct work *work = new_work(3);
    for (uint32_t run = 1; run <= 3; run++) {
        usleep(20000);
        pool_run(work->pool, dawdle, work);
        for (size_t i = 0; i < 3; i++) assert_int_equal(work->done[0][i], run);
    }
    close_work(work);
}

static void look_around(void *ctx, uint32_t thread)
{
    struct work *w = ctx;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    w->blocked[thread] = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM) && sigismember(&mask, SIGALRM);
    w->deaf[thread] = sigismember(&mask, SIGBUS) || sigismember(&mask, SIGSEGV) || sigismember(&mask, SIGFPE);
    w->rounding[thread] = fegetround();
}

static void workers_block_signals_but_their_own_faults_and_round_to_nearest_whatever_the_caller_does(void **state)
{
    (void)state;
    fesetround(FE_UPWARD);
    struct work *work = new_work(3);
    pool_run(work->pool, look_around, work);
    const int mine = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(mine, FE_UPWARD);
    assert_false(work->blocked[0]);
    for (size_t i = 1; i < 3; i++) {
        assert_true(work->blocked[i]);
        assert_false(work->deaf[i]);
        assert_int_equal(work->rounding[i], FE_TONEAREST);
    }
    close_work(work);
}

static void a_pool_that_never_ran_can_be_closed(void **state)
{
    (void)state;
    pool_close(pool_create(4));
    pool_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_once_between_two_barriers),
        cmocka_unit_test(who_waits_long_sleeps_and_is_woken),
        cmocka_unit_test(workers_block_signals_but_their_own_faults_and_round_to_nearest_whatever_the_caller_does),
        cmocka_unit_test(a_pool_that_never_ran_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
