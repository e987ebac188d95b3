/* Recipes: what is of the language means what the page says; what is not is refused where it stands. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/profile.h"
#include "convert/recipe.h"
#include "convert/recipe_yaml.h"

#define HEAD "recipe: r\n"
#define BODY "tensors:\n  - wte.weight\n"

static enum ingot_status parse(const char *text, struct recipe **recipe, struct ingot_error *err)
{
    *err = (struct ingot_error){ 0 };
    return recipe_parse(text, strlen(text), "r.yaml", recipe, err);
}

static struct recipe *accept(const char *text)
{
    struct recipe *recipe;
    struct ingot_error err;
    if (parse(text, &recipe, &err) != INGOT_OK) fail_msg("%s", err.message);
    return recipe;
}

static void refuse(const char *text, const char *place, const char *word)
{
    struct recipe *recipe;
    struct ingot_error err;
    enum ingot_status status = parse(text, &recipe, &err);
    if (status != INGOT_E_RECIPE) fail_msg("status %d for: %s", (int)status, text);
    assert_null(recipe);
    assert_string_equal(err.subject, "r.yaml");
    if (strncmp(err.message, place, strlen(place)) != 0) fail_msg("'%s' is not at %s", err.message, place);
    if (!strstr(err.message, word)) fail_msg("'%s' does not say %s", err.message, word);
}

/* ---------------------------------------------------------------------------------------------------- what is right */

static void every_built_in_recipe_parses_and_has_its_name(void **state)
{
    (void)state;
    assert_true(ingot_recipe_count() >= 7);
    for (size_t i = 0; i < ingot_recipe_count(); i++) {
        struct ingot_recipe_info info = ingot_recipe_info(i);
        struct recipe *recipe = accept(info.text);
        assert_string_equal(recipe->name, info.name);
        assert_string_equal(recipe->about, info.about);
        recipe_free(recipe);
    }
}

/* What is not among the rules could never be converted. */
static void every_built_in_recipe_has_a_source_for_every_tensor_but_the_head(void **state)
{
    (void)state;
    for (size_t i = 0; i < ingot_recipe_count(); i++) {
        struct recipe *recipe = accept(ingot_recipe_info(i).text);
        bool found[PROFILE_ROLES] = { false };
        for (uint32_t k = 0; k < recipe->n_rules; k++)
            if (recipe->rules[k].action == RULE_TAKE) found[recipe->rules[k].to->role] = true;
        for (uint32_t role = 0; role < PROFILE_HEAD; role++) assert_true(found[role]);
        recipe_free(recipe);
    }
}

static void a_rule_can_be_written_in_three_ways(void **state)
{
    (void)state;
    struct recipe *r = accept(HEAD "tensors:\n"
                                   "  - wte.weight\n"
                                   "  - positions -> wpe.weight\n"
                                   "  - from: h.{i}.fc\n"
                                   "    to: h.{i}.mlp.c_fc.weight\n"
                                   "    transpose: true\n"
                                   "    dtype: bf16\n");
    assert_int_equal(r->n_rules, 3);
    assert_string_equal(r->rules[0].from.items[0], "wte.weight");
    assert_int_equal(r->rules[0].to->role, PROFILE_WTE);
    assert_string_equal(r->rules[1].from.items[0], "positions");
    assert_int_equal(r->rules[1].to->role, profile_find("wpe.weight"));
    assert_true(r->rules[2].transposed);
    assert_int_equal(r->rules[2].dtype, INGOT_BF16);
    assert_int_equal(r->rules[2].to->layer, LAYER_OF_PATTERN);
    assert_int_equal(r->rules[2].line, 5);
    recipe_free(r);
}

static void a_result_may_name_its_layer(void **state)
{
    (void)state;
    struct recipe *r = accept(HEAD "tensors:\n  - second_norm -> h.12.ln_1.weight\n");
    assert_int_equal(r->rules->to->layer, 12);
    assert_int_equal(target_layer(r->rules->to, 3), 12);
    recipe_free(r);
    r = accept(HEAD "tensors:\n  - norm -> h.65535.ln_1.weight\n  - n.{i} -> h.{i}.ln_1.weight\n");
    assert_int_equal(target_layer(r->rules->to, 3), 65535);
    assert_int_equal(target_layer(r->rules[1].to, 3), 3);
    recipe_free(r);
    refuse(HEAD "tensors:\n  - x -> h.012.ln_1.weight\n", "line 3, column 5", "no tensor of the result");
}

