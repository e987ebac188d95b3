/* pickle.c - the machine: a table with one row per instruction, a stack of value numbers, a memo.
 *
 * Nothing is copied from the pickle: a text is a place in it. All items of all containers stand in one array, in chunks
 * (a tuple is one chunk; a list that grows has several), so that there is one allocation per kind of thing, and memory
 * follows the length of the pickle. */
#include "convert/pickle.h"

#include "convert/array.h"
#include "format/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_PROTOCOL  5u
#define MAX_STACK     (1u << 22)
#define MAX_NUMBER    63u  /* digits of a number that is written out */
#define SAFE_DIGITS   18u  /* that many fit 64 bits */
#define MEMO_SLACK    256u /* a memo's number may be that much larger than the offset of its instruction */
#define NO_CHUNK      UINT32_MAX
#define ADVICE_COPY   "get another copy of the file"
#define ADVICE_UNSAFE "nothing was run; save only model.state_dict(), or ask for a safetensors file"

/* Some items of a container, side by side. */
struct chunk {
    uint32_t first, n, next;
};

struct pickle {
    struct pickle_input in;
    struct pickle_value *values;
    size_t n_values, cap_values;
    uint32_t *items;
    size_t n_items, cap_items;
    struct chunk *chunks;
    size_t n_chunks, cap_chunks;
    uint32_t *stack;
    size_t n_stack, cap_stack;
    uint32_t *marks; /* heights of the stack */
    size_t n_marks, cap_marks;
    uint32_t *memo; /* value + 1; 0: nothing */
    size_t cap_memo;
    uint32_t n_memo; /* for MEMOIZE: how many were stored */
    struct cursor c; /* c.at: in the pickle */
    uint32_t at;     /* of the instruction that is being executed */
    uint32_t root;
    bool stopped;
    struct ingot_error *err;
};

/* What follows an instruction's byte. */
enum operand { NOTHING, U8, U16, U32, U64, I32, F64, LINE, TWO_LINES, BYTES_U8, BYTES_U32, BYTES_U64 };

struct argument {
    uint64_t integer;
    uint32_t off, n;   /* bytes, or the first line, in the pickle */
    uint32_t off2, n2; /* the second line */
};

/* ---------------------------------------------------------------------------------------------------------- errors */

__attribute__((format(printf, 3, 4))) static enum ingot_status bad(const struct pickle *p, enum ingot_status status,
                                                                   const char *fmt, ...)
{
    char what[384];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(p->err, status, p->in.off + p->at, p->in.path,
                      status == INGOT_E_UNSUPPORTED ? ADVICE_UNSAFE : ADVICE_COPY, "%s", what);
}

static enum ingot_status no_memory(const struct pickle *p)
{
    return fail_memory(p->err, p->in.path);
}

static enum ingot_status empty_stack(const struct pickle *p)
{
    return bad(p, INGOT_E_SOURCE, "the pickle takes more from its stack than there is");
}

/* ----------------------------------------------------------------------------------------------- values and the stack
 */

static enum ingot_status push(struct pickle *p, uint32_t value)
{
    if (p->n_stack >= MAX_STACK) return bad(p, INGOT_E_LIMIT, "more than %u values on the stack", MAX_STACK);
    uint32_t *stack = array_grow(p->stack, &p->cap_stack, p->n_stack, sizeof *stack);
    if (!stack) return no_memory(p);
    p->stack = stack;
    stack[p->n_stack++] = value;
    return INGOT_OK;
}

/* False when nothing is left above the last mark. */
static bool pop(struct pickle *p, uint32_t *value)
{
    const size_t floor = p->n_marks > 0 ? p->marks[p->n_marks - 1] : 0;
    if (p->n_stack <= floor) return false;
    *value = p->stack[--p->n_stack];
    return true;
}

static enum ingot_status add_value(struct pickle *p, struct pickle_value v, uint32_t *number)
{
    if (p->n_values >= PICKLE_MAX_VALUES) return bad(p, INGOT_E_LIMIT, "more than %u values", PICKLE_MAX_VALUES);
    struct pickle_value *values = array_grow(p->values, &p->cap_values, p->n_values, sizeof *values);
    if (!values) return no_memory(p);
    p->values = values;
    v.at = p->at;
    values[p->n_values] = v;
    *number = (uint32_t)p->n_values++;
    return INGOT_OK;
}

static enum ingot_status push_value(struct pickle *p, struct pickle_value v)
{
    uint32_t number = 0;
    enum ingot_status status = add_value(p, v, &number);
    return status == INGOT_OK ? push(p, number) : status;
}

