/* decoder.c - an independent reader of .ingot files: spec/format.md in C, in the order of that page.
 *
 *   decoder FILE                    prints superblock, hyper-parameters and index, then checks every byte
 *   decoder --tensor NAME FILE      prints a tensor's elements, a line for each row, whatever its layout
 *
 * It includes nothing but libc and its own XXH3, reads the whole file into memory and stops at the first rule that is
 * broken: "invalid F-45 111 shape at 8352: ...". Exit: 0 valid, 1 not, 2 usage or no such file. */
#include "spec/decoder/xxh3.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES   4096u
#define SB_BYTES     256u
#define RECORD_BYTES 128u
#define CHUNK_BYTES  (4u << 20)
#define MAX_RECORDS  (1u << 20)
#define MAX_NAME     1024u
#define MAX_RANK     8u
#define MAX_SPECIAL  1024u
#define MAX_PROBES   1024u
#define LANES        16u
#define BLOCK        32u /* inputs that share a scale */
#define STEP         64u /* inputs */
#define MAGIC        "\x89INGOT\r\n"

enum { KIND_TENSOR = 1, KIND_ALIAS, KIND_MODEL, KIND_CHUNKS, KIND_VOCABULARY, SKIPPABLE = 0x8000 };
enum { F32 = 1, F16, BF16, F64, I8, U8, I32, I64, N_DTYPES, Q8 = 16, Q4 };
enum { ROWS, PANEL16 };

enum status {
    MAGIC_BAD = 100,
    TEXT_MODE,
    TRUNCATED,
    SUPERBLOCK,
    INDEX,
    RANGE,
    OVERLAP,
    ORDER,
    RESERVED,
    DIGEST,
    NAME,
    SHAPE,
    MISSING = 113,
    MODEL,
    VOCABULARY,
    READ_VERSION = 200,
    FEATURE,
    KIND,
    DTYPE,
    LAYOUT,
    CODEC,
    UNSUPPORTED,
    LIMIT,
};

static const char *const file_words[] = { "magic",   "text-mode", "truncated", "superblock", "index", "range",
                                          "overlap", "order",     "reserved",  "digest",     "name",  "shape",
                                          "source",  "missing",   "model",     "vocabulary" };
static const char *const age_words[] = { "read-version", "feature", "kind",        "dtype",
                                         "layout",       "codec",   "unsupported", "limit" };
static const char *const dtype_words[N_DTYPES] = { "none", "f32", "f16", "bf16", "f64", "i8", "u8", "i32", "i64" };
static const unsigned dtype_bytes[N_DTYPES] = { 0, 4, 2, 2, 8, 1, 1, 4, 8 };
static const char *const block_words[] = { "q8", "q4" };
static const int q4_levels[16] = { -63, -49, -38, -30, -22, -16, -10, -5, 0, 5, 11, 17, 23, 31, 40, 52 };
static const char *const layout_words[] = { "rows", "panel16" };

