/* tokenizer_fixture.h - tokenizers over sections in memory, what they make of a text, and characters to make texts of.
 * Included by the tests of the tokenizer. */
#ifndef INGOT_TOKENIZER_FIXTURE_H
#define INGOT_TOKENIZER_FIXTURE_H

#include "tests/unit/vocab_fixture.h"

#include "runtime/tokenizer.h"

#include <utf8proc.h>

static uint64_t random_state; /* to be set by each test */

static inline uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

static inline struct ingot_tokenizer bind(const uint8_t *section, size_t n)
{
    struct ingot_tokenizer t;
    struct ingot_error err = { 0 };
    if (tokenizer_bind(section, n, "v", 0, &t, &err) != INGOT_OK) fail_msg("%s", err.message);
    return t;
}

static inline struct ingot_ids encode(const struct ingot_tokenizer *t, const void *text, size_t n, unsigned flags)
{
    struct ingot_ids ids = { 0 };
    struct ingot_error err = { 0 };
    if (ingot_tokenizer_encode(t, text, n, flags, &ids, &err) != INGOT_OK) fail_msg("%s", err.message);
    return ids;
}

static inline void assert_encodes(const struct ingot_tokenizer *t, const char *text, unsigned flags,
                                  const uint32_t *ids, size_t n)
{
    struct ingot_ids found = encode(t, text, strlen(text), flags);
    assert_int_equal(found.n, n);
    if (n) assert_memory_equal(found.ids, ids, n * sizeof *ids);
    ingot_ids_free(&found);
}

#define ENCODES(t, text, flags, ...)                                                                                   \
    assert_encodes(t, text, flags, (const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)

/* PropList.txt of Unicode, White_Space. */
static inline bool in_white_space(uint32_t c)
{
    static const uint32_t list[] = { 0x0009, 0x000a, 0x000b, 0x000c, 0x000d, 0x0020, 0x0085, 0x00a0, 0x1680,
                                     0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                     0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == c) return true;
    return false;
}

static inline size_t put_utf8(uint32_t code, uint8_t out[4])
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, out);
}

#endif
