/* cmd_run.c - `ingot run`: continues a text, token by token, as fast as the weights can be read. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/stream.h"
#include "inspect/cli/terminal.h"
#include "inspect/prompt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_PROMPT,
    OPT_IDS,
    OPT_TOKENS,
    OPT_TEMPERATURE,
    OPT_TOP_K,
    OPT_TOP_P,
    OPT_SEED,
    OPT_SLIDE,
    OPT_SPECIAL,
    OPT_NO_ECHO,
    OPT_STATS,
    OPT_THREADS,
    OPT_BATCH,
    OPT_KV,
    OPT_FAST,
    N_OPTIONS
};

static const struct option options[N_OPTIONS] = {
    [OPT_PROMPT] = { .name = "prompt",
                     .letter = 'p',
                     .type = OPTION_TEXT,
                     .value = "TEXT",
                     .help = "The text to continue" },
    [OPT_IDS] = { .name = "ids",
                  .type = OPTION_TEXT,
                  .value = "LIST",
                  .help = "The prompt as token ids, 1,2,3; the answer is then ids too" },
    [OPT_TOKENS] = { .name = "tokens",
                     .letter = 'n',
                     .type = OPTION_COUNT,
                     .value = "N",
                     .fallback = "256",
                     .max = UINT32_MAX,
                     .help = "Make at most N tokens" },
    [OPT_TEMPERATURE] = { .name = "temperature",
                          .letter = 'T',
                          .type = OPTION_REAL,
                          .value = "T",
                          .fallback = "0.8",
                          .real_max = 1000,
                          .help = "Flatten (above 1) or sharpen (below 1) the choice; 0 always takes the likeliest" },
    [OPT_TOP_K] = { .name = "top-k",
                    .letter = 'k',
                    .type = OPTION_COUNT,
                    .value = "K",
                    .fallback = "40",
                    .max = UINT32_MAX,
                    .help = "Choose among the K likeliest; 0 among all" },
    [OPT_TOP_P] = { .name = "top-p",
                    .type = OPTION_REAL,
                    .value = "P",
                    .fallback = "1",
                    .real_min = 1e-9,
                    .real_max = 1,
                    .help = "Then among the fewest whose probabilities reach P together" },
    [OPT_SEED] = { .name = "seed",
                   .letter = 's',
                   .type = OPTION_COUNT,
                   .value = "S",
                   .fallback = "0",
                   .help = "Start of the random numbers: the same seed gives the same text on every machine" },
    [OPT_SLIDE] = { .name = "slide", .help = "At the end of the context keep its newest half and go on" },
    [OPT_SPECIAL] = { .name = "special", .help = "Take <|endoftext|> in the prompt as the special token" },
    [OPT_NO_ECHO] = { .name = "no-echo", .help = "Print the continuation without the prompt" },
    [OPT_STATS] = { .name = "stats", .help = "Report times and speed on stderr" },
    [OPT_THREADS] = THREADS_OPTION("Threads; chosen when not given. The text does not depend on it"),
    [OPT_BATCH] = { .name = "batch",
                    .type = OPTION_COUNT,
                    .value = "N",
                    .min = 1,
                    .max = 65536,
                    .help = "Tokens of the prompt in one step; chosen when not given. The text does not depend on it" },
    [OPT_KV] = KV_OPTION("The text depends on it"),
    [OPT_FAST] = FAST_OPTION,
};

struct run {
    struct engine engine;
    struct ingot_session *session;
    struct ingot_sampler *sampler;
    struct ingot_ids ids; /* the whole history: prompt and continuation */
    size_t n_prompt, n_made;
    float *logits;
    struct stream stream;
    const char *arithmetic;
    bool as_ids, slide;
    double began, ready, prompt_done, first_token, ended; /* seconds of the monotonic clock */
};

/* ---------------------------------------------------------------------------------------------- output */

static void print_id(struct run *r, uint32_t id)
{
    printf("%s%" PRIu32, r->stream.in_line ? " " : "", id);
    r->stream.in_line = true;
}

static void print_token(struct run *r, uint32_t id)
{
    size_t n;
    if (r->as_ids) {
        print_id(r, id);
        return;
    }
    const char *bytes = ingot_tokenizer_piece(r->engine.tokenizer, id, &n);
    stream_put(&r->stream, bytes, n);
}

static void echo_prompt(struct run *r, const struct user_text *text)
{
    if (text->n > 0 && !r->as_ids) stream_put(&r->stream, text->bytes, text->n);
    for (size_t i = 0; r->as_ids && i < r->n_prompt; i++) print_id(r, r->ids.ids[i]);
    report_flush();
}

/* Text ends with a newline, so that whatever follows begins a line of its own. */
static void end_output(struct run *r)
{
    stream_end(&r->stream);
    if (r->stream.in_line) putchar('\n');
    report_flush();
}

