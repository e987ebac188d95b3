/* pickle.c - the loop of the pickle machine: an instruction, what follows it, a table with one row per instruction. */
#include "convert/pickle_machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_PROTOCOL  5u
#define ADVICE_UNSAFE "nothing was run; save only model.state_dict(), or ask for a safetensors file"

enum ingot_status pickle_fail(const struct pickle *p, enum ingot_status status, const char *fmt, ...)
{
    char what[384];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(p->err, status, p->in.off + p->at, p->in.path,
                      status == INGOT_E_UNSUPPORTED ? ADVICE_UNSAFE : ADVICE_COPY, "%s", what);
}

enum ingot_status pickle_underflow(const struct pickle *p)
{
    return pickle_fail(p, INGOT_E_SOURCE, "the pickle takes more from its stack than there is");
}

/* -------------------------------------------------------------------------------------- the loop's own instructions */

static enum ingot_status run_proto(struct pickle *p, const struct pickle_argument *a)
{
    if (a->integer <= MAX_PROTOCOL) return INGOT_OK;
    return pickle_fail(p, INGOT_E_UNSUPPORTED, "pickle protocol %" PRIu64 "; the newest known is %u", a->integer,
                       MAX_PROTOCOL);
}

static enum ingot_status run_frame(struct pickle *p, const struct pickle_argument *a)
{
    if (a->integer <= p->c.left) return INGOT_OK;
    return pickle_fail(p, INGOT_E_TRUNCATED, "a frame of %" PRIu64 " byte%s where %" PRIu64 " are left", a->integer,
                       plural(a->integer), p->c.left);
}

