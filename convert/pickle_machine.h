/* pickle_machine.h - what the files of the pickle machine share: a stack of value numbers, a memo, the values.
 *
 *   pickle.c             the loop: an instruction, what follows it, the table with one row per instruction
 *   pickle_stack.c       the stack, its marks, the memo
 *   pickle_values.c      values and the items of containers, and what a reader asks about them
 *   pickle_literals.c    the instructions that make numbers and texts
 *   pickle_containers.c  tuples, lists, dictionaries
 *   pickle_calls.c       names and calls: here alone is decided what a pickle may name, and what it may "call"
 *
 * Nothing is copied from the pickle: a text is a place in it. All items of all containers stand in one array, in chunks
 * (a tuple is one chunk; a list that grows has several), so that there is one allocation per kind of thing, and memory
 * follows the length of the pickle. */
#ifndef INGOT_PICKLE_MACHINE_H
#define INGOT_PICKLE_MACHINE_H

#include "convert/pickle.h"

#include "convert/array.h"
#include "format/bytes.h"

#define PICKLE_NO_CHUNK UINT32_MAX

/* Some items of a container, side by side. */
struct pickle_chunk {
    uint32_t first, n, next;
};

struct pickle {
    struct pickle_input in;
    struct pickle_value *values;
    size_t n_values, cap_values;
    uint32_t *items;
    size_t n_items, cap_items;
    struct pickle_chunk *chunks;
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
struct pickle_argument {
    uint64_t integer;
    uint32_t off, n;   /* bytes, or the first line, in the pickle */
    uint32_t off2, n2; /* the second line */
    int variant;       /* of instructions that share a function: a container's type, a count, a truth value */
};

/* An error of the instruction that is being executed. */
__attribute__((format(printf, 3, 4))) enum ingot_status pickle_fail(const struct pickle *p, enum ingot_status status,
                                                                    const char *fmt, ...);
enum ingot_status pickle_underflow(const struct pickle *p);

/* The stack. Nothing below its last mark can be taken. */
enum ingot_status pickle_push(struct pickle *p, uint32_t value);
bool pickle_pop(struct pickle *p, uint32_t *value);                 /* false: there is none */
enum ingot_status pickle_pop_mark(struct pickle *p, size_t *first); /* *first: where the mark's values begin */
static inline size_t pickle_floor(const struct pickle *p)
{
    return p->n_marks > 0 ? p->marks[p->n_marks - 1] : 0;
}

/* Values: made, and numbered in the order in which they are. */
enum ingot_status pickle_add(struct pickle *p, struct pickle_value v, uint32_t *number);
enum ingot_status pickle_push_new(struct pickle *p, struct pickle_value v);
struct pickle_value pickle_spanning(enum pickle_type type, uint32_t off, uint32_t n);
struct pickle_value pickle_container(enum pickle_type type); /* an empty one */
enum ingot_status pickle_add_item(struct pickle *p, uint32_t to, uint32_t item);
enum ingot_status pickle_add_items(struct pickle *p, uint32_t to, size_t first); /* all on the stack from `first` on */
/* Puts a new container of the stack's values from `first` on in their place. */
enum ingot_status pickle_gather(struct pickle *p, enum pickle_type type, size_t first);
bool pickle_is_utf8(const struct pickle *p, uint32_t off, uint32_t n);

/* The instructions: one function for each, or for a few that differ in `variant`. */
typedef enum ingot_status pickle_op(struct pickle *p, const struct pickle_argument *a);

pickle_op pickle_op_mark, pickle_op_pop, pickle_op_pop_mark, pickle_op_dup;
pickle_op pickle_op_put, pickle_op_put_line, pickle_op_memoize, pickle_op_get, pickle_op_get_line;

pickle_op pickle_op_none, pickle_op_bool, pickle_op_int, pickle_op_int_line, pickle_op_long;
pickle_op pickle_op_float, pickle_op_float_line;
pickle_op pickle_op_text, pickle_op_bytes, pickle_op_old_text, pickle_op_unicode_line, pickle_op_quoted_line;

pickle_op pickle_op_empty, pickle_op_gather_marked, pickle_op_gather_last; /* variants: type; type; how many */
pickle_op pickle_op_extend_last, pickle_op_extend_marked;                  /* variant: type */

pickle_op pickle_op_global, pickle_op_stack_global, pickle_op_reduce, pickle_op_newobj_ex, pickle_op_obj,
    pickle_op_inst;
pickle_op pickle_op_build, pickle_op_persistent, pickle_op_persistent_line, pickle_op_extension, pickle_op_buffer;

#endif
