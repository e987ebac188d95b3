/* reader.c - opening a file: everything that the superblock and the index say is checked once, in the order of
 * spec/format.md, in time linear in the index, without allocating and without touching a byte of a section.
 *
 * The index is used in place. After open_index() every getter may trust it: every name is a string inside the names,
 * every span lies inside the map, every number that a caller can see is in range. */
#include "format/file.h"
#include "format/checked.h"
#include "format/error.h"
#include "format/layout.h"

#include <stdlib.h>
#include <string.h>

#define ADVICE_COPY  "the file is damaged: get another copy"
#define ADVICE_NEWER "use a newer ingot"
#define ADVICE_TEXT  "transfer the file again in binary mode"

#define NO_RECORD            UINT32_MAX
#define KIND_FIRST_SKIPPABLE 0x8000u
#define NAME_SHOWN           96 /* bytes of an escaped name in a message */

typedef unsigned long long ull;

/* ------------------------------------------------------------------------------------------------- superblocks */

static bool slot_is_valid(const struct file_map *map, uint32_t slot)
{
    if (!span_inside((uint64_t)slot * SB_SLOT_BYTES, SB_BYTES, map->size)) return false;
    const uint8_t *sb = map->bytes + (size_t)slot * SB_SLOT_BYTES;
    return memcmp(sb, SB_MAGIC, SB_MAGIC_BYTES) == 0 && get_u64(sb + SB_HASH_OFF) == ingot_hash64(sb, SB_HASH_OFF);
}

static enum ingot_status fail_short(const struct ingot_file *file, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_TRUNCATED, file->map.size, file->path, ADVICE_COPY,
                      "the file ends after %llu bytes, inside its superblocks", (ull)file->map.size); /* [F-3] */
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

static enum ingot_status check_superblock_fields(const struct ingot_file *file, const uint8_t *sb, uint64_t at,
                                                 struct ingot_error *err)
{
    const struct ingot_file_info *info = &file->info;
    uint32_t size = get_u32(sb + SB_SIZE_OFF);
    if (size != SB_BYTES) /* [F-11] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_SIZE_OFF, file->path, ADVICE_COPY,
                          "a superblock of %u bytes, expected %u", size, SB_BYTES);
    uint64_t gap = SB_ALIGN_OFF + 4;
    uint64_t gap_zeros = zero_run(sb + gap, SB_CONTENT_ID_OFF - gap);
    if (gap + gap_zeros != SB_CONTENT_ID_OFF) /* [F-16] */
        return ingot_fail(err, INGOT_E_RESERVED, at + gap + gap_zeros, file->path, ADVICE_COPY,
                          "reserved bytes of the superblock are not zero");
    uint64_t rest = SB_CONTENT_ID_OFF + 16;
    uint64_t zeros = zero_run(sb + rest, SB_HASH_OFF - rest);
    if (rest + zeros != SB_HASH_OFF) /* [F-16] */
        return ingot_fail(err, INGOT_E_RESERVED, at + rest + zeros, file->path, ADVICE_COPY,
                          "reserved bytes of the superblock are not zero");
    if (info->generation == 0) /* [F-13] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_GENERATION_OFF, file->path, ADVICE_COPY,
                          "generation 0, the first is 1");
    if (info->align < MATRIX_ALIGN || info->align > MATRIX_ALIGN_MAX || (info->align & (info->align - 1))) /* [F-15] */
        return ingot_fail(err, INGOT_E_RANGE, at + SB_ALIGN_OFF, file->path, ADVICE_COPY,
                          "alignment %u, expected a power of two from 4096 to 2097152", info->align);
    return INGOT_OK;
}

