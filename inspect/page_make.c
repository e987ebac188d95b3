/* page_make.c - everything is gathered before the first word is written: what cannot be read leaves no half of a page.
 */
#include "inspect/page_make.h"

#include "format/disk.h"
#include "format/error.h"
#include "inspect/choose.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/progress.h"
#include "inspect/page_parts.h"
#include "inspect/trees.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the checkpoints. */
struct side {
    struct subject subject;
    struct page_model model;
    struct json_rows stats; /* of every tensor; nothing when no tree is wanted */
};

/* ----------------------------------------------------------------------------------------------------- gathering */

struct collection {
    struct side *side;
    const struct choice *choice;
};

static void keep_figures(void *ctx, const struct stats_tensor *s)
{
    struct collection *c = ctx;
    struct page_figures *f = &c->side->model.figures[c->choice->list[s->number]];
    f->known = s->unreadable.status == INGOT_OK;
    f->figures = s->figures;
    if (c->side->stats.tree) json_rows_add(&c->side->stats, stats_tensor_tree(s));
}

static enum ingot_status gather_stats(struct side *s, const struct page_request *request, struct ingot_error *err)
{
    const struct checkpoint *cp = &s->subject.checkpoint;
    struct choice choice = { 0 };
    struct collection c = { s, &choice };
    enum ingot_status status = choose_tensors(cp, NULL, 0, &choice, err);
    if (status == INGOT_OK) {
        struct progress progress = progress_begin("stats", request->quiet);
        const struct stats_options how = { .n_threads = request->n_threads,
                                           .progress = progress_update,
                                           .progress_ctx = &progress,
                                           .each = keep_figures,
                                           .each_ctx = &c };
        s->model.figures = memory_array(cp->n_tensors, sizeof *s->model.figures);
        s->stats.keeps = true;
        if (request->tree) stats_rows_open(&s->stats, cp);
        status = stats_run(cp, choice.list, choice.n, &how, &s->model.total, err);
        if (request->tree) stats_rows_close(&s->stats, &s->model.total);
        progress_end(&progress);
    }
    free(choice.list);
    return status;
}

static void count_tensors(struct page_model *m)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target) continue;
        m->n_tensors++;
        m->n_params += t.n_elems;
        m->n_bytes += t.n_bytes;
    }
}

/* What is in memory now is no property of the file. */
static enum ingot_status gather(struct side *s, const char *path, const struct page_request *request,
                                struct ingot_error *err)
{
    struct page_model *m = &s->model;
    const struct checkpoint *cp = &s->subject.checkpoint;
    enum ingot_status status = subject_from_file(path, &s->subject, err);
    if (status != INGOT_OK) return status;
    m->subject = &s->subject;
    m->regions = regions_of(cp);
    m->regions.knows_resident = false;
    m->kinds = regions_tensor_kinds(cp);
    m->verified = request->verify;
    count_tensors(m);
    if (m->verified) status = regions_verify(&m->regions, cp, request->n_threads, request->quiet, &m->n_damaged, err);
    if (status == INGOT_OK && !request->no_stats) status = gather_stats(s, request, err);
    return status;
}

static void free_side(struct side *s)
{
    json_decref(s->stats.tree);
    regions_free(&s->model.regions);
    free(s->model.kinds);
    free(s->model.figures);
    subject_close(&s->subject);
}

