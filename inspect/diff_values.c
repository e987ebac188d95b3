/* diff_values.c - everything is widened to f64, which holds every number of every type but the largest integers, in
 * pieces that stay in the first cache. A piece is gone over several times, by loops so plain and of so fixed a length
 * that the compiler makes vector code of them. */
#include "inspect/diff_values.h"

#include "format/cast.h"
#include "inspect/values.h"

#include <math.h>
#include <string.h>

#define PIECE 1024u
#define LANES 8u /* sums and maxima side by side, so that one need not wait for the one before it */

/* Both sides, widened; zeros behind the n elements. */
struct piece {
    double a[PIECE], b[PIECE];
    double far[PIECE]; /* |a - b| */
    uint8_t unequal[PIECE];
    size_t n;
    uint64_t at; /* number of the first element */
};

/* ------------------------------------------------------------------------------------------------------------ types */

/* Digits of the significand; 0: no float. The f32 of blocks is not exact to the last digit, but is all there is. */
static unsigned digits_of(enum ingot_scalar scalar)
{
    switch (scalar) {
    case INGOT_SCALAR_F8_E5M2:
        return 3;
    case INGOT_SCALAR_F8_E4M3:
        return 4;
    case INGOT_SCALAR_BF16:
        return 8;
    case INGOT_SCALAR_F16:
        return 11;
    case INGOT_SCALAR_F32:
        return 24;
    case INGOT_SCALAR_F64:
        return 53;
    default:
        return 0;
    }
}

static bool is_number(enum ingot_scalar scalar)
{
    return scalar != INGOT_SCALAR_NONE && scalar != INGOT_SCALAR_C64 && scalar != INGOT_SCALAR_C128;
}

/* f64 may not tell two of them apart. */
static bool is_wide_integer(enum ingot_scalar scalar)
{
    return scalar == INGOT_SCALAR_I64 || scalar == INGOT_SCALAR_U64;
}

bool diff_types_of(enum ingot_scalar a, enum ingot_scalar b, struct diff_types *out)
{
    unsigned digits_a = digits_of(a), digits_b = digits_of(b);
    *out = (struct diff_types){ a, b, INGOT_SCALAR_NONE };
    if (digits_a > 0 && digits_b > 0)
        out->ulp = digits_a < digits_b ? a : b;
    else if (digits_a > 0 || digits_b > 0)
        out->ulp = digits_a > 0 ? a : b;
    if (out->ulp == INGOT_SCALAR_F8_E4M3 || out->ulp == INGOT_SCALAR_F8_E5M2) out->ulp = INGOT_SCALAR_F32;
    return is_number(a) && is_number(b);
}

/* n elements from `from`, or as many zeros as there is room for less n. Exactly, but for integers beyond 2^53. */
static void widen(enum ingot_scalar scalar, const struct casts *casts, const uint8_t *from, size_t n, double *to)
{
    float narrow[PIECE] = { 0 };
    struct ingot_cast_stats ignored = { 0 };
    const size_t size = ingot_scalar_info(scalar)->bytes;
    switch (scalar) {
    case INGOT_SCALAR_F16:
        casts->f32_from_f16(from, narrow, n, &ignored);
        break;
    case INGOT_SCALAR_BF16:
        casts->f32_from_bf16(from, narrow, n, &ignored);
        break;
    case INGOT_SCALAR_F32:
        memcpy(narrow, from, n * sizeof *narrow);
        break;
    default:
        for (size_t i = 0; i < n; i++) to[i] = values_number(scalar, from + i * size);
        memset(to + n, 0, (PIECE - n) * sizeof *to);
        return;
    }
    for (size_t i = 0; i < PIECE; i++) to[i] = (double)narrow[i];
}

/* ------------------------------------------------------------------------------------------------- NaN and infinity */

static bool has_not_finite(const struct piece *p)
{
    double sum[LANES] = { 0 }; /* of zeros, or NaN */
    bool found = false;
    for (size_t i = 0; i < PIECE; i += LANES)
        for (size_t k = 0; k < LANES; k++) sum[k] += (p->a[i + k] - p->a[i + k]) + (p->b[i + k] - p->b[i + k]);
    for (size_t k = 0; k < LANES; k++) found |= sum[k] != 0;
    return found;
}

static void note_far(double far, const struct piece *p, size_t i, struct diff_figures *f)
{
    if (far <= f->max_abs) return;
    f->max_abs = far;
    f->max_abs_at = p->at + i;
    f->max_a = p->a[i];
    f->max_b = p->b[i];
}

/* Takes pairs that are not both finite out of the piece, which then has zeros there; the result is how many of them are
 * unequal. */
static uint64_t take_out_not_finite(struct piece *p, struct diff_figures *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (isfinite(p->a[i]) && isfinite(p->b[i])) continue;
        bool same = p->a[i] == p->b[i] || (isnan(p->a[i]) && isnan(p->b[i]));
        if (!same) note_far((double)INFINITY, p, i, f);
        n += !same;
        p->a[i] = p->b[i] = 0;
    }
    f->n_not_finite += n;
    return n;
}

