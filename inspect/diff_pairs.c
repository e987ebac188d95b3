/* diff_pairs.c - lists the tensors of both sides, and pairs them by name. */
#include "inspect/diff_pairs.h"

#include "convert/profile.h"
#include "format/error.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/signals.h"

#include <stdlib.h>
#include <string.h>

#define WTE  "wte.weight"
#define HEAD "lm_head.weight"

/* ------------------------------------------------------------------------------------------------------------ sides */

static bool has_canonical_names(const struct diff_side *side)
{
    return side->cp.file || side->canonical;
}

/* A source that no recipe fits is seen by its own names; but a recipe that was asked for must do. */
static enum ingot_status open_side(struct diff_side *side, const char *path, const char *recipe, bool raw_names,
                                   struct ingot_error *err)
{
    struct ingot_error why = { 0 };
    enum ingot_status status = checkpoint_open(path, &side->cp, err);
    if (status == INGOT_OK && recipe && (raw_names || side->cp.file))
        status = ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "leave out the recipe",
                            raw_names ? "a recipe gives tensors other names than their own"
                                      : "the names in an .ingot file are canonical already");
    if (status != INGOT_OK || raw_names || side->cp.file) return status;
    status = ingot_canonical_open(side->cp.source, recipe, &side->canonical, &why);
    if (status == INGOT_OK || (!recipe && (status == INGOT_E_UNSUPPORTED || status == INGOT_E_MISSING)))
        return INGOT_OK;
    if (err && err->status == INGOT_OK) *err = why;
    return status;
}

static size_t count_all(const struct diff_side *side)
{
    return side->canonical ? ingot_canonical_count(side->canonical) : side->cp.n_tensors;
}

/* A concatenation has no place of its own: its parts do. */
static void see_canonical(const struct diff_side *side, size_t i, struct diff_tensor *out)
{
    const struct ingot_canonical_tensor c = ingot_canonical_at(side->canonical, i);
    const struct ingot_source_tensor *s = c.parts;
    *out = (struct diff_tensor){ .canonical = c, .known = c.known };
    out->t = (struct checkpoint_tensor){
        .name = c.name,
        .name_len = strlen(c.name),
        .dtype_name = s->dtype_name,
        .dtype = s->dtype,
        .layout = INGOT_ROWS,
        .rank = c.rank,
        .data = s->data,
        .part_file = s->file,
        .file_off = s->file_off,
        .origin = *s,
    };
    memcpy(out->t.shape, c.shape, sizeof c.shape);
    for (uint32_t k = 0; k < c.n_parts; k++) out->t.n_bytes += s[k].n_bytes;
    if (!ingot_shape_elems(c.rank, c.shape, &out->t.n_elems)) out->t.n_elems = 0;
}

static void see(const struct diff_side *side, size_t i, struct diff_tensor *out)
{
    uint32_t layer;
    if (side->canonical) {
        see_canonical(side, i, out);
        return;
    }
    *out = (struct diff_tensor){ .t = checkpoint_tensor_at(&side->cp, i) };
    out->known = side->is_gpt2 && profile_parse(out->t.name, &layer) < PROFILE_ROLES;
}

/* i must be below n_listed. */
static struct diff_tensor tensor_at(const struct diff_side *side, size_t i)
{
    struct diff_tensor t;
    see(side, side->listed[i], &t);
    return t;
}

static bool is_named(const struct diff_tensor *t, const char *name)
{
    return t->known && strcmp(t->t.name, name) == 0;
}

/* The very bytes of the token embedding: an alias, or a storage that is shared. */
static bool is_tied_head(const struct diff_tensor *head, const struct diff_tensor *wte)
{
    if (head->t.target) return strcmp(head->t.target, WTE) == 0;
    const struct ingot_source_tensor *h = &head->t.origin, *w = &wte->t.origin;
    return wte->known && head->canonical.n_parts == 1 && wte->canonical.n_parts == 1 && h->data && h->data == w->data &&
           h->scalar == w->scalar && h->block == w->block && memcmp(h->shape, w->shape, sizeof h->shape) == 0 &&
           memcmp(h->strides, w->strides, sizeof h->strides) == 0;
}

static void list_side(struct diff_side *side, bool canonical, bool all)
{
    struct diff_tensor t, wte = { .known = false };
    size_t n = count_all(side);
    bool has_head = false;
    side->is_gpt2 = canonical;
    side->listed = memory_array(n, sizeof *side->listed);
    for (size_t i = 0; i < n && canonical; i++) {
        see(side, i, &t);
        if (is_named(&t, WTE)) wte = t;
    }
    for (size_t i = 0; i < n; i++) {
        see(side, i, &t);
        if (t.canonical.dropped && !all) {
            side->n_left_out++;
            continue;
        }
        if (is_named(&t, HEAD) && is_tied_head(&t, &wte)) continue;
        has_head |= is_named(&t, HEAD);
        side->listed[side->n_listed++] = i;
    }
    side->tied = wte.known && !has_head;
}

