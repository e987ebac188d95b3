/* cmd_score.c - `ingot score`: how well does a model predict a text? */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/cli/terminal.h"
#include "inspect/score.h"
#include "inspect/windows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_IDS,
    OPT_CTX,
    OPT_STRIDE,
    OPT_NO_START,
    OPT_SPECIAL,
    OPT_TOKENS,
    OPT_JSON,
    OPT_THREADS,
    OPT_FAST,
    OPT_QUIET,
    N_OPTIONS
};

static const struct option options[N_OPTIONS] = {
    [OPT_IDS] = { .name = "ids",
                  .type = OPTION_TEXT,
                  .value = "LIST",
                  .help = "Score these tokens: 1,2,3. Sequences are parted by ; and what is before a | is given" },
    [OPT_CTX] = { .name = "ctx",
                  .type = OPTION_COUNT,
                  .value = "N",
                  .min = 1,
                  .max = UINT32_MAX,
                  .help = "Positions of a window; the model's context when not given" },
    [OPT_STRIDE] = { .name = "stride",
                     .type = OPTION_COUNT,
                     .value = "N",
                     .min = 1,
                     .max = UINT32_MAX,
                     .help = "From one window to the next; half a window when not given" },
    [OPT_NO_START] = { .name = "no-start", .help = "Do not put <|endoftext|> before a text" },
    [OPT_SPECIAL] = { .name = "special", .help = "Take <|endoftext|> in a text as the special token" },
    [OPT_TOKENS] = { .name = "tokens", .help = "List every token with its log-probability and its rank" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] = THREADS_OPTION("Threads; chosen when not given. The result does not depend on it"),
    [OPT_FAST] = FAST_OPTION,
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

#define SHOWN_PATH 256

/* One text, and what came of it. */
struct scored {
    const char *name; /* as on the command line */
    struct score_text text;
    struct score_token *tokens; /* [score_text_scored(&text)] */
    struct score_total total;
};

struct job {
    struct engine engine;
    struct score_settings settings;
    struct scored *texts;
    size_t n_texts;
    struct score_total total;
    const char *arithmetic;
};

/* ---------------------------------------------------------------------------------------------------------- scoring */

static enum ingot_status read_text(struct job *job, const struct option_value *v, struct scored *s,
                                   struct ingot_error *err)
{
    struct user_text text = { 0 };
    const bool start = !v[OPT_NO_START].given;
    enum ingot_status status = INGOT_OK;
    if (v[OPT_IDS].given) {
        status = score_parse_ids(&job->engine, v[OPT_IDS].text, start, &s->text, err);
    } else {
        status = user_text_read(strcmp(s->name, "-") == 0 ? NULL : s->name, &text, err);
        if (status == INGOT_OK) status = score_encode(&job->engine, &text, v[OPT_SPECIAL].given, start, &s->text, err);
        user_text_free(&text);
    }
    if (status != INGOT_OK || score_text_scored(&s->text) > 0) return status;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, s->name, NULL,
                      s->text.ids.n == s->text.n_start ? "there are no tokens to score"
                                                       : "a single token has nothing before it that predicts it");
}

static enum ingot_status score_one(struct job *job, const struct option_value *v, struct scored *s,
                                   struct ingot_error *err)
{
    enum ingot_status status = read_text(job, v, s, err);
    if (status != INGOT_OK) return status;
    const size_t n = score_text_scored(&s->text);
    struct progress progress = progress_begin("score", v[OPT_QUIET].given);
    progress.unit = "tokens";
    job->settings.progress = progress_update;
    job->settings.progress_ctx = &progress;
    s->tokens = memory_array(n, sizeof *s->tokens);
    status = score_tokens(job->engine.model, &s->text, &job->settings, s->tokens, err);
    progress_end(&progress);
    if (status != INGOT_OK) return status;
    score_add(&s->total, s->tokens, n, job->engine.tokenizer);
    score_add_total(&job->total, &s->total);
    return INGOT_OK;
}

/* What is to be scored: the ids, the operands behind the model, or standard input. */
static enum ingot_status list_texts(struct job *job, const struct arguments *args, struct ingot_error *err)
{
    const bool ids = args->values[OPT_IDS].given;
    const size_t n = args->n_operands - 1;
    if (ids && n > 0)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--ids", NULL, "--ids and a text exclude each other");
    if (!ids && n == 0 && terminal_is(stdin))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "score", "name a file, or - for standard input",
                          "there is no text to score");
    job->n_texts = n ? n : 1;
    job->texts = memory_array(job->n_texts, sizeof *job->texts);
    for (size_t i = 0; i < job->n_texts; i++) job->texts[i].name = ids ? "--ids" : n ? args->operands[1 + i] : "-";
    return INGOT_OK;
}

