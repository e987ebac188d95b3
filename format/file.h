/* file.h - an open .ingot file from the inside: views into the map and into a copy of the index, valid since they
 * were checked at opening. */
#ifndef INGOT_FILE_H
#define INGOT_FILE_H

#include "format/bytes.h"
#include "format/disk.h"
#include "format/map.h"

#define NO_RECORD UINT32_MAX

#define ADVICE_COPY  "the file is damaged: get another copy"
#define ADVICE_NEWER "use a newer ingot"

typedef unsigned long long ull; /* for printf */

struct ingot_file {
    struct file_map map;
    char *path; /* owned; the label of errors */
    struct ingot_file_info info;
    uint32_t n;             /* records */
    uint32_t chunks_record; /* @chunks */
    uint8_t *index_copy;    /* owned */
    const uint8_t *index;   /* info.index_bytes: the copy, which nobody else can change */
    const uint8_t *records; /* n x RECORD_BYTES, sorted by name */
    const uint8_t *order;   /* n x u32, record numbers sorted by place */
    const char *names;
};

/* Opens and validates the file behind a descriptor, which is borrowed for the call. */
enum ingot_status file_open_fd(int fd, const char *label, unsigned flags, struct ingot_file **out,
                               struct ingot_error *err);

/* The two steps of opening; `file` has its map and path. Each says where the first fault is. */
enum ingot_status superblock_open(struct ingot_file *file, struct ingot_error *err);
enum ingot_status index_open(struct ingot_file *file, struct ingot_error *err);

static inline const uint8_t *file_record(const struct ingot_file *file, uint32_t i)
{
    return file->records + (size_t)i * RECORD_BYTES;
}

/* A section's place in the file. Places are ordered by offset, then empty before full, then an alias after its target;
 * record numbers make the order total [F-65]. */
struct place {
    uint64_t off, bytes;
    uint32_t base; /* record number of the tensor that owns the bytes */
    bool alias;
    uint32_t record;
};

static inline int place_compare(const struct place *a, const struct place *b)
{
    if (a->off != b->off) return a->off < b->off ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    if (a->base != b->base) return a->base < b->base ? -1 : 1;
    if (a->alias != b->alias) return a->alias ? 1 : -1;
    return a->record < b->record ? -1 : a->record > b->record;
}

static inline struct place record_place(const uint8_t *record, uint32_t number)
{
    bool alias = get_u16(record + RECORD_KIND_OFF) == INGOT_KIND_ALIAS;
    return (struct place){
        .off = get_u64(record + RECORD_DATA_OFF_OFF),
        .bytes = get_u64(record + RECORD_STORED_BYTES_OFF),
        .base = alias ? get_u32(record + RECORD_TARGET_OFF) : number,
        .alias = alias,
        .record = number,
    };
}

/* Offset from p of the first byte of p[0 .. n) that is not zero; n when all are. */
static inline uint64_t zero_run(const uint8_t *p, uint64_t n)
{
    uint64_t i = 0;
    for (; n - i >= 8; i += 8)
        if (get_u64(p + i) != 0) break;
    while (i < n && p[i] == 0) i++;
    return i;
}

#endif
