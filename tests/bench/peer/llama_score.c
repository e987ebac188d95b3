/*
 * llama_score.c - the figures of `ingot diff --logits` for two GGUF files run by llama.cpp.
 *
 *   llama_score LIBRARIES A.gguf B.gguf IDS CTX STRIDE
 *
 * IDS is a file of decimal token ids parted by blanks or commas, of which the first and those before a | are not
 * scored; a ; begins a new sequence. Windows as in inspect/windows.h. Prints TOKENS, the perplexities of A and B, the
 * share of positions with the same likeliest token, and the mean and the median of the KL divergence of B from A in
 * nats.
 */
#include "ggml-backend.h"
#include "llama.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 1 }; /* two that wait for each other in a spin suffer when others want the cores */

static void quiet(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static void die(const char *what)
{
    fprintf(stderr, "llama_score: %s\n", what);
    exit(3);
}

static struct llama_context *open_model(const char *path, int n_ctx)
{
    struct llama_context_params params = llama_context_default_params();
    struct llama_model *model = llama_model_load_from_file(path, llama_model_default_params());
    if (!model) die("cannot load a model");
    params.n_ctx = params.n_batch = params.n_ubatch = (uint32_t)n_ctx;
    params.n_threads = params.n_threads_batch = THREADS;
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context) die("cannot make a context");
    return context;
}

/* All logits of a window. */
static void eval(struct llama_context *context, const llama_token *ids, int n)
{
    struct llama_batch batch = llama_batch_init(n, 0, 1);
    llama_memory_clear(llama_get_memory(context), true);
    batch.n_tokens = n;
    for (int i = 0; i < n; i++) {
        batch.token[i] = ids[i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    if (llama_decode(context, batch) != 0) die("llama_decode failed");
    llama_synchronize(context);
    llama_batch_free(batch);
}

static double log_sum_exp(const float *x, int n, int *best)
{
    double sum = 0;
    *best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[*best]) *best = i;
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - x[*best]);
    return x[*best] + log(sum);
}

struct figures {
    double nats[2], *kl;
    size_t n, n_same;
};

static void compare(struct figures *f, const float *const x[2], int n_vocab, llama_token next)
{
    int best[2];
    double norm[2], kl = 0;
    for (int s = 0; s < 2; s++) {
        norm[s] = log_sum_exp(x[s], n_vocab, &best[s]);
        f->nats[s] -= x[s][next] - norm[s];
    }
    for (int i = 0; i < n_vocab; i++) kl += exp(x[0][i] - norm[0]) * ((x[0][i] - norm[0]) - (x[1][i] - norm[1]));
    f->kl[f->n++] = kl;
    f->n_same += best[0] == best[1];
}

struct sequence {
    llama_token *ids;
    size_t n, n_context; /* given, not scored */
};

/* The next sequence of the file; false at its end. */
static bool read_sequence(FILE *file, struct sequence *s)
{
    int c;
    s->n = 0;
    s->n_context = 1;
    while ((c = getc(file)) != EOF && c != ';') {
        if (c == '|') s->n_context = s->n;
        if (c < '0' || c > '9') continue;
        if (s->n % 4096 == 0) s->ids = realloc(s->ids, (s->n + 4096) * sizeof *s->ids);
        if (!s->ids) die("no memory");
        ungetc(c, file);
        if (fscanf(file, "%d", &s->ids[s->n++]) != 1) die("a number is too large");
    }
    if (s->n == 0 && c == EOF) return false;
    if (s->n <= s->n_context || s->n_context == 0) die("a sequence has nothing to score");
    return true;
}

static void score_sequence(struct llama_context *const contexts[2], const struct sequence *s, size_t n_ctx,
                           size_t stride, struct figures *f)
{
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(contexts[0])));
    f->kl = realloc(f->kl, (f->n + s->n) * sizeof *f->kl);
    if (!f->kl) die("no memory");
    for (size_t begin = 0, counted = 0; counted < s->n - 1; begin += stride) {
        const size_t left = s->n - 1 - begin, n = left < n_ctx ? left : n_ctx;
        for (int side = 0; side < 2; side++) eval(contexts[side], s->ids + begin, (int)n);
        for (; counted < begin + n; counted++) {
            const int row = (int)(counted - begin);
            const float *const x[2] = { llama_get_logits_ith(contexts[0], row),
                                        llama_get_logits_ith(contexts[1], row) };
            if (counted + 1 >= s->n_context) compare(f, x, n_vocab, s->ids[counted + 1]);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 7) die("usage: llama_score LIBRARIES A.gguf B.gguf IDS CTX STRIDE");
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(argv[1]);
    llama_backend_init();
    const int n_ctx = atoi(argv[5]), stride = atoi(argv[6]);
    struct llama_context *contexts[2] = { open_model(argv[2], n_ctx), open_model(argv[3], n_ctx) };
    struct sequence sequence = { 0 };
    struct figures f = { 0 };
    FILE *file = fopen(argv[4], "r");
    if (!file) die("cannot open the ids");
    while (read_sequence(file, &sequence)) score_sequence(contexts, &sequence, (size_t)n_ctx, (size_t)stride, &f);
    if (f.n == 0) die("there are no ids");
    double sum = 0;
    for (size_t i = 0; i < f.n; i++) sum += f.kl[i];
    qsort(f.kl, f.n, sizeof *f.kl, by_size);
    printf("%zu tokens, perplexity %.4f %.4f, same likeliest %.2f %%, KL mean %.4g median %.4g\n", f.n,
           exp(f.nats[0] / (double)f.n), exp(f.nats[1] / (double)f.n), 100.0 * (double)f.n_same / (double)f.n,
           sum / (double)f.n, f.kl[(f.n + 1) / 2 - 1]);
    return 0;
}
