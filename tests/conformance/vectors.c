/* vectors.c - one valid file for each thing that the format can say, one damaged file for each way to break a rule.
 *
 * A damaged file is a valid one with a patch. Whatever would hide the patch behind a checksum is sealed again, so that
 * a file breaks its rule and no other. LENGTH as a place makes the file longer or shorter. */
#include "tests/conformance/vectors.h"

#include <assert.h>
#include <string.h>

#define N_TOKENS 258u /* every byte, "ab", <|endoftext|> */

/* ------------------------------------------------------------------------------------------------------ sections */

static void put32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(value >> 8 * i);
}

#define MODEL_BYTES 64u
static const uint8_t model_bytes[MODEL_BYTES] = {
    1,  0, 0, 0, 2,  0, 0, 0, 2,    0,    0,    0,
    8,  0, 0, 0, /* gpt2, 2 layers, 2 heads, width 8 */
    32, 0, 0, 0, 16, 0, 0, 0, 2,    1,    0,    0,
    16, 1, 0, 0,                                      /* inner 32, context 16, vocabulary 258 of 272 rows */
    1,  0, 0, 0, 1,  0, 0, 0, 0xac, 0xc5, 0x27, 0x37, /* tanh, scaled, 1e-5 */
};

/* A vocabulary with one merge: header, pieces, bytes, special, two slots, text. */
enum { V_PIECES = 128, V_BYTES = 1216, V_SPECIAL = 2240, V_MERGES = 2304, V_TEXT = 2368, V_TEXT_BYTES = 256 + 2 + 13 };
#define VOCABULARY_BYTES (V_TEXT + V_TEXT_BYTES)
static_assert(V_PIECES + 4 * (N_TOKENS + 1) <= V_BYTES && V_BYTES + 4 * 256 <= V_SPECIAL, "tables do not touch");

static void make_vocabulary_header(uint8_t *v)
{
    memcpy(v, "BPE1", 4);
    const uint32_t counts[7] = { 1, N_TOKENS, 1, 2, 1, N_TOKENS - 1, 13 };
    for (unsigned i = 0; i < 7; i++) put32(v + 4 + 4 * i, counts[i]);
    const uint32_t tables[6] = { V_PIECES, V_BYTES, V_SPECIAL, V_MERGES, V_TEXT, V_TEXT_BYTES };
    for (unsigned i = 0; i < 6; i++) put32(v + 32 + 8 * i, tables[i]);
}

static void make_vocabulary(uint8_t *v)
{
    memset(v, 0, VOCABULARY_BYTES);
    make_vocabulary_header(v);
    for (uint32_t i = 0; i < 256; i++) {
        put32(v + V_PIECES + 4 * i, i);
        put32(v + V_BYTES + 4 * i, i);
        v[V_TEXT + i] = (uint8_t)i;
    }
    put32(v + V_PIECES + 4 * 256, 256);
    put32(v + V_PIECES + 4 * 257, 258);
    put32(v + V_PIECES + 4 * 258, V_TEXT_BYTES);
    put32(v + V_SPECIAL, N_TOKENS - 1);
    uint64_t hash = 'a' * UINT64_C(0x9E3779B97F4A7C15) + 'b' * UINT64_C(0xC2B2AE3D27D4EB4F);
    uint32_t home = (uint32_t)(hash >> 32) & 1;
    memset(v + V_MERGES, 0xff, 32);
    const uint32_t slot[4] = { 'a', 'b', 0, 256 };
    for (unsigned i = 0; i < 4; i++) put32(v + V_MERGES + 16 * home + 4 * i, slot[i]);
    memcpy(v + V_TEXT + 256, "ab<|endoftext|>", 15);
}

static void add_text(struct image *image, const char *name, unsigned kind, const char *text)
{
    image_add(image, &(struct image_part){
                         .name = name, .kind = kind, .bytes = (const uint8_t *)text, .n_bytes = strlen(text) });
}

static void add_bytes(struct image *image, const char *name, unsigned kind, const uint8_t *bytes, uint64_t n)
{
    image_add(image, &(struct image_part){ .name = name, .kind = kind, .bytes = bytes, .n_bytes = n });
}

static void add_chunks(struct image *image)
{
    image_add(image, &(struct image_part){ .name = "@chunks", .kind = CHUNKS });
}

static void add_matrix(struct image *image, const char *name, unsigned dtype, unsigned layout, uint64_t n_out,
                       uint64_t n_in)
{
    image_add(
        image,
        &(struct image_part){
            .name = name, .kind = TENSOR, .dtype = dtype, .layout = layout, .rank = 2, .shape = { n_out, n_in } });
}

static void add_vector(struct image *image, const char *name, unsigned dtype, uint64_t n)
{
    image_add(image, &(struct image_part){ .name = name, .kind = TENSOR, .dtype = dtype, .rank = 1, .shape = { n } });
}

static void add_alias(struct image *image, const char *name, const char *target)
{
    struct image_part part = *image_part(image, target);
    part.name = name;
    part.kind = ALIAS;
    part.target = target;
    image_add(image, &part);
}

static struct image *finish(struct image *image)
{
    image_finish(image, 0);
    return image;
}

/* --------------------------------------------------------------------------------------------------- valid files */

static struct image *smallest(void)
{
    struct image *image = image_new();
    add_chunks(image);
    return finish(image);
}

static struct image *one_matrix(void)
{
    struct image *image = image_new();
    add_chunks(image);
    add_matrix(image, "w", F32, ROWS, 2, 3);
    return finish(image);
}

static struct image *every_dtype(void)
{
    static const char *const names[] = { "f32", "f16", "bf16", "f64", "i8", "u8", "i32", "i64" };
    struct image *image = image_new();
    add_chunks(image);
    for (unsigned i = 0; i < 8; i++) add_matrix(image, names[i], F32 + i, ROWS, 3, 5);
    return finish(image);
}

static struct image *panels(void)
{
    static const char *const names[3][3] = { { "a0", "a1", "a2" }, { "b0", "b1", "b2" }, { "c0", "c1", "c2" } };
    static const uint64_t shapes[3][2] = { { 17, 5 }, { 1, 1 }, { 48, 2 } };
    struct image *image = image_new();
    add_chunks(image);
    for (unsigned dtype = 0; dtype < 3; dtype++)
        for (unsigned i = 0; i < 3; i++)
            add_matrix(image, names[dtype][i], F32 + dtype, PANEL16, shapes[i][0], shapes[i][1]);
    return finish(image);
}