static const struct {
    unsigned kind;
    const char *word, *name;
} kinds[] = {
    { KIND_TENSOR, "tensor", NULL },
    { KIND_ALIAS, "alias", NULL },
    { KIND_MODEL, "model", "@model" },
    { KIND_CHUNKS, "chunks", "@chunks" },
    { KIND_VOCABULARY, "vocabulary", "@vocabulary" },
    { 0x8001, "metadata", "@metadata" },
    { 0x8002, "recipe", "@recipe" },
    { 0x8003, "provenance", "@provenance" },
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* A record, decoded. `at` is R: where it stands in the file. */
struct record {
    uint64_t at;
    const uint8_t *bytes;
    const char *name;
    uint32_t number, name_len, kind, dtype, layout, rank;
    uint64_t shape[MAX_RANK];
    uint64_t off, stored, raw, digest_lo, digest_hi;
    uint32_t target, first_chunk;
};

/* The file, and what has been learned about it so far. */
struct file {
    const uint8_t *bytes;
    uint64_t n;      /* as found */
    uint64_t s;      /* S: the slot in use */
    uint64_t length; /* as recorded */
    uint64_t index, index_bytes, align;
    uint32_t n_records;
    uint64_t order, names, names_bytes; /* offsets in the file */
    uint32_t chunks, model, vocabulary; /* record numbers, or NONE */
};
#define NONE UINT32_MAX

/* -------------------------------------------------------------------------------------------------------- helpers */

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static uint64_t round_up(uint64_t x, uint64_t unit)
{
    return (x + unit - 1) / unit * unit;
}

static bool is_power_of_two(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Unless `held`, the rule is broken, and nothing more is believed. */
static void must(bool held, const char *rule, enum status status, uint64_t at)
{
    if (held) return;
    const char *word = status >= READ_VERSION ? age_words[status - READ_VERSION] : file_words[status - MAGIC_BAD];
    printf("invalid %s %d %s at %llu\n", rule, status, word, (unsigned long long)at);
    exit(1);
}

/* Bytes [from, to) of the file are zero. */
static void must_be_zero(const struct file *f, uint64_t from, uint64_t to, const char *rule)
{
    for (uint64_t at = from; at < to; at++) must(f->bytes[at] == 0, rule, RESERVED, at);
}

static void print_escaped(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > ' ' && c < 0x7f && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

/* ---------------------------------------------------------------------------------------------------- superblocks */

/* As far as the file reaches. */
static bool has_magic(const struct file *f, uint64_t at)
{
    uint64_t left = f->n < at ? 0 : f->n - at;
    return (at == 0 || left >= 8) && memcmp(f->bytes + at, MAGIC, left < 8 ? left : 8) == 0;
}

static bool slot_is_valid(const struct file *f, uint64_t at)
{
    return has_magic(f, at) && f->n >= at + SB_BYTES && xxh3_64(f->bytes + at, 248) == u64(f->bytes + at + 248);
}

static bool is_text_damage(const struct file *f)
{
    for (uint64_t at = 1; at <= 3; at++)
        if (f->n >= at + 5 && memcmp(f->bytes + at, "INGOT", 5) == 0) return true;
    return false;
}

static void choose_slot(struct file *f)
{
    bool a = has_magic(f, 0), b = has_magic(f, SLOT_BYTES);
    must(a || b || !is_text_damage(f), "F-2", TEXT_MODE, 0);
    must(a || b, "F-1", MAGIC_BAD, 0);
    must(f->n >= 2 * SLOT_BYTES, "F-3", TRUNCATED, f->n);
    bool a_valid = slot_is_valid(f, 0), b_valid = slot_is_valid(f, SLOT_BYTES);
    must(a_valid || b_valid, "F-4", SUPERBLOCK, a ? 0 : SLOT_BYTES);
    bool b_newer = u64(f->bytes + SLOT_BYTES + 32) > u64(f->bytes + 32);
    f->s = b_valid && (!a_valid || b_newer) ? SLOT_BYTES : 0;
}

static void read_superblock(struct file *f)
{
    const uint8_t *sb = f->bytes + f->s;
    uint64_t s = f->s;
    must(u16(sb + 8) <= 1, "F-10", READ_VERSION, s + 8);
    must(u16(sb + 8) == 1 && u16(sb + 10) >= 1, "F-10", RANGE, s + 8);
    must(u32(sb + 12) == SB_BYTES, "F-11", RANGE, s + 12);
    must(u64(sb + 16) == 0, "F-12", FEATURE, s + 16);
    must(u64(sb + 32) != 0, "F-13", RANGE, s + 32);
    f->length = u64(sb + 40);
    must(f->length <= f->n, "F-14", TRUNCATED, f->n);
    f->align = u32(sb + 72);
    must(is_power_of_two(f->align) && f->align >= 4096 && f->align <= 2u << 20, "F-15", RANGE, s + 72);
    must_be_zero(f, s + 76, s + 80, "F-16");
    must_be_zero(f, s + 96, s + 248, "F-16");
    f->index = u64(sb + 48);
    f->index_bytes = u64(sb + 56);
    must(f->index >= 2 * SLOT_BYTES && f->index % 64 == 0 && f->index <= f->length, "F-17", RANGE, s + 48);
    must(f->index_bytes >= 64 && f->index_bytes % 64 == 0 && f->index_bytes <= f->length - f->index, "F-18", RANGE,
         s + 56);
    must(xxh3_64(f->bytes + f->index, f->index_bytes) == u64(sb + 64), "F-19", INDEX, f->index);
}

/* ---------------------------------------------------------------------------------------------------------- index */

static void read_index_header(struct file *f)
{
    uint64_t i = f->index;
    const uint8_t *header = f->bytes + i;
    must(memcmp(header, "INDEX\r\n\0", 8) == 0, "F-20", INDEX, i);
    must(u32(header + 12) == RECORD_BYTES, "F-21", RANGE, i + 12);
    uint64_t n = u32(header + 8);
    must(n <= MAX_RECORDS, "F-22", LIMIT, i + 8);
    must(u64(header + 16) == 64, "F-23", RANGE, i + 16);
    must(u64(header + 24) == 64 + 128 * n, "F-23", RANGE, i + 24);
    must(u64(header + 32) == 64 + 132 * n, "F-23", RANGE, i + 32);
    f->n_records = (uint32_t)n;
    f->order = i + 64 + 128 * n;
    f->names = i + 64 + 132 * n;
    f->names_bytes = u64(header + 40);
    must(64 + 132 * n <= f->index_bytes && f->names_bytes <= f->index_bytes &&
             round_up(64 + 132 * n + f->names_bytes, 64) == f->index_bytes,
         "F-24", RANGE, i + 40);
    must_be_zero(f, i + 48, i + 64, "F-25");
    must_be_zero(f, f->names + f->names_bytes, i + f->index_bytes, "F-26");
}

static struct record record_at(const struct file *f, uint32_t number)
{
    struct record r = { .at = f->index + 64 + (uint64_t)RECORD_BYTES * number, .number = number };
    const uint8_t *p = r.bytes = f->bytes + r.at;
    r.name = u32(p) < f->names_bytes ? (const char *)f->bytes + f->names + u32(p) : "";
    r.name_len = u16(p + 4);
    r.kind = u16(p + 6);
    r.dtype = u16(p + 8);
    r.layout = u16(p + 10);
    r.rank = p[12];
    for (unsigned d = 0; d < MAX_RANK; d++) r.shape[d] = u64(p + 16 + 8 * d);
    r.off = u64(p + 80);
    r.stored = u64(p + 88);
    r.raw = u64(p + 96);
    r.digest_lo = u64(p + 104);
    r.digest_hi = u64(p + 112);
    r.target = u32(p + 120);
    r.first_chunk = u32(p + 124);
    return r;
}

static bool is_tensor(const struct record *r)
{
    return r->kind == KIND_TENSOR || r->kind == KIND_ALIAS;
}

/* Row of the table of kinds; N_KINDS for a kind that is not known. */
static size_t find_kind(uint32_t kind)
{
    size_t k = 0;
    while (k < N_KINDS && kinds[k].kind != kind) k++;
    return k;
}

static bool name_is(const struct record *r, const char *name)
{
    return r->name_len == strlen(name) && memcmp(r->name, name, r->name_len) == 0;
}

static bool name_fits_kind(const struct record *r)
{
    size_t k = find_kind(r->kind);
    if (is_tensor(r)) return r->name[0] != '@';
    if (k < N_KINDS) return name_is(r, kinds[k].name);
    for (k = 0; k < N_KINDS; k++)
        if (kinds[k].name && name_is(r, kinds[k].name)) return false;
    return r->name[0] == '@';
}

/* names_at: where the last name ended. */
static void check_name(const struct file *f, const struct record *r, uint64_t names_at)
{
    must(u32(r->bytes) == names_at, "F-30", RANGE, r->at);
    must(r->name_len != 0, "F-31", NAME, r->at + 4);
    must(r->name_len <= MAX_NAME, "F-31", LIMIT, r->at + 4);
    must(names_at + r->name_len + 1 <= f->names_bytes, "F-31", RANGE, r->at + 4);
    uint64_t at = f->names + names_at;
    for (uint32_t i = 0; i < r->name_len; i++) must(r->name[i] != '\0', "F-32", NAME, at + i);
    must(r->name[r->name_len] == '\0', "F-32", NAME, at + r->name_len);
    must(find_kind(r->kind) < N_KINDS || r->kind >= SKIPPABLE, "F-42", KIND, r->at + 6);
    must(name_fits_kind(r), "F-33", NAME, at);
    if (r->number == 0) return;
    struct record before = record_at(f, r->number - 1);
    must(strcmp(before.name, r->name) < 0, "F-34", ORDER, r->at);
}

static bool is_blocks(const struct record *r)
{
    return r->dtype == Q8 || r->dtype == Q4;
}

/* 0 for q8 and q4. */
static unsigned element_bytes(const struct record *r)
{
    return r->dtype < N_DTYPES ? dtype_bytes[r->dtype] : 0;
}

/* Of q8 and q4: 64 inputs of a panel. */
static uint64_t step_bytes(const struct record *r)
{
    return STEP * 2 / BLOCK * LANES + STEP * LANES / (r->dtype == Q4 ? 2 : 1);
}

/* Inputs that come together in a panel. */
static uint64_t input_unit(const struct record *r)
{
    return is_blocks(r) ? STEP : r->dtype == F32 ? 1 : 2;
}

/* Bytes of a tensor; false when 64 bits do not hold them. A dimension of 0 does not hide an overflow. */
static bool tensor_bytes(const struct record *r, uint64_t *bytes)
{
    uint64_t product = is_blocks(r) ? step_bytes(r) : element_bytes(r);
    bool empty = false;
    for (uint32_t d = 0; d < r->rank; d++) {
        uint64_t unit = r->layout != PANEL16 ? 1 : d == 0 ? LANES : input_unit(r);
        if (r->shape[d] > UINT64_MAX - (unit - 1)) return false;
        uint64_t n = round_up(r->shape[d], unit);
        if (is_blocks(r)) n /= unit; /* panels, steps */
        empty = empty || n == 0;
        if (n != 0 && product > UINT64_MAX / n) return false;
        product *= n != 0 ? n : 1;
    }
    *bytes = empty ? 0 : product;
    return true;
}

static void check_tensor(const struct file *f, const struct record *r)
{
    must((r->dtype >= F32 && r->dtype < N_DTYPES) || is_blocks(r), "F-40", DTYPE, r->at + 8);
    must(r->layout <= PANEL16, "F-41", LAYOUT, r->at + 10);
    bool in_panels = r->rank == 2 && (r->dtype <= BF16 || is_blocks(r));
    must(r->layout == ROWS ? !is_blocks(r) : in_panels, "F-41", SHAPE, r->at + 10);
    must(r->rank <= MAX_RANK, "F-43", RANGE, r->at + 12);
    must_be_zero(f, r->at + 16 + 8 * r->rank, r->at + 80, "F-44");
    uint64_t bytes = 0;
    must(tensor_bytes(r, &bytes), "F-45", SHAPE, r->at + 16);
    must(bytes == r->raw, "F-45", SHAPE, r->at + 96);
}

static void check_record(const struct file *f, const struct record *r)
{
    must_be_zero(f, r->at + 14, r->at + 16, "F-36");
    if (is_tensor(r)) {
        check_tensor(f, r);
    } else {
        must_be_zero(f, r->at + 8, r->at + 13, "F-46");
        must_be_zero(f, r->at + 16, r->at + 80, "F-46");
    }
    must(r->bytes[13] == 0, "F-47", CODEC, r->at + 13);
    must(r->stored == r->raw, "F-48", RANGE, r->at + 88);
    must(r->kind != KIND_MODEL || r->raw == 64, "F-49", RANGE, r->at + 96);
    bool page = r->raw != 0 && ((is_tensor(r) && r->rank >= 2) || r->kind == KIND_VOCABULARY);
    must(r->off >= 2 * SLOT_BYTES && r->off % (page ? f->align : 64) == 0, "F-60", RANGE, r->at + 80);
    must(r->off <= f->length, "F-61", RANGE, r->at + 80);
    must(r->stored <= f->length - r->off, "F-61", RANGE, r->at + 88);
    if (r->kind != KIND_ALIAS) must_be_zero(f, r->at + 120, r->at + 124, "F-64");
}

static void check_alias(const struct file *f, const struct record *r)
{
    must(r->target < f->n_records, "F-62", RANGE, r->at + 120);
    struct record target = record_at(f, r->target);
    must(target.kind == KIND_TENSOR, "F-62", RANGE, r->at + 120);
    for (unsigned i = 8; i < 120; i++) must(r->bytes[i] == target.bytes[i], "F-63", SHAPE, r->at + i);
}

static void read_records(struct file *f)
{
    uint64_t names_at = 0;
    f->chunks = f->model = f->vocabulary = NONE;
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        check_name(f, &r, names_at);
        check_record(f, &r);
        names_at += r.name_len + 1;
        if (r.kind == KIND_CHUNKS) f->chunks = i;
        if (r.kind == KIND_MODEL) f->model = i;
        if (r.kind == KIND_VOCABULARY) f->vocabulary = i;
    }
    must(names_at == f->names_bytes, "F-35", RANGE, f->index + 40);
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        if (r.kind == KIND_ALIAS) check_alias(f, &r);
    }
}

/* ----------------------------------------------------------------------------------------------------- placement */

/* Whether a's place is strictly before b's. */
static bool is_before(const struct record *a, const struct record *b)
{
    bool a_alias = a->kind == KIND_ALIAS, b_alias = b->kind == KIND_ALIAS;
    uint32_t a_owner = a_alias ? a->target : a->number, b_owner = b_alias ? b->target : b->number;
    if (a->off != b->off) return a->off < b->off;
    if (a->stored != b->stored) return a->stored < b->stored;
    if (a_owner != b_owner) return a_owner < b_owner;
    if (a_alias != b_alias) return b_alias;
    return a->number < b->number;
}

static void check_placement(const struct file *f)
{
    uint64_t end = 0, index_end = f->index + f->index_bytes;
    struct record before = { 0 };
    for (uint32_t i = 0; i < f->n_records; i++) {
        uint64_t entry = f->order + 4 * (uint64_t)i;
        must(u32(f->bytes + entry) < f->n_records, "F-65", ORDER, entry);
        struct record r = record_at(f, u32(f->bytes + entry));
        must(i == 0 || is_before(&before, &r), "F-65", ORDER, entry);
        before = r;
    }
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, u32(f->bytes + f->order + 4 * (uint64_t)i));
        if (r.kind == KIND_ALIAS) continue;
        must(r.off >= end, "F-66", OVERLAP, r.at + 80);
        end = r.off + r.stored;
        must(end <= f->index || r.off >= index_end, "F-66", OVERLAP, r.at + 80);
    }
    must(f->length == (end > index_end ? end : index_end), "F-67", RANGE, f->s + 40);
}