/* As `diff` does without options. */
static enum ingot_status compare(struct findings *f, const struct page_request *request, struct ingot_error *err)
{
    struct progress progress = progress_begin("diff", request->quiet);
    const struct diff_options how = { .n_threads = request->n_threads,
                                      .progress = progress_update,
                                      .progress_ctx = &progress };
    enum ingot_status status = diff_open(request->paths[0], request->paths[1], &how, &f->diff, err);
    progress_end(&progress);
    f->has_model = f->diff.canonical;
    if (status == INGOT_OK && f->has_model)
        status = diff_model(&f->diff.side[0].cp, &f->diff.side[1].cp, how.recipe, &f->model, err);
    if (status == INGOT_OK) findings_judge(f);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- writing */

static void put_page_of_one(struct markup *page, const struct page_model *m)
{
    static const struct page_link all[] = {
        { "summary", "Summary" },
        { "architecture", "Architecture" },
        { "parameters", "Parameters" },
        { "tensors", "Tensors" },
        { "bytes", "Bytes" },
        { "origin", "Origin" },
        { NULL, NULL },
    };
    static const struct page_link without_architecture[] = {
        { "summary", "Summary" }, { "parameters", "Parameters" }, { "tensors", "Tensors" },
        { "bytes", "Bytes" },     { "origin", "Origin" },         { NULL, NULL },
    };
    const struct subject *s = m->subject;
    char lede[256];
    size_t n = (size_t)snprintf(lede, sizeof lede, "%s", checkpoint_format(&s->checkpoint));
    if (s->has_hparams)
        snprintf(lede + n, sizeof lede - n, ", GPT-2 of %u layer%s, %u head%s, width %u, context %u", s->hp.n_layer,
                 plural(s->hp.n_layer), s->hp.n_head, plural(s->hp.n_head), s->hp.n_embd, s->hp.n_ctx);
    page_begin(page, &s->name, 1, lede, s->has_hparams ? all : without_architecture);
    page_summary(page, m);
    page_architecture(page, m);
    page_parameters(page, m);
    page_tensors(page, m);
    page_bytes(page, m);
    page_origin(page, m);
    page_end(page);
}

static void put_page_of_two(struct markup *page, struct side *sides, const struct findings *f)
{
    static const struct page_link links[] = {
        { "summary", "Summary" }, { "tensors", "Tensors" }, { "model", "Model" }, { "parameters", "Parameters" },
        { "bytes", "Bytes" },     { "origin", "Origin" },   { NULL, NULL },
    };
    const char *const paths[] = { sides[0].subject.name, sides[1].subject.name };
    struct page_pairs pairs = page_pairs_of(f, &sides[0].subject.checkpoint, &sides[1].subject.checkpoint);
    const struct page_both both = { f, &pairs, { &sides[0].model, &sides[1].model } };
    for (unsigned s = 0; s < 2; s++) {
        sides[s].model.side = s;
        sides[s].model.pairs = &pairs;
    }
    page_begin(page, paths, 2, "A and B, compared tensor by tensor", links);
    page_both_summary(page, &both);
    page_both_tensors(page, &both);
    page_both_model(page, &both);
    page_both_parameters(page, &both);
    page_both_bytes(page, &both);
    page_both_origin(page, &both);
    page_end(page);
    page_pairs_free(&pairs);
}

static json_t *section_json(const struct ingot_file *file, const char *name)
{
    struct ingot_section s;
    return file && ingot_find(file, name, &s) ? json_text(s.data, s.raw_bytes) : json_null();
}

static json_t *side_json(struct side *s)
{
    const struct parts_wanted wanted = { .draw = s->subject.has_hparams, .layers = true };
    const struct checkpoint *cp = &s->subject.checkpoint;
    json_t *o = json_object();
    json_put(o, "show", show_tree(cp));
    json_put(o, "params", params_tree(&s->subject, &wanted));
    json_put(o, "ls", ls_tree(cp));
    json_put(o, "stats", s->stats.tree ? json_incref(s->stats.tree) : json_null());
    json_put(o, "map", map_tree(cp, &s->model.regions));
    json_put(o, "damaged", s->model.regions.verified ? json_count(s->model.n_damaged) : json_null());
    json_put(o, "provenance", section_json(cp->file, INGOT_NAME_PROVENANCE));
    json_put(o, "recipe", section_json(cp->file, INGOT_NAME_RECIPE));
    return o;
}

static json_t *tree_of(const struct page_request *request, struct side *sides, const struct findings *f)
{
    json_t *root = json_begin(), *files = json_array();
    const char *page = request->page_path;
    json_put(root, "page", page ? json_text(page, strlen(page)) : json_null());
    for (size_t i = 0; i < request->n_paths; i++) json_add(files, side_json(&sides[i]));
    json_put(root, "files", files);
    json_put(root, "diff", request->n_paths == 2 ? diff_tree(f) : json_null());
    return root;
}

enum ingot_status page_make(const struct page_request *request, uint64_t *n_damaged, struct ingot_error *err)
{
    struct side sides[2] = { 0 };
    struct findings f = { .verbose = true }; /* the tree has all tensors, as the page */
    enum ingot_status status = request->n_paths == 2 ? compare(&f, request, err) : INGOT_OK;
    *n_damaged = 0;
    for (size_t i = 0; i < request->n_paths && status == INGOT_OK; i++) {
        status = gather(&sides[i], request->paths[i], request, err);
        *n_damaged += sides[i].model.n_damaged;
    }
    if (status == INGOT_OK && request->page && request->n_paths == 1) put_page_of_one(request->page, &sides[0].model);
    if (status == INGOT_OK && request->page && request->n_paths == 2) put_page_of_two(request->page, sides, &f);
    if (status == INGOT_OK && request->tree) *request->tree = tree_of(request, sides, &f);
    for (size_t i = 0; i < 2; i++) free_side(&sides[i]);
    diff_close(&f.diff);
    return status;
}
