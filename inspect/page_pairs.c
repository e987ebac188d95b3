/* page_pairs.c - under canonical names a tensor is made of parts that go by the names of their file: they are found
 * again by these. */
#include "inspect/page_pairs.h"

#include "inspect/cli/memory.h"

#include <stdlib.h>
#include <string.h>

/* A tensor and its name, sorted by that. */
struct entry {
    const char *name;
    size_t tensor;
};

static int by_name(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->tensor > b->tensor) - (a->tensor < b->tensor);
}

static struct entry *sort_names(const struct checkpoint *cp)
{
    struct entry *entries = memory_array(cp->n_tensors + 1, sizeof *entries);
    for (size_t i = 0; i < cp->n_tensors; i++) entries[i] = (struct entry){ checkpoint_tensor_at(cp, i).name, i };
    qsort(entries, cp->n_tensors, sizeof *entries, by_name);
    return entries;
}

/* The first of that name, or NO_TENSOR. */
static size_t find_name(const struct entry *entries, size_t n, const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && strcmp(entries[low].name, name) == 0 ? entries[low].tensor : PAGE_NO_TENSOR;
}

/* What one pair has on one side. A head that is the other's embedding does not take that one's place. */
static void place_pair(struct page_pairs *p, size_t i, unsigned s, const struct checkpoint *cp,
                       const struct entry *entries)
{
    const struct diff *d = &p->findings->diff;
    const struct diff_pair *pair = &d->pairs[i];
    if (pair->at[s] == DIFF_NOWHERE) return;
    const struct diff_tensor t = diff_tensor_of(d, pair, s);
    size_t tensor = d->side[s].listed[pair->at[s]];
    for (uint32_t k = 0; k < t.canonical.n_parts; k++) {
        tensor = find_name(entries, cp->n_tensors, t.canonical.parts[k].name);
        if (tensor != PAGE_NO_TENSOR && !pair->head_of_wte[s]) p->pair_of[s][tensor] = i;
    }
    if (t.canonical.n_parts > 1 || tensor >= cp->n_tensors) return;
    if (checkpoint_tensor_at(cp, tensor).n_elems == t.t.n_elems) p->tensor_of[s][i] = tensor;
    if (!pair->head_of_wte[s]) p->pair_of[s][tensor] = i;
}

static void place_side(struct page_pairs *p, unsigned s, const struct checkpoint *cp)
{
    size_t n = p->findings->diff.n_pairs;
    struct entry *entries = sort_names(cp);
    p->pair_of[s] = memory_array(cp->n_tensors + 1, sizeof *p->pair_of[s]);
    p->tensor_of[s] = memory_array(n + 1, sizeof *p->tensor_of[s]);
    for (size_t i = 0; i < cp->n_tensors; i++) p->pair_of[s][i] = PAGE_NO_PAIR;
    for (size_t i = 0; i < n; i++) p->tensor_of[s][i] = PAGE_NO_TENSOR;
    for (size_t i = 0; i < n; i++) place_pair(p, i, s, cp, entries);
    free(entries);
}

/* How much a row would be missed. */
struct rank {
    size_t pair;
    uint64_t n_elems;
    bool differs;
};

static int by_rank(const void *x, const void *y)
{
    const struct rank *a = x, *b = y;
    int order = b->differs - a->differs;
    if (order == 0) order = (a->n_elems < b->n_elems) - (a->n_elems > b->n_elems);
    return order ? order : (a->pair > b->pair) - (a->pair < b->pair);
}

static uint64_t pair_elems(const struct diff *d, const struct diff_pair *p)
{
    uint64_t most = 0;
    for (unsigned s = 0; s < 2; s++) {
        const uint64_t n = p->at[s] == DIFF_NOWHERE ? 0 : diff_tensor_of(d, p, s).t.n_elems;
        if (n > most) most = n;
    }
    return most;
}

static void choose_rows(struct page_pairs *p)
{
    const struct diff *d = &p->findings->diff;
    const size_t n = d->n_pairs;
    struct rank *ranks = memory_array(n, sizeof *ranks);
    p->has_row = memory_array(n, sizeof *p->has_row);
    for (size_t i = 0; i < n; i++) ranks[i] = (struct rank){ i, pair_elems(d, &d->pairs[i]), page_pairs_differ(p, i) };
    qsort(ranks, n, sizeof *ranks, by_rank);
    for (size_t i = 0; i < n && i < PAGE_ROWS_MAX; i++) p->has_row[ranks[i].pair] = true;
    free(ranks);
}

struct page_pairs page_pairs_of(const struct findings *f, const struct checkpoint *a, const struct checkpoint *b)
{
    struct page_pairs p = { .findings = f };
    size_t n = 0;
    p.order = memory_array(f->diff.n_pairs + 1, sizeof *p.order);
    for (int differ = 1; differ >= 0; differ--)
        for (size_t i = 0; i < f->diff.n_pairs; i++)
            if (page_pairs_differ(&p, i) == differ) p.order[n++] = i;
    choose_rows(&p);
    place_side(&p, 0, a);
    place_side(&p, 1, b);
    return p;
}

void page_pairs_free(struct page_pairs *p)
{
    free(p->order);
    free(p->has_row);
    for (unsigned s = 0; s < 2; s++) {
        free(p->pair_of[s]);
        free(p->tensor_of[s]);
    }
    *p = (struct page_pairs){ 0 };
}

bool page_pairs_differ(const struct page_pairs *p, size_t pair)
{
    return findings_differ(p->findings, &p->findings->diff.pairs[pair]);
}
