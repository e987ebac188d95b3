/* zip.c - end record, central directory, local headers: three descriptions of one file that must agree.
 *
 * The end record is searched for backwards, then everything has one place: the directory ends where the end records
 * begin, every member lies in front of the directory. Sizes come from the directory; a local header may leave them to
 * the data descriptor behind the bytes, which must then repeat them. */
#include "convert/zip.h"

#include "convert/array.h"
#include "format/bytes.h"
#include "format/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOCAL_MAGIC      0x04034b50u
#define DESCRIPTOR_MAGIC 0x08074b50u
#define CENTRAL_MAGIC    0x02014b50u
#define END64_MAGIC      0x06064b50u
#define LOCATOR_MAGIC    0x07064b50u
#define END_MAGIC        0x06054b50u

#define LOCAL_BYTES   30u
#define CENTRAL_BYTES 46u
#define END64_BYTES   56u
#define LOCATOR_BYTES 20u
#define END_BYTES     22u
#define MAX_COMMENT   65535u

#define FLAG_ENCRYPTED  0x0001u
#define FLAG_DESCRIPTOR 0x0008u
#define FLAG_PATCH      0x0020u
#define FLAG_STRONG     0x0040u
#define FLAG_UTF8       0x0800u
#define FLAG_MASKED     0x2000u

#define EXTRA_ZIP64   1u
#define IN_EXTRA_32   UINT32_MAX /* the field stands in the zip64 extra field */
#define IN_EXTRA_16   UINT16_MAX
#define ADVICE_STORED "save it again with torch.save(), which stores members as they are"

struct reader {
    const uint8_t *bytes;
    uint64_t size;
    const char *path;
    uint64_t directory_off, directory_bytes, n_members;
};

/* What both headers of a member say. */
struct header {
    uint16_t flags, method, name_bytes, extra_bytes, comment_bytes, disk;
    uint32_t crc32, packed32, plain32, off32;
    uint64_t packed, plain, off; /* after the zip64 extra field */
    const char *name;
    const uint8_t *extra;
    uint64_t at; /* of the header in the file */
};

