/* anatomy.c - finds the slots, the index and the sections as far as that goes, and tells them in order of offset. */
#include "inspect/anatomy.h"

#include "format/bytes.h"
#include "format/checked.h"
#include "format/error.h"
#include "format/file.h"
#include "format/layout.h"
#include "inspect/cli/memory.h"
#include "inspect/fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 16u
#define NAME_SHOWN (4 * INGOT_MAX_NAME + 8)

/* What an .ingot file seems to be. */
struct anatomy {
    const uint8_t *bytes;
    uint64_t n;
    bool slot_valid[2];
    uint64_t sb;          /* offset of the superblock that counts; n when there is none */
    uint64_t index_off;   /* n when there is none */
    uint64_t index_bytes; /* as far as they are in the file */
    uint64_t claimed;     /* records, as the index says */
    uint32_t n_records;   /* whole ones in the file */
    uint64_t order_off, names_off, names_bytes;
    const struct anatomy_options *o;
    char part[NAME_SHOWN + 32]; /* heading that is still to be told; "": it was */
    uint64_t n_faults;
};

/* ------------------------------------------------------------------------------------------------------ finding */

static bool is_slot(const struct anatomy *a, uint64_t off)
{
    return span_inside(off, SB_BYTES, a->n) && memcmp(a->bytes + off, SB_MAGIC, SB_MAGIC_BYTES) == 0;
}

static void find_slot(struct anatomy *a)
{
    bool b = false;
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *sb = a->bytes + (size_t)i * SB_SLOT_BYTES;
        a->slot_valid[i] = is_slot(a, i * SB_SLOT_BYTES) && get_u64(sb + SB_HASH_OFF) == ingot_hash64(sb, SB_HASH_OFF);
    }
    if (a->slot_valid[0] && a->slot_valid[1])
        b = get_u64(a->bytes + SB_SLOT_BYTES + SB_GENERATION_OFF) > get_u64(a->bytes + SB_GENERATION_OFF);
    else
        b = a->slot_valid[1] || (!a->slot_valid[0] && !is_slot(a, 0));
    a->sb = is_slot(a, b ? SB_SLOT_BYTES : 0) ? (b ? SB_SLOT_BYTES : 0) : a->n;
}

static bool is_index(const struct anatomy *a, uint64_t off)
{
    return span_inside(off, IX_HEADER_BYTES, a->n) && memcmp(a->bytes + off, IX_MAGIC, 8) == 0;
}

/* Where the superblock says, else where a fresh file has it. Without a magic there is still the superblock's word. */
static void find_index(struct anatomy *a)
{
    uint64_t said = a->sb < a->n ? get_u64(a->bytes + a->sb + SB_INDEX_OFF_OFF) : INDEX_CANONICAL_OFF;
    a->index_off = a->n;
    if (is_index(a, said) || (a->sb < a->n && span_inside(said, IX_HEADER_BYTES, a->n) && said >= INDEX_CANONICAL_OFF))
        a->index_off = said;
    if (!is_index(a, a->index_off) && is_index(a, INDEX_CANONICAL_OFF)) a->index_off = INDEX_CANONICAL_OFF;
    if (a->index_off >= a->n) return;
    const uint8_t *index = a->bytes + a->index_off;
    uint64_t left = a->n - a->index_off, whole = (left - IX_HEADER_BYTES) / RECORD_BYTES;
    a->claimed = get_u32(index + IX_COUNT_OFF);
    a->n_records = (uint32_t)(a->claimed < whole ? a->claimed : whole);
    a->order_off = IX_HEADER_BYTES + a->claimed * RECORD_BYTES;
    a->names_off = a->order_off + 4 * a->claimed;
    a->names_bytes = get_u64(index + IX_NAMES_BYTES_OFF);
    if (a->names_off > left)
        a->names_bytes = 0;
    else if (a->names_bytes > left - a->names_off)
        a->names_bytes = left - a->names_off;
    a->index_bytes = a->sb < a->n ? get_u64(a->bytes + a->sb + SB_INDEX_BYTES_OFF) : a->names_off + a->names_bytes;
    if (a->index_bytes > left) a->index_bytes = left;
}

static struct anatomy open_anatomy(const uint8_t *bytes, uint64_t n, const struct anatomy_options *options)
{
    struct anatomy a = { .bytes = bytes, .n = n, .o = options };
    find_slot(&a);
    find_index(&a);
    return a;
}

static const uint8_t *record_at(const struct anatomy *a, uint32_t i)
{
    return a->bytes + a->index_off + IX_HEADER_BYTES + (uint64_t)i * RECORD_BYTES;
}

