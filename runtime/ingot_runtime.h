/*
 * ingot_runtime.h - run a GPT-2 straight from a mapped .ingot file.
 *
 *   ingot_model      the weights: pointers into an open file. Immutable; share it between any number of threads.
 *   ingot_session    one mutable timeline over a model: KV cache, position, thread pool. One thread at a time.
 *   ingot_tokenizer  the byte-level BPE of the file's @vocabulary. Immutable; share it.
 *   ingot_sampler    settings, room for the ranking, and the state of a documented generator. One thread at a time.
 *
 * The forward pass is written down in spec/gpt2.md and the order of every floating-point operation in
 * spec/arithmetic.md. Its promise: the logits of a file are the same bits on every instruction set, for any number of
 * threads, however a prompt is cut into batches, prefill or decode. (NaN payloads excepted.) Only a session that was
 * asked to be fast gives it up.
 *
 * A program, each step checked, and closed the other way round (freed by ingot_ids_free() are the ids):
 *
 *     ingot_open(path, INGOT_OPEN_MAP, &file, &err)
 *     ingot_model_open(file, NULL, &model, &err)
 *     ingot_tokenizer_open(file, &tokenizer, &err)
 *     ingot_session_create(model, NULL, &session, &err)
 *     ingot_sampler_create(NULL, n_vocab, &sampler, &err)                     n_vocab: of ingot_model_hparams(model)
 *     ingot_tokenizer_encode(tokenizer, text, strlen(text), INGOT_ENCODE_PLAIN, &ids, &err)
 *     ingot_session_eval(session, ids.ids, ids.n, INGOT_LOGITS_LAST, logits, &err)            no text: the id of eot
 *     until enough, or id is ingot_tokenizer_eot(tokenizer):
 *         id = ingot_sampler_draw(sampler, logits)
 *         piece = ingot_tokenizer_piece(tokenizer, id, &n)
 *         ingot_session_eval(session, &id, 1, INGOT_LOGITS_LAST, logits, &err)
 *
 * Conventions: see ingot_format.h. Every entry point and every worker sets the IEEE default floating-point
 * environment (nearest even, no flush to zero) and restores the caller's.
 */
#ifndef INGOT_RUNTIME_H
#define INGOT_RUNTIME_H

#include "format/ingot_format.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------------------------- model */

struct ingot_model;

/* Binds names to weights and checks every dtype, layout and shape, here and nowhere later. The file is borrowed and
 * must outlive the model. `cpu` forces a rung of the ladder, as `ingot cpu` names them ("scalar", "avx2", "avx512vnni",
 * "amx", "neon", ...); NULL picks the best that CPU and operating system offer. Errors: MISSING, SHAPE, DTYPE, LAYOUT
 * (naming the tensor), MODEL, CPU, MEMORY. Cost: O(tensors); no tensor byte is touched. */
enum ingot_status ingot_model_open(const struct ingot_file *file, const char *cpu, struct ingot_model **out,
                                   struct ingot_error *err);
void ingot_model_close(struct ingot_model *model);

/* Borrowed. */
const struct ingot_hparams *ingot_model_hparams(const struct ingot_model *model);
const char *ingot_model_cpu(const struct ingot_model *model); /* the rung in use, e.g. "avx512" */
/* Bytes of weights that one decoded token reads. */
uint64_t ingot_model_token_bytes(const struct ingot_model *model);
/* The arithmetic of sessions that ask to be fast: "fast (amx-bf16)" or "fast (avx512-bf16)". NULL where they would be
 * exact all the same: the rung in use has no fast kernels that this processor can run, or they are not faster on it, or
 * all matrices are q8 or q4. Whether they are faster is measured when this or such a session first asks, in 0.1 ms; the
 * answer stays the same then. */
const char *ingot_model_fast(const struct ingot_model *model);

/* --------------------------------------------------------------------------------------------------------- session */

struct ingot_session;

/* What keys and values are stored as. f16 halves what a long context reads; they are rounded when stored. */
enum ingot_kv {
    INGOT_KV_DEFAULT, /* f16 for a model with any q8 or q4 matrix, f32 for others */
    INGOT_KV_F32,
    INGOT_KV_F16,
};