__attribute__((format(printf, 5, 6))) static enum ingot_status bad_member(const struct reader *r,
                                                                          const struct header *h,
                                                                          enum ingot_status status,
                                                                          struct ingot_error *err, const char *fmt, ...)
{
    char what[224], shown[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(err, status, h->at, r->path, status == INGOT_E_UNSUPPORTED ? ADVICE_STORED : ADVICE_COPY,
                      "member %s: %s", ingot_escape(h->name, h->name_bytes, shown, sizeof shown), what);
}

/* ------------------------------------------------------------------------------------------------------ end records */

/* The comment must reach exactly to the end of the file; two places where it does would be two directories. */
static enum ingot_status find_end(const struct reader *r, uint64_t *out, struct ingot_error *err)
{
    const uint64_t least = r->size - END_BYTES > MAX_COMMENT ? r->size - END_BYTES - MAX_COMMENT : 0;
    size_t n_found = 0;
    for (uint64_t at = r->size - END_BYTES + 1; at-- > least;) {
        const uint8_t *p = r->bytes + at;
        if (p[0] != 'P' || get_u32(p) != END_MAGIC || get_u16(p + 20) != r->size - END_BYTES - at) continue;
        if (n_found++ > 0)
            return ingot_fail(err, INGOT_E_SOURCE, at, r->path, ADVICE_COPY,
                              "two ends of the zip file, the other at %" PRIu64, *out);
        *out = at;
    }
    if (n_found == 1) return INGOT_OK;
    return ingot_fail(err, INGOT_E_TRUNCATED, r->size, r->path, ADVICE_COPY,
                      "a zip file without its end: the list of its members is missing");
}

/* A field of the end record is that of the zip64 record, or says that it stands there. */
static bool agrees(uint64_t narrow, uint64_t mark, uint64_t wide)
{
    return narrow == mark || narrow == wide;
}

static enum ingot_status bad_end(const struct reader *r, uint64_t at, enum ingot_status status, const char *what,
                                 struct ingot_error *err)
{
    return ingot_fail(err, status, at, r->path, ADVICE_COPY, "%s", what);
}

/* The zip64 record and its locator, right in front of the end record. *begin moves to where the records begin. */
static enum ingot_status read_end64(struct reader *r, uint64_t end, uint64_t *begin, struct ingot_error *err)
{
    const uint64_t locator = end - LOCATOR_BYTES;
    const uint8_t *p = r->bytes + locator, *e = r->bytes + end;
    const uint64_t at = get_u64(p + 8);
    if (get_u32(p + 4) != 0 || get_u32(p + 16) > 1)
        return bad_end(r, locator, INGOT_E_UNSUPPORTED, "a zip file on several disks", err);
    if (!span_inside(at, END64_BYTES, locator))
        return bad_end(r, locator, INGOT_E_RANGE, "the zip64 end record lies outside of the file", err);
    p = r->bytes + at;
    if (get_u32(p) != END64_MAGIC || get_u64(p + 4) != locator - at - 12)
        return bad_end(r, at, INGOT_E_SOURCE, "not the zip64 end record that its locator promises", err);
    if (get_u32(p + 16) != 0 || get_u32(p + 20) != 0 || get_u64(p + 24) != get_u64(p + 32))
        return bad_end(r, at, INGOT_E_UNSUPPORTED, "a zip file on several disks", err);
    r->n_members = get_u64(p + 32);
    r->directory_bytes = get_u64(p + 40);
    r->directory_off = get_u64(p + 48);
    *begin = at;
    if (!agrees(get_u16(e + 10), IN_EXTRA_16, r->n_members) ||
        !agrees(get_u32(e + 12), IN_EXTRA_32, r->directory_bytes) ||
        !agrees(get_u32(e + 16), IN_EXTRA_32, r->directory_off))
        return bad_end(r, end, INGOT_E_SOURCE, "the two end records contradict each other", err);
    return INGOT_OK;
}

static enum ingot_status read_end(struct reader *r, struct ingot_error *err)
{
    uint64_t end = 0;
    if (r->size < END_BYTES)
        return bad_end(r, r->size, INGOT_E_TRUNCATED, "a zip file without its end: the list of its members is missing",
                       err);
    enum ingot_status status = find_end(r, &end, err);
    if (status != INGOT_OK) return status;
    uint64_t begin = end;
    const uint8_t *e = r->bytes + end;
    const uint16_t disk = get_u16(e + 4), directory_disk = get_u16(e + 6);
    const bool wide = end >= LOCATOR_BYTES && get_u32(e - LOCATOR_BYTES) == LOCATOR_MAGIC;
    if (get_u16(e + 8) != get_u16(e + 10) || !agrees(disk, wide ? IN_EXTRA_16 : 0, 0) ||
        !agrees(directory_disk, wide ? IN_EXTRA_16 : 0, 0))
        return bad_end(r, end, INGOT_E_UNSUPPORTED, "a zip file on several disks", err);
    r->n_members = get_u16(e + 10);
    r->directory_bytes = get_u32(e + 12);
    r->directory_off = get_u32(e + 16);
    if (wide) status = read_end64(r, end, &begin, err);
    if (status != INGOT_OK) return status;
    if (r->directory_off > begin || r->directory_bytes != begin - r->directory_off)
        return bad_end(r, end, INGOT_E_RANGE, "the list of members does not end where the end record begins", err);
    if (r->n_members > ZIP_MAX_MEMBERS)
        return ingot_fail(err, INGOT_E_LIMIT, end, r->path, NULL, "%" PRIu64 " members; the limit is %u", r->n_members,
                          ZIP_MAX_MEMBERS);
    if (r->n_members > r->directory_bytes / CENTRAL_BYTES)
        return bad_end(r, end, INGOT_E_SOURCE, "more members than the list of members has room for", err);
    return INGOT_OK;
}

/* ---------------------------------------------------------------------------------------------------- both headers */

/* Takes 8 bytes for a field that says that it stands in the extra field. */
static void widen(struct cursor *c, uint32_t narrow, uint64_t *wide)
{
    *wide = narrow == IN_EXTRA_32 ? cursor_u64(c) : narrow;
}

/* Walks the extra field; whatever is not zip64's is stepped over, as padding and dates are. */
static enum ingot_status read_extra(const struct reader *r, struct header *h, struct ingot_error *err)
{
    struct cursor all = { h->extra, h->extra_bytes, 0, false }, wide = { 0 };
    size_t n_wide = 0;
    while (all.left > 0 && !all.bad) {
        const uint16_t id = cursor_u16(&all), n = cursor_u16(&all);
        const uint8_t *body = cursor_take(&all, n);
        if (id != EXTRA_ZIP64 || all.bad) continue;
        wide = (struct cursor){ body, n, 0, false };
        n_wide++;
    }
    widen(&wide, h->plain32, &h->plain);
    widen(&wide, h->packed32, &h->packed);
    widen(&wide, h->off32, &h->off);
    if (h->disk == IN_EXTRA_16) h->disk = cursor_u32(&wide) != 0;
    if (all.bad || wide.bad || n_wide > 1)
        return bad_member(r, h, INGOT_E_SOURCE, err, "a malformed extra field in the header");
    return INGOT_OK;
}

/* Compression and encryption, by name. */
static enum ingot_status check_plain(const struct reader *r, const struct header *h, struct ingot_error *err)
{
    static const struct {
        uint16_t method;
        const char *name;
    } methods[] = { { 8, "deflate" }, { 9, "deflate64" }, { 12, "bzip2" }, { 14, "LZMA" },
                    { 93, "zstd" },   { 95, "xz" },       { 99, "AES" } };
    if (h->flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED))
        return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "encrypted (flags 0x%x)", h->flags);
    if (h->flags & FLAG_PATCH) return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "a compressed patch (flag 0x20)");
    if (h->flags & (uint16_t) ~(FLAG_DESCRIPTOR | FLAG_UTF8))
        return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "flags 0x%x; expected none but 0x808", h->flags);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (h->method == methods[i].method)
            return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "compressed with %s", methods[i].name);
    if (h->method != 0) return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "compressed with method %u", h->method);
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------- directory */

