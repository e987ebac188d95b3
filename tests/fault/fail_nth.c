/*
 * fail_nth.c - a library for LD_PRELOAD that lets one system or allocation call fail.
 *
 * FAIL_CALL names a family of calls (see below), FAIL_NTH says which call of that family fails (1 is the first); the
 * call then does nothing and reports the errno that fits. When it happens the file FAIL_MARK is created, so that
 * whoever counts up knows when there is nothing left to fail. glibc only: its own names reach the real allocator
 * without dlsym(), which allocates.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static const char *fail_call = "";
static long fail_nth;
static atomic_long n_calls;

__attribute__((constructor)) static void read_environment(void)
{
    const char *nth = getenv("FAIL_NTH"), *call = getenv("FAIL_CALL");
    if (nth && call) {
        fail_nth = strtol(nth, NULL, 10);
        fail_call = call;
    }
}

static void leave_mark(void)
{
    const char *mark = getenv("FAIL_MARK");
    long fd = mark ? syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0600) : -1;
    if (fd >= 0) syscall(SYS_close, fd);
}

/* Whether this call of family `call` is the one that fails; sets errno then. */
static bool fails(const char *call, int error)
{
    if (strcmp(call, fail_call) != 0 || atomic_fetch_add(&n_calls, 1) + 1 != fail_nth) return false;
    leave_mark();
    errno = error;
    return true;
}

/* The function that would have been called without us. */
static void *next(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

/* A pointer to data cast to a pointer to a function: POSIX allows it, ISO C has no word for it. */
#define NEXT(name, type) ((__extension__(type) next(name)))

// The parameters keep our names, not those of the system's headers.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)

/* ---- malloc */

void *malloc(size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    if (fails("malloc", ENOMEM)) return ENOMEM;
    void *p = __libc_memalign(alignment, n);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

/* ---- open */

static mode_t mode_of(int flags, va_list arguments)
{
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, arguments);                                                                       \
        va_end(arguments);                                                                                             \
        return fails("open", EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                     \
    }
#define OPENAT(name)                                                                                                   \
    int name(int dir, const char *path, int flags, ...)                                                                \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, arguments);                                                                       \
        va_end(arguments);                                                                                             \
        return fails("open", EMFILE) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);                          \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

FILE *fopen(const char *path, const char *mode)
{
    return fails("open", EMFILE) ? NULL : NEXT("fopen", FILE * (*)(const char *, const char *))(path, mode);
}

/* ---- read, write */

ssize_t read(int fd, void *buffer, size_t n)
{
    return fails("read", EIO) ? -1 : syscall(SYS_read, fd, buffer, n);
}

ssize_t pread(int fd, void *buffer, size_t n, off_t at)
{
    return fails("read", EIO) ? -1 : syscall(SYS_pread64, fd, buffer, n, at);
}

ssize_t pread64(int fd, void *buffer, size_t n, off64_t at)
{
    return pread(fd, buffer, n, at);
}

ssize_t write(int fd, const void *buffer, size_t n)
{
    return fails("write", ENOSPC) ? -1 : syscall(SYS_write, fd, buffer, n);
}

ssize_t pwrite(int fd, const void *buffer, size_t n, off_t at)
{
    return fails("write", ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, buffer, n, at);
}

ssize_t pwrite64(int fd, const void *buffer, size_t n, off64_t at)
{
    return pwrite(fd, buffer, n, at);
}

/* ---- space, sync, names */

int posix_fallocate(int fd, off_t at, off_t n)
{
    return fails("space", ENOSPC) ? ENOSPC : NEXT("posix_fallocate", int (*)(int, off_t, off_t))(fd, at, n);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    return fails("space", ENOSPC) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int ftruncate(int fd, off_t n)
{
    return fails("space", ENOSPC) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int fsync(int fd)
{
    return fails("sync", EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails("sync", EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int linkat(int old_dir, const char *old_path, int new_dir, const char *new_path, int flags)
{
    return fails("name", EACCES) ? -1 : (int)syscall(SYS_linkat, old_dir, old_path, new_dir, new_path, flags);
}

int rename(const char *old_path, const char *new_path)
{
    return fails("name", EACCES) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

int renameat(int old_dir, const char *old_path, int new_dir, const char *new_path)
{
    return fails("name", EACCES) ? -1 : (int)syscall(SYS_renameat2, old_dir, old_path, new_dir, new_path, 0);
}

/* Family "exchange": a file system that cannot exchange two names. */
int renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path, unsigned flags)
{
    if ((flags & RENAME_EXCHANGE) && fails("exchange", EINVAL)) return -1;
    return fails("name", EACCES) ? -1 : (int)syscall(SYS_renameat2, old_dir, old_path, new_dir, new_path, flags);
}

/* ---- map, advise, thread */

void *mmap(void *address, size_t n, int protection, int flags, int fd, off_t at)
{
    if (fails("mmap", ENOMEM)) return MAP_FAILED;
    return NEXT("mmap", void *(*)(void *, size_t, int, int, int, off_t))(address, n, protection, flags, fd, at);
}

/* Family "advise": a kernel that knows nothing of large pages, of reading ahead and of what is in memory. */
int madvise(void *address, size_t n, int advice)
{
    return fails("advise", EINVAL) ? -1 : (int)syscall(SYS_madvise, address, n, advice);
}

int mincore(void *address, size_t n, unsigned char *pages)
{
    return fails("advise", ENOSYS) ? -1 : (int)syscall(SYS_mincore, address, n, pages);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    if (fails("thread", EAGAIN)) return EAGAIN;
    return NEXT("pthread_create", int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(
        thread, attributes, start, argument);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