static uint64_t chunk_count(uint64_t bytes)
{
    return bytes / CHUNK_BYTES + (bytes % CHUNK_BYTES != 0);
}

static void check_chunk_numbers(const struct file *f)
{
    uint64_t total = 0;
    must(f->chunks != NONE, "F-70", MISSING, f->index);
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        if (r.kind == KIND_ALIAS || r.kind == KIND_CHUNKS) {
            must_be_zero(f, r.at + 124, r.at + 128, "F-72");
            continue;
        }
        must(r.first_chunk == total, "F-71", RANGE, r.at + 124);
        total += chunk_count(r.raw);
    }
    struct record chunks = record_at(f, f->chunks);
    must(chunks.raw == 8 * total, "F-73", RANGE, chunks.at + 96);
}

/* --------------------------------------------------------------------------------------------------------- @model */

static void check_model(const struct file *f)
{
    static const uint32_t limits[7] = { 65536, 65536, 1u << 20, 1u << 24, 1u << 24, 1u << 24, 1u << 24 };
    if (f->model == NONE) return;
    uint64_t m = record_at(f, f->model).off;
    const uint8_t *p = f->bytes + m;
    must(u32(p) == 1, "F-50", UNSUPPORTED, m);
    for (unsigned i = 0; i < 7; i++) {
        uint32_t count = u32(p + 4 + 4 * i);
        must(count != 0, "F-51", MODEL, m + 4 + 4 * i);
        must(count <= limits[i], "F-52", LIMIT, m + 4 + 4 * i);
    }
    must(u32(p + 12) % u32(p + 8) == 0, "F-53", MODEL, m + 8);
    must(u32(p + 24) <= u32(p + 28), "F-54", MODEL, m + 24);
    must(u32(p + 32) == 1 || u32(p + 32) == 2, "F-55", MODEL, m + 32);
    must(u32(p + 36) <= 3, "F-56", MODEL, m + 36);
    uint32_t epsilon = u32(p + 40); /* finite and above 0: sign clear, exponent not all ones, not zero */
    must(epsilon > 0 && epsilon < 0x7f800000, "F-57", MODEL, m + 40);
    must_be_zero(f, m + 44, m + 64, "F-58");
}

