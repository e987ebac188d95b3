/* bench.c - cases, rounds, and the time that bytes and operations need at the least. */
#include "inspect/bench.h"

#include "format/error.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/machine.h"
#include "runtime/forward.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts. */
static struct bench_spread spread_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return (struct bench_spread){ values[0], values[n / 2], values[n - 1] };
}

/* ------------------------------------------------------------------------------------------------------------ cases */

/* Products with the matrices of all layers. */
static double layer_operations(const struct ingot_hparams *hp)
{
    const double width = hp->n_embd;
    return 2 * hp->n_layer * (4 * width * width + 2 * width * hp->n_inner);
}

static double head_operations(const struct ingot_hparams *hp)
{
    return 2.0 * hp->n_embd * hp->n_vocab;
}

/* Scores and mixtures over so many positions. */
static double attention_operations(const struct ingot_hparams *hp, double n_positions)
{
    return 4.0 * hp->n_layer * hp->n_embd * n_positions;
}

static void add_case(struct bench *b, enum bench_what what, uint32_t n_threads, uint32_t n_tokens, uint32_t depth)
{
    const struct ingot_hparams *hp = ingot_model_hparams(b->engine->model);
    const double cache = 2.0 * hp->n_layer * hp->n_embd * (double)ingot_dtype_size(b->kv);
    const double positions = depth + (n_tokens + 1) / 2.0;
    struct bench_case *c = &b->cases[b->n_cases++];
    *c = (struct bench_case){ .what = what, .n_threads = n_threads, .n_tokens = n_tokens, .depth = depth };
    c->seconds = memory_array(b->settings->n_rounds, sizeof *c->seconds);
    c->ops_matrix = layer_operations(hp);
    if (what == BENCH_PRODUCTS) return;
    c->ops_matrix += head_operations(hp) / (what == BENCH_PREFILL ? n_tokens : 1);
    c->ops_f32 = attention_operations(hp, positions);
    if (what == BENCH_PREFILL) return;
    c->bytes = (double)ingot_model_token_bytes(b->engine->model) + cache * positions;
}

static void add_cases(struct bench *b, uint32_t n_threads)
{
    const struct bench_settings *s = b->settings;
    const uint32_t n_ctx = ingot_model_hparams(b->engine->model)->n_ctx;
    for (size_t i = 0; i < s->prefill.n; i++)
        if (s->prefill.values[i] <= n_ctx) {
            add_case(b, BENCH_PREFILL, n_threads, s->prefill.values[i], 0);
            add_case(b, BENCH_PRODUCTS, n_threads, s->prefill.values[i], 0);
        }
    for (size_t i = s->depths.n; i-- > 0;)
        if (s->depths.values[i] < n_ctx) {
            const uint32_t room = n_ctx - s->depths.values[i];
            add_case(b, BENCH_DECODE, n_threads, room < s->n_decoded ? room : s->n_decoded, s->depths.values[i]);
        }
    if (n_threads > 1) add_case(b, BENCH_PARALLEL, n_threads, n_ctx < s->n_decoded ? n_ctx : s->n_decoded, 0);
}

/* -------------------------------------------------------------------------------------------------------- one round */

static enum ingot_status measure_prefill(struct bench *b, struct ingot_session *session, const struct bench_case *c,
                                         double *seconds, struct ingot_error *err)
{
    ingot_session_rewind(session, 0);
    const double begin = progress_now();
    const enum ingot_status status =
        ingot_session_eval(session, b->ids, c->n_tokens, INGOT_LOGITS_LAST, b->logits, err);
    *seconds = progress_now() - begin;
    return status;
}

/* In batches, as a prompt is read. */
static enum ingot_status measure_products(struct ingot_session *session, const struct bench_case *c, double *seconds)
{
    const double begin = progress_now();
    for (uint32_t left = c->n_tokens, n; left > 0; left -= n) {
        n = left < session->n_batch ? left : session->n_batch;
        forward_products(session, n);
    }
    *seconds = progress_now() - begin;
    return INGOT_OK;
}

