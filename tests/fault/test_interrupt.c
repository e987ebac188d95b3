/*
 * test_interrupt.c - conversions and exports that are killed, interrupted, or race each other for one name.
 *
 * Under the output's name stands what was there before or a complete file or directory, at any moment.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/child.h"

enum { EXIT_EXISTS = 5, EXIT_INTERRUPTED = 130 };

static const char *const stray_free[] = { "model", "good.ingot", "out.ingot", "good", "out", "stderr", NULL };
static const char *const hf_files[] = {
    "config.json",           "merges.txt", "model.safetensors", "special_tokens_map.json", "vocab.json",
    "tokenizer_config.json", NULL
};
static int64_t whole_us, export_us; /* how long a whole conversion and export take here and now */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static pid_t start_conversion(const char *output, bool overwrite)
{
    const char *argv[] = { child_env("INGOT"), "convert", "model", "-o", output, overwrite ? "-f" : NULL, NULL };
    return child_start(argv, NULL);
}

/* To a Hugging Face directory. */
static pid_t start_export(const char *output, bool overwrite)
{
    const char *argv[] = { child_env("INGOT"), "export", "good.ingot", "-o", output, overwrite ? "-f" : NULL, NULL };
    return child_start(argv, NULL);
}

/* About 12 MB: long enough to be hit in the middle. */
static int enter(void **state)
{
    (void)state;
    const char *options[] = { "--n_layer", "4", "--n_embd", "256", NULL };
    scratch_enter();
    make_model("model", options);
    int64_t start = now_us();
    int status = child_wait(start_conversion("good.ingot", false));
    whole_us = now_us() - start;
    if (status != 0) return status;
    start = now_us();
    status = child_wait(start_export("good", false));
    export_us = now_us() - start;
    return status;
}

static int leave(void **state)
{
    (void)state;
    scratch_leave();
    return 0;
}

static void write_old(void)
{
    FILE *out = fopen("out.ingot", "wb");
    assert_non_null(out);
    fputs("old", out);
    fclose(out);
}

static bool output_is_old(void)
{
    char text[8] = "";
    FILE *in = fopen("out.ingot", "rb");
    if (!in) return false;
    size_t n = fread(text, 1, sizeof text, in);
    fclose(in);
    return n == 3 && !memcmp(text, "old", 3);
}

static void wait_us(int64_t us)
{
    struct timespec t = { us / 1000000, us % 1000000 * 1000 };
    nanosleep(&t, NULL);
}

/* Moments are spread evenly over a little more than one whole conversion. */
static int signal_at(int signal_number, int moment, int n_moments, bool overwrite)
{
    pid_t pid = start_conversion("out.ingot", overwrite);
    wait_us(whole_us * moment * 5 / (n_moments * 4));
    kill(pid, signal_number);
    return child_wait(pid);
}

static int n_moments(void)
{
    return getenv("SOAK") ? 500 : 40;
}

static void assert_no_stray(void)
{
    const char *stray = unexpected_entry(".", stray_free);
    if (stray) fail_msg("left %s behind", stray);
}

/* What a killed conversion may leave, besides: a temporary file whose name says so, for a moment before it is renamed.
 */
static void remove_stale(void)
{
    for (const char *stray; (stray = unexpected_entry(".", stray_free));) {
        if (!strstr(stray, "ingot-tmp")) fail_msg("left %s behind", stray);
        assert_int_equal(unlink(stray), 0);
    }
}

static void a_killed_conversion_leaves_nothing_or_a_complete_file(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments(); i++) {
        int status = signal_at(SIGKILL, i, n_moments(), false);
        assert_true(status == 0 || status == -SIGKILL);
        bool exists = access("out.ingot", F_OK) == 0;
        if (exists) assert_true(same_bytes("out.ingot", "good.ingot"));
        if (status == 0) assert_true(exists);
        unlink("out.ingot");
        remove_stale();
    }
}

static void a_killed_conversion_leaves_the_old_file_or_a_complete_one(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments(); i++) {
        write_old();
        int status = signal_at(SIGKILL, i, n_moments(), true);
        assert_true(status == 0 || status == -SIGKILL);
        bool complete = same_bytes("out.ingot", "good.ingot");
        assert_true(complete || output_is_old());
        if (status == 0) assert_true(complete);
        unlink("out.ingot");
        remove_stale();
    }
}

/* Before main() has installed its handler the signal ends the process as any other's. */
static void an_interrupted_conversion_cleans_up_and_says_130(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments(); i++) {
        write_old();
        int status = signal_at(SIGINT, i, n_moments(), true);
        if (status != 0 && status != EXIT_INTERRUPTED && status != -SIGINT) fail_msg("exit status %d", status);
        if (status == 0) assert_true(same_bytes("out.ingot", "good.ingot"));
        if (status != 0) assert_true(output_is_old() || same_bytes("out.ingot", "good.ingot"));
        assert_no_stray();
        unlink("out.ingot");
    }
}

