/* bytes.h - what a file says is read as bytes, never through a struct: little-endian getters, putters, a cursor. */
#ifndef INGOT_BYTES_H
#define INGOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "an .ingot file is used in place: a little-endian machine is required"
#endif
#if !defined(__SIZEOF_POINTER__) || __SIZEOF_POINTER__ < 8
#error "an .ingot file is mapped whole: a 64-bit machine is required"
#endif

static inline uint16_t get_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Whether eight bytes are all printable ASCII, 0x20 .. 0x7E. A byte that is not shows it in its highest bit: from 0x80
 * on as it stands, 0x7F once 1 is added, one below 0x20 once that is taken away. Only a byte that has shown it carries
 * into the next, or borrows from it. */
static inline bool eight_are_printable(const void *p)
{
    const uint64_t ones = UINT64_MAX / 255, bytes = get_u64(p);
    return ((bytes | (bytes + ones) | (bytes - 0x20 * ones)) & (ones << 7)) == 0;
}

static inline void put_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

/* A bounded cursor with a sticky error: parse straight through, check `bad` once. */
struct cursor {
    const uint8_t *p;
    uint64_t left;
    uint64_t at; /* offset of p in the file, for errors */
    bool bad;
};

static inline const uint8_t *cursor_take(struct cursor *c, uint64_t n)
{
    if (c->bad || n > c->left) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    c->left -= n;
    c->at += n;
    return p;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 1);
    return p ? *p : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 2);
    return p ? get_u16(p) : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 4);
    return p ? get_u32(p) : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 8);
    return p ? get_u64(p) : 0;
}

#endif
