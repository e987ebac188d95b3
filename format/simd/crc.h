/* crc.h - the two 32-bit checksums that foreign checkpoints carry: CRC-32C (Castagnoli; TensorFlow) and CRC-32 (zip).
 *
 * Both are the usual reflected form: initial value and final xor of all ones. One body serves both: carry-less
 * multiplication folds 64 bytes at a time where the CPU has it, a table of 8 x 256 does it elsewhere. */
#ifndef INGOT_CRC_H
#define INGOT_CRC_H

#include <stddef.h>
#include <stdint.h>

enum crc_polynomial { CRC_32, CRC_32C };

/* The checksum of n bytes. */
uint32_t crc_of(enum crc_polynomial polynomial, const void *bytes, size_t n);

/* The checksum of A followed by B, from the checksum of each and the length of B: chunks can be done by many threads
 * and joined. */
uint32_t crc_join(enum crc_polynomial polynomial, uint32_t of_a, uint32_t of_b, uint64_t b_bytes);

/* As LevelDB and TensorFlow store a CRC-32C, so that a checksum of bytes that hold checksums stays one. */
static inline uint32_t crc_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + UINT32_C(0xA282EAD8);
}

/* The definition, bit by bit: what the others are tested against. */
uint32_t crc_by_definition(enum crc_polynomial polynomial, const void *bytes, size_t n);

/* What crc_of() chooses from: the register after n more bytes. */
typedef uint32_t crc_advance_fn(enum crc_polynomial polynomial, uint32_t state, const void *bytes, size_t n);
crc_advance_fn crc_advance_bits, crc_advance_table;
#if defined(__x86_64__)
extern crc_advance_fn *const crc_advance_clmul; /* needs PCLMULQDQ */
#endif

#endif
