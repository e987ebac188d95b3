/* map.h - the bytes of a file: mapped, read into private memory, or borrowed. The only door to mmap. */
#ifndef INGOT_MAP_H
#define INGOT_MAP_H

#include "format/ingot_format.h"

#define MAP_LARGE_PAGE (UINT64_C(1) << 21)

struct file_map {
    const uint8_t *bytes; /* aligned to a page, or as the caller of ingot_open_memory() gave them */
    uint64_t size;        /* as seen when it was opened; never looked at again */
    bool owned;           /* to be unmapped */
    bool of_file;         /* the file's own pages, not a copy of them */
};

/* Opens a regular file read-only. flags: enum ingot_open_flags. IO for what cannot be read or is no regular file,
 * TRUNCATED for an empty one, CHANGED when it shrinks while being read, MEMORY. */
enum ingot_status map_open(const char *path, unsigned flags, struct file_map *out, struct ingot_error *err);

/* The same for a descriptor, which is borrowed for the call. `label` names it in errors. */
enum ingot_status map_open_fd(int fd, const char *label, unsigned flags, struct file_map *out, struct ingot_error *err);

void map_close(struct file_map *map);

/* Advice that [off, off + n) will be read now: where it does not seem to be in memory, all of it is asked for in one
 * call. Where it does, nothing is asked: the page faults of reading it, each of which maps many pages, take a quarter
 * less time than the call, which looks at every page. Never fails. */
void map_will_read(const struct file_map *map, uint64_t off, uint64_t n);

/* Advice that [off, off + n) has been read: its pages are unmapped now, by the thread that calls, so that the threads
 * share this work instead of leaving all of it to the one that closes the map. The pages stay in memory, and can be
 * read again. Never fails. */
void map_was_read(const struct file_map *map, uint64_t off, uint64_t n);

/* Advice that this process's own memory [p, p + n) be backed by large pages, where whole ones fit. Never fails. */
void map_large_pages(void *p, uint64_t n);

/* Memory from malloc(), to be freed with free(); where it is half a large page or more, in large ones from end to end:
 * filling small ones takes five times as long. For who will use most of it. NULL without memory. */
void *map_large_malloc(size_t n);

/* Asks the same for all of a mapped file: what is not in memory yet is then read into large pages, and stays in them
 * for whoever maps the file next: one fault instead of 32 or 512. For who will read most of it. */
void map_file_large_pages(const struct file_map *map);

/* How many of the bytes [off, off + n), which lie inside the map, are in memory now and need no reading: a snapshot,
 * old when it is there. Bytes that were read or borrowed always are. Linux tells it only of files that the caller could
 * write to; of others it says that all are. False when the system does not know. */
bool map_resident(const struct file_map *map, uint64_t off, uint64_t n, uint64_t *bytes);

#endif