static void a_tokenizer_is_one_file_or_two_or_none(void **state)
{
    (void)state;
    struct recipe *r = accept(HEAD "tokenizer: [v.json, m.txt]\n" BODY);
    assert_int_equal(r->tokenizer.n, 2);
    assert_string_equal(r->tokenizer.items[1], "m.txt");
    assert_false(r->no_tokenizer);
    recipe_free(r);
    r = accept(HEAD "tokenizer: t.json\n" BODY);
    assert_int_equal(r->tokenizer.n, 1);
    assert_false(r->no_tokenizer);
    recipe_free(r);
    r = accept(HEAD "tokenizer: none\n" BODY);
    assert_int_equal(r->tokenizer.n, 0);
    assert_true(r->no_tokenizer);
    recipe_free(r);
    refuse(HEAD "tokenizer: []\n" BODY, "line 2, column 12", "one file or two");
    refuse(HEAD "tokenizer: [v.json, m.txt, x]\n" BODY, "line 2, column 12", "one file or two");
}

static void a_hyper_parameter_is_a_value_or_the_first_fact_that_exists(void **state)
{
    (void)state;
    struct recipe *r =
        accept(HEAD "hyper-parameters:\n"
                    "  n_head: 12\n"
                    "  activation: gelu\n"
                    "  layer_norm_epsilon: [config.eps, 1e-6]\n"
                    "  n_vocab: {from: config.vocab_size, unpad: {50304: 50257}, trim: zero_rows}\n" BODY);
    assert_int_equal(r->hparams[HPARAM_N_HEAD].items->literal.count, 12);
    assert_int_equal(r->hparams[HPARAM_ACTIVATION].items->literal.count, INGOT_GELU_ERF);
    assert_int_equal(r->hparams[HPARAM_EPSILON].n, 2);
    assert_string_equal(r->hparams[HPARAM_EPSILON].items[0].fact, "config.eps");
    assert_true(r->hparams[HPARAM_EPSILON].items[1].literal.epsilon == 1e-6f);
    assert_string_equal(r->hparams[HPARAM_N_VOCAB].items->fact, "config.vocab_size");
    assert_int_equal(r->unpad->stored, 50304);
    assert_int_equal(r->unpad->logical, 50257);
    assert_true(r->trims_zero_rows);
    recipe_free(r);
}

static void an_alias_is_the_same_node_once_more(void **state)
{
    (void)state;
    struct recipe *r = accept("recipe: &name r\nabout: *name\nprefixes: &p [a., b.]\n"
                              "fits: {fact: *p}\n" BODY);
    assert_string_equal(r->about, "r");
    assert_int_equal(r->fits.facts.n, 2);
    recipe_free(r);
    r = accept(HEAD "tensors:\n  - &rule tokens -> wte.weight\n  - *rule\n");
    assert_string_equal(r->rules[1].from.items[0], "tokens");
    recipe_free(r);
}

/* --------------------------------------------------------------------------------------------------------- patterns */

static void patterns_match_layers_and_rests(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool match;
        uint32_t layer;
    } cases[] = {
        { "wte", "wte", true, 0 },
        { "wte", "wte2", false, 0 },
        { "wte", "wt", false, 0 },
        { "h.{i}.w", "h.7.w", true, 7 },
        { "h{i}/w", "h11/w", true, 11 },
        { "{i}", "999999999", true, 999999999 },
        { "h.{i}.w", "h.1000000000.w", false, 0 },
        { "h.{i}.w", "h.07.w", false, 0 },
        { "h.{i}.w", "h..w", false, 0 },
        { "h.{i}.w", "h.7.", false, 0 },
        { "score.*", "score.", true, 0 },
        { "score.*", "score.a.b", true, 0 },
        { "score.*", "score", false, 0 },
        { "*", "", true, 0 },
        { "*/Adam", "h0/w/Adam", true, 0 },
        { "*/Adam", "h0/w/Adam/Adam", true, 0 },
        { "*/Adam", "h0/w/Adam_1", false, 0 },
        { "a*b", "ab", true, 0 },
        { "a*.{i}.w", "abc.1.w.12.w", true, 12 },
        { "a{i}*z", "a3yz", true, 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t layer;
        if (pattern_match(cases[i].pattern, cases[i].name, &layer) != cases[i].match)
            fail_msg("%s, %s", cases[i].pattern, cases[i].name);
        if (cases[i].match) assert_int_equal(layer, cases[i].layer);
    }
}

