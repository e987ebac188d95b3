/* output.c - nothing under the output's name, then all of it: an unnamed file beside it that is linked in at the end.
 */
#include "format/output.h"
#include "format/error.h"
#include "format/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE          0666 /* less umask, by the kernel */
#define FD_PATH_BYTES 32   /* "/proc/self/fd/" and a number */
#define TEMP_SUFFIX   ".ingot-tmp-"
#define TEMP_TRIES    100
/* Writes of this size are begun to be stored at once, beside the packing of the next: the sync at the end finds little
 * left. Smaller ones come from small files, or are the odd ends of large ones. */
#define EARLY_BYTES   (UINT64_C(1) << 20)

#define ADVICE_FORCE "choose another name, or ask for overwriting (-f)"

static void fd_path(int fd, char out[FD_PATH_BYTES])
{
    snprintf(out, FD_PATH_BYTES, "/proc/self/fd/%d", fd);
}

static enum ingot_status fail_exists(const struct output *out, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, out->path, ADVICE_FORCE, "the output exists already");
}

/* /dev/stdout and its like are links to what a process has open, be that a file at the moment. */
static bool is_stream(const struct output *out)
{
    static const char proc[] = "/proc/";
    char target[sizeof proc];
    ssize_t n = readlinkat(out->dir_fd, out->name, target, sizeof target);
    return n >= (ssize_t)sizeof proc - 1 && memcmp(target, proc, sizeof proc - 1) == 0;
}

/* Of a link to a file, or to nothing, the link is replaced; one to a device or a directory is no name for a file.
 * Early, so that no work is done in vain; publishing asks again, without a race. */
