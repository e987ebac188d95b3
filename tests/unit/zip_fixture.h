/* zip_fixture.h - zip files made byte by byte, each field open to lies. Included by the tests of the PyTorch reader. */
#ifndef INGOT_ZIP_FIXTURE_H
#define INGOT_ZIP_FIXTURE_H

#include "format/bytes.h"
#include "format/simd/crc.h"

#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *p;
    size_t n, cap;
};

static inline void bytes_add(struct bytes *b, const void *from, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->p = realloc(b->p, b->cap);
    }
    if (n) memcpy(b->p + b->n, from, n);
    b->n += n;
}

/* A number of 1 to 8 bytes. */
static inline void bytes_number(struct bytes *b, uint64_t number, size_t width)
{
    uint8_t le[8];
    put_u64(le, number);
    bytes_add(b, le, width);
}

static inline void bytes_text(struct bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

static inline void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){ 0 };
}

/* A block of exactly these bytes, so that a sanitizer sees a read beyond them. */
static inline uint8_t *bytes_exact(const struct bytes *b, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (n) memcpy(exact, b->p, n);
    return exact;
}

#define FIXTURE_MEMBERS 16
struct zip_fixture {
    struct bytes file;
    struct {
        const char *name;
        uint64_t header_off, data_off, n;
        uint32_t crc32;
        uint16_t flags;
        bool wide; /* sizes and offset stand in a zip64 extra field */
    } members[FIXTURE_MEMBERS];
    size_t n_members;
    size_t directory_off, end64_off, locator_off, end_off;
};

#define ZIP_LATER 0x808 /* sizes and CRC behind the bytes, as PyTorch writes */
#define ZIP_WIDE  0x10000

/* flags: 0, or ZIP_LATER; with ZIP_WIDE numbers of 64 bits. */
static inline size_t zip_add(struct zip_fixture *z, const char *name, const void *data, size_t n, unsigned flags)
{
    const size_t i = z->n_members++;
    const bool later = flags & 8, wide = flags & ZIP_WIDE;
    const uint32_t crc = crc_of(CRC_32, data, n);
    struct bytes *f = &z->file;
    z->members[i].name = name;
    z->members[i].header_off = f->n;
    z->members[i].n = n;
    z->members[i].crc32 = crc;
    z->members[i].flags = (uint16_t)flags;
    z->members[i].wide = wide;
    bytes_text(f, "PK\3\4");
    bytes_number(f, 0, 2);
    bytes_number(f, flags & 0xFFFF, 2);
    bytes_number(f, 0, 6);
    bytes_number(f, later ? 0 : crc, 4);
    for (int k = 0; k < 2; k++) bytes_number(f, later ? 0 : wide ? UINT32_MAX : n, 4);
    bytes_number(f, strlen(name), 2);
    bytes_number(f, wide && !later ? 20 : 0, 2);
    bytes_text(f, name);
    if (wide && !later) {
        bytes_number(f, 0x100001, 4);
        for (int k = 0; k < 2; k++) bytes_number(f, n, 8);
    }
    z->members[i].data_off = f->n;
    bytes_add(f, data, n);
    if (!later) return i;
    bytes_text(f, "PK\7\10");
    bytes_number(f, crc, 4);
    for (int k = 0; k < 2; k++) bytes_number(f, n, wide ? 8 : 4);
    return i;
}

/* The directory's entry of member i. */
static inline void zip_add_entry(struct zip_fixture *z, size_t i)
{
    struct bytes *f = &z->file;
    const bool wide = z->members[i].wide;
    bytes_text(f, "PK\1\2");
    bytes_number(f, 0, 4);
    bytes_number(f, z->members[i].flags, 2);
    bytes_number(f, 0, 6);
    bytes_number(f, z->members[i].crc32, 4);
    for (int k = 0; k < 2; k++) bytes_number(f, wide ? UINT32_MAX : z->members[i].n, 4);
    bytes_number(f, strlen(z->members[i].name), 2);
    bytes_number(f, wide ? 28 : 0, 2);
    bytes_number(f, 0, 8);
    bytes_number(f, 0, 2);
    bytes_number(f, wide ? UINT32_MAX : z->members[i].header_off, 4);
    bytes_text(f, z->members[i].name);
    if (!wide) return;
    bytes_number(f, 0x180001, 4);
    for (int k = 0; k < 2; k++) bytes_number(f, z->members[i].n, 8);
    bytes_number(f, z->members[i].header_off, 8);
}

static inline void zip_add_end64(struct zip_fixture *z, size_t directory_bytes)
{
    struct bytes *f = &z->file;
    z->end64_off = f->n;
    bytes_text(f, "PK\6\6");
    bytes_number(f, 44, 8);
    bytes_number(f, 0, 4);
    bytes_number(f, 0, 8);
    for (int k = 0; k < 2; k++) bytes_number(f, z->n_members, 8);
    bytes_number(f, directory_bytes, 8);
    bytes_number(f, z->directory_off, 8);
    z->locator_off = f->n;
    bytes_text(f, "PK\6\7");
    bytes_number(f, 0, 4);
    bytes_number(f, z->end64_off, 8);
    bytes_number(f, 1, 4);
}

/* `wide`: with a zip64 end record, as PyTorch always writes. */
static inline void zip_finish(struct zip_fixture *z, bool wide)
{
    struct bytes *f = &z->file;
    z->directory_off = f->n;
    for (size_t i = 0; i < z->n_members; i++) zip_add_entry(z, i);
    const size_t directory_bytes = f->n - z->directory_off;
    if (wide) zip_add_end64(z, directory_bytes);
    z->end_off = f->n;
    bytes_text(f, "PK\5\6");
    bytes_number(f, 0, 4);
    for (int k = 0; k < 2; k++) bytes_number(f, z->n_members, 2);
    bytes_number(f, directory_bytes, 4);
    bytes_number(f, z->directory_off, 4);
    bytes_number(f, 0, 2);
}

#endif