struct ingot_session_options {
    uint32_t n_ctx;     /* positions of the KV cache; 0: the model's, which is also the maximum */
    uint32_t n_threads; /* at most 256; 0: chosen; the result does not depend on it */
    uint32_t n_batch;   /* tokens per prefill step, at most 4096; 0: chosen; the result does not depend on it */
    enum ingot_kv kv;   /* the result does depend on it */

    /* Gives up the promise above for speed. A product of 16 rows or more with an f32, f16 or bf16 matrix, which is to
     * say prefill, is computed from both operands rounded to bf16, 8 significant bits (spec/arithmetic.md, "Fast
     * modes", says how far off it may be). Logits differ from the exact ones in the third digit or so; they depend on
     * the processor, on n_batch and on how a prompt is cut into calls, not on n_threads. Fewer rows, so decoding,
     * q8 and q4 matrices and attention stay exact, but read what fast batches left in the cache. No error where there
     * is nothing faster: the session is exact, and ingot_model_fast() is NULL. */
    bool fast;

    /* Asked before every layer of every batch, and before the logits where many are wanted, on the thread that
     * evaluates; counts layers, of all batches of the call, in place of bytes. NULL: nobody is asked. */
    ingot_progress_fn progress;
    void *progress_ctx;
};

/* The KV cache takes 2 * n_layer * n_ctx * n_embd elements, f32 or f16, reserved here, touched as positions fill. The
 * model is borrowed and must outlive the session. Threads that cannot be started are done without. After fork() the
 * child has the model and the tokenizer, but no thread of a session: it makes sessions of its own. Errors: ARGUMENT
 * (n_ctx beyond the model's, kv), MEMORY. */
enum ingot_status ingot_session_create(const struct ingot_model *model, const struct ingot_session_options *options,
                                       struct ingot_session **out, struct ingot_error *err);
void ingot_session_close(struct ingot_session *session);

/* What a session of a model with these hyper-parameters reserves, without one: the KV cache, the activations that all
 * threads share, and those of every thread (n_threads is not looked at). Hyper-parameters do not tell whether matrices
 * are quantised: INGOT_KV_DEFAULT counts as f32. UINT64_MAX for what cannot be counted. */
struct ingot_session_memory {
    uint64_t cache_bytes, activation_bytes, thread_bytes;
};
struct ingot_session_memory ingot_session_memory(const struct ingot_hparams *hp,
                                                 const struct ingot_session_options *options);

enum ingot_logits {
    INGOT_LOGITS_NONE, /* `logits` is not used */
    INGOT_LOGITS_LAST, /* `logits` takes n_vocab floats: those of the last token */
    INGOT_LOGITS_ALL,  /* `logits` takes n * n_vocab floats, row-major: those of every token */
};

/* Appends n >= 1 tokens at the current position. ids[n], each below n_vocab; logits owned by the caller. On error the
 * session is as it was. Errors: TOKEN (offset: index into ids), CONTEXT_FULL, ARGUMENT, for which nothing is evaluated;
 * INTERRUPTED, where `progress` asked to stop: what `logits` then holds is worth nothing. Where the context is full, a
 * text goes on after ingot_session_rewind() to 0 and the evaluation of its last tokens alone. */
enum ingot_status ingot_session_eval(struct ingot_session *session, const uint32_t *ids, size_t n,
                                     enum ingot_logits which, float *logits, struct ingot_error *err);

/* Tokens evaluated so far, and room in all. */
uint32_t ingot_session_position(const struct ingot_session *session);
uint32_t ingot_session_n_ctx(const struct ingot_session *session);

/* Threads that compute, the caller's included. */
uint32_t ingot_session_n_threads(const struct ingot_session *session);

/* What its keys and values are stored as: f32 or f16. */
enum ingot_dtype ingot_session_kv(const struct ingot_session *session);

/* Forgets everything from `position` on (0 restarts). position must not be beyond the current one. */
void ingot_session_rewind(struct ingot_session *session, uint32_t position);

/* ------------------------------------------------------------------------------------------------------- tokenizer */

struct ingot_tokenizer;

