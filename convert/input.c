/* input.c - opening input files. The descriptor outlives the opening because a mapping cannot be asked for its file. */
#include "convert/input.h"

#include "convert/array.h"
#include "format/error.h"
#include "format/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *path_join(const char *directory, const char *name)
{
    size_t n = strcmp(directory, ".") == 0 ? 0 : strlen(directory); /* a file that is here is called as it was given */
    char *path = malloc(n + 1 + strlen(name) + 1);
    if (!path) return NULL;
    memcpy(path, directory, n);
    if (n > 0 && directory[n - 1] != '/') path[n++] = '/';
    memcpy(path + n, name, strlen(name) + 1);
    return path;
}

char *path_split(const char *path, const char **base)
{
    *base = path_base(path);
    const size_t n = (size_t)(*base - path);
    if (n == 0) return strdup(".");
    return strndup(path, n == 1 ? 1 : n - 1); /* the root is its slash */
}

bool path_ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

/* Asks without allocating: a question that can only be answered yes or no must not fail. A link that leads nowhere, as
 * an unfinished download leaves it, counts: opening it then says what is missing, instead of another file being taken.
 */
bool path_exists(const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    return n > 0 && (size_t)n < sizeof path && lstat(path, &st) == 0;
}

/* What a clone holds in place of a large file until Git LFS has fetched it: a checkpoint's files, and a tokenizer's. */
static enum ingot_status check_fetched(const struct input *in, struct ingot_error *err)
{
    static const char pointer[] = "version https://git-lfs.";
    const size_t n = strlen(pointer);
    if (in->map.size < n || memcmp(in->map.bytes, pointer, n) != 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_SOURCE, 0, in->path, "fetch the file itself: git lfs pull",
                      "a pointer of Git LFS that stands for the file");
}

/* O_NONBLOCK: opening a pipe that nobody writes to must not hang before it can be refused. */
static enum ingot_status open_and_map(struct input *in, const char *advice, struct ingot_error *err)
{
    in->fd = open(in->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (in->fd < 0 && errno == ENOENT)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, in->path, advice, "there is no such file");
    if (in->fd < 0) return ingot_fail_errno(err, in->path, "open");
    if (fstat(in->fd, &in->at_open) != 0) return ingot_fail_errno(err, in->path, "look at");
    enum ingot_status status = map_open_fd(in->fd, in->path, INGOT_OPEN_MAP, &in->map, err);
    return status == INGOT_OK ? check_fetched(in, err) : status;
}

enum ingot_status input_open(const char *directory, const char *name, const char *advice, struct input **out,
                             struct ingot_error *err)
{
    *out = NULL;
    struct input *in = calloc(1, sizeof *in);
    if (!in) return fail_memory(err, name);
    in->fd = -1;
    in->path = path_join(directory, name);
    enum ingot_status status = in->path ? open_and_map(in, advice, err) : fail_memory(err, name);
    if (status != INGOT_OK) {
        input_close(in);
        return status;
    }
    in->base = path_base(in->path);
    *out = in;
    return INGOT_OK;
}

void input_close(struct input *in)
{
    if (!in) return;
    map_close(&in->map);
    if (in->fd >= 0) close(in->fd);
    free(in->path);
    free(in);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

enum ingot_status input_check_unchanged(const struct input *in, struct ingot_error *err)
{
    struct stat now;
    if (fstat(in->fd, &now) != 0) return ingot_fail_errno(err, in->path, "look at");
    if (now.st_size == in->at_open.st_size && same_time(now.st_mtim, in->at_open.st_mtim)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_CHANGED, INGOT_NO_OFFSET, in->path, "wait until whoever writes it is done",
                      "the file changed while it was being read");
}
