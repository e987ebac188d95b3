/* anatomy.c - tells what a skeleton is made of in order of offset: slots, index, sections, and what lies between. */
#include "inspect/anatomy.h"

#include "format/bytes.h"
#include "format/checked.h"
#include "format/error.h"
#include "format/file.h"
#include "format/layout.h"
#include "inspect/anatomy_faults.h"
#include "inspect/cli/memory.h"
#include "inspect/line_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A walk through a file. */
struct anatomy {
    struct skeleton file;
    const struct anatomy_options *o;
    char part[SKELETON_NAME_MAX + 32]; /* heading that is still to be told; "": it was */
    uint64_t n_faults;
};

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
    uint64_t left = off < a->file.n ? a->file.n - off : 0;
    struct anatomy_line line = {
        .off = off,
        .n_bytes = n_bytes,
        .bytes = a->file.bytes + (off < a->file.n ? off : a->file.n),
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

static void tell_fields(struct anatomy *a, uint64_t at, const struct field_table *t, fault_fn *more)
{
    char value[FIELD_TEXT_MAX], fault[FIELD_TEXT_MAX];
    if (!is_wanted(a, at, t->bytes)) return;
    if (!span_inside(at, t->bytes, a->file.n)) {
        tell(a, at, t->bytes, "a structure that is cut off", "", NULL);
        return;
    }
    const uint8_t *base = a->file.bytes + at;
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->fields[i];
        const char *wrong = field_fault(f, base, fault);
        if (!wrong && f->name && more) wrong = more(&a->file, f, base, at, fault);
        tell(a, at + f->off, f->bytes, f->name ? f->name : "reserved", field_value(f, base, value), wrong);
    }
}

/* --------------------------------------------------------------------------------------------------------- bytes */

/* Lines of 16 from `off` on, of which those in the wanted range are looked at. */
static void tell_lines_as(struct anatomy *a, uint64_t off, uint64_t n, line_text_fn *text, enum ingot_scalar scalar)
{
    char value[FIELD_TEXT_MAX];
    uint64_t end = off + n, from = off;
    if (!is_wanted(a, off, n)) return;
    if (a->o->from > off) from = off + (a->o->from - off) / LINE_BYTES * LINE_BYTES;
    if (a->o->to < end) end = a->o->to;
    while (from < end) {
        uint64_t zeros = zero_run(a->file.bytes + from, end - from),
                 step = end - from < LINE_BYTES ? end - from : LINE_BYTES;
        if (zeros >= 2 * LINE_BYTES && zeros != end - from) zeros -= zeros % LINE_BYTES;
        if (zeros >= 2 * LINE_BYTES) step = zeros;
        *value = '\0';
        if (step <= LINE_BYTES) text(scalar, a->file.bytes + from, step, value);
        tell(a, from, step, "", value, NULL);
        from += step;
    }
}

static void tell_lines(struct anatomy *a, uint64_t off, uint64_t n, enum ingot_scalar scalar)
{
    tell_lines_as(a, off, n, scalar == INGOT_SCALAR_NONE ? line_of_characters : line_of_elements, scalar);
}

