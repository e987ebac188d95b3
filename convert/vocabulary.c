/*
 * vocabulary.c - finds the tokenizer of a checkpoint and has it read.
 *
 * tokenizer.json comes first because it says everything, also what would have to be refused; the pairs say only tokens
 * and merges; llm.c's file, which comes last, only tokens.
 */
#include "convert/vocabulary.h"

#include "convert/array.h"
#include "convert/llmc.h"
#include "convert/vocab_read.h"

#include <string.h>

#define FILE_LIMIT     (UINT64_C(256) << 20)
#define TOKENIZER_FILE "tokenizer.json"
#define ADDED_FILE     "added_tokens.json"
#define SPECIAL_FILE   "special_tokens_map.json"
#define CONFIG_FILE    "tokenizer_config.json"
#define LLMC_FILE      "gpt2_tokenizer.bin"
#define LLMC_SUFFIX    "tokenizer.bin"
#define SHOWN_BYTES    64

static const struct {
    const char *tokens, *merges;
} pairs[] = { { "encoder.json", "vocab.bpe" }, { "vocab.json", "merges.txt" } };
#define N_PAIRS (sizeof pairs / sizeof pairs[0])

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

/* Fields of tokenizer_config.json that, when true, add something to each text. transformers lets them win over what
 * tokenizer.json says. */
static bool adds_to_text(struct json_text key, struct json_text value)
{
    return *value.at == 't' && (json_key_is(key, "add_prefix_space") || json_key_is(key, "add_bos_token"));
}

/* A pair of files does not say whose it is: RoBERTa's looks the same and means other ids. */
static bool is_other_class(struct json_text key, struct json_text value)
{
    static const char *const gpt2[] = { "GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer",
                                        "CodeGenTokenizerFast", "PreTrainedTokenizerFast" };
    if (!json_key_is(key, "tokenizer_class") || *value.at != '"') return false;
    for (size_t i = 0; i < sizeof gpt2 / sizeof gpt2[0]; i++)
        if (json_key_is(value, gpt2[i])) return false;
    return true;
}

static enum ingot_status check_config(const struct input *in, bool of_pair, struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(vocab_file_text(in), in->path);
    for (;;) {
        struct json_text key, value;
        bool more;
        char name[SHOWN_BYTES], shown[SHOWN_BYTES];
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        if (adds_to_text(key, value) || (of_pair && is_other_class(key, value)))
            return ingot_fail(err, INGOT_E_UNSUPPORTED, value.off, in->path, "only GPT-2's byte-level BPE is known",
                              "not GPT-2's tokenizer: %s is %s", ingot_escape(key.at, key.n, name, sizeof name),
                              ingot_escape(value.at, value.n, shown, sizeof shown));
    }
}

static enum ingot_status read_config(const char *directory, bool of_pair, struct ingot_error *err)
{
    struct input *in;
    if (!path_exists(directory, CONFIG_FILE)) return INGOT_OK;
    enum ingot_status status = input_open(directory, CONFIG_FILE, NULL, &in, err);
    if (status == INGOT_OK) status = check_config(in, of_pair, err);
    input_close(in);
    return status;
}

static enum ingot_status read_pair(struct vocabulary *v, const char *directory, const char *tokens, const char *merges,
                                   struct vocab_tables *t, struct ingot_error *err)
{
    struct input *tokens_in, *merges_in, *more_in;
    enum ingot_status status = read_config(directory, true, err);
    if (status == INGOT_OK) status = open_file(v, directory, tokens, &tokens_in, err);
    if (status == INGOT_OK) status = open_file(v, directory, merges, &merges_in, err);
    if (status == INGOT_OK && path_exists(directory, ADDED_FILE)) {
        status = open_file(v, directory, ADDED_FILE, &more_in, err);
        if (status == INGOT_OK) status = vocab_read_added(more_in, t, err);
    }
    if (status == INGOT_OK) status = vocab_read_map(vocab_file_text(tokens_in), tokens_in->path, t, err);
    if (status == INGOT_OK) status = vocab_tables_close_tokens(t, tokens_in->path, err);
    if (status == INGOT_OK) status = vocab_read_merges(merges_in, t, err);
    if (status != INGOT_OK || !path_exists(directory, SPECIAL_FILE)) return status;
    status = open_file(v, directory, SPECIAL_FILE, &more_in, err);
    return status == INGOT_OK ? vocab_read_special(more_in, t, err) : status;
}

static enum ingot_status read_llmc(struct vocabulary *v, const char *directory, const char *name,
                                   struct vocab_tables *t, struct ingot_error *err)
{
    struct input *in;
    enum ingot_status status = open_file(v, directory, name, &in, err);
    return status == INGOT_OK ? vocab_read_llmc(in, t, err) : status;
}

