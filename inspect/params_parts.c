/* params_parts.c - each part as a table and as JSON, from the same figures. */
#include "inspect/params_parts.h"

#include "format/error.h"
#include "inspect/architecture.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/table.h"
#include "inspect/cost.h"
#include "inspect/name_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- cost */

static struct cost_question question_of(const struct subject *s, const struct parts_wanted *wanted)
{
    struct cost_question q = { .hp = &s->hp, .census = &s->census, .dtype = s->dtype, .embedding = s->embedding };
    q.n_ctx = wanted->n_ctx ? wanted->n_ctx : s->hp.n_ctx;
    if (wanted->dtype != INGOT_DTYPE_NONE) q.dtype = q.embedding = wanted->dtype;
    return q;
}

/* "q4" or "q4, embedding q8" */
static void dtypes_text(const struct cost_question *q, char *out, size_t cap)
{
    const char *layers = ingot_dtype_name(q->dtype);
    if (q->embedding == INGOT_DTYPE_NONE || q->embedding == q->dtype)
        snprintf(out, cap, "%s", layers);
    else
        snprintf(out, cap, "%s, embedding %s", layers, ingot_dtype_name(q->embedding));
}

static void cost_row(struct table *t, const char *what, struct human value)
{
    table_text(t, what);
    table_text(t, value.text);
}

void parts_print_cost(const struct subject *s, const struct parts_wanted *wanted)
{
    const struct cost_question q = question_of(s, wanted);
    const struct cost cost = cost_of(&q);
    char title[128], dtypes[48], cache[48];
    dtypes_text(&q, dtypes, sizeof dtypes);
    snprintf(title, sizeof title, "at %s position%s, in %s", human_count(cost.n_ctx).text, plural(cost.n_ctx), dtypes);
    snprintf(cache, sizeof cache, "memory: KV cache, %s", ingot_dtype_name(cost.cache));
    const struct table_column columns[] = { { .title = title, .flexible = true }, { .title = "", .right = true } };
    struct table t = table_begin(columns, 2);
    putchar('\n');
    cost_row(&t, "operations, the next token", human_operations(cost.flops_decode));
    cost_row(&t, "of these in attention", human_operations(cost.flops_decode_attention));
    cost_row(&t, "operations, a prompt of all positions", human_operations(cost.flops_prefill));
    cost_row(&t, "bytes read, the next token", human_bytes((uint64_t)cost.bytes_decode));
    cost_row(&t, "memory: weights, mapped", human_bytes((uint64_t)cost.weight_bytes));
    cost_row(&t, cache, human_bytes((uint64_t)cost.cache_bytes));
    cost_row(&t, "memory: activations", human_bytes((uint64_t)cost.activation_bytes));
    cost_row(&t, "memory: each thread", human_bytes((uint64_t)cost.thread_bytes));
    table_rule(&t);
    cost_row(&t, "memory with one thread", human_bytes((uint64_t)cost.memory_bytes));
    table_end(&t);
}

static json_t *whole(double n)
{
    return n < 9e18 ? json_count((uint64_t)n) : json_number(n);
}

static json_t *cost_json(const struct subject *s, const struct parts_wanted *wanted)
{
    const struct cost_question q = question_of(s, wanted);
    const struct cost cost = cost_of(&q);
    json_t *o = json_object(), *memory = json_object();
    json_put(o, "positions", json_count(cost.n_ctx));
    json_put(o, "dtype", json_string(ingot_dtype_name(q.dtype)));
    json_put(o, "embedding_dtype", json_string(ingot_dtype_name(q.embedding ? q.embedding : q.dtype)));
    json_put(o, "kv_dtype", json_string(ingot_dtype_name(cost.cache)));
    json_put(o, "flops_decode", whole(cost.flops_decode));
    json_put(o, "flops_decode_attention", whole(cost.flops_decode_attention));
    json_put(o, "flops_prefill", whole(cost.flops_prefill));
    json_put(o, "bytes_decode", whole(cost.bytes_decode));
    json_put(memory, "weights", whole(cost.weight_bytes));
    json_put(memory, "kv_cache", whole(cost.cache_bytes));
    json_put(memory, "activations", whole(cost.activation_bytes));
    json_put(memory, "per_thread", whole(cost.thread_bytes));
    json_put(memory, "total", whole(cost.memory_bytes));
    json_put(o, "memory", memory);
    return o;
}

/* ------------------------------------------------------------------------------------------------------ layers */

/* Layers from one number to another that have the same counts. */
struct run {
    uint64_t first, last, attention, mlp, norms, biases, all;
};