static enum ingot_status read_central(const struct reader *r, struct cursor *c, struct header *h,
                                      struct ingot_error *err)
{
    *h = (struct header){ .at = c->at };
    const uint8_t *p = cursor_take(c, CENTRAL_BYTES);
    if (!p || get_u32(p) != CENTRAL_MAGIC)
        return ingot_fail(err, INGOT_E_SOURCE, h->at, r->path, ADVICE_COPY, "expected an entry of the list of members");
    h->flags = get_u16(p + 8);
    h->method = get_u16(p + 10);
    h->crc32 = get_u32(p + 16);
    h->packed32 = get_u32(p + 20);
    h->plain32 = get_u32(p + 24);
    h->name_bytes = get_u16(p + 28);
    h->extra_bytes = get_u16(p + 30);
    h->comment_bytes = get_u16(p + 32);
    h->disk = get_u16(p + 34);
    h->off32 = get_u32(p + 42);
    h->name = (const char *)cursor_take(c, h->name_bytes);
    h->extra = cursor_take(c, h->extra_bytes);
    cursor_take(c, h->comment_bytes);
    if (c->bad)
        return ingot_fail(err, INGOT_E_SOURCE, h->at, r->path, ADVICE_COPY,
                          "an entry that is longer than the list of members");
    if (h->name_bytes == 0 || memchr(h->name, '\0', h->name_bytes))
        return ingot_fail(err, INGOT_E_SOURCE, h->at, r->path, ADVICE_COPY,
                          "a member whose name is empty or holds NUL");
    enum ingot_status status = check_plain(r, h, err);
    if (status == INGOT_OK) status = read_extra(r, h, err);
    if (status != INGOT_OK) return status;
    if (h->disk != 0) return bad_member(r, h, INGOT_E_UNSUPPORTED, err, "on another disk");
    if (h->packed != h->plain)
        return bad_member(r, h, INGOT_E_SOURCE, err, "stored, yet %" PRIu64 " byte%s would become %" PRIu64, h->packed,
                          plural(h->packed), h->plain);
    return INGOT_OK;
}

/* A local header repeats the directory's, or leaves the field at 0 when a descriptor follows the bytes. */
static bool same_or_later(const struct header *local, uint64_t found, uint64_t expected)
{
    return found == expected || (found == 0 && (local->flags & FLAG_DESCRIPTOR));
}

