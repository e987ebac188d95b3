/* subject.c - the presets and the language of --config; a file counts itself. */
#include "inspect/subject.h"

#include "format/disk.h"
#include "format/error.h"
#include "inspect/cli/options.h"
#include "inspect/cli/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const subject_presets[] = { "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "gpt3-175b", NULL };

/* GPT-2: Radford et al. 2019, table 2, and the released hparams.json. GPT-3: Brown et al. 2020, table 2.1. */
static const struct preset {
    uint32_t n_layer, n_head, n_embd, n_ctx;
} presets[] = {
    { 12, 12, 768, 1024 },  { 24, 16, 1024, 1024 },  { 36, 20, 1280, 1024 },
    { 48, 25, 1600, 1024 }, { 96, 96, 12288, 2048 },
};
#define PRESET_GPT3 4

/* --------------------------------------------------------------------------------------------- --config */

struct config_key {
    const char *name;
    uint32_t *value;
};

static enum ingot_status bad_config(struct ingot_error *err, const char *advice, const char *what, const char *word)
{
    char shown[96];
    ingot_escape(word, strlen(word), shown, sizeof shown);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--config", advice, "%s '%s'", what, shown);
}

static bool parse_switch(const char *text, uint32_t *out)
{
    static const char *const words[] = { "no", "yes", "false", "true", "0", "1" };
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], text) != 0) continue;
        *out = i % 2;
        return true;
    }
    return false;
}

/* "n_layer=12" into the key of that name. */
static enum ingot_status set_key(const char *word, const struct config_key *keys, size_t n_keys, size_t n_numbers,
                                 struct ingot_error *err)
{
    static const char known[] = "n_layer, n_head, n_embd, n_vocab, n_ctx, n_inner, tied and biases are known";
    char name[24], advice[96];
    uint64_t n;
    size_t n_name = strcspn(word, "=");
    snprintf(name, sizeof name, "%.*s", n_name < 23 ? (int)n_name : 23, word);
    if (!word[n_name])
        return bad_config(err, "a preset stands alone; in a list every word is KEY=VALUE", "no KEY=VALUE:", word);
    struct suggestion best = suggest_begin(name);
    for (size_t i = 0; i < n_keys; i++) {
        suggest_offer(&best, keys[i].name);
        if (strcmp(keys[i].name, name) != 0) continue;
        if (i >= n_numbers && parse_switch(word + n_name + 1, keys[i].value)) return INGOT_OK;
        if (i >= n_numbers) return bad_config(err, "yes or no is expected", "cannot read", word);
        if (!options_parse_count(word + n_name + 1, &n) || n > UINT32_MAX)
            return bad_config(err, "a whole number is expected", "cannot read", word);
        *keys[i].value = (uint32_t)n;
        return INGOT_OK;
    }
    snprintf(advice, sizeof advice, best.name ? "did you mean '%s'?" : "%s", best.name ? best.name : known);
    return bad_config(err, advice, "unknown key", name);
}

static enum ingot_status parse_list(const char *text, struct ingot_hparams *hp, uint32_t *tied, uint32_t *biases,
                                    struct ingot_error *err)
{
    const struct config_key keys[] = {
        { "n_layer", &hp->n_layer },
        { "n_head", &hp->n_head },
        { "n_embd", &hp->n_embd },
        { "n_vocab", &hp->n_vocab },
        { "n_ctx", &hp->n_ctx },
        { "n_inner", &hp->n_inner },
        { "tied", tied },
        { "biases", biases },
    };
    if (*text && !strpbrk(text, ",="))
        return bad_config(err, "gpt2, gpt2-medium, gpt2-large, gpt2-xl, gpt3-175b, or KEY=VALUE,...",
                          "there is no preset", text);
    while (*text) {
        char word[64];
        size_t n = strcspn(text, ",");
        if (n >= sizeof word) return bad_config(err, NULL, "cannot read", text);
        memcpy(word, text, n);
        word[n] = '\0';
        enum ingot_status status = set_key(word, keys, sizeof keys / sizeof *keys, 6, err);
        if (status != INGOT_OK) return status;
        text += n + (text[n] == ',');
    }
    if (!hp->n_layer || !hp->n_head || !hp->n_embd)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--config",
                          "for example n_layer=12,n_head=12,n_embd=768",
                          "n_layer, n_head and n_embd are needed, each at least 1");
    return INGOT_OK;
}

