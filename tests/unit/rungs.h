/* rungs.h - tests that run once for every rung of the ladder, and what their operands are made of. */
#ifndef INGOT_TESTS_RUNGS_H
#define INGOT_TESTS_RUNGS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/kernels/kernels.h"
#include "tests/unit/random.h"

/* ---- tests */

struct rung_test {
    const char *name;
    CMUnitTestFunction test;
    enum { FLOATS, INTEGERS, FAST, LADDER, ONE_TIME } how;
};

#define RUNG_TEST(function, how)                                                                                       \
    {                                                                                                                  \
#function, function, how                                                                                       \
    }
/* For each rung and each emulated table of kernels; the same for integer products, and for fast kernels where a rung
 * has any; for each rung of the ladder, as programs have it; once. */
#define FOR_RUNGS(function)       RUNG_TEST(function, FLOATS)
#define FOR_QUANT_RUNGS(function) RUNG_TEST(function, INTEGERS)
#define FOR_FAST_RUNGS(function)  RUNG_TEST(function, FAST)
#define FOR_LADDER(function)      RUNG_TEST(function, LADDER)
#define ONCE(function)            RUNG_TEST(function, ONE_TIME)

/* Runs each test as often as it says; its state is the name of a rung. */
int run_for_rungs(const struct rung_test *tests, size_t n);

/* The rung of a test's state; a counted skip where it cannot run. One that is emulated may have NULL for the kernels
 * that are tested under another name. */
const struct rung *rung_of(void **state);

/* ---- panels of floats: f32, f16, bf16 */

size_t panel_element_bytes(enum ingot_dtype dtype);
/* Offset of a weight in its panel, as format/ingot_format.h defines panel16. */
size_t panel_element_offset(enum ingot_dtype dtype, size_t k, size_t lane);
/* Bytes of a panel of n_in inputs, padding included. */
size_t panel_bytes_padded(enum ingot_dtype dtype, size_t n_in);

/* ---- guarded memory */

struct guarded {
    void *map;
    size_t map_bytes;
    void *data; /* its last byte is the last of a page that an unmapped one follows */
};

struct guarded guarded_alloc(size_t bytes);
void guarded_free(struct guarded g);

/* ---- numbers and bits */

/* How strange the numbers are. With infinities and NaN nearly every long chain ends in NaN, so they come separately. */
enum strangeness { ORDINARY, EXTREME, NOT_FINITE };

uint32_t random_bits(uint64_t *seed, enum strangeness strange); /* of a float */
float float_of(uint32_t bits);
bool same_bits(float a, float b); /* or both NaN */
void assert_same_floats(const float *got, const float *want, size_t n, const char *what);

#endif