/* ---------------------------------------------------------------------------------------------------- @vocabulary */

struct vocabulary {
    uint64_t at, bytes;
    uint32_t n_tokens, n_merges, n_slots, n_special, eot;
    const uint8_t *pieces, *byte_ids, *special, *slots;
    uint64_t text_bytes;
};

/* The table of n bytes whose place the header gives at `field`. */
static const uint8_t *vocabulary_table(const struct file *f, const struct vocabulary *v, uint64_t field, uint64_t n)
{
    uint64_t off = u64(f->bytes + v->at + field);
    must(off >= 128 && off % 64 == 0 && off <= v->bytes && n <= v->bytes - off, "F-96", VOCABULARY, v->at + field);
    return f->bytes + v->at + off;
}

static struct vocabulary read_vocabulary_header(const struct file *f)
{
    struct record r = record_at(f, f->vocabulary);
    struct vocabulary v = { .at = r.off, .bytes = r.raw };
    const uint8_t *p = f->bytes + v.at;
    must(v.bytes >= 128, "F-90", VOCABULARY, v.at);
    must(memcmp(p, "BPE1", 4) == 0, "F-91", VOCABULARY, v.at);
    must(u32(p + 4) == 1, "F-92", UNSUPPORTED, v.at + 4);
    v.n_tokens = u32(p + 8);
    v.n_merges = u32(p + 12);
    v.n_slots = u32(p + 16);
    v.n_special = u32(p + 20);
    v.eot = u32(p + 24);
    v.text_bytes = u64(p + 72);
    must(v.n_tokens >= 1 && v.n_tokens <= 1u << 24, "F-93", VOCABULARY, v.at + 8);
    must(is_power_of_two(v.n_slots) && v.n_slots > v.n_merges, "F-94", VOCABULARY, v.at + 16);
    must(v.n_special <= MAX_SPECIAL, "F-98", LIMIT, v.at + 20);
    must(v.eot == NONE || v.eot < v.n_tokens, "F-95", VOCABULARY, v.at + 24);
    v.pieces = vocabulary_table(f, &v, 32, 4 * ((uint64_t)v.n_tokens + 1));
    v.byte_ids = vocabulary_table(f, &v, 40, 4 * 256);
    v.special = vocabulary_table(f, &v, 48, 4 * (uint64_t)v.n_special);
    v.slots = vocabulary_table(f, &v, 56, 16 * (uint64_t)v.n_slots);
    vocabulary_table(f, &v, 64, v.text_bytes);
    must_be_zero(f, v.at + 80, v.at + 128, "F-97");
    uint32_t n_vocab = f->model == NONE ? UINT32_MAX : u32(f->bytes + record_at(f, f->model).off + 24);
    must(v.n_tokens <= n_vocab, "F-99", VOCABULARY, v.at + 8);
    return v;
}

