/* reader.c - an open file: validated once when it is opened (superblock.c, index.c), then only looked at. */
#include "format/error.h"
#include "format/file.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- open */

/* Takes the map over, whatever happens. */
static enum ingot_status open_map(struct file_map map, const char *label, struct ingot_file **out,
                                  struct ingot_error *err)
{
    enum ingot_status status;
    struct ingot_file *file = calloc(1, sizeof *file);
    char *path = strdup(label);
    if (!file || !path) {
        free(file);
        free(path);
        map_close(&map);
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, label, NULL, "no memory to open the file");
    }
    file->map = map;
    file->path = path;
    status = superblock_open(file, err);
    if (status == INGOT_OK) status = index_open(file, err);
    if (status == INGOT_OK)
        *out = file;
    else
        ingot_close(file);
    return status;
}

enum ingot_status file_open_fd(int fd, const char *label, unsigned flags, struct ingot_file **out,
                               struct ingot_error *err)
{
    struct file_map map;
    *out = NULL;
    enum ingot_status status = map_open_fd(fd, label, flags, &map, err);
    return status == INGOT_OK ? open_map(map, label, out, err) : status;
}

enum ingot_status ingot_open(const char *path, unsigned flags, struct ingot_file **out, struct ingot_error *err)
{
    struct file_map map;
    *out = NULL;
    enum ingot_status status = map_open(path, flags, &map, err);
    return status == INGOT_OK ? open_map(map, path, out, err) : status;
}

enum ingot_status ingot_open_memory(const void *bytes, uint64_t n_bytes, const char *label, struct ingot_file **out,
                                    struct ingot_error *err)
{
    *out = NULL;
    if ((uintptr_t)bytes % SECTION_ALIGN)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, label, NULL, "the bytes are not aligned to 64");
    if (n_bytes == 0) return ingot_fail(err, INGOT_E_TRUNCATED, 0, label, ADVICE_COPY, "the file is empty"); /* [F-3] */
    return open_map((struct file_map){ .bytes = bytes, .size = n_bytes }, label, out, err);
}

void ingot_close(struct ingot_file *file)
{
    if (!file) return;
    map_close(&file->map);
    free(file->index_copy);
    free(file->path);
    free(file);
}

/* ----------------------------------------------------------------------------------------------------- getters */

const char *ingot_file_path(const struct ingot_file *file)
{
    return file->path;
}

void ingot_file_get_info(const struct ingot_file *file, struct ingot_file_info *out)
{
    *out = file->info;
}

uint32_t ingot_section_count(const struct ingot_file *file)
{
    return file->n;
}

struct ingot_section ingot_section_at(const struct ingot_file *file, uint32_t i)
{
    const uint8_t *r = file_record(file, i);
    struct ingot_section s = {
        .name = file->names + get_u32(r + RECORD_NAME_OFF_OFF),
        .name_len = get_u16(r + RECORD_NAME_LEN_OFF),
        .kind = (enum ingot_kind)get_u16(r + RECORD_KIND_OFF),
        .dtype = (enum ingot_dtype)get_u16(r + RECORD_DTYPE_OFF),
        .layout = (enum ingot_layout)get_u16(r + RECORD_LAYOUT_OFF),
        .rank = r[RECORD_RANK_OFF],
        .data_off = get_u64(r + RECORD_DATA_OFF_OFF),
        .stored_bytes = get_u64(r + RECORD_STORED_BYTES_OFF),
        .raw_bytes = get_u64(r + RECORD_RAW_BYTES_OFF),
        .digest = { get_u64(r + RECORD_DIGEST_OFF), get_u64(r + RECORD_DIGEST_OFF + 8) },
        .target = NO_RECORD,
        .first_chunk = get_u32(r + RECORD_FIRST_CHUNK_OFF),
    };
    if (s.kind == INGOT_KIND_ALIAS) s.target = get_u32(r + RECORD_TARGET_OFF);
    for (uint32_t d = 0; d < INGOT_MAX_RANK; d++) s.shape[d] = get_u64(r + RECORD_SHAPE_OFF + 8 * d);
    s.data = file->map.bytes + s.data_off;
    return s;
}

uint32_t ingot_section_by_offset(const struct ingot_file *file, uint32_t i)
{
    return get_u32(file->order + 4 * (size_t)i);
}

bool ingot_find(const struct ingot_file *file, const char *name, struct ingot_section *out)
{
    uint32_t low = 0, high = file->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int cmp = strcmp(file->names + get_u32(file_record(file, mid) + RECORD_NAME_OFF_OFF), name);
        if (cmp == 0) {
            *out = ingot_section_at(file, mid);
            return true;
        }
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}