static struct image *blocks(void)
{
    static const char *const names[2][4] = { { "q8a", "q8b", "q8c", "q8d" }, { "q4a", "q4b", "q4c", "q4d" } };
    static const uint64_t shapes[4][2] = { { 17, 70 }, { 1, 1 }, { 32, 64 }, { 5, 0 } };
    struct image *image = image_new();
    add_chunks(image);
    for (unsigned dtype = 0; dtype < 2; dtype++)
        for (unsigned i = 0; i < 4; i++)
            add_matrix(image, names[dtype][i], Q8 + dtype, PANEL16, shapes[i][0], shapes[i][1]);
    return finish(image);
}

/* The worked example of the spec. */
static struct image *layouts(void)
{
    struct image *image = image_new();
    add_chunks(image);
    add_matrix(image, "rows-f32", F32, ROWS, 2, 3);
    add_matrix(image, "panel16-f32", F32, PANEL16, 2, 3);
    add_matrix(image, "panel16-f16", F16, PANEL16, 2, 3);
    add_matrix(image, "panel16-bf16", BF16, PANEL16, 2, 3);
    return finish(image);
}

static struct image *empty_tensors(void)
{
    struct image *image = image_new();
    add_chunks(image);
    add_matrix(image, "b", F32, ROWS, 0, 7);
    add_matrix(image, "a", BF16, PANEL16, 5, 0);
    add_vector(image, "c", I64, 0);
    add_alias(image, "aa", "b");
    add_alias(image, "bb", "a");
    return finish(image);
}

static struct image *every_rank(void)
{
    static const char *const names[] = { "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8" };
    struct image *image = image_new();
    add_chunks(image);
    for (unsigned rank = 0; rank <= 8; rank++)
        image_add(image, &(struct image_part){ .name = names[rank],
                                               .kind = TENSOR,
                                               .dtype = U8,
                                               .rank = rank,
                                               .shape = { rank > 0, rank > 1, rank > 2 ? 3 : 0, rank > 3, rank > 4,
                                                          rank > 5 ? 2 : 0, rank > 6, rank > 7 } });
    return finish(image);
}

/* Its bytes must outlive the call: image_finish() copies them. */
static struct image *everything_placed(unsigned align, int edited, uint64_t gap)
{
    uint8_t vocabulary[VOCABULARY_BYTES];
    make_vocabulary(vocabulary);
    struct image *image = image_new();
    image->align = align;
    image->gap = gap;
    image->generation = edited ? 2 : 1;
    add_bytes(image, "@model", MODEL, model_bytes, MODEL_BYTES);
    add_bytes(image, "@vocabulary", VOCABULARY, vocabulary, VOCABULARY_BYTES);
    add_text(image, "@metadata", METADATA, "title: a model of everything\n");
    add_text(image, "@recipe", RECIPE, "dtype: f32\n");
    add_chunks(image);
    add_matrix(image, "m", F32, PANEL16, 17, 5);
    add_matrix(image, "b16", BF16, PANEL16, 3, 5);
    add_vector(image, "v", F32, 3);
    image_add(image, &(struct image_part){ .name = "s", .kind = TENSOR, .dtype = I64 });
    add_matrix(image, "d", F64, ROWS, 2, 3);
    add_matrix(image, "e", F32, ROWS, 0, 7);
    add_alias(image, "z", "m");
    add_text(image, "@zz", 0x9000, "a kind of a later time");
    add_text(image, "@provenance", PROVENANCE, "m: {file: model.safetensors}\n");
    image_finish(image, edited);
    return image;
}

static struct image *everything(void)
{
    return everything_placed(4096, 0, 0);
}

static struct image *wide_alignment(void)
{
    return everything_placed(65536, 0, 0);
}

static struct image *edited(void)
{
    return everything_placed(4096, 1, 8192);
}

static struct image *wide_gap(void)
{
    return everything_placed(4096, 0, 64);
}

static struct image *two_chunks(void)
{
    struct image *image = image_new();
    add_chunks(image);
    add_vector(image, "big", U8, (4u << 20) + 100);
    add_vector(image, "exact", U8, 4u << 20);
    return finish(image);
}

static struct image *hostile_names(void)
{
    static char longest[INGOT_MAX_NAME + 1];
    if (!longest[0]) memset(longest, 'n', INGOT_MAX_NAME);
    struct image *image = image_new();
    add_chunks(image);
    add_vector(image, longest, U8, 1);
    add_vector(image, "\x1b[2J\n", U8, 1);
    add_vector(image, " \\", U8, 1);
    add_vector(image, "\xff\xfe", U8, 1);
    add_vector(image, "../../x", U8, 1);
    return finish(image);
}

/* ------------------------------------------------------------------------- files that no patch of a valid one makes */

static struct image *tensor_with_at(void)
{
    struct image *image = image_new();
    add_chunks(image);
    add_vector(image, "@w", U8, 1);
    return finish(image);
}

static struct image *misnamed(const char *name, unsigned kind)
{
    struct image *image = image_new();
    add_chunks(image);
    add_text(image, name, kind, "text");
    return finish(image);
}

static struct image *misnamed_metadata(void)
{
    return misnamed("@metadatum", METADATA);
}

static struct image *unknown_kind_with_taken_name(void)
{
    return misnamed("@recipe", 0x9000);
}

static struct image *unknown_kind_without_at(void)
{
    return misnamed("recipe", 0x9000);
}

static struct image *short_vocabulary(void)
{
    static const uint8_t header[64] = "BPE1";
    struct image *image = image_new();
    add_bytes(image, "@model", MODEL, model_bytes, MODEL_BYTES);
    add_bytes(image, "@vocabulary", VOCABULARY, header, sizeof header);
    add_chunks(image);
    return finish(image);
}

/* --------------------------------------------------------------------------------------------------------- vectors */

/* clang-format off */
#define GOOD(what, base) { "valid", what, STAGE_VALID, INGOT_OK, base, { { 0 } }, SEAL_NOTHING, { 0 } }
#define OPEN(rule, what, status, ...)  { rule, what, STAGE_OPEN, status, everything, { __VA_ARGS__ }
#define BASED(rule, what, status, base, ...) { rule, what, STAGE_OPEN, status, base, { __VA_ARGS__ }
#define READ(rule, what, status, ...)  { rule, what, STAGE_VERIFY, status, everything, { __VA_ARGS__ }
#define HPARAM(rule, what, status, off, width, value) \
    { rule, what, STAGE_MODEL, status, everything, { { DATA, "@model", off, width, value, NULL, false } }, SEAL_CONTENT, { 0 } }
