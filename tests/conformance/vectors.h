/* vectors.h - files that are valid, and files that break one rule of spec/format.md each, with what a reader must say.
 */
#ifndef CONFORMANCE_VECTORS_H
#define CONFORMANCE_VECTORS_H

#include "format/ingot_format.h"
#include "tests/conformance/image.h"

/* Who finds it: whoever opens the file, uses @model, uses @vocabulary, or reads all bytes; or nobody. */
enum vector_stage { STAGE_OPEN, STAGE_MODEL, STAGE_VOCABULARY, STAGE_VERIFY, STAGE_VALID };

struct vector {
    const char *rule; /* the id in the spec, or "valid" */
    const char *what; /* with the rule, the vector's name */
    enum vector_stage stage;
    enum ingot_status status;
    struct image *(*base)(void);
    struct patch {
        enum where { NOWHERE, FILE_START, SLOTS, INDEX, INDEX_END, RECORD, NAME, DATA, ORDER, LENGTH } where;
        const char *section; /* of RECORD, NAME, DATA */
        int64_t off;         /* from there */
        unsigned width;      /* of the number; 0: `text` */
        uint64_t value;
        const char *text;
        bool add; /* to what stands there */
    } patches[3];
    enum { SEAL_NOTHING, SEAL_SLOTS, SEAL_INDEX, SEAL_CONTENT } seal;
    struct patch at; /* where the status is reported; NOWHERE: at the first patch */
};

extern const struct vector vectors[];
extern const size_t n_vectors;

/* The file, to be freed with image_free(), and the offset that a reader must report. */
struct image *vector_make(const struct vector *vector, uint64_t *at);

#endif
