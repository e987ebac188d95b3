/* pickle_values.c - values and the items of containers: how the machine makes them, and how its caller reads them. */
#include "convert/pickle_machine.h"

#include <stdio.h>
#include <string.h>

#define MAX_ITEMS (4 * (size_t)PICKLE_MAX_VALUES) /* of all containers together */

enum ingot_status pickle_add(struct pickle *p, struct pickle_value v, uint32_t *number)
{
    if (p->n_values >= PICKLE_MAX_VALUES)
        return pickle_fail(p, INGOT_E_LIMIT, "more than %u values", PICKLE_MAX_VALUES);
    struct pickle_value *values = array_grow(p->values, &p->cap_values, p->n_values, sizeof *values);
    if (!values) return fail_memory(p->err, p->in.path);
    p->values = values;
    v.at = p->at;
    values[p->n_values] = v;
    *number = (uint32_t)p->n_values++;
    return INGOT_OK;
}

enum ingot_status pickle_push_new(struct pickle *p, struct pickle_value v)
{
    uint32_t number = 0;
    enum ingot_status status = pickle_add(p, v, &number);
    return status == INGOT_OK ? pickle_push(p, number) : status;
}

struct pickle_value pickle_spanning(enum pickle_type type, uint32_t off, uint32_t n)
{
    struct pickle_value v = { .type = type };
    v.as.span.off = off;
    v.as.span.n = n;
    return v;
}

struct pickle_value pickle_container(enum pickle_type type)
{
    struct pickle_value v = { .type = type };
    v.as.chunks.first = v.as.chunks.last = PICKLE_NO_CHUNK;
    return v;
}

/* ------------------------------------------------------------------------------------------------------------ items */

/* Makes the end of the last chunk, or of a new one, the end of the items. */
static enum ingot_status open_chunk(struct pickle *p, struct pickle_value *v)
{
    const uint32_t last = v->as.chunks.last;
    if (last != PICKLE_NO_CHUNK && p->chunks[last].first + p->chunks[last].n == p->n_items) return INGOT_OK;
    struct pickle_chunk *chunks = array_grow(p->chunks, &p->cap_chunks, p->n_chunks, sizeof *chunks);
    if (!chunks) return fail_memory(p->err, p->in.path);
    p->chunks = chunks;
    chunks[p->n_chunks] = (struct pickle_chunk){ (uint32_t)p->n_items, 0, PICKLE_NO_CHUNK };
    if (last != PICKLE_NO_CHUNK)
        chunks[last].next = (uint32_t)p->n_chunks;
    else
        v->as.chunks.first = (uint32_t)p->n_chunks;
    v->as.chunks.last = (uint32_t)p->n_chunks++;
    return INGOT_OK;
}

enum ingot_status pickle_add_item(struct pickle *p, uint32_t to, uint32_t item)
{
    if (p->n_items >= MAX_ITEMS) return pickle_fail(p, INGOT_E_LIMIT, "too many items in containers");
    enum ingot_status status = open_chunk(p, &p->values[to]);
    if (status != INGOT_OK) return status;
    uint32_t *items = array_grow(p->items, &p->cap_items, p->n_items, sizeof *items);
    if (!items) return fail_memory(p->err, p->in.path);
    p->items = items;
    items[p->n_items++] = item;
    p->chunks[p->values[to].as.chunks.last].n++;
    return INGOT_OK;
}

enum ingot_status pickle_add_items(struct pickle *p, uint32_t to, size_t first)
{
    enum ingot_status status = INGOT_OK;
    for (size_t i = first; i < p->n_stack && status == INGOT_OK; i++) status = pickle_add_item(p, to, p->stack[i]);
    return status;
}

enum ingot_status pickle_gather(struct pickle *p, enum pickle_type type, size_t first)
{
    uint32_t number = 0;
    enum ingot_status status = pickle_add(p, pickle_container(type), &number);
    if (status == INGOT_OK) status = pickle_add_items(p, number, first);
    if (status != INGOT_OK) return status;
    p->n_stack = first;
    return pickle_push(p, number);
}

/* ---------------------------------------------------------------------------------------------------------- reading */

uint32_t pickle_count(const struct pickle *p)
{
    return (uint32_t)p->n_values;
}

uint32_t pickle_root(const struct pickle *p)
{
    return p->root;
}

const struct pickle_value *pickle_at(const struct pickle *p, uint32_t value)
{
    return &p->values[value];
}

const char *pickle_bytes(const struct pickle *p, const struct pickle_value *v, size_t *n)
{
    *n = v->as.span.n;
    return (const char *)p->in.bytes + v->as.span.off;
}

bool pickle_is_text(const struct pickle *p, const struct pickle_value *v, const char *text)
{
    return v->type == PICKLE_TEXT && v->as.span.n == strlen(text) &&
           memcmp(p->in.bytes + v->as.span.off, text, v->as.span.n) == 0;
}

uint64_t pickle_item_count(const struct pickle *p)
{
    return p->n_items;
}

struct pickle_items pickle_items(const struct pickle *p, const struct pickle_value *v)
{
    return (struct pickle_items){ p, v->as.chunks.first, 0 };
}

bool pickle_next(struct pickle_items *it, uint32_t *item)
{
    while (it->chunk != PICKLE_NO_CHUNK && it->at == it->p->chunks[it->chunk].n)
        *it = (struct pickle_items){ it->p, it->p->chunks[it->chunk].next, 0 };
    if (it->chunk == PICKLE_NO_CHUNK) return false;
    *item = it->p->items[it->p->chunks[it->chunk].first + it->at++];
    return true;
}

size_t pickle_first_items(const struct pickle *p, const struct pickle_value *v, uint32_t *out, size_t cap)
{
    struct pickle_items it = pickle_items(p, v);
    size_t n = 0;
    for (uint32_t item; n <= cap && pickle_next(&it, &item); n++)
        if (n < cap) out[n] = item;
    return n;
}

char *pickle_global_name(const struct pickle *p, const struct pickle_value *v, char *out, size_t cap)
{
    char module[128], name[128];
    size_t n;
    const char *text = pickle_bytes(p, &p->values[v->as.global.module], &n);
    ingot_escape(text, n, module, sizeof module);
    text = pickle_bytes(p, &p->values[v->as.global.name], &n);
    ingot_escape(text, n, name, sizeof name);
    snprintf(out, cap, "%s.%s", module, name);
    return out;
}
