/* batch.c - a list of conversions: read it, plan all of it, then convert one after the other. */
#include "convert/batch.h"

#include "convert/array.h"
#include "convert/prepare.h"
#include "format/path.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static enum ingot_status load(struct batch *b, struct ingot_error *err)
{
    struct input *in;
    const char *base;
    char *directory = path_split(b->path, &base);
    if (!directory) return fail_memory(err, b->path);
    enum ingot_status status = input_open(directory, base, NULL, &in, err);
    free(directory);
    if (status != INGOT_OK) return status;
    status = batch_parse(b, (const char *)in->map.bytes, in->map.size, err);
    input_close(in);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- planning */

static struct ingot_convert_options options_of(const struct batch *b, const struct batch_entry *e)
{
    struct ingot_convert_options o = *b->options;
    o.dtype = e->common.dtype;
    o.sets_embedding = e->common.sets_embedding;
    o.embedding = e->common.embedding;
    o.recipe = e->common.recipe;
    o.settings = (const char *const *)e->common.settings;
    o.n_settings = e->common.n_settings;
    return o;
}

/* Whether two paths name one file: links in their directories are followed, whether the file is there or not. */
static bool same_output(const char *a, const char *b)
{
    const char *paths[2] = { a, b }, *names[2];
    struct stat st[2];
    for (int i = 0; i < 2; i++) {
        char directory[PATH_MAX];
        names[i] = path_base(paths[i]);
        if (snprintf(directory, sizeof directory, "%.*s.", (int)(names[i] - paths[i]), paths[i]) >= PATH_MAX ||
            stat(directory, &st[i]) != 0)
            return false;
    }
    return strcmp(names[0], names[1]) == 0 && st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

/* The same of files that are there: the last link is followed, too. */
static bool same_file(const char *a, const char *b)
{
    struct stat st[2];
    return stat(a, &st[0]) == 0 && stat(b, &st[1]) == 0 && st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

static enum ingot_status check_outputs_differ(const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_entries; i++) {
        if (same_file(b->entries[i].output, b->path))
            tree_fail(b->tree, b->entries[i].output_node, NULL, "the output is this file");
        for (uint32_t k = 0; k < i; k++)
            if (same_output(b->entries[i].output, b->entries[k].output))
                tree_fail(b->tree, b->entries[i].output_node, "give each conversion an output of its own",
                          "the output is that of conversion %u too", k + 1);
    }
    return tree_status(b->tree);
}

/* An output may be an input of no conversion: another one would find it gone, or destroy what it was made of. */
static enum ingot_status check_outputs_apart(const struct batch *b, const struct prepared *in, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < b->n_entries && status == INGOT_OK; i++)
        status = prepared_check_output(in, b->entries[i].output, err);
    return status;
}

/* Everything that can be known before the first is written. */
static enum ingot_status plan_entry(const struct batch *b, const struct batch_entry *e, struct ingot_error *err)
{
    struct ingot_convert_options options = options_of(b, e);
    struct ingot_writer_options how = { .align = options.align, .overwrite = options.overwrite };
    struct ingot_writer *writer = NULL;
    struct prepared in;
    options.warning = NULL; /* converting will say it */
    enum ingot_status status = prepare(e->source, &options, &in, err);
    if (status == INGOT_OK) status = check_outputs_apart(b, &in, err);
    if (status == INGOT_OK) status = ingot_writer_create(e->output, &how, &writer, err);
    ingot_writer_close(writer);
    prepared_free(&in);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ converting */

struct batch_run {
    struct batch batch;
    bool keep_going;
    ingot_batch_fn each;
    void *ctx;
    struct ingot_error *err;
    enum ingot_status status; /* of the first that failed */
};

static struct ingot_batch_entry told(const struct batch *b, uint32_t i)
{
    return (struct ingot_batch_entry){ b->entries[i].source, b->entries[i].output, i + 1, b->n_entries };
}

/* Whether the batch goes on after entry i. An interruption ends it always, and is what it ended with. */
static bool settle(struct batch_run *run, uint32_t i, enum ingot_status status, const struct ingot_error *error)
{
    struct ingot_batch_entry entry = told(&run->batch, i);
    if (status == INGOT_OK) return true;
    run->batch.entries[i].failed = true;
    if (run->status == INGOT_OK || status == INGOT_E_INTERRUPTED) {
        run->status = status;
        if (run->err) *run->err = *error;
    }
    if (!run->keep_going || status == INGOT_E_INTERRUPTED) return false;
    if (run->each) run->each(run->ctx, &entry, NULL, error);
    return true;
}

static bool plan_all(struct batch_run *run)
{
    bool go_on = true;
    for (uint32_t i = 0; i < run->batch.n_entries && go_on; i++) {
        struct ingot_error error = { 0 };
        enum ingot_status status = plan_entry(&run->batch, &run->batch.entries[i], &error);
        go_on = settle(run, i, status, &error);
    }
    return go_on;
}

static bool convert_entry(struct batch_run *run, uint32_t i)
{
    const struct batch_entry *e = &run->batch.entries[i];
    struct ingot_convert_options options = options_of(&run->batch, e);
    struct ingot_batch_entry entry = told(&run->batch, i);
    struct ingot_convert_report report;
    struct ingot_error error = { 0 };
    if (run->each) run->each(run->ctx, &entry, NULL, NULL);
    enum ingot_status status = ingot_convert(e->source, e->output, &options, &report, &error);
    if (status == INGOT_OK && run->each) run->each(run->ctx, &entry, &report, NULL);
    return settle(run, i, status, &error);
}

static void convert_all(struct batch_run *run)
{
    bool go_on = plan_all(run);
    for (uint32_t i = 0; i < run->batch.n_entries && go_on; i++)
        if (!run->batch.entries[i].failed) go_on = convert_entry(run, i);
}

enum ingot_status ingot_convert_batch(const char *path, const struct ingot_convert_options *options, bool keep_going,
                                      ingot_batch_fn each, void *ctx, struct ingot_error *err)
{
    static const struct ingot_convert_options defaults = { 0 };
    struct batch_run run = { .batch = { .path = path, .options = options ? options : &defaults },
                             .keep_going = keep_going,
                             .each = each,
                             .ctx = ctx,
                             .err = err };
    run.status = load(&run.batch, err);
    if (run.status == INGOT_OK) run.status = check_outputs_differ(&run.batch);
    if (run.status == INGOT_OK) convert_all(&run);
    batch_free(&run.batch);
    return run.status;
}
