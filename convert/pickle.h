/* pickle.h - a pickle, read without running it.
 *
 * A pickle is a program for a stack machine that may call any function that Python can import. This machine executes
 * the same instructions on symbols: a name stays a name and is looked up nowhere, a call is refused unless the caller's
 * list has the function, and then it is only recorded. What comes out is a tree (or a graph, even a cyclic one: walk it
 * with a bound) of values.
 *
 * Format: Python's Lib/pickletools.py, protocols 0 to 5. */
#ifndef INGOT_PICKLE_H
#define INGOT_PICKLE_H

#include "convert/ingot_convert.h"

#define PICKLE_MAX_BYTES  (UINT64_C(64) << 20)
#define PICKLE_MAX_VALUES (1u << 22)

/* What a name on the list may be used for. */
enum pickle_use {
    PICKLE_NAMED,  /* it may be named; not called */
    PICKLE_CALLED, /* a call is recorded, with its arguments */
    PICKLE_MAP, /* a call gives a dictionary: empty, or of a list of pairs; attributes that are set on it are ignored */
};

struct pickle_name {
    const char *module, *name;
    enum pickle_use use;
    int id; /* the caller's own, not negative */
};

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, /* beyond 64 bits: two's complement, little-endian bytes */
    PICKLE_FLOAT,
    PICKLE_TEXT,  /* valid UTF-8, not NUL-terminated */
    PICKLE_BYTES, /* bytes, or text whose escapes are not resolved */
    PICKLE_TUPLE,
    PICKLE_LIST, /* sets, too */
    PICKLE_DICT, /* key, value, key, value, ... in the order in which they were set */
    PICKLE_GLOBAL,
    PICKLE_CALL,       /* of a listed function */
    PICKLE_PERSISTENT, /* an object that the pickle leaves to its surroundings */
};

struct pickle_value {
    enum pickle_type type;
    uint32_t at; /* of the instruction that made it, in the pickle */
    union {
        int64_t integer; /* BOOL, INT */
        double number;   /* FLOAT */
        struct {
            uint32_t off, n; /* of LONG, TEXT, BYTES: in the pickle */
        } span;
        struct {
            uint32_t first, last; /* chunks of items; see pickle_items() */
        } chunks;
        struct {
            uint32_t module, name; /* texts */
            int id;                /* -1: not on the list */
        } global;
        struct {
            uint32_t args; /* a tuple */
            int id;        /* of the function */
        } call;
        uint32_t persistent; /* the value that names the object */
    } as;
};

struct pickle;

struct pickle_input {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t off;     /* of bytes[0] in the file, for errors */
    const char *path; /* of the file, for errors */
    const struct pickle_name *names;
    size_t n_names;
};

/* Runs one pickle, up to its STOP; *used is what it took. Memory is at most some 50 times the pickle's bytes. Free with
 * pickle_free(). Errors, with the instruction's offset in the file: TRUNCATED; SOURCE for what Python would refuse,
 * too; UNSUPPORTED for a call that is not on the list, naming what would be called, and for instructions that no
 * checkpoint needs; LIMIT. */
enum ingot_status pickle_run(const struct pickle_input *in, struct pickle **out, uint64_t *used,
                             struct ingot_error *err);
void pickle_free(struct pickle *p);

/* Values are numbered in the order in which they were made: 0 .. count - 1. */
uint32_t pickle_count(const struct pickle *p);
uint32_t pickle_root(const struct pickle *p);
const struct pickle_value *pickle_at(const struct pickle *p, uint32_t value);

/* The bytes of a LONG, TEXT or BYTES; borrowed from the input. */
const char *pickle_bytes(const struct pickle *p, const struct pickle_value *v, size_t *n);
bool pickle_is_text(const struct pickle *p, const struct pickle_value *v, const char *text);

/* How many items all containers have together: a walk of more steps sees some of them twice. */
uint64_t pickle_item_count(const struct pickle *p);

/* The items of a TUPLE, LIST or DICT, one after the other:
 *   struct pickle_items it = pickle_items(p, v);
 *   for (uint32_t item; pickle_next(&it, &item);) */
struct pickle_items {
    const struct pickle *p;
    uint32_t chunk, at;
};
struct pickle_items pickle_items(const struct pickle *p, const struct pickle_value *v);
bool pickle_next(struct pickle_items *it, uint32_t *item);
/* The first `cap` items into `out`; returns how many there are, counting at most cap + 1. */
size_t pickle_first_items(const struct pickle *p, const struct pickle_value *v, uint32_t *out, size_t cap);

/* "module.name" of a GLOBAL, escaped, into `out`; returns out. */
char *pickle_global_name(const struct pickle *p, const struct pickle_value *v, char *out, size_t cap);

#endif
