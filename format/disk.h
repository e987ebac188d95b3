/*
 * disk.h - every number that stands on disk, once, named as in spec/format.md.
 *
 * All integers are little-endian. XXX_OFF are byte offsets inside their structure. Fields that are not named here
 * are reserved: written as zero, and refused when they are not.
 */
#ifndef INGOT_DISK_H
#define INGOT_DISK_H

#include "format/ingot_format.h"

#include <assert.h>

/* ------------------------------------------------------------------------------------------------- superblock */

#define SB_MAGIC            "\x89INGOT\r\n" /* a high bit and a CR-LF: text-mode transfers damage it visibly */
#define SB_MAGIC_BYTES      8u
#define SB_SLOT_BYTES       4096u /* slot A at 0, slot B at 4096; 256 used, the rest zero */
#define SB_BYTES            256u
#define INDEX_CANONICAL_OFF (2u * SB_SLOT_BYTES) /* in a fresh file the index follows the slots */

enum {
    SB_READ_VERSION_OFF = 8,   /* u16 */
    SB_WRITE_VERSION_OFF = 10, /* u16 */
    SB_SIZE_OFF = 12,          /* u32, 256 */
    SB_MUST_OFF = 16,          /* u64 feature bits that must be understood */
    SB_MAY_OFF = 24,           /* u64 feature bits that may be ignored */
    SB_GENERATION_OFF = 32,    /* u64, 1 in a fresh file */
    SB_FILE_BYTES_OFF = 40,    /* u64 */
    SB_INDEX_OFF_OFF = 48,     /* u64, a multiple of 64 */
    SB_INDEX_BYTES_OFF = 56,   /* u64 */
    SB_INDEX_HASH_OFF = 64,    /* u64 XXH3-64 of the index's bytes */
    SB_ALIGN_OFF = 72,         /* u32, power of two, 4096 .. 2 MiB */
    SB_CONTENT_ID_OFF = 80,    /* 2 x u64: low half, high half */
    SB_HASH_OFF = 248,         /* u64 XXH3-64 of bytes 0 .. 247 */
};

#define SB_READ_VERSION  1u
#define SB_WRITE_VERSION 1u
#define SB_MUST_KNOWN    UINT64_C(0)
#define SB_MAY_KNOWN     UINT64_C(0)

/* ------------------------------------------------------------------------------------------------------- index */

#define IX_MAGIC        "INDEX\r\n\0"
#define IX_HEADER_BYTES 64u

enum {
    IX_COUNT_OFF = 8,         /* u32 number of records */
    IX_RECORD_BYTES_OFF = 12, /* u32, 128 */
    IX_RECORDS_OFF_OFF = 16,  /* u64 from the start of the index, 64 */
    IX_ORDER_OFF_OFF = 24,    /* u64: u32 per record, record numbers in order of offset */
    IX_NAMES_OFF_OFF = 32,    /* u64 */
    IX_NAMES_BYTES_OFF = 40,  /* u64, NULs included */
};
/* Records follow the header; the order array follows the records; names follow the order array; zero bytes fill the
 * index to a multiple of 64. Each name is followed by one NUL. Names stand in the order of the records, without gap. */

#define RECORD_BYTES 128u
enum {
    RECORD_NAME_OFF_OFF = 0,      /* u32 into the names */
    RECORD_NAME_LEN_OFF = 4,      /* u16 without the NUL */
    RECORD_KIND_OFF = 6,          /* u16 */
    RECORD_DTYPE_OFF = 8,         /* u16 */
    RECORD_LAYOUT_OFF = 10,       /* u16 */
    RECORD_RANK_OFF = 12,         /* u8 */
    RECORD_CODEC_OFF = 13,        /* u8, 0 = stored as is */
    RECORD_SHAPE_OFF = 16,        /* 8 x u64, outermost first, unused 0 */
    RECORD_DATA_OFF_OFF = 80,     /* u64 from the start of the file */
    RECORD_STORED_BYTES_OFF = 88, /* u64 */
    RECORD_RAW_BYTES_OFF = 96,    /* u64 */
    RECORD_DIGEST_OFF = 104,      /* 2 x u64: low half, high half */
    RECORD_TARGET_OFF = 120,      /* u32: alias: record number of its tensor; others 0 */
    RECORD_FIRST_CHUNK_OFF = 124, /* u32: number of the first entry in @chunks; aliases and @chunks itself 0 */
};

#define CODEC_NONE       0u
#define SECTION_ALIGN    64u   /* every section */
#define MATRIX_ALIGN     4096u /* tensors of rank 2 and more, and @vocabulary; the superblock's align raises it */
#define MATRIX_ALIGN_MAX (2u << 20)

