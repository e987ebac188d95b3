/* name_tree.c - no tree is built: in names sorted part by part, every branch is a range. */
#include "inspect/name_tree.h"

#include "inspect/cli/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    const char *name;
    struct checkpoint_tensor tensor;
};

/* Neighbours in the sorted list whose names have the same first `at` bytes. */
struct range {
    const struct leaf *first;
    size_t n, at;
};

struct walk {
    uint32_t max_depth;
    name_branch_fn show;
    void *ctx;
};

static size_t part_length(const char *name)
{
    return strcspn(name, "./");
}

/* Where the number at the end of a part begins, n when there is none: "h12", "12". One that begins with a superfluous
 * zero, or would not fit into 32 bits, is a word. */
static size_t number_begin(const char *part, size_t n)
{
    size_t begin = n;
    while (begin > 0 && part[begin - 1] >= '0' && part[begin - 1] <= '9') begin--;
    bool number = n - begin < 10 && (n - begin == 1 || part[begin] != '0');
    return number ? begin : n;
}

/* By word, then numbers by value: without zeros in front the longer is the larger. */
static int compare_parts(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t word_a = number_begin(a, n_a), word_b = number_begin(b, n_b);
    int sign = memcmp(a, b, word_a < word_b ? word_a : word_b);
    if (sign) return sign;
    if (word_a != word_b) return word_a < word_b ? -1 : 1;
    if (n_a != n_b) return n_a < n_b ? -1 : 1;
    return memcmp(a + word_a, b + word_b, n_a - word_a);
}

static int by_parts(const void *x, const void *y)
{
    const char *a = ((const struct leaf *)x)->name, *b = ((const struct leaf *)y)->name;
    for (;;) {
        size_t n_a = part_length(a), n_b = part_length(b);
        int sign = compare_parts(a, n_a, b, n_b);
        if (sign) return sign;
        if (a[n_a] != b[n_b]) return (unsigned char)a[n_a] < (unsigned char)b[n_b] ? -1 : 1;
        if (!a[n_a]) return 0;
        a += n_a + 1;
        b += n_b + 1;
    }
}

/* The range of the first branch in r: its names have the next part in common, separator included. */
static struct range first_branch(struct range r, size_t *part)
{
    const char *name = r.first->name + r.at;
    *part = part_length(name);
    size_t same = *part + 1, n = 1; /* the NUL of a leaf is a separator too */
    while (n < r.n && strncmp(r.first[n].name + r.at, name, same) == 0) n++;
    return (struct range){ r.first, n, r.at + same };
}

static bool is_leaf(struct range r)
{
    return r.first->name[r.at - 1] == '\0';
}

static struct range behind(struct range r, struct range first)
{
    return (struct range){ r.first + first.n, r.n - first.n, r.at };
}

static bool same_kind(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           strcmp(a->dtype_name, b->dtype_name) == 0 && !a->target == !b->target;
}

static bool are_alike(struct range a, struct range b)
{
    if (a.n != b.n || is_leaf(a) != is_leaf(b)) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (!same_kind(&a.first[i].tensor, &b.first[i].tensor)) return false;
        if (!is_leaf(a) && strcmp(a.first[i].name + a.at, b.first[i].name + b.at) != 0) return false;
    }
    return true;
}

/* Whether a part is the other one's word with this number. */
static bool is_numbered(const char *part, size_t n, const char *word, size_t n_word, uint64_t number)
{
    return number_begin(part, n) == n_word && n > n_word && memcmp(part, word, n_word) == 0 &&
           strtoull(part + n_word, NULL, 10) == number;
}

/* How many branches of r, from the first on, are numbered one after the other and alike. *last is the last of them. */
static uint64_t count_alike(struct range r, struct range first, size_t part, struct range *last)
{
    const char *name = first.first->name + r.at;
    size_t word = number_begin(name, part);
    uint64_t n = 1, number = strtoull(name + word, NULL, 10);
    *last = first;
    if (word == part) return 1;
    for (struct range rest = behind(r, first); rest.n > 0; n++) {
        size_t next_part;
        struct range next = first_branch(rest, &next_part);
        if (!is_numbered(next.first->name + r.at, next_part, name, word, number + n) || !are_alike(first, next)) break;
        *last = next;
        rest = behind(rest, next);
    }
    return n;
}

