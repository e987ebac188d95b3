/* child.c - what the tests of failures share: child processes and scratch directories. */
#include "tests/fault/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[256];

const char *child_env(const char *name)
{
    const char *value = getenv(name);
    if (!value) fail_msg("%s is not set; run the tests with tests/run or make test", name);
    return value;
}

void scratch_enter(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/scratch.XXXXXX", base ? base : P_tmpdir);
    assert_non_null(mkdtemp(scratch));
    assert_int_equal(chdir(scratch), 0);
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void)info, (void)flag, (void)ftw;
    return remove(path);
}

void scratch_leave(void)
{
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static _Noreturn void become(const char *const *argv, const char *const *env)
{
    char *copy[CHILD_MAX_ARGS + 1] = { NULL };
    for (size_t i = 0; i < CHILD_MAX_ARGS && argv[i]; i++) copy[i] = strdup(argv[i]);
    for (; env && *env; env++) putenv(strdup(*env));
    int null = open("/dev/null", O_RDWR), errors = open("stderr", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (null >= 0 && errors >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(errors, 2) == 2)
        execv(copy[0], copy);
    _exit(127);
}

pid_t child_start(const char *const *argv, const char *const *env)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) become(argv, env);
    return pid;
}

int child_wait(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int child_run(const char *const *argv, const char *const *env)
{
    return child_wait(child_start(argv, env));
}

const char *child_stderr(void)
{
    static char text[4096];
    FILE *in = fopen("stderr", "rb");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    return text;
}

static bool same_streams(FILE *a, FILE *b)
{
    static char block_a[1 << 16], block_b[1 << 16];
    for (;;) {
        size_t n = fread(block_a, 1, sizeof block_a, a);
        if (fread(block_b, 1, sizeof block_b, b) != n || memcmp(block_a, block_b, n) != 0) return false;
        if (n < sizeof block_a) return !ferror(a) && !ferror(b);
    }
}

const char *inside(const char *directory, const char *name)
{
    static char path[2][320];
    static unsigned turn;
    char *to = path[turn++ % 2];
    snprintf(to, sizeof *path, "%s/%s", directory, name);
    return to;
}

bool same_bytes(const char *path_a, const char *path_b)
{
    FILE *a = fopen(path_a, "rb"), *b = fopen(path_b, "rb");
    bool same = a && b && same_streams(a, b);
    if (a) fclose(a);
    if (b) fclose(b);
    return same;
}

static bool is_in(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (!strcmp(name, *list)) return true;
    }
    return false;
}

const char *unexpected_entry(const char *path, const char *const *expected)
{
    static char found[256];
    DIR *dir = opendir(path);
    assert_non_null(dir);
    found[0] = 0;
    for (struct dirent *entry; !found[0] && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || is_in(entry->d_name, expected)) continue;
        snprintf(found, sizeof found, "%s", entry->d_name);
    }
    closedir(dir);
    return found[0] ? found : NULL;
}

void make_model(const char *dir, const char *const *options)
{
    char tool[4096];
    const char *argv[CHILD_MAX_ARGS] = { tool, dir,        "--vocabulary", "bytes",   "--n_layer",
                                         "1",  "--n_embd", "32",           "--n_ctx", "16" };
    size_t n = 10;
    for (; options && *options && n + 1 < CHILD_MAX_ARGS; options++) argv[n++] = *options;
    snprintf(tool, sizeof tool, "%s/tests/tools/random_checkpoint", child_env("INGOT_BUILD"));
    assert_int_equal(child_run(argv, NULL), 0);
}
