/* architecture.c - the forward pass as a list: matrices as [inputs, outputs], as one multiplies from the left. */
#include "inspect/architecture.h"

#include "format/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct drawing {
    const struct ingot_hparams *hp;
    uint64_t width, inner, norm, bias; /* norm: parameters of one; bias: 1 where there are any, else 0 */
    struct architecture_step *steps;
    size_t n;
    bool in_layer;
};

/* The next step; its shape follows. */
static struct architecture_step *add(struct drawing *d, uint64_t n_params, const char *shape, ...)
{
    struct architecture_step *s = &d->steps[d->n++];
    va_list args;
    *s = (struct architecture_step){ .n_params = n_params, .in_layer = d->in_layer };
    va_start(args, shape);
    vsnprintf(s->shape, sizeof s->shape, shape, args);
    va_end(args);
    return s;
}

static void name(struct architecture_step *s, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    vsnprintf(s->what, sizeof s->what, what, args);
    va_end(args);
}

static void norm(struct drawing *d)
{
    name(add(d, d->norm, "[%" PRIu64 "]", d->width), "layer norm");
}

static void project(struct drawing *d, const char *what, uint64_t from, uint64_t to)
{
    name(add(d, from * to + d->bias * to, "[%" PRIu64 ", %" PRIu64 "]", from, to), "%s%s", what,
         d->bias ? ", bias" : "");
}

static void layer(struct drawing *d)
{
    uint32_t heads = d->hp->n_head, size = d->hp->n_embd / heads;
    norm(d);
    project(d, "query, key, value", d->width, 3 * d->width);
    name(add(d, 0, "[%u, T, %u]", heads, size), "causal attention, %u head%s", heads, plural(heads));
    project(d, "attention output", d->width, d->width);
    name(add(d, 0, "[T, %" PRIu64 "]", d->width), "added to x");
    norm(d);
    project(d, "up", d->width, d->inner);
    name(add(d, 0, "[T, %" PRIu64 "]", d->inner), "%s",
         d->hp->activation == INGOT_GELU_ERF ? "gelu, exact" : "gelu, tanh");
    project(d, "down", d->inner, d->width);
    name(add(d, 0, "[T, %" PRIu64 "]", d->width), "added to x");
}

size_t architecture_steps(const struct ingot_hparams *hp, const struct census *c,
                          struct architecture_step steps[ARCHITECTURE_STEPS])
{
    struct drawing d = { .hp = hp, .width = hp->n_embd, .inner = hp->n_inner, .steps = steps };
    uint64_t table = hp->n_vocab_stored * d.width;
    d.bias = c->count[CENSUS_BIASES] > 0;
    d.norm = c->count[CENSUS_NORMS] / (2 * (uint64_t)hp->n_layer + 1);
    name(add(&d, 0, "[T]"), "token ids");
    name(add(&d, table, "[%u, %" PRIu64 "]", hp->n_vocab_stored, d.width), "token embedding");
    name(add(&d, hp->n_ctx * d.width, "[%u, %" PRIu64 "]", hp->n_ctx, d.width), "+ position embedding");
    name(add(&d, 0, "[T, %" PRIu64 "]", d.width), "= x");
    d.in_layer = true;
    layer(&d);
    d.in_layer = false;
    norm(&d);
    name(add(&d, c->tied ? 0 : table, "[%" PRIu64 ", %u]", d.width, hp->n_vocab_stored), "unembedding%s",
         c->tied ? ", the token embedding again" : "");
    name(add(&d, 0, "[T, %u]", hp->n_vocab), "logits");
    return d.n;
}
