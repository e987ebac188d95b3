/* child.h - runs programs from a test, in a scratch directory, and looks at what they leave. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHILD_MAX_ARGS 32

/* Paths of the program, the built tools and the repository, from the environment that tests/run sets. Fails the test
 * when it is not there. */
const char *child_env(const char *name);

/* A new directory under TMPDIR, made the working directory; the test program runs with relative paths from there. */
void scratch_enter(void);
/* Leaves and removes it with all that is in it. */
void scratch_leave(void);

/* Starts argv[0] (stdin and stdout are /dev/null, stderr goes to the file "stderr" of the scratch directory) with the
 * "NAME=value" strings of `env` added to the environment. Both end in NULL; env may be NULL. */
pid_t child_start(const char *const *argv, const char *const *env);

/* Waits. The exit status, or minus the signal that ended it. */
int child_wait(pid_t pid);

int child_run(const char *const *argv, const char *const *env);

/* "stderr" of the last child, as a string of static storage (cut at 4 KB). */
const char *child_stderr(void);

/* "directory/name": static storage, good until the call after the next. */
const char *inside(const char *directory, const char *name);

/* Whether both files exist and hold the same bytes. */
bool same_bytes(const char *path_a, const char *path_b);

/* The first entry of directory `path` that is not in `expected` (ends in NULL), as a string of static storage; NULL
 * when there is none. */
const char *unexpected_entry(const char *path, const char *const *expected);

/* A small model with a byte vocabulary, written to directory "model" by the random_checkpoint tool; extra options end
 * in NULL and may be NULL. */
void make_model(const char *dir, const char *const *options);

#endif
