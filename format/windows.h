/* windows.h - a new file's bytes lie in large pages of the page cache, in whatever pieces they are written. */
#ifndef INGOT_WINDOWS_H
#define INGOT_WINDOWS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct windows;

/* Of a file of n_bytes that all read as zero. NULL without memory: then pages are as large as what is written, and
 * nothing else changes. */
struct windows *windows_create(uint64_t n_bytes);
void windows_free(struct windows *windows);

/* pwrite() to that file of bytes that nobody else writes; like it, it may write fewer. Thread-safe. */
ssize_t windows_write(struct windows *windows, int fd, const void *bytes, size_t n, uint64_t off);

#endif
