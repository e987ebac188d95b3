/* anatomy_faults.c - the rules of spec/format.md for which a field is held against another one. */
#include "inspect/anatomy_faults.h"

#include "format/bytes.h"
#include "format/checked.h"
#include "format/error.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *say(char out[FIELD_TEXT_MAX], const char *text)
{
    snprintf(out, FIELD_TEXT_MAX, "%s", text);
    return out;
}

const char *fault_of_superblock(const struct skeleton *s, const struct field *f, const uint8_t *sb, uint64_t at,
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
        if (length == s->n) return NULL;
        snprintf(out, FIELD_TEXT_MAX, "the file has %" PRIu64 " byte%s [%s]", s->n, plural(s->n),
                 length > s->n ? "F-14" : "F-85");
        return out;
    case SB_INDEX_OFF_OFF:
        return index > length ? say(out, "is beyond the length [F-17]") : NULL;
    case SB_INDEX_BYTES_OFF:
        return !span_inside(index, bytes, length) ? say(out, "reaches beyond the length [F-18]") : NULL;
    case SB_INDEX_HASH_OFF:
        if (!span_inside(index, bytes, s->n)) return say(out, "the index is not all in the file [F-19]");
        return ingot_hash64(s->bytes + index, bytes) != get_u64(sb + f->off)
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

const char *fault_of_index(const struct skeleton *s, const struct field *f, const uint8_t *index, uint64_t at,
                           char out[FIELD_TEXT_MAX])
{
    uint64_t value = f->bytes == 8 ? get_u64(index + f->off) : 0;
    (void)at;
    if (f->off == 0) return memcmp(index, IX_MAGIC, 8) ? say(out, "is not the magic [F-20]") : NULL;
    if (f->off == IX_COUNT_OFF && s->claimed > s->n_records) {
        snprintf(out, FIELD_TEXT_MAX, "the file holds only %u record%s", s->n_records, plural(s->n_records));
        return out;
    }
    uint64_t must = f->off == IX_ORDER_OFF_OFF ? s->order_off : f->off == IX_NAMES_OFF_OFF ? s->names_off : value;
    if (must != value) {
        snprintf(out, FIELD_TEXT_MAX, "must be %" PRIu64 " [F-23]", must);
        return out;
    }
    uint64_t end = (s->names_off + s->names_bytes + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN;
    if (f->off == IX_NAMES_BYTES_OFF && (value != s->names_bytes || end != s->index_bytes))
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

static const char *name_fault(const struct skeleton *s, uint32_t i, const uint8_t *r, char out[FIELD_TEXT_MAX])
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
    return end >= s->names_bytes ? say(out, "the name reaches beyond the names [F-31]") : NULL;
}

const char *fault_of_record(const struct skeleton *s, const struct field *f, const uint8_t *r, uint64_t at,
                            char out[FIELD_TEXT_MAX])
{
    uint64_t off = get_u64(r + RECORD_DATA_OFF_OFF), bytes = get_u64(r + RECORD_STORED_BYTES_OFF);
    uint32_t target = get_u32(r + RECORD_TARGET_OFF);
    bool alias = get_u16(r + RECORD_KIND_OFF) == INGOT_KIND_ALIAS;
    switch (f->off) {
    case RECORD_NAME_OFF_OFF:
        return name_fault(s, (uint32_t)((at - s->index_off - IX_HEADER_BYTES) / RECORD_BYTES), r, out);
    case RECORD_KIND_OFF:
    case RECORD_DTYPE_OFF:
    case RECORD_LAYOUT_OFF:
        return type_fault(f, r, out);
    case RECORD_CODEC_OFF:
        return r[f->off] ? say(out, "is not known [F-47]") : NULL;
    case RECORD_DATA_OFF_OFF:
        return off > s->n ? say(out, "is beyond the end of the file [F-61]") : NULL;
    case RECORD_STORED_BYTES_OFF:
        if (bytes != get_u64(r + RECORD_RAW_BYTES_OFF)) return say(out, "differs from the raw bytes [F-48]");
        return !span_inside(off, bytes, s->n) ? say(out, "reaches beyond the end of the file [F-61]") : NULL;
    case RECORD_RAW_BYTES_OFF:
        return size_fault(r, out);
    case RECORD_TARGET_OFF:
        if (!alias) return target ? say(out, "must be zero: not an alias [F-64]") : NULL;
        return target >= s->claimed ? say(out, "is no record's number [F-62]") : NULL;
    default:
        return NULL;
    }
}

const char *fault_of_model(const struct skeleton *s, const struct field *f, const uint8_t *m, uint64_t at,
                           char out[FIELD_TEXT_MAX])
{
    uint32_t n_head = get_u32(m + MODEL_N_HEAD_OFF);
    (void)s;
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

const char *fault_of_vocabulary(const struct skeleton *s, const struct field *f, const uint8_t *v, uint64_t at,
                                char out[FIELD_TEXT_MAX])
{
    uint32_t slots = get_u32(v + VOCAB_N_SLOTS_OFF), end_of_text = get_u32(v + VOCAB_EOT_OFF);
    (void)s;
    (void)at;
    if (f->off == 0 && memcmp(v, VOCAB_MAGIC, 4) != 0) return say(out, "is not the magic [F-91]");
    if (f->off == VOCAB_N_SLOTS_OFF && ((slots & (slots - 1)) || slots <= get_u32(v + VOCAB_N_MERGES_OFF)))
        return say(out, "must be a power of two above n_merges [F-94]");
    if (f->off == VOCAB_EOT_OFF && end_of_text != VOCAB_NO_TOKEN && end_of_text >= get_u32(v + VOCAB_N_TOKENS_OFF))
        return say(out, "is no token's id [F-95]");
    return NULL;
}