/* Growable list of token ids, owned by the caller; zero-initialise, free with ingot_ids_free(). `ids` is malloc()'s, so
 * that a caller may append by realloc(). */
struct ingot_ids {
    uint32_t *ids;
    size_t n, capacity;
};
void ingot_ids_free(struct ingot_ids *ids);

/* MISSING when the file has no @vocabulary; VOCABULARY when its tables do not fit its section, or when it has more
 * tokens than the file's model; UNSUPPORTED for a kind of tokenizer that is not known; RESERVED, LIMIT, MEMORY, and
 * those of ingot_hparams_read(). The file is borrowed and must outlive the tokenizer. Cost: O(1); nothing is built. */
enum ingot_status ingot_tokenizer_open(const struct ingot_file *file, struct ingot_tokenizer **out,
                                       struct ingot_error *err);
void ingot_tokenizer_close(struct ingot_tokenizer *tokenizer);

/* Ids are 0 .. count - 1, some of which may be without bytes. */
uint32_t ingot_tokenizer_count(const struct ingot_tokenizer *tokenizer);
/* Id of <|endoftext|>, or UINT32_MAX. */
uint32_t ingot_tokenizer_eot(const struct ingot_tokenizer *tokenizer);

enum ingot_encode_flags {
    INGOT_ENCODE_PLAIN = 0,   /* "<|endoftext|>" in the text is plain text */
    INGOT_ENCODE_SPECIAL = 1, /* special tokens in the text become their ids */
};

/* Appends the ids of text[0 .. n) to *out, exactly as GPT-2's encoder does: the split pattern
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * with Unicode classes, then byte-level merges by rank. A byte that is not part of valid UTF-8 counts as one character
 * of the fourth class and is encoded as itself. Time O(n log n) in the worst case, O(n) for real text. On error *out
 * is as before. Errors: MEMORY, VOCABULARY, LIMIT (a word of 2 GiB). Thread-safe. */
enum ingot_status ingot_tokenizer_encode(const struct ingot_tokenizer *tokenizer, const char *text, size_t n,
                                         unsigned flags, struct ingot_ids *out, struct ingot_error *err);

/* The bytes of one token, borrowed from the file, not NUL-terminated, never NULL. Any id is safe: an id without bytes
 * gives *n = 0. The pieces of a text one after the other are its bytes; a single one may end within a character. */
const char *ingot_tokenizer_piece(const struct ingot_tokenizer *tokenizer, uint32_t id, size_t *n);

/* --------------------------------------------------------------------------------------------------------- sampling */

struct ingot_sampling {
    float temperature; /* 0: greedy (lowest id wins a tie); else logits are divided by it */
    uint32_t top_k;    /* keep the k largest; 0: all */
    float top_p;       /* then keep the smallest set whose probability reaches p; 1: all. 0 is refused */
    uint64_t seed;     /* the same settings, seed and logits: the same ids */
};

struct ingot_sampler;

/* `settings` NULL is greedy. n_vocab is the length of the logits that will be sampled, at most 2^24; scratch is
 * allocated here. ARGUMENT when a setting is out of range (temperature finite and >= 0, 0 < top_p <= 1), naming it;
 * MEMORY. */
enum ingot_status ingot_sampler_create(const struct ingot_sampling *settings, uint32_t n_vocab,
                                       struct ingot_sampler **out, struct ingot_error *err);
void ingot_sampler_close(struct ingot_sampler *sampler);

/* Draws one id from logits[n_vocab]; a pure function of settings, logits and the number of draws before it: the same on
 * every CPU (spec/arithmetic.md, "Sampling"). NaN logits are never chosen unless all are NaN (then id 0). */
uint32_t ingot_sampler_draw(struct ingot_sampler *sampler, const float *logits);

/* log softmax(logits)[id], in double, added up in order of ids. For reports only: it uses the C library's exp and log,
 * so its last digits may differ between machines. NaN logits count as -infinity. id must be below n_vocab.
 * Thread-safe. */
double ingot_log_probability(const float *logits, uint32_t n_vocab, uint32_t id);

#ifdef __cplusplus
}
#endif
#endif
