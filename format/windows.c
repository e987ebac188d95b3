/*
 * windows.c - the page cache makes a page as large as the write that first reaches it, and as its place allows.
 *
 * Tensors begin anywhere, so the 2 MiB of a large page mostly belong to several, each written for itself, and would
 * become dozens of pages. Whoever maps the file later pays for each of them, with a fault and at the end again: of a
 * model's first token that was a third. So who is the first to write into a part of such a window writes all of it,
 * with zeros around its own bytes.
 */
#include "format/windows.h"

#include "format/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define WINDOW_BYTES MAP_LARGE_PAGE
#define ZERO_BYTES   ((uint64_t)64 << 10) /* stay in the cache while they are written many times over */
#define N_LOCKS      8u
#define MAX_PARTS    (WINDOW_BYTES / ZERO_BYTES + 3)

struct windows {
    uint64_t n_bytes;
    pthread_mutex_t locks[N_LOCKS]; /* of every N_LOCKS-th window: `reached` and the first writing */
    bool reached[];                 /* of each window that lies in the file as a whole */
};

struct windows *windows_create(uint64_t n_bytes)
{
    struct windows *windows = calloc(1, sizeof *windows + n_bytes / WINDOW_BYTES);
    if (!windows) return NULL;
    windows->n_bytes = n_bytes;
    for (size_t i = 0; i < N_LOCKS; i++) pthread_mutex_init(&windows->locks[i], NULL);
    return windows;
}

void windows_free(struct windows *windows)
{
    if (!windows) return;
    for (size_t i = 0; i < N_LOCKS; i++) pthread_mutex_destroy(&windows->locks[i]);
    free(windows);
}

static size_t add_zeros(struct iovec *parts, size_t n_parts, uint64_t n)
{
    static const uint8_t zeros[ZERO_BYTES];
    for (; n > 0; n -= parts[n_parts++].iov_len)
        parts[n_parts] = (struct iovec){ (void *)(uintptr_t)zeros, n < ZERO_BYTES ? n : ZERO_BYTES };
    return n_parts;
}

/* The whole window in one write. Returns whether that was done: if not, nothing is lost by it. */
static bool write_window(int fd, uint64_t window, const void *bytes, size_t n, uint64_t off)
{
    struct iovec parts[MAX_PARTS];
    size_t n_parts = add_zeros(parts, 0, off - window);
    parts[n_parts++] = (struct iovec){ (void *)(uintptr_t)bytes, n };
    n_parts = add_zeros(parts, n_parts, window + WINDOW_BYTES - off - n);
    return pwritev(fd, parts, (int)n_parts, (off_t)window) == (ssize_t)WINDOW_BYTES;
}

static bool write_first(struct windows *windows, int fd, uint64_t window, const void *bytes, size_t n, uint64_t off)
{
    pthread_mutex_t *lock = &windows->locks[window / WINDOW_BYTES % N_LOCKS];
    bool *reached = &windows->reached[window / WINDOW_BYTES];
    pthread_mutex_lock(lock);
    const bool done = !*reached && write_window(fd, window, bytes, n, off);
    *reached = true;
    pthread_mutex_unlock(lock);
    return done;
}

/* Whole windows, as they are: none is to be filled with zeros later. */
static ssize_t write_whole(struct windows *windows, int fd, const void *bytes, size_t n, uint64_t off)
{
    for (uint64_t window = off / WINDOW_BYTES; window < (off + n) / WINDOW_BYTES; window++) {
        pthread_mutex_t *lock = &windows->locks[window % N_LOCKS];
        pthread_mutex_lock(lock);
        windows->reached[window] = true;
        pthread_mutex_unlock(lock);
    }
    return pwrite(fd, bytes, n, (off_t)off);
}

/* Up to the end of the window that it begins in, or, from a beginning of one, as many whole ones as there are. */
ssize_t windows_write(struct windows *windows, int fd, const void *bytes, size_t n, uint64_t off)
{
    const uint64_t window = off / WINDOW_BYTES * WINDOW_BYTES, room = window + WINDOW_BYTES - off;
    if (!windows || window > windows->n_bytes || windows->n_bytes - window < WINDOW_BYTES)
        return pwrite(fd, bytes, n, (off_t)off);
    if (n > windows->n_bytes - off) n = windows->n_bytes - off;
    if (off == window && n >= WINDOW_BYTES)
        return write_whole(windows, fd, bytes, n / WINDOW_BYTES * WINDOW_BYTES, off);
    if (n > room) n = room;
    if (write_first(windows, fd, window, bytes, n, off)) return (ssize_t)n;
    return pwrite(fd, bytes, n, (off_t)off);
}
