/* regions.h - what every byte of a checkpoint's files is: regions that follow one another without gap or overlap. */
#ifndef INGOT_REGIONS_H
#define INGOT_REGIONS_H

#include "inspect/files.h"

enum region_kind {
    REGION_SUPERBLOCK,
    REGION_INDEX,
    REGION_VOCABULARY,
    REGION_METADATA, /* @model, @chunks, and the texts */
    REGION_EMBEDDING,
    REGION_ATTENTION,
    REGION_MLP,
    REGION_NORMS,
    REGION_UNEMBEDDING,
    REGION_TENSOR,    /* any other */
    REGION_STRUCTURE, /* of a foreign file: headers, names, whatever is no tensor */
    REGION_PADDING,
    REGION_DEAD, /* of an .ingot file: bytes that nothing needs */
    REGION_KINDS,
};

struct region {
    uint64_t off, n_bytes;
    enum region_kind kind;
    const char *name; /* borrowed, hostile; NULL: none */
    size_t name_len;
    uint64_t align;     /* that its offset must have; 0: any */
    uint32_t n_sharing; /* other tensors that show some of these bytes */
    uint64_t resident;  /* bytes in memory */
    uint64_t damaged;   /* bytes in ranges that verification reported */
};

struct region_file {
    struct checkpoint_file file;
    struct region *regions; /* in order of offset; they sum up to the file's length */
    size_t n;
};

struct regions {
    struct region_file *files;
    size_t n_files;
    uint64_t n_absent;   /* tensors whose file is not here */
    uint64_t n_bytes;    /* of all files */
    bool knows_resident; /* else the system does not say */
    bool verified;
};

/* "superblocks", "attention", ...; and the letter that stands for it, a capital. */
const char *region_kind_name(enum region_kind kind);
char region_kind_letter(enum region_kind kind);

/* The kind of a tensor under its canonical name. */
enum region_kind region_kind_of_tensor(const char *name);

/* Of every tensor, to be freed: what the recipe says that fits; without one, what its name looks like. */
enum region_kind *regions_tensor_kinds(const struct checkpoint *cp);

/* Covers bytes[0 .. n_bytes) with the n regions of `owned`, which it sorts, and what lies between. Of those that share
 * bytes the first keeps them. What lies before a region that has an alignment is padding as far as that asks for it,
 * and dead beyond; else it is padding when it is all zero. `out` has room for 3 n + 1; returns how many there are. */
size_t regions_cover(struct region *owned, size_t n, const uint8_t *bytes, uint64_t n_bytes, bool is_ingot,
                     struct region *out);

struct regions regions_of(const struct checkpoint *cp);
void regions_free(struct regions *r);

/* Checks every checksum that the checkpoint has, which reads every byte, and marks what is damaged; returns how many
 * checks failed in *n_damaged. Errors: those of reading. */
enum ingot_status regions_verify(struct regions *r, const struct checkpoint *cp, uint32_t n_threads, bool quiet,
                                 uint64_t *n_damaged, struct ingot_error *err);

/* Marks bytes [off, off + n) of file i as damaged. */
void regions_damage(struct regions *r, size_t i, uint64_t off, uint64_t n);

struct region_total {
    uint64_t n, bytes, resident, damaged;
};

/* The sum over all regions of a kind. */
struct region_total regions_total(const struct regions *r, enum region_kind kind);

#endif