static void a_pattern_has_one_layer_and_one_star_at_most(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "{", "}", "{}", "{j}", "h.{i", "h.i}", "{i}{i}", "**", "a*b*" };
    static const char *const good[] = { "a", "*", "{i}", "a.{i}.b*", "*{i}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!pattern_check(bad[i])) fail_msg("%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (pattern_check(good[i])) fail_msg("%s", good[i]);
}

static void prefixes_are_taken_off_in_their_order_once(void **state)
{
    (void)state;
    struct recipe *r = accept(HEAD "prefixes: [model., _orig_mod., transformer.]\n" BODY);
    assert_string_equal(recipe_strip(r, "model._orig_mod.transformer.wte.weight"), "wte.weight");
    assert_string_equal(recipe_strip(r, "transformer.wte.weight"), "wte.weight");
    assert_string_equal(recipe_strip(r, "wte.weight"), "wte.weight");
    assert_string_equal(recipe_strip(r, "transformer.transformer.x"), "transformer.x");
    assert_string_equal(recipe_strip(r, "transformer.model.x"), "model.x");
    recipe_free(r);
}

/* torch.compile() before or after DistributedDataParallel, saved whole or as a checkpoint's entry. */
static void what_training_wraps_around_a_model_is_taken_off(void **state)
{
    (void)state;
    static const char *const names[] = { "huggingface", "nanogpt", "mingpt", "gpt-by-hand" };
    static const char *const wrapped[] = { "module._orig_mod.transformer.wte.weight",
                                           "_orig_mod.module.transformer.wte.weight",
                                           "model._orig_mod.module.transformer.wte.weight" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct recipe *r = NULL;
        struct input *file = NULL;
        struct ingot_error err = { 0 };
        assert_int_equal(recipe_open(names[i], &r, &file, &err), INGOT_OK);
        for (size_t k = 0; k < sizeof wrapped / sizeof *wrapped; k++)
            assert_string_equal(recipe_strip(r, wrapped[k]), "wte.weight");
        recipe_free(r);
    }
}

static bool shape_fits(const char *form, uint32_t rank, const uint64_t *shape)
{
    char text[160];
    snprintf(text, sizeof text, HEAD "fits: {tensor: x, shape: %s}\n" BODY, form);
    struct recipe *r = accept(text);
    bool fits = shape_match(&r->fits.shape, rank, shape);
    recipe_free(r);
    return fits;
}

static void a_shape_is_matched_from_its_end_and_ones_in_front_are_nothing(void **state)
{
    (void)state;
    assert_true(shape_fits("[n, 3n]", 2, (const uint64_t[]){ 6, 18 }));
    assert_true(shape_fits("[3n, n]", 2, (const uint64_t[]){ 18, 6 }));
    assert_true(shape_fits("[n, 3n]", 3, (const uint64_t[]){ 1, 6, 18 }));
    assert_true(shape_fits("[1, 1, t, t]", 2, (const uint64_t[]){ 5, 5 }));
    assert_true(shape_fits("[]", 1, (const uint64_t[]){ 1 }));
    assert_true(shape_fits("[]", 0, NULL));
    assert_true(shape_fits("[2, n]", 2, (const uint64_t[]){ 2, 9 }));
    assert_false(shape_fits("[n, 3n]", 2, (const uint64_t[]){ 18, 6 }));
    assert_false(shape_fits("[3n, n]", 2, (const uint64_t[]){ 17, 6 }));
    assert_false(shape_fits("[t, t]", 3, (const uint64_t[]){ 2, 5, 5 }));
    assert_false(shape_fits("[t, t]", 2, (const uint64_t[]){ 0, 0 }));
    assert_false(shape_fits("[]", 1, (const uint64_t[]){ 5 }));
}

/* --------------------------------------------------------------------------------------------------------- refusals */