/* The file that llm.c's own script writes, or the only one of its kind. *found is false when there is none. */
static enum ingot_status find_and_read_llmc(struct vocabulary *v, const char *directory, struct vocab_tables *t,
                                            bool *found, struct ingot_error *err)
{
    *found = true;
    if (path_exists(directory, LLMC_FILE)) return read_llmc(v, directory, LLMC_FILE, t, err);
    const struct first_two others = llmc_find(directory, LLMC_SUFFIX, LLMC_TOKENIZER_MAGIC);
    if (others.n > 1)
        return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, directory, "call the right one " LLMC_FILE,
                          "%zu tokenizers of llm.c in one directory", others.n);
    *found = others.n == 1;
    return *found ? read_llmc(v, directory, others.names[0], t, err) : INGOT_OK;
}

/* A directory without a tokenizer leaves *v empty; one with a tokenizer of another kind is an error. */
static enum ingot_status check_other_kinds(const char *directory, struct ingot_error *err)
{
    for (size_t i = 0; i < sizeof other_kinds / sizeof other_kinds[0]; i++)
        if (path_exists(directory, other_kinds[i].file))
            return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, directory,
                              "only GPT-2's byte-level BPE is known", "%s: a %s tokenizer", other_kinds[i].file,
                              other_kinds[i].kind);
    return INGOT_OK;
}

/* The first pair that is complete, else the first of which one file is here: opening the other says what is missing.
 * N_PAIRS when there is none. */
static size_t find_pair(const char *directory)
{
    size_t half = N_PAIRS;
    for (size_t i = 0; i < N_PAIRS; i++) {
        bool tokens = path_exists(directory, pairs[i].tokens), merges = path_exists(directory, pairs[i].merges);
        if (tokens && merges) return i;
        if ((tokens || merges) && half == N_PAIRS) half = i;
    }
    return half;
}

static enum ingot_status read_files(struct vocabulary *v, const char *directory, struct vocab_tables *t,
                                    struct ingot_error *err)
{
    if (path_exists(directory, TOKENIZER_FILE)) {
        struct input *in;
        enum ingot_status status = read_config(directory, false, err);
        if (status == INGOT_OK) status = open_file(v, directory, TOKENIZER_FILE, &in, err);
        return status == INGOT_OK ? vocab_read_tokenizer(in, t, err) : status;
    }
    size_t pair = find_pair(directory);
    if (pair < N_PAIRS) return read_pair(v, directory, pairs[pair].tokens, pairs[pair].merges, t, err);
    bool found;
    enum ingot_status status = find_and_read_llmc(v, directory, t, &found, err);
    return status == INGOT_OK && !found ? check_other_kinds(directory, err) : status;
}

/* A tokenizer.json, a file of llm.c, or tokens and merges. */
static enum ingot_status read_named(struct vocabulary *v, const char *directory, const char *const *names, uint32_t n,
                                    struct vocab_tables *t, struct ingot_error *err)
{
    struct input *in;
    if (n == 2) return read_pair(v, directory, names[0], names[1], t, err);
    if (path_ends_with(names[0], LLMC_SUFFIX)) return read_llmc(v, directory, names[0], t, err);
    enum ingot_status status = open_file(v, directory, names[0], &in, err);
    return status == INGOT_OK ? vocab_read_tokenizer(in, t, err) : status;
}

enum ingot_status vocabulary_of_files(const char *directory, const char *const *names, uint32_t n, uint32_t n_vocab,
                                      struct vocabulary *out, struct ingot_error *err)
{
    struct vocab_tables tables = { .n_vocab = n_vocab };
    *out = (struct vocabulary){ 0 };
    enum ingot_status status = read_named(out, directory, names, n, &tables, err);
    if (status == INGOT_OK) status = vocab_tables_encode(&tables, &out->bytes, &out->n_bytes, err);
    vocab_tables_free(&tables);
    if (status != INGOT_OK) vocabulary_free(out);
    return status;
}

enum ingot_status vocabulary_build(const char *directory, uint32_t n_vocab, struct vocabulary *out,
                                   struct ingot_error *err)
{
    struct vocab_tables tables = { .n_vocab = n_vocab };
    *out = (struct vocabulary){ 0 };
    enum ingot_status status = read_files(out, directory, &tables, err);
    if (status == INGOT_OK && out->n_files > 0) status = vocab_tables_encode(&tables, &out->bytes, &out->n_bytes, err);
    vocab_tables_free(&tables);
    if (status != INGOT_OK) vocabulary_free(out);
    return status;
}

enum ingot_status vocabulary_of_source(const struct ingot_source *src, uint32_t n_vocab, struct vocabulary *out,
                                       struct ingot_error *err)
{
    struct vocab_tables tables = { .n_vocab = n_vocab };
    bool found = false;
    *out = (struct vocabulary){ 0 };
    enum ingot_status status = INGOT_OK;
    if (src->reader->read_vocabulary) status = src->reader->read_vocabulary(src, &tables, &found, err);
    if (status == INGOT_OK && found) status = vocab_tables_encode(&tables, &out->bytes, &out->n_bytes, err);
    vocab_tables_free(&tables);
    return status == INGOT_OK && !found ? vocabulary_build(src->directory, n_vocab, out, err) : status;
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    free(vocabulary->bytes);
    for (uint32_t i = 0; i < vocabulary->n_files; i++) input_close(vocabulary->files[i]);
    *vocabulary = (struct vocabulary){ 0 };
}
