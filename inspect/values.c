/* values.c - gathering goes by the source's own rules, or through the panels of an .ingot file; then one element at a
 * time becomes text. Gathered bytes may lie at any address, so elements are copied out before they are looked at. */
#include "inspect/values.h"

#include "format/bytes.h"
#include "format/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ingot_scalar values_scalar(const struct checkpoint_tensor *t)
{
    return t->origin.block ? INGOT_SCALAR_F32 : t->origin.scalar;
}

enum ingot_status values_check(const struct checkpoint_tensor *t, struct ingot_error *err)
{
    char shown[128];
    if (values_scalar(t) == INGOT_SCALAR_NONE)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, t->name,
                          "ingot ls -l says where its bytes are in the file", "elements of type %s cannot be decoded",
                          ingot_escape(t->dtype_name, strlen(t->dtype_name), shown, sizeof shown));
    if (t->origin.n_slices > 0)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, t->name, "save the model with whole variables",
                          "stored in %u slice%s (a partitioned variable)", t->origin.n_slices,
                          plural(t->origin.n_slices));
    if (checkpoint_is_absent(t))
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, t->name, "put the file beside the others",
                          "%s, which should hold its values, is not here",
                          ingot_escape(t->part_file, strlen(t->part_file), shown, sizeof shown));
    return INGOT_OK;
}

static void gather_panels(const struct checkpoint_tensor *t, uint64_t first, uint64_t n, void *out)
{
    struct ingot_section s = { .dtype = t->dtype, .layout = t->layout, .rank = t->rank, .data = t->data };
    memcpy(s.shape, t->shape, sizeof s.shape);
    ingot_unpack(&s, false, t->origin.block ? INGOT_F32 : t->dtype, first, n, out, NULL);
}

void values_gather(const struct checkpoint_tensor *t, uint64_t first, uint64_t n, void *out)
{
    if (n == 0) return;
    if (t->layout == INGOT_ROWS)
        ingot_source_gather(&t->origin, first, n, out);
    else
        gather_panels(t, first, n, out);
}

/* ------------------------------------------------------------------------------------------------ numbers */

/* Micikevicius et al., "FP8 formats for deep learning", 2022, table 1: bias 7, no infinities, one NaN of each sign. */
static float f32_from_e4m3(uint8_t bits)
{
    unsigned exponent = bits >> 3 & 15, mantissa = bits & 7;
    float magnitude;
    if ((bits & 0x7F) == 0x7F)
        magnitude = NAN;
    else if (exponent == 0)
        magnitude = ldexpf((float)mantissa, -9);
    else
        magnitude = ldexpf((float)(8 + mantissa), (int)exponent - 10);
    return bits & 0x80 ? -magnitude : magnitude;
}

static double f64_at(const uint8_t *p)
{
    double d;
    memcpy(&d, p, sizeof d);
    return d;
}

static float f32_at(const uint8_t *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return f;
}

static bool is_unsigned(enum ingot_scalar scalar, const uint8_t *p, uint64_t *out)
{
    switch (scalar) {
    case INGOT_SCALAR_BOOL:
        *out = *p != 0;
        return true;
    case INGOT_SCALAR_U8:
        *out = *p;
        return true;
    case INGOT_SCALAR_U16:
        *out = get_u16(p);
        return true;
    case INGOT_SCALAR_U32:
        *out = get_u32(p);
        return true;
    case INGOT_SCALAR_U64:
        *out = get_u64(p);
        return true;
    default:
        return false;
    }
}

static bool is_signed(enum ingot_scalar scalar, const uint8_t *p, int64_t *out)
{
    switch (scalar) {
    case INGOT_SCALAR_I8:
        *out = *p < 128 ? *p : *p - 256;
        return true;
    case INGOT_SCALAR_I16:
        *out = (int16_t)get_u16(p);
        return true;
    case INGOT_SCALAR_I32:
        *out = (int32_t)get_u32(p);
        return true;
    case INGOT_SCALAR_I64:
        *out = (int64_t)get_u64(p);
        return true;
    default:
        return false;
    }
}

