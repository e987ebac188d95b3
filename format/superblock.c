/* superblock.c - which of the two slots counts, and whether this reader understands it. Everything is checked in the
 * order of spec/format.md, at the byte where it stands. */
#include "format/checked.h"
#include "format/error.h"
#include "format/file.h"

#include <string.h>

#define ADVICE_TEXT "transfer the file again in binary mode"

static bool slot_is_valid(const struct file_map *map, uint32_t slot)
{
    if (!span_inside((uint64_t)slot * SB_SLOT_BYTES, SB_BYTES, map->size)) return false;
    const uint8_t *sb = map->bytes + (size_t)slot * SB_SLOT_BYTES;
    return memcmp(sb, SB_MAGIC, SB_MAGIC_BYTES) == 0 && get_u64(sb + SB_HASH_OFF) == ingot_hash64(sb, SB_HASH_OFF);
}

static enum ingot_status fail_short(const struct ingot_file *file, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_TRUNCATED, file->map.size, file->path, ADVICE_COPY,
                      "the file ends after %llu byte%s, inside its superblocks", (ull)file->map.size,
                      plural(file->map.size)); /* [F-3] */
}

/* What a text-mode transfer did to the magic of a file that has none any more; NULL when it does not look like one. */
static const char *text_damage(const struct file_map *map)
{
    for (size_t at = 1; at <= 3 && at + 5 <= map->size; at++) {
        if (memcmp(map->bytes + at, "INGOT", 5) != 0) continue;
        if (at > 1) return "its bytes were re-encoded as UTF-8";
        return map->bytes[0] == 0x89 ? "its line ends were translated" : "its high bits were changed";
    }
    return NULL;
}

/* Why neither slot is valid, as far as the magics tell. */
static enum ingot_status fail_no_slot(const struct ingot_file *file, struct ingot_error *err)
{
    const struct file_map *map = &file->map;
    uint64_t seen = map->size < SB_MAGIC_BYTES ? map->size : SB_MAGIC_BYTES;
    bool magic_a = memcmp(map->bytes, SB_MAGIC, seen) == 0;
    bool magic_b = span_inside(SB_SLOT_BYTES, SB_MAGIC_BYTES, map->size) &&
                   memcmp(map->bytes + SB_SLOT_BYTES, SB_MAGIC, SB_MAGIC_BYTES) == 0;
    const char *text = text_damage(map);
    if (!magic_a && !magic_b && text) /* [F-2] */
        return ingot_fail(err, INGOT_E_TEXT_MODE, 0, file->path, ADVICE_TEXT,
                          "the file went through a text-mode transfer: %s", text);
    if (!magic_a && !magic_b) /* [F-1] */
        return ingot_fail(err, INGOT_E_MAGIC, 0, file->path, "`ingot convert` makes one from a checkpoint",
                          "not an .ingot file: it does not begin with the magic");
    if (map->size < INDEX_CANONICAL_OFF) return fail_short(file, err);
    return ingot_fail(err, INGOT_E_SUPERBLOCK, magic_a ? 0 : SB_SLOT_BYTES, file->path, ADVICE_COPY,
                      "no superblock has both its magic and its checksum"); /* [F-4] */
}

/* The valid slot with the higher generation; A when both are the same. */
static enum ingot_status choose_slot(struct ingot_file *file, struct ingot_error *err)
{
    struct ingot_file_info *info = &file->info;
    const uint8_t *a = file->map.bytes;
    const uint8_t *b = file->map.bytes + SB_SLOT_BYTES;
    info->slot_valid[0] = slot_is_valid(&file->map, 0);
    info->slot_valid[1] = slot_is_valid(&file->map, 1);
    if (!info->slot_valid[0] && !info->slot_valid[1]) return fail_no_slot(file, err);
    if (file->map.size < INDEX_CANONICAL_OFF) return fail_short(file, err);
    info->slot_used = info->slot_valid[0] ? 0 : 1;
    if (info->slot_valid[0] && info->slot_valid[1]) {
        info->slots_equal = memcmp(a, b, SB_BYTES) == 0;
        info->slot_used = get_u64(b + SB_GENERATION_OFF) > get_u64(a + SB_GENERATION_OFF);
    }
    return INGOT_OK;
}

static void decode_superblock(const uint8_t *sb, uint64_t actual_bytes, struct ingot_file_info *info)
{
    info->read_version = get_u16(sb + SB_READ_VERSION_OFF);
    info->write_version = get_u16(sb + SB_WRITE_VERSION_OFF);
    info->writable_version = info->write_version <= SB_WRITE_VERSION;
    info->features_must = get_u64(sb + SB_MUST_OFF);
    info->features_may = get_u64(sb + SB_MAY_OFF);
    info->generation = get_u64(sb + SB_GENERATION_OFF);
    info->file_bytes = get_u64(sb + SB_FILE_BYTES_OFF);
    info->actual_bytes = actual_bytes;
    info->index_off = get_u64(sb + SB_INDEX_OFF_OFF);
    info->index_bytes = get_u64(sb + SB_INDEX_BYTES_OFF);
    info->align = get_u32(sb + SB_ALIGN_OFF);
    info->content_id.lo = get_u64(sb + SB_CONTENT_ID_OFF);
    info->content_id.hi = get_u64(sb + SB_CONTENT_ID_OFF + 8);
}

