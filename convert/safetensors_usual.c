/* safetensors_usual.c - one pass over the text, each byte looked at once. */
#include "convert/safetensors_usual.h"

#include <stdbool.h>
#include <string.h>

/* What is still to be read. */
struct rest {
    const char *at, *end;
};

/* Small, to be inlined: of a constant text it is then a comparison of a word or two. */
static inline bool skip_text(struct rest *r, const char *text)
{
    const size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return false;
    r->at += n;
    return true;
}

static inline void skip_blank(struct rest *r)
{
    r->at += r->at < r->end && *r->at == ' ';
}

/* The number that the digits at the beginning of eight bytes make, where these are one to seven; *n is how many there
 * are, 8 for all. The eight bytes are one word, in which the first digit is the lowest byte. Shifted up until the last
 * digit is the highest byte, they are what a number with zeros in front is, and neighbours are added up in place: bytes
 * to pairs, pairs to fours, fours to all eight. */
static inline uint64_t few_digits(const char *at, uint32_t *n)
{
    uint64_t digits;
    memcpy(&digits, at, sizeof digits);
    digits ^= UINT64_C(0x3030303030303030);
    const uint64_t others = (digits | (digits + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080);
    *n = others ? (uint32_t)__builtin_ctzll(others) / 8 : 8;
    if (*n == 0 || *n == 8) return 0;
    digits <<= 64 - 8 * *n;
    digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
    digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
    return (digits * 10000 + (digits >> 32)) & UINT32_MAX;
}

/* Digits, fewer than overflow, without a zero in front. */
static inline bool take_count(struct rest *r, uint64_t *out)
{
    const char *const end = r->end - r->at < 19 ? r->end : r->at + 19;
    uint32_t n = 0;
    if (r->end - r->at >= 8) *out = few_digits(r->at, &n);
    if (n == 0 || n == 8)
        for (n = 0, *out = 0; r->at + n < end && r->at[n] >= '0' && r->at[n] <= '9'; n++)
            *out = 10 * *out + (uint64_t)(r->at[n] - '0');
    if (n == 0 || n == 19 || (n > 1 && *r->at == '0')) return false;
    r->at += n;
    return true;
}

/* The rest of an array of at most `max` counts, behind its bracket. */
static inline bool take_counts(struct rest *r, uint64_t *out, uint32_t max, uint32_t *n)
{
    for (*n = 0; !skip_text(r, "]"); ++*n) {
        if (*n == max || (*n > 0 && !skip_text(r, ","))) return false;
        skip_blank(r);
        if (!take_count(r, &out[*n])) return false;
    }
    return true;
}

/* A string of capitals, digits and underscores, of which all names of dtypes are made. */
static bool take_dtype(struct rest *r, struct usual_description *d)
{
    if (!skip_text(r, "\"")) return false;
    d->dtype = r->at;
    while (r->at < r->end && ((*r->at >= 'A' && *r->at <= 'Z') || (*r->at >= '0' && *r->at <= '9') || *r->at == '_'))
        r->at++;
    d->dtype_bytes = (size_t)(r->at - d->dtype);
    return skip_text(r, "\"");
}

static bool take_description(struct rest *r, struct usual_description *d)
{
    uint32_t n;
    if (!skip_text(r, "{\"dtype\":")) return false;
    skip_blank(r);
    if (!take_dtype(r, d) || !skip_text(r, ",")) return false;
    skip_blank(r);
    if (!skip_text(r, "\"shape\":")) return false;
    skip_blank(r);
    if (!skip_text(r, "[") || !take_counts(r, d->shape, INGOT_MAX_RANK, &d->rank) || !skip_text(r, ",")) return false;
    skip_blank(r);
    if (!skip_text(r, "\"data_offsets\":")) return false;
    skip_blank(r);
    return skip_text(r, "[") && take_counts(r, d->span, 2, &n) && n == 2 && skip_text(r, "}");
}

size_t usual_description_read(const char *text, size_t n, struct usual_description *out)
{
    struct rest rest = { text, text + n };
    return take_description(&rest, out) ? (size_t)(rest.at - text) : 0;
}