static bool find_preset(const char *name, struct ingot_hparams *hp, bool *is_gpt3)
{
    for (size_t i = 0; subject_presets[i]; i++) {
        if (strcmp(subject_presets[i], name) != 0) continue;
        hp->n_layer = presets[i].n_layer;
        hp->n_head = presets[i].n_head;
        hp->n_embd = presets[i].n_embd;
        hp->n_ctx = presets[i].n_ctx;
        *is_gpt3 = i == PRESET_GPT3;
        return true;
    }
    return false;
}

/* Limits and divisibility are the format's own; a number that the user wrote is the user's mistake. */
static enum ingot_status check_config(const struct ingot_hparams *hp, struct ingot_error *err)
{
    struct ingot_error found = { 0 };
    if (ingot_hparams_check(hp, "--config", &found) == INGOT_OK) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--config", found.advice, "%s", found.message);
}

enum ingot_status subject_from_config(const char *text, struct subject *s, struct ingot_error *err)
{
    uint32_t tied = 1, biases = 1;
    s->name = text;
    s->has_hparams = true;
    s->hp = (struct ingot_hparams){ .n_ctx = 1024,
                                    .n_vocab = GPT2_VOCABULARY,
                                    .activation = INGOT_GELU_TANH,
                                    .attention_flags = INGOT_ATTN_SCALE,
                                    .layer_norm_epsilon = 1e-5f };
    if (!find_preset(text, &s->hp, &s->is_gpt3)) {
        enum ingot_status status = parse_list(text, &s->hp, &tied, &biases, err);
        if (status != INGOT_OK) return status;
    }
    s->hp.n_vocab_stored = s->hp.n_vocab;
    if (s->hp.n_inner == 0 && s->hp.n_embd <= LIMIT_N_EMBD) s->hp.n_inner = 4 * s->hp.n_embd;
    enum ingot_status status = check_config(&s->hp, err);
    if (status != INGOT_OK) return status;
    s->census = census_of_hparams(&s->hp, tied, biases);
    s->layers = census_layers_alike(&s->census);
    s->dtype = INGOT_F32;
    return INGOT_OK;
}

/* The dtype of most bytes: the largest tensor's, if the runtime has it. */
static enum ingot_dtype main_dtype(const struct checkpoint *cp)
{
    enum ingot_dtype dtype = INGOT_F32;
    uint64_t most = 0;
    struct checkpoint_tensor t;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        checkpoint_get_tensor(cp, i, &t);
        if (t.n_bytes <= most) continue;
        most = t.n_bytes;
        dtype = t.dtype == INGOT_F16 || t.dtype == INGOT_BF16 ? t.dtype : INGOT_F32;
    }
    return dtype;
}

/* What convert was asked for, as far as two matrices tell. */
static void take_dtypes(struct subject *s)
{
    struct ingot_section layer, embedding;
    s->dtype = main_dtype(&s->checkpoint);
    const struct ingot_file *file = s->checkpoint.file;
    if (!file || !ingot_find(file, "h.0.mlp.c_fc.weight", &layer) || !ingot_find(file, "wte.weight", &embedding))
        return;
    s->dtype = layer.dtype;
    if (embedding.dtype != layer.dtype) s->embedding = embedding.dtype;
}

enum ingot_status subject_from_file(const char *path, struct subject *s, struct ingot_error *err)
{
    enum ingot_status status = checkpoint_open(path, &s->checkpoint, err);
    if (status != INGOT_OK) return status;
    s->name = path;
    s->census = census_of_tensors(&s->checkpoint, &s->layers);
    s->has_hparams = checkpoint_hparams(&s->checkpoint, &s->hp, NULL) == INGOT_OK;
    if (s->has_hparams) census_leave_padding(&s->census, &s->hp);
    take_dtypes(s);
    return INGOT_OK;
}

void subject_close(struct subject *s)
{
    free(s->layers.rows);
    checkpoint_close(&s->checkpoint);
    *s = (struct subject){ 0 };
}