/* The name as its record says, escaped; "?" when it is not there. */
static const char *record_name(const struct anatomy *a, uint32_t i, char out[NAME_SHOWN])
{
    uint64_t off = get_u32(record_at(a, i) + RECORD_NAME_OFF_OFF), n = get_u16(record_at(a, i) + RECORD_NAME_LEN_OFF);
    if (!span_inside(off, n, a->names_bytes) || n > INGOT_MAX_NAME) return strcpy(out, "?");
    return ingot_escape((const char *)a->bytes + a->index_off + a->names_off + off, n, out, NAME_SHOWN);
}

/* ------------------------------------------------------------------------------------------------------- telling */

static bool is_wanted(const struct anatomy *a, uint64_t off, uint64_t n)
{
    return off < a->o->to && n > 0 && (off >= a->o->from || n > a->o->from - off);
}

static void begin_part(struct anatomy *a, const char *part)
{
    snprintf(a->part, sizeof a->part, "%s", part);
}

/* A line; n_bytes may reach beyond the end of the file, which is its fault. */
static void tell(struct anatomy *a, uint64_t off, uint64_t n_bytes, const char *name, const char *value,
                 const char *fault)
{
    uint64_t left = off < a->n ? a->n - off : 0;
    struct anatomy_line line = {
        .off = off,
        .n_bytes = n_bytes,
        .bytes = a->bytes + (off < a->n ? off : a->n),
        .n_here = n_bytes < left ? n_bytes : left,
        .name = name,
        .value = value,
        .fault = n_bytes > left ? "the file ends here" : fault,
    };
    if (!is_wanted(a, off, n_bytes)) return;
    if (*a->part) a->o->heading(a->o->ctx, a->part);
    *a->part = '\0';
    a->n_faults += line.fault != NULL;
    a->o->line(a->o->ctx, &line);
}

/* What the others know about a field; NULL: nothing wrong. */
typedef const char *(*fault_fn)(const struct anatomy *a, const struct field *f, const uint8_t *base, uint64_t at,
                                char out[FIELD_TEXT_MAX]);

static void tell_fields(struct anatomy *a, uint64_t at, const struct field_table *t, fault_fn more)
{
    char value[FIELD_TEXT_MAX], fault[FIELD_TEXT_MAX];
    if (!is_wanted(a, at, t->bytes)) return;
    if (!span_inside(at, t->bytes, a->n)) {
        tell(a, at, t->bytes, "a structure that is cut off", "", NULL);
        return;
    }
    const uint8_t *base = a->bytes + at;
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->fields[i];
        const char *wrong = field_fault(f, base, fault);
        if (!wrong && f->name && more) wrong = more(a, f, base, at, fault);
        tell(a, at + f->off, f->bytes, f->name ? f->name : "reserved", field_value(f, base, value), wrong);
    }
}

/* --------------------------------------------------------------------------------------------------------- bytes */

static void elements_text(enum ingot_scalar scalar, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    size_t size = ingot_scalar_info(scalar)->bytes, used = 0;
    char text[VALUES_TEXT_MAX];
    *out = '\0';
    for (uint64_t i = 0; i + size <= n && used + VALUES_TEXT_MAX < FIELD_TEXT_MAX; i += size) {
        uint64_t element[2];
        memcpy(element, p + i, size);
        values_text(scalar, element, VALUES_BRIEF, text);
        used += (size_t)snprintf(out + used, FIELD_TEXT_MAX - used, "%s%s", i ? " " : "", text);
    }
}

static void characters(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    size_t used = 0;
    (void)none;
    out[used++] = '|';
    for (uint64_t i = 0; i < n; i++) out[used++] = p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '.';
    out[used++] = '|';
    out[used] = '\0';
}

/* Codes of q8 as their levels: a byte whose first bit is turned is one of two's complement. */
static void levels_of_q8(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    uint8_t levels[LINE_BYTES];
    (void)none;
    for (uint64_t i = 0; i < n; i++) levels[i] = p[i] ^ QUANT_Q8_ZERO;
    elements_text(INGOT_SCALAR_I8, levels, n, out);
}

/* Of q4 those of the low halves, then of the high ones. */
static void levels_of_q4(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    uint8_t levels[2][LINE_BYTES];
    char high[FIELD_TEXT_MAX];
    (void)none;
    for (uint64_t i = 0; i < n; i++) {
        levels[0][i] = (uint8_t)quant_q4_levels[p[i] & 15];
        levels[1][i] = (uint8_t)quant_q4_levels[p[i] >> 4];
    }
    elements_text(INGOT_SCALAR_I8, levels[0], n, out);
    elements_text(INGOT_SCALAR_I8, levels[1], n, high);
    const size_t used = strlen(out);
    snprintf(out + used, FIELD_TEXT_MAX - used, " | %.*s", (int)(FIELD_TEXT_MAX - used - 4), high);
}

