/* diff_values.c - everything is widened to f64, which holds every number of every type but the largest integers, in
 * pieces that stay in the first cache. Pieces of the same bits need only their squares. */
#include "inspect/diff_values.h"

#include "format/cast.h"
#include "inspect/values.h"

#include <math.h>
#include <string.h>

#define PIECE 1024u
#define LANES 8u

/* Both sides, widened. */
struct piece {
    double a[PIECE], b[PIECE];
    size_t n;
};

/* ------------------------------------------------------------------------------------------------------------- types
 */

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

/* Exactly, but for integers beyond 2^53. */
static void widen(enum ingot_scalar scalar, const struct casts *casts, const uint8_t *from, size_t n, double *to)
{
    float narrow[PIECE];
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
        return;
    }
    for (size_t i = 0; i < n; i++) to[i] = (double)narrow[i];
}

/* ------------------------------------------------------------------------------------------------------------- steps
 */

/* Numbers of one type in their order, neighbours one apart; +0 and -0 are one. */

static int64_t place_of_bits(uint64_t bits, unsigned width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);
    return bits & sign ? -(int64_t)(bits & (sign - 1)) : (int64_t)bits;
}

static int64_t place_in(enum ingot_scalar type, double value)
{
    float f32 = ingot_f32_from_f64(value);
    uint32_t bits32;
    uint64_t bits64;
    memcpy(&bits32, &f32, sizeof bits32);
    memcpy(&bits64, &value, sizeof bits64);
    switch (type) {
    case INGOT_SCALAR_F16:
        return place_of_bits(ingot_f16_from_f32(f32), 16);
    case INGOT_SCALAR_BF16:
        return place_of_bits(ingot_bf16_from_f32(f32), 16);
    case INGOT_SCALAR_F64:
        return place_of_bits(bits64, 64);
    default:
        return place_of_bits(bits32, 32);
    }
}

static uint64_t steps_between(enum ingot_scalar type, double a, double b)
{
    if (type == INGOT_SCALAR_NONE) return 0;
    int64_t x = place_in(type, a), y = place_in(type, b);
    return x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
}

/* -------------------------------------------------------------------------------------------------------------- pairs
 */

static bool same_number(double a, double b)
{
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y || (isnan(a) && isnan(b));
}

static bool is_within(const struct diff_tolerance *t, double a, double b)
{
    double magnitude = fmax(fabs(a), fabs(b)), allowed = fmax(t->absolute, t->relative * magnitude);
    return t->given && isfinite(a) && isfinite(b) && fabs(a - b) <= allowed;
}

/* A pair that is not equal. */
static void add_unequal(const struct diff_types *types, const struct diff_tolerance *tolerance, double a, double b,
                        uint64_t at, struct diff_figures *f)
{
    bool finite = isfinite(a) && isfinite(b);
    double far = finite ? fabs(a - b) : (double)INFINITY, magnitude = fmax(fabs(a), fabs(b));
    f->n_within += is_within(tolerance, a, b);
    f->n_not_finite += !finite;
    if (far > f->max_abs) {
        f->max_abs = far;
        f->max_abs_at = at;
        f->max_a = a;
        f->max_b = b;
    }
    if (!finite) return;
    if (magnitude > 0 && far / magnitude > f->max_rel) f->max_rel = far / magnitude;
    uint64_t steps = steps_between(types->ulp, a, b);
    if (steps > f->max_ulp) f->max_ulp = steps;
}

/* Eight sums side by side, so that an addition need not wait for the one before it. */
static void add_sums(const struct piece *p, struct diff_figures *f)
{
    double aa[LANES] = { 0 }, bb[LANES] = { 0 }, ab[LANES] = { 0 }, dd[LANES] = { 0 };
    for (size_t i = 0; i < PIECE; i += LANES) /* behind n there are zeros */
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

/* Takes pairs out of the sums that would spoil them, and fills up with zeros. */
static void prepare_sums(struct piece *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!isfinite(p->a[i]) || !isfinite(p->b[i])) p->a[i] = p->b[i] = 0;
    for (size_t i = p->n; i < PIECE; i++) p->a[i] = p->b[i] = 0;
}

void diff_run(const struct diff_types *types, const struct diff_tolerance *tolerance, const void *a, const void *b,
              uint64_t n, uint64_t at, struct diff_figures *f)
{
    const struct casts casts = casts_select();
    const size_t size_a = ingot_scalar_info(types->a)->bytes, size_b = ingot_scalar_info(types->b)->bytes;
    const uint8_t *from_a = a, *from_b = b;
    const bool same_type = types->a == types->b;
    struct piece p;
    f->summed = true;
    f->n_elems += n;
    for (; n > 0; n -= p.n, at += p.n, from_a += p.n * size_a, from_b += p.n * size_b) {
        p.n = n < PIECE ? (size_t)n : PIECE;
        bool all_same = same_type && memcmp(from_a, from_b, p.n * size_a) == 0;
        widen(types->a, &casts, from_a, p.n, p.a);
        if (all_same)
            memcpy(p.b, p.a, p.n * sizeof p.a[0]);
        else
            widen(types->b, &casts, from_b, p.n, p.b);
        uint64_t n_same = all_same ? p.n : 0;
        for (size_t i = 0; i < p.n && !all_same; i++) {
            bool same = same_number(p.a[i], p.b[i]);
            if (same && same_type && is_wide_integer(types->a))
                same = memcmp(from_a + i * size_a, from_b + i * size_a, size_a) == 0;
            n_same += same;
            if (!same) add_unequal(types, tolerance, p.a[i], p.b[i], at + i, f);
        }
        f->n_equal += n_same;
        f->n_within += n_same;
        prepare_sums(&p);
        add_sums(&p, f);
    }
}

/* -------------------------------------------------------------------------------------------------------------- totals
 */

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

double diff_rms(const struct diff_figures *f)
{
    if (f->n_equal == f->n_elems) return 0;
    return f->aa > 0 ? sqrt(f->dd / f->aa) : (double)NAN;
}