static enum ingot_status measure_decode(struct bench *b, struct ingot_session *session, const struct bench_case *c,
                                        double *seconds, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    const uint32_t at = ingot_session_position(session);
    if (at < c->depth) status = ingot_session_eval(session, b->ids + at, c->depth - at, INGOT_LOGITS_NONE, NULL, err);
    ingot_session_rewind(session, c->depth);
    const double begin = progress_now();
    for (uint32_t i = 0; i < c->n_tokens && status == INGOT_OK; i++)
        status = ingot_session_eval(session, b->ids + c->depth + i, 1, INGOT_LOGITS_LAST, b->logits, err);
    *seconds = progress_now() - begin;
    return status;
}

/* One timeline for each thread. */
struct side_by_side {
    struct bench *bench;
    const struct bench_case *c;
    struct ingot_session **sessions;
    float *logits; /* [n_threads][n_vocab] */
    struct pool *pool;
};

static void decode_alone(void *ctx, uint32_t thread)
{
    struct side_by_side *s = ctx;
    struct ingot_error err = { 0 };
    float *logits = s->logits + (size_t)thread * ingot_model_hparams(s->bench->engine->model)->n_vocab;
    pool_barrier(s->pool);
    for (uint32_t i = 0; i < s->c->n_tokens; i++)
        (void)ingot_session_eval(s->sessions[thread], s->bench->ids + i, 1, INGOT_LOGITS_LAST, logits, &err);
}

static enum ingot_status measure_parallel(struct bench *b, struct pool *pool, const struct bench_case *c,
                                          double *seconds, struct ingot_error *err)
{
    const struct ingot_session_options one = { .n_threads = 1 };
    const uint32_t n = pool_size(pool);
    struct side_by_side s = { .bench = b, .c = c, .pool = pool };
    enum ingot_status status = INGOT_OK;
    s.sessions = memory_array(n, sizeof(struct ingot_session *));
    s.logits = memory_array((size_t)n * ingot_model_hparams(b->engine->model)->n_vocab, sizeof *s.logits);
    for (uint32_t i = 0; i < n && status == INGOT_OK; i++)
        status = ingot_session_create(b->engine->model, &one, &s.sessions[i], err);
    const double begin = progress_now();
    if (status == INGOT_OK) pool_run(pool, decode_alone, &s);
    *seconds = (progress_now() - begin) / n;
    for (uint32_t i = 0; i < n; i++) ingot_session_close(s.sessions[i]);
    free((void *)s.sessions);
    free(s.logits);
    return status;
}

static enum ingot_status measure(struct bench *b, struct pool *pool, struct ingot_session *session,
                                 struct bench_case *c, uint32_t round, struct ingot_error *err)
{
    switch (c->what) {
    case BENCH_PREFILL:
        return measure_prefill(b, session, c, &c->seconds[round], err);
    case BENCH_PRODUCTS:
        return measure_products(session, c, &c->seconds[round]);
    case BENCH_DECODE:
        return measure_decode(b, session, c, &c->seconds[round], err);
    case BENCH_PARALLEL:
        break;
    }
    return measure_parallel(b, pool, c, &c->seconds[round], err);
}

/* ---------------------------------------------------------------------------------------------- a number of threads */

/* From the first tensor to the last one, as the file is mapped. */
static double read_tensors(const struct bench *b, struct pool *pool)
{
    const struct ingot_file *file = b->engine->file;
    const uint8_t *begin = NULL, *end = NULL;
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        const struct ingot_section s = ingot_section_at(file, ingot_section_by_offset(file, i));
        if (s.kind != INGOT_KIND_TENSOR) continue;
        if (!begin) begin = s.data;
        end = (const uint8_t *)s.data + s.stored_bytes;
    }
    return begin ? machine_read(pool, begin, (size_t)(end - begin)) : 0;
}

struct crew {
    struct pool *pool;
    struct ingot_session *session;
    struct bench_machine *machine;
    struct bench_case *cases; /* of this number of threads */
    size_t n_cases;
    double *read; /* [n_rounds] */
};

