/* diff_logits.c - two models side by side on one text; the tables and the tree that show it. */
#include "inspect/diff_logits.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/table.h"
#include "inspect/divergence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_PATH 256

struct comparison {
    const struct diff_logits_request *request;
    struct engine engine[2];
    const struct engine *encoder; /* the one that has a vocabulary; the first one otherwise */
    struct score_settings settings;
    struct score_text text;
    struct divergence found;
};

/* -------------------------------------------------------------------------------------------------------- measuring */

static enum ingot_status check_vocabularies(const struct comparison *c, struct ingot_error *err)
{
    static const char advice[] = "only models with the same vocabulary can be compared by their logits";
    const uint32_t n[2] = { ingot_model_hparams(c->engine[0].model)->n_vocab,
                            ingot_model_hparams(c->engine[1].model)->n_vocab };
    struct ingot_section vocabulary[2];
    if (n[0] != n[1])
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, c->engine[1].path, advice,
                          "a vocabulary of %u token%s; that of A has %u", n[1], plural(n[1]), n[0]);
    for (unsigned s = 0; s < 2; s++)
        if (!ingot_find(c->engine[s].file, INGOT_NAME_VOCABULARY, &vocabulary[s])) return INGOT_OK;
    if (memcmp(&vocabulary[0].digest, &vocabulary[1].digest, sizeof vocabulary[0].digest) == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, c->engine[1].path, advice,
                      "its tokenizer is not that of A, though both have %u token%s", n[0], plural(n[0]));
}

static enum ingot_status read_text(struct comparison *c, struct ingot_error *err)
{
    const struct diff_logits_request *r = c->request;
    struct user_text text = { 0 };
    enum ingot_status status = INGOT_OK;
    if (r->ids) {
        status = score_parse_ids(c->encoder, r->ids, true, &c->text, err);
    } else {
        status = engine_need_tokenizer(c->encoder, err);
        if (status == INGOT_OK) status = user_text_read(strcmp(r->text, "-") == 0 ? NULL : r->text, &text, err);
        if (status == INGOT_OK) status = score_encode(c->encoder, &text, false, true, &c->text, err);
        user_text_free(&text);
    }
    if (status != INGOT_OK || score_text_scored(&c->text) > 0) return status;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, r->ids ? "--ids" : r->text, NULL,
                      "two tokens at least are needed, one of which may be <|endoftext|>");
}

static enum ingot_status open_both(struct comparison *c, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    uint32_t n_ctx = UINT32_MAX;
    for (unsigned s = 0; s < 2 && status == INGOT_OK; s++)
        status = engine_open(c->request->path[s], &c->engine[s], err);
    if (status != INGOT_OK) return status;
    signals_name_mappings(c->request->path[0], c->request->path[1]);
    for (unsigned s = 0; s < 2; s++) {
        const uint32_t has = ingot_model_hparams(c->engine[s].model)->n_ctx;
        if (has < n_ctx) n_ctx = has;
    }
    c->encoder = c->engine[0].tokenizer ? &c->engine[0] : c->engine[1].tokenizer ? &c->engine[1] : &c->engine[0];
    c->settings = c->request->settings;
    status = check_vocabularies(c, err);
    return status == INGOT_OK ? score_settings_check(n_ctx, &c->settings, err) : status;
}