/* ---------------------------------------------------------------------------------------------------------- pairing */

struct named {
    const char *name;
    size_t i;
    bool known;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    if (x->known != y->known) return x->known ? -1 : 1;
    return strcmp(x->name, y->name);
}

static struct named *sort_names(const struct diff_side *side)
{
    struct named *names = memory_array(side->n_listed, sizeof *names);
    for (size_t i = 0; i < side->n_listed; i++) {
        struct diff_tensor t = tensor_at(side, i);
        names[i] = (struct named){ t.t.name, i, t.known };
    }
    if (side->n_listed > 1) qsort(names, side->n_listed, sizeof *names, by_name);
    return names;
}

static void pair_up(struct diff *d)
{
    const struct diff_side *a = &d->side[0], *b = &d->side[1];
    struct named *names_a = sort_names(a), *names_b = sort_names(b);
    bool *met = memory_array(b->n_listed, sizeof *met);
    d->pairs = memory_array(a->n_listed + b->n_listed, sizeof *d->pairs);
    for (size_t i = 0; i < a->n_listed; i++) d->pairs[i].at[1] = DIFF_NOWHERE;
    for (size_t i = 0, k = 0; i < a->n_listed && k < b->n_listed;) {
        int order = by_name(&names_a[i], &names_b[k]);
        if (order == 0) {
            d->pairs[names_a[i].i].at[1] = names_b[k].i;
            met[names_b[k].i] = true;
        }
        i += order <= 0;
        k += order >= 0;
    }
    for (size_t i = 0; i < a->n_listed; i++) d->pairs[i].at[0] = i;
    d->n_pairs = a->n_listed;
    for (size_t k = 0; k < b->n_listed; k++)
        if (!met[k]) d->pairs[d->n_pairs++] = (struct diff_pair){ .at = { DIFF_NOWHERE, k } };
    free(names_a);
    free(names_b);
    free(met);
}

/* A head of its own is compared with the token embedding that serves as head on the other side. */
static void pair_heads(struct diff *d)
{
    size_t wte[2] = { DIFF_NOWHERE, DIFF_NOWHERE };
    for (size_t i = 0; i < d->n_pairs; i++)
        for (unsigned s = 0; s < 2; s++)
            if (d->pairs[i].at[s] != DIFF_NOWHERE) {
                struct diff_tensor t = tensor_at(&d->side[s], d->pairs[i].at[s]);
                if (is_named(&t, WTE)) wte[s] = d->pairs[i].at[s];
            }
    for (size_t i = 0; i < d->n_pairs; i++) {
        struct diff_pair *p = &d->pairs[i];
        unsigned absent = p->at[0] == DIFF_NOWHERE ? 0 : 1;
        if (p->at[absent] != DIFF_NOWHERE || !d->side[absent].tied) continue;
        struct diff_tensor t = tensor_at(&d->side[1 - absent], p->at[1 - absent]);
        if (!is_named(&t, HEAD)) continue;
        p->at[absent] = wte[absent];
        p->head_of_wte[absent] = true;
    }
}

struct diff_tensor diff_tensor_of(const struct diff *d, const struct diff_pair *pair, unsigned side)
{
    return tensor_at(&d->side[side], pair->at[side]);
}

bool diff_is_vocabulary(const struct diff_tensor *t)
{
    return t->t.rank == 2 && (is_named(t, WTE) || is_named(t, HEAD));
}

static void pair_sides(struct diff *d, bool all)
{
    for (unsigned s = 0; s < 2; s++) {
        if (!d->canonical) ingot_canonical_close(d->side[s].canonical);
        if (!d->canonical) d->side[s].canonical = NULL;
        list_side(&d->side[s], d->canonical, all);
    }
    pair_up(d);
    if (d->canonical) pair_heads(d);
}

enum ingot_status diff_pairs_open(const char *path_a, const char *path_b, const struct diff_options *options,
                                  struct diff *out, struct ingot_error *err)
{
    const char *const paths[2] = { path_a, path_b };
    enum ingot_status status = INGOT_OK;
    *out = (struct diff){ 0 };
    for (unsigned s = 0; s < 2 && status == INGOT_OK; s++)
        status = open_side(&out->side[s], paths[s], options->recipe[s], options->raw_names, err);
    if (status != INGOT_OK) return status;
    signals_name_mappings(path_a, path_b);
    out->canonical = !options->raw_names && has_canonical_names(&out->side[0]) && has_canonical_names(&out->side[1]);
    pair_sides(out, options->all);
    return INGOT_OK;
}