static enum ingot_status score_all(struct job *job, const struct arguments *args, struct ingot_error *err)
{
    const struct option_value *v = args->values;
    job->settings = (struct score_settings){ .n_ctx = (uint32_t)v[OPT_CTX].count,
                                             .stride = (uint32_t)v[OPT_STRIDE].count,
                                             .n_threads = (uint32_t)v[OPT_THREADS].count,
                                             .fast = v[OPT_FAST].given };
    job->arithmetic = engine_arithmetic(&job->engine, v[OPT_FAST].given);
    enum ingot_status status = score_settings_check(ingot_model_hparams(job->engine.model)->n_ctx, &job->settings, err);
    if (status == INGOT_OK) status = list_texts(job, args, err);
    for (size_t i = 0; i < job->n_texts && status == INGOT_OK; i++) status = score_one(job, v, &job->texts[i], err);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- text */

/* Where a scored token stands: in which sequence, and at which position of it, both from 0. */
struct place {
    size_t sequence, position, n_before; /* n_before: of this sequence's scored tokens */
};

/* The next scored token's place, beginning with that of a zeroed one; false behind the last. */
static bool next_place(const struct score_text *text, struct place *at)
{
    const struct score_sequence *s = &text->sequences[at->sequence];
    if (at->n_before == s->n - s->n_context) {
        if (++at->sequence == text->n_sequences) return false;
        s++;
        at->n_before = 0;
    }
    at->position = s->n_context + at->n_before++ - text->n_start;
    return true;
}

static void print_tokens(const struct job *job, const struct scored *s)
{
    static const struct table_column columns[] = {
        { .title = "position", .right = true }, { .title = "id", .right = true },
        { .title = "piece", .flexible = true }, { .title = "log P", .right = true },
        { .title = "rank", .right = true },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    struct place at = { 0 };
    char shown[64];
    for (const struct score_token *token = s->tokens; next_place(&s->text, &at); token++) {
        table_cell(&t, "%zu", at.position);
        table_cell(&t, "%" PRIu32, token->id);
        table_cell(&t, "'%s'", engine_piece(job->engine.tokenizer, token->id, shown));
        table_cell(&t, "%.4f", token->log_p);
        table_cell(&t, "%" PRIu32, token->rank);
    }
    table_end(&t);
    printf("\n");
}

static void add_row(struct table *t, const char *name, const struct score_total *total)
{
    char shown[SHOWN_PATH];
    const double bits = score_bits_per_byte(total);
    table_cell(t, "%s", ingot_escape(name, strlen(name), shown, sizeof shown));
    table_cell(t, "%s", human_count(total->n_tokens).text);
    table_cell(t, "%s", total->n_bytes ? human_count(total->n_bytes).text : "");
    table_cell(t, "%.4f", score_nats_per_token(total));
    if (isnan(bits))
        table_cell(t, "%s", "");
    else
        table_cell(t, "%.4f", bits);
    table_cell(t, "%.6g", score_perplexity(total));
    table_cell(t, "%s", human_share(total->n_best, total->n_tokens).text);
}

static void print_text(const struct job *job, bool tokens)
{
    static const struct table_column columns[] = {
        { .title = "text", .flexible = true },
        { .title = "tokens", .right = true },
        { .title = "bytes", .right = true, .drop = 2 },
        { .title = "nats/token", .right = true, .drop = 3 },
        { .title = "bits/byte", .right = true, .drop = 1 },
        { .title = "perplexity", .right = true },
        { .title = "likeliest", .right = true, .drop = 4 },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < job->n_texts && tokens; i++) print_tokens(job, &job->texts[i]);
    for (size_t i = 0; i < job->n_texts; i++) add_row(&t, job->texts[i].name, &job->texts[i].total);
    if (job->n_texts > 1) {
        table_rule(&t);
        add_row(&t, "all", &job->total);
    }
    table_end(&t);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *piece_json(const struct job *job, uint32_t id)
{
    size_t n;
    if (!job->engine.tokenizer) return json_null();
    const char *bytes = ingot_tokenizer_piece(job->engine.tokenizer, id, &n);
    return json_text(bytes, n);
}

static void put_total(json_t *o, const struct score_total *total)
{
    json_put(o, "tokens", json_count(total->n_tokens));
    json_put(o, "bytes", total->n_bytes ? json_count(total->n_bytes) : json_null());
    json_put(o, "nats", json_number(total->nats));
    json_put(o, "nats_per_token", json_number(score_nats_per_token(total)));
    json_put(o, "bits_per_byte", json_number(score_bits_per_byte(total)));
    json_put(o, "perplexity", json_number(score_perplexity(total)));
    json_put(o, "likeliest", json_count(total->n_best));
}

static size_t count_windows(const struct job *job, const struct score_text *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->n_sequences; i++)
        n += windows_count(text->sequences[i].n, job->settings.n_ctx, job->settings.stride);
    return n;
}

static json_t *tokens_json(const struct job *job, const struct scored *s)
{
    json_t *array = json_array();
    struct place at = { 0 };
    for (const struct score_token *token = s->tokens; next_place(&s->text, &at); token++) {
        json_t *o = json_object();
        json_put(o, "sequence", json_count(at.sequence));
        json_put(o, "position", json_count(at.position));
        json_put(o, "id", json_count(token->id));
        json_put(o, "piece", piece_json(job, token->id));
        json_put(o, "log_probability", json_number(token->log_p));
        json_put(o, "rank", json_count(token->rank));
        json_add(array, o);
    }
    return array;
}

static void print_json(const struct job *job, bool tokens)
{
    json_t *root = json_begin(), *texts = json_array(), *all = json_object();
    json_put(root, "file", json_text(job->engine.path, strlen(job->engine.path)));
    json_put(root, "arithmetic", json_string(job->arithmetic));
    json_put(root, "ctx", json_count(job->settings.n_ctx));
    json_put(root, "stride", json_count(job->settings.stride));
    for (size_t i = 0; i < job->n_texts; i++) {
        const struct scored *s = &job->texts[i];
        json_t *o = json_object();
        json_put(o, "text", json_text(s->name, strlen(s->name)));
        json_put(o, "start", json_boolean(s->text.n_start == 1));
        json_put(o, "sequences", json_count(s->text.n_sequences));
        json_put(o, "windows", json_count(count_windows(job, &s->text)));
        put_total(o, &s->total);
        if (tokens) json_put(o, "scores", tokens_json(job, s));
        json_add(texts, o);
    }
    put_total(all, &job->total);
    json_put(root, "texts", texts);
    json_put(root, "all", all);
    json_end(root);
}

/* ---------------------------------------------------------------------------------------------------------- command */

static void close_job(struct job *job)
{
    for (size_t i = 0; i < job->n_texts; i++) {
        score_text_free(&job->texts[i].text);
        free(job->texts[i].tokens);
    }
    free(job->texts);
    engine_close(&job->engine);
}

static int run_score(const struct arguments *args)
{
    const struct option_value *v = args->values;
    struct ingot_error err = { 0 };
    struct job job = { 0 };
    enum ingot_status status = engine_open(args->operands[0], &job.engine, &err);
    if (status == INGOT_OK) status = score_all(&job, args, &err);
    if (status == INGOT_OK && v[OPT_JSON].given)
        print_json(&job, v[OPT_TOKENS].given);
    else if (status == INGOT_OK)
        print_text(&job, v[OPT_TOKENS].given);
    close_job(&job);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_score = {
    .name = "score",
    .summary = "measure how well a model predicts texts: perplexity",
    .operands = "FILE [TEXT...]",
    .min_operands = 1,
    .max_operands = OPERANDS_MAX,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Encodes every TEXT (a file; - or none at all: standard input) and asks the model for the probability of each "
        "token given those before it. Prints tokens and bytes; nats/token, the mean of -log P; bits/byte, the same "
        "information spread over the bytes of the text, which compares models with different vocabularies; the "
        "perplexity, e to the nats/token; and how often the token was the likeliest of all.\n\n"
        "Where the vocabulary has <|endoftext|>, the first token is predicted from it; otherwise, and with --no-start, "
        "the first token is not scored. A text that is longer than the context is read in windows of --ctx positions, "
        "each --stride positions behind the one before. A token is scored once, in the first window that reaches it, "
        "so that all but those of the first window have at least ctx - stride tokens before them.\n\n"
        "--ids may list several sequences, parted by semicolons, each of which is read from an empty context on. What "
        "stands before a vertical bar is given and not scored: '2,0,1|0,1,2; 1,1,0|0,1,1' asks how well two answers to "
        "two questions are predicted.\n\n"
        "Sums are made in double precision, in the order of the vocabulary and of the text; several texts are summed "
        "in the order "
        "in which they stand. The number of threads and, without --fast, the instruction set do not show in the "
        "result; another C library, whose exp and log are used, may change its last digits.",
    .examples = "ingot score gpt2.ingot chapter.txt\n"
                "ingot score gpt2.ingot --tokens --no-start - <<<'Hello World'\n"
                "ingot score gpt2-q4.ingot wiki.txt --ctx 1024 --stride 512 --json",
    .run = run_score,
};
