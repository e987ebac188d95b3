/* cast.h - runs of casts. The scalar table is the definition; format/simd/cast_avx2.c gives the same bits and counts.
 */
#ifndef INGOT_CAST_H
#define INGOT_CAST_H

#include "format/ingot_format.h"

/* Casts n elements. `from` and `to` are contiguous, of any alignment, and do not overlap. */
struct casts {
    void (*f16_from_f32)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    void (*bf16_from_f32)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    void (*f32_from_f16)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    void (*f32_from_bf16)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    void (*f32_from_f64)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    void (*f64_from_f32)(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);
    /* Rounds to odd: a second rounding to a narrower type is then as good as one from f64 (Boldo and Melquiond, "When
     * double rounding is odd", 2005). Counts nothing: the second cast does. */
    void (*f32_from_f64_odd)(const void *from, void *to, size_t n);
    /* 16 x 16 elements of 4 bytes, aligned to 4; rows of `from` become columns of `to`. */
    void (*transpose32)(const void *from, void *to);
    /* Rows of 16 elements of 2 bytes, two by two: to[pair][lane][0 and 1] = from[2 pair and 2 pair + 1][lane]. */
    void (*pairs16)(const void *from, void *to, size_t n_pairs);
    /* The inverse: to[2 pair and 2 pair + 1][lane] = from[pair][lane][0 and 1]. */
    void (*unpairs16)(const void *from, void *to, size_t n_pairs);
};

extern const struct casts casts_scalar;
#if defined(__x86_64__)
extern const struct casts casts_avx2; /* NULL where the scalar one serves */
#endif

/* The best of each that runs here. Asks the CPU each time: once per chunk, not once per row. */
struct casts casts_select(void);

#endif
