/* skeleton.c - where the superblock says, else where a fresh file has them. */
#include "inspect/skeleton.h"

#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"
#include "format/error.h"

#include <string.h>

static bool is_slot(const struct skeleton *s, uint64_t off)
{
    return span_inside(off, SB_BYTES, s->n) && memcmp(s->bytes + off, SB_MAGIC, SB_MAGIC_BYTES) == 0;
}

static void find_slot(struct skeleton *s)
{
    bool b = false;
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *sb = s->bytes + (size_t)i * SB_SLOT_BYTES;
        s->slot_valid[i] = is_slot(s, i * SB_SLOT_BYTES) && get_u64(sb + SB_HASH_OFF) == ingot_hash64(sb, SB_HASH_OFF);
    }
    if (s->slot_valid[0] && s->slot_valid[1])
        b = get_u64(s->bytes + SB_SLOT_BYTES + SB_GENERATION_OFF) > get_u64(s->bytes + SB_GENERATION_OFF);
    else
        b = s->slot_valid[1] || (!s->slot_valid[0] && !is_slot(s, 0));
    s->sb = is_slot(s, b ? SB_SLOT_BYTES : 0) ? (b ? SB_SLOT_BYTES : 0) : s->n;
}

static bool is_index(const struct skeleton *s, uint64_t off)
{
    return span_inside(off, IX_HEADER_BYTES, s->n) && memcmp(s->bytes + off, IX_MAGIC, 8) == 0;
}

/* Where the superblock says, else where a fresh file has it. Without a magic there is still the superblock's word. */
static void find_index(struct skeleton *s)
{
    uint64_t said = s->sb < s->n ? get_u64(s->bytes + s->sb + SB_INDEX_OFF_OFF) : INDEX_CANONICAL_OFF;
    s->index_off = s->n;
    if (is_index(s, said) || (s->sb < s->n && span_inside(said, IX_HEADER_BYTES, s->n) && said >= INDEX_CANONICAL_OFF))
        s->index_off = said;
    if (!is_index(s, s->index_off) && is_index(s, INDEX_CANONICAL_OFF)) s->index_off = INDEX_CANONICAL_OFF;
}

/* How far records, order and names reach, and how much of that is in the file. */
static void measure_index(struct skeleton *s)
{
    if (s->index_off >= s->n) return;
    const uint8_t *index = s->bytes + s->index_off;
    uint64_t left = s->n - s->index_off, whole = (left - IX_HEADER_BYTES) / RECORD_BYTES;
    s->claimed = get_u32(index + IX_COUNT_OFF);
    s->n_records = (uint32_t)(s->claimed < whole ? s->claimed : whole);
    s->order_off = IX_HEADER_BYTES + s->claimed * RECORD_BYTES;
    s->names_off = s->order_off + 4 * s->claimed;
    s->names_bytes = get_u64(index + IX_NAMES_BYTES_OFF);
    if (s->names_off > left)
        s->names_bytes = 0;
    else if (s->names_bytes > left - s->names_off)
        s->names_bytes = left - s->names_off;
    s->index_bytes = s->sb < s->n ? get_u64(s->bytes + s->sb + SB_INDEX_BYTES_OFF) : s->names_off + s->names_bytes;
    if (s->index_bytes > left) s->index_bytes = left;
}

struct skeleton skeleton_of(const uint8_t *bytes, uint64_t n)
{
    struct skeleton s = { .bytes = bytes, .n = n };
    find_slot(&s);
    find_index(&s);
    measure_index(&s);
    return s;
}

const uint8_t *skeleton_record(const struct skeleton *s, uint32_t i)
{
    return s->bytes + s->index_off + IX_HEADER_BYTES + (uint64_t)i * RECORD_BYTES;
}

const char *skeleton_name(const struct skeleton *s, uint32_t i, char out[SKELETON_NAME_MAX])
{
    uint64_t off = get_u32(skeleton_record(s, i) + RECORD_NAME_OFF_OFF),
             n = get_u16(skeleton_record(s, i) + RECORD_NAME_LEN_OFF);
    if (!span_inside(off, n, s->names_bytes) || n > INGOT_MAX_NAME) return strcpy(out, "?");
    return ingot_escape((const char *)s->bytes + s->index_off + s->names_off + off, n, out, SKELETON_NAME_MAX);
}