static void print_stats(const struct run *r)
{
    double prompt = r->prompt_done - r->ready, making = r->ended - r->first_token;
    size_t n_decoded = r->n_made > 0 ? r->n_made - 1 : 0; /* the first came out of the prompt */
    uint32_t n_threads = ingot_session_n_threads(r->session);
    fprintf(stderr, "start        %s, first token after %s\n", human_duration(r->ready - r->began).text,
            human_duration(r->first_token - r->began).text);
    fprintf(stderr, "prompt       %zu token%s in %s, %.1f tokens/s\n", r->n_prompt, plural(r->n_prompt),
            human_duration(prompt).text, (double)r->n_prompt / prompt);
    if (n_decoded > 0 && making > 0)
        fprintf(stderr, "text         %zu token%s in %s, %.1f tokens/s, weights at %s\n", n_decoded, plural(n_decoded),
                human_duration(making).text, (double)n_decoded / making,
                human_rate((double)ingot_model_token_bytes(r->engine.model) * (double)n_decoded / making).text);
    fprintf(stderr, "machine      %s, %u thread%s, %s arithmetic\n", ingot_model_cpu(r->engine.model), n_threads,
            plural(n_threads), r->arithmetic);
}

/* ------------------------------------------------------------------------------------------- generation */

/* Evaluates ids[0 .. n); the logits of the last one are what the next token is drawn from. */
static enum ingot_status feed(struct run *r, const uint32_t *ids, size_t n, struct ingot_error *err)
{
    return ingot_session_eval(r->session, ids, n, INGOT_LOGITS_LAST, r->logits, err);
}

/* Starts over with the newest half of the context. */
static enum ingot_status slide(struct run *r, struct ingot_error *err)
{
    size_t keep = ingot_session_n_ctx(r->session) / 2;
    if (keep == 0) keep = 1;
    ingot_session_rewind(r->session, 0);
    return feed(r, r->ids.ids + (r->ids.n - keep), keep, err);
}

/* That the prompt fits, or may slide, was checked when it was read. */
static enum ingot_status feed_prompt(struct run *r, struct ingot_error *err)
{
    if (r->ids.n > ingot_session_n_ctx(r->session)) return slide(r, err);
    return feed(r, r->ids.ids, r->ids.n, err);
}

/* Makes room for one more token, or says that there is none. */
static enum ingot_status feed_token(struct run *r, bool *full, struct ingot_error *err)
{
    if (ingot_session_position(r->session) < ingot_session_n_ctx(r->session))
        return feed(r, &r->ids.ids[r->ids.n - 1], 1, err);
    if (r->slide) return slide(r, err);
    *full = true;
    return INGOT_OK;
}