/* No rule refuses a file for what stands in the tables: whoever uses an entry checks it then. They are counted here. */

static uint32_t count_bad_pieces(const struct vocabulary *v)
{
    uint32_t bad = u32(v->pieces) != 0 || u32(v->pieces + 4 * (uint64_t)v->n_tokens) != v->text_bytes;
    for (uint64_t i = 0; i < v->n_tokens; i++) bad += u32(v->pieces + 4 * i) > u32(v->pieces + 4 * i + 4);
    return bad;
}

static uint32_t count_bad_ids(const struct vocabulary *v)
{
    uint32_t bad = 0;
    for (unsigned i = 0; i < 256; i++) bad += u32(v->byte_ids + 4 * i) >= v->n_tokens;
    for (uint64_t i = 0; i < v->n_special; i++) {
        uint32_t id = u32(v->special + 4 * i);
        bad += id >= v->n_tokens || (i > 0 && id <= u32(v->special + 4 * i - 4));
    }
    return bad;
}

/* The slot where a look-up of the pair ends, or NONE when there is no such pair. */
static uint32_t find_pair(const struct vocabulary *v, uint32_t left, uint32_t right)
{
    uint64_t hash = left * UINT64_C(0x9E3779B97F4A7C15) + right * UINT64_C(0xC2B2AE3D27D4EB4F);
    for (uint64_t probe = 0; probe < MAX_PROBES; probe++) {
        uint32_t slot = (uint32_t)((hash >> 32) + probe) & (v->n_slots - 1);
        const uint8_t *p = v->slots + 16 * (uint64_t)slot;
        if (u32(p) == left && u32(p + 4) == right) return slot;
        if (u32(p) == NONE) return NONE;
    }
    return NONE;
}

/* A pair that no look-up finds, ids that are no tokens, a rank that is none, and merges too many or too few. */
static uint32_t count_bad_merges(const struct vocabulary *v)
{
    uint32_t bad = 0, n = 0;
    for (uint32_t slot = 0; slot < v->n_slots; slot++) {
        const uint8_t *p = v->slots + 16 * (uint64_t)slot;
        if (u32(p) == NONE) continue;
        bool ids = u32(p) < v->n_tokens && u32(p + 4) < v->n_tokens && u32(p + 12) < v->n_tokens;
        bad += !ids || u32(p + 8) >= v->n_merges || find_pair(v, u32(p), u32(p + 4)) != slot;
        n++;
    }
    return bad + (n != v->n_merges);
}

