/*
 * host.c - a program of somebody else: it knows the installed headers, finds the rest by pkg-config, has functions
 * named like some of ours, and runs several sessions at the same time.
 *
 *   host FILE TEXT        prints TEXT and what the model, taking the likeliest token each time, adds to it
 */
#include <ingot/ingot_runtime.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SESSIONS = 4, N_TOKENS = 20 };

/* Functions of the libraries are called so too: neither may be linked in the place of the other. */
int pool_create(void);
int file_open_fd(void);

int pool_create(void)
{
    return 1;
}

int file_open_fd(void)
{
    return 2;
}

struct writer {
    const struct ingot_model *model;
    const struct ingot_tokenizer *tokenizer;
    const char *prompt;
    uint32_t ids[N_TOKENS];
};

static void check(enum ingot_status status, const struct ingot_error *err)
{
    if (status == INGOT_OK) return;
    fprintf(stderr, "%s: %s\n", err->subject, err->message);
    exit(1);
}

static void *write_on(void *arg)
{
    struct writer *w = arg;
    struct ingot_error err = { 0 };
    struct ingot_session *session;
    struct ingot_sampler *sampler;
    struct ingot_ids prompt = { 0 };
    const struct ingot_session_options how = { .n_threads = 2 };
    const uint32_t n_vocab = ingot_model_hparams(w->model)->n_vocab;
    float *logits = calloc(n_vocab, sizeof *logits);
    if (!logits) exit(1);
    check(ingot_session_create(w->model, &how, &session, &err), &err);
    check(ingot_sampler_create(NULL, n_vocab, &sampler, &err), &err);
    check(ingot_tokenizer_encode(w->tokenizer, w->prompt, strlen(w->prompt), INGOT_ENCODE_PLAIN, &prompt, &err), &err);
    check(ingot_session_eval(session, prompt.ids, prompt.n, INGOT_LOGITS_LAST, logits, &err), &err);
    for (size_t i = 0; i < N_TOKENS; i++) {
        w->ids[i] = ingot_sampler_draw(sampler, logits);
        check(ingot_session_eval(session, &w->ids[i], 1, INGOT_LOGITS_LAST, logits, &err), &err);
    }
    ingot_ids_free(&prompt);
    ingot_sampler_close(sampler);
    ingot_session_close(session);
    free(logits);
    return NULL;
}

static void print(const struct writer *w)
{
    fputs(w->prompt, stdout);
    for (size_t i = 0; i < N_TOKENS; i++) {
        size_t n;
        const char *piece = ingot_tokenizer_piece(w->tokenizer, w->ids[i], &n);
        fwrite(piece, 1, n, stdout);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct ingot_error err = { 0 };
    struct ingot_file *file;
    struct ingot_model *model;
    struct ingot_tokenizer *tokenizer;
    struct writer writers[N_SESSIONS];
    pthread_t threads[N_SESSIONS];
    if (argc != 3 || pool_create() != 1 || file_open_fd() != 2) return 2;
    check(ingot_open(argv[1], 0, &file, &err), &err);
    check(ingot_model_open(file, NULL, &model, &err), &err);
    check(ingot_tokenizer_open(file, &tokenizer, &err), &err);
    for (size_t i = 0; i < N_SESSIONS; i++) {
        writers[i] = (struct writer){ .model = model, .tokenizer = tokenizer, .prompt = argv[2] };
        if (pthread_create(&threads[i], NULL, write_on, &writers[i])) return 1;
    }
    for (size_t i = 0; i < N_SESSIONS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 1; i < N_SESSIONS; i++)
        if (memcmp(writers[i].ids, writers[0].ids, sizeof writers[0].ids) != 0) return 1;
    print(&writers[0]);
    ingot_tokenizer_close(tokenizer);
    ingot_model_close(model);
    ingot_close(file);
    return 0;
}
