/* index.c - the index, checked once and then used in place: in time linear in its length, without allocating and
 * without touching a byte of a section. After index_open() every name is a string inside the names, every span lies
 * inside the file, every number that a caller can see is in range. */
#include "format/checked.h"
#include "format/error.h"
#include "format/file.h"
#include "format/layout.h"

#include <stdlib.h>
#include <string.h>

/* As many records as there may be, each with a name as long as it may be. */
#define INDEX_BYTES_MAX                                                                                                \
    (IX_HEADER_BYTES + (uint64_t)INGOT_MAX_SECTIONS * (RECORD_BYTES + 4 + INGOT_MAX_NAME + 1) + SECTION_ALIGN)

#define KIND_FIRST_SKIPPABLE 0x8000u
#define NAME_SHOWN           96 /* bytes of an escaped name in a message */

/* ------------------------------------------------------------------------------------------------ index header */

/* A number of the header that has only one right value. */
static enum ingot_status check_number(const struct ingot_file *file, uint32_t field, uint64_t found, uint64_t expected,
                                      struct ingot_error *err)
{
    if (found == expected) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RANGE, file->info.index_off + field, file->path, ADVICE_COPY,
                      "the index header says %llu, expected %llu", (ull)found, (ull)expected);
}

static enum ingot_status check_count(const struct ingot_file *file, struct ingot_error *err)
{
    const uint8_t *ix = file->index;
    if (memcmp(ix, IX_MAGIC, 8) != 0) /* [F-20] */
        return ingot_fail(err, INGOT_E_INDEX, file->info.index_off, file->path, ADVICE_COPY,
                          "the index does not begin with its magic");
    enum ingot_status status =
        check_number(file, IX_RECORD_BYTES_OFF, get_u32(ix + IX_RECORD_BYTES_OFF), RECORD_BYTES, err); /* [F-21] */
    if (status == INGOT_OK && file->n > INGOT_MAX_SECTIONS)                                            /* [F-22] */
        return ingot_fail(err, INGOT_E_LIMIT, file->info.index_off + IX_COUNT_OFF, file->path, NULL,
                          "%u sections, the limit is %u", file->n, INGOT_MAX_SECTIONS);
    return status;
}

/* Where records, order array and names must stand follows from the count [F-23]. */
static enum ingot_status check_offsets(const struct ingot_file *file, uint64_t order_off, uint64_t names_off,
                                       struct ingot_error *err)
{
    const uint8_t *ix = file->index;
    enum ingot_status status =
        check_number(file, IX_RECORDS_OFF_OFF, get_u64(ix + IX_RECORDS_OFF_OFF), IX_HEADER_BYTES, err);
    if (status == INGOT_OK)
        status = check_number(file, IX_ORDER_OFF_OFF, get_u64(ix + IX_ORDER_OFF_OFF), order_off, err);
    if (status == INGOT_OK)
        status = check_number(file, IX_NAMES_OFF_OFF, get_u64(ix + IX_NAMES_OFF_OFF), names_off, err);
    return status;
}

/* Bytes [off, end) of the index must be zero. */
static enum ingot_status check_filling(const struct ingot_file *file, uint64_t off, uint64_t end,
                                       struct ingot_error *err)
{
    uint64_t zeros = zero_run(file->index + off, end - off);
    if (off + zeros == end) return INGOT_OK;
    return ingot_fail(err, INGOT_E_RESERVED, file->info.index_off + off + zeros, file->path, ADVICE_COPY,
                      "reserved or filling bytes of the index are not zero");
}

/* The names, and what fills the index up to a multiple of 64, end where the index ends. */
static enum ingot_status check_names_end(const struct ingot_file *file, uint64_t names_off, uint64_t names_bytes,
                                         struct ingot_error *err)
{
    uint64_t end;
    if (checked_add(names_off, names_bytes, &end) && checked_align(end, SECTION_ALIGN, &end) &&
        end == file->info.index_bytes)
        return INGOT_OK;
    return ingot_fail(err, INGOT_E_RANGE, file->info.index_off + IX_NAMES_BYTES_OFF, file->path, ADVICE_COPY,
                      "%u record%s and %llu byte%s of names do not make an index of %llu bytes", file->n,
                      plural(file->n), (ull)names_bytes, plural(names_bytes), (ull)file->info.index_bytes); /* [F-24] */
}