static enum ingot_status compare_local(const struct reader *r, const struct header *central, const struct header *local,
                                       struct ingot_error *err)
{
    if (local->name_bytes != central->name_bytes || memcmp(local->name, central->name, central->name_bytes) != 0) {
        char other[96];
        return bad_member(r, central, INGOT_E_SOURCE, err, "its own header calls it %s",
                          ingot_escape(local->name, local->name_bytes, other, sizeof other));
    }
    if (local->flags != central->flags || local->method != central->method)
        return bad_member(r, local, INGOT_E_SOURCE, err, "method or flags differ from those in the list of members");
    if (!same_or_later(local, local->plain, central->plain) || !same_or_later(local, local->packed, central->packed))
        return bad_member(r, local, INGOT_E_SOURCE, err, "%" PRIu64 " byte%s; the list of members says %" PRIu64,
                          local->plain, plural(local->plain), central->plain);
    if (!same_or_later(local, local->crc32, central->crc32))
        return bad_member(r, local, INGOT_E_SOURCE, err, "CRC-32 %08" PRIx32 "; the list of members says %08" PRIx32,
                          local->crc32, central->crc32);
    return INGOT_OK;
}

static enum ingot_status read_local(const struct reader *r, const struct header *central, struct header *h,
                                    uint64_t *data_off, struct ingot_error *err)
{
    if (!span_inside(central->off, LOCAL_BYTES, r->directory_off))
        return bad_member(r, central, INGOT_E_RANGE, err, "begins at %" PRIu64 ", outside of the file", central->off);
    struct cursor c = { r->bytes + central->off, r->directory_off - central->off, central->off, false };
    const uint8_t *p = cursor_take(&c, LOCAL_BYTES);
    *h = (struct header){ .at = central->off, .name = central->name, .name_bytes = central->name_bytes };
    if (get_u32(p) != LOCAL_MAGIC) return bad_member(r, h, INGOT_E_SOURCE, err, "no header at its place");
    h->flags = get_u16(p + 6);
    h->method = get_u16(p + 8);
    h->crc32 = get_u32(p + 14);
    h->packed32 = get_u32(p + 18);
    h->plain32 = get_u32(p + 22);
    const uint16_t name_bytes = get_u16(p + 26);
    h->extra_bytes = get_u16(p + 28);
    const char *name = (const char *)cursor_take(&c, name_bytes);
    h->extra = cursor_take(&c, h->extra_bytes);
    if (c.bad) return bad_member(r, h, INGOT_E_RANGE, err, "its header reaches beyond the members");
    h->name = name;
    h->name_bytes = name_bytes;
    *data_off = c.at;
    enum ingot_status status = read_extra(r, h, err);
    return status == INGOT_OK ? compare_local(r, central, h, err) : status;
}

/* The bytes behind the data: CRC-32 and both sizes, of 32 or 64 bits, with or without a magic number in front. The
 * format does not say which; all four are told apart by what they must hold. */
static bool read_descriptor(const struct header *h, struct cursor *c)
{
    for (uint32_t form = 0; form < 4; form++) {
        struct cursor d = *c;
        const bool has_magic = form < 2, wide = form % 2;
        if (has_magic && cursor_u32(&d) != DESCRIPTOR_MAGIC) continue;
        const uint32_t crc32 = cursor_u32(&d);
        const uint64_t packed = wide ? cursor_u64(&d) : cursor_u32(&d);
        const uint64_t plain = wide ? cursor_u64(&d) : cursor_u32(&d);
        if (d.bad || crc32 != h->crc32 || packed != h->packed || plain != h->plain) continue;
        *c = d;
        return true;
    }
    return false;
}

