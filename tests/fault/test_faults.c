/*
 * test_faults.c - every allocation and every system call fails once, in turn.
 *
 * For each command and each family of calls of fail_nth.c the n-th call fails, n = 1, 2, .. until the command has no
 * n-th call. (Families with very many calls are sampled more and more thinly; SOAK=1 in the environment leaves out
 * none.) Whatever fails: no crash, exit status 5 with a message or, where the program can do without, 0 with the full
 * result; under the output's name the old file or directory, or the complete new one; nothing else left beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/child.h"
#include "tests/unit/skip.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

enum { EXIT_INVALID = 3, EXIT_SYSTEM = 5 };

static const char *const families[] = { "malloc", "open",     "read", "write",  "space", "sync",
                                        "name",   "exchange", "mmap", "advise", "thread" };

struct command {
    const char *argv[16]; /* argv[0] is filled in */
    const char *output;   /* compared with "good/NAME" after success; NULL for commands that only read */
    bool replaces;        /* an older output stands there and must survive a failure */

    const char *const *files; /* the output is a directory of exactly these; NULL: a file */
    const char *beside;       /* a second file that must not be there without the output; NULL: none */
};

static const char *const entries_before[] = { "model", "good", "stderr", NULL };
static const char *const hf_files[] = {
    "config.json",           "merges.txt", "model.safetensors", "special_tokens_map.json", "vocab.json",
    "tokenizer_config.json", NULL
};

/* Sanitizers bring allocators of their own, which no preloaded library can stand in front of. */
static int enter(void **state)
{
    (void)state;
    if (WITH_SANITIZER) return 0;
    scratch_enter();
    make_model("model", NULL);
    const char *mkdir_argv[] = { "/bin/mkdir", "good", NULL };
    const char *convert_argv[] = { child_env("INGOT"), "convert", "model", "-o", "good/out.ingot", NULL };
    const char *q8_argv[] = { child_env("INGOT"), "convert", "model", "-o", "good/q8.ingot", "--dtype", "q8", NULL };
    const char *report_argv[] = { child_env("INGOT"), "report", "good/q8.ingot", "-o", "good/page.html", NULL };
    if (child_run(mkdir_argv, NULL) || child_run(convert_argv, NULL)) return -1;
    if (child_run(q8_argv, NULL) || child_run(report_argv, NULL)) return -1;
    static const char *const exports[] = { "good/out.gguf", "good/out.bin", "good/out" };
    for (size_t i = 0; i < 3; i++) {
        const char *argv[] = { child_env("INGOT"), "export", "good/out.ingot", "-o", exports[i], NULL };
        if (child_run(argv, NULL)) return -1;
    }
    return 0;
}

static int leave(void **state)
{
    (void)state;
    if (!WITH_SANITIZER) scratch_leave();
    return 0;
}

/* Complaints of one test: all calls are tried before it fails. */
static int n_complaints;

#define COMPLAIN(...) (n_complaints++, print_error(__VA_ARGS__), print_error("\n"))

/* The file of an output that says whether it is the old one. */
static const char *telling_file(const struct command *c)
{
    return c->files ? inside(c->output, c->files[0]) : c->output;
}

static void write_old(const struct command *c)
{
    if (c->files) assert_int_equal(mkdir(c->output, 0700), 0);
    FILE *out = fopen(telling_file(c), "wb");
    assert_non_null(out);
    fputs("old", out);
    fclose(out);
}

static bool is_old(const struct command *c)
{
    char text[8] = "";
    FILE *in = fopen(telling_file(c), "rb");
    if (!in) return false;
    size_t n = fread(text, 1, sizeof text, in);
    fclose(in);
    return n == 3 && !memcmp(text, "old", 3);
}

static bool is_complete(const struct command *c)
{
    char good[64];
    snprintf(good, sizeof good, "good/%s", c->output);
    if (!c->files) return same_bytes(good, c->output);
    for (size_t i = 0; c->files[i]; i++)
        if (!same_bytes(inside(good, c->files[i]), inside(c->output, c->files[i]))) return false;
    return unexpected_entry(c->output, c->files) == NULL;
}

static void remove_output(const struct command *c)
{
    for (size_t i = 0; c->files && c->files[i]; i++) unlink(inside(c->output, c->files[i]));
    remove(c->output);
}

static void check_output(const struct command *c, int status, const char *label)
{
    bool exists = access(c->output, F_OK) == 0;
    if (status == 0 && !is_complete(c)) COMPLAIN("%s: success, but the output is not complete", label);
    if (status != 0 && exists && !is_complete(c) && !(c->replaces && is_old(c)))
        COMPLAIN("%s: the output is neither old nor complete", label);
    if (status != 0 && c->replaces && !exists) COMPLAIN("%s: the old output is gone", label);
    if (c->beside && (access(c->beside, F_OK) == 0) != exists)
        COMPLAIN("%s: %s is %s the output", label, c->beside, exists ? "not beside" : "there without");
    if (c->beside && exists && !same_bytes(inside("good", c->beside), c->beside))
        COMPLAIN("%s: %s is not complete", label, c->beside);
    if (c->beside) unlink(c->beside);
    remove_output(c);
}

/* Jansson 2.14 ignores most failures of its string buffer: a character is lost, and the text or a name no longer
 * parses. The conversion is then refused in the wrong words; a wrong file it must not write, and check_output() looks.
 */
static bool blamed_on_json(const struct command *c, const char *family)
{
    if (strcmp(c->argv[1], "convert") != 0 || strcmp(family, "malloc") != 0) return false;
    return strstr(child_stderr(), "bad JSON") || strstr(child_stderr(), "no tensor of a GPT-2 has this name");
}