static void sum_up(struct name_branch *b, const struct leaf *from, size_t n)
{
    b->n_tensors = b->n_elems = b->n_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (from[i].tensor.target) continue;
        b->n_tensors++;
        b->n_elems += from[i].tensor.n_elems;
        b->n_bytes += from[i].tensor.n_bytes;
    }
}

/* The label's next part: "h", or "{0..11}", "h{0..11}"; behind another one, with the separator in front. */
static void extend_label(struct name_branch *b, const char *name, size_t at, size_t part, uint64_t n, const char *last)
{
    size_t used = strlen(b->label), room = sizeof b->label - used, n_last = part_length(last);
    size_t word = n > 1 ? number_begin(name + at, part) : part;
    char separator[2] = { used > 0 ? name[at - 1] : '\0', '\0' };
    snprintf(b->label + used, room, "%s%.*s", separator, (int)word, name + at);
    used = strlen(b->label);
    if (n > 1)
        snprintf(b->label + used, sizeof b->label - used, "{%.*s..%.*s}", (int)(part - word), name + at + word,
                 (int)(n_last - word), last + word);
}

static void walk_branches(const struct walk *w, struct range r, struct name_branch above);

/* The first branch of r, with its alike, goes on without a fork as far as it can, is shown, and then what is below.
 * Sums below folded branches are those of one, times all that are alike. */
static void walk_branch(const struct walk *w, struct range first, struct name_branch b)
{
    while (!is_leaf(first)) {
        size_t part;
        struct range only = first_branch(first, &part), last;
        uint64_t n = count_alike(first, only, part, &last);
        if ((size_t)(last.first + last.n - first.first) < first.n) break;
        extend_label(&b, only.first->name, first.at, part, n, last.first->name + first.at);
        b.n_alike *= n;
        first = only;
    }
    struct name_branch one = b;
    sum_up(&one, first.first, first.n);
    one.n_tensors *= b.n_alike;
    one.n_elems *= b.n_alike;
    one.n_bytes *= b.n_alike;
    one.leaf = is_leaf(first) ? &first.first->tensor : NULL;
    one.folded = !one.leaf && b.depth + 1 == w->max_depth;
    w->show(w->ctx, &one);
    if (one.leaf || one.folded) return;
    b.depth++;
    walk_branches(w, first, b);
}

static void walk_branches(const struct walk *w, struct range r, struct name_branch above)
{
    while (r.n > 0) {
        size_t part;
        struct range first = first_branch(r, &part), last;
        uint64_t n = count_alike(r, first, part, &last);
        struct name_branch b = { .depth = above.depth, .n_alike = above.n_alike * n };
        extend_label(&b, first.first->name, r.at, part, n, last.first->name + r.at);
        walk_branch(w, first, b);
        size_t taken = (size_t)(last.first + last.n - r.first);
        r = (struct range){ r.first + taken, r.n - taken, r.at };
    }
}

void name_tree_walk(const struct checkpoint *cp, uint32_t max_depth, name_branch_fn show, void *ctx)
{
    struct walk w = { .max_depth = max_depth, .show = show, .ctx = ctx };
    struct leaf *leaves = memory_array(cp->n_tensors, sizeof *leaves);
    for (size_t i = 0; i < cp->n_tensors; i++) {
        leaves[i].tensor = checkpoint_tensor_at(cp, i);
        leaves[i].name = leaves[i].tensor.name;
    }
    qsort(leaves, cp->n_tensors, sizeof *leaves, by_parts);
    walk_branches(&w, (struct range){ leaves, cp->n_tensors, 0 }, (struct name_branch){ .n_alike = 1 });
    free(leaves);
}