typedef void line_text_fn(enum ingot_scalar scalar, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX]);

/* Lines of 16 from `off` on, of which those in the wanted range are looked at. */
static void tell_lines_as(struct anatomy *a, uint64_t off, uint64_t n, line_text_fn *text, enum ingot_scalar scalar)
{
    char value[FIELD_TEXT_MAX];
    uint64_t end = off + n, from = off;
    if (!is_wanted(a, off, n)) return;
    if (a->o->from > off) from = off + (a->o->from - off) / LINE_BYTES * LINE_BYTES;
    if (a->o->to < end) end = a->o->to;
    while (from < end) {
        uint64_t zeros = zero_run(a->bytes + from, end - from),
                 step = end - from < LINE_BYTES ? end - from : LINE_BYTES;
        if (zeros >= 2 * LINE_BYTES && zeros != end - from) zeros -= zeros % LINE_BYTES;
        if (zeros >= 2 * LINE_BYTES) step = zeros;
        *value = '\0';
        if (step <= LINE_BYTES) text(scalar, a->bytes + from, step, value);
        tell(a, from, step, "", value, NULL);
        from += step;
    }
}

static void tell_lines(struct anatomy *a, uint64_t off, uint64_t n, enum ingot_scalar scalar)
{
    tell_lines_as(a, off, n, scalar == INGOT_SCALAR_NONE ? characters : elements_text, scalar);
}

/* A tensor of q8 or q4: of each step the scales, then the levels of its codes. */
static void tell_steps(struct anatomy *a, uint64_t off, uint64_t n, enum ingot_dtype dtype)
{
    const uint64_t step = quant_step_bytes(dtype);
    for (uint64_t at = 0; at < n; at += step) {
        const uint64_t left = n - at < step ? n - at : step,
                       scales = left < QUANT_SCALE_BYTES ? left : QUANT_SCALE_BYTES;
        tell_lines(a, off + at, scales, INGOT_SCALAR_F16);
        tell_lines_as(a, off + at + scales, left - scales, dtype == INGOT_Q8 ? levels_of_q8 : levels_of_q4,
                      INGOT_SCALAR_NONE);
    }
}

/* All of a run of bytes where that is wanted, else one line under the name. */
static void tell_run(struct anatomy *a, uint64_t off, uint64_t n, const char *name, enum ingot_scalar scalar)
{
    char value[48];
    snprintf(value, sizeof value, "%" PRIu64 " byte%s", n, plural(n));
    if (a->o->full)
        tell_lines(a, off, n, scalar);
    else if (n > 0)
        tell(a, off, n, name, value, NULL);
}

static void tell_gap(struct anatomy *a, uint64_t off, uint64_t end, const char *rule)
{
    char value[48], fault[96];
    uint64_t zeros = zero_run(a->bytes + off, end - off);
    if (off == end || !is_wanted(a, off, end - off)) return;
    snprintf(value, sizeof value, "%" PRIu64 " byte%s", end - off, plural(end - off));
    snprintf(fault, sizeof fault, "the byte at %" PRIu64 " must be zero [%s]", off + zeros, rule);
    begin_part(a, "between");
    tell(a, off, end - off, "padding", value, zeros < end - off ? fault : NULL);
}

/* --------------------------------------------------------------------------------------------------- superblocks */

static const char *say(char out[FIELD_TEXT_MAX], const char *text)
{
    snprintf(out, FIELD_TEXT_MAX, "%s", text);
    return out;
}