static struct run run_of(const struct census_layer *l)
{
    const uint64_t *n = l->count;
    struct run r = { .first = l->number, .last = l->number };
    r.attention = n[CENSUS_QUERY] + n[CENSUS_KEY] + n[CENSUS_VALUE] + n[CENSUS_ATTENTION_OUTPUT];
    r.mlp = n[CENSUS_UP] + n[CENSUS_DOWN];
    r.norms = n[CENSUS_NORMS];
    r.biases = n[CENSUS_BIASES];
    for (int i = 0; i < CENSUS_CATEGORIES; i++) r.all += n[i];
    return r;
}

/* The run that begins at row *i, which goes on behind it. */
static struct run next_run(const struct census_layers *layers, size_t *i)
{
    const struct census_layer *first = &layers->rows[*i];
    struct run r = run_of(first);
    for (++*i; *i < layers->n; ++*i) {
        const struct census_layer *l = &layers->rows[*i];
        if (l->number != r.last + 1 || memcmp(l->count, first->count, sizeof l->count) != 0) break;
        r.last = l->number;
    }
    return r;
}

static void print_layers(const struct subject *s)
{
    static const struct table_column columns[] = {
        { .title = "layer" },
        { .title = "attention", .right = true },
        { .title = "mlp", .right = true },
        { .title = "norms", .right = true, .drop = 2 },
        { .title = "biases", .right = true, .drop = 1 },
        { .title = "each", .right = true },
        { .title = "in all", .right = true },
        { .title = "share", .right = true, .drop = 3 },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    uint64_t total = census_total(&s->census);
    t.no_titles = s->layers.n == 0;
    if (t.no_titles) puts("There are no layers of a GPT-2.");
    for (size_t i = 0; i < s->layers.n;) {
        struct run r = next_run(&s->layers, &i);
        uint64_t all = r.all * (r.last - r.first + 1);
        if (r.last > r.first)
            table_cell(&t, "%llu..%llu", (unsigned long long)r.first, (unsigned long long)r.last);
        else
            table_cell(&t, "%llu", (unsigned long long)r.first);
        const uint64_t cells[] = { r.attention, r.mlp, r.norms, r.biases, r.all, all };
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++) table_text(&t, human_count(cells[k]).text);
        table_text(&t, human_share(all, total).text);
    }
    table_end(&t);
}

static json_t *layers_json(const struct census_layers *layers)
{
    json_t *array = json_array();
    for (size_t i = 0; i < layers->n;) {
        struct run r = next_run(layers, &i);
        json_t *o = json_object();
        json_put(o, "first", json_count(r.first));
        json_put(o, "last", json_count(r.last));
        json_put(o, "attention", json_count(r.attention));
        json_put(o, "mlp", json_count(r.mlp));
        json_put(o, "norms", json_count(r.norms));
        json_put(o, "biases", json_count(r.biases));
        json_put(o, "parameters_each", json_count(r.all));
        json_add(array, o);
    }
    return array;
}

/* -------------------------------------------------------------------------------------------------------- tree */

/* Shape and dtype of a leaf; of another branch how many tensors are below. */
static void leaf_cells(struct table *t, const struct name_branch *b)
{
    char shape[192];
    if (!b->leaf) {
        table_cell(t, "%s tensor%s", human_count(b->n_tensors).text, plural(b->n_tensors));
        table_text(t, "");
        return;
    }
    human_shape(b->leaf->rank, b->leaf->shape, shape, sizeof shape);
    table_text(t, shape);
    table_text(t, b->leaf->dtype_name);
}

static void print_branch(void *ctx, const struct name_branch *b)
{
    struct table *t = ctx;
    char shown[4 * sizeof b->label];
    ingot_escape(b->label, strlen(b->label), shown, sizeof shown);
    table_cell(t, "%*s%s", 2 * (int)b->depth, "", shown);
    leaf_cells(t, b);
    if (b->leaf && b->leaf->target) {
        table_cell(t, "= %s", ingot_escape(b->leaf->target, strlen(b->leaf->target), shown, sizeof shown));
        table_text(t, "");
        return;
    }
    table_text(t, human_count(b->n_elems).text);
    table_text(t, human_bytes(b->n_bytes).text);
}

static void print_tree(const struct subject *s, uint32_t depth)
{
    static const struct table_column columns[] = {
        { .title = "name", .flexible = true },
        { .title = "shape", .right = true, .drop = 2 },
        { .title = "dtype", .drop = 3 },
        { .title = "parameters", .right = true },
        { .title = "bytes", .right = true, .drop = 1 },
    };
    struct table t = table_begin(columns, sizeof columns / sizeof *columns);
    name_tree_walk(&s->checkpoint, depth, print_branch, &t);
    table_end(&t);
}

