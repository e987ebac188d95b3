/* map.h - the bytes of a file: mapped, read into private memory, or borrowed. The only door to mmap. */
#ifndef INGOT_MAP_H
#define INGOT_MAP_H

#include "format/ingot_format.h"

struct file_map {
    const uint8_t *bytes; /* aligned to a page, or as the caller of ingot_open_memory() gave them */
    uint64_t size;        /* as seen when it was opened; never looked at again */
    bool owned;           /* to be unmapped */
};

/* Opens a regular file read-only. flags: enum ingot_open_flags. IO for what cannot be read or is no regular file,
 * TRUNCATED for an empty one, CHANGED when it shrinks while being read, MEMORY. */
enum ingot_status map_open(const char *path, unsigned flags, struct file_map *out, struct ingot_error *err);

/* The same for a descriptor, which is borrowed for the call. `label` names it in errors. */
enum ingot_status map_open_fd(int fd, const char *label, unsigned flags, struct file_map *out, struct ingot_error *err);

void map_close(struct file_map *map);

/* Advice that [off, off + n) will be read now: maps a large range in one call instead of by page faults. Never fails.
 */
void map_will_read(const struct file_map *map, uint64_t off, uint64_t n);

#endif