static enum ingot_status run_stop(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    if (!pickle_pop(p, &p->root)) return pickle_underflow(p);
    p->stopped = true;
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------------------- the table */

/* What follows an instruction's byte, and how long that is. */
enum argument { NOTHING, U8, U16, U32, U64, I32, F64, LINE, TWO_LINES, BYTES_U8, BYTES_U32, BYTES_U64 };

/* By opcode, with the names of pickletools. NEWOBJ is a REDUCE whose function is a class; sets are lists and tuples. */
static const struct {
    enum argument argument;
    pickle_op *run;
    int variant;
} instructions[256] = {
    ['('] = { NOTHING, pickle_op_mark, 0 },                      /* MARK */
    [')'] = { NOTHING, pickle_op_empty, PICKLE_TUPLE },          /* EMPTY_TUPLE */
    ['.'] = { NOTHING, run_stop, 0 },                            /* STOP */
    ['0'] = { NOTHING, pickle_op_pop, 0 },                       /* POP */
    ['1'] = { NOTHING, pickle_op_pop_mark, 0 },                  /* POP_MARK */
    ['2'] = { NOTHING, pickle_op_dup, 0 },                       /* DUP */
    ['B'] = { BYTES_U32, pickle_op_bytes, 0 },                   /* BINBYTES */
    ['C'] = { BYTES_U8, pickle_op_bytes, 0 },                    /* SHORT_BINBYTES */
    ['F'] = { LINE, pickle_op_float_line, 0 },                   /* FLOAT */
    ['G'] = { F64, pickle_op_float, 0 },                         /* BINFLOAT */
    ['I'] = { LINE, pickle_op_int_line, 0 },                     /* INT */
    ['J'] = { I32, pickle_op_int, 0 },                           /* BININT */
    ['K'] = { U8, pickle_op_int, 0 },                            /* BININT1 */
    ['L'] = { LINE, pickle_op_int_line, 0 },                     /* LONG */
    ['M'] = { U16, pickle_op_int, 0 },                           /* BININT2 */
    ['N'] = { NOTHING, pickle_op_none, 0 },                      /* NONE */
    ['P'] = { LINE, pickle_op_persistent_line, 0 },              /* PERSID */
    ['Q'] = { NOTHING, pickle_op_persistent, 0 },                /* BINPERSID */
    ['R'] = { NOTHING, pickle_op_reduce, 0 },                    /* REDUCE */
    ['S'] = { LINE, pickle_op_quoted_line, 0 },                  /* STRING */
    ['T'] = { BYTES_U32, pickle_op_old_text, 0 },                /* BINSTRING */
    ['U'] = { BYTES_U8, pickle_op_old_text, 0 },                 /* SHORT_BINSTRING */
    ['V'] = { LINE, pickle_op_unicode_line, 0 },                 /* UNICODE */
    ['X'] = { BYTES_U32, pickle_op_text, 0 },                    /* BINUNICODE */
    [']'] = { NOTHING, pickle_op_empty, PICKLE_LIST },           /* EMPTY_LIST */
    ['a'] = { NOTHING, pickle_op_extend_last, PICKLE_LIST },     /* APPEND */
    ['b'] = { NOTHING, pickle_op_build, 0 },                     /* BUILD */
    ['c'] = { TWO_LINES, pickle_op_global, 0 },                  /* GLOBAL */
    ['d'] = { NOTHING, pickle_op_gather_marked, PICKLE_DICT },   /* DICT */
    ['e'] = { NOTHING, pickle_op_extend_marked, PICKLE_LIST },   /* APPENDS */
    ['g'] = { LINE, pickle_op_get_line, 0 },                     /* GET */
    ['h'] = { U8, pickle_op_get, 0 },                            /* BINGET */
    ['i'] = { TWO_LINES, pickle_op_inst, 0 },                    /* INST */
    ['j'] = { U32, pickle_op_get, 0 },                           /* LONG_BINGET */
    ['l'] = { NOTHING, pickle_op_gather_marked, PICKLE_LIST },   /* LIST */
    ['o'] = { NOTHING, pickle_op_obj, 0 },                       /* OBJ */
    ['p'] = { LINE, pickle_op_put_line, 0 },                     /* PUT */
    ['q'] = { U8, pickle_op_put, 0 },                            /* BINPUT */
    ['r'] = { U32, pickle_op_put, 0 },                           /* LONG_BINPUT */
    ['s'] = { NOTHING, pickle_op_extend_last, PICKLE_DICT },     /* SETITEM */
    ['t'] = { NOTHING, pickle_op_gather_marked, PICKLE_TUPLE },  /* TUPLE */
    ['u'] = { NOTHING, pickle_op_extend_marked, PICKLE_DICT },   /* SETITEMS */
    ['}'] = { NOTHING, pickle_op_empty, PICKLE_DICT },           /* EMPTY_DICT */
    [0x80] = { U8, run_proto, 0 },                               /* PROTO */
    [0x81] = { NOTHING, pickle_op_reduce, 0 },                   /* NEWOBJ */
    [0x82] = { U8, pickle_op_extension, 0 },                     /* EXT1 */
    [0x83] = { U16, pickle_op_extension, 0 },                    /* EXT2 */
    [0x84] = { U32, pickle_op_extension, 0 },                    /* EXT4 */
    [0x85] = { NOTHING, pickle_op_gather_last, 1 },              /* TUPLE1 */
    [0x86] = { NOTHING, pickle_op_gather_last, 2 },              /* TUPLE2 */
    [0x87] = { NOTHING, pickle_op_gather_last, 3 },              /* TUPLE3 */
    [0x88] = { NOTHING, pickle_op_bool, true },                  /* NEWTRUE */
    [0x89] = { NOTHING, pickle_op_bool, false },                 /* NEWFALSE */
    [0x8a] = { BYTES_U8, pickle_op_long, 0 },                    /* LONG1 */
    [0x8b] = { BYTES_U32, pickle_op_long, 0 },                   /* LONG4 */
    [0x8c] = { BYTES_U8, pickle_op_text, 0 },                    /* SHORT_BINUNICODE */
    [0x8d] = { BYTES_U64, pickle_op_text, 0 },                   /* BINUNICODE8 */
    [0x8e] = { BYTES_U64, pickle_op_bytes, 0 },                  /* BINBYTES8 */
    [0x8f] = { NOTHING, pickle_op_empty, PICKLE_LIST },          /* EMPTY_SET */
    [0x90] = { NOTHING, pickle_op_extend_marked, PICKLE_LIST },  /* ADDITEMS */
    [0x91] = { NOTHING, pickle_op_gather_marked, PICKLE_TUPLE }, /* FROZENSET */
    [0x92] = { NOTHING, pickle_op_newobj_ex, 0 },                /* NEWOBJ_EX */
    [0x93] = { NOTHING, pickle_op_stack_global, 0 },             /* STACK_GLOBAL */
    [0x94] = { NOTHING, pickle_op_memoize, 0 },                  /* MEMOIZE */
    [0x95] = { U64, run_frame, 0 },                              /* FRAME */
    [0x96] = { BYTES_U64, pickle_op_bytes, 0 },                  /* BYTEARRAY8 */
    [0x97] = { NOTHING, pickle_op_buffer, 0 },                   /* NEXT_BUFFER */
    [0x98] = { NOTHING, pickle_op_buffer, 0 },                   /* READONLY_BUFFER */
};

static void take_bytes(struct pickle *p, uint64_t n, struct pickle_argument *a)
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

static void take_argument(struct pickle *p, enum argument argument, struct pickle_argument *a)
{
    *a = (struct pickle_argument){ 0 };
    switch (argument) {
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
    struct pickle_argument a;
    p->at = (uint32_t)p->c.at;
    const uint8_t opcode = cursor_u8(&p->c);
    if (p->c.bad) {
        if (p->in.size > PICKLE_MAX_BYTES)
            return pickle_fail(p, INGOT_E_LIMIT, "a pickle of more than %" PRIu64 " bytes", PICKLE_MAX_BYTES);
        return pickle_fail(p, INGOT_E_TRUNCATED, "the pickle ends before its STOP");
    }
    if (!instructions[opcode].run)
        return pickle_fail(p, INGOT_E_SOURCE, "byte 0x%02x is no instruction of a pickle", opcode);
    take_argument(p, instructions[opcode].argument, &a);
    a.variant = instructions[opcode].variant;
    if (p->c.bad)
        return pickle_fail(p, INGOT_E_TRUNCATED, "instruction 0x%02x reaches beyond the end of the pickle", opcode);
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