static enum ingot_status read_member(const struct reader *r, struct cursor *c, struct zip_member *m,
                                     struct ingot_error *err)
{
    struct header central, local;
    uint64_t off = 0;
    enum ingot_status status = read_central(r, c, &central, err);
    if (status == INGOT_OK) status = read_local(r, &central, &local, &off, err);
    if (status != INGOT_OK) return status;
    if (!span_inside(off, central.plain, r->directory_off))
        return bad_member(r, &central, INGOT_E_RANGE, err, "%" PRIu64 " byte%s from %" PRIu64 " on, beyond the members",
                          central.plain, plural(central.plain), off);
    struct cursor rest = { r->bytes + off + central.plain, r->directory_off - off - central.plain, off + central.plain,
                           false };
    if ((central.flags & FLAG_DESCRIPTOR) && !read_descriptor(&central, &rest))
        return bad_member(r, &local, INGOT_E_SOURCE, err,
                          "the descriptor behind its bytes differs from the list of members");
    *m = (struct zip_member){ .name = central.name,
                              .name_bytes = central.name_bytes,
                              .crc32 = central.crc32,
                              .off = off,
                              .n_bytes = central.plain,
                              .header_off = central.off,
                              .end = rest.at };
    return INGOT_OK;
}

static enum ingot_status read_directory(const struct reader *r, struct zip *zip, struct ingot_error *err)
{
    struct cursor c = { r->bytes + r->directory_off, r->directory_bytes, r->directory_off, false };
    for (; zip->n < r->n_members; zip->n++) {
        enum ingot_status status = read_member(r, &c, &zip->members[zip->n], err);
        if (status != INGOT_OK) return status;
    }
    if (c.left == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_SOURCE, c.at, r->path, ADVICE_COPY,
                      "%" PRIu64 " byte%s behind the last entry of the list of members", c.left, plural(c.left));
}

/* ------------------------------------------------------------------------------------------------------ all members */

static int by_place(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    return (x->header_off > y->header_off) - (x->header_off < y->header_off);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    int order = memcmp(x->name, y->name, x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes);
    return order ? order : (x->name_bytes > y->name_bytes) - (x->name_bytes < y->name_bytes);
}

static enum ingot_status check_apart(const struct reader *r, struct zip *zip, struct ingot_error *err)
{
    char shown[128];
    qsort(zip->members, zip->n, sizeof *zip->members, by_place);
    for (size_t i = 1; i < zip->n; i++) {
        const struct zip_member *m = &zip->members[i];
        if (zip->members[i - 1].end > m->header_off)
            return ingot_fail(err, INGOT_E_OVERLAP, m->header_off, r->path, ADVICE_COPY,
                              "member %s begins before the one in front of it ends at %" PRIu64,
                              ingot_escape(m->name, m->name_bytes, shown, sizeof shown), zip->members[i - 1].end);
    }
    return INGOT_OK;
}

static enum ingot_status check_names(const struct reader *r, struct zip *zip, struct ingot_error *err)
{
    char shown[128];
    qsort(zip->members, zip->n, sizeof *zip->members, by_name);
    for (size_t i = 1; i < zip->n; i++) {
        const struct zip_member *m = &zip->members[i];
        if (by_name(m - 1, m) == 0)
            return ingot_fail(err, INGOT_E_SOURCE, m->header_off, r->path, ADVICE_COPY, "two members are called %s",
                              ingot_escape(m->name, m->name_bytes, shown, sizeof shown));
    }
    return INGOT_OK;
}

const struct zip_member *zip_find(const struct zip *zip, const char *name, size_t name_bytes)
{
    const struct zip_member wanted = { .name = name, .name_bytes = (uint32_t)name_bytes };
    if (zip->n == 0 || name_bytes > UINT16_MAX) return NULL;
    return bsearch(&wanted, zip->members, zip->n, sizeof wanted, by_name);
}

enum ingot_status zip_list(const uint8_t *bytes, uint64_t size, const char *path, struct zip *out,
                           struct ingot_error *err)
{
    struct reader r = { .bytes = bytes, .size = size, .path = path };
    *out = (struct zip){ 0 };
    enum ingot_status status = read_end(&r, err);
    if (status != INGOT_OK) return status;
    out->members = calloc(r.n_members + 1, sizeof *out->members);
    if (!out->members) return fail_memory(err, path);
    status = read_directory(&r, out, err);
    if (status == INGOT_OK) status = check_apart(&r, out, err);
    if (status == INGOT_OK) status = check_names(&r, out, err);
    if (status != INGOT_OK) zip_free(out);
    return status;
}

void zip_free(struct zip *zip)
{
    free(zip->members);
    *zip = (struct zip){ 0 };
}
