/* stats_json.c - what `ingot stats --json` prints, and `report` keeps. */
#include "inspect/cli/json.h"
#include "inspect/trees.h"

#include <string.h>

static json_t *counts_json(const uint64_t *counts, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_add(array, json_count(counts[i]));
    return array;
}

static json_t *quantiles_json(const struct stats_figures *f)
{
    static const char *const names[STATS_QUANTILES] = { "p50", "p90", "p99", "p99.9" };
    json_t *o = json_object();
    for (size_t i = 0; i < STATS_QUANTILES; i++) json_put(o, names[i], json_number(f->quantiles[i]));
    json_put(o, "max", json_number(f->abs_max));
    return o;
}

static void put_figures(json_t *o, const struct stats_figures *f)
{
    bool any = f->n_finite > 0;
    json_put(o, "elements", json_count(f->n));
    json_put(o, "zeros", json_count(f->n_zero));
    json_put(o, "denormals", json_count(f->n_denormal));
    json_put(o, "nan", json_count(f->n_nan));
    json_put(o, "positive_infinities", json_count(f->n_pos_inf));
    json_put(o, "negative_infinities", json_count(f->n_neg_inf));
    json_put(o, "min", any ? json_number(f->min) : json_null());
    json_put(o, "max", any ? json_number(f->max) : json_null());
    json_put(o, "mean", any ? json_number(f->mean) : json_null());
    json_put(o, "std", any ? json_number(f->std) : json_null());
    json_put(o, "magnitude", any ? quantiles_json(f) : json_null());
    json_put(o, "histogram", any ? counts_json(f->histogram, STATS_BARS) : json_null());
}

json_t *stats_figures_tree(const struct stats_figures *f)
{
    json_t *o = json_object();
    put_figures(o, f);
    return o;
}

static json_t *octaves_json(const uint64_t *octaves)
{
    size_t first, last = 0;
    json_t *o = json_object();
    if (stats_used_octaves(octaves, &first, &last)) {
        json_put(o, "first_exponent", json_integer((json_int_t)first - 127));
        json_put(o, "counts", counts_json(octaves + first, last - first + 1));
    }
    return o;
}

static json_t *lines_json(const struct stats_lines *lines)
{
    json_t *o = json_object(), *largest = json_array();
    json_put(o, "count", json_count(lines->n));
    json_put(o, "median_norm", json_number(lines->median));
    json_put(o, "max_norm", json_number(lines->max));
    json_put(o, "outliers", json_count(lines->n_outliers));
    for (size_t i = 0; i < lines->n_outliers && i < STATS_OUTLIERS; i++) {
        json_t *one = json_object();
        json_put(one, "index", json_count(lines->outliers[i].index));
        json_put(one, "norm", json_number(lines->outliers[i].norm));
        json_add(largest, one);
    }
    json_put(o, "largest", largest);
    return o;
}

json_t *stats_tensor_tree(const struct stats_tensor *s)
{
    const struct checkpoint_tensor *t = &s->tensor;
    json_t *o = json_object();
    json_put(o, "name", json_text(t->name, t->name_len));
    json_put(o, "dtype", json_text(t->dtype_name, strlen(t->dtype_name)));
    json_put(o, "shape", json_shape(t->rank, t->shape));
    if (s->unreadable.status != INGOT_OK) {
        json_put(o, "unreadable", json_text(s->unreadable.message, strlen(s->unreadable.message)));
        return o;
    }
    put_figures(o, &s->figures);
    json_put(o, "octaves", octaves_json(s->octaves));
    if (s->rows.n > 0) json_put(o, "rows", lines_json(&s->rows));
    if (s->cols.n > 0) json_put(o, "columns", lines_json(&s->cols));
    return o;
}

void stats_rows_open(struct json_rows *rows, const struct checkpoint *cp)
{
    json_t *head = json_begin();
    json_put(head, "file", json_text(cp->path, strlen(cp->path)));
    json_put(head, "format", json_string(checkpoint_format(cp)));
    json_rows_open(rows, head, "tensors");
}

void stats_rows_close(struct json_rows *rows, const struct stats_figures *all)
{
    json_t *tail = json_object();
    json_put(tail, "total", stats_figures_tree(all));
    json_rows_close(rows, tail);
}
