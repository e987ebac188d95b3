/* recipe_help.c - the language of recipes on one page. */
#include "inspect/recipe_help.h"

#include "convert/ingot_convert.h"
#include "format/error.h"
#include "inspect/cli/suggest.h"

#include <stdio.h>
#include <string.h>

static const char *const page[] = {
    "A recipe says how a family of checkpoints names and stores the tensors of a GPT-2, and where it",
    "states the hyper-parameters. It is a YAML file, given with 'ingot convert --recipe FILE'. Without",
    "--recipe the first built-in recipe that fits is taken.",
    "",
    "  recipe: mine                       its name; required",
    "  about: checkpoints of our cluster  one line",
    "  files: weights.pt                  what to open in a directory that is no known checkpoint",
    "  prefixes: [model., transformer.]   may stand in front of names, each or none, in this order",
    "",
    "  tensors:                           required; the first rule that matches a tensor decides",
    "    - wte.weight                     taken as it is",
    "    - tok.weight -> wte.weight       taken under another name",
    "    - from: h.{i}.fc.weight          {i} is the number of a layer; * matches anything",
    "      to: h.{i}.mlp.c_fc.weight      left out: the same name",
    "      transpose: true                it is stored [in, out]",
    "      dtype: f16                     f32, f16, bf16, q8 or q4, whatever --dtype says",
    "    - from: [\"h.{i}.q\", \"h.{i}.k\", \"h.{i}.v\"]",
    "      to: h.{i}.attn.c_attn.weight",
    "      concatenate: out               or in: along the outputs or the inputs of the result",
    "    - from: h.{i}.norms              split into equal parts, along out or in",
    "      to: [\"h.{i}.ln_1.weight\", \"h.{i}.ln_2.weight\"]",
    "      split: out",
    "    - from: h.{i}.attn.bias",
    "      drop: the causal mask          not part of the model, and why",
    "      shape: [t, t]                  only of this shape; otherwise refused",
    "    - from: score.*",
    "      refuse: a classifier           the conversion stops with this reason",
    "",
    "A tensor that no rule matches is refused by name. The names of the result are those of Hugging",
    "Face, 'ingot ls' of any .ingot file lists them. A matrix of the result is [out, in]. Dimensions of",
    "1 in front of a shape are nothing. Inside [] and {} YAML wants names with {i} in quotes.",
    "",
    "  hyper-parameters:",
    "    config: huggingface              all by the rules of Hugging Face's config.json; or one by one:",
    "    n_head: 12                       a value",
    "    activation: gelu_erf             or gelu_tanh, or a name of Hugging Face's",
    "    layer_norm_epsilon: [config.eps, 1e-5]   facts and values: the first that exists",
    "    n_vocab:",
    "      from: config.vocab_size        a fact, as 'ingot show' lists them",
    "      unpad: {50304: 50257}          a padded size and the one that is meant",
    "      trim: zero_rows                rows beyond it are left out if all are zero; else kept",
    "  facts: {config: config.json}       JSON files beside it, and what their facts begin with",
    "  requires: {config.type: gpt2}      refused if this fact is another text",
    "  head: auto                         lm_head.weight, if it has the bits of wte.weight or is",
    "                                     absent, is tied to it; tied: it must be; stored: never",
    "",
    "n_layer, n_embd, n_inner, n_ctx and n_vocab can be left out: the shapes say them. n_head, activation",
    "and layer_norm_epsilon cannot. scale_attn_weights and scale_attn_by_inverse_layer_idx are true and",
    "false. 'ingot convert --set n_head=12' wins over all of this.",
    "",
    "  tokenizer: [vocab.json, merges.txt]   default: what lies beside the weights; none: without one",
    "  metadata: {licence: MIT}           stored in the result",
    "  fits:                              when a recipe is chosen without being named; all must hold",
    "    format: gguf                     what 'ingot show' calls the format",
    "    tensor: h.0.attn.c_attn.weight   there is one of this name",
    "    shape: [3n, n]                   of this shape; a letter is one number wherever it stands",
    "    fact: [model_args.n_head]        one of these is stated",
};

void recipe_help_language(void)
{
    for (size_t i = 0; i < sizeof page / sizeof *page; i++) puts(page[i]);
    puts("\nBuilt in; 'ingot help recipes NAME' prints one:\n");
    for (size_t i = 0; i < ingot_recipe_count(); i++)
        printf("  %-12s  %s\n", ingot_recipe_info(i).name, ingot_recipe_info(i).about);
}

enum ingot_status recipe_help_one(const char *name, struct ingot_error *err)
{
    struct suggestion best = suggest_begin(name);
    char advice[96] = "'ingot help recipes' lists them", shown[96];
    for (size_t i = 0; i < ingot_recipe_count(); i++) {
        struct ingot_recipe_info info = ingot_recipe_info(i);
        suggest_offer(&best, info.name);
        if (strcmp(info.name, name) != 0) continue;
        fputs(info.text, stdout);
        return INGOT_OK;
    }
    if (best.name) snprintf(advice, sizeof advice, "did you mean 'ingot help recipes %s'?", best.name);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, NULL, advice, "'%s' is not a built-in recipe",
                      ingot_escape(name, strlen(name), shown, sizeof shown));
}
