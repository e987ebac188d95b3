/* test_cores.c - hardware threads of one core count once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/cores.h"
#include "tests/unit/skip.h"

#include <stdio.h>
#include <string.h>

static void the_lowest_allowed_cpu_of_a_list_stands_for_it(void **state)
{
    static const struct {
        const char *list;
        unsigned cpu;
        bool lower; /* when CPUs 1 to 70 are allowed */
    } cases[] = {
        { "1\n", 1, false },
        { "1-2\n", 1, false },
        { "1-2\n", 2, true },
        { "2,66\n", 66, true },
        { "0,64\n", 64, false },
        { "0-1\n", 1, false },
        { "0-3\n", 3, true },
        { "0,2,64\n", 64, true },
        { "0,2,64\n", 2, false },
        { "0,8-9\n", 9, true },
        { "0,8-9\n", 8, false },
        { "71-90,3\n", 80, true },
        { "71-80\n", 80, false },
        { "", 5, false },
        { "\n", 5, false },
        { "5-\n", 5, false },
        { "9-4294967295\n", 9, false },
    };
    struct cpus allowed = { 0 };
    (void)state;
    for (unsigned cpu = 1; cpu <= 70; cpu++) cpus_add(&allowed, cpu);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cores_names_lower(cases[i].list, cases[i].cpu, &allowed) != cases[i].lower)
            fail_msg("CPU %u of %s", cases[i].cpu, cases[i].list);
}

static bool read_siblings(unsigned cpu, char list[256])
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool got = fgets(list, 256, f);
    fclose(f);
    return got;
}

static void there_are_as_many_cores_as_different_lists_of_siblings(void **state)
{
    static char lists[CPUS_MOST][256];
    uint32_t n = 0;
    const struct cpus allowed = cpus_allowed();
    (void)state;
    for (unsigned cpu = 0; cpu < CPUS_MOST; cpu++) {
        if (!cpus_have(&allowed, cpu)) continue;
        if (!read_siblings(cpu, lists[n])) SKIP("the kernel lists no siblings");
        uint32_t known = 0;
        while (strcmp(lists[known], lists[n]) != 0) known++;
        n += known == n;
    }
    const struct cpus cores = cores_list(CPUS_MOST);
    assert_int_equal(cpus_count(&cores), n);
    assert_in_range(cores_count(CPUS_MOST), 1, n);
    assert_int_equal(cores_count(1), 1);
}

static void no_more_cores_are_listed_than_were_asked_for(void **state)
{
    (void)state;
    for (uint32_t most = 0; most <= cores_count(CPUS_MOST); most++) {
        const struct cpus cores = cores_list(most);
        assert_int_equal(cpus_count(&cores), most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_allowed_cpu_of_a_list_stands_for_it),
        cmocka_unit_test(there_are_as_many_cores_as_different_lists_of_siblings),
        cmocka_unit_test(no_more_cores_are_listed_than_were_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