/* ---------------------------------------------------------------------------------------------------------- verify */

static void check_slots(const struct file *f)
{
    must(memcmp(f->bytes, f->bytes + SLOT_BYTES, SB_BYTES) == 0, "F-80", SUPERBLOCK, SLOT_BYTES - f->s);
    must_be_zero(f, SB_BYTES, SLOT_BYTES, "F-81");
    must_be_zero(f, SLOT_BYTES + SB_BYTES, 2 * SLOT_BYTES, "F-81");
}

/* Everything between the slots and the recorded length that no section and not the index owns. In generation 1 the gaps
 * are those of alignment alone. */
static void check_gaps(const struct file *f)
{
    bool fresh = u64(f->bytes + f->s + 32) == 1, index_passed = false;
    uint64_t end = 2 * SLOT_BYTES;
    must(!fresh || f->index == end, "F-84", RANGE, f->s + 48);
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, u32(f->bytes + f->order + 4 * (uint64_t)i));
        if (r.kind == KIND_ALIAS) continue;
        if (!index_passed && r.off + r.stored > f->index) {
            must_be_zero(f, end, f->index, "F-82");
            end = f->index + f->index_bytes;
            index_passed = true;
        }
        bool page = r.raw != 0 && ((is_tensor(&r) && r.rank >= 2) || r.kind == KIND_VOCABULARY);
        must(!fresh || r.off == round_up(end, page ? f->align : 64), "F-84", RANGE, r.at + 80);
        must_be_zero(f, end, r.off, "F-82");
        end = r.off + r.stored;
    }
    if (!index_passed) must_be_zero(f, end, f->index, "F-82");
    must(f->n == f->length, "F-85", TRUNCATED, f->length);
}

/* Byte offset of element (row, col) of a matrix. */
static uint64_t element_off(const struct record *r, uint64_t row, uint64_t col)
{
    uint64_t panel = row / LANES, lane = row % LANES, size = element_bytes(r);
    if (r->layout == ROWS) return (row * r->shape[1] + col) * size;
    if (r->dtype == BF16) {
        uint64_t pairs = (r->shape[1] + 1) / 2;
        return (((panel * pairs + col / 2) * LANES + lane) * 2 + col % 2) * size;
    }
    uint64_t inputs = r->dtype == F32 ? r->shape[1] : round_up(r->shape[1], 2);
    return ((panel * inputs + col) * LANES + lane) * size;
}

/* Byte `at` of a step with so many lanes and inputs of the matrix: a byte of a scale, a code, or two. */
static bool is_padding_kept(const struct record *r, uint8_t byte, uint64_t at, uint64_t lanes, uint64_t inputs)
{
    if (at < STEP * 2 / BLOCK * LANES) {
        bool used = at / 2 % LANES < lanes && at / 2 / LANES * BLOCK < inputs;
        return used || byte == 0;
    }
    uint64_t code = at - STEP * 2 / BLOCK * LANES, lane = code / 4 % LANES, four = code / (4 * LANES);
    if (r->dtype == Q8) return (lane < lanes && four * 4 + code % 4 < inputs) || byte == 128;
    bool low = lane < lanes && four * 8 + code % 4 < inputs, high = lane < lanes && four * 8 + 4 + code % 4 < inputs;
    return (low || byte % 16 == 8) && (high || byte / 16 == 8);
}

static void check_step_padding(const struct file *f, const struct record *r)
{
    uint64_t n = step_bytes(r), steps = round_up(r->shape[1], STEP) / STEP;
    for (uint64_t at = 0; at < r->raw; at++) {
        uint64_t lanes = r->shape[0] - at / n / steps * LANES, inputs = r->shape[1] - at / n % steps * STEP;
        must(is_padding_kept(r, f->bytes[r->off + at], at % n, lanes, inputs), "F-83", RESERVED, r->off + at);
    }
}

/* Lanes beyond the last output and the input that makes a number of inputs even. */
static void check_panel_padding(const struct file *f, const struct record *r)
{
    if (r->layout != PANEL16 || r->raw == 0) return;
    if (is_blocks(r)) {
        check_step_padding(f, r);
        return;
    }
    uint64_t rows = round_up(r->shape[0], LANES), size = dtype_bytes[r->dtype];
    uint64_t cols = r->raw / rows / size;
    for (uint64_t at = 0; at < r->raw; at += size) {
        uint64_t element = at / size, panel = element / (LANES * cols), rest = element % (LANES * cols);
        uint64_t lane = r->dtype == BF16 ? rest / 2 % LANES : rest % LANES;
        uint64_t col = r->dtype == BF16 ? rest / (2 * LANES) * 2 + rest % 2 : rest / LANES;
        bool padding = panel * LANES + lane >= r->shape[0] || col >= r->shape[1];
        if (padding) must_be_zero(f, r->off + at, r->off + at + size, "F-83");
    }
}

static void must_match(const struct record *r, struct xxh3_128 found)
{
    must(found.lo == r->digest_lo && found.hi == r->digest_hi, "F-87", DIGEST, r->off);
}