static const char *superblock_fault(const struct anatomy *a, const struct field *f, const uint8_t *sb, uint64_t at,
                                    char out[FIELD_TEXT_MAX])
{
    uint64_t index = get_u64(sb + SB_INDEX_OFF_OFF), bytes = get_u64(sb + SB_INDEX_BYTES_OFF);
    uint64_t length = get_u64(sb + SB_FILE_BYTES_OFF), align = get_u32(sb + SB_ALIGN_OFF);
    (void)at;
    switch (f->off) {
    case 0:
        return memcmp(sb, SB_MAGIC, SB_MAGIC_BYTES) ? say(out, "is not the magic [F-1]") : NULL;
    case SB_WRITE_VERSION_OFF:
        return get_u16(sb + SB_READ_VERSION_OFF) > get_u16(sb + f->off) ? say(out, "is below the read version [F-10]")
                                                                        : NULL;
    case SB_MUST_OFF:
        return get_u64(sb + f->off) & ~SB_MUST_KNOWN ? say(out, "has bits that are not known [F-12]") : NULL;
    case SB_FILE_BYTES_OFF:
        if (length == a->n) return NULL;
        snprintf(out, FIELD_TEXT_MAX, "the file has %" PRIu64 " byte%s [%s]", a->n, plural(a->n),
                 length > a->n ? "F-14" : "F-85");
        return out;
    case SB_INDEX_OFF_OFF:
        return index > length ? say(out, "is beyond the length [F-17]") : NULL;
    case SB_INDEX_BYTES_OFF:
        return !span_inside(index, bytes, length) ? say(out, "reaches beyond the length [F-18]") : NULL;
    case SB_INDEX_HASH_OFF:
        if (!span_inside(index, bytes, a->n)) return say(out, "the index is not all in the file [F-19]");
        return ingot_hash64(a->bytes + index, bytes) != get_u64(sb + f->off)
                   ? say(out, "is not that of the index [F-19]")
                   : NULL;
    case SB_ALIGN_OFF:
        return align & (align - 1) ? say(out, "is not a power of two [F-15]") : NULL;
    case SB_HASH_OFF:
        return ingot_hash64(sb, SB_HASH_OFF) != get_u64(sb + f->off) ? say(out, "is not that of bytes 0..247 [F-4]")
                                                                     : NULL;
    default:
        return NULL;
    }
}

static void tell_slot(struct anatomy *a, uint32_t slot)
{
    uint64_t at = (uint64_t)slot * SB_SLOT_BYTES, left = a->n > at ? a->n - at : 0;
    uint64_t rest = left < SB_SLOT_BYTES ? left : SB_SLOT_BYTES;
    begin_part(a, slot ? "slot B" : "slot A");
    if (slot && !a->o->full && left >= SB_SLOT_BYTES && memcmp(a->bytes, a->bytes + at, SB_SLOT_BYTES) == 0) {
        tell(a, at, SB_SLOT_BYTES, "all of slot B", "equal to slot A", NULL);
        return;
    }
    tell_fields(a, at, &superblock_fields, superblock_fault);
    if (rest <= SB_BYTES) return;
    bool good = zero_run(a->bytes + at + SB_BYTES, rest - SB_BYTES) == rest - SB_BYTES;
    tell(a, at + SB_BYTES, SB_SLOT_BYTES - SB_BYTES, "rest of the slot", "", good ? NULL : "must be zero [F-81]");
}

/* --------------------------------------------------------------------------------------------------------- index */

