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
        if (neighbours) s->run *= s->count[i];
        if (s->count[i] < s->shape[i]) neighbours = false;
    }
}

struct slice slice_whole(uint32_t rank, const uint64_t *shape)
{
    struct slice s = { .rank = rank, .out_rank = rank };
    for (uint32_t i = 0; i < rank; i++) s.shape[i] = s.count[i] = s.out_shape[i] = shape[i];
    complete(&s);
    return s;
}

static const char *skip_blanks(const char *c)
{
    return c + strspn(c, " ");
}

/* A decimal number; a negative one counts from the end. What lies outside the dimension is cut to [0, length] and said
 * to be outside. False when there is no number. */
static bool read_place(const char **c, uint64_t length, uint64_t *out, bool *outside)
{
    bool negative = **c == '-';
    const char *p = *c + negative;
    uint64_t n = 0;
    if (*p < '0' || *p > '9') return false;
    for (; *p >= '0' && *p <= '9'; p++) n = n > UINT64_MAX / 16 ? n : 10 * n + (uint64_t)(*p - '0');
    *outside = negative ? n > length : n >= length;
    if (negative)
        *out = n > length ? 0 : length - n;
    else
        *out = n > length ? length : n;
    *c = skip_blanks(p);
    return true;
}

enum part { PART_INDEX, PART_RANGE, PART_BAD, PART_OUTSIDE };

/* "3", "1:4", "1:", ":4" or ":". */
static enum part read_part(const char **c, uint64_t length, uint64_t *begin, uint64_t *count)
{
    uint64_t end = length;
    bool outside = false, given;
    *c = skip_blanks(*c);
    *begin = 0;
    given = read_place(c, length, begin, &outside);
    if (given && **c != ':') {
        *count = 1;
        return outside ? PART_OUTSIDE : PART_INDEX;
    }
    if (**c != ':') return PART_BAD;
    *c = skip_blanks(*c + 1);
    read_place(c, length, &end, &outside);
    *count = end > *begin ? end - *begin : 0;
    return PART_RANGE;
}

enum ingot_status slice_parse(const char *text, const char *subject, struct slice *s, struct ingot_error *err)
{
    static const char advice[] = "write it as NumPy does: [3], [0:4, :8], [-1]";
    const char *c = text + 1;
    char shown[96];
    s->out_rank = 0;
    for (uint32_t i = 0;; i++) {
        if (i >= s->rank)
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, NULL,
                              "the slice has more dimensions than the tensor, which has %u", s->rank);
        enum part part = read_part(&c, s->shape[i], &s->begin[i], &s->count[i]);
        if (part == PART_OUTSIDE)
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, "the first index is 0",
                              "%s lies outside dimension %u, which has %llu",
                              ingot_escape(text, strlen(text), shown, sizeof shown), i,
                              (unsigned long long)s->shape[i]);
        if (part == PART_BAD || (*c != ',' && strcmp(c, "]") != 0))
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, advice, "cannot read the slice %s",
                              ingot_escape(text, strlen(text), shown, sizeof shown));
        if (part == PART_RANGE) s->out_shape[s->out_rank++] = s->count[i];
        if (*c++ == ',') continue;
        while (++i < s->rank) s->out_shape[s->out_rank++] = s->shape[i];
        complete(s);
        return INGOT_OK;
    }
}

uint64_t slice_piece(const struct slice *s, uint64_t at, uint64_t max, uint64_t *first)
{
    uint64_t step = 1, left = s->run - at % s->run, rest = at;
    *first = 0;
    for (uint32_t i = s->rank; i-- > 0;) {
        *first += (s->begin[i] + rest % s->count[i]) * step;
        rest /= s->count[i];
        step *= s->shape[i];
    }
    return left < max ? left : max;
}