static_assert(SB_HASH_OFF + 8 == SB_BYTES, "the superblock ends with its checksum");
static_assert(RECORD_FIRST_CHUNK_OFF + 4 == RECORD_BYTES, "a record is two cache lines");
static_assert(RECORD_SHAPE_OFF + 8 * INGOT_MAX_RANK == RECORD_DATA_OFF_OFF, "eight dimensions");

/* ------------------------------------------------------------------------------------------------------- @model */

enum {
    MODEL_ARCH_OFF = 0,        /* u32, 1 = gpt2 */
    MODEL_N_LAYER_OFF = 4,     /* u32 */
    MODEL_N_HEAD_OFF = 8,      /* u32 */
    MODEL_N_EMBD_OFF = 12,     /* u32 */
    MODEL_N_INNER_OFF = 16,    /* u32 */
    MODEL_N_CTX_OFF = 20,      /* u32 */
    MODEL_N_VOCAB_OFF = 24,    /* u32 logical */
    MODEL_N_STORED_OFF = 28,   /* u32 rows of wte */
    MODEL_ACTIVATION_OFF = 32, /* u32 enum ingot_activation */
    MODEL_ATTENTION_OFF = 36,  /* u32 enum ingot_attention_flags */
    MODEL_EPSILON_OFF = 40,    /* f32 */
};
#define MODEL_ARCH_GPT2 1u

/* Limits of the hyper-parameters; far above any GPT-2, low enough that no size of a model overflows 64 bits: a cache of
 * keys and values is the largest, with at most 2^63 bytes. */
#define LIMIT_N_LAYER 65536u
#define LIMIT_N_HEAD  65536u
#define LIMIT_N_EMBD  (1u << 20)
#define LIMIT_N_INNER (1u << 24)
#define LIMIT_N_CTX   (1u << 24)
#define LIMIT_N_VOCAB (1u << 24)

/* --------------------------------------------------------------------------------------------------- @vocabulary */

/* A byte-level BPE, ready to use in place. Header of 128 bytes, then tables at 64-byte-aligned offsets:
 *   pieces   u32[n_tokens + 1]   end offsets: token i is bytes piece_bytes[pieces[i] .. pieces[i+1])
 *   bytes    u32[256]            token id of each single byte
 *   special  u32[n_special]      ids that are special tokens, ascending
 *   merges   slots of 16 bytes   open addressing, n_slots a power of two, linear probing:
 *                                u32 left, u32 right, u32 rank, u32 merged; an empty slot is all 0xff
 *   text     the bytes of all tokens, one after the other, raw (not the printable spelling)
 * Home slot of a pair: ((left * 0x9E3779B97F4A7C15 + right * 0xC2B2AE3D27D4EB4F) >> 32) & (n_slots - 1), in 64-bit
 * arithmetic modulo 2^64. Pairs are inserted in order of rank; a pair stands at most VOCAB_MAX_PROBES - 1 slots after
 * its home slot, so that a look-up ends soon whatever the table holds. The canonical n_slots is the least power of two
 * not below 2 n_merges. */
#define VOCAB_MAGIC        "BPE1"
#define VOCAB_HEADER_BYTES 128u
#define VOCAB_NO_TOKEN     UINT32_MAX
#define VOCAB_HASH_LEFT    UINT64_C(0x9E3779B97F4A7C15)
#define VOCAB_HASH_RIGHT   UINT64_C(0xC2B2AE3D27D4EB4F)
#define VOCAB_SLOT_BYTES   16u
#define VOCAB_MAX_PROBES   1024u
#define VOCAB_MAX_SPECIAL  1024u
enum {
    VOCAB_FLAVOUR_OFF = 4,      /* u32, 1 = GPT-2's byte-level BPE and split pattern */
    VOCAB_N_TOKENS_OFF = 8,     /* u32; ids 0 .. n_tokens - 1; an unused id has no bytes */
    VOCAB_N_MERGES_OFF = 12,    /* u32 */
    VOCAB_N_SLOTS_OFF = 16,     /* u32 power of two, > n_merges */
    VOCAB_N_SPECIAL_OFF = 20,   /* u32 */
    VOCAB_EOT_OFF = 24,         /* u32 id of <|endoftext|>, or VOCAB_NO_TOKEN */
    VOCAB_MAX_PIECE_OFF = 28,   /* u32 bytes of the longest token */
    VOCAB_PIECES_OFF_OFF = 32,  /* u64, all offsets from the start of the section */
    VOCAB_BYTES_OFF_OFF = 40,   /* u64 */
    VOCAB_SPECIAL_OFF_OFF = 48, /* u64 */
    VOCAB_MERGES_OFF_OFF = 56,  /* u64 */
    VOCAB_TEXT_OFF_OFF = 64,    /* u64 */
    VOCAB_TEXT_BYTES_OFF = 72,  /* u64 */
};
#define VOCAB_FLAVOUR_GPT2 1u

#endif
