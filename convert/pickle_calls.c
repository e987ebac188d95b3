/* pickle_calls.c - names, calls, and all else by which a pickle would run something.
 *
 * A name is compared with the caller's list and looked up nowhere. What the list does not have stays a symbol; to call
 * it, to set its attributes, or to reach outside of the pickle is refused by name. */
#include "convert/pickle_machine.h"

#include <inttypes.h>
#include <string.h>

static const struct pickle_name *find_name(const struct pickle *p, const struct pickle_value *module,
                                           const struct pickle_value *name)
{
    for (size_t i = 0; i < p->in.n_names; i++)
        if (pickle_is_text(p, name, p->in.names[i].name) && pickle_is_text(p, module, p->in.names[i].module))
            return &p->in.names[i];
    return NULL;
}

static enum ingot_status push_global(struct pickle *p, uint32_t module, uint32_t name)
{
    const struct pickle_name *known = find_name(p, &p->values[module], &p->values[name]);
    struct pickle_value v = { .type = PICKLE_GLOBAL };
    v.as.global.module = module;
    v.as.global.name = name;
    v.as.global.id = known ? (int)(known - p->in.names) : -1;
    return pickle_push_new(p, v);
}

/* Module and name in two lines. */
enum ingot_status pickle_op_global(struct pickle *p, const struct pickle_argument *a)
{
    uint32_t module = 0, name = 0;
    if (!pickle_is_utf8(p, a->off, a->n) || !pickle_is_utf8(p, a->off2, a->n2))
        return pickle_fail(p, INGOT_E_SOURCE, "a name that is not UTF-8");
    enum ingot_status status = pickle_add(p, pickle_spanning(PICKLE_TEXT, a->off, a->n), &module);
    if (status == INGOT_OK) status = pickle_add(p, pickle_spanning(PICKLE_TEXT, a->off2, a->n2), &name);
    return status == INGOT_OK ? push_global(p, module, name) : status;
}

static bool is_name(const struct pickle *p, uint32_t value)
{
    return p->values[value].type == PICKLE_TEXT || p->values[value].type == PICKLE_BYTES;
}

/* A name may itself be the result of a name: sys_module_override_sploit of picklescan does that. */
enum ingot_status pickle_op_stack_global(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    uint32_t module, name;
    if (!pickle_pop(p, &name) || !pickle_pop(p, &module)) return pickle_underflow(p);
    if (!is_name(p, module) || !is_name(p, name)) return pickle_fail(p, INGOT_E_SOURCE, "a name that is no text");
    return push_global(p, module, name);
}

/* What the value on which something is done is called in an error. */
static const char *describe(const struct pickle *p, uint32_t value, char *out, size_t cap)
{
    const struct pickle_value *v = &p->values[value];
    if (v->type == PICKLE_GLOBAL) return pickle_global_name(p, v, out, cap);
    if (v->type == PICKLE_CALL) return "the result of a call";
    return "a value that is no function";
}

/* A dictionary from (), from a list of pairs, or from the factory of a defaultdict, which is never called. */
static enum ingot_status make_map(struct pickle *p, uint32_t args)
{
    uint32_t first, pair[2], number = 0;
    const size_t n = pickle_first_items(p, &p->values[args], &first, 1);
    enum ingot_status status = pickle_add(p, pickle_container(PICKLE_DICT), &number);
    if (status != INGOT_OK) return status;
    if (n == 0 || (n == 1 && p->values[first].type == PICKLE_GLOBAL)) return pickle_push(p, number);
    if (n != 1 || p->values[first].type != PICKLE_LIST)
        return pickle_fail(p, INGOT_E_UNSUPPORTED, "a dictionary made of something else than a list of pairs");
    struct pickle_items it = pickle_items(p, &p->values[first]);
    for (uint32_t item; status == INGOT_OK && pickle_next(&it, &item);) {
        const enum pickle_type type = p->values[item].type;
        if ((type != PICKLE_TUPLE && type != PICKLE_LIST) || pickle_first_items(p, &p->values[item], pair, 2) != 2)
            return pickle_fail(p, INGOT_E_SOURCE, "a dictionary made of what are no pairs");
        status = pickle_add_item(p, number, pair[0]);
        if (status == INGOT_OK) status = pickle_add_item(p, number, pair[1]);
    }
    return status == INGOT_OK ? pickle_push(p, number) : status;
}