static enum ingot_status check_target(const struct output *out, struct ingot_error *err)
{
    struct stat st;
    if (fstatat(out->dir_fd, out->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? INGOT_OK : ingot_fail_errno(err, out->path, "look at");
    if (!out->overwrite) return fail_exists(out, err);
    if (is_stream(out)) st.st_mode = S_IFIFO;
    if (S_ISLNK(st.st_mode) && fstatat(out->dir_fd, out->name, &st, 0) != 0) return INGOT_OK;
    if (S_ISREG(st.st_mode)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, out->path, "choose another name",
                      "the output is %s and is not replaced",
                      S_ISDIR(st.st_mode) ? "a directory" : "a device, pipe or socket");
}

int output_open_directory(const char *path)
{
    const size_t n = (size_t)(path_base(path) - path);
    char *dir = n ? strndup(path, n) : strdup(".");
    if (!dir) return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    return fd;
}

char *output_temp_name(const char *name)
{
    uint64_t random = 0;
    char *temp = NULL;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) random = (uintptr_t)&random;
    if (asprintf(&temp, ".%.*s" TEMP_SUFFIX "%ld-%016llx", NAME_MAX - 64, name, (long)getpid(),
                 (unsigned long long)random) < 0)
        return NULL;
    return temp;
}

/* An unnamed file can be given a name only through /proc; asked before any work is done. */
static int create_unnamed(const struct output *out)
{
    char path[FD_PATH_BYTES];
    int fd = openat(out->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, MODE);
    if (fd < 0) return -1;
    fd_path(fd, path);
    if (access(path, F_OK) == 0) return fd;
    close(fd);
    return -1;
}

static int create_named(struct output *out)
{
    for (int i = 0; i < TEMP_TRIES; i++) {
        char *temp = output_temp_name(out->name);
        if (!temp) return -1;
        int fd = openat(out->dir_fd, temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, MODE);
        if (fd >= 0) {
            out->temp_name = temp;
            return fd;
        }
        free(temp);
        if (errno != EEXIST) return -1;
    }
    return -1;
}

/* Where the file system cannot reserve, the file is only given its length. */
static enum ingot_status reserve(int fd, uint64_t n_bytes, const char *path, struct ingot_error *err)
{
    char verb[48];
    int result;
    do result = fallocate(fd, 0, 0, (off_t)n_bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ftruncate(fd, (off_t)n_bytes);
    if (result == 0) return INGOT_OK;
    snprintf(verb, sizeof verb, "reserve %llu bytes", (unsigned long long)n_bytes);
    return ingot_fail_errno(err, path, verb);
}

/* Gives the unnamed file a name in the directory; fails when the name is taken. */
static int link_as(const struct output *out, const char *name)
{
    char path[FD_PATH_BYTES];
    fd_path(out->fd, path);
    return linkat(AT_FDCWD, path, out->dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* Replaces whatever has the name: a link cannot, a rename of a second name can. */
static int replace(struct output *out)
{
    for (int i = 0; !out->temp_name && i < TEMP_TRIES; i++) {
        char *temp = output_temp_name(out->name);
        if (temp && link_as(out, temp) == 0) {
            out->temp_name = temp;
            break;
        }
        free(temp);
        if (!temp || errno != EEXIST) return -1;
    }
    if (!out->temp_name || renameat(out->dir_fd, out->temp_name, out->dir_fd, out->name) != 0) return -1;
    free(out->temp_name);
    out->temp_name = NULL;
    return 0;
}

/* The name must be free; the kernel decides, so two writers cannot both succeed. FAT and its like have neither unnamed
 * files nor links, but can rename without replacing; who cannot (NFS) has links. */
static int name_first(struct output *out)
{
    if (!out->temp_name) return link_as(out, out->name);
    if (renameat2(out->dir_fd, out->temp_name, out->dir_fd, out->name, RENAME_NOREPLACE) != 0) {
        if (errno != EINVAL && errno != ENOSYS) return -1;
        if (linkat(out->dir_fd, out->temp_name, out->dir_fd, out->name, 0) != 0) return -1;
        unlinkat(out->dir_fd, out->temp_name, 0);
    }
    free(out->temp_name);
    out->temp_name = NULL;
    return 0;
}

/* When this fails the output is there, and the failure is reported all the same. It is not undone: whether the removal
 * of its name would survive a crash could be known no better, and what it replaced is gone. */
enum ingot_status output_sync_directory(int dir_fd, const char *path, struct ingot_error *err)
{
    if (fsync(dir_fd) == 0 || errno == EINVAL || errno == EROFS) return INGOT_OK;
    return ingot_fail_errno(err, path, "sync the directory (the output is in it, complete)");
}

enum ingot_status output_init(struct output *out, const char *path, bool overwrite, struct ingot_error *err)
{
    *out = (struct output){ .dir_fd = -1, .fd = -1, .overwrite = overwrite, .path = strdup(path) };
    if (!out->path) return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, path, NULL, "no memory for a path");
    out->name = path_base(out->path);
    if (out->name[0] == '\0' || strcmp(out->name, ".") == 0 || strcmp(out->name, "..") == 0)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "give the name of a file",
                          "the output is not a file name");
    out->dir_fd = output_open_directory(out->path);
    if (out->dir_fd < 0) return ingot_fail_errno(err, path, "open its directory");
    return check_target(out, err);
}

enum ingot_status output_begin(struct output *out, uint64_t n_bytes, struct ingot_error *err)
{
    out->fd = create_unnamed(out);
    if (out->fd < 0) out->fd = create_named(out);
    if (out->fd < 0) return ingot_fail_errno(err, out->path, "create a file in its directory");
    return reserve(out->fd, n_bytes, out->path, err);
}

enum ingot_status output_begin_in(struct output *out, int dir_fd, const char *name, const char *path, uint64_t n_bytes,
                                  struct ingot_error *err)
{
    *out = (struct output){ .dir_fd = dup(dir_fd), .fd = -1, .path = strdup(path) };
    char *temp_name = strdup(name);
    if (!out->path || !temp_name) {
        free(temp_name);
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, path, NULL, "no memory for a path");
    }
    out->fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (out->fd >= 0)
        out->temp_name = temp_name;
    else
        free(temp_name);
    if (out->fd < 0 || out->dir_fd < 0) return ingot_fail_errno(err, path, "create");
    return reserve(out->fd, n_bytes, path, err);
}

/* A hint: the kernel begins to store the bytes, and nobody waits for it. Where that fails the sync at the end does all.
 * A disk that refuses is reported by that sync, too: a call that does not wait takes no error away from it. */
static void store_early(int fd, uint64_t off, uint64_t n)
{
    if (n >= EARLY_BYTES) sync_file_range(fd, (off_t)off, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

enum ingot_status output_write(const struct output *out, const void *bytes, uint64_t n, uint64_t off,
                               struct ingot_error *err)
{
    const char *p = bytes;
    const uint64_t first = off;
    while (n > 0) {
        ssize_t done = pwrite(out->fd, p, n, (off_t)off);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return ingot_fail_errno(err, out->path, "write");
        p += done;
        n -= (uint64_t)done;
        off += (uint64_t)done;
    }
    store_early(out->fd, first, off - first);
    return INGOT_OK;
}

enum ingot_status output_publish(struct output *out, struct ingot_error *err)
{
    if (fsync(out->fd) != 0) return ingot_fail_errno(err, out->path, "sync");
    int result = out->overwrite ? replace(out) : name_first(out);
    if (result != 0) return errno == EEXIST ? fail_exists(out, err) : ingot_fail_errno(err, out->path, "name");
    out->published = true;
    return output_sync_directory(out->dir_fd, out->path, err);
}

enum ingot_status output_keep(struct output *out, struct ingot_error *err)
{
    if (fsync(out->fd) != 0) return ingot_fail_errno(err, out->path, "sync");
    free(out->temp_name);
    out->temp_name = NULL;
    return INGOT_OK;
}

void output_retract(const struct output *out)
{
    if (out->published && !out->overwrite) unlinkat(out->dir_fd, out->name, 0);
}

void output_close(struct output *out)
{
    if (out->temp_name) unlinkat(out->dir_fd, out->temp_name, 0);
    if (out->fd >= 0) close(out->fd);
    if (out->dir_fd >= 0) close(out->dir_fd);
    free(out->temp_name);
    free(out->path);
    *out = (struct output){ .dir_fd = -1, .fd = -1 };
}