/* @chunks first: its own chunks' hashes stand nowhere, so they are computed. */
static void check_chunks_digest(const struct file *f)
{
    struct record r = record_at(f, f->chunks);
    uint64_t n = chunk_count(r.raw);
    uint8_t *hashes = malloc(n ? 8 * n : 1);
    if (!hashes) exit(2);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t left = r.raw - i * CHUNK_BYTES;
        uint64_t hash = xxh3_64(f->bytes + r.off + i * CHUNK_BYTES, left < CHUNK_BYTES ? left : CHUNK_BYTES);
        for (unsigned b = 0; b < 8; b++) hashes[8 * i + b] = (uint8_t)(hash >> 8 * b);
    }
    must_match(&r, xxh3_128(hashes, 8 * n));
    free(hashes);
}

static void check_section_digest(const struct file *f, const struct record *r)
{
    const uint8_t *entries = f->bytes + record_at(f, f->chunks).off + 8 * (uint64_t)r->first_chunk;
    uint64_t n = chunk_count(r->raw);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = r->off + i * CHUNK_BYTES, left = r->raw - i * CHUNK_BYTES;
        uint64_t hash = xxh3_64(f->bytes + at, left < CHUNK_BYTES ? left : CHUNK_BYTES);
        must(hash == u64(entries + 8 * i), "F-86", DIGEST, at);
    }
    must_match(r, xxh3_128(entries, 8 * n));
}

/* The string that the content id is the digest of: never longer than 64 bytes and, for each tensor, its name and 89. */
static struct xxh3_128 content_id(const struct file *f)
{
    uint8_t *text = malloc(64 + f->names_bytes + (uint64_t)f->n_records * 96);
    size_t n = 0;
    if (!text) exit(2);
    if (f->model != NONE) {
        memcpy(text, f->bytes + record_at(f, f->model).off, 64);
        n = 64;
    }
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        if (!is_tensor(&r)) continue;
        memcpy(text + n, r.name, r.name_len + 1);
        n += r.name_len + 1;
        memcpy(text + n, r.bytes + 8, 4); /* dtype, layout */
        const uint8_t rank[4] = { r.bytes[12] };
        memcpy(text + n + 4, rank, 4);
        memcpy(text + n + 8, r.bytes + 16, 8 * r.rank);
        memcpy(text + n + 8 + 8 * r.rank, r.bytes + 104, 16);
        n += 8 + 8 * r.rank + 16;
    }
    struct xxh3_128 id = xxh3_128(text, n);
    free(text);
    return id;
}

static void verify(const struct file *f)
{
    check_slots(f);
    check_gaps(f);
    check_chunks_digest(f);
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        if (r.kind == KIND_ALIAS || r.kind == KIND_CHUNKS) continue;
        check_section_digest(f, &r);
        if (r.kind == KIND_TENSOR) check_panel_padding(f, &r);
    }
    struct xxh3_128 id = content_id(f);
    must(id.lo == u64(f->bytes + f->s + 80) && id.hi == u64(f->bytes + f->s + 88), "F-88", DIGEST, f->s + 80);
}

/* --------------------------------------------------------------------------------------------------------- output */

static void print_superblock(const struct file *f)
{
    const uint8_t *sb = f->bytes + f->s;
    printf("superblock slot=%c read=%u write=%u must=%llx may=%llx generation=%llu length=%llu index=%llu+%llu "
           "align=%u content=%016llx%016llx\n",
           f->s ? 'B' : 'A', u16(sb + 8), u16(sb + 10), (unsigned long long)u64(sb + 16),
           (unsigned long long)u64(sb + 24), (unsigned long long)u64(sb + 32), (unsigned long long)f->length,
           (unsigned long long)f->index, (unsigned long long)f->index_bytes, u32(sb + 72),
           (unsigned long long)u64(sb + 88), (unsigned long long)u64(sb + 80));
}

/* NAME KIND DTYPE LAYOUT [SHAPE] OFFSET BYTES DIGEST */
static void print_record(const struct file *f, const struct record *r)
{
    size_t k = find_kind(r->kind);
    print_escaped(r->name, r->name_len);
    if (k < N_KINDS)
        printf(" %s", kinds[k].word);
    else
        printf(" 0x%04x", r->kind);
    printf(" %s %s [", is_blocks(r) ? block_words[r->dtype - Q8] : dtype_words[r->dtype], layout_words[r->layout]);
    for (uint32_t d = 0; d < r->rank; d++) printf("%s%llu", d ? "," : "", (unsigned long long)r->shape[d]);
    printf("] %llu %llu %016llx%016llx", (unsigned long long)r->off, (unsigned long long)r->raw,
           (unsigned long long)r->digest_hi, (unsigned long long)r->digest_lo);
    if (r->kind == KIND_ALIAS) {
        struct record target = record_at(f, r->target);
        printf(" -> ");
        print_escaped(target.name, target.name_len);
    }
    putchar('\n');
}

static void print_model(const struct file *f)
{
    if (f->model == NONE) return;
    const uint8_t *p = f->bytes + record_at(f, f->model).off;
    printf("model n_layer=%u n_head=%u n_embd=%u n_inner=%u n_ctx=%u n_vocab=%u n_vocab_stored=%u activation=%u "
           "attention=%u epsilon=0x%08x\n",
           u32(p + 4), u32(p + 8), u32(p + 12), u32(p + 16), u32(p + 20), u32(p + 24), u32(p + 28), u32(p + 32),
           u32(p + 36), u32(p + 40));
}