/* Whether the n-th call of the family exists. */
static bool run_with_failure(const struct command *c, const char *family, long n)
{
    char preload[4096], call[64], nth[64], label[128];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s/tests/fault/fail_nth.so", child_env("INGOT_BUILD"));
    snprintf(call, sizeof call, "FAIL_CALL=%s", family);
    snprintf(nth, sizeof nth, "FAIL_NTH=%ld", n);
    snprintf(label, sizeof label, "%s, %s call %ld", c->argv[1], family, n);
    const char *env[] = { preload, call, nth, "FAIL_MARK=mark", NULL };

    const char *argv[16];
    memcpy(argv, c->argv, sizeof argv);
    argv[0] = child_env("INGOT");
    if (c->replaces) write_old(c);

    int status = child_run(argv, env);
    bool happened = unlink("mark") == 0;
    bool excused = status == EXIT_INVALID && blamed_on_json(c, family);
    if (status != 0 && status != EXIT_SYSTEM && !excused)
        COMPLAIN("%s: exit status %d: %s", label, status, child_stderr());
    if (status != 0 && !happened) COMPLAIN("%s: fails without a failing call: %s", label, child_stderr());
    if (status != 0 && !*child_stderr()) COMPLAIN("%s: fails without a word", label);
    if (c->output) check_output(c, status, label);
    const char *stray = unexpected_entry(".", entries_before);
    if (stray) COMPLAIN("%s: left %s behind", label, stray);
    if (stray) unlink(stray);
    return happened;
}

static void fail_each_call(const struct command *c)
{
    if (WITH_SANITIZER) SKIP("the sanitizers have allocators of their own");
    bool all = getenv("SOAK") != NULL;
    n_complaints = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (long n = 1; run_with_failure(c, families[f], n);) n += all ? 1 : 1 + n / 24;
    }
    assert_int_equal(n_complaints, 0);
}

static void any_failure_of_convert_leaves_no_output(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "convert", "model", "-o", "out.ingot" }, .output = "out.ingot" });
}

static void any_failure_of_convert_keeps_the_old_output(void **state)
{
    (void)state;
    fail_each_call(&(struct command){
        .argv = { "", "convert", "model", "-o", "out.ingot", "-f" }, .output = "out.ingot", .replaces = true });
}

static void any_failure_of_quantising_leaves_no_output(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "convert", "model", "-o", "q8.ingot", "--dtype", "q8" },
                                      .output = "q8.ingot" });
}

static void any_failure_of_report_keeps_the_old_page(void **state)
{
    (void)state;
    fail_each_call(&(struct command){
        .argv = { "", "report", "good/q8.ingot", "-o", "page.html", "-f" }, .output = "page.html", .replaces = true });
}

static void any_failure_of_export_to_one_file_leaves_no_output(void **state)
{
    (void)state;
    fail_each_call(
        &(struct command){ .argv = { "", "export", "good/out.ingot", "-o", "out.gguf" }, .output = "out.gguf" });
}

static void any_failure_of_export_to_two_files_leaves_none(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "export", "good/out.ingot", "-o", "out.bin" },
                                      .output = "out.bin",
                                      .beside = "gpt2_tokenizer.bin" });
}

static void any_failure_of_export_leaves_no_directory(void **state)
{
    (void)state;
    fail_each_call(&(struct command){
        .argv = { "", "export", "good/out.ingot", "-o", "out" }, .output = "out", .files = hf_files });
}

static void any_failure_of_export_keeps_the_old_directory(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "export", "good/out.ingot", "-o", "out", "-f" },
                                      .output = "out",
                                      .replaces = true,
                                      .files = hf_files });
}

static void any_failure_of_ls_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "ls", "good/out.ingot" } });
}

static void any_failure_of_params_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "params", "good/out.ingot" } });
}

static void any_failure_of_verify_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "verify", "good/out.ingot" } });
}

static void any_failure_of_run_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "run", "good/out.ingot", "-p", "abc", "-n", "3" } });
}

static void any_failure_of_eval_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "eval", "good/out.ingot", "--ids", "1,2,3", "--json" } });
}

static void any_failure_of_score_is_clean(void **state)
{
    (void)state;
    fail_each_call(&(struct command){ .argv = { "", "score", "good/q8.ingot", "model/config.json", "--json" } });
}

static void any_failure_of_comparing_logits_is_clean(void **state)
{
    (void)state;
    fail_each_call(
        &(struct command){ .argv = { "", "diff", "good/q8.ingot", "good/q8.ingot", "--logits", "model/config.json" } });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_failure_of_convert_leaves_no_output),
        cmocka_unit_test(any_failure_of_convert_keeps_the_old_output),
        cmocka_unit_test(any_failure_of_quantising_leaves_no_output),
        cmocka_unit_test(any_failure_of_report_keeps_the_old_page),
        cmocka_unit_test(any_failure_of_export_to_one_file_leaves_no_output),
        cmocka_unit_test(any_failure_of_export_to_two_files_leaves_none),
        cmocka_unit_test(any_failure_of_export_leaves_no_directory),
        cmocka_unit_test(any_failure_of_export_keeps_the_old_directory),
        cmocka_unit_test(any_failure_of_ls_is_clean),
        cmocka_unit_test(any_failure_of_params_is_clean),
        cmocka_unit_test(any_failure_of_verify_is_clean),
        cmocka_unit_test(any_failure_of_run_is_clean),
        cmocka_unit_test(any_failure_of_eval_is_clean),
        cmocka_unit_test(any_failure_of_score_is_clean),
        cmocka_unit_test(any_failure_of_comparing_logits_is_clean),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
