/* map.c - a file's bytes with the size they had when it was opened. */
#include "format/map.h"
#include "format/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older kernels refuse it, which costs nothing */
#endif

#define POPULATE_BYTES (UINT64_C(64) << 10) /* below it page faults cost less than the system calls */

/* One read() moves at most 2 GiB. */
#define READ_STEP (UINT64_C(1) << 30)

static enum ingot_status check_regular(const struct stat *st, const char *label, struct ingot_error *err)
{
    const char *advice = S_ISDIR(st->st_mode) ? "give the path of a file inside it" : "copy it to a regular file first";
    const char *what = S_ISDIR(st->st_mode) ? "a directory" : S_ISFIFO(st->st_mode) ? "a pipe" : "a device or socket";
    if (!S_ISREG(st->st_mode))
        return ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, label, advice, "expected a regular file, found %s", what);
    if (st->st_size == 0) return ingot_fail(err, INGOT_E_TRUNCATED, 0, label, "get another copy", "the file is empty");
    return INGOT_OK;
}

static enum ingot_status read_all(int fd, uint8_t *to, uint64_t size, const char *label, struct ingot_error *err)
{
    for (uint64_t done = 0; done < size;) {
        uint64_t step = size - done < READ_STEP ? size - done : READ_STEP;
        ssize_t got = pread(fd, to + done, step, (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ingot_fail_errno(err, label, "read");
        if (got == 0)
            return ingot_fail(err, INGOT_E_CHANGED, done, label, "wait until whoever writes it is done",
                              "the file shrank while it was being read");
        done += (uint64_t)got;
    }
    return INGOT_OK;
}

static enum ingot_status map_private(int fd, uint64_t size, const char *label, struct file_map *out,
                                     struct ingot_error *err)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, label, "map it instead of reading it",
                          "no memory for %llu bytes", (unsigned long long)size);
    enum ingot_status status = read_all(fd, p, size, label, err);
    if (status != INGOT_OK) {
        munmap(p, size);
        return status;
    }
    mprotect(p, size, PROT_READ); /* a courtesy: a stray write shows; failure changes nothing */
    *out = (struct file_map){ .bytes = p, .size = size, .owned = true };
    return INGOT_OK;
}

enum ingot_status map_open_fd(int fd, const char *label, unsigned flags, struct file_map *out, struct ingot_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return ingot_fail_errno(err, label, "look at");
    enum ingot_status status = check_regular(&st, label, err);
    if (status != INGOT_OK) return status;
    uint64_t size = (uint64_t)st.st_size;
    if (size > SIZE_MAX / 2)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, label, NULL,
                          "too large for this machine's address space");
    if (flags & INGOT_OPEN_READ) return map_private(fd, size, label, out, err);
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return ingot_fail_errno(err, label, "map");
    *out = (struct file_map){ .bytes = p, .size = size, .owned = true, .of_file = true };
    return INGOT_OK;
}

enum ingot_status map_open(const char *path, unsigned flags, struct file_map *out, struct ingot_error *err)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang before it can be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return ingot_fail_errno(err, path, "open");
    enum ingot_status status = map_open_fd(fd, path, flags, out, err);
    close(fd);
    return status;
}

void map_close(struct file_map *map)
{
    if (map->owned) munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (struct file_map){ 0 };
}

/* Whether both ends are: then what lies between nearly always is. */
static bool is_in_memory(const struct file_map *map, uint64_t first, uint64_t last, uint64_t page)
{
    unsigned char ends[2];
    uint8_t *bytes = (uint8_t *)(uintptr_t)map->bytes;
    return mincore(bytes + first, page, &ends[0]) == 0 && mincore(bytes + last, page, &ends[1]) == 0 &&
           (ends[0] & ends[1] & 1);
}

void map_will_read(const struct file_map *map, uint64_t off, uint64_t n)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = off & ~(page - 1), last = (off + n - 1) & ~(page - 1);
    if (!map->owned || n < POPULATE_BYTES) return;
    int saved = errno;
    if (!is_in_memory(map, first, last, page))
        madvise((void *)(uintptr_t)(map->bytes + first), off + n - first, MADV_POPULATE_READ);
    errno = saved;
}

void map_was_read(const struct file_map *map, uint64_t off, uint64_t n)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = (off + page - 1) & ~(page - 1), end = (off + n) & ~(page - 1);
    int saved = errno;
    if (map->of_file && first < end) madvise((void *)(uintptr_t)(map->bytes + first), end - first, MADV_DONTNEED);
    errno = saved;
}

void map_large_pages(void *p, uint64_t n)
{
    const uintptr_t first = ((uintptr_t)p + MAP_LARGE_PAGE - 1) & ~(uintptr_t)(MAP_LARGE_PAGE - 1);
    const uintptr_t end = (uintptr_t)p + n;
    int saved = errno;
    if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
    errno = saved;
}

void *map_large_malloc(size_t n)
{
    const size_t page = MAP_LARGE_PAGE;
    void *p;
    if (n < page / 2 || n > SIZE_MAX - page) return malloc(n);
    n = (n + page - 1) & ~(page - 1);
    if (posix_memalign(&p, page, n) != 0) return NULL;
    map_large_pages(p, n);
    return p;
}

void map_file_large_pages(const struct file_map *map)
{
    if (map->owned) map_large_pages((void *)(uintptr_t)map->bytes, map->size);
}

#define RESIDENT_PAGES 4096u /* asked for in one call */

/* Bytes of [off, end) that lie in the pages from `at` on which `pages` says are in memory. */
static uint64_t count_resident(const unsigned char *pages, uint64_t at, uint64_t page, uint64_t off, uint64_t end)
{
    uint64_t total = 0;
    for (size_t i = 0; at < end; i++, at += page) {
        uint64_t first = at < off ? off : at, last = end - at < page ? end : at + page;
        if (pages[i] & 1) total += last - first;
    }
    return total;
}

bool map_resident(const struct file_map *map, uint64_t off, uint64_t n, uint64_t *bytes)
{
    unsigned char pages[RESIDENT_PAGES];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = off + n, total = 0;
    for (uint64_t at = off & ~(page - 1); map->owned && at < end;) {
        uint64_t step = end - at < page * RESIDENT_PAGES ? end - at : page * RESIDENT_PAGES;
        if (mincore((void *)(uintptr_t)(map->bytes + at), step, pages) != 0) return false;
        total += count_resident(pages, at, page, off, at + step);
        at += step;
    }
    *bytes = map->owned ? total : n;
    return true;
}