static enum ingot_status compare(struct comparison *c, struct ingot_error *err)
{
    enum ingot_status status = open_both(c, err);
    if (status == INGOT_OK) status = read_text(c, err);
    if (status != INGOT_OK) return status;
    const struct ingot_model *const models[2] = { c->engine[0].model, c->engine[1].model };
    struct progress progress = progress_begin("diff", c->request->quiet);
    progress.unit = "tokens";
    c->settings.progress = progress_update;
    c->settings.progress_ctx = &progress;
    status = divergence_measure(models, &c->text, &c->settings, c->encoder->tokenizer, &c->found, err);
    progress_end(&progress);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- printing */

static void print_models(const struct comparison *c)
{
    static const struct table_column columns[] = {
        { .title = "" },
        { .title = "file", .flexible = true },
        { .title = "nats/token", .right = true },
        { .title = "bits/byte", .right = true, .drop = 1 },
        { .title = "perplexity", .right = true },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    char shown[SHOWN_PATH];
    for (unsigned s = 0; s < 2; s++) {
        const struct score_total *total = &c->found.total[s];
        const char *path = c->request->path[s];
        const double bits = score_bits_per_byte(total);
        table_cell(&t, "%c", "AB"[s]);
        table_cell(&t, "%s", ingot_escape(path, strlen(path), shown, sizeof shown));
        table_cell(&t, "%.5f", score_nats_per_token(total));
        if (isnan(bits))
            table_cell(&t, "%s", "");
        else
            table_cell(&t, "%.5f", bits);
        table_cell(&t, "%.6g", score_perplexity(total));
    }
    table_end(&t);
}

static void print_distances(const struct comparison *c)
{
    const struct divergence *d = &c->found;
    const double nats[2] = { score_nats_per_token(&d->total[0]), score_nats_per_token(&d->total[1]) };
    printf("\ntokens                %s\n", human_count(d->n).text);
    printf("same likeliest token  %s\n", human_share(d->n_same_best, d->n).text);
    printf("identical logits at   %s\n", human_count(d->n_identical).text);
    printf("KL divergence         mean %.4g, median %.4g, 99 %% %.4g, largest %.4g nats\n", d->kl_mean, d->kl_median,
           d->kl_p99, d->kl_max);
    printf("|logit difference|    mean %.4g, largest %.4g\n", d->mean_abs, d->max_abs);
    if (isfinite(nats[0]) && isfinite(nats[1]))
        printf("perplexity, B to A    %+.3f %%\n", 100 * expm1(nats[1] - nats[0]));
}

static json_t *model_json(const struct comparison *c, unsigned side)
{
    const struct score_total *total = &c->found.total[side];
    const char *path = c->request->path[side];
    json_t *o = json_object();
    json_put(o, "file", json_text(path, strlen(path)));
    json_put(o, "nats_per_token", json_number(score_nats_per_token(total)));
    json_put(o, "bits_per_byte", json_number(score_bits_per_byte(total)));
    json_put(o, "perplexity", json_number(score_perplexity(total)));
    return o;
}

static json_t *kl_json(const struct divergence *d)
{
    json_t *kl = json_object();
    json_put(kl, "mean", json_number(d->kl_mean));
    json_put(kl, "median", json_number(d->kl_median));
    json_put(kl, "p99", json_number(d->kl_p99));
    json_put(kl, "max", json_number(d->kl_max));
    return kl;
}

static void print_json(const struct comparison *c, bool equal)
{
    const struct divergence *d = &c->found;
    json_t *root = json_begin();
    json_put(root, "equal", json_boolean(equal));
    json_put(root, "a", model_json(c, 0));
    json_put(root, "b", model_json(c, 1));
    json_put(root, "ctx", json_count(c->settings.n_ctx));
    json_put(root, "stride", json_count(c->settings.stride));
    json_put(root, "start", json_boolean(c->text.n_start == 1));
    json_put(root, "tokens", json_count(d->n));
    json_put(root, "same_likeliest", json_count(d->n_same_best));
    json_put(root, "identical", json_count(d->n_identical));
    json_put(root, "kl", kl_json(d));
    json_put(root, "mean_abs", json_number(d->mean_abs));
    json_put(root, "max_abs", json_number(d->max_abs));
    json_end(root);
}

int diff_logits(const struct diff_logits_request *request)
{
    struct ingot_error err = { 0 };
    struct comparison c = { .request = request };
    enum ingot_status status = compare(&c, &err);
    const bool equal = c.found.n_identical == c.found.n;
    if (status == INGOT_OK && request->json) {
        print_json(&c, equal);
    } else if (status == INGOT_OK) {
        print_models(&c);
        print_distances(&c);
    }
    score_text_free(&c.text);
    for (unsigned s = 0; s < 2; s++) engine_close(&c.engine[s]);
    if (status != INGOT_OK) return report_error(&err);
    return equal ? CODE_OK : CODE_NO;
}