static const char *index_fault(const struct anatomy *a, const struct field *f, const uint8_t *index, uint64_t at,
                               char out[FIELD_TEXT_MAX])
{
    uint64_t value = f->bytes == 8 ? get_u64(index + f->off) : 0;
    (void)at;
    if (f->off == 0) return memcmp(index, IX_MAGIC, 8) ? say(out, "is not the magic [F-20]") : NULL;
    if (f->off == IX_COUNT_OFF && a->claimed > a->n_records) {
        snprintf(out, FIELD_TEXT_MAX, "the file holds only %u record%s", a->n_records, plural(a->n_records));
        return out;
    }
    uint64_t must = f->off == IX_ORDER_OFF_OFF ? a->order_off : f->off == IX_NAMES_OFF_OFF ? a->names_off : value;
    if (must != value) {
        snprintf(out, FIELD_TEXT_MAX, "must be %" PRIu64 " [F-23]", must);
        return out;
    }
    uint64_t end = (a->names_off + a->names_bytes + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN;
    if (f->off == IX_NAMES_BYTES_OFF && (value != a->names_bytes || end != a->index_bytes))
        return say(out, "does not end with the index [F-24]");
    return NULL;
}

static bool is_tensor_kind(uint16_t kind)
{
    return kind == INGOT_KIND_TENSOR || kind == INGOT_KIND_ALIAS;
}

static bool is_known_kind(uint16_t kind)
{
    return (kind >= INGOT_KIND_TENSOR && kind <= INGOT_KIND_VOCABULARY) || kind >= INGOT_KIND_METADATA;
}

/* What a tensor's raw bytes follow from. */
static const char *size_fault(const uint8_t *r, char out[FIELD_TEXT_MAX])
{
    uint64_t shape[INGOT_MAX_RANK], bytes = 0;
    for (uint32_t i = 0; i < INGOT_MAX_RANK; i++) shape[i] = get_u64(r + RECORD_SHAPE_OFF + 8 * (size_t)i);
    if (!is_tensor_kind(get_u16(r + RECORD_KIND_OFF))) return NULL;
    if (!ingot_layout_bytes((enum ingot_dtype)get_u16(r + RECORD_DTYPE_OFF),
                            (enum ingot_layout)get_u16(r + RECORD_LAYOUT_OFF), r[RECORD_RANK_OFF], shape, &bytes))
        return say(out, "dtype, layout and shape give no size [F-45]");
    if (bytes == get_u64(r + RECORD_RAW_BYTES_OFF)) return NULL;
    snprintf(out, FIELD_TEXT_MAX, "dtype, layout and shape give %" PRIu64 " [F-45]", bytes);
    return out;
}

static const char *type_fault(const struct field *f, const uint8_t *r, char out[FIELD_TEXT_MAX])
{
    uint16_t kind = get_u16(r + RECORD_KIND_OFF), value = get_u16(r + f->off);
    if (f->off == RECORD_KIND_OFF) return is_known_kind(kind) ? NULL : say(out, "is not known [F-42]");
    if (!is_tensor_kind(kind)) return value ? say(out, "must be zero: not a tensor [F-46]") : NULL;
    if (f->off == RECORD_DTYPE_OFF)
        return ingot_dtype_size((enum ingot_dtype)value) || quant_step_bytes((enum ingot_dtype)value)
                   ? NULL
                   : say(out, "is not known [F-40]");
    return value > INGOT_PANEL16 ? say(out, "is not known [F-41]") : NULL;
}

static const char *name_fault(const struct anatomy *a, uint32_t i, const uint8_t *r, char out[FIELD_TEXT_MAX])
{
    uint64_t must = 0;
    if (i > 0)
        must = (uint64_t)get_u32(r - RECORD_BYTES + RECORD_NAME_OFF_OFF) +
               get_u16(r - RECORD_BYTES + RECORD_NAME_LEN_OFF) + 1;
    if (get_u32(r + RECORD_NAME_OFF_OFF) != must) {
        snprintf(out, FIELD_TEXT_MAX, "must be %" PRIu64 " [F-30]", must);
        return out;
    }
    uint64_t end = must + get_u16(r + RECORD_NAME_LEN_OFF);
    return end >= a->names_bytes ? say(out, "the name reaches beyond the names [F-31]") : NULL;
}

static const char *record_fault(const struct anatomy *a, const struct field *f, const uint8_t *r, uint64_t at,
                                char out[FIELD_TEXT_MAX])
{
    uint64_t off = get_u64(r + RECORD_DATA_OFF_OFF), bytes = get_u64(r + RECORD_STORED_BYTES_OFF);
    uint32_t target = get_u32(r + RECORD_TARGET_OFF);
    bool alias = get_u16(r + RECORD_KIND_OFF) == INGOT_KIND_ALIAS;
    switch (f->off) {
    case RECORD_NAME_OFF_OFF:
        return name_fault(a, (uint32_t)((at - a->index_off - IX_HEADER_BYTES) / RECORD_BYTES), r, out);
    case RECORD_KIND_OFF:
    case RECORD_DTYPE_OFF:
    case RECORD_LAYOUT_OFF:
        return type_fault(f, r, out);
    case RECORD_CODEC_OFF:
        return r[f->off] ? say(out, "is not known [F-47]") : NULL;
    case RECORD_DATA_OFF_OFF:
        return off > a->n ? say(out, "is beyond the end of the file [F-61]") : NULL;
    case RECORD_STORED_BYTES_OFF:
        if (bytes != get_u64(r + RECORD_RAW_BYTES_OFF)) return say(out, "differs from the raw bytes [F-48]");
        return !span_inside(off, bytes, a->n) ? say(out, "reaches beyond the end of the file [F-61]") : NULL;
    case RECORD_RAW_BYTES_OFF:
        return size_fault(r, out);
    case RECORD_TARGET_OFF:
        if (!alias) return target ? say(out, "must be zero: not an alias [F-64]") : NULL;
        return target >= a->claimed ? say(out, "is no record's number [F-62]") : NULL;
    default:
        return NULL;
    }
}

static void tell_records(struct anatomy *a)
{
    char name[NAME_SHOWN], part[NAME_SHOWN + 32];
    for (uint32_t i = 0; i < a->n_records; i++) {
        uint64_t at = a->index_off + IX_HEADER_BYTES + (uint64_t)i * RECORD_BYTES;
        if (!is_wanted(a, at, RECORD_BYTES)) continue;
        snprintf(part, sizeof part, "record %u: %s", i, record_name(a, i, name));
        begin_part(a, part);
        tell_fields(a, at, &record_fields, record_fault);
    }
    begin_part(a, "index");
    if (a->n_records < a->claimed)
        tell(a, a->index_off + IX_HEADER_BYTES + (uint64_t)a->n_records * RECORD_BYTES,
             (a->claimed - a->n_records) * RECORD_BYTES, "records that are cut off", "", NULL);
}

static void tell_order(struct anatomy *a)
{
    char value[FIELD_TEXT_MAX], name[NAME_SHOWN];
    begin_part(a, "order");
    for (uint32_t k = 0; k < a->n_records; k++) {
        uint64_t at = a->index_off + a->order_off + 4 * (uint64_t)k;
        if (!span_inside(at, 4, a->n)) break;
        if (!is_wanted(a, at, 4)) continue;
        uint32_t i = get_u32(a->bytes + at);
        bool good = i < a->n_records;
        snprintf(value, sizeof value, "%u, %.200s", i, good ? record_name(a, i, name) : "?");
        tell(a, at, 4, "order", value, good ? NULL : "is no record's number [F-65]");
    }
}

/* Names are told as they stand, one after the other, whatever the records say. */
static void tell_names(struct anatomy *a)
{
    char name[NAME_SHOWN];
    uint64_t off = a->index_off + a->names_off, end = off + a->names_bytes;
    begin_part(a, "names");
    while (off < end) {
        uint64_t most = end - off < INGOT_MAX_NAME + 1 ? end - off : INGOT_MAX_NAME + 1;
        const uint8_t *nul = memchr(a->bytes + off, 0, most);
        uint64_t n = nul ? (uint64_t)(nul - (a->bytes + off)) + 1 : most;
        ingot_escape((const char *)a->bytes + off, n - (nul != NULL), name, sizeof name);
        tell(a, off, n, "name", name, nul ? NULL : "does not end with a NUL [F-32]");
        off += n;
    }
    uint64_t rest = a->index_off + a->index_bytes;
    if (rest <= end || end < a->index_off + IX_HEADER_BYTES) return;
    bool good = zero_run(a->bytes + end, rest - end) == rest - end;
    tell(a, end, rest - end, "rest of the index", "", good ? NULL : "must be zero [F-26]");
}

static void tell_index(struct anatomy *a)
{
    if (!is_wanted(a, a->index_off, a->index_bytes)) return;
    begin_part(a, "index");
    tell_fields(a, a->index_off, &index_fields, index_fault);
    tell_records(a);
    tell_order(a);
    tell_names(a);
}

/* ------------------------------------------------------------------------------------------------------ sections */

static const char *model_fault(const struct anatomy *a, const struct field *f, const uint8_t *m, uint64_t at,
                               char out[FIELD_TEXT_MAX])
{
    uint32_t n_head = get_u32(m + MODEL_N_HEAD_OFF);
    (void)a;
    (void)at;
    if (f->off == MODEL_N_HEAD_OFF && n_head > 0 && get_u32(m + MODEL_N_EMBD_OFF) % n_head != 0)
        return say(out, "does not divide n_embd [F-53]");
    if (f->off == MODEL_N_VOCAB_OFF && get_u32(m + MODEL_N_VOCAB_OFF) > get_u32(m + MODEL_N_STORED_OFF))
        return say(out, "is above n_vocab_stored [F-54]");
    float epsilon;
    memcpy(&epsilon, m + MODEL_EPSILON_OFF, sizeof epsilon);
    if (f->off == MODEL_EPSILON_OFF && !(isfinite(epsilon) && epsilon > 0))
        return say(out, "must be finite and above 0 [F-57]");
    return NULL;
}

static const char *vocabulary_fault(const struct anatomy *a, const struct field *f, const uint8_t *v, uint64_t at,
                                    char out[FIELD_TEXT_MAX])
{
    uint32_t slots = get_u32(v + VOCAB_N_SLOTS_OFF), end_of_text = get_u32(v + VOCAB_EOT_OFF);
    (void)a;
    (void)at;
    if (f->off == 0 && memcmp(v, VOCAB_MAGIC, 4) != 0) return say(out, "is not the magic [F-91]");
    if (f->off == VOCAB_N_SLOTS_OFF && ((slots & (slots - 1)) || slots <= get_u32(v + VOCAB_N_MERGES_OFF)))
        return say(out, "must be a power of two above n_merges [F-94]");
    if (f->off == VOCAB_EOT_OFF && end_of_text != VOCAB_NO_TOKEN && end_of_text >= get_u32(v + VOCAB_N_TOKENS_OFF))
        return say(out, "is no token's id [F-95]");
    return NULL;
}

/* The five tables, as far as they lie inside the section. */
static void tell_vocabulary(struct anatomy *a, uint64_t off, uint64_t n)
{
    const uint8_t *v = a->bytes + off;
    tell_fields(a, off, &vocabulary_fields, vocabulary_fault);
    if (n < VOCAB_HEADER_BYTES) return;
    const struct {
        const char *name;
        uint64_t off, bytes;
        enum ingot_scalar scalar;
    } tables[] = {
        { "pieces", get_u64(v + VOCAB_PIECES_OFF_OFF), 4 * ((uint64_t)get_u32(v + VOCAB_N_TOKENS_OFF) + 1),
          INGOT_SCALAR_U32 },
        { "bytes", get_u64(v + VOCAB_BYTES_OFF_OFF), 4 * 256, INGOT_SCALAR_U32 },
        { "special", get_u64(v + VOCAB_SPECIAL_OFF_OFF), 4 * (uint64_t)get_u32(v + VOCAB_N_SPECIAL_OFF),
          INGOT_SCALAR_U32 },
        { "merges", get_u64(v + VOCAB_MERGES_OFF_OFF), VOCAB_SLOT_BYTES * (uint64_t)get_u32(v + VOCAB_N_SLOTS_OFF),
          INGOT_SCALAR_U32 },
        { "text", get_u64(v + VOCAB_TEXT_OFF_OFF), get_u64(v + VOCAB_TEXT_BYTES_OFF), INGOT_SCALAR_NONE },
    };
    uint64_t end = VOCAB_HEADER_BYTES;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char part[64];
        bool inside = span_inside(tables[i].off, tables[i].bytes, n);
        if (inside && tables[i].off > end) tell_run(a, off + end, tables[i].off - end, "padding", INGOT_SCALAR_NONE);
        if (inside) end = tables[i].off + tables[i].bytes;
        snprintf(part, sizeof part, "%s: %s", INGOT_NAME_VOCABULARY, tables[i].name);
        begin_part(a, part);
        if (inside)
            tell_run(a, off + tables[i].off, tables[i].bytes, tables[i].name, tables[i].scalar);
        else
            tell(a, off + VOCAB_PIECES_OFF_OFF + 8 * i, 8, tables[i].name, "",
                 "the table does not lie inside the section [F-96]");
    }
}

