/* test_quota.c - what control groups grant, read from directories that look like theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/quota.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/format_fixture.h"

enum { ALL = 64 }; /* CPUs of the machine */

static char root[DIRECTORY_BYTES];

static uint32_t granted(void)
{
    return quota_cpus(root, ALL);
}

static void make_directories(char *path)
{
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0777);
        *at = '/';
    }
}

static void put(const char *name, const char *text)
{
    char path[DIRECTORY_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", root, name);
    make_directories(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin(void **state)
{
    (void)state;
    make_directory(root);
    return 0;
}

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void nothing_that_can_be_read_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(granted(), ALL);
    put("proc/self/cgroup", "0::/a\n");
    assert_int_equal(granted(), ALL);
    put("proc/self/cgroup", "\n:\n::\n3:cpu\n1:cpu:/x\nnonsense\n");
    assert_int_equal(granted(), ALL);
}

static void of_version_2_the_least_from_the_group_up_to_the_root_counts(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(granted(), ALL);
    put("sys/fs/cgroup/a/cpu.max", "800000 100000\n");
    assert_int_equal(granted(), 8);
    put("sys/fs/cgroup/a/b/cpu.max", "100000 50000\n");
    assert_int_equal(granted(), 2);
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_int_equal(granted(), 1);
}

/* A container names the group as its host does, or from where it is itself, but sees its own as the root. */
static void a_group_that_is_not_where_it_is_named_has_the_roots_quota(void **state)
{
    static const char *const names[] = { "0::/\n", "0::/docker/0123abcd\n", "0::/../../other\n" };
    (void)state;
    put("sys/fs/cgroup/cpu.max", "400000 100000\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put("proc/self/cgroup", names[i]);
        assert_int_equal(granted(), 4);
    }
}

static void of_version_1_it_is_the_hierarchy_that_has_the_cpu(void **state)
{
    (void)state;
    put("proc/self/cgroup", "9:cpuset:/a\n4:memory:/a\n2:cpu,cpuacct:/a\n0::/\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(granted(), ALL);
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
    put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(granted(), 3);
    put("proc/self/cgroup", "9:cpuset,cpuacct:/a\n");
    assert_int_equal(granted(), ALL);
}

static void parts_of_cpus_are_rounded_to_the_nearest_but_not_to_none(void **state)
{
    static const struct {
        const char *max;
        uint32_t cpus;
    } cases[] = {
        { "1000 100000", 1 },
        { "149999 100000", 1 },
        { "150000 100000", 2 },
        { "249000 100000", 2 },
        { "99999999999999999999 1", ALL },
        { "5 18446744073709551615", 1 },
        { "100000 0", ALL },
        { "100000", ALL },
        { "", ALL },
    };
    (void)state;
    put("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("sys/fs/cgroup/cpu.max", cases[i].max);
        assert_int_equal(granted(), cases[i].cpus);
    }
}

/* Its line is longer than what is read. */
static void a_name_too_long_for_a_path_is_no_limit(void **state)
{
    char line[6000];
    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "0::/", 4);
    line[sizeof line - 1] = '\0';
    put("proc/self/cgroup", line);
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_in_range(granted(), 1, ALL);
}

static void one_cpu_is_never_divided(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "1000 100000\n");
    assert_int_equal(quota_cpus(root, 1), 1);
    assert_int_equal(quota_cpus(root, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_that_can_be_read_is_no_limit, begin, end),
        cmocka_unit_test_setup_teardown(of_version_2_the_least_from_the_group_up_to_the_root_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_group_that_is_not_where_it_is_named_has_the_roots_quota, begin, end),
        cmocka_unit_test_setup_teardown(of_version_1_it_is_the_hierarchy_that_has_the_cpu, begin, end),
        cmocka_unit_test_setup_teardown(parts_of_cpus_are_rounded_to_the_nearest_but_not_to_none, begin, end),
        cmocka_unit_test_setup_teardown(one_cpu_is_never_divided, begin, end),
        cmocka_unit_test_setup_teardown(a_name_too_long_for_a_path_is_no_limit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