static const struct {
    const char *text, *place, *word;
} refusals[] = {
    { "", "line 1, column 1", "nothing" },
    { "# only a comment\n", "line 1, column 1", "nothing" },
    { "- a\n", "line 1, column 1", "mapping" },
    { "recipe\n", "line 1, column 1", "mapping" },
    { BODY, "line 1, column 1", "name" },
    { HEAD, "line 1, column 1", "tensors" },
    { HEAD BODY "colour: red\n", "line 4, column 1", "colour" },
    { HEAD BODY "recipe: again\n", "line 4, column 1", "twice" },
    { HEAD "tensors: []\n", "line 2, column 10", "list of rules" },
    { HEAD "tensors: wte.weight\n", "line 2, column 10", "list of rules" },
    { HEAD "tensors:\n  - [a]\n", "line 3, column 5", "mapping" },
    { HEAD "tensors:\n  - {to: wte.weight}\n", "line 3, column 5", "'from'" },
    { HEAD "tensors:\n  - {from: [], to: wte.weight}\n", "line 3, column 12", "empty" },
    { HEAD "tensors:\n  - {from: a, two: wte.weight}\n", "line 3, column 15", "'two'" },
    { HEAD "tensors:\n  - {from: a, to: b}\n", "line 3, column 19", "'b'" },
    { HEAD "tensors:\n  - from: a\n    to: {b: c}\n", "line 4, column 9", "text, not a mapping" },
    { HEAD "tensors:\n  - h.{j}.x -> wte.weight\n", "line 3, column 5", "brace" },
    { HEAD "tensors:\n  - a** -> wte.weight\n", "line 3, column 5", "more than one *" },
    { HEAD "tensors:\n  - h.{i}.{i} -> wte.weight\n", "line 3, column 5", "more than one {i}" },
    { HEAD "tensors:\n  - h.{i}.x -> wte.weight\n", "line 3, column 5", "{i}" },
    { HEAD "tensors:\n  - x -> h.{i}.ln_1.weight\n", "line 3, column 5", "{i}" },
    { HEAD "tensors:\n  - x -> h.65536.ln_1.weight\n", "line 3, column 5", "65536 layers" },
    { HEAD "tensors:\n  - x -> h.999999999.ln_1.weight\n", "line 3, column 5", "65536 layers" },
    { HEAD "tensors:\n  - {from: [a, b], to: wte.weight}\n", "line 3, column 5", "concatenate" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, concatenate: out}\n", "line 3, column 5", "several names" },
    { HEAD "tensors:\n  - {from: a, to: [wte.weight, wpe.weight]}\n", "line 3, column 5", "split" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, split: out}\n", "line 3, column 5", "several names" },
    { HEAD "tensors:\n  - {from: [a, b], to: wte.weight, concatenate: up}\n", "line 3, column 49", "up" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, transpose: yes}\n", "line 3, column 42", "yes" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, dtype: q5}\n", "line 3, column 38", "q5" },
    { HEAD "tensors:\n  - {from: a, to: wpe.weight, dtype: q8}\n", "line 3, column 38",
      "wpe.weight is read row by row" },
    { HEAD "tensors:\n  - {from: a, to: [wte.weight, wpe.weight], split: out, dtype: q4}\n", "line 3, column 64",
      "cannot be q4" },
    { HEAD "tensors:\n  - {from: a, to: ln_f.bias, dtype: q8}\n", "line 3, column 37", "f32" },
    { HEAD "tensors:\n  - {from: a, to: ln_f.bias, dtype: f16}\n", "line 3, column 37", "f32" },
    { HEAD "tensors:\n  - {from: a, to: b, dtype: f16}\n", "line 3, column 19", "'b'" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, drop: b}\n", "line 3, column 19", "exclude" },
    { HEAD "tensors:\n  - {from: a, drop: b, refuse: c}\n", "line 3, column 32", "exclude" },
    { HEAD "tensors:\n  - {from: a, drop: ''}\n", "line 3, column 21", "empty" },
    { HEAD "tensors:\n  - {from: a, drop: b, shape: 3}\n", "line 3, column 31", "list" },
    { HEAD "tensors:\n  - {from: [a, b], to: [wte.weight, wpe.weight], concatenate: out, split: out}\n",
      "line 3, column 5", "cannot become several" },
    { HEAD "tensors:\n  - {from: a, to: wte.weight, shape: [n, n]}\n", "line 3, column 38", "that are dropped" },
    { HEAD "tensors:\n  - {from: a, drop: b, shape: [N]}\n", "line 3, column 32", "dimension" },
    { HEAD "tensors:\n  - {from: a, drop: b, shape: [0n]}\n", "line 3, column 32", "dimension" },
    { HEAD "tensors:\n  - {from: a, drop: b, shape: [9999999999]}\n", "line 3, column 32", "dimension" },
    { HEAD "tensors:\n  - {from: a, drop: b, shape: [1,1,1,1,1,1,1,1,1]}\n", "line 3, column 31", "limit" },
    { HEAD "hyper-parameters: {n_heads: 2}\n" BODY, "line 2, column 20", "n_heads" },
    { HEAD "hyper-parameters: {n_head: 0}\n" BODY, "line 2, column 28", "whole number" },
    { HEAD "hyper-parameters: {n_head: 1.5}\n" BODY, "line 2, column 28", "whole number" },
    { HEAD "hyper-parameters: {n_head: heads}\n" BODY, "line 2, column 28", "fact" },
    { HEAD "hyper-parameters: {activation: relu}\n" BODY, "line 2, column 32", "gelu" },
    { HEAD "hyper-parameters: {layer_norm_epsilon: -1e-5}\n" BODY, "line 2, column 40", "positive" },
    { HEAD "hyper-parameters: {config: keras}\n" BODY, "line 2, column 28", "keras" },
    { HEAD "hyper-parameters: {n_vocab: {unpad: {2: 1}}}\n" BODY, "line 2, column 29", "'from'" },
    { HEAD "hyper-parameters: {n_vocab: {from: a.b, unpad: {2: x}}}\n" BODY, "line 2, column 52", "whole" },
    { HEAD "hyper-parameters: {n_vocab: {from: a.b, trim: rows}}\n" BODY, "line 2, column 47", "zero_rows" },
    { HEAD "head: tide\n" BODY, "line 2, column 7", "tide" },
    { HEAD "fits: {shape: [n]}\n" BODY, "line 2, column 15", "tensor" },
    { HEAD "files: ../x\n" BODY, "line 2, column 8", "path" },
    { HEAD "facts: {config: /etc/passwd}\n" BODY, "line 2, column 17", "path" },
    { HEAD "tokenizer: [a/b]\n" BODY, "line 2, column 13", "path" },
    { HEAD "metadata: {a: b, a: c}\n" BODY, "line 2, column 18", "twice" },
    { HEAD "metadata: {a: [b]}\n" BODY, "line 2, column 15", "text, not a list" },
    { HEAD "metadata: {a: \"b\\0\"}\n" BODY, "line 2, column 15", "zero byte" },
    { HEAD "about: !!binary abc\n" BODY, "line 2, column 8", "tag" },
    { HEAD "metadata: !!omap {a: b}\n" BODY, "line 2, column 11", "tag" },
    { HEAD "prefixes: !mine [a]\n" BODY, "line 2, column 11", "tag" },
    { HEAD "fits: !mine {tensor: a}\n" BODY, "line 2, column 7", "tag" },
    { HEAD BODY "---\n" HEAD BODY, "line 5, column 1", "second" },
    { HEAD BODY "---\n]\n", "line 5, column 1", "not YAML" },
    { HEAD "about: [\n" BODY, "line 4, column 3", "YAML" },
    { HEAD "\tabout: x\n" BODY, "line 2, column 1", "YAML" },
    { HEAD "about: *nobody\n" BODY, "line 2, column 8", "YAML" },
    { HEAD "about: \xff\n" BODY, "line 2, column 8", "YAML" },
    { HEAD "about: \x01\n" BODY, "line 2, column 8", "YAML" },
};