/* The entries under the names of the sections whose chunks they are: records and entries have the same order. */
static void tell_chunks(struct anatomy *a, uint64_t off, uint64_t n)
{
    char name[NAME_SHOWN], value[NAME_SHOWN + 64];
    uint64_t at = off, end = off + n / 8 * 8;
    for (uint32_t i = 0; i < a->n_records && at < end; i++) {
        const uint8_t *r = record_at(a, i);
        uint16_t kind = get_u16(r + RECORD_KIND_OFF);
        if (kind == INGOT_KIND_ALIAS || kind == INGOT_KIND_CHUNKS) continue;
        uint64_t count = chunk_count(get_u64(r + RECORD_RAW_BYTES_OFF));
        for (uint64_t c = 0; c < count && at < end; c++, at += 8) {
            if (!is_wanted(a, at, 8)) continue;
            snprintf(value, sizeof value, "0x%016" PRIx64 ", chunk %" PRIu64 " of %s", get_u64(a->bytes + at), c,
                     record_name(a, i, name));
            tell(a, at, 8, "hash", value, NULL);
        }
    }
    if (at < off + n) tell(a, at, off + n - at, "hashes", "", "there is no section for them [F-73]");
}

static enum ingot_scalar scalar_of_record(const uint8_t *r)
{
    if (get_u16(r + RECORD_KIND_OFF) != INGOT_KIND_TENSOR) return INGOT_SCALAR_NONE;
    return checkpoint_scalar((enum ingot_dtype)get_u16(r + RECORD_DTYPE_OFF));
}