static enum ingot_status run_round(struct bench *b, struct crew *crew, uint32_t round, struct ingot_error *err)
{
    enum ingot_status status = engine_interrupted(err);
    crew->read[round] = read_tensors(b, crew->pool);
    crew->machine->fma = fmax(crew->machine->fma, machine_fma(crew->pool, b->rung));
    crew->machine->integer = fmax(crew->machine->integer, machine_integer(crew->pool, b->rung));
    crew->machine->fast = fmax(crew->machine->fast, machine_fast(crew->pool, b->rung));
    for (size_t i = 0; i < crew->n_cases && status == INGOT_OK; i++) {
        status = measure(b, crew->pool, crew->session, &crew->cases[i], round, err);
        if (status == INGOT_OK) status = engine_interrupted(err);
    }
    return status;
}

/* Of the unit that multiplies with the layers' matrices in this case. */
static double matrix_rate(const struct bench *b, const struct bench_machine *m, const struct bench_case *c)
{
    const bool many = c->what == BENCH_PREFILL || c->what == BENCH_PRODUCTS;
    if (b->dtype == INGOT_Q8 || b->dtype == INGOT_Q4) return m->integer;
    return b->fast && many && c->n_tokens >= FAST_MIN_ROWS ? m->fast : m->fma;
}

/* Tokens a second: the longer of the times that bytes and operations need. Threads that take turns on a core measure
 * one another's turns, not the machine. */
static double limit_of(const struct bench *b, const struct bench_machine *m, const struct bench_case *c)
{
    if (c->n_threads > parallel_threads(0)) return NAN;
    const double rate = matrix_rate(b, m, c);
    const double reading = m->read.most > 0 ? c->bytes / m->read.most : 0;
    const double computing = m->fma > 0 && rate > 0 ? c->ops_matrix / rate + c->ops_f32 / m->fma : 0;
    const double seconds = fmax(reading, computing);
    return seconds > 0 ? 1 / seconds : NAN;
}

static void conclude(struct bench *b, struct crew *crew)
{
    const uint32_t n = b->settings->n_rounds;
    crew->machine->read = spread_of(crew->read, n);
    for (size_t i = 0; i < crew->n_cases; i++) {
        struct bench_case *c = &crew->cases[i];
        const struct bench_spread s = spread_of(c->seconds, n);
        c->speed = (struct bench_spread){ c->n_tokens / s.most, c->n_tokens / s.median, c->n_tokens / s.least };
        c->limit = limit_of(b, crew->machine, c);
    }
}

static enum ingot_status run_threads(struct bench *b, size_t which, struct ingot_error *err)
{
    const struct bench_settings *s = b->settings;
    const uint32_t n_threads = s->threads.values[which];
    const struct ingot_session_options how = {
        .n_threads = n_threads, .kv = s->kv, .fast = s->fast, .progress = engine_goes_on
    };
    struct crew crew = { .machine = &b->machines[which], .cases = b->cases + b->n_cases };
    const size_t before = b->n_cases;
    enum ingot_status status = ingot_session_create(b->engine->model, &how, &crew.session, err);
    if (status != INGOT_OK) return status;
    b->kv = ingot_session_kv(crew.session);
    crew.machine->n_threads = n_threads;
    crew.pool = pool_create(n_threads);
    crew.read = memory_array(s->n_rounds, sizeof *crew.read);
    add_cases(b, n_threads);
    crew.n_cases = b->n_cases - before;
    if (!crew.pool) status = ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, NULL, NULL, "not enough memory");
    if (status == INGOT_OK && pool_size(crew.pool) != n_threads)
        status = ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, "--threads", NULL, "%u threads cannot be started",
                            n_threads);
    if (status == INGOT_OK) status = run_round(b, &crew, 0, err); /* touches every page; measured again */
    for (uint32_t r = 0; r < s->n_rounds && status == INGOT_OK; r++) {
        status = run_round(b, &crew, r, err);
        if (s->progress)
            s->progress(s->progress_ctx, which * s->n_rounds + r + 1, (uint64_t)s->threads.n * s->n_rounds);
    }
    if (status == INGOT_OK) conclude(b, &crew);
    ingot_session_close(crew.session);
    pool_close(crew.pool);
    free(crew.read);
    return status;
}

/* -------------------------------------------------------------------------------------------------------------- all */

