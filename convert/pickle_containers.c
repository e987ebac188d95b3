/* pickle_containers.c - tuples, lists and dictionaries. A set is a list: no checkpoint needs more of it. */
#include "convert/pickle_machine.h"

enum ingot_status pickle_op_empty(struct pickle *p, const struct pickle_argument *a)
{
    return pickle_push_new(p, pickle_container((enum pickle_type)a->variant));
}

static enum ingot_status check_pairs(const struct pickle *p, enum pickle_type type, size_t first)
{
    if (type != PICKLE_DICT || (p->n_stack - first) % 2 == 0) return INGOT_OK;
    return pickle_fail(p, INGOT_E_SOURCE, "a dictionary with a key that has no value");
}

enum ingot_status pickle_op_gather_marked(struct pickle *p, const struct pickle_argument *a)
{
    const enum pickle_type type = (enum pickle_type)a->variant;
    size_t first = 0;
    enum ingot_status status = pickle_pop_mark(p, &first);
    if (status == INGOT_OK) status = check_pairs(p, type, first);
    return status == INGOT_OK ? pickle_gather(p, type, first) : status;
}

enum ingot_status pickle_op_gather_last(struct pickle *p, const struct pickle_argument *a)
{
    const size_t n = (size_t)a->variant;
    if (p->n_stack - pickle_floor(p) < n) return pickle_underflow(p);
    return pickle_gather(p, PICKLE_TUPLE, p->n_stack - n);
}

/* Moves the values from `first` on into the container below them. */
static enum ingot_status extend(struct pickle *p, enum pickle_type type, size_t first)
{
    if (first <= pickle_floor(p)) return pickle_underflow(p);
    const uint32_t to = p->stack[first - 1];
    if (p->values[to].type != type)
        return pickle_fail(p, INGOT_E_SOURCE, "items for what is no %s", type == PICKLE_DICT ? "dictionary" : "list");
    enum ingot_status status = check_pairs(p, type, first);
    if (status == INGOT_OK) status = pickle_add_items(p, to, first);
    p->n_stack = first;
    return status;
}

/* One item, or a key and its value. */
enum ingot_status pickle_op_extend_last(struct pickle *p, const struct pickle_argument *a)
{
    const enum pickle_type type = (enum pickle_type)a->variant;
    const size_t n = type == PICKLE_DICT ? 2 : 1;
    return p->n_stack < n ? pickle_underflow(p) : extend(p, type, p->n_stack - n);
}

enum ingot_status pickle_op_extend_marked(struct pickle *p, const struct pickle_argument *a)
{
    size_t first = 0;
    enum ingot_status status = pickle_pop_mark(p, &first);
    return status == INGOT_OK ? extend(p, (enum pickle_type)a->variant, first) : status;
}
