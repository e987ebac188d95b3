/* fields.h - the structures of an .ingot file as tables of fields, under the names that spec/format.md gives them. */
#ifndef INGOT_FIELDS_H
#define INGOT_FIELDS_H

#include "format/disk.h"

enum field_view {
    VIEW_UINT,
    VIEW_HEX,
    VIEW_TEXT,
    VIEW_F32,
    VIEW_DIGEST,
    VIEW_KIND,
    VIEW_DTYPE,
    VIEW_LAYOUT,
    VIEW_SHAPE, /* of a record: as many dimensions as its rank says */
    VIEW_ARCHITECTURE,
    VIEW_ACTIVATION,
};

struct field {
    uint32_t off, bytes;
    const char *name; /* NULL: reserved, must be zero */
    enum field_view view;
    uint64_t low, high; /* what an integer must lie between; both 0: anything */
    uint32_t multiple;  /* of what it must be a multiple; 0: of nothing */
    const char *rule;   /* of these three, or of being zero; NULL: none */
};

struct field_table {
    const struct field *fields; /* in order, without gaps */
    size_t n;
    uint32_t bytes;
};

extern const struct field_table superblock_fields, index_fields, record_fields, model_fields, vocabulary_fields;

#define FIELD_TEXT_MAX 256

/* The value for people: "panel16", "[50257, 768]", "0x1"; "" for reserved bytes. `base` is the whole structure. Returns
 * out. */
const char *field_value(const struct field *f, const uint8_t *base, char out[FIELD_TEXT_MAX]);

/* What is wrong with it by itself, "must be 256 [F-11]", or NULL. */
const char *field_fault(const struct field *f, const uint8_t *base, char out[FIELD_TEXT_MAX]);

#endif
