/* digests.c - spans of the source, cut into units. */
#include "convert/digests.h"

#include "convert/array.h"
#include "convert/checksum.h"
#include "format/layout.h"
#include "format/parallel.h"

#include <stdatomic.h>

/* A span that is read once: of a tensor, of a checksum, or of both. */
struct digest_item {
    const uint8_t *data;
    uint64_t n_bytes;
    const struct source_check *check; /* NULL: none, or an item of its own */
    bool hashed;
    uint64_t first_unit;
    _Atomic uint64_t n_left; /* units that are not done */
};

static void append_item(struct digests *d, const void *data, uint64_t n_bytes, const struct source_check *check,
                        bool hashed)
{
    d->items[d->n_items++] = (struct digest_item){ data, n_bytes, check, hashed, d->n_units, chunk_count(n_bytes) };
    d->n_units += chunk_count(n_bytes);
    d->n_bytes += n_bytes;
}

static void use_tensor(struct digests *d, const struct ingot_source_tensor *t)
{
    uint32_t *known = &d->of_tensor[t - d->source->tensors];
    if (*known) return;
    bool checked = t->check != INGOT_NO_CHECK && d->of_check[t->check] == 0;
    const struct source_check *check = checked ? &d->source->checks[t->check] : NULL;
    bool both = check && check->data == t->data && check->n_bytes == t->n_bytes;
    append_item(d, t->data, t->n_bytes, both ? check : NULL, true);
    *known = (uint32_t)d->n_items;
    if (check && !both) append_item(d, check->data, check->data ? check->n_bytes : 0, check, false);
    if (check) d->of_check[t->check] = (uint32_t)d->n_items;
}

enum ingot_status digests_plan(struct digests *d, const struct ingot_source *source, const struct plan *plan,
                               uint64_t *first_units, struct ingot_error *err)
{
    *d = (struct digests){ .source = source };
    d->items = calloc(source->n_tensors + source->n_checks + 1, sizeof *d->items);
    d->of_tensor = calloc(source->n_tensors + 1, sizeof *d->of_tensor);
    d->of_check = calloc(source->n_checks + 1, sizeof *d->of_check);
    if (!d->items || !d->of_tensor || !d->of_check) return fail_memory(err, source->path);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        first_units[i] = d->n_units;
        for (uint32_t k = 0; k < plan->tensors[i].n_parts; k++) use_tensor(d, plan->tensors[i].parts[k].source);
    }
    first_units[plan->n_tensors] = d->n_units;
    d->hashes = calloc(d->n_units + 1, sizeof *d->hashes);
    d->sums = calloc(d->n_units + 1, sizeof *d->sums);
    return d->hashes && d->sums ? INGOT_OK : fail_memory(err, source->path);
}

void digests_free(struct digests *d)
{
    free(d->items);
    free(d->of_tensor);
    free(d->of_check);
    free(d->hashes);
    free(d->sums);
    *d = (struct digests){ 0 };
}

/* The item whose units hold number `unit`; one without units holds none. */
static struct digest_item *item_of(const struct digests *d, uint64_t unit)
{
    return &d->items[parallel_owner(&d->items->first_unit, sizeof *d->items, d->n_items, unit)];
}

/* Units are numbered in order of use and begun in this order: when a checksum fails, all units of those before it have
 * been begun, so that the lowest number of a failing unit names the first of them, whatever the threads did. */
enum ingot_status digests_do(struct digests *d, uint64_t unit, uint64_t *n_bytes, struct ingot_error *err)
{
    struct digest_item *item = item_of(d, unit);
    uint64_t chunk = unit - item->first_unit, n = chunk_bytes(item->n_bytes, chunk);
    if (item->hashed) d->hashes[unit] = ingot_hash64(item->data + chunk * INGOT_CHUNK_BYTES, (size_t)n);
    if (item->check) d->sums[unit] = checksum_chunk(item->check, chunk);
    *n_bytes = n;
    bool last = atomic_fetch_sub(&item->n_left, 1) == 1;
    return last && item->check ? checksum_finish(item->check, d->sums + item->first_unit, err) : INGOT_OK;
}

enum ingot_status digests_compare_empty(const struct digests *d, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < d->n_items && status == INGOT_OK; i++) {
        const struct digest_item *item = &d->items[i];
        if (item->check && item->n_bytes == 0) status = checksum_finish(item->check, NULL, err);
    }
    return status;
}

struct ingot_digest digests_of(const struct digests *d, const struct ingot_source_tensor *tensor)
{
    const struct digest_item *item = &d->items[d->of_tensor[tensor - d->source->tensors] - 1];
    return ingot_hash128(d->hashes + item->first_unit, chunk_count(item->n_bytes) * sizeof *d->hashes);
}