#define VOCAB(rule, what, status, off, width, value) \
    { rule, what, STAGE_VOCABULARY, status, everything, { { DATA, "@vocabulary", off, width, value, NULL, false } }, \
      SEAL_CONTENT, { 0 } }
#define SET(where, section, off, width, value) { where, section, off, width, value, NULL, false }
#define ADD(where, section, off, width, value) { where, section, off, width, value, NULL, true }
#define TEXT(where, off, text)                 { where, NULL, off, 0, 0, text, false }
#define RESIZE(n)                              { LENGTH, NULL, n, 0, 0, NULL, false }
#define HERE                                   { 0 } }
#define AT(where, section, off)                { where, section, off, 0, 0, NULL, false } }

const struct vector vectors[] = {
    GOOD("smallest", smallest),
    GOOD("one-matrix", one_matrix),
    GOOD("every-dtype", every_dtype),
    GOOD("panels", panels),
    GOOD("blocks", blocks),
    GOOD("layouts", layouts),
    GOOD("empty-tensors", empty_tensors),
    GOOD("every-rank", every_rank),
    GOOD("everything", everything),
    GOOD("wide-alignment", wide_alignment),
    GOOD("edited", edited),
    GOOD("two-chunks", two_chunks),
    GOOD("hostile-names", hostile_names),
    { "valid", "empty-before-the-index", STAGE_VALID, INGOT_OK, smallest, { SET(RECORD, "@chunks", 80, 8, 8192), SET(SLOTS, NULL, 32, 8, 2) }, SEAL_INDEX, HERE,
    { "valid", "newer-writer", STAGE_VALID, INGOT_OK, everything, { SET(SLOTS, NULL, 10, 2, 2) }, SEAL_SLOTS, HERE,
    { "valid", "unknown-optional-feature", STAGE_VALID, INGOT_OK, everything, { SET(SLOTS, NULL, 24, 8, 1u << 9) }, SEAL_SLOTS, HERE,

    OPEN("F-1", "no-magic", INGOT_E_MAGIC, SET(SLOTS, NULL, 0, 8, 0)), SEAL_SLOTS, HERE,
    OPEN("F-1", "other-file", INGOT_E_MAGIC, TEXT(FILE_START, 0, "GGUF"), RESIZE(4)), SEAL_NOTHING, HERE,
    OPEN("F-2", "crlf-to-lf", INGOT_E_TEXT_MODE, TEXT(SLOTS, 0, "\x89INGOT\n\x01")), SEAL_NOTHING, HERE,
    OPEN("F-2", "lf-to-crlf", INGOT_E_TEXT_MODE, TEXT(SLOTS, 0, "\x89INGOT\r\r\n")), SEAL_NOTHING, HERE,
    OPEN("F-2", "seven-bits", INGOT_E_TEXT_MODE, TEXT(SLOTS, 0, "\tINGOT\r\n")), SEAL_NOTHING, HERE,
    OPEN("F-2", "utf-8", INGOT_E_TEXT_MODE, TEXT(SLOTS, 0, "\xc2\x89INGOT\r\n")), SEAL_NOTHING, HERE,
    OPEN("F-2", "replacement-character", INGOT_E_TEXT_MODE, TEXT(SLOTS, 0, "\xef\xbf\xbdINGOT\r\n")), SEAL_NOTHING, HERE,
    OPEN("F-3", "empty", INGOT_E_TRUNCATED, RESIZE(0)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-3", "five-bytes", INGOT_E_TRUNCATED, RESIZE(5)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-3", "one-slot", INGOT_E_TRUNCATED, RESIZE(4096)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-3", "slots-cut", INGOT_E_TRUNCATED, RESIZE(8191)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-3", "only-b", INGOT_E_TRUNCATED, SET(FILE_START, NULL, 0, 8, 0), RESIZE(5000)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-4", "both-damaged", INGOT_E_SUPERBLOCK, ADD(SLOTS, NULL, 24, 1, 1)), SEAL_NOTHING, AT(FILE_START, NULL, 0),
    OPEN("F-4", "only-b-has-magic", INGOT_E_SUPERBLOCK, ADD(SLOTS, NULL, 24, 1, 1), SET(FILE_START, NULL, 0, 8, 0)),
        SEAL_NOTHING, AT(FILE_START, NULL, 4096),

    OPEN("F-10", "newer-reader", INGOT_E_READ_VERSION, SET(SLOTS, NULL, 8, 2, 2), SET(SLOTS, NULL, 10, 2, 2)), SEAL_SLOTS, HERE,
    OPEN("F-10", "version-0", INGOT_E_RANGE, SET(SLOTS, NULL, 8, 2, 0)), SEAL_SLOTS, HERE,
    OPEN("F-10", "write-below-read", INGOT_E_RANGE, SET(SLOTS, NULL, 10, 2, 0)), SEAL_SLOTS, AT(FILE_START, NULL, 8),
    OPEN("F-11", "size", INGOT_E_RANGE, SET(SLOTS, NULL, 12, 4, 512)), SEAL_SLOTS, HERE,
    OPEN("F-12", "unknown-feature", INGOT_E_FEATURE, SET(SLOTS, NULL, 16, 8, UINT64_C(1) << 63)), SEAL_SLOTS, HERE,
    OPEN("F-13", "generation-0", INGOT_E_RANGE, SET(SLOTS, NULL, 32, 8, 0)), SEAL_SLOTS, HERE,
    OPEN("F-14", "longer-than-found", INGOT_E_TRUNCATED, ADD(SLOTS, NULL, 40, 8, 1)), SEAL_SLOTS, AT(LENGTH, NULL, 0),
    OPEN("F-14", "cut-behind-slots", INGOT_E_TRUNCATED, RESIZE(8192)), SEAL_NOTHING, AT(LENGTH, NULL, 0),
    OPEN("F-15", "small", INGOT_E_RANGE, SET(SLOTS, NULL, 72, 4, 2048)), SEAL_SLOTS, HERE,
    OPEN("F-15", "large", INGOT_E_RANGE, SET(SLOTS, NULL, 72, 4, 4u << 20)), SEAL_SLOTS, HERE,
    OPEN("F-15", "odd", INGOT_E_RANGE, SET(SLOTS, NULL, 72, 4, 4096 + 2048)), SEAL_SLOTS, HERE,
    OPEN("F-16", "after-alignment", INGOT_E_RESERVED, SET(SLOTS, NULL, 77, 1, 1)), SEAL_SLOTS, HERE,
    OPEN("F-16", "first", INGOT_E_RESERVED, SET(SLOTS, NULL, 96, 1, 0x80)), SEAL_SLOTS, HERE,
    OPEN("F-16", "last", INGOT_E_RESERVED, SET(SLOTS, NULL, 247, 1, 1)), SEAL_SLOTS, HERE,
    OPEN("F-17", "in-slot-b", INGOT_E_RANGE, SET(SLOTS, NULL, 48, 8, 4096)), SEAL_SLOTS, HERE,
    OPEN("F-17", "unaligned", INGOT_E_RANGE, ADD(SLOTS, NULL, 48, 8, 32)), SEAL_SLOTS, HERE,
    OPEN("F-17", "beyond", INGOT_E_RANGE, SET(SLOTS, NULL, 48, 8, UINT64_MAX - 63)), SEAL_SLOTS, HERE,
    OPEN("F-17", "in-a-torn-tail", INGOT_E_RANGE, SET(SLOTS, NULL, 48, 8, 1 << 19), RESIZE(1 << 20)), SEAL_SLOTS, HERE,
    OPEN("F-18", "empty", INGOT_E_RANGE, SET(SLOTS, NULL, 56, 8, 0)), SEAL_SLOTS, HERE,
    OPEN("F-18", "odd", INGOT_E_RANGE, ADD(SLOTS, NULL, 56, 8, 1)), SEAL_SLOTS, HERE,
    OPEN("F-18", "beyond", INGOT_E_RANGE, SET(SLOTS, NULL, 56, 8, UINT64_MAX - 63)), SEAL_SLOTS, HERE,
    OPEN("F-18", "into-a-torn-tail", INGOT_E_RANGE, SET(SLOTS, NULL, 56, 8, 1 << 19), RESIZE(1 << 20)), SEAL_SLOTS, HERE,
    OPEN("F-19", "damaged", INGOT_E_INDEX, ADD(INDEX, NULL, 70, 1, 1)), SEAL_NOTHING, AT(INDEX, NULL, 0),

    OPEN("F-20", "magic", INGOT_E_INDEX, SET(INDEX, NULL, 0, 1, 'i')), SEAL_INDEX, HERE,
    OPEN("F-21", "record-size", INGOT_E_RANGE, SET(INDEX, NULL, 12, 4, 256)), SEAL_INDEX, HERE,
    OPEN("F-22", "many", INGOT_E_LIMIT, SET(INDEX, NULL, 8, 4, (1u << 20) + 1)), SEAL_INDEX, HERE,
    OPEN("F-23", "records", INGOT_E_RANGE, ADD(INDEX, NULL, 16, 8, 64)), SEAL_INDEX, HERE,
    OPEN("F-23", "order", INGOT_E_RANGE, ADD(INDEX, NULL, 24, 8, 4)), SEAL_INDEX, HERE,
    OPEN("F-23", "names", INGOT_E_RANGE, ADD(INDEX, NULL, 32, 8, 1)), SEAL_INDEX, HERE,
    OPEN("F-23", "count", INGOT_E_RANGE, ADD(INDEX, NULL, 8, 4, 1)), SEAL_INDEX, AT(INDEX, NULL, 24),
    OPEN("F-24", "longer", INGOT_E_RANGE, ADD(INDEX, NULL, 40, 8, 64)), SEAL_INDEX, HERE,
    OPEN("F-24", "overflow", INGOT_E_RANGE, SET(INDEX, NULL, 40, 8, UINT64_MAX)), SEAL_INDEX, HERE,
    OPEN("F-25", "first", INGOT_E_RESERVED, SET(INDEX, NULL, 48, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-25", "last", INGOT_E_RESERVED, SET(INDEX, NULL, 63, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-26", "last", INGOT_E_RESERVED, SET(INDEX_END, NULL, -1, 1, 1)), SEAL_INDEX, HERE,

    OPEN("F-30", "gap", INGOT_E_RANGE, ADD(RECORD, "m", 0, 4, 1)), SEAL_INDEX, HERE,
    OPEN("F-30", "far", INGOT_E_RANGE, SET(RECORD, "m", 0, 4, UINT32_MAX)), SEAL_INDEX, HERE,
    OPEN("F-31", "empty", INGOT_E_NAME, SET(RECORD, "m", 4, 2, 0)), SEAL_INDEX, HERE,
    OPEN("F-31", "long", INGOT_E_LIMIT, SET(RECORD, "m", 4, 2, 1025)), SEAL_INDEX, HERE,
    OPEN("F-31", "beyond", INGOT_E_RANGE, SET(RECORD, "z", 4, 2, 2)), SEAL_INDEX, HERE,
    OPEN("F-32", "nul-inside", INGOT_E_NAME, ADD(RECORD, "m", 4, 2, 2)), SEAL_INDEX, AT(NAME, "m", 1),
    OPEN("F-32", "no-nul", INGOT_E_NAME, ADD(RECORD, "b16", 4, 2, UINT64_MAX)), SEAL_INDEX, AT(NAME, "b16", 2),
    BASED("F-33", "tensor", INGOT_E_NAME, tensor_with_at, { 0 }), SEAL_NOTHING, AT(NAME, "@w", 0),
    BASED("F-33", "metadata", INGOT_E_NAME, misnamed_metadata, { 0 }), SEAL_NOTHING, AT(NAME, "@metadatum", 0),
    BASED("F-33", "taken", INGOT_E_NAME, unknown_kind_with_taken_name, { 0 }), SEAL_NOTHING, AT(NAME, "@recipe", 0),
    BASED("F-33", "unknown", INGOT_E_NAME, unknown_kind_without_at, { 0 }), SEAL_NOTHING, AT(NAME, "recipe", 0),
    OPEN("F-34", "descending", INGOT_E_ORDER, SET(NAME, "v", 0, 1, 'n')), SEAL_INDEX, AT(RECORD, "v", 0),
    OPEN("F-34", "twice", INGOT_E_ORDER, SET(NAME, "v", 0, 1, 's')), SEAL_INDEX, AT(RECORD, "v", 0),
    OPEN("F-35", "left-over", INGOT_E_RANGE, ADD(INDEX, NULL, 40, 8, 1)), SEAL_INDEX, HERE,
    OPEN("F-36", "first", INGOT_E_RESERVED, SET(RECORD, "m", 14, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-36", "second", INGOT_E_RESERVED, SET(RECORD, "@model", 15, 1, 1)), SEAL_INDEX, HERE,

    OPEN("F-40", "none", INGOT_E_DTYPE, SET(RECORD, "v", 8, 2, 0)), SEAL_INDEX, HERE,
    OPEN("F-40", "unknown", INGOT_E_DTYPE, SET(RECORD, "v", 8, 2, 9)), SEAL_INDEX, HERE,
    OPEN("F-40", "below-q8", INGOT_E_DTYPE, SET(RECORD, "v", 8, 2, 15)), SEAL_INDEX, HERE,
    OPEN("F-40", "above-q4", INGOT_E_DTYPE, SET(RECORD, "v", 8, 2, 18)), SEAL_INDEX, HERE,
    OPEN("F-40", "high", INGOT_E_DTYPE, SET(RECORD, "v", 8, 2, 0x101)), SEAL_INDEX, HERE,
    OPEN("F-41", "unknown", INGOT_E_LAYOUT, SET(RECORD, "v", 10, 2, 2)), SEAL_INDEX, HERE,
    OPEN("F-41", "panels-of-a-vector", INGOT_E_SHAPE, SET(RECORD, "v", 10, 2, 1)), SEAL_INDEX, HERE,
    OPEN("F-41", "panels-of-f64", INGOT_E_SHAPE, SET(RECORD, "d", 10, 2, 1)), SEAL_INDEX, HERE,
    BASED("F-41", "rows-of-q8", INGOT_E_SHAPE, blocks, SET(RECORD, "q8a", 10, 2, 0)), SEAL_INDEX, HERE,
    BASED("F-41", "rows-of-q4", INGOT_E_SHAPE, blocks, SET(RECORD, "q4b", 10, 2, 0)), SEAL_INDEX, HERE,
    BASED("F-41", "a-vector-of-q8", INGOT_E_SHAPE, blocks, SET(RECORD, "q8b", 12, 1, 1)), SEAL_INDEX, AT(RECORD, "q8b", 10),
    BASED("F-41", "q4-of-rank-3", INGOT_E_SHAPE, blocks, SET(RECORD, "q4b", 12, 1, 3)), SEAL_INDEX, AT(RECORD, "q4b", 10),
    OPEN("F-42", "zero", INGOT_E_KIND, SET(RECORD, "@zz", 6, 2, 0)), SEAL_INDEX, HERE,
    OPEN("F-42", "next", INGOT_E_KIND, SET(RECORD, "@zz", 6, 2, 6)), SEAL_INDEX, HERE,
    OPEN("F-42", "last", INGOT_E_KIND, SET(RECORD, "@zz", 6, 2, 0x7fff)), SEAL_INDEX, HERE,
    OPEN("F-43", "nine", INGOT_E_RANGE, SET(RECORD, "s", 12, 1, 9)), SEAL_INDEX, HERE,
    OPEN("F-43", "most", INGOT_E_RANGE, SET(RECORD, "v", 12, 1, 255)), SEAL_INDEX, HERE,
    OPEN("F-44", "next", INGOT_E_RESERVED, SET(RECORD, "v", 24, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-44", "last-byte", INGOT_E_RESERVED, SET(RECORD, "s", 79, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-45", "overflow", INGOT_E_SHAPE, SET(RECORD, "d", 16, 8, UINT64_C(1) << 33), SET(RECORD, "d", 24, 8, UINT64_C(1) << 33)), SEAL_INDEX, HERE,
    OPEN("F-45", "overflow-behind-0", INGOT_E_SHAPE, SET(RECORD, "e", 24, 8, UINT64_C(1) << 63)), SEAL_INDEX, AT(RECORD, "e", 16),
    OPEN("F-45", "overflow-of-padding", INGOT_E_SHAPE, SET(RECORD, "m", 16, 8, UINT64_MAX)), SEAL_INDEX, HERE,
    OPEN("F-45", "size", INGOT_E_SHAPE, ADD(RECORD, "v", 96, 8, 4), ADD(RECORD, "v", 88, 8, 4)), SEAL_INDEX, HERE,
    OPEN("F-45", "shape", INGOT_E_SHAPE, ADD(RECORD, "m", 16, 8, 16)), SEAL_INDEX, AT(RECORD, "m", 96),
    BASED("F-45", "size-of-q8", INGOT_E_SHAPE, blocks, ADD(RECORD, "q8a", 96, 8, 64), ADD(RECORD, "q8a", 88, 8, 64)), SEAL_INDEX, HERE,
    BASED("F-45", "q4-as-q8", INGOT_E_SHAPE, blocks, SET(RECORD, "q4a", 8, 2, 16)), SEAL_INDEX, AT(RECORD, "q4a", 96),
    BASED("F-45", "overflow-of-steps", INGOT_E_SHAPE, blocks, SET(RECORD, "q4a", 16, 8, UINT64_C(1) << 60), SET(RECORD, "q4a", 24, 8, 64)), SEAL_INDEX, HERE,
    BASED("F-45", "overflow-of-padded-inputs", INGOT_E_SHAPE, blocks, SET(RECORD, "q8b", 24, 8, UINT64_MAX)), SEAL_INDEX, AT(RECORD, "q8b", 16),
    BASED("F-45", "overflow-of-panels-of-no-input", INGOT_E_SHAPE, blocks, SET(RECORD, "q8b", 16, 8, UINT64_MAX), SET(RECORD, "q8b", 24, 8, 0)), SEAL_INDEX, HERE,
    BASED("F-45", "overflow-of-inputs-of-no-panel", INGOT_E_SHAPE, blocks, SET(RECORD, "q4b", 16, 8, 0), SET(RECORD, "q4b", 24, 8, UINT64_MAX)), SEAL_INDEX, HERE,
    OPEN("F-46", "dtype", INGOT_E_RESERVED, SET(RECORD, "@metadata", 8, 2, 1)), SEAL_INDEX, HERE,
    OPEN("F-46", "layout", INGOT_E_RESERVED, SET(RECORD, "@model", 10, 2, 1)), SEAL_INDEX, HERE,
    OPEN("F-46", "rank", INGOT_E_RESERVED, SET(RECORD, "@vocabulary", 12, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-46", "shape", INGOT_E_RESERVED, SET(RECORD, "@zz", 16, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-47", "codec", INGOT_E_CODEC, SET(RECORD, "m", 13, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-48", "stored", INGOT_E_RANGE, ADD(RECORD, "m", 88, 8, UINT64_MAX)), SEAL_INDEX, HERE,
    OPEN("F-49", "size", INGOT_E_RANGE, SET(RECORD, "@model", 96, 8, 128), SET(RECORD, "@model", 88, 8, 128)), SEAL_INDEX, HERE,

    HPARAM("F-50", "architecture", INGOT_E_UNSUPPORTED, 0, 4, 2),
    HPARAM("F-51", "n_layer", INGOT_E_MODEL, 4, 4, 0),
    HPARAM("F-51", "n_head", INGOT_E_MODEL, 8, 4, 0),
    HPARAM("F-51", "n_embd", INGOT_E_MODEL, 12, 4, 0),
    HPARAM("F-51", "n_inner", INGOT_E_MODEL, 16, 4, 0),
    HPARAM("F-51", "n_ctx", INGOT_E_MODEL, 20, 4, 0),
    HPARAM("F-51", "n_vocab", INGOT_E_MODEL, 24, 4, 0),
    HPARAM("F-51", "n_vocab_stored", INGOT_E_MODEL, 28, 4, 0),
    HPARAM("F-52", "n_layer", INGOT_E_LIMIT, 4, 4, 65537),
    HPARAM("F-52", "n_head", INGOT_E_LIMIT, 8, 4, 65537),
    HPARAM("F-52", "n_embd", INGOT_E_LIMIT, 12, 4, (1u << 20) + 1),
    HPARAM("F-52", "n_inner", INGOT_E_LIMIT, 16, 4, (1u << 24) + 1),
    HPARAM("F-52", "n_ctx", INGOT_E_LIMIT, 20, 4, (1u << 24) + 1),
    HPARAM("F-52", "n_vocab", INGOT_E_LIMIT, 24, 4, (1u << 24) + 1),
    HPARAM("F-52", "n_vocab_stored", INGOT_E_LIMIT, 28, 4, UINT32_MAX),
    HPARAM("F-53", "n_head", INGOT_E_MODEL, 8, 4, 3),
    HPARAM("F-54", "n_vocab", INGOT_E_MODEL, 24, 4, 273),
    HPARAM("F-55", "none", INGOT_E_MODEL, 32, 4, 0),
    HPARAM("F-55", "unknown", INGOT_E_MODEL, 32, 4, 3),
    HPARAM("F-56", "flag", INGOT_E_MODEL, 36, 4, 5),
    HPARAM("F-57", "zero", INGOT_E_MODEL, 40, 4, 0),
    HPARAM("F-57", "negative-zero", INGOT_E_MODEL, 40, 4, 0x80000000),
    HPARAM("F-57", "negative", INGOT_E_MODEL, 40, 4, 0xbf800000),
    HPARAM("F-57", "infinite", INGOT_E_MODEL, 40, 4, 0x7f800000),
    HPARAM("F-57", "nan", INGOT_E_MODEL, 40, 4, 0x7fc00000),
    HPARAM("F-58", "first", INGOT_E_RESERVED, 44, 1, 1),
    HPARAM("F-58", "last", INGOT_E_RESERVED, 63, 1, 1),

    OPEN("F-60", "unaligned", INGOT_E_RANGE, ADD(RECORD, "v", 80, 8, 4)), SEAL_INDEX, HERE,
    OPEN("F-60", "matrix", INGOT_E_RANGE, ADD(RECORD, "m", 80, 8, 64)), SEAL_INDEX, HERE,
    OPEN("F-60", "vocabulary", INGOT_E_RANGE, ADD(RECORD, "@vocabulary", 80, 8, 64)), SEAL_INDEX, HERE,
    OPEN("F-60", "in-slot-b", INGOT_E_RANGE, SET(RECORD, "v", 80, 8, 4096)), SEAL_INDEX, HERE,
    OPEN("F-60", "empty", INGOT_E_RANGE, ADD(RECORD, "e", 80, 8, 32)), SEAL_INDEX, HERE,
    OPEN("F-61", "begins-beyond", INGOT_E_RANGE, SET(RECORD, "v", 80, 8, UINT64_MAX - 63)), SEAL_INDEX, HERE,
    OPEN("F-61", "ends-beyond", INGOT_E_RANGE, ADD(RECORD, "@provenance", 88, 8, 1), ADD(RECORD, "@provenance", 96, 8, 1)), SEAL_INDEX, HERE,
    OPEN("F-61", "ends-in-a-torn-tail", INGOT_E_RANGE, ADD(RECORD, "@provenance", 88, 8, 64), ADD(RECORD, "@provenance", 96, 8, 64), RESIZE(1 << 20)), SEAL_INDEX, HERE,
    OPEN("F-61", "huge", INGOT_E_RANGE, SET(RECORD, "@provenance", 88, 8, UINT64_MAX), SET(RECORD, "@provenance", 96, 8, UINT64_MAX)), SEAL_INDEX, HERE,
    OPEN("F-62", "no-record", INGOT_E_RANGE, SET(RECORD, "z", 120, 4, UINT32_MAX)), SEAL_INDEX, HERE,
    OPEN("F-62", "not-a-tensor", INGOT_E_RANGE, SET(RECORD, "z", 120, 4, 0)), SEAL_INDEX, HERE,
    OPEN("F-62", "itself", INGOT_E_RANGE, SET(RECORD, "z", 120, 4, 13)), SEAL_INDEX, HERE,
    OPEN("F-63", "digest", INGOT_E_SHAPE, ADD(RECORD, "z", 104, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-63", "place", INGOT_E_SHAPE, ADD(RECORD, "z", 80, 8, 4096)), SEAL_INDEX, AT(RECORD, "z", 81),
    OPEN("F-64", "target", INGOT_E_RESERVED, SET(RECORD, "v", 120, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-64", "high-byte", INGOT_E_RESERVED, SET(RECORD, "@chunks", 123, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-65", "no-record", INGOT_E_ORDER, SET(ORDER, NULL, 4, 4, 14)), SEAL_INDEX, HERE,
    OPEN("F-65", "twice", INGOT_E_ORDER, SET(ORDER, NULL, 4, 4, 2)), SEAL_INDEX, HERE,
    OPEN("F-65", "descending", INGOT_E_ORDER, SET(ORDER, NULL, 0, 4, 5), SET(ORDER, NULL, 4, 4, 2)), SEAL_INDEX, AT(ORDER, NULL, 4),
    OPEN("F-65", "alias-before-its-tensor", INGOT_E_ORDER, SET(ORDER, NULL, 20, 4, 13), SET(ORDER, NULL, 24, 4, 10)), SEAL_INDEX, AT(ORDER, NULL, 24),
    OPEN("F-65", "empty-behind-its-place", INGOT_E_ORDER, SET(ORDER, NULL, 44, 4, 6), SET(ORDER, NULL, 48, 4, 9)), SEAL_INDEX, AT(ORDER, NULL, 48),
    OPEN("F-66", "sections", INGOT_E_OVERLAP, ADD(RECORD, "v", 80, 8, (uint64_t)-128)), SEAL_INDEX, HERE,
    OPEN("F-66", "index", INGOT_E_OVERLAP, ADD(RECORD, "@model", 80, 8, (uint64_t)-64)), SEAL_INDEX, HERE,
    OPEN("F-66", "empty-in-a-section", INGOT_E_OVERLAP, SET(RECORD, "d", 24, 8, 8), SET(RECORD, "d", 88, 8, 128), SET(RECORD, "d", 96, 8, 128)), SEAL_INDEX, AT(RECORD, "e", 80),
    BASED("F-66", "empty-in-the-index", INGOT_E_OVERLAP, smallest, SET(RECORD, "@chunks", 80, 8, 8192 + 64)), SEAL_INDEX, HERE,
    OPEN("F-67", "tail", INGOT_E_RANGE, ADD(SLOTS, NULL, 40, 8, 64), RESIZE(1 << 20)), SEAL_SLOTS, HERE,

    BASED("F-70", "no-chunks", INGOT_E_MISSING, smallest, TEXT(NAME, 0, "@chunkz"), SET(RECORD, "@chunks", 6, 2, 0x9000)), SEAL_INDEX, AT(INDEX, NULL, 0),
    OPEN("F-71", "later", INGOT_E_RANGE, ADD(RECORD, "m", 124, 4, 1)), SEAL_INDEX, HERE,
    OPEN("F-71", "of-an-empty-section", INGOT_E_RANGE, SET(RECORD, "e", 124, 4, 0)), SEAL_INDEX, HERE,
    OPEN("F-72", "alias", INGOT_E_RESERVED, SET(RECORD, "z", 124, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-72", "chunks", INGOT_E_RESERVED, SET(RECORD, "@chunks", 127, 1, 1)), SEAL_INDEX, HERE,
    OPEN("F-73", "size", INGOT_E_RANGE, ADD(RECORD, "@chunks", 96, 8, 8), ADD(RECORD, "@chunks", 88, 8, 8)), SEAL_INDEX, HERE,

    READ("F-80", "b-damaged", INGOT_E_SUPERBLOCK, ADD(FILE_START, NULL, 4096 + 100, 1, 1)), SEAL_NOTHING, AT(FILE_START, NULL, 4096),
    READ("F-80", "a-damaged", INGOT_E_SUPERBLOCK, SET(FILE_START, NULL, 0, 1, 'x')), SEAL_NOTHING, HERE,
    READ("F-80", "b-newer", INGOT_E_SUPERBLOCK, ADD(FILE_START, NULL, 4096 + 32, 1, 1)), SEAL_SLOTS, AT(FILE_START, NULL, 0),
    READ("F-80", "a-newer", INGOT_E_SUPERBLOCK, ADD(FILE_START, NULL, 32, 1, 1)), SEAL_SLOTS, AT(FILE_START, NULL, 4096),
    READ("F-81", "a-first", INGOT_E_RESERVED, SET(FILE_START, NULL, 256, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-81", "a-last", INGOT_E_RESERVED, SET(FILE_START, NULL, 4095, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-81", "b-first", INGOT_E_RESERVED, SET(FILE_START, NULL, 4096 + 256, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-81", "b-last", INGOT_E_RESERVED, SET(FILE_START, NULL, 8191, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-82", "before-a-matrix", INGOT_E_RESERVED, SET(DATA, "m", -1, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-82", "after-a-vector", INGOT_E_RESERVED, SET(DATA, "v", 12, 1, 1)), SEAL_NOTHING, HERE,
    { "F-82", "in-an-edited-file", STAGE_VERIFY, INGOT_E_RESERVED, edited, { SET(DATA, "@provenance", -1, 1, 1) }, SEAL_NOTHING, HERE,
    { "F-82", "before-the-index", STAGE_VERIFY, INGOT_E_RESERVED, edited, { SET(INDEX, NULL, -1, 1, 1) }, SEAL_NOTHING, HERE,
    READ("F-83", "lane", INGOT_E_RESERVED, SET(DATA, "m", 4 * (5 * 16 + 1), 1, 1)), SEAL_CONTENT, HERE,
    READ("F-83", "minus-zero", INGOT_E_RESERVED, SET(DATA, "m", 4 * (9 * 16 + 15) + 3, 1, 0x80)), SEAL_CONTENT, HERE,
    READ("F-83", "input", INGOT_E_RESERVED, SET(DATA, "b16", 2 * ((2 * 16 + 0) * 2 + 1), 1, 1)), SEAL_CONTENT, HERE,
    { "F-83", "scale-of-a-lane", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q8b", 1 * 2 + 1, 1, 0x80) }, SEAL_CONTENT, HERE,
    { "F-83", "scale-of-an-empty-block", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q4a", 576 + 32, 1, 1) }, SEAL_CONTENT, HERE,
    { "F-83", "code-of-a-lane", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q8a", 2 * 1088 + 64 + 1 * 4, 1, 0) }, SEAL_CONTENT, HERE,
    { "F-83", "code-of-an-input", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q8a", 1088 + 64 + 64 + 2, 1, 127) }, SEAL_CONTENT, HERE,
    { "F-83", "high-half", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q4b", 64, 1, 0x98) }, SEAL_CONTENT, HERE,
    { "F-83", "low-half", STAGE_VERIFY, INGOT_E_RESERVED, blocks, { SET(DATA, "q4a", 576 + 64 + 3 * 64 + 3, 1, 0x89) }, SEAL_CONTENT, HERE,
    { "F-84", "wide-gap", STAGE_VERIFY, INGOT_E_RANGE, wide_gap, { { 0 } }, SEAL_NOTHING, AT(RECORD, "@provenance", 80),
    { "F-84", "index-behind", STAGE_VERIFY, INGOT_E_RANGE, edited, { SET(SLOTS, NULL, 32, 8, 1) }, SEAL_SLOTS, AT(FILE_START, NULL, 48),
    READ("F-85", "one-byte", INGOT_E_TRUNCATED, RESIZE(1 << 20)), SEAL_NOTHING, AT(DATA, "@provenance", 29),
    READ("F-86", "tensor", INGOT_E_DIGEST, ADD(DATA, "m", 0, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-86", "last-byte", INGOT_E_DIGEST, ADD(DATA, "@provenance", 28, 1, 1)), SEAL_NOTHING, AT(DATA, "@provenance", 0),
    READ("F-86", "model", INGOT_E_DIGEST, ADD(DATA, "@model", 4, 1, 1)), SEAL_NOTHING, AT(DATA, "@model", 0),
    READ("F-86", "unknown-kind", INGOT_E_DIGEST, ADD(DATA, "@zz", 0, 1, 1)), SEAL_NOTHING, HERE,
    { "F-86", "second-chunk", STAGE_VERIFY, INGOT_E_DIGEST, two_chunks, { ADD(DATA, "big", (4 << 20) + 99, 1, 1) }, SEAL_NOTHING, AT(DATA, "big", 4 << 20),
    READ("F-87", "chunks", INGOT_E_DIGEST, ADD(DATA, "@chunks", 0, 1, 1)), SEAL_NOTHING, HERE,
    READ("F-87", "section", INGOT_E_DIGEST, ADD(RECORD, "@metadata", 119, 1, 1)), SEAL_INDEX, AT(DATA, "@metadata", 0),
    { "F-87", "empty-section", STAGE_VERIFY, INGOT_E_DIGEST, smallest, { ADD(RECORD, "@chunks", 104, 1, 1) }, SEAL_INDEX, AT(DATA, "@chunks", 0),
    READ("F-87", "digest-of-chunks", INGOT_E_DIGEST, ADD(RECORD, "@chunks", 104, 1, 1)), SEAL_INDEX, AT(DATA, "@chunks", 0),
    READ("F-88", "content-id", INGOT_E_DIGEST, ADD(SLOTS, NULL, 80, 1, 1)), SEAL_SLOTS, HERE,

    { "F-90", "short", STAGE_VOCABULARY, INGOT_E_VOCABULARY, short_vocabulary, { { 0 } }, SEAL_NOTHING, AT(DATA, "@vocabulary", 0),
    VOCAB("F-91", "magic", INGOT_E_VOCABULARY, 0, 1, 'b'),
    VOCAB("F-92", "flavour", INGOT_E_UNSUPPORTED, 4, 4, 2),
    VOCAB("F-93", "none", INGOT_E_VOCABULARY, 8, 4, 0),
    VOCAB("F-93", "many", INGOT_E_VOCABULARY, 8, 4, (1u << 24) + 1),
    VOCAB("F-94", "zero", INGOT_E_VOCABULARY, 16, 4, 0),
    VOCAB("F-94", "not-a-power", INGOT_E_VOCABULARY, 16, 4, 3),
    VOCAB("F-94", "full", INGOT_E_VOCABULARY, 16, 4, 1),
    VOCAB("F-95", "end-of-text", INGOT_E_VOCABULARY, 24, 4, N_TOKENS),
    VOCAB("F-96", "pieces-in-header", INGOT_E_VOCABULARY, 32, 8, 64),
    VOCAB("F-96", "bytes-unaligned", INGOT_E_VOCABULARY, 40, 8, V_BYTES + 4),
    VOCAB("F-96", "special-beyond", INGOT_E_VOCABULARY, 48, 8, UINT64_MAX - 63),
    VOCAB("F-96", "merges-beyond", INGOT_E_VOCABULARY, 56, 8, V_TEXT + 256),
    VOCAB("F-96", "text-beyond", INGOT_E_VOCABULARY, 64, 8, V_TEXT + 64),
    VOCAB("F-97", "first", INGOT_E_RESERVED, 80, 1, 1),
    VOCAB("F-97", "last", INGOT_E_RESERVED, 127, 1, 1),
    VOCAB("F-98", "special", INGOT_E_LIMIT, 20, 4, 1025),
    { "F-99", "more-than-the-model", STAGE_VOCABULARY, INGOT_E_VOCABULARY, everything, { SET(DATA, "@model", 24, 4, N_TOKENS - 1) }, SEAL_CONTENT, AT(DATA, "@vocabulary", 8),
};
/* clang-format on */

const size_t n_vectors = sizeof vectors / sizeof vectors[0];

static uint64_t place(const struct image *image, const struct patch *p)
{
    uint64_t index = image->index_off, base = 0;
    switch (p->where) {
    case NOWHERE:
    case FILE_START:
    case SLOTS:
        break;
    case INDEX:
        base = index;
        break;
    case INDEX_END:
        base = index + image->index_bytes;
        break;
    case RECORD:
        base = image_record(image, p->section);
        break;
    case NAME: /* without a section: the first */
        base = index + image_get(image, index + 32, 8);
        if (p->section) base += image_get(image, image_record(image, p->section), 4);
        break;
    case DATA:
        base = image_part(image, p->section)->off;
        break;
    case ORDER:
        base = index + 64 + (uint64_t)128 * image->n_parts;
        break;
    case LENGTH:
        base = image->n;
        break;
    }
    return base + (uint64_t)p->off;
}

static void apply_at(struct image *image, const struct patch *p, uint64_t at)
{
    if (p->width == 0)
        for (size_t i = 0; p->text && p->text[i]; i++) image_put(image, at + i, 1, (uint8_t)p->text[i]);
    else
        image_put(image, at, p->width, p->value + (p->add ? image_get(image, at, p->width) : 0));
}

static void apply(struct image *image, const struct patch *p)
{
    if (p->where == NOWHERE) return;
    if (p->where == LENGTH) {
        image_resize(image, (uint64_t)p->off);
        return;
    }
    apply_at(image, p, place(image, p));
    if (p->where == SLOTS) apply_at(image, p, 4096 + (uint64_t)p->off);
}

struct image *vector_make(const struct vector *vector, uint64_t *at)
{
    struct image *image = vector->base();
    const struct patch *reported = vector->at.where ? &vector->at : &vector->patches[0];
    *at = place(image, reported);
    for (unsigned i = 0; i < 3; i++) apply(image, &vector->patches[i]);
    if (vector->seal == SEAL_SLOTS) image_seal_slots(image);
    if (vector->seal == SEAL_INDEX) image_seal_index(image);
    if (vector->seal == SEAL_CONTENT) image_seal_content(image);
    if (reported->where == LENGTH) *at = image->n;
    return image;
}
