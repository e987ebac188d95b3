/* cmd_bench.c - `ingot bench`: how fast a model runs here, beside what this machine could do. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/bench.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "runtime/cores.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    OPT_THREADS,
    OPT_PREFILL,
    OPT_DEPTH,
    OPT_DECODED,
    OPT_ROUNDS,
    OPT_SEED,
    OPT_KV,
    OPT_FAST,
    OPT_NO_START,
    OPT_JSON,
    OPT_QUIET,
    N_OPTIONS
};

static const struct option options[N_OPTIONS] = {
    [OPT_THREADS] = { .name = "threads",
                      .letter = 't',
                      .type = OPTION_TEXT,
                      .value = "LIST",
                      .help = "Numbers of threads; 1 and the number of cores when not given" },
    [OPT_PREFILL] = { .name = "prefill",
                      .type = OPTION_TEXT,
                      .value = "LIST",
                      .fallback = "128,512,1024",
                      .help = "Lengths of prompts; what the context cannot hold is left out" },
    [OPT_DEPTH] = { .name = "depth",
                    .type = OPTION_TEXT,
                    .value = "LIST",
                    .help = "Tokens before those that are decoded; 0, 512 and the end of the context when not given" },
    [OPT_DECODED] = { .name = "tokens",
                      .letter = 'n',
                      .type = OPTION_COUNT,
                      .value = "N",
                      .fallback = "32",
                      .min = 1,
                      .max = 65536,
                      .help = "Tokens that are decoded at each depth" },
    [OPT_ROUNDS] = { .name = "rounds",
                     .type = OPTION_COUNT,
                     .value = "N",
                     .fallback = "5",
                     .min = 1,
                     .max = 1000,
                     .help = "How often everything is measured" },
    [OPT_SEED] = { .name = "seed",
                   .type = OPTION_COUNT,
                   .value = "N",
                   .fallback = "1",
                   .max = UINT64_MAX,
                   .help = "Of the token ids, which are drawn at random" },
    [OPT_KV] = KV_OPTION("The cost of a long context depends on it"),
    [OPT_FAST] = FAST_OPTION,
    [OPT_NO_START] = { .name = "no-start", .help = "Do not measure how long a start takes" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

#define THREADS_MAX 256u

struct results {
    struct bench_settings settings;
    struct engine engine;
    struct bench bench;
    struct bench_start start;
    bool has_start;
};

/* --------------------------------------------------------------------------------------------------------- settings */

/* Into its place, once. */
static void list_insert(struct bench_list *list, uint32_t value)
{
    size_t at = 0;
    while (at < list->n && list->values[at] < value) at++;
    if (list->n == BENCH_LIST_MAX || (at < list->n && list->values[at] == value)) return;
    memmove(list->values + at + 1, list->values + at, (list->n - at) * sizeof *list->values);
    list->values[at] = value;
    list->n++;
}

static enum ingot_status parse_list(const struct option *o, const char *text, uint32_t min, uint32_t max,
                                    struct bench_list *out, struct ingot_error *err)
{
    char subject[32];
    struct ingot_ids ids = { 0 };
    snprintf(subject, sizeof subject, "--%s", o->name);
    enum ingot_status status = engine_parse_ids(text, strlen(text), UINT32_MAX, &ids, NULL);
    bool right = status == INGOT_OK && ids.n > 0 && ids.n <= BENCH_LIST_MAX;
    for (size_t i = 0; i < ids.n; i++) right = right && ids.ids[i] >= min && ids.ids[i] <= max;
    for (size_t i = 0; i < ids.n && right; i++) list_insert(out, ids.ids[i]);
    ingot_ids_free(&ids);
    if (right) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, NULL,
                      "up to %d numbers from %u to %u, parted by commas, are expected", BENCH_LIST_MAX, min, max);
}

static void default_threads(struct bench_list *threads)
{
    list_insert(threads, 1);
    list_insert(threads, cores_count(THREADS_MAX));
}

static void default_depths(uint32_t n_ctx, uint32_t n_decoded, struct bench_list *depths)
{
    list_insert(depths, 0);
    list_insert(depths, 512);
    if (n_ctx > n_decoded) list_insert(depths, n_ctx - n_decoded);
}

