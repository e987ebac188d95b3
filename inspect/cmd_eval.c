/* cmd_eval.c - `ingot eval`: the logits of every position, so that anyone can compare with another implementation. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/npy.h"
#include "inspect/prompt.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPT_IDS,
    OPT_PROMPT,
    OPT_SPECIAL,
    OPT_NPY,
    OPT_FORCE,
    OPT_JSON,
    OPT_TOP,
    OPT_THREADS,
    OPT_BATCH,
    OPT_KV,
    OPT_FAST,
    OPT_STEP,
    N_OPTIONS
};

#define TOP_MAX 1000

static const struct option options[N_OPTIONS] = {
    [OPT_IDS] = { .name = "ids", .type = OPTION_TEXT, .value = "LIST", .help = "The tokens: 1,2,3" },
    [OPT_PROMPT] = { .name = "prompt", .letter = 'p', .type = OPTION_TEXT, .value = "TEXT", .help = "Or the text" },
    [OPT_SPECIAL] = { .name = "special", .help = "Take <|endoftext|> in the text as the special token" },
    [OPT_NPY] = { .name = "npy",
                  .letter = 'o',
                  .type = OPTION_FILE,
                  .value = "FILE",
                  .help = "Write all logits as a NumPy array of f32, shape (tokens, vocabulary); - is the standard "
                          "output" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Replace FILE if it exists" },
    [OPT_JSON] = JSON_OPTION("Print the best K of every position as JSON"),
    [OPT_TOP] = { .name = "top",
                  .letter = 'k',
                  .type = OPTION_COUNT,
                  .value = "K",
                  .fallback = "5",
                  .min = 1,
                  .max = TOP_MAX,
                  .help = "How many of the best in JSON" },
    [OPT_THREADS] = THREADS_OPTION("Threads; chosen when not given. The logits do not depend on it"),
    [OPT_BATCH] = { .name = "batch",
                    .type = OPTION_COUNT,
                    .value = "N",
                    .min = 1,
                    .max = 65536,
                    .help = "Tokens in one step; chosen when not given. The logits do not depend on it" },
    [OPT_KV] = KV_OPTION("The logits depend on it"),
    [OPT_FAST] = FAST_OPTION,
    [OPT_STEP] = { .name = "step", .help = "Feed the tokens one by one, as in decoding" },
};

/* Tokens whose logits are held in memory at the same time: 26 MB for GPT-2. */
#define PORTION 128

struct candidate {
    uint32_t id;
    float logit;
};

struct evaluation {
    struct engine engine;
    struct ingot_session *session;
    const char *arithmetic;
    struct ingot_ids ids;
    uint32_t n_vocab;
    float *logits; /* [portion, n_vocab] */
    size_t portion;
    struct outfile npy;
    bool npy_wanted, text_wanted;
    json_t *rows; /* NULL: no JSON */
    struct table table;
    struct candidate *best; /* [n_best], best first */
    size_t n_best;
    double log_p; /* of the token at hand, given those before it; NaN for the first */
};

/* Of two equal logits the lower id comes first; NaN comes last. */
static void select_best(struct evaluation *e, const float *logits)
{
    size_t n = 0;
    for (uint32_t id = 0; id < e->n_vocab; id++) {
        if (isnan(logits[id]) || (n == e->n_best && !(logits[id] > e->best[n - 1].logit))) continue;
        size_t at = n < e->n_best ? n++ : n - 1;
        for (; at > 0 && logits[id] > e->best[at - 1].logit; at--) e->best[at] = e->best[at - 1];
        e->best[at] = (struct candidate){ id, logits[id] };
    }
    for (uint32_t id = 0; n < e->n_best; id++)
        if (isnan(logits[id])) e->best[n++] = (struct candidate){ id, NAN };
}

/* log softmax of the k-th best: one pass over the vocabulary for the best, differences for the others. */
static double best_log_p(const struct evaluation *e, size_t k, double log_p_of_best)
{
    return ((double)e->best[k].logit - (double)e->best[0].logit) + log_p_of_best;
}

static json_t *piece_json(const struct evaluation *e, uint32_t id)
{
    size_t n;
    if (!e->engine.tokenizer) return json_null();
    const char *bytes = ingot_tokenizer_piece(e->engine.tokenizer, id, &n);
    return json_text(bytes, n);
}