/* IEEE 754 binary16, and bfloat16 by its upper half of a binary32. */
static double half_value(uint32_t bits)
{
    double sign = bits & 0x8000 ? -1 : 1, fraction = bits & 0x3ff;
    int exponent = bits >> 10 & 31;
    if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

static double float_value(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void print_element(const uint8_t *p, uint32_t dtype)
{
    uint64_t wide = dtype_bytes[dtype] == 8 ? u64(p) : 0;
    double f64;
    memcpy(&f64, &wide, sizeof f64);
    switch (dtype) {
    case F32:
        printf("%.9g", float_value(u32(p)));
        break;
    case F16:
        printf("%.9g", half_value(u16(p)));
        break;
    case BF16:
        printf("%.9g", float_value(u16(p) << 16));
        break;
    case F64:
        printf("%.17g", f64);
        break;
    case I8:
        printf("%d", (int8_t)p[0]);
        break;
    case U8:
        printf("%d", p[0]);
        break;
    case I32:
        printf("%d", (int32_t)u32(p));
        break;
    default:
        printf("%lld", (long long)wide);
        break;
    }
}

/* Element (row, col) of a matrix of q8 or q4: level times scale, exact. */
static double block_element(const uint8_t *bytes, const struct record *r, uint64_t row, uint64_t col)
{
    uint64_t steps = round_up(r->shape[1], STEP) / STEP, lane = row % LANES, input = col % STEP;
    const uint8_t *step = bytes + (row / LANES * steps + col / STEP) * step_bytes(r);
    const uint8_t *codes = step + STEP * 2 / BLOCK * LANES;
    double scale = half_value(u16(step + (input / BLOCK * LANES + lane) * 2));
    uint64_t q8 = (input / 4 * LANES + lane) * 4 + input % 4;
    if (r->dtype == Q8) return (codes[q8] - 128) * scale;
    uint8_t two = codes[(input / 8 * LANES + lane) * 4 + input % 4];
    int level = q4_levels[input % 8 < 4 ? two % 16 : two >> 4];
    return level * scale;
}

/* A matrix by its layout; any other rank as rows of its last dimension. */
static int print_tensor(const struct file *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        if (!is_tensor(&r) || !name_is(&r, name)) continue;
        uint64_t cols = r.rank ? r.shape[r.rank - 1] : 1, size = is_blocks(&r) ? 1 : element_bytes(&r);
        uint64_t rows = r.raw == 0 || size == 0 ? 0 : r.layout == PANEL16 ? r.shape[0] : r.raw / size / cols;
        for (uint64_t row = 0; row < rows; row++)
            for (uint64_t col = 0; col < cols; col++) {
                uint64_t off = r.layout == PANEL16 ? element_off(&r, row, col) : (row * cols + col) * size;
                if (is_blocks(&r))
                    printf("%.9g", block_element(f->bytes + r.off, &r, row, col));
                else
                    print_element(f->bytes + r.off + off, r.dtype);
                putchar(col + 1 < cols ? ' ' : '\n');
            }
        return 0;
    }
    fprintf(stderr, "no such tensor: %s\n", name);
    return 2;
}

static void print_and_check(const struct file *f)
{
    print_superblock(f);
    for (uint32_t i = 0; i < f->n_records; i++) {
        struct record r = record_at(f, i);
        print_record(f, &r);
    }
    check_model(f);
    print_model(f);
    if (f->vocabulary != NONE) {
        struct vocabulary v = read_vocabulary_header(f);
        printf("vocabulary tokens=%u merges=%u slots=%u special=%u eot=%u bad-entries=%u\n", v.n_tokens, v.n_merges,
               v.n_slots, v.n_special, v.eot, count_bad_pieces(&v) + count_bad_ids(&v) + count_bad_merges(&v));
    }
    verify(f);
    printf("valid\n");
}

/* The whole file in memory, or NULL. */
static uint8_t *read_file(const char *path, uint64_t *n)
{
    FILE *in = fopen(path, "rb");
    if (!in) return NULL;
    size_t capacity = 1 << 16, used = 0, got;
    uint8_t *bytes = malloc(capacity);
    while (bytes && (got = fread(bytes + used, 1, capacity - used, in)) > 0) {
        used += got;
        if (used < capacity) continue;
        uint8_t *more = realloc(bytes, capacity *= 2);
        if (!more) free(bytes);
        bytes = more;
    }
    fclose(in);
    *n = used;
    return bytes;
}

int main(int argc, char **argv)
{
    bool tensor = argc == 4 && strcmp(argv[1], "--tensor") == 0;
    if (argc != 2 && !tensor) {
        fprintf(stderr, "usage: decoder [--tensor NAME] FILE\n");
        return 2;
    }
    struct file f = { 0 };
    uint8_t *bytes = read_file(argv[argc - 1], &f.n);
    if (!bytes) {
        perror(argv[argc - 1]);
        return 2;
    }
    f.bytes = bytes;
    choose_slot(&f);
    read_superblock(&f);
    read_index_header(&f);
    read_records(&f);
    check_placement(&f);
    check_chunk_numbers(&f);
    int status = 0;
    if (tensor)
        status = print_tensor(&f, argv[2]);
    else
        print_and_check(&f);
    free(bytes);
    return status;
}