static void two_conversions_to_one_name_give_one_whole_file(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments() / 8; i++) {
        pid_t a = start_conversion("out.ingot", false), b = start_conversion("out.ingot", false);
        int status_a = child_wait(a), status_b = child_wait(b);
        assert_true(status_a == 0 || status_a == EXIT_EXISTS);
        assert_true(status_b == 0 || status_b == EXIT_EXISTS);
        assert_int_equal((status_a == 0) + (status_b == 0), 1);
        assert_true(same_bytes("out.ingot", "good.ingot"));
        assert_no_stray();
        unlink("out.ingot");
    }
}

static void two_replacing_conversions_both_succeed_and_do_not_mix(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments() / 8; i++) {
        write_old();
        pid_t a = start_conversion("out.ingot", true), b = start_conversion("out.ingot", true);
        assert_int_equal(child_wait(a), 0);
        assert_int_equal(child_wait(b), 0);
        assert_true(same_bytes("out.ingot", "good.ingot"));
        assert_no_stray();
        unlink("out.ingot");
    }
}

/* ---------------------------------------------------------------------------------------------------------- exports */

static bool directory_is_complete(void)
{
    for (size_t i = 0; hf_files[i]; i++)
        if (!same_bytes(inside("good", hf_files[i]), inside("out", hf_files[i]))) return false;
    return unexpected_entry("out", hf_files) == NULL;
}

static void remove_directory(const char *path)
{
    for (size_t i = 0; hf_files[i]; i++) unlink(inside(path, hf_files[i]));
    if (rmdir(path) != 0 && access(path, F_OK) == 0) fail_msg("%s holds what no export writes", path);
}

static void write_old_directory(void)
{
    assert_int_equal(mkdir("out", 0700), 0);
    FILE *f = fopen("out/config.json", "wb");
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
}

static bool directory_is_old(void)
{
    static const char *const old[] = { "config.json", NULL };
    struct stat st;
    return stat("out/config.json", &st) == 0 && st.st_size == 3 && unexpected_entry("out", old) == NULL;
}

static int signal_export_at(int signal_number, int moment, bool overwrite)
{
    pid_t pid = start_export("out", overwrite);
    wait_us(export_us * moment * 5 / (n_moments() * 4));
    kill(pid, signal_number);
    return child_wait(pid);
}

/* What is left is a directory with a name that says so. */
static void a_killed_export_leaves_the_old_directory_or_a_complete_one(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments(); i++) {
        bool replaces = i % 2;
        if (replaces) write_old_directory();
        int status = signal_export_at(SIGKILL, i, replaces);
        assert_true(status == 0 || status == -SIGKILL);
        bool exists = access("out", F_OK) == 0;
        assert_true(exists || !replaces);
        if (exists) assert_true(directory_is_complete() || (replaces && directory_is_old()));
        if (status == 0) assert_true(directory_is_complete());
        remove_directory("out");
        for (const char *stray; (stray = unexpected_entry(".", stray_free));) {
            char name[256];
            snprintf(name, sizeof name, "%s", stray);
            if (strncmp(name, ".out.ingot-tmp-", 15) != 0) fail_msg("left %s behind", name);
            remove_directory(name);
        }
    }
}

static void an_interrupted_export_leaves_what_was_there(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments(); i++) {
        const int number = i % 2 ? SIGINT : SIGTERM;
        write_old_directory();
        int status = signal_export_at(number, i, true);
        if (status != 0 && status != EXIT_INTERRUPTED && status != -number) fail_msg("exit status %d", status);
        assert_true(directory_is_complete() || (status != 0 && directory_is_old()));
        assert_no_stray();
        remove_directory("out");
    }
}

static void two_exports_to_one_name_give_one_whole_directory(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments() / 8; i++) {
        pid_t a = start_export("out", false), b = start_export("out", false);
        int status_a = child_wait(a), status_b = child_wait(b);
        assert_true(status_a == 0 || status_a == EXIT_EXISTS);
        assert_true(status_b == 0 || status_b == EXIT_EXISTS);
        assert_int_equal((status_a == 0) + (status_b == 0), 1);
        assert_true(directory_is_complete());
        assert_no_stray();
        remove_directory("out");
    }
}

static void two_replacing_exports_both_succeed_and_do_not_mix(void **state)
{
    (void)state;
    for (int i = 0; i < n_moments() / 8; i++) {
        write_old_directory();
        pid_t a = start_export("out", true), b = start_export("out", true);
        assert_int_equal(child_wait(a), 0);
        assert_int_equal(child_wait(b), 0);
        assert_true(directory_is_complete());
        assert_no_stray();
        remove_directory("out");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_conversion_leaves_nothing_or_a_complete_file),
        cmocka_unit_test(a_killed_conversion_leaves_the_old_file_or_a_complete_one),
        cmocka_unit_test(an_interrupted_conversion_cleans_up_and_says_130),
        cmocka_unit_test(two_conversions_to_one_name_give_one_whole_file),
        cmocka_unit_test(two_replacing_conversions_both_succeed_and_do_not_mix),
        cmocka_unit_test(a_killed_export_leaves_the_old_directory_or_a_complete_one),
        cmocka_unit_test(an_interrupted_export_leaves_what_was_there),
        cmocka_unit_test(two_exports_to_one_name_give_one_whole_directory),
        cmocka_unit_test(two_replacing_exports_both_succeed_and_do_not_mix),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
