/* overview.h - what there is to say about a checkpoint as a whole, as names and values: for the terminal and for a
 * page.
 */
#ifndef INGOT_OVERVIEW_H
#define INGOT_OVERVIEW_H

#include "convert/vocabulary.h"
#include "inspect/checkpoint.h"

/* Takes one value; both texts are harmless in a line of a terminal. Under the name "" stands what goes on with the
 * value before. */
typedef void (*overview_fn)(void *ctx, const char *name, const char *value);

/* Versions, content id, slots, ...; of a foreign checkpoint: format, recipe, files, checksums. */
void overview_file(const struct checkpoint *cp, overview_fn say, void *ctx);

/* Hyper-parameters, or "unknown" and why. */
void overview_model(const struct checkpoint *cp, overview_fn say, void *ctx);

void overview_vocabulary(const struct checkpoint *cp, overview_fn say, void *ctx);

/* Of an .ingot file. NULL when there is none, or one that is too short for its header. */
const uint8_t *overview_stored_vocabulary(const struct ingot_file *file);

/* Of a source: the tokenizer in or beside it, to be freed. Ids are compared with the hyper-parameters where those are
 * known. */
enum ingot_status overview_read_vocabulary(const struct checkpoint *cp, struct vocabulary *v, struct ingot_error *err);

/* Of a source: bytes of all tensors, the files in which they are, and tensors whose file is not here. */
uint64_t overview_tensor_bytes(const struct checkpoint *cp);
uint64_t overview_file_count(const struct checkpoint *cp);
uint64_t overview_absent_count(const struct checkpoint *cp);

/* The value as a line of text, at most `room` bytes of one that is text. `cap` is at least 128. */
void overview_fact_text(const struct ingot_fact *f, size_t room, char *out, size_t cap);

#endif
