/* llmc.h - a model file of llm.c: 256 i32 of header, then 16 slots, each stacked over the layers.
 *
 * From karpathy/llm.c: write_model() of train_gpt2.py, ParameterTensors of train_gpt2.c. */
#ifndef INGOT_LLMC_H
#define INGOT_LLMC_H

#include "convert/first_two.h"
#include "convert/ingot_convert.h"
#include "convert/name_pool.h"

#define LLMC_MAGIC           20240326u
#define LLMC_TOKENIZER_MAGIC 20240328u
#define LLMC_HEADER_BYTES    1024u

struct llmc_header {
    uint32_t version;
    uint32_t n_ctx, n_vocab, n_layer, n_head, n_embd;
    uint32_t n_rows; /* of the token embedding, padding included */
};

/* Whether a file that begins so was written by llm.c: as a model, or else as anything. */
bool llmc_knows(const uint8_t *head, size_t n, bool model_only);

/* Checks a whole file and finds its tensors, which are named as llm.c names the slots ("wte"), one for each layer where
 * a slot is stacked ("h.0.qkvw"), with the shapes [out, in]. They are in order of the file and point into `bytes`;
 * path, for errors, and base are borrowed, names are in `names`. Free with free(). Errors: TRUNCATED, SOURCE, LIMIT
 * with the offset; UNSUPPORTED, by name, for other versions and other files of llm.c. */
enum ingot_status llmc_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                             struct name_pool *names, struct llmc_header *header, struct ingot_source_tensor **tensors,
                             size_t *n, struct ingot_error *err);

/* The files of a directory whose name ends so and that begin with this magic. What cannot be opened or read is not
 * found. */
struct first_two llmc_find(const char *directory, const char *suffix, uint32_t magic);

#endif
