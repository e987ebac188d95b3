/* test_cpus.c - where threads begin. The machine is a pretended one: the calls that ask and send are ours here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/cpus.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_CALLS = 16 };

static struct {
    size_t kernel_bytes; /* of a set of all CPUs that it knows of: it fills no smaller one */
    int own;             /* the CPU that the caller runs on; below 0: nobody knows */
    struct cpus allowed; /* of the process */
    bool refuses;        /* to send a thread anywhere */
    pthread_t threads[MAX_CALLS];
    struct cpus sets[MAX_CALLS];
    size_t n_calls;
} machine;

int sched_getcpu(void)
{
    return machine.own;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    if (size < machine.kernel_bytes) return -1;
    memcpy(set, &machine.allowed, size);
    return 0;
}

int pthread_setaffinity_np(pthread_t th, size_t size, const cpu_set_t *set)
{
    assert_in_range(machine.n_calls, 0, MAX_CALLS - 1);
    machine.threads[machine.n_calls] = th;
    memcpy(&machine.sets[machine.n_calls++], set, size);
    return machine.refuses ? EINVAL : 0;
}

/* CPUs as letters: "ac" are 0 and 2. */
static struct cpus set_of(const char *letters)
{
    struct cpus set = { 0 };
    for (; *letters; letters++) cpus_add(&set, (unsigned)(*letters - 'a'));
    return set;
}

static void pretend(int own, const char *allowed)
{
    memset(&machine, 0, sizeof machine);
    machine.own = own;
    machine.allowed = set_of(allowed);
}

/* Threads are numbers here: nobody looks at them. */
static void spread(uint32_t n, const char *cpus)
{
    static const pthread_t threads[] = { 101, 102, 103, 104, 105 };
    const struct cpus set = set_of(cpus);
    cpus_spread(threads, n, &set);
}

static bool same_cpus(const struct cpus *a, const struct cpus *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The calls come in pairs: to one CPU, then free. */
static void assert_sent(size_t pair, pthread_t thread, char cpu)
{
    const char name[2] = { cpu, '\0' };
    const struct cpus one = set_of(name);
    assert_in_range(2 * pair + 2, 2, machine.n_calls);
    assert_true(machine.threads[2 * pair] == thread && machine.threads[2 * pair + 1] == thread);
    assert_true(same_cpus(&machine.sets[2 * pair], &one));
    assert_true(same_cpus(&machine.sets[2 * pair + 1], &machine.allowed));
}

static void each_thread_begins_on_a_cpu_of_its_own_and_may_then_go_anywhere(void **state)
{
    (void)state;
    pretend(1, "abcd");
    spread(3, "abcd");
    assert_sent(0, 101, 'c');
    assert_sent(1, 102, 'd');
    assert_sent(2, 103, 'a');
    assert_int_equal(machine.n_calls, 6);
}

static void more_threads_than_cpus_go_around(void **state)
{
    (void)state;
    pretend(3, "bd");
    spread(3, "bd");
    assert_sent(0, 101, 'b');
    assert_sent(1, 102, 'd');
    assert_sent(2, 103, 'b');
}

/* Hardware thread f shares its core with b, which is the one listed. */
static void a_caller_beside_the_listed_cpus_moves_to_one_of_them(void **state)
{
    (void)state;
    pretend(5, "abcdefgh");
    spread(3, "abcd");
    assert_sent(0, pthread_self(), 'a');
    assert_sent(1, 101, 'b');
    assert_sent(2, 102, 'c');
    assert_sent(3, 103, 'd');
}

static void fewer_threads_than_cpus_are_left_to_the_kernel(void **state)
{
    (void)state;
    pretend(0, "abcd");
    spread(2, "abcd");
    assert_int_equal(machine.n_calls, 0);
}

static void one_cpu_or_an_unknown_one_changes_nothing(void **state)
{
    (void)state;
    pretend(0, "a");
    spread(4, "a");
    pretend(0, "ab");
    spread(1, "");
    pretend(-1, "ab");
    spread(1, "ab");
    assert_int_equal(machine.n_calls, 0);
}

static void a_kernel_that_knows_of_thousands_of_cpus_says_which_are_allowed(void **state)
{
    (void)state;
    pretend(4000, "");
    machine.kernel_bytes = 8192 / 8;
    cpus_add(&machine.allowed, 4000);
    cpus_add(&machine.allowed, 8191);
    const struct cpus cpus = cpus_allowed();
    assert_int_equal(cpus_count(&cpus), 2);
    cpus_spread((const pthread_t[]){ 101 }, 1, &cpus);
    assert_int_equal(machine.n_calls, 2);
    assert_true(machine.threads[0] == 101 && cpus_have(&machine.sets[0], 8191) && cpus_count(&machine.sets[0]) == 1);
}

static void a_kernel_that_does_not_say_allows_none(void **state)
{
    (void)state;
    pretend(0, "ab");
    machine.kernel_bytes = SIZE_MAX;
    const struct cpus cpus = cpus_allowed();
    assert_int_equal(cpus_count(&cpus), 0);
    spread(1, "ab");
    assert_int_equal(machine.n_calls, 0);
}

static void a_refusal_leaves_a_thread_as_it_was(void **state)
{
    (void)state;
    pretend(0, "ab");
    machine.refuses = true;
    spread(1, "ab");
    assert_int_equal(machine.n_calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_begins_on_a_cpu_of_its_own_and_may_then_go_anywhere),
        cmocka_unit_test(more_threads_than_cpus_go_around),
        cmocka_unit_test(a_caller_beside_the_listed_cpus_moves_to_one_of_them),
        cmocka_unit_test(fewer_threads_than_cpus_are_left_to_the_kernel),
        cmocka_unit_test(one_cpu_or_an_unknown_one_changes_nothing),
        cmocka_unit_test(a_kernel_that_knows_of_thousands_of_cpus_says_which_are_allowed),
        cmocka_unit_test(a_kernel_that_does_not_say_allows_none),
        cmocka_unit_test(a_refusal_leaves_a_thread_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
