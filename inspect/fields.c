/* fields.c - the tables of spec/format.md. */
#include "inspect/fields.h"

#include "format/bytes.h"
#include "format/error.h"
#include "format/file.h"
#include "inspect/cli/human.h"

#include <inttypes.h>
#include <stdio.h>

#define U32_MAX                 ((uint64_t)UINT32_MAX)
#define U64_MAX                 UINT64_MAX
#define TABLE(name, rows, size) const struct field_table name = { rows, sizeof rows / sizeof *rows, size }

static const struct field superblock_rows[] = {
    { 0, SB_MAGIC_BYTES, "magic", VIEW_TEXT, 0, 0, 0, NULL },
    { SB_READ_VERSION_OFF, 2, "read version", VIEW_UINT, 1, SB_READ_VERSION, 0, "F-10" },
    { SB_WRITE_VERSION_OFF, 2, "write version", VIEW_UINT, 1, UINT16_MAX, 0, "F-10" },
    { SB_SIZE_OFF, 4, "size", VIEW_UINT, SB_BYTES, SB_BYTES, 0, "F-11" },
    { SB_MUST_OFF, 8, "must features", VIEW_HEX, 0, 0, 0, NULL },
    { SB_MAY_OFF, 8, "may features", VIEW_HEX, 0, 0, 0, NULL },
    { SB_GENERATION_OFF, 8, "generation", VIEW_UINT, 1, U64_MAX, 0, "F-13" },
    { SB_FILE_BYTES_OFF, 8, "length", VIEW_UINT, 0, 0, 0, NULL },
    { SB_INDEX_OFF_OFF, 8, "index offset", VIEW_UINT, INDEX_CANONICAL_OFF, U64_MAX, SECTION_ALIGN, "F-17" },
    { SB_INDEX_BYTES_OFF, 8, "index length", VIEW_UINT, IX_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-18" },
    { SB_INDEX_HASH_OFF, 8, "index hash", VIEW_HEX, 0, 0, 0, NULL },
    { SB_ALIGN_OFF, 4, "alignment", VIEW_UINT, MATRIX_ALIGN, MATRIX_ALIGN_MAX, MATRIX_ALIGN, "F-15" },
    { 76, 4, NULL, VIEW_HEX, 0, 0, 0, "F-16" },
    { SB_CONTENT_ID_OFF, 16, "content id", VIEW_DIGEST, 0, 0, 0, NULL },
    { 96, 152, NULL, VIEW_HEX, 0, 0, 0, "F-16" },
    { SB_HASH_OFF, 8, "hash", VIEW_HEX, 0, 0, 0, NULL },
};
TABLE(superblock_fields, superblock_rows, SB_BYTES);

static const struct field index_rows[] = {
    { 0, 8, "magic", VIEW_TEXT, 0, 0, 0, NULL },
    { IX_COUNT_OFF, 4, "n", VIEW_UINT, 0, INGOT_MAX_SECTIONS, 0, "F-22" },
    { IX_RECORD_BYTES_OFF, 4, "record size", VIEW_UINT, RECORD_BYTES, RECORD_BYTES, 0, "F-21" },
    { IX_RECORDS_OFF_OFF, 8, "records", VIEW_UINT, IX_HEADER_BYTES, IX_HEADER_BYTES, 0, "F-23" },
    { IX_ORDER_OFF_OFF, 8, "order", VIEW_UINT, 0, 0, 0, NULL },
    { IX_NAMES_OFF_OFF, 8, "names", VIEW_UINT, 0, 0, 0, NULL },
    { IX_NAMES_BYTES_OFF, 8, "names length", VIEW_UINT, 0, 0, 0, NULL },
    { 48, 16, NULL, VIEW_HEX, 0, 0, 0, "F-25" },
};
TABLE(index_fields, index_rows, IX_HEADER_BYTES);

static const struct field record_rows[] = {
    { RECORD_NAME_OFF_OFF, 4, "name offset", VIEW_UINT, 0, 0, 0, NULL },
    { RECORD_NAME_LEN_OFF, 2, "name length", VIEW_UINT, 1, INGOT_MAX_NAME, 0, "F-31" },
    { RECORD_KIND_OFF, 2, "kind", VIEW_KIND, 0, 0, 0, NULL },
    { RECORD_DTYPE_OFF, 2, "dtype", VIEW_DTYPE, 0, 0, 0, NULL },
    { RECORD_LAYOUT_OFF, 2, "layout", VIEW_LAYOUT, 0, 0, 0, NULL },
    { RECORD_RANK_OFF, 1, "rank", VIEW_UINT, 0, INGOT_MAX_RANK, 0, "F-43" },
    { RECORD_CODEC_OFF, 1, "codec", VIEW_UINT, 0, 0, 0, NULL },
    { 14, 2, NULL, VIEW_HEX, 0, 0, 0, "F-36" },
    { RECORD_SHAPE_OFF, 8 * INGOT_MAX_RANK, "shape", VIEW_SHAPE, 0, 0, 0, NULL },
    { RECORD_DATA_OFF_OFF, 8, "offset", VIEW_UINT, INDEX_CANONICAL_OFF, U64_MAX, SECTION_ALIGN, "F-60" },
    { RECORD_STORED_BYTES_OFF, 8, "stored bytes", VIEW_UINT, 0, 0, 0, NULL },
    { RECORD_RAW_BYTES_OFF, 8, "raw bytes", VIEW_UINT, 0, 0, 0, NULL },
    { RECORD_DIGEST_OFF, 16, "digest", VIEW_DIGEST, 0, 0, 0, NULL },
    { RECORD_TARGET_OFF, 4, "target", VIEW_UINT, 0, 0, 0, NULL },
    { RECORD_FIRST_CHUNK_OFF, 4, "first chunk", VIEW_UINT, 0, 0, 0, NULL },
};
TABLE(record_fields, record_rows, RECORD_BYTES);

static const struct field model_rows[] = {
    { MODEL_ARCH_OFF, 4, "architecture", VIEW_ARCHITECTURE, MODEL_ARCH_GPT2, MODEL_ARCH_GPT2, 0, "F-50" },
    { MODEL_N_LAYER_OFF, 4, "n_layer", VIEW_UINT, 1, LIMIT_N_LAYER, 0, "F-52" },
    { MODEL_N_HEAD_OFF, 4, "n_head", VIEW_UINT, 1, LIMIT_N_HEAD, 0, "F-52" },
    { MODEL_N_EMBD_OFF, 4, "n_embd", VIEW_UINT, 1, LIMIT_N_EMBD, 0, "F-52" },
    { MODEL_N_INNER_OFF, 4, "n_inner", VIEW_UINT, 1, LIMIT_N_INNER, 0, "F-52" },
    { MODEL_N_CTX_OFF, 4, "n_ctx", VIEW_UINT, 1, LIMIT_N_CTX, 0, "F-52" },
    { MODEL_N_VOCAB_OFF, 4, "n_vocab", VIEW_UINT, 1, LIMIT_N_VOCAB, 0, "F-52" },
    { MODEL_N_STORED_OFF, 4, "n_vocab_stored", VIEW_UINT, 1, LIMIT_N_VOCAB, 0, "F-52" },
    { MODEL_ACTIVATION_OFF, 4, "activation", VIEW_ACTIVATION, INGOT_GELU_TANH, INGOT_GELU_ERF, 0, "F-55" },
    { MODEL_ATTENTION_OFF, 4, "attention", VIEW_HEX, 0, INGOT_ATTN_SCALE | INGOT_ATTN_SCALE_BY_LAYER, 0, "F-56" },
    { MODEL_EPSILON_OFF, 4, "epsilon", VIEW_F32, 0, 0, 0, NULL },
    { 44, 20, NULL, VIEW_HEX, 0, 0, 0, "F-58" },
};
TABLE(model_fields, model_rows, INGOT_HPARAMS_BYTES);

static const struct field vocabulary_rows[] = {
    { 0, 4, "magic", VIEW_TEXT, 0, 0, 0, NULL },
    { VOCAB_FLAVOUR_OFF, 4, "flavour", VIEW_UINT, VOCAB_FLAVOUR_GPT2, VOCAB_FLAVOUR_GPT2, 0, "F-92" },
    { VOCAB_N_TOKENS_OFF, 4, "n_tokens", VIEW_UINT, 1, LIMIT_N_VOCAB, 0, "F-93" },
    { VOCAB_N_MERGES_OFF, 4, "n_merges", VIEW_UINT, 0, 0, 0, NULL },
    { VOCAB_N_SLOTS_OFF, 4, "n_slots", VIEW_UINT, 1, U32_MAX, 0, "F-94" },
    { VOCAB_N_SPECIAL_OFF, 4, "n_special", VIEW_UINT, 0, VOCAB_MAX_SPECIAL, 0, "F-98" },
    { VOCAB_EOT_OFF, 4, "end of text", VIEW_UINT, 0, 0, 0, NULL },
    { VOCAB_MAX_PIECE_OFF, 4, "longest", VIEW_UINT, 0, 0, 0, NULL },
    { VOCAB_PIECES_OFF_OFF, 8, "pieces", VIEW_UINT, VOCAB_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-96" },
    { VOCAB_BYTES_OFF_OFF, 8, "bytes", VIEW_UINT, VOCAB_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-96" },
    { VOCAB_SPECIAL_OFF_OFF, 8, "special", VIEW_UINT, VOCAB_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-96" },
    { VOCAB_MERGES_OFF_OFF, 8, "merges", VIEW_UINT, VOCAB_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-96" },
    { VOCAB_TEXT_OFF_OFF, 8, "text", VIEW_UINT, VOCAB_HEADER_BYTES, U64_MAX, SECTION_ALIGN, "F-96" },
    { VOCAB_TEXT_BYTES_OFF, 8, "text length", VIEW_UINT, 0, 0, 0, NULL },
    { 80, 48, NULL, VIEW_HEX, 0, 0, 0, "F-97" },
};
TABLE(vocabulary_fields, vocabulary_rows, VOCAB_HEADER_BYTES);

/* An integer of 1, 2, 4 or 8 bytes. */
static uint64_t read_uint(const struct field *f, const uint8_t *base)
{
    const uint8_t *p = base + f->off;
    return f->bytes == 1 ? *p : f->bytes == 2 ? get_u16(p) : f->bytes == 4 ? get_u32(p) : get_u64(p);
}

static void shape_value(const uint8_t *record, char *out)
{
    uint32_t rank = record[RECORD_RANK_OFF] < INGOT_MAX_RANK ? record[RECORD_RANK_OFF] : INGOT_MAX_RANK;
    size_t n = (size_t)snprintf(out, FIELD_TEXT_MAX, "[");
    for (uint32_t i = 0; i < rank; i++)
        n += (size_t)snprintf(out + n, FIELD_TEXT_MAX - n, "%s%" PRIu64, i ? ", " : "",
                              get_u64(record + RECORD_SHAPE_OFF + 8 * (size_t)i));
    snprintf(out + n, FIELD_TEXT_MAX - n, "]");
}

static float f32_at(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* "tensor (1)" */
static void named_value(const struct field *f, uint64_t value, char *out)
{
    static const char *const activations[] = { "?", "GELU by tanh", "GELU by erf" };
    const char *name = "?";
    if (f->view == VIEW_KIND) name = ingot_kind_name((enum ingot_kind)value);
    if (f->view == VIEW_DTYPE) name = value ? ingot_dtype_name((enum ingot_dtype)value) : "none";
    if (f->view == VIEW_LAYOUT) name = ingot_layout_name((enum ingot_layout)value);
    if (f->view == VIEW_ARCHITECTURE && value == MODEL_ARCH_GPT2) name = "gpt2";
    if (f->view == VIEW_ACTIVATION && value <= INGOT_GELU_ERF) name = activations[value];
    snprintf(out, FIELD_TEXT_MAX, "%" PRIu64 ", %s", value, name);
}

const char *field_value(const struct field *f, const uint8_t *base, char out[FIELD_TEXT_MAX])
{
    const uint8_t *p = base + f->off;
    *out = '\0';
    if (!f->name) return out;
    switch (f->view) {
    case VIEW_UINT:
        snprintf(out, FIELD_TEXT_MAX, "%" PRIu64, read_uint(f, base));
        break;
    case VIEW_HEX:
        snprintf(out, FIELD_TEXT_MAX, "0x%" PRIx64, read_uint(f, base));
        break;
    case VIEW_TEXT:
        ingot_escape((const char *)p, f->bytes, out, FIELD_TEXT_MAX);
        break;
    case VIEW_F32:
        snprintf(out, FIELD_TEXT_MAX, "%.9g", (double)f32_at(p));
        break;
    case VIEW_DIGEST:
        snprintf(out, FIELD_TEXT_MAX, "%s", human_digest((struct ingot_digest){ get_u64(p), get_u64(p + 8) }).text);
        break;
    case VIEW_SHAPE:
        shape_value(base, out);
        break;
    case VIEW_KIND:
    case VIEW_DTYPE:
    case VIEW_LAYOUT:
    case VIEW_ARCHITECTURE:
    case VIEW_ACTIVATION:
        named_value(f, read_uint(f, base), out);
        break;
    }
    return out;
}

const char *field_fault(const struct field *f, const uint8_t *base, char out[FIELD_TEXT_MAX])
{
    if (!f->name) {
        if (zero_run(base + f->off, f->bytes) == f->bytes) return NULL;
        snprintf(out, FIELD_TEXT_MAX, "must be zero [%s]", f->rule);
        return out;
    }
    if (f->low == 0 && f->high == 0) return NULL;
    uint64_t value = read_uint(f, base);
    if (value < f->low && f->high == U64_MAX)
        snprintf(out, FIELD_TEXT_MAX, "must be at least %" PRIu64 " [%s]", f->low, f->rule);
    else if ((value < f->low || value > f->high) && f->low == f->high)
        snprintf(out, FIELD_TEXT_MAX, "must be %" PRIu64 " [%s]", f->low, f->rule);
    else if (value < f->low || value > f->high)
        snprintf(out, FIELD_TEXT_MAX, "must be %" PRIu64 " .. %" PRIu64 " [%s]", f->low, f->high, f->rule);
    else if (f->multiple && value % f->multiple != 0)
        snprintf(out, FIELD_TEXT_MAX, "must be a multiple of %u [%s]", f->multiple, f->rule);
    else
        return NULL;
    return out;
}