static enum ingot_status check_index_span(const struct ingot_file *file, uint64_t at, struct ingot_error *err)
{
    const struct ingot_file_info *info = &file->info;
    if (info->file_bytes > info->actual_bytes) /* [F-14] */
        return ingot_fail(err, INGOT_E_TRUNCATED, info->actual_bytes, file->path, ADVICE_COPY,
                          "the file is %llu bytes long and should be %llu", (ull)info->actual_bytes,
                          (ull)info->file_bytes);
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

static enum ingot_status open_superblock(struct ingot_file *file, struct ingot_error *err)
{
    enum ingot_status status = choose_slot(file, err);
    if (status != INGOT_OK) return status;
    uint64_t at = (uint64_t)file->info.slot_used * SB_SLOT_BYTES;
    const uint8_t *sb = file->map.bytes + at;
    decode_superblock(sb, file->map.size, &file->info);
    status = check_versions(file, at, err);
    if (status == INGOT_OK) status = check_superblock_fields(file, sb, at, err);
    if (status == INGOT_OK) status = check_index_span(file, at, err);
    if (status != INGOT_OK) return status;
    file->index = file->map.bytes + file->info.index_off;
    map_will_read(&file->map, file->info.index_off, file->info.index_bytes);
    if (ingot_hash64(file->index, file->info.index_bytes) != get_u64(sb + SB_INDEX_HASH_OFF)) /* [F-19] */
        return ingot_fail(err, INGOT_E_INDEX, file->info.index_off, file->path, ADVICE_COPY,
                          "the index does not match its checksum");
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------ index header */

static enum ingot_status fail_header(const struct ingot_file *file, struct ingot_error *err, enum ingot_status status,
                                     uint32_t field, uint64_t found, uint64_t expected)
{
    return ingot_fail(err, status, file->info.index_off + field, file->path, ADVICE_COPY,
                      "the index header says %llu, expected %llu", (ull)found, (ull)expected);
}

/* Every offset of the index follows from the count and the length of the names [F-20 .. F-24]. */
static enum ingot_status open_index_header(struct ingot_file *file, struct ingot_error *err)
{
    const uint8_t *ix = file->index;
    uint64_t at = file->info.index_off;
    if (memcmp(ix, IX_MAGIC, 8) != 0) /* [F-20] */
        return ingot_fail(err, INGOT_E_INDEX, at, file->path, ADVICE_COPY, "the index does not begin with its magic");
    file->n = get_u32(ix + IX_COUNT_OFF);
    if (file->n > INGOT_MAX_SECTIONS) /* [F-22] */
        return ingot_fail(err, INGOT_E_LIMIT, at + IX_COUNT_OFF, file->path, NULL, "%u sections, the limit is %u",
                          file->n, INGOT_MAX_SECTIONS);
    if (get_u32(ix + IX_RECORD_BYTES_OFF) != RECORD_BYTES) /* [F-21] */
        return fail_header(file, err, INGOT_E_RANGE, IX_RECORD_BYTES_OFF, get_u32(ix + IX_RECORD_BYTES_OFF),
                           RECORD_BYTES);
    uint64_t order_off = IX_HEADER_BYTES + (uint64_t)RECORD_BYTES * file->n;
    uint64_t names_off = order_off + (uint64_t)4 * file->n;
    uint64_t names_bytes = get_u64(ix + IX_NAMES_BYTES_OFF);
    if (get_u64(ix + IX_RECORDS_OFF_OFF) != IX_HEADER_BYTES) /* [F-23] */
        return fail_header(file, err, INGOT_E_RANGE, IX_RECORDS_OFF_OFF, get_u64(ix + IX_RECORDS_OFF_OFF),
                           IX_HEADER_BYTES);
    if (get_u64(ix + IX_ORDER_OFF_OFF) != order_off) /* [F-23] */
        return fail_header(file, err, INGOT_E_RANGE, IX_ORDER_OFF_OFF, get_u64(ix + IX_ORDER_OFF_OFF), order_off);
    if (get_u64(ix + IX_NAMES_OFF_OFF) != names_off) /* [F-23] */
        return fail_header(file, err, INGOT_E_RANGE, IX_NAMES_OFF_OFF, get_u64(ix + IX_NAMES_OFF_OFF), names_off);
    uint64_t end;
    if (!checked_add(names_off, names_bytes, &end) || !checked_align(end, SECTION_ALIGN, &end) ||
        end != file->info.index_bytes) /* [F-24] */
        return ingot_fail(err, INGOT_E_RANGE, at + IX_NAMES_BYTES_OFF, file->path, ADVICE_COPY,
                          "%u records and %llu bytes of names do not make an index of %llu bytes", file->n,
                          (ull)names_bytes, (ull)file->info.index_bytes);
    uint64_t zeros = zero_run(ix + IX_NAMES_BYTES_OFF + 8, IX_HEADER_BYTES - IX_NAMES_BYTES_OFF - 8);
    if (zeros != IX_HEADER_BYTES - IX_NAMES_BYTES_OFF - 8) /* [F-25] */
        return ingot_fail(err, INGOT_E_RESERVED, at + IX_NAMES_BYTES_OFF + 8 + zeros, file->path, ADVICE_COPY,
                          "reserved bytes of the index header are not zero");
    zeros = zero_run(ix + names_off + names_bytes, end - names_off - names_bytes);
    if (names_off + names_bytes + zeros != end) /* [F-26] */
        return ingot_fail(err, INGOT_E_RESERVED, at + names_off + names_bytes + zeros, file->path, ADVICE_COPY,
                          "the bytes that fill the index are not zero");
    file->records = ix + IX_HEADER_BYTES;
    file->order = ix + order_off;
    file->names = (const char *)ix + names_off;
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------ records */

/* One walk over the records in order of name. */
struct walk {
    const struct ingot_file *file;
    struct ingot_error *err;
    uint64_t names_bytes; /* as the header says */
    uint64_t names_at;    /* where the next name must begin */
    uint64_t chunks;      /* chunks of the sections so far */
    uint32_t i;           /* this record */
    const uint8_t *record;
    const char *name, *name_before;
    uint32_t kind, dtype, layout, rank; /* as found, maybe unknown */
    bool tensor;                        /* or an alias of one */
    uint64_t raw_bytes;
};

static uint64_t field_off(const struct walk *w, uint32_t field)
{
    return w->file->info.index_off + IX_HEADER_BYTES + (uint64_t)w->i * RECORD_BYTES + field;
}

static uint64_t name_off(const struct walk *w)
{
    return (uint64_t)((const uint8_t *)w->name - w->file->map.bytes);
}

/* For faults of a record whose name is known to be one. */
static enum ingot_status fail_section(const struct walk *w, enum ingot_status status, uint64_t at, const char *what)
{
    char name[NAME_SHOWN];
    ingot_escape(w->name, strlen(w->name), name, sizeof name);
    return ingot_fail(w->err, status, at, w->file->path, ADVICE_COPY, "section %s: %s", name, what);
}

/* The same for something that a newer reader may know. */
static enum ingot_status fail_unknown(const struct walk *w, enum ingot_status status, uint32_t field, const char *what,
                                      uint32_t code)
{
    char name[NAME_SHOWN];
    ingot_escape(w->name, strlen(w->name), name, sizeof name);
    return ingot_fail(w->err, status, field_off(w, field), w->file->path, ADVICE_NEWER, "section %s: unknown %s %u",
                      name, what, code);
}

static enum ingot_status check_name_span(const struct walk *w, uint32_t off, uint32_t len)
{
    const char *path = w->file->path;
    if (off != w->names_at) /* [F-30] */
        return ingot_fail(w->err, INGOT_E_RANGE, field_off(w, RECORD_NAME_OFF_OFF), path, ADVICE_COPY,
                          "record %u: its name begins at %u, expected %llu", w->i, off, (ull)w->names_at);
    uint64_t at = field_off(w, RECORD_NAME_LEN_OFF);
    if (len == 0) /* [F-31] */
        return ingot_fail(w->err, INGOT_E_NAME, at, path, ADVICE_COPY, "record %u: an empty name", w->i);
    if (len > INGOT_MAX_NAME) /* [F-31] */
        return ingot_fail(w->err, INGOT_E_LIMIT, at, path, NULL, "record %u: a name of %u bytes, the limit is %u", w->i,
                          len, INGOT_MAX_NAME);
    if (!span_inside(off, (uint64_t)len + 1, w->names_bytes)) /* [F-31] */
        return ingot_fail(w->err, INGOT_E_RANGE, at, path, ADVICE_COPY, "record %u: its name goes beyond the names",
                          w->i);
    return INGOT_OK;
}

static enum ingot_status check_name(struct walk *w)
{
    uint32_t off = get_u32(w->record + RECORD_NAME_OFF_OFF);
    uint32_t len = get_u16(w->record + RECORD_NAME_LEN_OFF);
    enum ingot_status status = check_name_span(w, off, len);
    if (status != INGOT_OK) return status;
    w->name = w->file->names + off;
    size_t found = strnlen(w->name, (size_t)len + 1);
    if (found != len) /* [F-32] */
        return ingot_fail(w->err, INGOT_E_NAME, name_off(w) + (found < len ? found : len), w->file->path, ADVICE_COPY,
                          "record %u: its name %s", w->i, found < len ? "holds a NUL" : "does not end in a NUL");
    w->names_at += (uint64_t)len + 1;
    return INGOT_OK;
}

static bool is_reserved_name(const char *name)
{
    static const enum ingot_kind named[] = { INGOT_KIND_MODEL,    INGOT_KIND_CHUNKS, INGOT_KIND_VOCABULARY,
                                             INGOT_KIND_METADATA, INGOT_KIND_RECIPE, INGOT_KIND_PROVENANCE };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(name, kind_reserved_name(named[i])) == 0) return true;
    return false;
}

/* A '@' begins the names of all sections that are not tensors, and only theirs; each known kind has its own name. A
 * skippable kind of a later time may have any '@' name that is not taken. An unknown critical kind is said first: its
 * name follows rules that are not known here. */
static enum ingot_status check_kind(const struct walk *w)
{
    const char *reserved = kind_reserved_name((enum ingot_kind)w->kind);
    bool known = w->tensor || reserved;
    if (!known && w->kind < KIND_FIRST_SKIPPABLE) /* [F-42] */
        return fail_unknown(w, INGOT_E_KIND, RECORD_KIND_OFF, "critical kind", w->kind);
    bool good = w->tensor  ? w->name[0] != '@'
                : reserved ? strcmp(w->name, reserved) == 0
                           : w->name[0] == '@' && !is_reserved_name(w->name);
    if (!good) /* [F-33] */
        return fail_section(w, INGOT_E_NAME, name_off(w), "its kind does not go with its name");
    if (w->i > 0 && strcmp(w->name_before, w->name) >= 0) /* [F-34] */
        return fail_section(w, INGOT_E_ORDER, field_off(w, RECORD_NAME_OFF_OFF), "names do not ascend, each once");
    return INGOT_OK;
}

/* Fields [off, off + n) of the record must be zero. */
static enum ingot_status check_zero(const struct walk *w, uint32_t off, uint32_t n, const char *what)
{
    uint64_t zeros = zero_run(w->record + off, n);
    return zeros == n ? INGOT_OK : fail_section(w, INGOT_E_RESERVED, field_off(w, off) + zeros, what);
}

static enum ingot_status check_not_tensor(const struct walk *w)
{
    enum ingot_status status = check_zero(w, RECORD_DTYPE_OFF, 5, "it is no tensor and has a dtype, layout or rank");
    if (status == INGOT_OK) /* [F-46] */
        status = check_zero(w, RECORD_SHAPE_OFF, 8 * INGOT_MAX_RANK, "it is no tensor and has a shape");
    if (status != INGOT_OK) return status;
    if (w->kind == INGOT_KIND_MODEL && w->raw_bytes != INGOT_HPARAMS_BYTES) /* [F-49] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_RAW_BYTES_OFF), "it is not 64 bytes long");
    return INGOT_OK;
}

static enum ingot_status check_shape(const struct walk *w)
{
    uint64_t shape[INGOT_MAX_RANK], bytes;
    if (w->rank > INGOT_MAX_RANK) /* [F-43] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_RANK_OFF), "a rank above 8");
    for (uint32_t d = 0; d < INGOT_MAX_RANK; d++) shape[d] = get_u64(w->record + RECORD_SHAPE_OFF + 8 * d);
    enum ingot_status status = check_zero(w, RECORD_SHAPE_OFF + 8 * w->rank, 8 * (INGOT_MAX_RANK - w->rank),
                                          "a dimension beyond its rank is not zero"); /* [F-44] */
    if (status != INGOT_OK) return status;
    if (!ingot_layout_bytes((enum ingot_dtype)w->dtype, (enum ingot_layout)w->layout, w->rank, shape, &bytes))
        return fail_section(w, INGOT_E_SHAPE, field_off(w, RECORD_SHAPE_OFF),
                            "its size overflows 64 bits"); /* [F-45] */
    if (bytes != w->raw_bytes)                             /* [F-45] */
        return fail_section(w, INGOT_E_SHAPE, field_off(w, RECORD_RAW_BYTES_OFF),
                            "its size does not follow from dtype, layout and shape");
    return INGOT_OK;
}

static enum ingot_status check_tensor(const struct walk *w)
{
    if (ingot_dtype_size((enum ingot_dtype)w->dtype) == 0) /* [F-40] */
        return fail_unknown(w, INGOT_E_DTYPE, RECORD_DTYPE_OFF, "dtype", w->dtype);
    if (w->layout > INGOT_PANEL16) /* [F-41] */
        return fail_unknown(w, INGOT_E_LAYOUT, RECORD_LAYOUT_OFF, "layout", w->layout);
    if (w->layout == INGOT_PANEL16 && (w->rank != 2 || w->dtype > INGOT_BF16)) /* [F-41] */
        return fail_section(w, INGOT_E_SHAPE, field_off(w, RECORD_LAYOUT_OFF),
                            "panel16 is for matrices of f32, f16 and bf16");
    return check_shape(w);
}

static enum ingot_status check_type(const struct walk *w)
{
    enum ingot_status status = check_zero(w, RECORD_CODEC_OFF + 1, 2, "reserved bytes are not zero"); /* [F-36] */
    if (status == INGOT_OK) status = w->tensor ? check_tensor(w) : check_not_tensor(w);
    if (status == INGOT_OK && w->record[RECORD_CODEC_OFF] != CODEC_NONE) /* [F-47] */
        return fail_unknown(w, INGOT_E_CODEC, RECORD_CODEC_OFF, "codec", w->record[RECORD_CODEC_OFF]);
    return status;
}

static enum ingot_status check_span(const struct walk *w)
{
    uint64_t off = get_u64(w->record + RECORD_DATA_OFF_OFF);
    uint64_t stored = get_u64(w->record + RECORD_STORED_BYTES_OFF);
    uint64_t align = section_align((enum ingot_kind)w->kind, w->rank, w->raw_bytes, w->file->info.align);
    uint64_t end = w->file->info.file_bytes;
    if (stored != w->raw_bytes) /* [F-48] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_STORED_BYTES_OFF),
                            "stored and raw size differ without a codec");
    if (off < INDEX_CANONICAL_OFF || off % align) /* [F-60] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_DATA_OFF_OFF),
                            "it begins inside the superblocks or is not aligned");
    if (!span_inside(off, stored, end)) /* [F-61] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, off > end ? RECORD_DATA_OFF_OFF : RECORD_STORED_BYTES_OFF),
                            "it goes beyond the end of the file");
    return INGOT_OK;
}

/* An alias repeats its target's dtype, layout, rank, codec, shape, span and digest: bytes 8 .. 119 of the record. */
static enum ingot_status check_alias(const struct walk *w)
{
    uint32_t target = get_u32(w->record + RECORD_TARGET_OFF);
    const uint8_t *other = file_record(w->file, target < w->file->n ? target : w->i);
    if (get_u16(other + RECORD_KIND_OFF) != INGOT_KIND_TENSOR) /* [F-62] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_TARGET_OFF), "its target is not a tensor");
    if (memcmp(w->record + RECORD_DTYPE_OFF, other + RECORD_DTYPE_OFF, RECORD_TARGET_OFF - RECORD_DTYPE_OFF) == 0)
        return INGOT_OK;
    uint32_t at = RECORD_DTYPE_OFF;
    while (w->record[at] == other[at]) at++; /* [F-63] */
    return fail_section(w, INGOT_E_SHAPE, field_off(w, at), "it is not what its target is");
}

static enum ingot_status check_chunk_number(struct walk *w)
{
    if (w->kind == INGOT_KIND_ALIAS || w->kind == INGOT_KIND_CHUNKS) /* [F-72] */
        return check_zero(w, RECORD_FIRST_CHUNK_OFF, 4, "it has no chunks of its own and numbers them");
    if (get_u32(w->record + RECORD_FIRST_CHUNK_OFF) != w->chunks) /* [F-71] */
        return fail_section(w, INGOT_E_RANGE, field_off(w, RECORD_FIRST_CHUNK_OFF),
                            "its chunks are not numbered in order of name");
    w->chunks += chunk_count(w->raw_bytes);
    return INGOT_OK;
}

static enum ingot_status check_links(struct walk *w)
{
    enum ingot_status status = w->kind == INGOT_KIND_ALIAS ? check_alias(w)
                                                           : check_zero(w, RECORD_TARGET_OFF, 4,
                                                                        "it is no alias and has a target"); /* [F-64] */
    return status == INGOT_OK ? check_chunk_number(w) : status;
}

static enum ingot_status check_record(struct walk *w)
{
    w->record = file_record(w->file, w->i);
    w->kind = get_u16(w->record + RECORD_KIND_OFF);
    w->tensor = w->kind == INGOT_KIND_TENSOR || w->kind == INGOT_KIND_ALIAS;
    w->dtype = get_u16(w->record + RECORD_DTYPE_OFF);
    w->layout = get_u16(w->record + RECORD_LAYOUT_OFF);
    w->rank = w->record[RECORD_RANK_OFF];
    w->raw_bytes = get_u64(w->record + RECORD_RAW_BYTES_OFF);
    w->name_before = w->name;
    enum ingot_status status = check_name(w);
    if (status == INGOT_OK) status = check_kind(w);
    if (status == INGOT_OK) status = check_type(w);
    if (status == INGOT_OK) status = check_span(w);
    if (status == INGOT_OK) status = check_links(w);
    return status;
}

/* What can be said only after all records: where the names end, and what @chunks must hold. */
static enum ingot_status check_totals(const struct ingot_file *file, struct walk *w)
{
    uint64_t at = file->info.index_off;
    if (w->names_at != w->names_bytes) /* [F-35] */
        return ingot_fail(w->err, INGOT_E_RANGE, at + IX_NAMES_BYTES_OFF, file->path, ADVICE_COPY,
                          "%llu bytes of names, the records name %llu", (ull)w->names_bytes, (ull)w->names_at);
    if (file->chunks_record == NO_RECORD) /* [F-70] */
        return ingot_fail(w->err, INGOT_E_MISSING, at, file->path, ADVICE_COPY,
                          "there is no section " INGOT_NAME_CHUNKS);
    w->i = file->chunks_record;
    if (get_u64(file_record(file, w->i) + RECORD_RAW_BYTES_OFF) != 8 * w->chunks) /* [F-73] */
        return ingot_fail(w->err, INGOT_E_RANGE, field_off(w, RECORD_RAW_BYTES_OFF), file->path, ADVICE_COPY,
                          INGOT_NAME_CHUNKS " does not hold one digest for each of %llu chunks", (ull)w->chunks);
    return INGOT_OK;
}

static enum ingot_status check_records(struct ingot_file *file, struct ingot_error *err)
{
    struct walk w = { .file = file, .err = err, .names_bytes = get_u64(file->index + IX_NAMES_BYTES_OFF) };
    file->chunks_record = NO_RECORD;
    for (w.i = 0; w.i < file->n; w.i++) {
        enum ingot_status status = check_record(&w);
        if (status != INGOT_OK) return status;
        if (w.kind == INGOT_KIND_CHUNKS) file->chunks_record = w.i;
    }
    return check_totals(file, &w);
}

/* ------------------------------------------------------------------------------------------------------- order */

static enum ingot_status fail_place(const struct ingot_file *file, struct ingot_error *err, uint32_t record,
                                    const char *what)
{
    char name[NAME_SHOWN];
    const uint8_t *r = file_record(file, record);
    ingot_escape(file->names + get_u32(r + RECORD_NAME_OFF_OFF), get_u16(r + RECORD_NAME_LEN_OFF), name, sizeof name);
    uint64_t at = file->info.index_off + IX_HEADER_BYTES + (uint64_t)record * RECORD_BYTES;
    return ingot_fail(err, INGOT_E_OVERLAP, at + RECORD_DATA_OFF_OFF, file->path, ADVICE_COPY, "section %s overlaps %s",
                      name, what);
}

/* The order array is strictly ascending in a total order of records, so it is a permutation without a mark per record;
 * and each section begins where all before it have ended, so none overlap. */
static enum ingot_status check_order(const struct ingot_file *file, struct ingot_error *err)
{
    uint64_t index_end = file->info.index_off + file->info.index_bytes;
    uint64_t end = 0;
    struct place before = { 0 };
    for (uint32_t k = 0; k < file->n; k++) {
        uint32_t record = get_u32(file->order + 4 * (size_t)k);
        uint64_t at = (uint64_t)(file->order - file->map.bytes) + 4 * (uint64_t)k;
        if (record >= file->n) /* [F-65] */
            return ingot_fail(err, INGOT_E_ORDER, at, file->path, ADVICE_COPY, "the order names record %u of %u",
                              record, file->n);
        struct place place = record_place(file_record(file, record), record);
        if (k > 0 && place_compare(&before, &place) >= 0) /* [F-65] */
            return ingot_fail(err, INGOT_E_ORDER, at, file->path, ADVICE_COPY,
                              "the order array does not ascend by offset at entry %u", k);
        if (!place.alias && place.off < end) return fail_place(file, err, record, "the section before it"); /* [F-66] */
        if (place.bytes > 0 && place.off < index_end && place.off + place.bytes > file->info.index_off)     /* [F-66] */
            return fail_place(file, err, record, "the index");
        end = place.off + place.bytes;
        before = place;
    }
    if (end < index_end) end = index_end;
    if (end != file->info.file_bytes) /* [F-67] */
        return ingot_fail(err, INGOT_E_RANGE, (uint64_t)file->info.slot_used * SB_SLOT_BYTES + SB_FILE_BYTES_OFF,
                          file->path, ADVICE_COPY, "a length of %llu bytes is recorded, the last section ends at %llu",
                          (ull)file->info.file_bytes, (ull)end);
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------------------- open */

static enum ingot_status validate(struct ingot_file *file, struct ingot_error *err)
{
    enum ingot_status status = open_superblock(file, err);
    if (status == INGOT_OK) status = open_index_header(file, err);
    if (status == INGOT_OK) status = check_records(file, err);
    if (status == INGOT_OK) status = check_order(file, err);
    return status;
}

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
    status = validate(file, err);
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