/* splitmix64: any ids do, as long as they are spread over the vocabulary. */
static void draw_ids(struct bench *b, const struct ingot_hparams *hp)
{
    uint64_t state = b->settings->seed;
    b->ids = memory_array(hp->n_ctx, sizeof *b->ids);
    for (uint32_t i = 0; i < hp->n_ctx; i++) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        b->ids[i] = (uint32_t)((z ^ z >> 31) % hp->n_vocab);
    }
}

enum ingot_status bench_run(const struct engine *engine, const struct bench_settings *settings, struct bench *out,
                            struct ingot_error *err)
{
    const struct ingot_hparams *hp = ingot_model_hparams(engine->model);
    struct ingot_section matrix;
    *out = (struct bench){
        .engine = engine, .settings = settings, .rung = kernels_select(ingot_model_cpu(engine->model)), .kv = INGOT_F32
    };
    out->arithmetic = engine_arithmetic(engine, settings->fast);
    out->fast = settings->fast && ingot_model_fast(engine->model);
    out->dtype = ingot_find(engine->file, "h.0.attn.c_attn.weight", &matrix) ? matrix.dtype : INGOT_F32;
    draw_ids(out, hp);
    out->logits = memory_array(hp->n_vocab, sizeof *out->logits);
    out->cases = memory_array(settings->threads.n * (3 * BENCH_LIST_MAX + 1), sizeof *out->cases);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < settings->threads.n && status == INGOT_OK; i++) status = run_threads(out, i, err);
    return status;
}

void bench_close(struct bench *b)
{
    for (size_t i = 0; i < b->n_cases; i++) free(b->cases[i].seconds);
    free(b->cases);
    free(b->ids);
    free(b->logits);
}

/* -------------------------------------------------------------------------------------------------------- starting */

static enum ingot_status start_once(const char *path, double *open, double *first_token, struct ingot_error *err)
{
    struct engine engine;
    const struct ingot_session_options options = { .n_ctx = 1 }; /* no more than there will be, as in `run` */
    struct ingot_session *session = NULL;
    const uint32_t id = 0;
    float *logits = NULL;
    const double begin = progress_now();
    enum ingot_status status = engine_open(path, &engine, err);
    *open = progress_now() - begin;
    if (status != INGOT_OK) return status;
    logits = memory_array(ingot_model_hparams(engine.model)->n_vocab, sizeof *logits);
    status = ingot_session_create(engine.model, &options, &session, err);
    if (status == INGOT_OK) status = ingot_session_eval(session, &id, 1, INGOT_LOGITS_LAST, logits, err);
    *first_token = progress_now() - begin;
    ingot_session_close(session);
    free(logits);
    engine_close(&engine);
    return status;
}

/* This program again: `run PATH --ids 0 -n 1`, silent. Seconds, or 0 when it did not end well. */
static double run_process(const char *path)
{
    char *const words[] = { "ingot", "run", "--ids", "0", "-n", "1", "--", (char *)(uintptr_t)path, NULL };
    posix_spawn_file_actions_t actions;
    int state = 1;
    pid_t child;
    if (posix_spawn_file_actions_init(&actions) != 0) return 0;
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const double begin = progress_now();
    const bool started = posix_spawn(&child, "/proc/self/exe", &actions, NULL, words, environ) == 0;
    const bool ended = started && waitpid(child, &state, 0) == child && state == 0;
    const double seconds = progress_now() - begin;
    posix_spawn_file_actions_destroy(&actions);
    return ended ? seconds : 0;
}

enum ingot_status bench_start(const char *path, uint32_t n_rounds, struct bench_start *out, struct ingot_error *err)
{
    double *times = memory_array(3 * (size_t)n_rounds, sizeof *times);
    double *open = times, *first = times + n_rounds, *process = times + 2 * (size_t)n_rounds;
    enum ingot_status status = start_once(path, &open[0], &first[0], err);
    for (uint32_t r = 0; r < n_rounds && status == INGOT_OK; r++) {
        status = start_once(path, &open[r], &first[r], err);
        process[r] = run_process(path);
        if (status == INGOT_OK) status = engine_interrupted(err);
    }
    if (status == INGOT_OK)
        *out = (struct bench_start){ .open = spread_of(open, n_rounds),
                                     .first_token = spread_of(first, n_rounds),
                                     .process = spread_of(process, n_rounds) };
    free(times);
    return status;
}