static void what_is_not_of_the_language_is_refused_where_it_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        refuse(refusals[i].text, refusals[i].place, refusals[i].word);
}

static void utf16_is_refused(void **state)
{
    (void)state;
    static const char text[] = "\xff\xfer\0e\0";
    struct recipe *recipe;
    struct ingot_error err = { 0 };
    assert_int_equal(recipe_parse(text, sizeof text - 1, "r.yaml", &recipe, &err), INGOT_E_RECIPE);
}

static void a_few_lines_cannot_stand_for_billions(void **state)
{
    (void)state;
    struct recipe *recipe;
    struct ingot_error err;
    char text[4096] = HEAD "metadata: {lol: &a0 x}\n";
    for (int i = 1; i < 20; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    assert_int_equal(parse(text, &recipe, &err), INGOT_E_RECIPE);
    /* where the language has lists of lists, the budget ends the walk */
    char *large = malloc(TREE_MAX_BYTES);
    size_t n = (size_t)sprintf(large, HEAD "tensors:\n  - &r\n    drop: x\n    from: [a");
    for (int i = 1; i < 64; i++) n += (size_t)sprintf(large + n, ",a");
    n += (size_t)sprintf(large + n, "]\n");
    for (int i = 0; i < 8000; i++) n += (size_t)sprintf(large + n, "  - *r\n");
    assert_int_equal(recipe_parse(large, n, "r.yaml", &recipe, &err), INGOT_E_RECIPE);
    free(large);
}

static void an_anchor_that_holds_itself_is_refused(void **state)
{
    (void)state;
    refuse(HEAD "prefixes: &a [*a]\n" BODY, "line 2, column", "text");
    refuse(HEAD "tensors: &a [*a]\n", "line 2, column", "mapping");
    refuse("&a\nrecipe: *a\n" BODY, "line 1, column 1", "text");
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    const size_t n = 100000;
    char *text = malloc(n);
    struct recipe *recipe;
    struct ingot_error err = { 0 };
    memset(text, '[', n);
    assert_int_equal(recipe_parse(text, n, "r.yaml", &recipe, &err), INGOT_E_RECIPE);
    assert_non_null(strstr(err.message, "line 1, column 65: brackets"));
    for (size_t i = 0; i + 1 < n; i += 2) memcpy(text + i, "- ", 2);
    err = (struct ingot_error){ 0 };
    assert_int_equal(recipe_parse(text, n, "r.yaml", &recipe, &err), INGOT_E_RECIPE);
    free(text);
}

static void what_takes_quadratic_time_is_counted(void **state)
{
    (void)state;
    char *text = malloc(65536);
    struct recipe *recipe;
    struct ingot_error err;
    size_t n = (size_t)sprintf(text, "[");
    for (int i = 0; i < 1025; i++) n += (size_t)sprintf(text + n, "&a%d x,", i);
    assert_int_equal(parse(text, &recipe, &err), INGOT_E_RECIPE);
    assert_non_null(strstr(err.message, "anchors"));
    n = (size_t)sprintf(text, "[");
    for (int i = 0; i < 1024; i++) n += (size_t)sprintf(text + n, "&a%d x,", i);
    assert_int_equal(parse(text, &recipe, &err), INGOT_E_RECIPE);
    assert_null(strstr(err.message, "anchors"));
    free(text);
    refuse("%TAG !a! b\n--- \n" HEAD BODY, "line 1, column 1", "directive");
}

/* A recipe with so many items of a list and so many keys of a mapping. */
static enum ingot_status parse_many(int n_items, int n_keys, struct ingot_error *err)
{
    char text[4096];
    struct recipe *recipe = NULL;
    size_t n = (size_t)sprintf(text, HEAD "prefixes: [");
    for (int i = 0; i < n_items; i++) n += (size_t)sprintf(text + n, "p%d.,", i);
    n += (size_t)sprintf(text + n, "]\nmetadata: {");
    for (int i = 0; i < n_keys; i++) n += (size_t)sprintf(text + n, "k%d: v,", i);
    sprintf(text + n, "}\n" BODY);
    enum ingot_status status = parse(text, &recipe, err);
    recipe_free(recipe);
    return status;
}

static void lists_and_mappings_have_at_most_64_items(void **state)
{
    (void)state;
    struct ingot_error err;
    assert_int_equal(parse_many(64, 64, &err), INGOT_OK);
    assert_int_equal(parse_many(65, 1, &err), INGOT_E_RECIPE);
    assert_non_null(strstr(err.message, "prefixes has 65 items, the limit is 64"));
    assert_int_equal(parse_many(1, 65, &err), INGOT_E_RECIPE);
    assert_non_null(strstr(err.message, "metadata has 65 keys, the limit is 64"));
}

static void a_long_text_is_refused(void **state)
{
    (void)state;
    char *text = calloc(1, TREE_MAX_BYTES + 1);
    struct recipe *recipe;
    struct ingot_error err = { 0 };
    memset(text, '#', TREE_MAX_BYTES + 1);
    assert_int_equal(recipe_parse(text, TREE_MAX_BYTES + 1, "r.yaml", &recipe, &err), INGOT_E_LIMIT);
    assert_int_equal(recipe_parse(text, TREE_MAX_BYTES, "r.yaml", &recipe, NULL), INGOT_E_RECIPE); /* all a comment */
    free(text);
}

/* libyaml would guess another encoding from the first bytes. */
static void a_recipe_is_utf_8(void **state)
{
    (void)state;
    static const char text[] = HEAD BODY;
    char wide[2 + 2 * sizeof text] = "\xff\xfe";
    struct recipe *recipe;
    struct ingot_error err = { 0 };
    for (size_t i = 0; i + 1 < sizeof text; i++) wide[2 + 2 * i] = text[i];
    assert_int_equal(recipe_parse(wide, 2 * sizeof text, "r.yaml", &recipe, &err), INGOT_E_RECIPE);
    assert_int_equal(err.offset, 0);
    assert_non_null(strstr(err.message, "line 1, column 1: not YAML"));
}

static void an_unknown_key_is_answered_with_the_known_ones(void **state)
{
    (void)state;
    struct recipe *recipe;
    struct ingot_error err;
    assert_int_equal(parse(HEAD "tensor: []\n" BODY, &recipe, &err), INGOT_E_RECIPE);
    assert_non_null(strstr(err.advice, "known are recipe, about, "));
    assert_non_null(strstr(err.advice, "tensors"));
    assert_non_null(strstr(err.advice, "hyper-parameters"));
}

static void a_recipe_is_a_name_or_a_file(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct recipe *recipe;
    struct input *file;
    struct ingot_error err = { 0 };
    fixture_write(dir, "mine.yaml", HEAD BODY, strlen(HEAD BODY));
    assert_int_equal(recipe_open("gguf", &recipe, &file, &err), INGOT_OK);
    assert_true(recipe->built_in);
    assert_null(file);
    recipe_free(recipe);
    assert_int_equal(recipe_open(fixture_path(dir, "mine.yaml"), &recipe, &file, &err), INGOT_OK);
    assert_false(recipe->built_in);
    assert_int_equal(recipe->n_text, strlen(HEAD BODY));
    assert_memory_equal(recipe->text, HEAD BODY, recipe->n_text);
    assert_non_null(file);
    input_close(file);
    recipe_free(recipe);
    assert_int_equal(recipe_open(fixture_path(dir, "yours.yaml"), &recipe, &file, &err), INGOT_E_ARGUMENT);
    assert_non_null(strstr(err.advice, "nanogpt"));
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_recipe_parses_and_has_its_name),
        cmocka_unit_test(every_built_in_recipe_has_a_source_for_every_tensor_but_the_head),
        cmocka_unit_test(a_rule_can_be_written_in_three_ways),
        cmocka_unit_test(a_result_may_name_its_layer),
        cmocka_unit_test(a_tokenizer_is_one_file_or_two_or_none),
        cmocka_unit_test(a_hyper_parameter_is_a_value_or_the_first_fact_that_exists),
        cmocka_unit_test(an_alias_is_the_same_node_once_more),
        cmocka_unit_test(patterns_match_layers_and_rests),
        cmocka_unit_test(a_pattern_has_one_layer_and_one_star_at_most),
        cmocka_unit_test(prefixes_are_taken_off_in_their_order_once),
        cmocka_unit_test(what_training_wraps_around_a_model_is_taken_off),
        cmocka_unit_test(a_shape_is_matched_from_its_end_and_ones_in_front_are_nothing),
        cmocka_unit_test(what_is_not_of_the_language_is_refused_where_it_stands),
        cmocka_unit_test(utf16_is_refused),
        cmocka_unit_test(a_few_lines_cannot_stand_for_billions),
        cmocka_unit_test(an_anchor_that_holds_itself_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(what_takes_quadratic_time_is_counted),
        cmocka_unit_test(lists_and_mappings_have_at_most_64_items),
        cmocka_unit_test(a_long_text_is_refused),
        cmocka_unit_test(a_recipe_is_utf_8),
        cmocka_unit_test(an_unknown_key_is_answered_with_the_known_ones),
        cmocka_unit_test(a_recipe_is_a_name_or_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