static enum ingot_status generate(struct run *r, size_t n_wanted, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    uint32_t eot = r->engine.tokenizer ? ingot_tokenizer_eot(r->engine.tokenizer) : UINT32_MAX;
    bool full = false;
    while (r->n_made < n_wanted && status == INGOT_OK && !full) {
        uint32_t id = ingot_sampler_draw(r->sampler, r->logits);
        if (r->n_made == 0) r->first_token = progress_now();
        if (id == eot) break;
        print_token(r, id);
        if (!report_flush()) break; /* nobody listens any more */
        r->ids.ids = memory_grow(r->ids.ids, &r->ids.capacity, r->ids.n + 1, sizeof *r->ids.ids);
        r->ids.ids[r->ids.n++] = id;
        r->n_made++;
        if (r->n_made < n_wanted) status = feed_token(r, &full, err);
    }
    r->ended = progress_now();
    end_output(r);
    if (full) {
        const uint32_t n_ctx = ingot_session_n_ctx(r->session);
        report_note("the context of %u token%s is full; --slide goes on", n_ctx, plural(n_ctx));
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------ setting up */

/* Without a prompt a text begins where GPT-2's training texts begin: after <|endoftext|>. */
static enum ingot_status begin_unconditionally(struct run *r, struct ingot_error *err)
{
    uint32_t eot = r->engine.tokenizer ? ingot_tokenizer_eot(r->engine.tokenizer) : UINT32_MAX;
    if (eot >= ingot_model_hparams(r->engine.model)->n_vocab)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, r->engine.path,
                          "give a prompt with -p TEXT or --ids LIST",
                          "there is no prompt, and no end-of-text token to begin with");
    r->ids.ids = memory_grow(r->ids.ids, &r->ids.capacity, 1, sizeof *r->ids.ids);
    r->ids.ids[r->ids.n++] = eot;
    return INGOT_OK;
}

static enum ingot_status check_room(const struct run *r, struct ingot_error *err)
{
    uint32_t n_ctx = ingot_model_hparams(r->engine.model)->n_ctx;
    if (r->ids.n <= n_ctx || r->slide) return INGOT_OK;
    return ingot_fail(err, INGOT_E_CONTEXT_FULL, INGOT_NO_OFFSET, "prompt", "--slide uses its newest half",
                      "%zu tokens do not fit into a context of %u", r->ids.n, n_ctx);
}

/* Room for no more positions than the text can have: a short one then starts without touching memory for a long one.
 * What slides fills the whole context. */
static enum ingot_status create_session(struct run *r, const struct option_value *v, struct ingot_error *err)
{
    uint32_t n_ctx = ingot_model_hparams(r->engine.model)->n_ctx;
    uint64_t n_made = v[OPT_TOKENS].count;
    struct ingot_session_options session = { .n_threads = (uint32_t)v[OPT_THREADS].count,
                                             .n_batch = (uint32_t)v[OPT_BATCH].count,
                                             .kv = engine_kv(v[OPT_KV].text),
                                             .fast = v[OPT_FAST].given,
                                             .progress = engine_goes_on };
    if (!r->slide && n_made < n_ctx - r->n_prompt) session.n_ctx = (uint32_t)(r->n_prompt + n_made);
    return ingot_session_create(r->engine.model, &session, &r->session, err);
}

static enum ingot_status read_prompt(struct run *r, const struct option_value *v, struct ingot_error *err)
{
    struct prompt prompt = { .text = v[OPT_PROMPT].text, .ids = v[OPT_IDS].text, .special = v[OPT_SPECIAL].given };
    struct user_text text;
    enum ingot_status status = prompt_read(&r->engine, &prompt, &r->ids, &text, err);
    if (status != INGOT_OK) return status;
    bool unconditional = r->ids.n == 0;
    if (unconditional) status = begin_unconditionally(r, err);
    r->n_prompt = r->ids.n;
    if (status == INGOT_OK) status = check_room(r, err);
    if (status == INGOT_OK) status = create_session(r, v, err);
    if (status == INGOT_OK && !unconditional && !v[OPT_NO_ECHO].given) echo_prompt(r, &text);
    user_text_free(&text);
    return status;
}

static enum ingot_status set_up(struct run *r, const struct option_value *v, struct ingot_error *err)
{
    uint32_t n_vocab = ingot_model_hparams(r->engine.model)->n_vocab;
    struct ingot_sampling sampling = { .temperature = (float)v[OPT_TEMPERATURE].real,
                                       .top_k = (uint32_t)v[OPT_TOP_K].count,
                                       .top_p = (float)v[OPT_TOP_P].real,
                                       .seed = v[OPT_SEED].count };
    r->arithmetic = engine_arithmetic(&r->engine, v[OPT_FAST].given);
    r->as_ids = v[OPT_IDS].given || !r->engine.tokenizer;
    r->slide = v[OPT_SLIDE].given;
    r->stream.escape = terminal_is(stdout);
    r->logits = memory_array(n_vocab, sizeof *r->logits);
    return ingot_sampler_create(&sampling, n_vocab, &r->sampler, err);
}

static void tear_down(struct run *r)
{
    ingot_session_close(r->session);
    ingot_sampler_close(r->sampler);
    ingot_ids_free(&r->ids);
    free(r->logits);
    engine_close(&r->engine);
}

static int run_run(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct run r = { .began = progress_now() };
    enum ingot_status status = engine_open(args->operands[0], &r.engine, &err);
    if (status == INGOT_OK) status = set_up(&r, args->values, &err);
    if (status == INGOT_OK) status = read_prompt(&r, args->values, &err);
    r.ready = progress_now();
    if (status == INGOT_OK) status = feed_prompt(&r, &err);
    r.prompt_done = r.first_token = progress_now();
    if (status == INGOT_OK)
        status = generate(&r, args->values[OPT_TOKENS].count, &err);
    else if (r.stream.in_line)
        end_output(&r);
    if (status == INGOT_OK && args->values[OPT_STATS].given) print_stats(&r);
    tear_down(&r);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_run = {
    .name = "run",
    .summary = "continue a text",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Continues the prompt and prints both, as the text is made. The prompt is -p TEXT or, when "
                   "standard input is not a terminal, all of it to the last byte; without any, the model starts from "
                   "<|endoftext|>. The text ends at the model's own end-of-text, after N tokens, or at the end of "
                   "the context, whichever is first.\n\n"
                   "The same file, prompt, options and seed give the same text on every machine, for any instruction "
                   "set and any number of threads, unless --fast is given. On a terminal, control characters are "
                   "shown as \\xNN; in a pipe every byte passes.\n\n"
                   "A file without a vocabulary is run with --ids and prints ids.",
    .examples = "ingot run gpt2.ingot -p 'The dog'\n"
                "ingot run gpt2.ingot -p 'Once upon a time' -n 100 --seed 7\n"
                "ingot run gpt2.ingot --temperature 0 --stats < prompt.txt",
    .run = run_run,
};