static bool holds_blocks(const uint8_t *r)
{
    return get_u16(r + RECORD_KIND_OFF) == INGOT_KIND_TENSOR &&
           quant_step_bytes((enum ingot_dtype)get_u16(r + RECORD_DTYPE_OFF)) > 0;
}

static void tell_section(struct anatomy *a, uint32_t i, uint64_t off, uint64_t n)
{
    char name[NAME_SHOWN], value[48];
    const uint8_t *r = record_at(a, i);
    uint16_t kind = get_u16(r + RECORD_KIND_OFF);
    uint64_t whole = get_u64(r + RECORD_STORED_BYTES_OFF);
    if (!is_wanted(a, off, n)) return;
    begin_part(a, record_name(a, i, name));
    if (kind == INGOT_KIND_MODEL)
        tell_fields(a, off, &model_fields, model_fault);
    else if (kind == INGOT_KIND_VOCABULARY)
        tell_vocabulary(a, off, n);
    else if (kind == INGOT_KIND_CHUNKS && a->o->full)
        tell_chunks(a, off, n);
    else if (holds_blocks(r) && a->o->full)
        tell_steps(a, off, n, (enum ingot_dtype)get_u16(r + RECORD_DTYPE_OFF));
    else
        tell_run(a, off, n, ingot_kind_name((enum ingot_kind)kind), scalar_of_record(r));
    snprintf(value, sizeof value, "%" PRIu64 " byte%s", whole - n, plural(whole - n));
    begin_part(a, name);
    if (n < whole) tell(a, off + n, whole - n, "the rest of the section", value, NULL);
}