static bool is_f64(enum ingot_scalar scalar)
{
    return scalar == INGOT_SCALAR_F64 || scalar == INGOT_SCALAR_C128;
}

/* The real part of complex numbers. */
static double float_at(enum ingot_scalar scalar, const uint8_t *p)
{
    switch (scalar) {
    case INGOT_SCALAR_F8_E4M3:
        return (double)f32_from_e4m3(*p);
    case INGOT_SCALAR_F8_E5M2: /* the upper half of an f16 */
        return (double)ingot_f32_from_f16((uint16_t)(*p << 8));
    case INGOT_SCALAR_F16:
        return (double)ingot_f32_from_f16(get_u16(p));
    case INGOT_SCALAR_BF16:
        return (double)ingot_f32_from_bf16(get_u16(p));
    default:
        return is_f64(scalar) ? f64_at(p) : (double)f32_at(p);
    }
}

double values_number(enum ingot_scalar scalar, const void *element)
{
    uint64_t u;
    int64_t i;
    if (is_unsigned(scalar, element, &u)) return (double)u;
    if (is_signed(scalar, element, &i)) return (double)i;
    return float_at(scalar, element);
}

/* --------------------------------------------------------------------------------------------------- text */

/* The fewest digits that read back; between 6 and 9 (15 and 17) there always are some. */
static void shortest(double value, bool wide, char out[32])
{
    for (int digits = wide ? 15 : 6;; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (wide ? digits == 17 || strtod(out, NULL) == value : digits == 9 || strtof(out, NULL) == (float)value)
            return;
    }
}

static size_t float_text(double value, bool wide, enum values_style style, char *out)
{
    const char *quote = style == VALUES_JSON ? "\"" : "", *sign = signbit(value) ? "-" : "";
    char digits[32];
    if (isnan(value)) return (size_t)sprintf(out, "%snan%s", quote, quote);
    if (isinf(value)) return (size_t)sprintf(out, "%s%sinf%s", quote, sign, quote);
    if (style == VALUES_BRIEF)
        snprintf(digits, sizeof digits, "%.6g", value);
    else
        shortest(value, wide, digits);
    int mantissa = (int)strcspn(digits, "e"); /* a float in JSON keeps being one, and in YAML 1.1 too: 1.0e-05 */
    bool point = style != VALUES_JSON || memchr(digits, '.', (size_t)mantissa);
    return (size_t)sprintf(out, "%.*s%s%s", mantissa, digits, point ? "" : ".0", digits + mantissa);
}

static size_t complex_text(enum ingot_scalar scalar, const uint8_t *p, enum values_style style, char *out)
{
    bool wide = is_f64(scalar);
    double re = float_at(scalar, p), im = float_at(scalar, p + (wide ? 8 : 4));
    char a[40], b[40];
    float_text(re, wide, style, a);
    float_text(im, wide, style, b);
    if (style == VALUES_JSON) return (size_t)snprintf(out, VALUES_TEXT_MAX, "[%s,%s]", a, b);
    return (size_t)snprintf(out, VALUES_TEXT_MAX, "%s%s%sj", a, *b == '-' ? "" : "+", b);
}

size_t values_text(enum ingot_scalar scalar, const void *element, enum values_style style, char out[VALUES_TEXT_MAX])
{
    uint64_t u;
    int64_t i;
    if (scalar == INGOT_SCALAR_BOOL) return (size_t)sprintf(out, "%s", *(const uint8_t *)element ? "true" : "false");
    if (is_unsigned(scalar, element, &u)) return (size_t)sprintf(out, "%" PRIu64, u);
    if (is_signed(scalar, element, &i)) return (size_t)sprintf(out, "%" PRId64, i);
    if (scalar == INGOT_SCALAR_C64 || scalar == INGOT_SCALAR_C128) return complex_text(scalar, element, style, out);
    return float_text(float_at(scalar, element), is_f64(scalar), style, out);
}
