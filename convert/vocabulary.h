/*
 * vocabulary.h - the tokenizer files beside a checkpoint become the bytes of the @vocabulary section.
 *
 * Four spellings of one thing are read: `tokenizer.json` (Hugging Face, everything in one file), `vocab.json` with
 * `merges.txt` (Hugging Face), `encoder.json` with `vocab.bpe` (OpenAI), `gpt2_tokenizer.bin` (llm.c). The section
 * depends on the vocabulary alone: whichever spelling it came from, equal vocabularies give equal bytes.
 */
#ifndef INGOT_VOCABULARY_H
#define INGOT_VOCABULARY_H

#include "convert/source.h"

#define VOCABULARY_MAX_FILES 4

struct vocabulary {
    uint8_t *bytes; /* the whole section, as format/disk.h lays it out */
    uint64_t n_bytes;
    struct input *files[VOCABULARY_MAX_FILES]; /* what was read, still open: for provenance and the check that */
    uint32_t n_files;                          /* nothing changed meanwhile */
};

/* Builds the section from the tokenizer files in `directory`. Every id must be below n_vocab. *out is overwritten;
 * after success it is the caller's, to be freed with vocabulary_free(); after a failure it is empty. It is empty after
 * success too, without bytes, when the directory holds no tokenizer: that is worth a warning, no more. Errors: MISSING
 * for one file of a pair without the other, naming that other; UNSUPPORTED, naming what it is, for a tokenizer that is
 * not GPT-2's byte-level kind; SOURCE with file and offset for a malformed file; VOCABULARY, naming the token or the
 * line, for one that contradicts itself or the model; LIMIT, IO, MEMORY. */
enum ingot_status vocabulary_build(const char *directory, uint32_t n_vocab, struct vocabulary *out,
                                   struct ingot_error *err);

/* The same for a source: the tokenizer inside the checkpoint if its format has one, else the files beside it. */
enum ingot_status vocabulary_of_source(const struct ingot_source *src, uint32_t n_vocab, struct vocabulary *out,
                                       struct ingot_error *err);

/* The same for files that are named: one tokenizer.json or llm.c tokenizer, or tokens and merges. MISSING for a file
 * that is not here. */
enum ingot_status vocabulary_of_files(const char *directory, const char *const *names, uint32_t n, uint32_t n_vocab,
                                      struct vocabulary *out, struct ingot_error *err);

/* Frees what any of them gave; a zeroed struct is fine. */
void vocabulary_free(struct vocabulary *vocabulary);

#endif
