/* diff_json.c - a comparison as the tree that `diff --json` prints and other commands put into theirs. */
#include "inspect/cli/json.h"
#include "inspect/findings.h"
#include "inspect/trees.h"

#include <string.h>

static json_t *tensor_json(const struct diff *d, const struct diff_pair *p, unsigned side)
{
    if (p->at[side] == DIFF_NOWHERE) return json_null();
    const struct diff_tensor t = diff_tensor_of(d, p, side);
    json_t *o = json_object(), *names = json_array();
    for (uint32_t i = 0; i < t.canonical.n_parts; i++) {
        const char *name = t.canonical.parts[i].name;
        json_add(names, json_text(name, strlen(name)));
    }
    if (t.canonical.n_parts == 0) json_add(names, json_text(t.t.name, t.t.name_len));
    json_put(o, "names", names);
    json_put(o, "dtype", json_text(t.t.dtype_name, strlen(t.t.dtype_name)));
    json_put(o, "shape", json_shape(t.t.rank, t.t.shape));
    return o;
}

static void put_figures(json_t *o, const struct diff *d, const struct diff_pair *p)
{
    const struct diff_figures *f = &p->figures;
    uint64_t place[INGOT_MAX_RANK];
    bool differs = f->max_abs >= 0;
    json_put(o, "compared", json_count(f->n_elems));
    json_put(o, "equal", json_count(f->n_equal));
    json_put(o, "within_tolerance", json_count(f->n_within));
    json_put(o, "not_finite", json_count(f->n_not_finite));
    json_put(o, "max_abs", json_element(differs ? f->max_abs : 0));
    json_put(o, "max_abs_at", differs ? json_shape(findings_place(d, p, f->max_abs_at, place), place) : json_null());
    json_put(o, "max_abs_a", differs ? json_element(f->max_a) : json_null());
    json_put(o, "max_abs_b", differs ? json_element(f->max_b) : json_null());
    json_put(o, "max_rel", json_element(f->max_rel));
    json_put(o, "max_ulp", p->quantised ? json_null() : json_count(f->max_ulp));
    json_put(o, "cosine", json_number(diff_cosine(f)));
    json_put(o, "rms", json_number(diff_rms(f)));
    json_put(o, "rms_abs", json_number(diff_rms_abs(f)));
    json_put(o, "padding_rows", json_count(p->n_padding));
    json_put(o, "padding_is_zeros", p->rows_differ ? json_boolean(p->padding_is_zeros) : json_null());
}

static json_t *pair_json(const struct findings *f, const struct diff_pair *p)
{
    const struct diff_tensor t = diff_tensor_of(&f->diff, p, p->at[0] == DIFF_NOWHERE || p->head_of_wte[0]);
    const char *difference = findings_difference(f, p);
    json_t *o = json_object();
    json_put(o, "name", json_text(t.t.name, t.t.name_len));
    json_put(o, "difference", *difference ? json_string(difference) : json_null());
    json_put(o, "a", tensor_json(&f->diff, p, 0));
    json_put(o, "b", tensor_json(&f->diff, p, 1));
    if (p->figures.n_elems > 0) put_figures(o, &f->diff, p);
    return o;
}

static json_t *side_json(const struct diff_side *side)
{
    json_t *o = json_object();
    json_put(o, "file", json_text(side->cp.path, strlen(side->cp.path)));
    json_put(o, "format", json_string(checkpoint_format(&side->cp)));
    json_put(o, "tied", side->is_gpt2 ? json_boolean(side->tied) : json_null());
    json_put(o, "left_out", json_count(side->n_left_out));
    return o;
}

static json_t *properties_json(const struct findings *f)
{
    const struct diff_model *m = &f->model;
    if (m->n_properties == 0) return json_null();
    json_t *array = json_array();
    for (size_t i = 0; i < m->n_properties; i++) {
        const struct diff_property *p = &m->properties[i];
        if (!p->differs && !f->verbose) continue;
        json_t *o = json_object();
        json_put(o, "name", json_string(p->name));
        json_put(o, "a", json_string(p->value[0]));
        json_put(o, "b", json_string(p->value[1]));
        json_add(array, o);
    }
    return array;
}

static json_t *tokenizer_json(const struct findings *f)
{
    const struct diff_model *m = &f->model;
    json_t *o = json_object();
    bool compared = f->has_model && m->tokenizer != DIFF_TOKENIZER_NOT_COMPARED;
    json_put(o, "in_a", f->has_model ? json_boolean(m->has_tokenizer[0]) : json_null());
    json_put(o, "in_b", f->has_model ? json_boolean(m->has_tokenizer[1]) : json_null());
    json_put(o, "equal", compared ? json_boolean(m->tokenizer == DIFF_TOKENIZER_SAME) : json_null());
    json_put(o, "difference",
             compared && *m->difference ? json_text(m->difference, strlen(m->difference)) : json_null());
    return o;
}

json_t *diff_tree(const struct findings *f)
{
    json_t *root = json_begin(), *tensors = json_array();
    json_put(root, "equal", json_boolean(f->equal));
    json_put(root, "names", json_string(f->diff.canonical ? "canonical" : "own"));
    json_put(root, "a", side_json(&f->diff.side[0]));
    json_put(root, "b", side_json(&f->diff.side[1]));
    json_put(root, "n_both", json_count(f->n_both));
    json_put(root, "n_different", json_count(f->n_different));
    json_put(root, "n_only_a", json_count(f->n_only[0]));
    json_put(root, "n_only_b", json_count(f->n_only[1]));
    for (size_t i = 0; i < f->diff.n_pairs; i++)
        if (f->verbose || findings_differ(f, &f->diff.pairs[i])) json_add(tensors, pair_json(f, &f->diff.pairs[i]));
    json_put(root, "tensors", tensors);
    json_put(root, "hyper_parameters", properties_json(f));
    json_put(root, "tokenizer", tokenizer_json(f));
    return root;
}