static void add_json(struct evaluation *e, size_t position, double log_p_of_best)
{
    json_t *row = json_object(), *top = json_array();
    json_put(row, "position", json_count(position));
    json_put(row, "id", json_count(e->ids.ids[position]));
    json_put(row, "piece", piece_json(e, e->ids.ids[position]));
    json_put(row, "log_probability", json_number(e->log_p));
    for (size_t k = 0; k < e->n_best; k++) {
        json_t *one = json_object();
        json_put(one, "id", json_count(e->best[k].id));
        json_put(one, "piece", piece_json(e, e->best[k].id));
        json_put(one, "logit", json_number((double)e->best[k].logit));
        json_put(one, "log_probability", json_number(best_log_p(e, k, log_p_of_best)));
        json_add(top, one);
    }
    json_put(row, "top", top);
    json_add(e->rows, row);
}

static void add_text(struct evaluation *e, size_t position, double log_p_of_best)
{
    char shown[64];
    table_cell(&e->table, "%zu", position);
    table_cell(&e->table, "%" PRIu32, e->ids.ids[position]);
    table_cell(&e->table, "'%s'", engine_piece(e->engine.tokenizer, e->ids.ids[position], shown));
    if (isnan(e->log_p))
        table_cell(&e->table, "%s", "");
    else
        table_cell(&e->table, "%.4f", e->log_p);
    table_cell(&e->table, "%" PRIu32, e->best[0].id);
    table_cell(&e->table, "'%s'", engine_piece(e->engine.tokenizer, e->best[0].id, shown));
    table_cell(&e->table, "%.4f", (double)e->best[0].logit);
    table_cell(&e->table, "%.1f %%", 100 * exp(log_p_of_best));
}

static void add_position(struct evaluation *e, size_t position, const float *logits)
{
    if (!e->rows && !e->text_wanted) return;
    select_best(e, logits);
    double log_p_of_best = ingot_log_probability(logits, e->n_vocab, e->best[0].id);
    if (e->rows)
        add_json(e, position, log_p_of_best);
    else
        add_text(e, position, log_p_of_best);
    if (position + 1 < e->ids.n) e->log_p = ingot_log_probability(logits, e->n_vocab, e->ids.ids[position + 1]);
}

static enum ingot_status evaluate(struct evaluation *e, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (size_t at = 0; at < e->ids.n && status == INGOT_OK; at += e->portion) {
        size_t n = e->ids.n - at < e->portion ? e->ids.n - at : e->portion;
        status = ingot_session_eval(e->session, e->ids.ids + at, n, INGOT_LOGITS_ALL, e->logits, err);
        if (status != INGOT_OK) return status;
        for (size_t i = 0; i < n; i++) add_position(e, at + i, e->logits + i * e->n_vocab);
        if (e->npy_wanted) status = outfile_write(&e->npy, e->logits, n * e->n_vocab * sizeof *e->logits, err);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------ setting up */

static enum ingot_status read_tokens(struct evaluation *e, const struct option_value *v, struct ingot_error *err)
{
    struct prompt prompt = { .text = v[OPT_PROMPT].text, .ids = v[OPT_IDS].text, .special = v[OPT_SPECIAL].given };
    struct user_text text;
    uint32_t n_ctx = ingot_model_hparams(e->engine.model)->n_ctx;
    enum ingot_status status = prompt_read(&e->engine, &prompt, &e->ids, &text, err);
    user_text_free(&text);
    if (status != INGOT_OK) return status;
    if (e->ids.n == 0)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "eval", "give them with --ids 1,2,3 or -p TEXT",
                          "there are no tokens to evaluate");
    if (e->ids.n > n_ctx)
        return ingot_fail(err, INGOT_E_CONTEXT_FULL, INGOT_NO_OFFSET, "eval", NULL,
                          "%zu tokens do not fit into a context of %u", e->ids.n, n_ctx);
    return INGOT_OK;
}

/* Not even -f means that the model shall be replaced by its logits. */
static enum ingot_status begin_npy(struct evaluation *e, const struct option_value *v, struct ingot_error *err)
{
    uint8_t header[NPY_HEADER_MAX];
    const uint64_t shape[] = { e->ids.n, e->n_vocab };
    e->npy_wanted = v[OPT_NPY].given;
    if (!e->npy_wanted) return INGOT_OK;
    if (npy_check_target(v[OPT_NPY].text, v[OPT_JSON].given, err) != INGOT_OK) return INGOT_E_ARGUMENT;
    if (outfile_is_same(v[OPT_NPY].text, e->engine.path))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, v[OPT_NPY].text, "give the logits another name",
                          "this is the model itself");
    size_t n = npy_header("<f4", 2, shape, header);
    enum ingot_status status = outfile_open(&e->npy, v[OPT_NPY].text, v[OPT_FORCE].given, err);
    return status == INGOT_OK ? outfile_write(&e->npy, header, n, err) : status;
}

