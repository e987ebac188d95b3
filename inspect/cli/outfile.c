/* outfile.c - write beside, sync, rename; or to stdout. */
#include "inspect/cli/outfile.h"

#include "format/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ATTEMPTS 100

bool outfile_is_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

bool outfile_is_stdout(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static enum ingot_status check_target(const struct outfile *f, struct ingot_error *err)
{
    struct stat st;
    if (stat(f->path, &st) != 0) return INGOT_OK;
    if (!S_ISREG(st.st_mode))
        return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, f->path, NULL, "exists and is not a regular file");
    if (f->overwrite) return INGOT_OK;
    return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, f->path, "-f replaces it", "exists already");
}

enum ingot_status outfile_open(struct outfile *f, const char *path, bool overwrite, struct ingot_error *err)
{
    *f = (struct outfile){ .path = path, .fd = -1, .overwrite = overwrite };
    if (outfile_is_stdout(path)) return INGOT_OK;
    enum ingot_status status = check_target(f, err);
    if (status != INGOT_OK) return status;
    for (int i = 0; i < NAME_ATTEMPTS && f->fd < 0; i++) {
        free(f->temporary);
        if (asprintf(&f->temporary, "%s.tmp-%ld-%d", path, (long)getpid(), i) < 0) {
            f->temporary = NULL;
            return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, NULL, NULL, "not enough memory");
        }
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd < 0 && errno != EEXIST) break;
    }
    if (f->fd >= 0) return INGOT_OK;
    ingot_fail_errno(err, path, "create");
    free(f->temporary);
    f->temporary = NULL;
    return INGOT_E_IO;
}

enum ingot_status outfile_write(struct outfile *f, const void *bytes, size_t n, struct ingot_error *err)
{
    const char *p = bytes;
    if (outfile_is_stdout(f->path)) {
        fwrite(bytes, 1, n, stdout);
        return INGOT_OK;
    }
    while (n > 0) {
        ssize_t written = write(f->fd, p, n);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return ingot_fail_errno(err, f->path, "write");
        p += written;
        n -= (size_t)written;
    }
    return INGOT_OK;
}

/* Where the file system cannot refuse to replace, the check comes first and a race remains. */
static int give_name(const struct outfile *f)
{
    if (f->overwrite) return rename(f->temporary, f->path);
    int result = renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
        if (access(f->path, F_OK) == 0) {
            errno = EEXIST;
            return -1;
        }
        return rename(f->temporary, f->path);
    }
    return result;
}

enum ingot_status outfile_publish(struct outfile *f, struct ingot_error *err)
{
    if (outfile_is_stdout(f->path)) return INGOT_OK;
    if (fsync(f->fd) != 0) return ingot_fail_errno(err, f->path, "sync");
    if (give_name(f) != 0) return ingot_fail_errno(err, f->path, "name the finished file");
    free(f->temporary);
    f->temporary = NULL;
    int fd = f->fd;
    f->fd = -1;
    return close(fd) == 0 ? INGOT_OK : ingot_fail_errno(err, f->path, "close");
}

void outfile_close(struct outfile *f)
{
    if (!f->temporary) return;
    unlink(f->temporary);
    free(f->temporary);
    if (f->fd >= 0) close(f->fd);
    *f = (struct outfile){ 0 };
}
