/* annotate.c - the hexdumps of spec/format.md, made from real files, so that the page cannot drift from them.
 *
 *   annotate smallest     the smallest valid file, every field
 *   annotate layouts      one matrix in rows and in panel16
 *
 * tests/cli/spec.bats compares them with the page. A byte that is not zero and not annotated is an error. */
#include "tests/conformance/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field {
    unsigned bytes;
    const char *meaning; /* NULL: reserved */
};

static const struct field superblock[] = {
    { 8, "magic" },
    { 2, "read version" },
    { 2, "write version" },
    { 4, "size of this structure" },
    { 8, "features that must be understood" },
    { 8, "features that may be ignored" },
    { 8, "generation" },
    { 8, "file length" },
    { 8, "offset of the index" },
    { 8, "length of the index" },
    { 8, "XXH3-64 of the index" },
    { 4, "alignment of matrices" },
    { 4, NULL },
    { 16, "content id: XXH3-128 of no bytes, as there is no tensor" },
    { 152, NULL },
    { 8, "XXH3-64 of the 248 bytes above" },
};

static const struct field index_header[] = {
    { 8, "magic" },
    { 4, "number of records" },
    { 4, "size of a record" },
    { 8, "records, from the start of the index" },
    { 8, "order array" },
    { 8, "names" },
    { 8, "length of the names" },
    { 16, NULL },
};

static const struct field record[] = {
    { 4, "name: offset in the names" },
    { 2, "name: length without NUL" },
    { 2, "kind: chunks" },
    { 2, "dtype: none" },
    { 2, "layout" },
    { 1, "rank" },
    { 1, "codec: stored as is" },
    { 2, NULL },
    { 64, "shape" },
    { 8, "offset of the section" },
    { 8, "stored bytes" },
    { 8, "raw bytes" },
    { 16, "digest: XXH3-128 of no bytes" },
    { 4, "target" },
    { 4, "first chunk" },
};

static const struct field order[] = { { 4, "the section in first place: record 0" } };
static const struct field names[] = { { 8, "\"@chunks\" and its NUL" } };

#define PRINT(image, at, fields) print_fields(image, at, fields, sizeof(fields) / sizeof(fields)[0])

static bool is_zero(const struct image *image, uint64_t at, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (image->bytes[at + i] != 0) return false;
    return true;
}

static void print_bytes(const struct image *image, uint64_t at, unsigned n)
{
    char text[64];
    int used = 0;
    if (n > 16 && is_zero(image, at, n))
        used = snprintf(text, sizeof text, "00 (%u bytes)", n);
    else
        for (unsigned i = 0; i < n; i++)
            used += snprintf(text + used, sizeof text - (size_t)used, i ? " %02x" : "%02x", image->bytes[at + i]);
    printf("%6llu  %-48.*s", (unsigned long long)at, used, text);
}

/* Prints the fields that stand one after the other from `at` on; returns where they end. */
static uint64_t print_fields(const struct image *image, uint64_t at, const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_bytes(image, at, fields[i].bytes);
        printf("%s\n", fields[i].meaning ? fields[i].meaning : "reserved");
        at += fields[i].bytes;
    }
    return at;
}

static int print_zeros(const struct image *image, uint64_t from, uint64_t to)
{
    if (!is_zero(image, from, to - from)) {
        fprintf(stderr, "bytes %llu to %llu are not annotated\n", (unsigned long long)from, (unsigned long long)to);
        return 1;
    }
    printf("%6llu  00 ... up to %llu\n", (unsigned long long)from, (unsigned long long)to);
    return 0;
}

static struct image *vector_named(const char *what)
{
    uint64_t at;
    for (size_t i = 0; i < n_vectors; i++)
        if (strcmp(vectors[i].rule, "valid") == 0 && strcmp(vectors[i].what, what) == 0)
            return vector_make(&vectors[i], &at);
    return NULL;
}

static int annotate_smallest(void)
{
    struct image *image = vector_named("smallest");
    if (!image) return 1;
    printf("slot A\n");
    int status = print_zeros(image, PRINT(image, 0, superblock), 4096);
    printf("slot B: the same 4096 bytes\n");
    if (memcmp(image->bytes, image->bytes + 4096, 4096) != 0) status = 1;
    printf("index\n");
    uint64_t at = PRINT(image, 8192, index_header);
    printf("index, record 0\n");
    at = PRINT(image, at, record);
    printf("index, order array and names\n");
    at = PRINT(image, at, order);
    status |= print_zeros(image, PRINT(image, at, names), image->n);
    image_free(image);
    return status;
}

/* A section in lines of 16 bytes, without the lines that are all zero. */
static void print_section(const struct image *image, const char *name)
{
    const struct image_part *part = image_part(image, name);
    printf("%s, %llu bytes\n", name, (unsigned long long)part->n_bytes);
    for (uint64_t at = 0; at < part->n_bytes; at += 16) {
        uint64_t left = part->n_bytes - at;
        unsigned n = left < 16 ? (unsigned)left : 16;
        if (is_zero(image, part->off + at, n)) continue;
        printf("%6llu ", (unsigned long long)at);
        for (unsigned i = 0; i < n; i++) printf(" %02x", image->bytes[part->off + at + i]);
        printf("\n");
    }
}

static int annotate_layouts(void)
{
    struct image *image = vector_named("layouts");
    if (!image) return 1;
    print_section(image, "rows-f32");
    print_section(image, "panel16-f32");
    print_section(image, "panel16-f16");
    print_section(image, "panel16-bf16");
    image_free(image);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "smallest") == 0) return annotate_smallest();
    if (argc == 2 && strcmp(argv[1], "layouts") == 0) return annotate_layouts();
    fprintf(stderr, "usage: annotate smallest | layouts\n");
    return 2;
}
