/* prepare.c - source, plan and vocabulary, in this order; and the pass alone, for whoever wants to see the plan. */
#include "convert/prepare.h"

#include "convert/describe.h"
#include "convert/recipe.h"
#include "format/error.h"

#include <stdio.h>
#include <string.h>

static enum ingot_status check_dtype(enum ingot_dtype dtype, const char *option, struct ingot_error *err)
{
    switch (dtype) {
    case INGOT_DTYPE_NONE:
    case INGOT_F32:
    case INGOT_F16:
    case INGOT_BF16:
    case INGOT_Q8:
    case INGOT_Q4:
        return INGOT_OK;
    default:
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, option, "give f32, f16, bf16, q8 or q4",
                          "weights cannot be converted to %s", ingot_dtype_name(dtype));
    }
}

static enum ingot_status check_options(const struct ingot_convert_options *o, struct ingot_error *err)
{
    enum ingot_status status = check_dtype(o->dtype, "dtype", err);
    return status == INGOT_OK && o->sets_embedding ? check_dtype(o->embedding, "embedding", err) : status;
}

static void warn(const struct ingot_convert_options *o, const char *subject, const char *message)
{
    if (o->warning) o->warning(o->warning_ctx, subject, message);
}

/* What the recipe names, or else what is in the checkpoint or beside it. */
static enum ingot_status read_vocabulary(struct prepared *p, struct ingot_error *err)
{
    const struct recipe *recipe = p->plan.recipe;
    const uint32_t n_vocab = p->plan.hp.n_vocab;
    if (recipe->no_tokenizer) return INGOT_OK;
    if (recipe->tokenizer.n == 0) return vocabulary_of_source(p->source, n_vocab, &p->vocabulary, err);
    return vocabulary_of_files(p->source->directory, recipe->tokenizer.items, recipe->tokenizer.n, n_vocab,
                               &p->vocabulary, err);
}

enum ingot_status prepare(const char *source_path, const struct ingot_convert_options *options, struct prepared *out,
                          struct ingot_error *err)
{
    *out = (struct prepared){ 0 };
    enum ingot_status status = check_options(options, err);
    if (status == INGOT_OK) status = plan_open_source(source_path, options, &out->source, err);
    if (status == INGOT_OK) status = plan_make(out->source, options, &out->plan, err);
    if (status == INGOT_OK) status = read_vocabulary(out, err);
    if (status != INGOT_OK) return status;
    /* a checkpoint without a tokenizer can be run on token ids */
    if (!out->vocabulary.bytes)
        warn(options, out->source->directory, "no tokenizer is here; the result can only be run on token ids");
    if (!out->plan.biased) warn(options, source_path, "no tensor is a bias: all are taken as zero");
    return INGOT_OK;
}

void prepared_free(struct prepared *p)
{
    plan_free(&p->plan);
    vocabulary_free(&p->vocabulary);
    ingot_source_close(p->source);
    *p = (struct prepared){ 0 };
}

static bool is_one_of(struct input *const *files, size_t n, const struct stat *st)
{
    for (size_t i = 0; i < n; i++)
        if (files[i]->at_open.st_dev == st->st_dev && files[i]->at_open.st_ino == st->st_ino) return true;
    return false;
}

enum ingot_status prepared_check_output(const struct prepared *p, const char *path, struct ingot_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) return INGOT_OK;
    if (!is_one_of(p->plan.inputs, p->plan.n_inputs, &st) && !is_one_of(p->source->files, p->source->n_files, &st) &&
        !is_one_of(p->vocabulary.files, p->vocabulary.n_files, &st))
        return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "choose another name for the output",
                      "the output is one of the inputs");
}

enum ingot_status prepared_check_unchanged(const struct prepared *p, struct ingot_error *err)
{
    enum ingot_status status = source_check_unchanged(p->source, err);
    for (size_t i = 0; i < p->plan.n_inputs && status == INGOT_OK; i++)
        status = input_check_unchanged(p->plan.inputs[i], err);
    for (uint32_t i = 0; i < p->vocabulary.n_files && status == INGOT_OK; i++)
        status = input_check_unchanged(p->vocabulary.files[i], err);
    return status;
}

/* --------------------------------------------------------------------------------------------------- the plan alone */

static struct ingot_plan_line line_of(const struct ingot_source_tensor *s, const char *transform)
{
    struct ingot_plan_line line = {
        .from = s->name, .from_dtype = s->dtype_name, .from_rank = s->rank, .file = s->file, .transform = transform
    };
    memcpy(line.from_shape, s->shape, sizeof line.from_shape);
    return line;
}

static void tell_tensor(const struct plan_tensor *t, ingot_plan_fn fn, void *ctx)
{
    char transform[DESCRIBE_MAX];
    for (uint32_t i = 0; i < t->n_parts; i++) {
        struct ingot_plan_line line = line_of(t->parts[i].source, describe_part(t, &t->parts[i], transform));
        line.to = t->name;
        line.to_dtype = t->dtype;
        line.to_layout = t->layout;
        line.to_rank = t->rank;
        memcpy(line.to_shape, t->shape, sizeof t->shape);
        fn(ctx, &line);
    }
}

/* It cannot overflow: every tensor's source was found in files. */
static uint64_t output_bytes(const struct plan *plan)
{
    uint64_t sum = 0, n = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct plan_tensor *t = &plan->tensors[i];
        if (ingot_layout_bytes(t->dtype, t->layout, t->rank, t->shape, &n)) sum += n;
    }
    return sum;
}

static void fill_summary(const struct plan *plan, struct ingot_plan_summary *out)
{
    *out = (struct ingot_plan_summary){ .hparams = plan->hp,
                                        .n_tensors = plan->n_tensors,
                                        .n_dropped = plan->n_dropped,
                                        .output_bytes = output_bytes(plan),
                                        .tied = plan->tied };
    snprintf(out->recipe, sizeof out->recipe, "%s", plan->recipe->name);
}

enum ingot_status ingot_convert_plan(const char *source_path, const struct ingot_convert_options *options,
                                     ingot_plan_fn line, void *ctx, struct ingot_plan_summary *summary,
                                     struct ingot_error *err)
{
    static const struct ingot_convert_options defaults = { 0 };
    struct prepared p;
    enum ingot_status status = prepare(source_path, options ? options : &defaults, &p, err);
    const struct plan *plan = &p.plan;
    if (status == INGOT_OK && summary) fill_summary(plan, summary);
    for (size_t i = 0; status == INGOT_OK && line && i < plan->n_tensors; i++)
        tell_tensor(&plan->tensors[i], line, ctx);
    for (size_t i = 0; status == INGOT_OK && line && i < plan->n_dropped; i++) {
        struct ingot_plan_line dropped = line_of(plan->dropped[i].source, plan->dropped[i].why);
        line(ctx, &dropped);
    }
    prepared_free(&p);
    return status;
}