/* ------------------------------------------------------------------------------------------------------------ steps */

/* Numbers of one type in their order, neighbours one apart; +0 and -0 are one. */

static int32_t place16(uint16_t bits)
{
    return bits & 0x8000 ? -(int32_t)(bits & 0x7FFF) : (int32_t)bits;
}

static int64_t place32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? -(int64_t)(bits & INT32_MAX) : (int64_t)bits;
}

static int64_t place64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? -(int64_t)(bits & INT64_MAX) : (int64_t)bits;
}

static uint64_t max_steps64(const struct piece *p)
{
    uint64_t max = 0;
    for (size_t i = 0; i < p->n; i++) {
        int64_t a = place64(p->a[i]), b = place64(p->b[i]);
        uint64_t steps = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
        if (steps > max) max = steps;
    }
    return max;
}

static uint64_t max_steps32(const float *a, const float *b)
{
    int64_t max = 0;
    for (size_t i = 0; i < PIECE; i++) {
        int64_t steps = place32(a[i]) - place32(b[i]);
        steps = steps < 0 ? -steps : steps;
        max = steps > max ? steps : max;
    }
    return (uint64_t)max;
}

static uint64_t max_steps16(const uint16_t *a, const uint16_t *b)
{
    int32_t max = 0;
    for (size_t i = 0; i < PIECE; i++) {
        int32_t steps = place16(a[i]) - place16(b[i]);
        steps = steps < 0 ? -steps : steps;
        max = steps > max ? steps : max;
    }
    return (uint64_t)max;
}

/* Only an f64 can be too large. */
static void narrow(const struct diff_types *types, const struct casts *casts, const double *from, float *to)
{
    struct ingot_cast_stats ignored = { 0 };
    if (types->a == INGOT_SCALAR_F64 || types->b == INGOT_SCALAR_F64)
        casts->f32_from_f64(from, to, PIECE, &ignored);
    else
        for (size_t i = 0; i < PIECE; i++) to[i] = (float)from[i];
}

static void narrow16(const struct diff_types *types, const struct casts *casts, const double *from, uint16_t *to)
{
    float values[PIECE];
    struct ingot_cast_stats ignored = { 0 };
    narrow(types, casts, from, values);
    if (types->ulp == INGOT_SCALAR_F16)
        casts->f16_from_f32(values, to, PIECE, &ignored);
    else
        casts->bf16_from_f32(values, to, PIECE, &ignored);
}

/* Of finite numbers, in the type whose steps are counted. */
static uint64_t max_steps(const struct diff_types *types, const struct casts *casts, const struct piece *p)
{
    float a[PIECE], b[PIECE];
    uint16_t a16[PIECE], b16[PIECE];
    switch (types->ulp) {
    case INGOT_SCALAR_NONE:
        return 0;
    case INGOT_SCALAR_F64:
        return max_steps64(p);
    case INGOT_SCALAR_F16:
    case INGOT_SCALAR_BF16:
        narrow16(types, casts, p->a, a16);
        narrow16(types, casts, p->b, b16);
        return max_steps16(a16, b16);
    default:
        narrow(types, casts, p->a, a);
        narrow(types, casts, p->b, b);
        return max_steps32(a, b);
    }
}

/* --------------------------------------------------------------------------------------------------- finite numbers */

static uint64_t mark_unequal(struct piece *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < PIECE; i++) {
        uint64_t a, b;
        memcpy(&a, &p->a[i], sizeof a);
        memcpy(&b, &p->b[i], sizeof b);
        p->unequal[i] = a != b;
        p->far[i] = fabs(p->a[i] - p->b[i]);
    }
    for (size_t i = 0; i < PIECE; i++) n += p->unequal[i];
    return n;
}

/* The same for 64-bit integers, by their own bits. */
static uint64_t mark_unequal_integers(struct piece *p, const uint8_t *a, const uint8_t *b)
{
    uint64_t n = 0;
    mark_unequal(p);
    for (size_t i = 0; i < p->n; i++) n += p->unequal[i] = memcmp(a + 8 * i, b + 8 * i, 8) != 0;
    return n;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void find_max_abs(const struct piece *p, struct diff_figures *f)
{
    double lanes[LANES] = { 0 }, max = 0;
    for (size_t i = 0; i < PIECE; i += LANES)
        for (size_t k = 0; k < LANES; k++) lanes[k] = larger(p->far[i + k], lanes[k]);
    for (size_t k = 0; k < LANES; k++) max = larger(lanes[k], max);
    if (max <= f->max_abs) return;
    for (size_t i = 0; i < p->n; i++)
        if (p->unequal[i]) note_far(p->far[i], p, i, f);
}

static double find_max_rel(const struct piece *p)
{
    double lanes[LANES] = { 0 }, max = 0;
    for (size_t i = 0; i < PIECE; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double magnitude = larger(fabs(p->a[i + k]), fabs(p->b[i + k]));
            lanes[k] = larger(p->far[i + k] / (magnitude == 0 ? 1 : magnitude), lanes[k]);
        }
    for (size_t k = 0; k < LANES; k++) max = larger(lanes[k], max);
    return max;
}

static uint64_t count_within(const struct diff_tolerance *t, const struct piece *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->n && t->given; i++) {
        double magnitude = larger(fabs(p->a[i]), fabs(p->b[i]));
        n += p->unequal[i] && p->far[i] <= larger(t->absolute, t->relative * magnitude);
    }
    return n;
}