static void begin_output(struct evaluation *e, const struct option_value *v)
{
    static const struct table_column columns[] = {
        { .title = "position", .right = true, .drop = 2 },
        { .title = "id", .right = true, .drop = 1 },
        { .title = "piece" },
        { .title = "log P", .right = true },
        { .title = "best", .right = true, .drop = 3 },
        { .title = "piece", .flexible = true },
        { .title = "logit", .right = true, .drop = 4 },
        { .title = "P", .right = true },
    };
    uint64_t wanted = v[OPT_JSON].given ? v[OPT_TOP].count : 1;
    e->n_best = wanted < e->n_vocab ? wanted : e->n_vocab;
    e->best = memory_array(e->n_best, sizeof *e->best);
    e->table = table_begin(columns, sizeof columns / sizeof *columns);
    e->rows = v[OPT_JSON].given ? json_array() : NULL;
    e->text_wanted = !v[OPT_JSON].given && !v[OPT_NPY].given;
    e->log_p = NAN;
}

static enum ingot_status set_up(struct evaluation *e, const struct option_value *v, struct ingot_error *err)
{
    uint64_t batch = v[OPT_BATCH].count;
    const struct ingot_session_options how = { .n_threads = (uint32_t)v[OPT_THREADS].count,
                                               .n_batch = (uint32_t)batch,
                                               .kv = engine_kv(v[OPT_KV].text),
                                               .fast = v[OPT_FAST].given,
                                               .progress = engine_goes_on };
    enum ingot_status status = read_tokens(e, v, err);
    if (status != INGOT_OK) return status;
    e->n_vocab = ingot_model_hparams(e->engine.model)->n_vocab;
    e->portion = v[OPT_STEP].given ? 1 : batch > PORTION ? batch : PORTION;
    if (e->portion > e->ids.n) e->portion = e->ids.n;
    e->logits = memory_array(e->portion * e->n_vocab, sizeof *e->logits);
    begin_output(e, v);
    e->arithmetic = engine_arithmetic(&e->engine, v[OPT_FAST].given);
    status = ingot_session_create(e->engine.model, &how, &e->session, err);
    return status == INGOT_OK ? begin_npy(e, v, err) : status;
}

static void print_results(struct evaluation *e)
{
    if (e->rows) {
        json_t *root = json_begin();
        json_put(root, "vocabulary", json_count(e->n_vocab));
        json_put(root, "arithmetic", json_string(e->arithmetic));
        json_put(root, "tokens", e->rows);
        json_end(root);
        e->rows = NULL;
    } else if (e->text_wanted) {
        table_end(&e->table);
    }
}

static void tear_down(struct evaluation *e)
{
    outfile_close(&e->npy);
    json_decref(e->rows);
    table_discard(&e->table);
    ingot_session_close(e->session);
    ingot_ids_free(&e->ids);
    free(e->logits);
    free(e->best);
    engine_close(&e->engine);
}

static int run_eval(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct evaluation e = { 0 };
    enum ingot_status status = engine_open(args->operands[0], &e.engine, &err);
    if (status == INGOT_OK) status = set_up(&e, args->values, &err);
    if (status == INGOT_OK) status = evaluate(&e, &err);
    if (status == INGOT_OK && e.npy_wanted) status = outfile_publish(&e.npy, &err);
    if (status == INGOT_OK) print_results(&e);
    tear_down(&e);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_eval = {
    .name = "eval",
    .summary = "give the logits of every position",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Evaluates tokens (--ids), a text (-p), or standard input, and shows for each position the token, "
                   "its log-probability given those before it, and what the model expects next: id, piece, logit and "
                   "probability.\n\n"
                   "--npy writes the logits themselves, row by row; padding rows of the vocabulary are left out. The "
                   "bytes of that file are the same for every instruction set, number of threads, batch and for "
                   "--step; with --fast they are not.",
    .examples = "ingot eval gpt2.ingot -p 'The quick brown fox'\n"
                "ingot eval gpt2.ingot --ids 15496,11,616 --npy logits.npy\n"
                "ingot eval gpt2.ingot --ids 15496,11,616 --json --top 10",
    .run = run_eval,
};