/* ---------------------------------------------------------------------------------------------------------- walk */

/* A section in its place, as far as it is in the file. */
struct span {
    uint64_t off, n;
    uint32_t record;
};

static int compare_spans(const void *x, const void *y)
{
    const struct span *a = x, *b = y;
    if (a->off != b->off) return a->off < b->off ? -1 : 1;
    return a->record < b->record ? -1 : a->record > b->record;
}

static struct span *list_spans(const struct anatomy *a, size_t *n)
{
    struct span *spans = memory_array((size_t)a->n_records + 1, sizeof *spans);
    *n = 0;
    for (uint32_t i = 0; i < a->n_records; i++) {
        const uint8_t *r = record_at(a, i);
        uint64_t off = get_u64(r + RECORD_DATA_OFF_OFF), bytes = get_u64(r + RECORD_STORED_BYTES_OFF);
        if (get_u16(r + RECORD_KIND_OFF) == INGOT_KIND_ALIAS || off >= a->n || bytes == 0) continue;
        spans[(*n)++] = (struct span){ off, bytes < a->n - off ? bytes : a->n - off, i };
    }
    if (a->index_off < a->n) spans[(*n)++] = (struct span){ a->index_off, a->index_bytes, UINT32_MAX };
    qsort(spans, *n, sizeof *spans, compare_spans);
    return spans;
}

uint64_t anatomy_walk(const uint8_t *bytes, uint64_t n, const struct anatomy_options *options)
{
    struct anatomy a = open_anatomy(bytes, n, options);
    uint64_t end = n < INDEX_CANONICAL_OFF ? n : INDEX_CANONICAL_OFF;
    uint64_t length = a.sb < n ? get_u64(bytes + a.sb + SB_FILE_BYTES_OFF) : n;
    size_t n_spans;
    struct span *spans = list_spans(&a, &n_spans);
    tell_slot(&a, 0);
    tell_slot(&a, 1);
    for (size_t i = 0; i < n_spans; i++) {
        const struct span *s = &spans[i];
        if (s->off > end) tell_gap(&a, end, s->off, "F-82");
        if (s->record == UINT32_MAX)
            tell_index(&a);
        else
            tell_section(&a, s->record, s->off, s->n);
        if (s->off + s->n > end) end = s->off + s->n;
    }
    if (end < n && length >= end && length < n) {
        tell_gap(&a, end, length, "F-82");
        begin_part(&a, "behind the end");
        tell(&a, length, n - length, "torn tail", "", "beyond the length [F-85]");
    } else if (end < n) {
        begin_part(&a, "no section");
        tell(&a, end, n - end, "unknown bytes", "", "nothing says what they are");
    }
    free(spans);
    return a.n_faults;
}

void anatomy_bytes(const uint8_t *bytes, uint64_t off, uint64_t n, enum ingot_scalar scalar,
                   const struct anatomy_options *options)
{
    struct anatomy a = { .bytes = bytes, .n = off + n, .o = options };
    tell_lines(&a, off, n, scalar);
}

static bool set_range(uint64_t off, uint64_t n, uint64_t limit, uint64_t *from, uint64_t *to)
{
    *from = off < limit ? off : limit;
    *to = n < limit - *from ? *from + n : limit;
    return true;
}

bool anatomy_find(const uint8_t *bytes, uint64_t n, const char *name, uint64_t *from, uint64_t *to,
                  void (*offer)(void *ctx, const char *name), void *ctx)
{
    struct anatomy a = open_anatomy(bytes, n, NULL);
    char shown[NAME_SHOWN], wanted[NAME_SHOWN];
    ingot_escape(name, strlen(name), wanted, sizeof wanted);
    for (uint32_t i = 0; i < a.n_records; i++) {
        const uint8_t *r = record_at(&a, i);
        record_name(&a, i, shown);
        if (strcmp(shown, name) == 0 || strcmp(shown, wanted) == 0)
            return set_range(get_u64(r + RECORD_DATA_OFF_OFF), get_u64(r + RECORD_STORED_BYTES_OFF), n, from, to);
    }
    if (strcmp(name, "superblock") == 0) return set_range(0, INDEX_CANONICAL_OFF, n, from, to);
    if (strcmp(name, "index") == 0 && a.index_off < n) return set_range(a.index_off, a.index_bytes, n, from, to);
    for (uint32_t i = 0; i < a.n_records && offer; i++) offer(ctx, record_name(&a, i, shown));
    return false;
}
