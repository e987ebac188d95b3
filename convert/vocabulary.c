/*
 * vocabulary.c - finds the tokenizer of a checkpoint and has it read.
 *
 * tokenizer.json comes first because it says everything, also what would have to be refused; the pairs say only tokens
 * and merges.
 */
#include "convert/vocabulary.h"

#include "convert/vocab_read.h"
#include "format/error.h"

#include <stdlib.h>

#define FILE_LIMIT     (UINT64_C(256) << 20)
#define TOKENIZER_FILE "tokenizer.json"
#define ADDED_FILE     "added_tokens.json"
#define CONFIG_FILE    "tokenizer_config.json"

static const struct {
    const char *tokens, *merges;
} pairs[] = { { "encoder.json", "vocab.bpe" }, { "vocab.json", "merges.txt" } };

/* Files that say that there is a tokenizer, and not GPT-2's. */
static const struct {
    const char *file, *kind;
} other_kinds[] = {
    { "vocab.txt", "WordPiece" },
    { "tokenizer.model", "SentencePiece" },
    { "spiece.model", "SentencePiece" },
    { "sentencepiece.bpe.model", "SentencePiece" },
};

static enum ingot_status open_file(struct vocabulary *v, const char *directory, const char *name, struct input **in,
                                   struct ingot_error *err)
{
    enum ingot_status status = input_open(directory, name, "a tokenizer's two files belong together", in, err);
    if (status != INGOT_OK) return status;
    v->files[v->n_files++] = *in;
    if ((*in)->map.size > FILE_LIMIT)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, (*in)->path, NULL, "%llu bytes; the limit is %llu",
                          (unsigned long long)(*in)->map.size, (unsigned long long)FILE_LIMIT);
    return INGOT_OK;
}

/* What goes with a pair may ask for a space before each text; tokenizer.json says so itself. */
static enum ingot_status check_prefix_space(const struct input *in, struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(vocab_file_text(in), in->path);
    for (;;) {
        struct json_text key, value;
        bool more;
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        if (json_key_is(key, "add_prefix_space") && *value.at == 't')
            return ingot_fail(err, INGOT_E_UNSUPPORTED, value.off, in->path, "only GPT-2's byte-level BPE is known",
                              "not GPT-2's tokenizer: add_prefix_space is true");
    }
}

static enum ingot_status read_config(const char *directory, struct ingot_error *err)
{
    struct input *in;
    if (!path_exists(directory, CONFIG_FILE)) return INGOT_OK;
    enum ingot_status status = input_open(directory, CONFIG_FILE, NULL, &in, err);
    if (status == INGOT_OK) status = check_prefix_space(in, err);
    input_close(in);
    return status;
}

static enum ingot_status read_pair(struct vocabulary *v, const char *directory, const char *tokens, const char *merges,
                                   struct vocab_tables *t, struct ingot_error *err)
{
    struct input *tokens_in, *merges_in, *added_in;
    enum ingot_status status = read_config(directory, err);
    if (status == INGOT_OK) status = open_file(v, directory, tokens, &tokens_in, err);
    if (status == INGOT_OK) status = open_file(v, directory, merges, &merges_in, err);
    if (status == INGOT_OK && path_exists(directory, ADDED_FILE)) {
        status = open_file(v, directory, ADDED_FILE, &added_in, err);
        if (status == INGOT_OK) status = vocab_read_added(added_in, t, err);
    }
    if (status == INGOT_OK) status = vocab_read_map(vocab_file_text(tokens_in), tokens_in->path, t, err);
    if (status == INGOT_OK) status = vocab_tables_close_tokens(t, tokens_in->path, err);
    return status == INGOT_OK ? vocab_read_merges(merges_in, t, err) : status;
}

static enum ingot_status fail_none(const char *directory, struct ingot_error *err)
{
    for (size_t i = 0; i < sizeof other_kinds / sizeof other_kinds[0]; i++)
        if (path_exists(directory, other_kinds[i].file))
            return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, directory,
                              "only GPT-2's byte-level BPE is known", "%s: a %s tokenizer", other_kinds[i].file,
                              other_kinds[i].kind);
    return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, directory,
                      "put tokenizer.json, or vocab.json and merges.txt, beside the weights", "no tokenizer is here");
}

static enum ingot_status read_files(struct vocabulary *v, const char *directory, struct vocab_tables *t,
                                    struct ingot_error *err)
{
    if (path_exists(directory, TOKENIZER_FILE)) {
        struct input *in;
        enum ingot_status status = open_file(v, directory, TOKENIZER_FILE, &in, err);
        return status == INGOT_OK ? vocab_read_tokenizer(in, t, err) : status;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (path_exists(directory, pairs[i].tokens) || path_exists(directory, pairs[i].merges))
            return read_pair(v, directory, pairs[i].tokens, pairs[i].merges, t, err);
    return fail_none(directory, err);
}

enum ingot_status vocabulary_build(const char *directory, uint32_t n_vocab, struct vocabulary *out,
                                   struct ingot_error *err)
{
    struct vocab_tables tables = { .n_vocab = n_vocab };
    *out = (struct vocabulary){ 0 };
    enum ingot_status status = read_files(out, directory, &tables, err);
    if (status == INGOT_OK) status = vocab_tables_encode(&tables, &out->bytes, &out->n_bytes, err);
    vocab_tables_free(&tables);
    if (status != INGOT_OK) vocabulary_free(out);
    return status;
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    free(vocabulary->bytes);
    for (uint32_t i = 0; i < vocabulary->n_files; i++) input_close(vocabulary->files[i]);
    *vocabulary = (struct vocabulary){ 0 };
}