static struct pickle_value spanning(enum pickle_type type, uint32_t off, uint32_t n)
{
    struct pickle_value v = { .type = type };
    v.as.span.off = off;
    v.as.span.n = n;
    return v;
}

static struct pickle_value container(enum pickle_type type)
{
    struct pickle_value v = { .type = type };
    v.as.chunks.first = v.as.chunks.last = NO_CHUNK;
    return v;
}

/* ----------------------------------------------------------------------------------------------------------- items */

/* Makes the end of the last chunk, or of a new one, the end of the items. */
static enum ingot_status open_chunk(struct pickle *p, struct pickle_value *v)
{
    const uint32_t last = v->as.chunks.last;
    if (last != NO_CHUNK && p->chunks[last].first + p->chunks[last].n == p->n_items) return INGOT_OK;
    struct chunk *chunks = array_grow(p->chunks, &p->cap_chunks, p->n_chunks, sizeof *chunks);
    if (!chunks) return no_memory(p);
    p->chunks = chunks;
    chunks[p->n_chunks] = (struct chunk){ (uint32_t)p->n_items, 0, NO_CHUNK };
    if (last != NO_CHUNK)
        chunks[last].next = (uint32_t)p->n_chunks;
    else
        v->as.chunks.first = (uint32_t)p->n_chunks;
    v->as.chunks.last = (uint32_t)p->n_chunks++;
    return INGOT_OK;
}

static enum ingot_status add_item(struct pickle *p, uint32_t to, uint32_t item)
{
    if (p->n_items >= 4 * (size_t)PICKLE_MAX_VALUES) return bad(p, INGOT_E_LIMIT, "too many items in containers");
    enum ingot_status status = open_chunk(p, &p->values[to]);
    if (status != INGOT_OK) return status;
    uint32_t *items = array_grow(p->items, &p->cap_items, p->n_items, sizeof *items);
    if (!items) return no_memory(p);
    p->items = items;
    items[p->n_items++] = item;
    p->chunks[p->values[to].as.chunks.last].n++;
    return INGOT_OK;
}

static enum ingot_status add_items(struct pickle *p, uint32_t to, size_t from, size_t end)
{
    enum ingot_status status = INGOT_OK;
    for (size_t i = from; i < end && status == INGOT_OK; i++) status = add_item(p, to, p->stack[i]);
    return status;
}

/* Puts a new container of the stack's values from `from` on in their place. */
static enum ingot_status gather(struct pickle *p, enum pickle_type type, size_t from)
{
    uint32_t number = 0;
    const size_t end = p->n_stack;
    enum ingot_status status = add_value(p, container(type), &number);
    if (status == INGOT_OK) status = add_items(p, number, from, end);
    if (status != INGOT_OK) return status;
    p->n_stack = from;
    return push(p, number);
}