static enum ingot_status read_settings(const struct option_value *v, uint32_t n_ctx, struct bench_settings *s,
                                       struct ingot_error *err)
{
    enum ingot_status status =
        parse_list(&options[OPT_PREFILL], v[OPT_PREFILL].text, 1, UINT32_MAX - 1, &s->prefill, err);
    s->n_decoded = (uint32_t)v[OPT_DECODED].count;
    s->n_rounds = (uint32_t)v[OPT_ROUNDS].count;
    s->seed = v[OPT_SEED].count;
    s->kv = engine_kv(v[OPT_KV].text);
    s->fast = v[OPT_FAST].given;
    if (status != INGOT_OK) return status;
    if (v[OPT_THREADS].text)
        status = parse_list(&options[OPT_THREADS], v[OPT_THREADS].text, 1, THREADS_MAX, &s->threads, err);
    else
        default_threads(&s->threads);
    if (status != INGOT_OK) return status;
    if (v[OPT_DEPTH].text)
        status = parse_list(&options[OPT_DEPTH], v[OPT_DEPTH].text, 0, UINT32_MAX - 1, &s->depths, err);
    else
        default_depths(n_ctx, s->n_decoded, &s->depths);
    if (status != INGOT_OK || s->prefill.values[0] <= n_ctx || s->depths.values[0] < n_ctx) return status;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--depth", NULL,
                      "no length of --prefill or --depth fits into the context of this model, %u tokens", n_ctx);
}

/* ------------------------------------------------------------------------------------------------------------- text */

static void case_name(const struct bench_case *c, char out[64])
{
    if (c->what == BENCH_PREFILL)
        snprintf(out, 64, "prefill of %u", c->n_tokens);
    else if (c->what == BENCH_PRODUCTS)
        snprintf(out, 64, "products of %u", c->n_tokens);
    else if (c->what == BENCH_DECODE)
        snprintf(out, 64, "decode at %u", c->depth);
    else
        snprintf(out, 64, "decode, %u sessions", c->n_threads);
}

static void add_case_row(struct table *t, const struct bench_case *c)
{
    char name[64];
    case_name(c, name);
    table_cell(t, "%" PRIu32, c->n_threads);
    table_cell(t, "%s", name);
    table_cell(t, "%.1f", c->speed.least);
    table_cell(t, "%.1f", c->speed.median);
    table_cell(t, "%.1f", c->speed.most);
    if (c->bytes > 0)
        table_cell(t, "%.2f", 1e-9 * c->bytes * c->speed.median);
    else
        table_cell(t, "%s", "");
    table_cell(t, "%.1f", 1e-9 * (c->ops_matrix + c->ops_f32) * c->speed.median);
    if (isnan(c->limit)) {
        table_cell(t, "%s", "");
        table_cell(t, "%s", "");
    } else {
        table_cell(t, "%.1f", c->limit);
        table_cell(t, "%.0f %%", 100 * c->speed.median / c->limit);
    }
}

static void print_cases(const struct bench *b)
{
    static const struct table_column columns[] = {
        { .title = "threads", .right = true }, { .title = "tokens/s" },
        { .title = "least", .right = true },   { .title = "median", .right = true },
        { .title = "most", .right = true },    { .title = "GB/s", .right = true },
        { .title = "GOP/s", .right = true },   { .title = "limit", .right = true },
        { .title = "reached", .right = true },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < b->n_cases; i++) add_case_row(&t, &b->cases[i]);
    table_end(&t);
}

static void print_machine(const struct bench *b)
{
    static const struct table_column columns[] = {
        { .title = "threads", .right = true },      { .title = "this machine: reading GB/s, least", .right = true },
        { .title = "median", .right = true },       { .title = "most", .right = true },
        { .title = "f32 GFLOP/s", .right = true },  { .title = "int8 GOP/s", .right = true },
        { .title = "bf16 GFLOP/s", .right = true },
    };
    const bool fast = b->machines[0].fast > 0;
    struct table t = table_begin(columns, sizeof columns / sizeof *columns - !fast);
    for (size_t i = 0; i < b->settings->threads.n; i++) {
        const struct bench_machine *m = &b->machines[i];
        table_cell(&t, "%" PRIu32, m->n_threads);
        table_cell(&t, "%.1f", 1e-9 * m->read.least);
        table_cell(&t, "%.1f", 1e-9 * m->read.median);
        table_cell(&t, "%.1f", 1e-9 * m->read.most);
        table_cell(&t, "%.1f", 1e-9 * m->fma);
        table_cell(&t, "%.1f", 1e-9 * m->integer);
        if (fast) table_cell(&t, "%.1f", 1e-9 * m->fast);
    }
    table_end(&t);
}