/* The arrays that the branches of each depth go into. */
struct planting {
    json_t **arrays;
    size_t capacity;
};

static void plant_branch(void *ctx, const struct name_branch *b)
{
    struct planting *p = ctx;
    json_t *o = json_object(), *children = json_array();
    json_put(o, "name", json_text(b->label, strlen(b->label)));
    json_put(o, "tensors", json_count(b->n_tensors));
    json_put(o, "parameters", json_count(b->n_elems));
    json_put(o, "bytes", json_count(b->n_bytes));
    if (b->leaf) json_put(o, "shape", json_shape(b->leaf->rank, b->leaf->shape));
    if (b->leaf) json_put(o, "dtype", json_text(b->leaf->dtype_name, strlen(b->leaf->dtype_name)));
    if (b->leaf && b->leaf->target) json_put(o, "alias_of", json_text(b->leaf->target, strlen(b->leaf->target)));
    if (!b->leaf) json_put(o, "children", json_incref(children));
    p->arrays = memory_grow(p->arrays, &p->capacity, b->depth + 2, sizeof *p->arrays);
    json_add(p->arrays[b->depth], o);
    p->arrays[b->depth + 1] = children; /* its parent keeps it; without one nothing is added to it */
    json_decref(children);
}

static json_t *tree_json(const struct subject *s, uint32_t depth)
{
    json_t *roots = json_array();
    struct planting p = { .arrays = memory_array(16, sizeof *p.arrays), .capacity = 16 };
    p.arrays[0] = roots;
    name_tree_walk(&s->checkpoint, depth, plant_branch, &p);
    free(p.arrays);
    return roots;
}

/* ----------------------------------------------------------------------------------------------------- drawing */

static void print_drawing(const struct subject *s)
{
    static const struct table_column columns[] = {
        { .title = "step", .flexible = true },
        { .title = "shape", .right = true },
        { .title = "parameters", .right = true },
        { .title = "in all", .right = true, .drop = 1 },
    };
    struct architecture_step steps[ARCHITECTURE_STEPS];
    struct table t = table_begin(columns, 4);
    size_t n = architecture_steps(&s->hp, &s->census, steps);
    for (size_t i = 0; i < n; i++) {
        const struct architecture_step *step = &steps[i];
        uint64_t times = step->in_layer ? s->hp.n_layer : 1;
        if (step->in_layer && !steps[i - 1].in_layer) {
            table_cell(&t, ".-- %u layer%s", s->hp.n_layer, plural(s->hp.n_layer));
            for (int k = 0; k < 3; k++) table_text(&t, "");
        }
        table_cell(&t, "%s%s", step->in_layer ? "|   " : "", step->what);
        table_text(&t, step->shape);
        table_text(&t, step->n_params ? human_count(step->n_params).text : "");
        table_text(&t, step->n_params ? human_count(times * step->n_params).text : "");
        if (step->in_layer && !steps[i + 1].in_layer) {
            table_text(&t, "'-- x");
            for (int k = 0; k < 3; k++) table_text(&t, "");
        }
    }
    table_end(&t);
}

static json_t *drawing_json(const struct subject *s)
{
    struct architecture_step steps[ARCHITECTURE_STEPS];
    json_t *array = json_array();
    size_t n = architecture_steps(&s->hp, &s->census, steps);
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        json_put(o, "step", json_string(steps[i].what));
        json_put(o, "shape", json_string(steps[i].shape));
        json_put(o, "parameters", json_count(steps[i].n_params));
        json_put(o, "times", json_count(steps[i].in_layer ? s->hp.n_layer : 1));
        json_add(array, o);
    }
    return array;
}

/* --------------------------------------------------------------------------------------------------------- all */

bool parts_print(const struct subject *s, const struct parts_wanted *wanted)
{
    if (wanted->draw) print_drawing(s);
    if (wanted->draw && wanted->layers) putchar('\n');
    if (wanted->layers) print_layers(s);
    if (wanted->tree && (wanted->draw || wanted->layers)) putchar('\n');
    if (wanted->tree) print_tree(s, wanted->depth);
    return wanted->draw || wanted->layers || wanted->tree;
}

void parts_json(json_t *root, const struct subject *s, const struct parts_wanted *wanted)
{
    json_put(root, "cost", s->has_hparams ? cost_json(s, wanted) : json_null());
    if (wanted->draw) json_put(root, "architecture", drawing_json(s));
    if (wanted->layers) json_put(root, "by_layer", layers_json(&s->layers));
    if (wanted->tree) json_put(root, "tree", tree_json(s, wanted->depth));
}
