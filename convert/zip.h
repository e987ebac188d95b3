/* zip.h - the members of a zip file in memory, all of them stored: what PyTorch writes.
 *
 * Strict: the central directory and the local headers must tell the same story, for where they differ two readers see
 * two files. Nothing is unpacked, no byte of a member is touched.
 *
 * Format: PKWARE's APPNOTE.TXT, sections 4.3 to 4.5. */
#ifndef INGOT_ZIP_H
#define INGOT_ZIP_H

#include "convert/ingot_convert.h"

#define ZIP_MAX_MEMBERS (1u << 20)

struct zip_member {
    const char *name; /* borrowed, not NUL-terminated; hostile; without NUL */
    uint32_t name_bytes;
    uint32_t crc32;      /* as stored, not yet compared */
    uint64_t off;        /* of the first byte in the file */
    uint64_t n_bytes;    /* inside the file */
    uint64_t header_off; /* of the local header */
    uint64_t end;        /* behind the last byte and the data descriptor */
};

struct zip {
    struct zip_member *members; /* in order of their names */
    size_t n;
};

/* Lists a whole file. Time is n log n, memory that of the members; free with zip_free(). `path` names the file in
 * errors. Errors: TRUNCATED and SOURCE for a malformed or contradictory file; RANGE for a place outside of it; OVERLAP
 * for members that share bytes; UNSUPPORTED for compression, encryption and several disks, by name; LIMIT. */
enum ingot_status zip_list(const uint8_t *bytes, uint64_t size, const char *path, struct zip *out,
                           struct ingot_error *err);

/* NULL when there is none. */
const struct zip_member *zip_find(const struct zip *zip, const char *name, size_t name_bytes);

void zip_free(struct zip *zip);

#endif