static enum ingot_status open_header(struct ingot_file *file, struct ingot_error *err)
{
    const uint8_t *ix = file->index;
    file->n = get_u32(ix + IX_COUNT_OFF);
    uint64_t order_off = IX_HEADER_BYTES + (uint64_t)RECORD_BYTES * file->n;
    uint64_t names_off = order_off + (uint64_t)4 * file->n;
    uint64_t names_bytes = get_u64(ix + IX_NAMES_BYTES_OFF);
    enum ingot_status status = check_count(file, err);
    if (status == INGOT_OK) status = check_offsets(file, order_off, names_off, err);
    if (status == INGOT_OK) status = check_names_end(file, names_off, names_bytes, err);
    if (status == INGOT_OK) status = check_filling(file, IX_NAMES_BYTES_OFF + 8, IX_HEADER_BYTES, err); /* [F-25] */
    if (status == INGOT_OK) status = check_filling(file, names_off + names_bytes, file->info.index_bytes, err);
    if (status != INGOT_OK) return status; /* the last one: [F-26] */
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
    return w->file->info.index_off + (uint64_t)((const uint8_t *)w->name - w->file->index);
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
    const enum ingot_dtype dtype = (enum ingot_dtype)w->dtype;
    const bool quantised = quant_step_bytes(dtype) > 0;
    if (ingot_dtype_size(dtype) == 0 && !quantised) /* [F-40] */
        return fail_unknown(w, INGOT_E_DTYPE, RECORD_DTYPE_OFF, "dtype", w->dtype);
    if (w->layout > INGOT_PANEL16) /* [F-41] */
        return fail_unknown(w, INGOT_E_LAYOUT, RECORD_LAYOUT_OFF, "layout", w->layout);
    if (w->layout == INGOT_PANEL16 && (w->rank != 2 || !dtype_has_panels(dtype))) /* [F-41] */
        return fail_section(w, INGOT_E_SHAPE, field_off(w, RECORD_LAYOUT_OFF),
                            "panel16 is for matrices of f32, f16, bf16, q8 and q4");
    if (w->layout == INGOT_ROWS && quantised) /* [F-41] */
        return fail_section(w, INGOT_E_SHAPE, field_off(w, RECORD_LAYOUT_OFF), "q8 and q4 have no layout but panel16");
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
                          "%llu byte%s of names, the records name %llu", (ull)w->names_bytes, plural(w->names_bytes),
                          (ull)w->names_at);
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
        uint64_t at = file->info.index_off + (uint64_t)(file->order - file->index) + 4 * (uint64_t)k;
        if (record >= file->n) /* [F-65] */
            return ingot_fail(err, INGOT_E_ORDER, at, file->path, ADVICE_COPY, "the order names record %u of %u",
                              record, file->n);
        struct place place = record_place(file_record(file, record), record);
        if (k > 0 && place_compare(&before, &place) >= 0) /* [F-65] */
            return ingot_fail(err, INGOT_E_ORDER, at, file->path, ADVICE_COPY,
                              "the order array does not ascend by offset at entry %u", k);
        if (!place.alias && place.off < end) return fail_place(file, err, record, "the section before it"); /* [F-66] */
        if (place.off < index_end && place.off + place.bytes > file->info.index_off) /* [F-66]: empty ones too */
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

/* Whoever can write to the file can change the index behind its check: what is checked is a copy. An index that is
 * larger than any valid one costs no memory; it will be refused where it is. */
static enum ingot_status take_index(struct ingot_file *file, struct ingot_error *err)
{
    const uint64_t n = file->info.index_bytes;
    file->index = file->map.bytes + file->info.index_off;
    map_will_read(&file->map, file->info.index_off, n);
    if (n > INDEX_BYTES_MAX) return INGOT_OK;
    file->index_copy = map_large_malloc(n);
    if (!file->index_copy)
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, file->path, NULL, "no memory to open the file");
    file->index = memcpy(file->index_copy, file->index, n);
    return INGOT_OK;
}

static enum ingot_status check_hash(const struct ingot_file *file, struct ingot_error *err)
{
    const uint8_t *sb = file->map.bytes + (size_t)file->info.slot_used * SB_SLOT_BYTES;
    if (ingot_hash64(file->index, file->info.index_bytes) == get_u64(sb + SB_INDEX_HASH_OFF)) return INGOT_OK;
    return ingot_fail(err, INGOT_E_INDEX, file->info.index_off, file->path, ADVICE_COPY,
                      "the index does not match its checksum"); /* [F-19] */
}

enum ingot_status index_open(struct ingot_file *file, struct ingot_error *err)
{
    enum ingot_status status = take_index(file, err);
    if (status == INGOT_OK) status = check_hash(file, err);
    if (status == INGOT_OK) status = open_header(file, err);
    if (status == INGOT_OK) status = check_records(file, err);
    if (status == INGOT_OK) status = check_order(file, err);
    return status;
}