static enum ingot_status call(struct pickle *p, uint32_t function, uint32_t args)
{
    char shown[256];
    const struct pickle_value *f = &p->values[function];
    const struct pickle_name *known =
        f->type == PICKLE_GLOBAL && f->as.global.id >= 0 ? &p->in.names[f->as.global.id] : NULL;
    if (!known || known->use == PICKLE_NAMED)
        return pickle_fail(p, INGOT_E_UNSUPPORTED, "the pickle would call %s",
                           describe(p, function, shown, sizeof shown));
    if (p->values[args].type != PICKLE_TUPLE)
        return pickle_fail(p, INGOT_E_SOURCE, "a call whose arguments are no tuple");
    if (known->use == PICKLE_MAP) return make_map(p, args);
    struct pickle_value v = { .type = PICKLE_CALL };
    v.as.call.id = known->id;
    v.as.call.args = args;
    return pickle_push_new(p, v);
}

/* REDUCE, and NEWOBJ for classes. */
enum ingot_status pickle_op_reduce(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    uint32_t function, args;
    return pickle_pop(p, &args) && pickle_pop(p, &function) ? call(p, function, args) : pickle_underflow(p);
}

/* NEWOBJ_EX has keywords, which nothing on the list takes. */
enum ingot_status pickle_op_newobj_ex(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    char shown[256];
    uint32_t function, args, keywords;
    if (!pickle_pop(p, &keywords) || !pickle_pop(p, &args) || !pickle_pop(p, &function)) return pickle_underflow(p);
    return pickle_fail(p, INGOT_E_UNSUPPORTED, "the pickle would make %s", describe(p, function, shown, sizeof shown));
}

/* The arguments stand between the mark and the top. */
static enum ingot_status call_marked(struct pickle *p, size_t from, uint32_t function)
{
    uint32_t args;
    enum ingot_status status = pickle_gather(p, PICKLE_TUPLE, from);
    if (status != INGOT_OK) return status;
    return pickle_pop(p, &args) ? call(p, function, args) : pickle_underflow(p);
}

enum ingot_status pickle_op_obj(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    size_t from = 0;
    enum ingot_status status = pickle_pop_mark(p, &from);
    if (status != INGOT_OK) return status;
    if (from == p->n_stack) return pickle_underflow(p);
    const uint32_t function = p->stack[from];
    memmove(p->stack + from, p->stack + from + 1, (p->n_stack - from - 1) * sizeof *p->stack);
    p->n_stack--;
    return call_marked(p, from, function);
}

enum ingot_status pickle_op_inst(struct pickle *p, const struct pickle_argument *a)
{
    size_t from = 0;
    uint32_t function;
    enum ingot_status status = pickle_pop_mark(p, &from);
    if (status == INGOT_OK) status = pickle_op_global(p, a);
    if (status != INGOT_OK) return status;
    return pickle_pop(p, &function) ? call_marked(p, from, function) : pickle_underflow(p);
}

/* Attributes: a state dictionary carries its `_metadata` that way; on anything else they would change an object. */
enum ingot_status pickle_op_build(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    char shown[256];
    uint32_t state, object;
    if (!pickle_pop(p, &state) || !pickle_pop(p, &object)) return pickle_underflow(p);
    if (p->values[object].type != PICKLE_DICT)
        return pickle_fail(p, INGOT_E_UNSUPPORTED, "the pickle would set attributes of %s",
                           describe(p, object, shown, sizeof shown));
    if (p->values[state].type != PICKLE_DICT)
        return pickle_fail(p, INGOT_E_UNSUPPORTED, "a dictionary whose attributes are no dictionary");
    return pickle_push(p, object);
}

enum ingot_status pickle_op_persistent(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    uint32_t id;
    if (!pickle_pop(p, &id)) return pickle_underflow(p);
    return pickle_push_new(p, (struct pickle_value){ .type = PICKLE_PERSISTENT, .as.persistent = id });
}

enum ingot_status pickle_op_persistent_line(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    return pickle_fail(p, INGOT_E_UNSUPPORTED,
                       "a persistent object with a text for its id, which PyTorch never writes");
}

enum ingot_status pickle_op_extension(struct pickle *p, const struct pickle_argument *a)
{
    return pickle_fail(p, INGOT_E_UNSUPPORTED, "the pickle would look up %" PRIu64 " in Python's extension registry",
                       a->integer);
}

enum ingot_status pickle_op_buffer(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    return pickle_fail(p, INGOT_E_UNSUPPORTED, "a buffer that lies outside of the pickle");
}