/* A tensor of q8 or q4: of each step the scales, then the levels of its codes. */
static void tell_steps(struct anatomy *a, uint64_t off, uint64_t n, enum ingot_dtype dtype)
{
    const uint64_t step = quant_step_bytes(dtype);
    for (uint64_t at = 0; at < n; at += step) {
        const uint64_t left = n - at < step ? n - at : step,
                       scales = left < QUANT_SCALE_BYTES ? left : QUANT_SCALE_BYTES;
        tell_lines(a, off + at, scales, INGOT_SCALAR_F16);
        tell_lines_as(a, off + at + scales, left - scales, dtype == INGOT_Q8 ? line_of_q8 : line_of_q4,
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
    uint64_t zeros = zero_run(a->file.bytes + off, end - off);
    if (off == end || !is_wanted(a, off, end - off)) return;
    snprintf(value, sizeof value, "%" PRIu64 " byte%s", end - off, plural(end - off));
    snprintf(fault, sizeof fault, "the byte at %" PRIu64 " must be zero [%s]", off + zeros, rule);
    begin_part(a, "between");
    tell(a, off, end - off, "padding", value, zeros < end - off ? fault : NULL);
}

/* --------------------------------------------------------------------------------------------------- superblocks */

static void tell_slot(struct anatomy *a, uint32_t slot)
{
    uint64_t at = (uint64_t)slot * SB_SLOT_BYTES, left = a->file.n > at ? a->file.n - at : 0;
    uint64_t rest = left < SB_SLOT_BYTES ? left : SB_SLOT_BYTES;
    begin_part(a, slot ? "slot B" : "slot A");
    if (slot && !a->o->full && left >= SB_SLOT_BYTES && memcmp(a->file.bytes, a->file.bytes + at, SB_SLOT_BYTES) == 0) {
        tell(a, at, SB_SLOT_BYTES, "all of slot B", "equal to slot A", NULL);
        return;
    }
    tell_fields(a, at, &superblock_fields, fault_of_superblock);
    if (rest <= SB_BYTES) return;
    bool good = zero_run(a->file.bytes + at + SB_BYTES, rest - SB_BYTES) == rest - SB_BYTES;
    tell(a, at + SB_BYTES, SB_SLOT_BYTES - SB_BYTES, "rest of the slot", "", good ? NULL : "must be zero [F-81]");
}

/* --------------------------------------------------------------------------------------------------------- index */

static void tell_records(struct anatomy *a)
{
    char name[SKELETON_NAME_MAX], part[SKELETON_NAME_MAX + 32];
    for (uint32_t i = 0; i < a->file.n_records; i++) {
        uint64_t at = a->file.index_off + IX_HEADER_BYTES + (uint64_t)i * RECORD_BYTES;
        if (!is_wanted(a, at, RECORD_BYTES)) continue;
        snprintf(part, sizeof part, "record %u: %s", i, skeleton_name(&a->file, i, name));
        begin_part(a, part);
        tell_fields(a, at, &record_fields, fault_of_record);
    }
    begin_part(a, "index");
    if (a->file.n_records < a->file.claimed)
        tell(a, a->file.index_off + IX_HEADER_BYTES + (uint64_t)a->file.n_records * RECORD_BYTES,
             (a->file.claimed - a->file.n_records) * RECORD_BYTES, "records that are cut off", "", NULL);
}

static void tell_order(struct anatomy *a)
{
    char value[FIELD_TEXT_MAX], name[SKELETON_NAME_MAX];
    begin_part(a, "order");
    for (uint32_t k = 0; k < a->file.n_records; k++) {
        uint64_t at = a->file.index_off + a->file.order_off + 4 * (uint64_t)k;
        if (!span_inside(at, 4, a->file.n)) break;
        if (!is_wanted(a, at, 4)) continue;
        uint32_t i = get_u32(a->file.bytes + at);
        bool good = i < a->file.n_records;
        snprintf(value, sizeof value, "%u, %.200s", i, good ? skeleton_name(&a->file, i, name) : "?");
        tell(a, at, 4, "order", value, good ? NULL : "is no record's number [F-65]");
    }
}

/* Names are told as they stand, one after the other, whatever the records say. */
static void tell_names(struct anatomy *a)
{
    char name[SKELETON_NAME_MAX];
    uint64_t off = a->file.index_off + a->file.names_off, end = off + a->file.names_bytes;
    begin_part(a, "names");
    while (off < end) {
        uint64_t most = end - off < INGOT_MAX_NAME + 1 ? end - off : INGOT_MAX_NAME + 1;
        const uint8_t *nul = memchr(a->file.bytes + off, 0, most);
        uint64_t n = nul ? (uint64_t)(nul - (a->file.bytes + off)) + 1 : most;
        ingot_escape((const char *)a->file.bytes + off, n - (nul != NULL), name, sizeof name);
        tell(a, off, n, "name", name, nul ? NULL : "does not end with a NUL [F-32]");
        off += n;
    }
    uint64_t rest = a->file.index_off + a->file.index_bytes;
    if (rest <= end || end < a->file.index_off + IX_HEADER_BYTES) return;
    bool good = zero_run(a->file.bytes + end, rest - end) == rest - end;
    tell(a, end, rest - end, "rest of the index", "", good ? NULL : "must be zero [F-26]");
}

static void tell_index(struct anatomy *a)
{
    if (!is_wanted(a, a->file.index_off, a->file.index_bytes)) return;
    begin_part(a, "index");
    tell_fields(a, a->file.index_off, &index_fields, fault_of_index);
    tell_records(a);
    tell_order(a);
    tell_names(a);
}

/* ------------------------------------------------------------------------------------------------------ sections */

/* The five tables, as far as they lie inside the section. */
static void tell_vocabulary(struct anatomy *a, uint64_t off, uint64_t n)
{
    const uint8_t *v = a->file.bytes + off;
    tell_fields(a, off, &vocabulary_fields, fault_of_vocabulary);
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
    char name[SKELETON_NAME_MAX], value[SKELETON_NAME_MAX + 64];
    uint64_t at = off, end = off + n / 8 * 8;
    for (uint32_t i = 0; i < a->file.n_records && at < end; i++) {
        const uint8_t *r = skeleton_record(&a->file, i);
        uint16_t kind = get_u16(r + RECORD_KIND_OFF);
        if (kind == INGOT_KIND_ALIAS || kind == INGOT_KIND_CHUNKS) continue;
        uint64_t count = chunk_count(get_u64(r + RECORD_RAW_BYTES_OFF));
        for (uint64_t c = 0; c < count && at < end; c++, at += 8) {
            if (!is_wanted(a, at, 8)) continue;
            snprintf(value, sizeof value, "0x%016" PRIx64 ", chunk %" PRIu64 " of %s", get_u64(a->file.bytes + at), c,
                     skeleton_name(&a->file, i, name));
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
    char name[SKELETON_NAME_MAX], value[48];
    const uint8_t *r = skeleton_record(&a->file, i);
    uint16_t kind = get_u16(r + RECORD_KIND_OFF);
    uint64_t whole = get_u64(r + RECORD_STORED_BYTES_OFF);
    if (!is_wanted(a, off, n)) return;
    begin_part(a, skeleton_name(&a->file, i, name));
    if (kind == INGOT_KIND_MODEL)
        tell_fields(a, off, &model_fields, fault_of_model);
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
    struct span *spans = memory_array((size_t)a->file.n_records + 1, sizeof *spans);
    *n = 0;
    for (uint32_t i = 0; i < a->file.n_records; i++) {
        const uint8_t *r = skeleton_record(&a->file, i);
        uint64_t off = get_u64(r + RECORD_DATA_OFF_OFF), bytes = get_u64(r + RECORD_STORED_BYTES_OFF);
        if (get_u16(r + RECORD_KIND_OFF) == INGOT_KIND_ALIAS || off >= a->file.n || bytes == 0) continue;
        spans[(*n)++] = (struct span){ off, bytes < a->file.n - off ? bytes : a->file.n - off, i };
    }
    if (a->file.index_off < a->file.n)
        spans[(*n)++] = (struct span){ a->file.index_off, a->file.index_bytes, UINT32_MAX };
    qsort(spans, *n, sizeof *spans, compare_spans);
    return spans;
}

uint64_t anatomy_walk(const uint8_t *bytes, uint64_t n, const struct anatomy_options *options)
{
    struct anatomy a = { .file = skeleton_of(bytes, n), .o = options };
    uint64_t end = n < INDEX_CANONICAL_OFF ? n : INDEX_CANONICAL_OFF;
    uint64_t length = a.file.sb < n ? get_u64(bytes + a.file.sb + SB_FILE_BYTES_OFF) : n;
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
    struct anatomy a = { .file = { .bytes = bytes, .n = off + n }, .o = options };
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
    const struct skeleton s = skeleton_of(bytes, n);
    char shown[SKELETON_NAME_MAX], wanted[SKELETON_NAME_MAX];
    ingot_escape(name, strlen(name), wanted, sizeof wanted);
    for (uint32_t i = 0; i < s.n_records; i++) {
        const uint8_t *r = skeleton_record(&s, i);
        skeleton_name(&s, i, shown);
        if (strcmp(shown, name) == 0 || strcmp(shown, wanted) == 0)
            return set_range(get_u64(r + RECORD_DATA_OFF_OFF), get_u64(r + RECORD_STORED_BYTES_OFF), n, from, to);
    }
    if (strcmp(name, "superblock") == 0) return set_range(0, INDEX_CANONICAL_OFF, n, from, to);
    if (strcmp(name, "index") == 0 && s.index_off < n) return set_range(s.index_off, s.index_bytes, n, from, to);
    for (uint32_t i = 0; i < s.n_records && offer; i++) offer(ctx, skeleton_name(&s, i, shown));
    return false;
}