/* Takes the last mark away; *from is where its values begin. */
static enum ingot_status pop_mark(struct pickle *p, size_t *from)
{
    if (p->n_marks == 0) return bad(p, INGOT_E_SOURCE, "the pickle looks for a mark that is not there");
    *from = p->marks[--p->n_marks];
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------- simple instructions
 */

static enum ingot_status run_proto(struct pickle *p, const struct argument *a)
{
    if (a->integer <= MAX_PROTOCOL) return INGOT_OK;
    return bad(p, INGOT_E_UNSUPPORTED, "pickle protocol %" PRIu64 "; the newest known is %u", a->integer, MAX_PROTOCOL);
}

static enum ingot_status run_frame(struct pickle *p, const struct argument *a)
{
    if (a->integer <= p->c.left) return INGOT_OK;
    return bad(p, INGOT_E_TRUNCATED, "a frame of %" PRIu64 " byte%s where %" PRIu64 " are left", a->integer,
               plural(a->integer), p->c.left);
}

static enum ingot_status run_stop(struct pickle *p, const struct argument *a)
{
    (void)a;
    if (!pop(p, &p->root)) return empty_stack(p);
    p->stopped = true;
    return INGOT_OK;
}

static enum ingot_status run_mark(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t *marks = array_grow(p->marks, &p->cap_marks, p->n_marks, sizeof *marks);
    if (!marks) return no_memory(p);
    p->marks = marks;
    marks[p->n_marks++] = (uint32_t)p->n_stack;
    return INGOT_OK;
}

static enum ingot_status run_pop(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t dropped;
    const bool at_mark = p->n_marks > 0 && p->marks[p->n_marks - 1] == p->n_stack;
    if (at_mark)
        p->n_marks--;
    else if (!pop(p, &dropped))
        return empty_stack(p);
    return INGOT_OK;
}

static enum ingot_status run_pop_mark(struct pickle *p, const struct argument *a)
{
    (void)a;
    return pop_mark(p, &p->n_stack);
}

static enum ingot_status run_dup(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t value;
    if (!pop(p, &value)) return empty_stack(p);
    enum ingot_status status = push(p, value);
    return status == INGOT_OK ? push(p, value) : status;
}

/* ---------------------------------------------------------------------------------------------------------- the memo
 */

static enum ingot_status memo_set(struct pickle *p, uint64_t number)
{
    uint32_t value;
    if (!pop(p, &value)) return empty_stack(p);
    p->n_stack++;
    if (number > (uint64_t)p->at + MEMO_SLACK)
        return bad(p, INGOT_E_LIMIT, "memo number %" PRIu64 " in a pickle of so few", number);
    if (number >= p->cap_memo) {
        size_t cap = p->cap_memo ? p->cap_memo : 64;
        while (cap <= number) cap *= 2;
        uint32_t *memo = reallocarray(p->memo, cap, sizeof *memo);
        if (!memo) return no_memory(p);
        memset(memo + p->cap_memo, 0, (cap - p->cap_memo) * sizeof *memo);
        p->memo = memo;
        p->cap_memo = cap;
    }
    p->n_memo += p->memo[number] == 0;
    p->memo[number] = value + 1;
    return INGOT_OK;
}

static enum ingot_status memo_get(struct pickle *p, uint64_t number)
{
    if (number < p->cap_memo && p->memo[number] > 0) return push(p, p->memo[number] - 1);
    return bad(p, INGOT_E_SOURCE, "nothing was stored under memo number %" PRIu64, number);
}

static enum ingot_status run_put(struct pickle *p, const struct argument *a)
{
    return memo_set(p, a->integer);
}

static enum ingot_status run_get(struct pickle *p, const struct argument *a)
{
    return memo_get(p, a->integer);
}

static enum ingot_status run_memoize(struct pickle *p, const struct argument *a)
{
    (void)a;
    return memo_set(p, p->n_memo);
}

/* A decimal number of a line into `text`. */
static bool copy_number(const struct pickle *p, const struct argument *a, char text[MAX_NUMBER + 1])
{
    if (a->n == 0 || a->n > MAX_NUMBER) return false;
    memcpy(text, p->in.bytes + a->off, a->n);
    text[a->n] = '\0';
    return strspn(text, "+-.0123456789eEinfaINFAL") == a->n;
}

static enum ingot_status read_memo_number(struct pickle *p, const struct argument *a, uint64_t *out)
{
    char text[MAX_NUMBER + 1];
    if (!copy_number(p, a, text) || strspn(text, "0123456789") != a->n || a->n > 10)
        return bad(p, INGOT_E_SOURCE, "expected the number of a memo");
    *out = strtoull(text, NULL, 10);
    return INGOT_OK;
}

static enum ingot_status run_put_line(struct pickle *p, const struct argument *a)
{
    uint64_t number = 0;
    enum ingot_status status = read_memo_number(p, a, &number);
    return status == INGOT_OK ? memo_set(p, number) : status;
}

static enum ingot_status run_get_line(struct pickle *p, const struct argument *a)
{
    uint64_t number = 0;
    enum ingot_status status = read_memo_number(p, a, &number);
    return status == INGOT_OK ? memo_get(p, number) : status;
}

/* ------------------------------------------------------------------------------------------------- numbers and texts
 */

static enum ingot_status run_none(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_value(p, (struct pickle_value){ .type = PICKLE_NONE });
}

static enum ingot_status push_bool(struct pickle *p, bool value)
{
    return push_value(p, (struct pickle_value){ .type = PICKLE_BOOL, .as.integer = value });
}

static enum ingot_status run_true(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_bool(p, true);
}

static enum ingot_status run_false(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_bool(p, false);
}

static enum ingot_status push_int(struct pickle *p, int64_t value)
{
    return push_value(p, (struct pickle_value){ .type = PICKLE_INT, .as.integer = value });
}

static enum ingot_status run_int(struct pickle *p, const struct argument *a)
{
    return push_int(p, (int64_t)a->integer);
}

/* "01" and "00" are how protocol 0 writes booleans; an L may stand behind a long. */
static enum ingot_status run_int_line(struct pickle *p, const struct argument *a)
{
    char text[MAX_NUMBER + 1], *end;
    if (!copy_number(p, a, text)) return bad(p, INGOT_E_SOURCE, "expected a whole number");
    if (a->n > SAFE_DIGITS) return push_value(p, spanning(PICKLE_BYTES, a->off, a->n));
    if (strcmp(text, "00") == 0 || strcmp(text, "01") == 0) return push_bool(p, text[1] == '1');
    const int64_t value = strtoll(text, &end, 10);
    if (end == text || (*end && strcmp(end, "L") != 0)) return bad(p, INGOT_E_SOURCE, "expected a whole number");
    return push_int(p, value);
}

/* Up to 8 bytes are an integer; more are kept as they stand. */
static enum ingot_status run_long(struct pickle *p, const struct argument *a)
{
    uint8_t bytes[8];
    if (a->n > sizeof bytes) return push_value(p, spanning(PICKLE_LONG, a->off, a->n));
    const uint8_t *from = p->in.bytes + a->off;
    memset(bytes, a->n > 0 && from[a->n - 1] & 0x80 ? 0xFF : 0, sizeof bytes);
    memcpy(bytes, from, a->n);
    return push_int(p, (int64_t)get_u64(bytes));
}

static enum ingot_status push_float(struct pickle *p, double value)
{
    return push_value(p, (struct pickle_value){ .type = PICKLE_FLOAT, .as.number = value });
}

static enum ingot_status run_float(struct pickle *p, const struct argument *a)
{
    double value;
    memcpy(&value, &a->integer, sizeof value);
    return push_float(p, value);
}

static enum ingot_status run_float_line(struct pickle *p, const struct argument *a)
{
    char text[MAX_NUMBER + 1], *end;
    if (!copy_number(p, a, text)) return bad(p, INGOT_E_SOURCE, "expected a number");
    const double value = strtod(text, &end);
    if (end == text || *end) return bad(p, INGOT_E_SOURCE, "expected a number");
    return push_float(p, value);
}

/* Length of the valid UTF-8 sequence at s[0 .. n), or 0 (Unicode 15, table 3-7). */
static size_t sequence_length(const uint8_t *s, size_t n)
{
    static const struct {
        uint8_t first, last, low, high; /* of the first byte; of the second */
        uint8_t length;
    } rows[] = { { 0x00, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
                 { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
                 { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (s[0] < rows[i].first || s[0] > rows[i].last) continue;
        if (rows[i].length > n) return 0;
        if (rows[i].length > 1 && (s[1] < rows[i].low || s[1] > rows[i].high)) return 0;
        for (size_t k = 2; k < rows[i].length; k++)
            if ((s[k] & 0xC0) != 0x80) return 0;
        return rows[i].length;
    }
    return 0;
}

static bool is_utf8(const uint8_t *s, size_t n)
{
    for (size_t i = 0, step; i < n; i += step)
        if ((step = sequence_length(s + i, n - i)) == 0) return false;
    return true;
}

/* Python's own texts are Unicode. */
static enum ingot_status run_text(struct pickle *p, const struct argument *a)
{
    if (is_utf8(p->in.bytes + a->off, a->n)) return push_value(p, spanning(PICKLE_TEXT, a->off, a->n));
    return bad(p, INGOT_E_SOURCE, "a text that is not UTF-8");
}

static enum ingot_status run_bytes(struct pickle *p, const struct argument *a)
{
    return push_value(p, spanning(PICKLE_BYTES, a->off, a->n));
}

/* Python 2's texts were bytes, mostly ASCII; in protocol 0 with escapes, which nothing here needs. */
static enum ingot_status push_old_text(struct pickle *p, uint32_t off, uint32_t n, bool may_escape)
{
    const uint8_t *s = p->in.bytes + off;
    const bool plain = is_utf8(s, n) && !(may_escape && n > 0 && memchr(s, '\\', n));
    return push_value(p, spanning(plain ? PICKLE_TEXT : PICKLE_BYTES, off, n));
}

static enum ingot_status run_old_text(struct pickle *p, const struct argument *a)
{
    return push_old_text(p, a->off, a->n, false);
}

static enum ingot_status run_unicode_line(struct pickle *p, const struct argument *a)
{
    return push_old_text(p, a->off, a->n, true);
}

static enum ingot_status run_quoted_line(struct pickle *p, const struct argument *a)
{
    const uint8_t *s = p->in.bytes + a->off;
    if (a->n < 2 || (s[0] != '\'' && s[0] != '"') || s[a->n - 1] != s[0])
        return bad(p, INGOT_E_SOURCE, "expected a text in quotes");
    return push_old_text(p, a->off + 1, a->n - 2, true);
}

/* -------------------------------------------------------------------------------------------------------- containers
 */

static enum ingot_status run_empty_tuple(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_value(p, container(PICKLE_TUPLE));
}

static enum ingot_status run_empty_list(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_value(p, container(PICKLE_LIST));
}

static enum ingot_status run_empty_dict(struct pickle *p, const struct argument *a)
{
    (void)a;
    return push_value(p, container(PICKLE_DICT));
}

static enum ingot_status gather_marked(struct pickle *p, enum pickle_type type)
{
    size_t from = 0;
    enum ingot_status status = pop_mark(p, &from);
    if (status != INGOT_OK) return status;
    if (type == PICKLE_DICT && (p->n_stack - from) % 2 != 0)
        return bad(p, INGOT_E_SOURCE, "a dictionary with a key that has no value");
    return gather(p, type, from);
}

static enum ingot_status run_tuple(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_marked(p, PICKLE_TUPLE);
}

static enum ingot_status run_list(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_marked(p, PICKLE_LIST);
}

static enum ingot_status run_dict(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_marked(p, PICKLE_DICT);
}

static enum ingot_status gather_last(struct pickle *p, size_t n)
{
    const size_t floor = p->n_marks > 0 ? p->marks[p->n_marks - 1] : 0;
    return p->n_stack - floor < n ? empty_stack(p) : gather(p, PICKLE_TUPLE, p->n_stack - n);
}

static enum ingot_status run_tuple1(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_last(p, 1);
}

static enum ingot_status run_tuple2(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_last(p, 2);
}

static enum ingot_status run_tuple3(struct pickle *p, const struct argument *a)
{
    (void)a;
    return gather_last(p, 3);
}

/* Moves the values from `from` on into the container below them. */
static enum ingot_status extend(struct pickle *p, enum pickle_type type, size_t from)
{
    const size_t floor = p->n_marks > 0 ? p->marks[p->n_marks - 1] : 0;
    if (from <= floor) return empty_stack(p);
    const uint32_t to = p->stack[from - 1];
    if (p->values[to].type != type)
        return bad(p, INGOT_E_SOURCE, "items for what is no %s", type == PICKLE_DICT ? "dictionary" : "list");
    if (type == PICKLE_DICT && (p->n_stack - from) % 2 != 0)
        return bad(p, INGOT_E_SOURCE, "a dictionary with a key that has no value");
    enum ingot_status status = add_items(p, to, from, p->n_stack);
    p->n_stack = from;
    return status;
}

static enum ingot_status extend_marked(struct pickle *p, enum pickle_type type)
{
    size_t from = 0;
    enum ingot_status status = pop_mark(p, &from);
    return status == INGOT_OK ? extend(p, type, from) : status;
}

static enum ingot_status extend_last(struct pickle *p, enum pickle_type type, size_t n)
{
    return p->n_stack < n ? empty_stack(p) : extend(p, type, p->n_stack - n);
}

static enum ingot_status run_append(struct pickle *p, const struct argument *a)
{
    (void)a;
    return extend_last(p, PICKLE_LIST, 1);
}

static enum ingot_status run_appends(struct pickle *p, const struct argument *a)
{
    (void)a;
    return extend_marked(p, PICKLE_LIST);
}

static enum ingot_status run_setitem(struct pickle *p, const struct argument *a)
{
    (void)a;
    return extend_last(p, PICKLE_DICT, 2);
}

static enum ingot_status run_setitems(struct pickle *p, const struct argument *a)
{
    (void)a;
    return extend_marked(p, PICKLE_DICT);
}

/* --------------------------------------------------------------------------------------------------- names and calls
 */

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
    return push_value(p, v);
}

/* Module and name of two lines. */
static enum ingot_status add_global(struct pickle *p, const struct argument *a)
{
    uint32_t module = 0, name = 0;
    if (!is_utf8(p->in.bytes + a->off, a->n) || !is_utf8(p->in.bytes + a->off2, a->n2))
        return bad(p, INGOT_E_SOURCE, "a name that is not UTF-8");
    enum ingot_status status = add_value(p, spanning(PICKLE_TEXT, a->off, a->n), &module);
    if (status == INGOT_OK) status = add_value(p, spanning(PICKLE_TEXT, a->off2, a->n2), &name);
    return status == INGOT_OK ? push_global(p, module, name) : status;
}

static bool is_name(const struct pickle *p, uint32_t value)
{
    return p->values[value].type == PICKLE_TEXT || p->values[value].type == PICKLE_BYTES;
}

/* A name may itself be the result of a name: sys_module_override_sploit of picklescan does that. */
static enum ingot_status run_stack_global(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t module, name;
    if (!pop(p, &name) || !pop(p, &module)) return empty_stack(p);
    if (!is_name(p, module) || !is_name(p, name)) return bad(p, INGOT_E_SOURCE, "a name that is no text");
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
    enum ingot_status status = add_value(p, container(PICKLE_DICT), &number);
    if (status != INGOT_OK) return status;
    if (n == 0 || (n == 1 && p->values[first].type == PICKLE_GLOBAL)) return push(p, number);
    if (n != 1 || p->values[first].type != PICKLE_LIST)
        return bad(p, INGOT_E_UNSUPPORTED, "a dictionary made of something else than a list of pairs");
    struct pickle_items it = pickle_items(p, &p->values[first]);
    for (uint32_t item; status == INGOT_OK && pickle_next(&it, &item);) {
        const enum pickle_type type = p->values[item].type;
        if ((type != PICKLE_TUPLE && type != PICKLE_LIST) || pickle_first_items(p, &p->values[item], pair, 2) != 2)
            return bad(p, INGOT_E_SOURCE, "a dictionary made of what are no pairs");
        status = add_item(p, number, pair[0]);
        if (status == INGOT_OK) status = add_item(p, number, pair[1]);
    }
    return status == INGOT_OK ? push(p, number) : status;
}

static enum ingot_status call(struct pickle *p, uint32_t function, uint32_t args)
{
    char shown[256];
    const struct pickle_value *f = &p->values[function];
    const struct pickle_name *known =
        f->type == PICKLE_GLOBAL && f->as.global.id >= 0 ? &p->in.names[f->as.global.id] : NULL;
    if (!known || known->use == PICKLE_NAMED)
        return bad(p, INGOT_E_UNSUPPORTED, "the pickle would call %s", describe(p, function, shown, sizeof shown));
    if (p->values[args].type != PICKLE_TUPLE) return bad(p, INGOT_E_SOURCE, "a call whose arguments are no tuple");
    if (known->use == PICKLE_MAP) return make_map(p, args);
    struct pickle_value v = { .type = PICKLE_CALL };
    v.as.call.id = known->id;
    v.as.call.args = args;
    return push_value(p, v);
}

/* REDUCE, and NEWOBJ for classes. */
static enum ingot_status run_reduce(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t function, args;
    return pop(p, &args) && pop(p, &function) ? call(p, function, args) : empty_stack(p);
}

/* NEWOBJ_EX has keywords, which nothing on the list takes. */
static enum ingot_status run_newobj_ex(struct pickle *p, const struct argument *a)
{
    (void)a;
    char shown[256];
    uint32_t function, args, keywords;
    if (!pop(p, &keywords) || !pop(p, &args) || !pop(p, &function)) return empty_stack(p);
    return bad(p, INGOT_E_UNSUPPORTED, "the pickle would make %s", describe(p, function, shown, sizeof shown));
}

/* The arguments stand between the mark and the top. */
static enum ingot_status call_marked(struct pickle *p, size_t from, uint32_t function)
{
    uint32_t args;
    enum ingot_status status = gather(p, PICKLE_TUPLE, from);
    if (status != INGOT_OK) return status;
    return pop(p, &args) ? call(p, function, args) : empty_stack(p);
}

static enum ingot_status run_obj(struct pickle *p, const struct argument *a)
{
    (void)a;
    size_t from = 0;
    enum ingot_status status = pop_mark(p, &from);
    if (status != INGOT_OK) return status;
    if (from == p->n_stack) return empty_stack(p);
    const uint32_t function = p->stack[from];
    memmove(p->stack + from, p->stack + from + 1, (p->n_stack - from - 1) * sizeof *p->stack);
    p->n_stack--;
    return call_marked(p, from, function);
}

static enum ingot_status run_inst(struct pickle *p, const struct argument *a)
{
    size_t from = 0;
    uint32_t function;
    enum ingot_status status = pop_mark(p, &from);
    if (status == INGOT_OK) status = add_global(p, a);
    if (status != INGOT_OK) return status;
    return pop(p, &function) ? call_marked(p, from, function) : empty_stack(p);
}

/* Attributes: a state dictionary carries its `_metadata` that way; on anything else they would change an object. */
static enum ingot_status run_build(struct pickle *p, const struct argument *a)
{
    (void)a;
    char shown[256];
    uint32_t state, object;
    if (!pop(p, &state) || !pop(p, &object)) return empty_stack(p);
    if (p->values[object].type != PICKLE_DICT)
        return bad(p, INGOT_E_UNSUPPORTED, "the pickle would set attributes of %s",
                   describe(p, object, shown, sizeof shown));
    if (p->values[state].type != PICKLE_DICT)
        return bad(p, INGOT_E_UNSUPPORTED, "a dictionary whose attributes are no dictionary");
    return push(p, object);
}

static enum ingot_status run_persistent(struct pickle *p, const struct argument *a)
{
    (void)a;
    uint32_t id;
    if (!pop(p, &id)) return empty_stack(p);
    return push_value(p, (struct pickle_value){ .type = PICKLE_PERSISTENT, .as.persistent = id });
}

static enum ingot_status run_refused_line(struct pickle *p, const struct argument *a)
{
    (void)a;
    return bad(p, INGOT_E_UNSUPPORTED, "a persistent object with a text for its id, which PyTorch never writes");
}

static enum ingot_status run_extension(struct pickle *p, const struct argument *a)
{
    return bad(p, INGOT_E_UNSUPPORTED, "the pickle would look up %" PRIu64 " in Python's extension registry",
               a->integer);
}

static enum ingot_status run_buffer(struct pickle *p, const struct argument *a)
{
    (void)a;
    return bad(p, INGOT_E_UNSUPPORTED, "a buffer that lies outside of the pickle");
}

/* ------------------------------------------------------------------------------------------------------- the table */

static const struct {
    enum operand operand;
    enum ingot_status (*run)(struct pickle *p, const struct argument *a);
} instructions[256] = {
    ['('] = { NOTHING, run_mark },
    [')'] = { NOTHING, run_empty_tuple },
    ['.'] = { NOTHING, run_stop },
    ['0'] = { NOTHING, run_pop },
    ['1'] = { NOTHING, run_pop_mark },
    ['2'] = { NOTHING, run_dup },
    ['B'] = { BYTES_U32, run_bytes },
    ['C'] = { BYTES_U8, run_bytes },
    ['F'] = { LINE, run_float_line },
    ['G'] = { F64, run_float },
    ['I'] = { LINE, run_int_line },
    ['J'] = { I32, run_int },
    ['K'] = { U8, run_int },
    ['L'] = { LINE, run_int_line },
    ['M'] = { U16, run_int },
    ['N'] = { NOTHING, run_none },
    ['P'] = { LINE, run_refused_line },
    ['Q'] = { NOTHING, run_persistent },
    ['R'] = { NOTHING, run_reduce },
    ['S'] = { LINE, run_quoted_line },
    ['T'] = { BYTES_U32, run_old_text },
    ['U'] = { BYTES_U8, run_old_text },
    ['V'] = { LINE, run_unicode_line },
    ['X'] = { BYTES_U32, run_text },
    [']'] = { NOTHING, run_empty_list },
    ['a'] = { NOTHING, run_append },
    ['b'] = { NOTHING, run_build },
    ['c'] = { TWO_LINES, add_global },
    ['d'] = { NOTHING, run_dict },
    ['e'] = { NOTHING, run_appends },
    ['g'] = { LINE, run_get_line },
    ['h'] = { U8, run_get },
    ['i'] = { TWO_LINES, run_inst },
    ['j'] = { U32, run_get },
    ['l'] = { NOTHING, run_list },
    ['o'] = { NOTHING, run_obj },
    ['p'] = { LINE, run_put_line },
    ['q'] = { U8, run_put },
    ['r'] = { U32, run_put },
    ['s'] = { NOTHING, run_setitem },
    ['t'] = { NOTHING, run_tuple },
    ['u'] = { NOTHING, run_setitems },
    ['}'] = { NOTHING, run_empty_dict },
    [0x80] = { U8, run_proto },
    [0x81] = { NOTHING, run_reduce },
    [0x82] = { U8, run_extension },
    [0x83] = { U16, run_extension },
    [0x84] = { U32, run_extension },
    [0x85] = { NOTHING, run_tuple1 },
    [0x86] = { NOTHING, run_tuple2 },
    [0x87] = { NOTHING, run_tuple3 },
    [0x88] = { NOTHING, run_true },
    [0x89] = { NOTHING, run_false },
    [0x8a] = { BYTES_U8, run_long },
    [0x8b] = { BYTES_U32, run_long },
    [0x8c] = { BYTES_U8, run_text },
    [0x8d] = { BYTES_U64, run_text },
    [0x8e] = { BYTES_U64, run_bytes },
    [0x8f] = { NOTHING, run_empty_list },
    [0x90] = { NOTHING, run_appends },
    [0x91] = { NOTHING, run_tuple },
    [0x92] = { NOTHING, run_newobj_ex },
    [0x93] = { NOTHING, run_stack_global },
    [0x94] = { NOTHING, run_memoize },
    [0x95] = { U64, run_frame },
    [0x96] = { BYTES_U64, run_bytes },
    [0x97] = { NOTHING, run_buffer },
    [0x98] = { NOTHING, run_buffer },
};

static void take_bytes(struct pickle *p, uint64_t n, struct argument *a)
{
    a->off = (uint32_t)p->c.at;
    a->n = (uint32_t)n;
    cursor_take(&p->c, n);
}

static void take_line(struct pickle *p, uint32_t *off, uint32_t *n)
{
    const uint8_t *end = p->c.bad || p->c.left == 0 ? NULL : memchr(p->c.p, '\n', p->c.left);
    *off = (uint32_t)p->c.at;
    *n = end ? (uint32_t)(end - p->c.p) : 0;
    if (!cursor_take(&p->c, end ? (uint64_t)*n + 1 : UINT64_MAX)) *n = 0;
}

static void take_operand(struct pickle *p, enum operand operand, struct argument *a)
{
    *a = (struct argument){ 0 };
    switch (operand) {
    case NOTHING:
        break;
    case U8:
        a->integer = cursor_u8(&p->c);
        break;
    case U16:
        a->integer = cursor_u16(&p->c);
        break;
    case U32:
        a->integer = cursor_u32(&p->c);
        break;
    case U64:
        a->integer = cursor_u64(&p->c);
        break;
    case I32:
        a->integer = (uint64_t)(int32_t)cursor_u32(&p->c);
        break;
    case F64:
        a->integer = __builtin_bswap64(cursor_u64(&p->c));
        break; /* the one big-endian number */
    case LINE:
        take_line(p, &a->off, &a->n);
        break;
    case TWO_LINES:
        take_line(p, &a->off, &a->n);
        take_line(p, &a->off2, &a->n2);
        break;
    case BYTES_U8:
        take_bytes(p, cursor_u8(&p->c), a);
        break;
    case BYTES_U32:
        take_bytes(p, cursor_u32(&p->c), a);
        break;
    case BYTES_U64:
        take_bytes(p, cursor_u64(&p->c), a);
        break;
    }
}

static enum ingot_status step(struct pickle *p)
{
    struct argument a;
    p->at = (uint32_t)p->c.at;
    const uint8_t opcode = cursor_u8(&p->c);
    if (p->c.bad) {
        if (p->in.size > PICKLE_MAX_BYTES)
            return bad(p, INGOT_E_LIMIT, "a pickle of more than %" PRIu64 " bytes", PICKLE_MAX_BYTES);
        return bad(p, INGOT_E_TRUNCATED, "the pickle ends before its STOP");
    }
    if (!instructions[opcode].run) return bad(p, INGOT_E_SOURCE, "byte 0x%02x is no instruction of a pickle", opcode);
    take_operand(p, instructions[opcode].operand, &a);
    if (p->c.bad) return bad(p, INGOT_E_TRUNCATED, "instruction 0x%02x reaches beyond the end of the pickle", opcode);
    return instructions[opcode].run(p, &a);
}

enum ingot_status pickle_run(const struct pickle_input *in, struct pickle **out, uint64_t *used,
                             struct ingot_error *err)
{
    *out = NULL;
    struct pickle *p = calloc(1, sizeof *p);
    if (!p) return fail_memory(err, in->path);
    p->in = *in;
    p->err = err;
    p->c = (struct cursor){ in->bytes, in->size < PICKLE_MAX_BYTES ? in->size : PICKLE_MAX_BYTES, 0, false };
    enum ingot_status status = INGOT_OK;
    while (status == INGOT_OK && !p->stopped) status = step(p);
    if (status != INGOT_OK) {
        pickle_free(p);
        return status;
    }
    *used = p->c.at;
    *out = p;
    return INGOT_OK;
}

void pickle_free(struct pickle *p)
{
    if (!p) return;
    free(p->values);
    free(p->items);
    free(p->chunks);
    free(p->stack);
    free(p->marks);
    free(p->memo);
    free(p);
}

/* ----------------------------------------------------------------------------------------------------------- looking
 */

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
    while (it->chunk != NO_CHUNK && it->at == it->p->chunks[it->chunk].n)
        *it = (struct pickle_items){ it->p, it->p->chunks[it->chunk].next, 0 };
    if (it->chunk == NO_CHUNK) return false;
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
