/* sha256.h - SHA-256 (FIPS 180-4), for lists of files that `sha256sum -c` checks. */
#ifndef INGOT_SHA256_H
#define INGOT_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#define SHA256_BYTES 32u

struct sha256 {
    uint8_t bytes[SHA256_BYTES];
};

/* Of n bytes, in steps: `step` (may be NULL) is told how many bytes each one was, and false from it ends the work.
 * False then, and *out is left alone. */
bool sha256_in_steps(const void *bytes, uint64_t n, bool (*step)(void *ctx, uint64_t bytes), void *ctx,
                     struct sha256 *out);

/* 64 hexadecimal digits. */
void sha256_text(const struct sha256 *digest, char out[2 * SHA256_BYTES + 1]);

#endif
