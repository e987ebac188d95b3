/* values.h - the values of any tensor, whatever its file, layout, strides and elements. */
#ifndef INGOT_VALUES_H
#define INGOT_VALUES_H

#include "inspect/checkpoint.h"

/* How an element is seen once it is gathered: those of blocks are F32. NONE when nobody can decode them. */
enum ingot_scalar values_scalar(const struct checkpoint_tensor *t);

/* Whether the values can be read. UNSUPPORTED for elements that cannot be decoded, MISSING when the file that should
 * hold them is not here; both name the tensor. */
enum ingot_status values_check(const struct checkpoint_tensor *t, struct ingot_error *err);

/* Elements first .. first + n - 1 in row-major order of the shape, each of the bytes of values_scalar(). The tensor has
 * passed values_check(), the range lies inside its shape, `out` is aligned as malloc() aligns. */
void values_gather(const struct checkpoint_tensor *t, uint64_t first, uint64_t n, void *out);

#define VALUES_TEXT_MAX 80

enum values_style {
    VALUES_EXACT, /* reads back as the same value; f16, bf16 and f8 as the f32 that they widen to */
    VALUES_BRIEF, /* floats in six digits */
    VALUES_JSON,  /* as VALUES_EXACT; nan, inf and -inf are strings, complex numbers are pairs */
};

/* One element as text: 1e-05, -inf, nan, true, 18446744073709551615, 1.5-2j. Returns its length. */
size_t values_text(enum ingot_scalar scalar, const void *element, enum values_style style, char out[VALUES_TEXT_MAX]);

/* One element as a double; integers beyond 2^53 round. Not for complex numbers, which give their real part. */
double values_number(enum ingot_scalar scalar, const void *element);

#endif
