/* pickle_stack.c - the stack, its marks and the memo, and the instructions that only move values between them. */
#include "convert/pickle_machine.h"

#include <inttypes.h>
#include <string.h>

#define MAX_STACK   (1u << 22)
#define MEMO_SLACK  256u /* a memo's number may be that much larger than the offset of its instruction */
#define MEMO_DIGITS 10u

enum ingot_status pickle_push(struct pickle *p, uint32_t value)
{
    if (p->n_stack >= MAX_STACK) return pickle_fail(p, INGOT_E_LIMIT, "more than %u values on the stack", MAX_STACK);
    uint32_t *stack = array_grow(p->stack, &p->cap_stack, p->n_stack, sizeof *stack);
    if (!stack) return fail_memory(p->err, p->in.path);
    p->stack = stack;
    stack[p->n_stack++] = value;
    return INGOT_OK;
}

bool pickle_pop(struct pickle *p, uint32_t *value)
{
    if (p->n_stack <= pickle_floor(p)) return false;
    *value = p->stack[--p->n_stack];
    return true;
}

enum ingot_status pickle_pop_mark(struct pickle *p, size_t *first)
{
    if (p->n_marks == 0) return pickle_fail(p, INGOT_E_SOURCE, "the pickle looks for a mark that is not there");
    *first = p->marks[--p->n_marks];
    return INGOT_OK;
}

enum ingot_status pickle_op_mark(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    uint32_t *marks = array_grow(p->marks, &p->cap_marks, p->n_marks, sizeof *marks);
    if (!marks) return fail_memory(p->err, p->in.path);
    p->marks = marks;
    marks[p->n_marks++] = (uint32_t)p->n_stack;
    return INGOT_OK;
}

/* Takes the top away, be it a value or a mark. */
enum ingot_status pickle_op_pop(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    uint32_t dropped;
    const bool at_mark = p->n_marks > 0 && p->marks[p->n_marks - 1] == p->n_stack;
    if (at_mark)
        p->n_marks--;
    else if (!pickle_pop(p, &dropped))
        return pickle_underflow(p);
    return INGOT_OK;
}

enum ingot_status pickle_op_pop_mark(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    return pickle_pop_mark(p, &p->n_stack);
}

enum ingot_status pickle_op_dup(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    if (p->n_stack <= pickle_floor(p)) return pickle_underflow(p);
    return pickle_push(p, p->stack[p->n_stack - 1]);
}

/* --------------------------------------------------------------------------------------------------------- the memo */

static enum ingot_status grow_memo(struct pickle *p, uint64_t number)
{
    size_t cap = p->cap_memo ? p->cap_memo : 64;
    while (cap <= number) cap *= 2;
    uint32_t *memo = reallocarray(p->memo, cap, sizeof *memo);
    if (!memo) return fail_memory(p->err, p->in.path);
    memset(memo + p->cap_memo, 0, (cap - p->cap_memo) * sizeof *memo);
    p->memo = memo;
    p->cap_memo = cap;
    return INGOT_OK;
}

/* Numbers are given in order, and each costs an instruction: one far beyond would only take memory. */
static enum ingot_status put(struct pickle *p, uint64_t number)
{
    if (p->n_stack <= pickle_floor(p)) return pickle_underflow(p);
    if (number > (uint64_t)p->at + MEMO_SLACK)
        return pickle_fail(p, INGOT_E_LIMIT, "memo number %" PRIu64 " in a pickle of so few", number);
    enum ingot_status status = number < p->cap_memo ? INGOT_OK : grow_memo(p, number);
    if (status != INGOT_OK) return status;
    p->n_memo += p->memo[number] == 0;
    p->memo[number] = p->stack[p->n_stack - 1] + 1;
    return INGOT_OK;
}

static enum ingot_status get(struct pickle *p, uint64_t number)
{
    if (number < p->cap_memo && p->memo[number] > 0) return pickle_push(p, p->memo[number] - 1);
    return pickle_fail(p, INGOT_E_SOURCE, "nothing was stored under memo number %" PRIu64, number);
}

enum ingot_status pickle_op_put(struct pickle *p, const struct pickle_argument *a)
{
    return put(p, a->integer);
}

enum ingot_status pickle_op_get(struct pickle *p, const struct pickle_argument *a)
{
    return get(p, a->integer);
}

enum ingot_status pickle_op_memoize(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    return put(p, p->n_memo);
}

/* Protocol 0 writes the number as a line of digits. */
static enum ingot_status read_memo_number(const struct pickle *p, const struct pickle_argument *a, uint64_t *out)
{
    const uint8_t *digits = p->in.bytes + a->off;
    bool good = a->n > 0 && a->n <= MEMO_DIGITS;
    uint64_t number = 0;
    for (uint32_t i = 0; good && i < a->n; i++) {
        good = digits[i] >= '0' && digits[i] <= '9';
        number = 10 * number + (uint64_t)(digits[i] - '0');
    }
    if (!good) return pickle_fail(p, INGOT_E_SOURCE, "expected the number of a memo");
    *out = number;
    return INGOT_OK;
}

enum ingot_status pickle_op_put_line(struct pickle *p, const struct pickle_argument *a)
{
    uint64_t number = 0;
    enum ingot_status status = read_memo_number(p, a, &number);
    return status == INGOT_OK ? put(p, number) : status;
}

enum ingot_status pickle_op_get_line(struct pickle *p, const struct pickle_argument *a)
{
    uint64_t number = 0;
    enum ingot_status status = read_memo_number(p, a, &number);
    return status == INGOT_OK ? get(p, number) : status;
}