static void add_spread(struct table *t, const char *what, const struct bench_spread *s)
{
    if (s->median <= 0) return;
    table_cell(t, "%s", what);
    table_cell(t, "%s", human_duration(s->least).text);
    table_cell(t, "%s", human_duration(s->median).text);
    table_cell(t, "%s", human_duration(s->most).text);
}

static void print_start(const struct results *r)
{
    static const struct table_column columns[] = {
        { .title = "start", .flexible = true },
        { .title = "least", .right = true },
        { .title = "median", .right = true },
        { .title = "most", .right = true },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    add_spread(&t, "open and bind", &r->start.open);
    add_spread(&t, "first token, in a process", &r->start.first_token);
    add_spread(&t, "a process that prints one token", &r->start.process);
    table_end(&t);
}

static void print_text(const struct results *r)
{
    const struct bench *b = &r->bench;
    paragraph_sentence(stdout, 0, 2, "%s on %s, %s arithmetic, cache %s, %s read per token; %u round%s",
                       ingot_dtype_name(b->dtype), b->rung->name, b->arithmetic, ingot_dtype_name(b->kv),
                       human_bytes(ingot_model_token_bytes(r->engine.model)).text, r->settings.n_rounds,
                       plural(r->settings.n_rounds));
    putchar('\n');
    print_cases(b);
    putchar('\n');
    print_machine(b);
    if (!r->has_start) return;
    putchar('\n');
    print_start(r);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *spread_json(const struct bench_spread *s)
{
    json_t *o = json_object();
    json_put(o, "min", json_number(s->least));
    json_put(o, "median", json_number(s->median));
    json_put(o, "max", json_number(s->most));
    return o;
}

static json_t *case_json(const struct bench_case *c, uint32_t n_rounds)
{
    static const char *const names[] = {
        [BENCH_PREFILL] = "prefill",
        [BENCH_PRODUCTS] = "products",
        [BENCH_DECODE] = "decode",
        [BENCH_PARALLEL] = "sessions",
    };
    json_t *o = json_object(), *samples = json_array();
    json_put(o, "what", json_string(names[c->what]));
    json_put(o, "threads", json_count(c->n_threads));
    json_put(o, "tokens", json_count(c->n_tokens));
    json_put(o, "depth", json_count(c->depth));
    json_put(o, "tokens_per_second", spread_json(&c->speed));
    for (uint32_t i = 0; i < n_rounds; i++) json_add(samples, json_number(c->n_tokens / c->seconds[i]));
    json_put(o, "samples", samples);
    json_put(o, "bytes_per_token", c->bytes > 0 ? json_number(c->bytes) : json_null());
    json_put(o, "operations_per_token", json_number(c->ops_matrix + c->ops_f32));
    json_put(o, "bytes_per_second", c->bytes > 0 ? json_number(c->bytes * c->speed.median) : json_null());
    json_put(o, "operations_per_second", json_number((c->ops_matrix + c->ops_f32) * c->speed.median));
    json_put(o, "limit", json_number(c->limit));
    json_put(o, "reached", json_number(c->speed.median / c->limit));
    return o;
}

static json_t *machine_json(const struct bench_machine *m)
{
    json_t *o = json_object();
    json_put(o, "threads", json_count(m->n_threads));
    json_put(o, "read_bytes_per_second", spread_json(&m->read));
    json_put(o, "f32_operations_per_second", m->fma > 0 ? json_number(m->fma) : json_null());
    json_put(o, "int8_operations_per_second", m->integer > 0 ? json_number(m->integer) : json_null());
    json_put(o, "bf16_operations_per_second", m->fast > 0 ? json_number(m->fast) : json_null());
    return o;
}

static json_t *start_json(const struct results *r)
{
    json_t *o = json_object();
    json_put(o, "open", spread_json(&r->start.open));
    json_put(o, "first_token", spread_json(&r->start.first_token));
    json_put(o, "process", r->start.process.median > 0 ? spread_json(&r->start.process) : json_null());
    return o;
}

static void print_json(const struct results *r)
{
    const struct bench *b = &r->bench;
    json_t *root = json_begin(), *cases = json_array(), *machines = json_array();
    json_put(root, "file", json_text(r->engine.path, strlen(r->engine.path)));
    json_put(root, "cpu", json_string(b->rung->name));
    json_put(root, "arithmetic", json_string(b->arithmetic));
    json_put(root, "dtype", json_string(ingot_dtype_name(b->dtype)));
    json_put(root, "cache", json_string(ingot_dtype_name(b->kv)));
    json_put(root, "token_bytes", json_count(ingot_model_token_bytes(r->engine.model)));
    json_put(root, "rounds", json_count(r->settings.n_rounds));
    for (size_t i = 0; i < b->settings->threads.n; i++) json_add(machines, machine_json(&b->machines[i]));
    for (size_t i = 0; i < b->n_cases; i++) json_add(cases, case_json(&b->cases[i], r->settings.n_rounds));
    json_put(root, "machine", machines);
    json_put(root, "results", cases);
    json_put(root, "start", r->has_start ? start_json(r) : json_null());
    json_end(root);
}

/* ---------------------------------------------------------------------------------------------------------- command */

static enum ingot_status measure(struct results *r, const struct option_value *v, struct ingot_error *err)
{
    struct progress progress = progress_begin("bench", v[OPT_QUIET].given);
    progress.unit = "rounds";
    r->settings.progress = progress_update;
    r->settings.progress_ctx = &progress;
    enum ingot_status status = INGOT_OK;
    if (!v[OPT_NO_START].given) status = bench_start(r->engine.path, r->settings.n_rounds, &r->start, err);
    r->has_start = status == INGOT_OK && !v[OPT_NO_START].given;
    if (status == INGOT_OK) status = bench_run(&r->engine, &r->settings, &r->bench, err);
    progress_end(&progress);
    return status;
}

static int run_bench(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct results r = { 0 };
    enum ingot_status status = engine_open(args->operands[0], &r.engine, &err);
    if (status == INGOT_OK) status = read_settings(v, ingot_model_hparams(r.engine.model)->n_ctx, &r.settings, &err);
    if (status == INGOT_OK) status = measure(&r, v, &err);
    if (status == INGOT_OK && v[OPT_JSON].given)
        print_json(&r);
    else if (status == INGOT_OK)
        print_text(&r);
    bench_close(&r.bench);
    engine_close(&r.engine);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure how fast a model runs here, beside what this machine could do",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "For each number of threads, in rounds: reading a prompt into an empty context (prefill), the logits of its "
        "last token included; the matrix products of all layers that this takes, alone and in the same way "
        "(products); decoding token by token behind so many others (depth); and, with several threads, decoding in as "
        "many sessions with one thread each, which share the weights. Prints tokens per second: the least, the median "
        "and the most of the rounds; the bytes of weights and cache that were read, and the operations of matrix "
        "products and attention, in a second.\n\n"
        "The limit is what this machine allows: the longer of the time that the bytes of a token take at the best "
        "speed at which the same threads read the same mapped weights, and the time that its operations take at the "
        "speed of multiply-adds on registers (of bytes for the products of q8 and q4, of bf16 with --fast where that "
        "is faster, of f32 for all others). Both are measured in the same rounds. Weights that fit into a cache may "
        "be read faster than the limit says. There is none for more threads than cores.\n\n"
        "Start is measured with the file in the page cache: opening and binding; the same up to the first token; and "
        "a whole process of `ingot run` that prints one token.",
    .examples = "ingot bench gpt2.ingot\n"
                "ingot bench gpt2-q8.ingot --threads 2 --prefill 512 --depth 0,512 --rounds 9\n"
                "ingot bench gpt2.ingot --json | jq '.results[] | [.what, .depth, .tokens_per_second.median]'",
    .run = run_bench,
};
