/* slice.c - one number or range for each dimension, from the outermost on. */
#include "inspect/slice.h"

#include "format/error.h"

#include <string.h>

/* Recomputes what follows from begin and count. A dimension of 0 elements makes an empty slice, whose products may not
 * exist. */
static void complete(struct slice *s)
{
    bool neighbours = true;
    s->n_elems = s->run = 1;
    for (uint32_t i = 0; i < s->rank; i++)
        if (s->count[i] == 0) s->n_elems = 0;
    for (uint32_t i = s->rank; s->n_elems > 0 && i-- > 0;) {
        s->n_elems *= s->count[i];
        if (s->step[i] > 1 && s->count[i] > 1) neighbours = false;
        if (neighbours) s->run *= s->count[i];
        if (s->count[i] < s->shape[i]) neighbours = false;
    }
}

struct slice slice_whole(uint32_t rank, const uint64_t *shape)
{
    struct slice s = { .rank = rank, .out_rank = rank };
    for (uint32_t i = 0; i < rank; i++) {
        s.shape[i] = s.count[i] = s.out_shape[i] = shape[i];
        s.step[i] = 1;
    }
    complete(&s);
    return s;
}

static const char *skip_blanks(const char *c)
{
    return c + strspn(c, " ");
}

/* Digits; what is too large stays large. False when there are none. */
static bool read_number(const char **c, uint64_t *out)
{
    const char *p = *c;
    uint64_t n = 0;
    if (*p < '0' || *p > '9') return false;
    for (; *p >= '0' && *p <= '9'; p++) n = n > UINT64_MAX / 16 ? n : 10 * n + (uint64_t)(*p - '0');
    *out = n;
    *c = skip_blanks(p);
    return true;
}

/* A decimal number; a negative one counts from the end. What lies outside the dimension is cut to [0, length] and said
 * to be outside. False when there is no number. */
static bool read_place(const char **c, uint64_t length, uint64_t *out, bool *outside)
{
    const bool negative = **c == '-';
    const char *p = *c + negative;
    uint64_t n;
    if (!read_number(&p, &n)) return false;
    *outside = negative ? n > length : n >= length;
    if (negative)
        *out = n > length ? 0 : length - n;
    else
        *out = n > length ? length : n;
    *c = p;
    return true;
}

enum part { PART_INDEX, PART_RANGE, PART_BAD, PART_OUTSIDE };

/* "3", "1:4", "1:", ":4", ":", or a range and its step: "1:4:2", "::2". */
static enum part read_part(const char **c, struct slice *s, uint32_t i)
{
    uint64_t end = s->shape[i];
    bool outside = false, given;
    *c = skip_blanks(*c);
    s->begin[i] = 0;
    s->step[i] = 1;
    given = read_place(c, s->shape[i], &s->begin[i], &outside);
    if (given && **c != ':') {
        s->count[i] = 1;
        return outside ? PART_OUTSIDE : PART_INDEX;
    }
    if (**c != ':') return PART_BAD;
    *c = skip_blanks(*c + 1);
    read_place(c, s->shape[i], &end, &outside);
    if (**c == ':') {
        *c = skip_blanks(*c + 1);
        given = read_number(c, &s->step[i]);
        if (given && s->step[i] == 0) return PART_BAD;
    }
    const uint64_t n = end > s->begin[i] ? end - s->begin[i] : 0;
    s->count[i] = n / s->step[i] + (n % s->step[i] != 0);
    return PART_RANGE;
}

/* "..." stands for the dimensions, up to *end, that the parts behind it leave. */
static bool take_dots(const char **c, const struct slice *s, uint32_t i, uint32_t *end)
{
    const char *p = skip_blanks(*c);
    size_t behind = 0;
    if (strncmp(p, "...", 3) != 0 || strstr(p + 3, "...")) return false;
    for (const char *q = p; *q; q++) behind += *q == ',';
    if (i + behind > s->rank) return false;
    *end = s->rank - (uint32_t)behind;
    *c = skip_blanks(p + 3);
    return true;
}

static enum ingot_status fail_unreadable(const char *text, const char *subject, struct ingot_error *err)
{
    char shown[96];
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject,
                      "write it as NumPy does: [3], [0:4, :8], [-1], [::2]; steps go forwards",
                      "cannot read the slice %s", ingot_escape(text, strlen(text), shown, sizeof shown));
}

/* The part of dimension i. */
static enum ingot_status take_part(const char **c, const char *text, const char *subject, uint32_t i, struct slice *s,
                                   struct ingot_error *err)
{
    char shown[96];
    if (i >= s->rank)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, NULL,
                          "the slice has more dimensions than the tensor, which has %u", s->rank);
    const enum part part = read_part(c, s, i);
    if (part == PART_OUTSIDE)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, "the first index is 0",
                          "%s lies outside dimension %u, which has %llu",
                          ingot_escape(text, strlen(text), shown, sizeof shown), i, (unsigned long long)s->shape[i]);
    if (part == PART_BAD) return fail_unreadable(text, subject, err);
    if (part == PART_RANGE) s->out_shape[s->out_rank++] = s->count[i];
    return INGOT_OK;
}

static void keep_dimensions(struct slice *s, uint32_t *i, uint32_t end)
{
    for (; *i < end; ++*i) s->out_shape[s->out_rank++] = s->shape[*i];
}

enum ingot_status slice_parse(const char *text, const char *subject, struct slice *s, struct ingot_error *err)
{
    const char *c = text;
    char shown[96];
    uint32_t i = 0, end;
    s->out_rank = 0;
    if (text[strlen(text) - 1] != ']')
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, "write it as NumPy does: [3], [0:4, :8]",
                          "the bracket of %s is not closed", ingot_escape(text, strlen(text), shown, sizeof shown));
    do {
        c++; /* the bracket or a comma */
        if (take_dots(&c, s, i, &end)) {
            keep_dimensions(s, &i, end);
            continue;
        }
        enum ingot_status status = take_part(&c, text, subject, i++, s, err);
        if (status != INGOT_OK) return status;
    } while (*c == ',');
    if (strcmp(c, "]") != 0) return fail_unreadable(text, subject, err);
    keep_dimensions(s, &i, s->rank);
    complete(s);
    return INGOT_OK;
}

uint64_t slice_piece(const struct slice *s, uint64_t at, uint64_t max, uint64_t *first)
{
    uint64_t step = 1, left = s->run - at % s->run, rest = at;
    *first = 0;
    for (uint32_t i = s->rank; i-- > 0;) {
        *first += (s->begin[i] + rest % s->count[i] * s->step[i]) * step;
        rest /= s->count[i];
        step *= s->shape[i];
    }
    return left < max ? left : max;
}
