/* engine.h - what run, eval and tokenize start with: file, model, tokenizer; and the texts and ids that they read. */
#ifndef INGOT_ENGINE_H
#define INGOT_ENGINE_H

#include "inspect/cli/options.h"
#include "runtime/ingot_runtime.h"

struct engine {
    const char *path; /* borrowed from the caller */
    struct ingot_file *file;
    struct ingot_model *model;
    struct ingot_tokenizer *tokenizer; /* NULL when the file has no vocabulary */
};

/* INGOT_CPU in the environment forces an instruction set. On failure nothing stays open. */
enum ingot_status engine_open(const char *path, struct engine *out, struct ingot_error *err);
void engine_close(struct engine *engine);

/* The option --kv: its row in a table, where `result` is a sentence that says what depends on it; its values, and what
 * one of them means. */
extern const char *const engine_kv_choices[];
#define KV_OPTION(result)                                                                                              \
    {                                                                                                                  \
        .name = "kv", .type = OPTION_CHOICE, .value = "TYPE", .fallback = "auto", .choices = engine_kv_choices,        \
        .help = "What keys and values are kept as; auto is f16 for a file with q8 or q4, f32 for others. " result      \
    }
enum ingot_kv engine_kv(const char *choice);

/* The option --fast: its row in a table, and how a session with or without it computes. Where it is given, a note on
 * stderr says what it does here. */
#define FAST_HELP                                                                                                      \
    "Feed 16 tokens and more at once by products of bf16, if the processor has them: faster, but the results are "     \
    "only near the exact ones, and differ between machines and batches"
#define FAST_OPTION                                                                                                    \
    {                                                                                                                  \
        .name = "fast", .help = FAST_HELP                                                                              \
    }
const char *engine_arithmetic(const struct engine *engine, bool fast);

/* MISSING, with the advice to use --ids, when there is no vocabulary. */
enum ingot_status engine_need_tokenizer(const struct engine *engine, struct ingot_error *err);

/* INTERRUPTED once the user has asked the program to stop. */
enum ingot_status engine_interrupted(struct ingot_error *err);

/* The same for a session, as its `progress`; it takes no context. */
bool engine_goes_on(void *ctx, uint64_t done, uint64_t total);

/* Appends the ids that text[0 .. n) lists, parted by commas and white space; each must be below n_vocab. */
enum ingot_status engine_parse_ids(const char *text, size_t n, uint32_t n_vocab, struct ingot_ids *out,
                                   struct ingot_error *err);

/* Bytes owned by the caller, followed by a NUL that does not count. */
struct user_text {
    char *bytes;
    size_t n;
};
void user_text_free(struct user_text *text);

/* The whole of a file, or of stdin when path is NULL. INTERRUPTED when the user gave up. */
enum ingot_status user_text_read(const char *path, struct user_text *out, struct ingot_error *err);

/* A copy of a string. */
enum ingot_status user_text_copy(const char *string, struct user_text *out, struct ingot_error *err);

/* A token's bytes as one harmless line, for tables; `out` holds 64 bytes. */
const char *engine_piece(const struct ingot_tokenizer *tokenizer, uint32_t id, char out[64]);

#endif
