/* findings.c - one judgement for all who report a comparison. */
#include "inspect/findings.h"

#include "format/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

bool findings_differ(const struct findings *f, const struct diff_pair *p)
{
    return p->outcome != DIFF_EQUAL ||
           (f->strict && (p->types_differ || p->rows_differ || p->head_of_wte[0] || p->head_of_wte[1]));
}

static bool tokenizer_is_different(const struct findings *f)
{
    const struct diff_model *m = &f->model;
    return m->tokenizer == DIFF_TOKENIZER_DIFFERS || (f->strict && m->has_tokenizer[0] != m->has_tokenizer[1]);
}

void findings_judge(struct findings *f)
{
    for (size_t i = 0; i < f->diff.n_pairs; i++) {
        const struct diff_pair *p = &f->diff.pairs[i];
        f->n_only[0] += p->outcome == DIFF_ONLY_A;
        f->n_only[1] += p->outcome == DIFF_ONLY_B;
        if (p->outcome == DIFF_ONLY_A || p->outcome == DIFF_ONLY_B) continue;
        f->n_both++;
        f->n_types += p->types_differ;
        f->n_different += findings_differ(f, p);
    }
    f->equal = f->n_different == 0 && f->n_only[0] == 0 && f->n_only[1] == 0;
    if (f->has_model && (f->model.n_differing > 0 || tokenizer_is_different(f))) f->equal = false;
}

const char *findings_difference(const struct findings *f, const struct diff_pair *p)
{
    static const char *const names[] = {
        [DIFF_EQUAL] = "",      [DIFF_ONLY_A] = "only in A", [DIFF_ONLY_B] = "only in B",
        [DIFF_SHAPE] = "shape", [DIFF_TYPE] = "bytes",       [DIFF_VALUES] = "values",
    };
    if (p->outcome != DIFF_EQUAL || !findings_differ(f, p)) return names[p->outcome];
    return p->rows_differ ? "padding" : p->types_differ ? "dtype" : "head";
}

void findings_share(const struct diff_figures *f, char out[16])
{
    double percent = f->n_elems ? 100 * (double)f->n_within / (double)f->n_elems : 100;
    snprintf(out, 16, "%.2f %%", f->n_within < f->n_elems ? fmin(99.99, floor(100 * percent) / 100) : 100);
}

uint32_t findings_place(const struct diff *d, const struct diff_pair *p, uint64_t at, uint64_t out[INGOT_MAX_RANK])
{
    const struct diff_tensor t = diff_tensor_of(d, p, 0);
    for (uint32_t i = t.t.rank; i-- > 0; at /= t.t.shape[i]) out[i] = at % t.t.shape[i];
    return t.t.rank;
}

void findings_place_text(const struct diff *d, const struct diff_pair *p, char *out, size_t cap)
{
    uint64_t place[INGOT_MAX_RANK];
    uint32_t rank = findings_place(d, p, p->figures.max_abs_at, place);
    size_t n = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < rank && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%" PRIu64, i ? ", " : "", place[i]);
    if (n < cap) snprintf(out + n, cap - n, "]");
}

/* "1 differs", "2 differ". */
static const char *verb_s(uint64_t n)
{
    return n == 1 ? "s" : "";
}

void findings_text(const struct findings *f, char out[256])
{
    const size_t cap = 256;
    const struct diff_model *m = &f->model;
    size_t n = (size_t)snprintf(out, cap, "%" PRIu64 " tensor%s in both", f->n_both, plural(f->n_both));
    if (f->n_different)
        n += (size_t)snprintf(out + n, cap - n, ", %" PRIu64 " differ%s", f->n_different, verb_s(f->n_different));
    if (f->n_types) n += (size_t)snprintf(out + n, cap - n, ", %" PRIu64 " of another dtype", f->n_types);
    for (unsigned s = 0; s < 2; s++)
        if (f->n_only[s]) n += (size_t)snprintf(out + n, cap - n, ", %" PRIu64 " only in %c", f->n_only[s], "AB"[s]);
    if (m->n_differing)
        n += (size_t)snprintf(out + n, cap - n, ", %zu hyper-parameter%s differ%s", m->n_differing,
                              plural(m->n_differing), verb_s(m->n_differing));
    if (m->tokenizer == DIFF_TOKENIZER_DIFFERS) snprintf(out + n, cap - n, ", the tokenizer differs");
}
