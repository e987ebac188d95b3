/*
 * llama_bench.c - the figures of `ingot bench` for llama.cpp, through its public header.
 *
 *   llama_bench LIBRARIES MODEL.gguf THREADS FLASH    one line per measurement: WHAT TOKENS/S; one round
 *   llama_bench LIBRARIES MODEL.gguf THREADS once     loads, evaluates one token, takes the likeliest, ends
 *   llama_bench LIBRARIES MODEL.gguf quantize TYPE OUT   TYPE is a number of enum llama_ftype
 *
 * LIBRARIES is the directory of its libggml-cpu-*.so, FLASH is 0 or 1 (flash attention). Built by tests/bench/peers.sh
 * against whatever llama.h it finds; not part of the project's own build.
 */
#include "ggml-backend.h"
#include "llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DECODED = 32, MICRO_BATCH = 512, MAX_CTX = 1024, DEPTH = 512 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void quiet(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static void die(const char *what)
{
    fprintf(stderr, "llama_bench: %s\n", what);
    exit(3);
}

static void eval(struct llama_context *context, llama_token *ids, int n)
{
    if (llama_decode(context, llama_batch_get_one(ids, n)) != 0) die("llama_decode failed");
    llama_synchronize(context);
}

static struct llama_model *load(const char *path)
{
    struct llama_model_params params = llama_model_default_params();
    struct llama_model *model = llama_model_load_from_file(path, params);
    if (!model) die("cannot load the model");
    return model;
}

static struct llama_context *start(struct llama_model *model, int n_threads, int flash)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = 0; /* the model's */
    params.n_batch = MAX_CTX;
    params.n_ubatch = MICRO_BATCH;
    params.n_threads = params.n_threads_batch = n_threads;
    params.flash_attn_type = flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context) die("cannot make a context");
    return context;
}

static double decode_speed(struct llama_context *context, llama_token *ids)
{
    const double begin = now();
    for (int i = 0; i < DECODED; i++) eval(context, &ids[i], 1);
    return DECODED / (now() - begin);
}

static double prefill_speed(struct llama_context *context, llama_token *ids, int n)
{
    llama_memory_clear(llama_get_memory(context), true);
    const double begin = now();
    eval(context, ids, n);
    return n / (now() - begin);
}

static void run_round(struct llama_model *model, int n_threads, int flash)
{
    struct llama_context *context = start(model, n_threads, flash);
    llama_token ids[MAX_CTX];
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model)), n_ctx = (int)llama_n_ctx(context);
    for (int i = 0; i < MAX_CTX; i++) ids[i] = (llama_token)(7919LL * i % n_vocab);
    (void)prefill_speed(context, ids, n_ctx < MICRO_BATCH ? n_ctx : MICRO_BATCH); /* touches every page once */
    for (int n = MAX_CTX; n >= DEPTH; n /= 2)
        if (n <= n_ctx) printf("prefill-%d %.2f\n", n, prefill_speed(context, ids, n));
    if (n_ctx >= DEPTH + DECODED) printf("decode-%d %.2f\n", DEPTH, decode_speed(context, ids));
    llama_memory_clear(llama_get_memory(context), true);
    printf("decode-0 %.2f\n", decode_speed(context, ids));
    llama_free(context);
}

static void run_once(struct llama_model *model, int n_threads)
{
    struct llama_context *context = start(model, n_threads, 0);
    llama_token id = 464;
    eval(context, &id, 1);
    const float *logits = llama_get_logits_ith(context, -1);
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    int best = 0;
    for (int i = 1; i < n_vocab; i++) best = logits[i] > logits[best] ? i : best;
    printf("%d\n", best);
    llama_free(context);
}

int main(int argc, char **argv)
{
    if (argc < 5) die("usage: llama_bench LIBRARIES MODEL.gguf THREADS FLASH|once");
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(argv[1]);
    llama_backend_init();
    if (strcmp(argv[3], "quantize") == 0) {
        struct llama_model_quantize_params params = llama_model_quantize_default_params();
        params.ftype = (enum llama_ftype)atoi(argv[4]);
        if (argc < 6 || llama_model_quantize(argv[2], argv[5], &params) != 0) die("cannot quantize");
        return 0;
    }
    struct llama_model *model = load(argv[2]);
    if (strcmp(argv[4], "once") == 0)
        run_once(model, atoi(argv[3]));
    else
        run_round(model, atoi(argv[3]), atoi(argv[4]));
    llama_model_free(model);
    llama_backend_free();
    return 0;
}
