/* human.h - numbers as people read them. Each returns its text by value: human_bytes(n).text lives until the end of the
 * full expression. */
#ifndef INGOT_CLI_HUMAN_H
#define INGOT_CLI_HUMAN_H

#include "format/ingot_format.h"

struct human {
    char text[48];
};

struct human human_count(uint64_t n);                    /* 124,439,808 */
struct human human_bytes(uint64_t n);                    /* 498 MB (decimal units, three digits) */
struct human human_rate(double bytes_a_second);          /* 1.24 GB/s */
struct human human_operations(double n);                 /* 292 MFLOP */
struct human human_share(uint64_t part, uint64_t whole); /* 31.0 % */
struct human human_clock(double seconds);                /* 0:07, 1:02:03 */
struct human human_duration(double seconds);             /* 12.3 ms, 1.20 s */
struct human human_digest(struct ingot_digest digest);   /* 32 hexadecimal digits, high half first */

/* "50257 x 768"; "scalar" for rank 0. Needs up to 8 * 23 bytes; what does not fit is cut. */
void human_shape(uint32_t rank, const uint64_t *shape, char *out, size_t cap);

#endif