/* What this reader must understand, before anything else of the slot is believed. */
static enum ingot_status check_versions(const struct ingot_file *file, uint64_t at, struct ingot_error *err)
{
    const struct ingot_file_info *info = &file->info;
    if (info->read_version > SB_READ_VERSION) /* [F-10] */
        return ingot_fail(err, INGOT_E_READ_VERSION, at + SB_READ_VERSION_OFF, file->path, ADVICE_NEWER,
                          "the file needs a reader of version %u, this one is version %u", info->read_version,
                          SB_READ_VERSION);
    if (info->read_version == 0 || info->write_version < info->read_version) /* [F-10] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_READ_VERSION_OFF, file->path, ADVICE_COPY,
                          "read version %u and write version %u contradict each other", info->read_version,
                          info->write_version);
    uint64_t unknown = info->features_must & ~SB_MUST_KNOWN;
    if (unknown) /* [F-12] */
        return ingot_fail(err, INGOT_E_FEATURE, at + SB_MUST_OFF, file->path, ADVICE_NEWER,
                          "feature bit %d must be understood and is unknown", __builtin_ctzll(unknown));
    return INGOT_OK;
}

/* Bytes [off, end) of the slot at `at` must be zero. */
static enum ingot_status check_reserved(const struct ingot_file *file, uint64_t at, uint64_t off, uint64_t end,
                                        struct ingot_error *err)
{
    uint64_t zeros = zero_run(file->map.bytes + at + off, end - off);
    if (off + zeros == end) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RESERVED, at + off + zeros, file->path, ADVICE_COPY,
                      "reserved bytes of the superblock are not zero");
}

static enum ingot_status check_fields(const struct ingot_file *file, uint64_t at, struct ingot_error *err)
{
    const struct ingot_file_info *info = &file->info;
    uint32_t size = get_u32(file->map.bytes + at + SB_SIZE_OFF);
    if (size != SB_BYTES) /* [F-11] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_SIZE_OFF, file->path, ADVICE_COPY,
                          "a superblock of %u byte%s, expected %u", size, plural(size), SB_BYTES);
    if (info->generation == 0) /* [F-13] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_GENERATION_OFF, file->path, ADVICE_COPY,
                          "generation 0, the first is 1");
    if (info->file_bytes > info->actual_bytes) /* [F-14] */
        return ingot_fail(err, INGOT_E_TRUNCATED, info->actual_bytes, file->path, ADVICE_COPY,
                          "the file is %llu bytes long and should be %llu", (ull)info->actual_bytes,
                          (ull)info->file_bytes);
    if (info->align < MATRIX_ALIGN || info->align > MATRIX_ALIGN_MAX || (info->align & (info->align - 1))) /* [F-15] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_ALIGN_OFF, file->path, ADVICE_COPY,
                          "alignment %u, expected a power of two from 4096 to 2097152", info->align);
    enum ingot_status status = check_reserved(file, at, SB_ALIGN_OFF + 4, SB_CONTENT_ID_OFF, err); /* [F-16] */
    return status == INGOT_OK ? check_reserved(file, at, SB_CONTENT_ID_OFF + 16, SB_HASH_OFF, err) : status;
}

static enum ingot_status check_index_span(const struct ingot_file *file, uint64_t at, struct ingot_error *err)
{
    const struct ingot_file_info *info = &file->info;
    if (info->index_off % SECTION_ALIGN || info->index_off < INDEX_CANONICAL_OFF ||
        info->index_off > info->file_bytes) /* [F-17] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_INDEX_OFF_OFF, file->path, ADVICE_COPY,
                          "the index begins at %llu, expected a multiple of 64 from 8192 to %llu", (ull)info->index_off,
                          (ull)info->file_bytes);
    if (info->index_bytes % SECTION_ALIGN || info->index_bytes < IX_HEADER_BYTES ||
        !span_inside(info->index_off, info->index_bytes, info->file_bytes)) /* [F-18] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_INDEX_BYTES_OFF, file->path, ADVICE_COPY,
                          "an index of %llu bytes, expected a multiple of 64 inside the file's %llu bytes",
                          (ull)info->index_bytes, (ull)info->file_bytes);
    return INGOT_OK;
}

enum ingot_status superblock_open(struct ingot_file *file, struct ingot_error *err)
{
    enum ingot_status status = choose_slot(file, err);
    if (status != INGOT_OK) return status;
    uint64_t at = (uint64_t)file->info.slot_used * SB_SLOT_BYTES;
    decode_superblock(file->map.bytes + at, file->map.size, &file->info);
    status = check_versions(file, at, err);
    if (status == INGOT_OK) status = check_fields(file, at, err);
    if (status == INGOT_OK) status = check_index_span(file, at, err);
    return status;
}