static void add_sums(const struct piece *p, struct diff_figures *f)
{
    double aa[LANES] = { 0 }, bb[LANES] = { 0 }, ab[LANES] = { 0 }, dd[LANES] = { 0 };
    for (size_t i = 0; i < PIECE; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double a = p->a[i + k], b = p->b[i + k], d = a - b;
            aa[k] += a * a;
            bb[k] += b * b;
            ab[k] += a * b;
            dd[k] += d * d;
        }
    for (size_t k = 0; k < LANES; k++) {
        f->aa += aa[k];
        f->bb += bb[k];
        f->ab += ab[k];
        f->dd += dd[k];
    }
}

/* ----------------------------------------------------------------------------------------------------------- pieces */

static void add_piece(const struct diff_types *types, const struct diff_tolerance *tolerance, const struct casts *casts,
                      const uint8_t *a, const uint8_t *b, struct piece *p, struct diff_figures *f)
{
    const bool same_type = types->a == types->b;
    const bool same = same_type && memcmp(a, b, p->n * ingot_scalar_info(types->a)->bytes) == 0;
    uint64_t n_bad = 0, n_unequal = 0, n_within = 0;
    widen(types->a, casts, a, p->n, p->a);
    if (same)
        memcpy(p->b, p->a, sizeof p->b);
    else
        widen(types->b, casts, b, p->n, p->b);
    if (has_not_finite(p)) n_bad = take_out_not_finite(p, f);
    if (!same) n_unequal = same_type && is_wide_integer(types->a) ? mark_unequal_integers(p, a, b) : mark_unequal(p);
    if (n_unequal > 0) {
        find_max_abs(p, f);
        f->max_rel = larger(find_max_rel(p), f->max_rel);
        n_within = count_within(tolerance, p);
        uint64_t steps = max_steps(types, casts, p);
        if (steps > f->max_ulp) f->max_ulp = steps;
    }
    f->n_elems += p->n;
    f->n_equal += p->n - n_bad - n_unequal;
    f->n_within += p->n - n_bad - n_unequal + n_within;
    add_sums(p, f);
}

void diff_run(const struct diff_types *types, const struct diff_tolerance *tolerance, const void *a, const void *b,
              uint64_t n, uint64_t at, struct diff_figures *f)
{
    const struct casts casts = casts_select();
    const size_t size_a = ingot_scalar_info(types->a)->bytes, size_b = ingot_scalar_info(types->b)->bytes;
    const uint8_t *from_a = a, *from_b = b;
    struct piece p;
    f->summed = true;
    for (uint64_t done = 0; done < n; done += p.n) {
        p.n = n - done < PIECE ? (size_t)(n - done) : PIECE;
        p.at = at + done;
        add_piece(types, tolerance, &casts, from_a + done * size_a, from_b + done * size_b, &p, f);
    }
}

/* ----------------------------------------------------------------------------------------------------------- totals */

struct diff_figures diff_figures_none(void)
{
    return (struct diff_figures){ .max_abs = -1 };
}

void diff_merge(struct diff_figures *into, const struct diff_figures *more)
{
    into->n_elems += more->n_elems;
    into->n_equal += more->n_equal;
    into->n_within += more->n_within;
    into->n_not_finite += more->n_not_finite;
    if (more->max_abs > into->max_abs) {
        into->max_abs = more->max_abs;
        into->max_abs_at = more->max_abs_at;
        into->max_a = more->max_a;
        into->max_b = more->max_b;
    }
    if (more->max_rel > into->max_rel) into->max_rel = more->max_rel;
    if (more->max_ulp > into->max_ulp) into->max_ulp = more->max_ulp;
    into->aa += more->aa;
    into->bb += more->bb;
    into->ab += more->ab;
    into->dd += more->dd;
    into->summed |= more->summed;
}

double diff_cosine(const struct diff_figures *f)
{
    if (f->n_equal == f->n_elems) return 1;
    double norms = sqrt(f->aa) * sqrt(f->bb);
    return norms > 0 ? fmin(1, fmax(-1, f->ab / norms)) : (double)NAN;
}

double diff_rms_abs(const struct diff_figures *f)
{
    const uint64_t n = f->n_elems - f->n_not_finite;
    return n > 0 ? sqrt(f->dd / (double)n) : 0;
}

double diff_rms(const struct diff_figures *f)
{
    if (f->n_equal == f->n_elems) return 0;
    return f->aa > 0 ? sqrt(f->dd / f->aa) : (double)NAN;
}
