/* image.c - the writer of the conformance vectors: the canonical form of spec/format.md, said once more. */
#include "tests/conformance/image.h"

#include "spec/decoder/xxh3.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT  4096u
#define CHUNK (4u << 20)

static const unsigned dtype_bytes[] = { 0, 4, 2, 2, 8, 1, 1, 4, 8 };

/* A generator that cannot go on is a test that cannot run. */
static void need(bool held, const char *what)
{
    if (held) return;
    fprintf(stderr, "image: %s\n", what);
    abort();
}

static uint64_t round_up(uint64_t x, uint64_t unit)
{
    return (x + unit - 1) / unit * unit;
}

void image_put(struct image *image, uint64_t at, unsigned width, uint64_t value)
{
    need(at <= image->n && width <= image->n - at, "a patch beyond the file");
    for (unsigned i = 0; i < width; i++) image->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

uint64_t image_get(const struct image *image, uint64_t at, unsigned width)
{
    uint64_t value = 0;
    need(at <= image->n && width <= image->n - at, "a look beyond the file");
    for (unsigned i = 0; i < width; i++) value |= (uint64_t)image->bytes[at + i] << 8 * i;
    return value;
}

void image_resize(struct image *image, uint64_t n)
{
    uint8_t *bytes = aligned_alloc(64, round_up(n ? n : 1, 64));
    need(bytes != NULL, "no memory");
    memset(bytes, 0, round_up(n ? n : 1, 64));
    if (image->n) memcpy(bytes, image->bytes, image->n < n ? image->n : n);
    free(image->bytes);
    image->bytes = bytes;
    image->n = n;
}

struct image *image_new(void)
{
    struct image *image = calloc(1, sizeof *image);
    need(image != NULL, "no memory");
    image->align = 4096;
    image->generation = 1;
    return image;
}

void image_free(struct image *image)
{
    if (image) free(image->bytes);
    free(image);
}

static bool is_blocks(const struct image_part *part)
{
    return part->dtype == Q8 || part->dtype == Q4;
}

/* Of 64 inputs of a panel of q8 or q4. */
static uint64_t step_bytes(const struct image_part *part)
{
    return part->dtype == Q8 ? 1088 : 576;
}

static uint64_t tensor_bytes(const struct image_part *part)
{
    if (is_blocks(part))
        return round_up(part->shape[0], 16) / 16 * (round_up(part->shape[1], 64) / 64) * step_bytes(part);
    uint64_t bytes = dtype_bytes[part->dtype];
    for (unsigned d = 0; d < part->rank; d++) {
        uint64_t unit = part->layout != PANEL16 ? 1 : d == 0 ? 16 : part->dtype == F32 ? 1 : 2;
        bytes *= round_up(part->shape[d], unit);
    }
    return bytes;
}

static bool is_tensor(const struct image_part *part)
{
    return part->kind == TENSOR || part->kind == ALIAS;
}

void image_add(struct image *image, const struct image_part *part)
{
    need(image->n_parts < IMAGE_MAX_PARTS, "too many sections");
    struct image_part *p = &image->parts[image->n_parts++];
    *p = *part;
    if (is_tensor(p)) p->n_bytes = tensor_bytes(p);
}

const struct image_part *image_part(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->n_parts; i++)
        if (strcmp(image->parts[i].name, name) == 0) return &image->parts[i];
    need(false, name);
    return NULL;
}

uint64_t image_record(const struct image *image, const char *name)
{
    return image->index_off + 64 + (uint64_t)128 * image_part(image, name)->record;
}

/* ------------------------------------------------------------------------------------------------- names and places */

static uint64_t chunk_count(const struct image_part *part)
{
    return part->kind == ALIAS || part->kind == CHUNKS ? 0 : (part->n_bytes + CHUNK - 1) / CHUNK;
}

/* Record numbers are ranks by name; chunks are numbered in that order. */
static void number_records(struct image *image)
{
    uint32_t next_chunk = 0;
    for (uint32_t i = 0; i < image->n_parts; i++) {
        image->parts[i].record = 0;
        for (uint32_t j = 0; j < image->n_parts; j++)
            if (strcmp(image->parts[j].name, image->parts[i].name) < 0) image->parts[i].record++;
    }
    for (uint32_t record = 0; record < image->n_parts; record++)
        for (uint32_t i = 0; i < image->n_parts; i++) {
            struct image_part *p = &image->parts[i];
            if (p->record != record) continue;
            p->first_chunk = p->kind == ALIAS || p->kind == CHUNKS ? 0 : next_chunk;
            next_chunk += (uint32_t)chunk_count(p);
        }
    for (uint32_t i = 0; i < image->n_parts; i++)
        if (image->parts[i].kind == CHUNKS) image->parts[i].n_bytes = 8 * (uint64_t)next_chunk;
}

static void place_sections(struct image *image, uint64_t at)
{
    for (uint32_t i = 0; i < image->n_parts; i++) {
        struct image_part *p = &image->parts[i];
        if (p->kind == ALIAS) {
            p->off = image_part(image, p->target)->off;
            continue;
        }
        bool page = p->n_bytes && ((p->kind == TENSOR && p->rank >= 2) || p->kind == VOCABULARY);
        if (i + 1 == image->n_parts) at += image->gap;
        p->off = round_up(at, page ? image->align : 64);
        at = p->off + p->n_bytes;
    }
}

static uint64_t names_bytes(const struct image *image)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < image->n_parts; i++) n += strlen(image->parts[i].name) + 1;
    return n;
}

static uint64_t end_of_sections(const struct image *image)
{
    uint64_t end = 2 * SLOT;
    for (uint32_t i = 0; i < image->n_parts; i++) {
        uint64_t n = image->parts[i].off + image->parts[i].n_bytes;
        if (n > end) end = n;
    }
    return end;
}

/* ---------------------------------------------------------------------------------------------------------- bytes */

/* A number for each element: small, exact in every dtype, different from its neighbours. */
static uint64_t element_bits(unsigned dtype, uint64_t row, uint64_t col)
{
    static const uint16_t half[8] = { 0x3c00, 0x4000, 0x4200, 0x4400, 0xbc00, 0xc000, 0x3800, 0xb800 };
    static const float single[8] = { 1, 2, 3, 4, -1, -2, 0.5f, -0.5f };
    unsigned k = (unsigned)((row * 3 + col * 5 + 1) % 8);
    uint64_t bits = 0;
    double f64 = (double)single[k];
    memcpy(&bits, &single[k], sizeof single[k]);
    switch (dtype) {
    case F32:
        return bits;
    case F16:
        return half[k];
    case BF16:
        return bits >> 16;
    case F64:
        memcpy(&bits, &f64, sizeof f64);
        return bits;
    default:
        return row * 3 + col * 5 + 1;
    }
}

/* Where element (row, col) of a matrix stands, in elements. */
static uint64_t element_place(const struct image_part *p, uint64_t row, uint64_t col)
{
    uint64_t n_in = p->shape[1];
    if (p->layout == ROWS) return row * n_in + col;
    if (p->dtype == F32) return (row / 16 * n_in + col) * 16 + row % 16;
    n_in = round_up(n_in, 2);
    if (p->dtype == F16) return (row / 16 * n_in + col) * 16 + row % 16;
    return ((row / 16 * (n_in / 2) + col / 2) * 16 + row % 16) * 2 + col % 2;
}

/* Scales of 1, 2, -0.5 and the like; every code comes up. What is padding has scale 0 and the code of level 0. */
static void write_blocks(struct image *image, const struct image_part *p)
{
    uint64_t steps = round_up(p->shape[1], 64) / 64, panels = round_up(p->shape[0], 16) / 16;
    for (uint64_t s = 0; s < panels * steps; s++) {
        uint64_t at = p->off + s * step_bytes(p);
        memset(image->bytes + at + 64, p->dtype == Q8 ? 128 : 0x88, step_bytes(p) - 64);
        for (uint64_t j = 0; j < 64; j++)
            for (uint64_t lane = 0; lane < 16; lane++) {
                uint64_t row = s / steps * 16 + lane, col = s % steps * 64 + j, code = row * 3 + col * 5 + 1;
                if (row >= p->shape[0] || col >= p->shape[1]) continue;
                image_put(image, at + (j / 32 * 16 + lane) * 2, 2, element_bits(F16, row, col / 32));
                uint8_t *q8 = image->bytes + at + 64 + (j / 4 * 16 + lane) * 4 + j % 4;
                uint8_t *q4 = image->bytes + at + 64 + (j / 8 * 16 + lane) * 4 + j % 4;
                if (p->dtype == Q8)
                    *q8 = (uint8_t)code;
                else
                    *q4 = (uint8_t)(j / 4 % 2 ? (*q4 & 15) | code << 4 : (*q4 & 0xf0) | (code & 15));
            }
    }
}

static void write_tensor(struct image *image, const struct image_part *p)
{
    if (is_blocks(p)) {
        write_blocks(image, p);
        return;
    }
    unsigned size = dtype_bytes[p->dtype];
    if (p->rank != 2) {
        for (uint64_t i = 0; i < p->n_bytes / size; i++)
            image_put(image, p->off + i * size, size, element_bits(p->dtype, 0, i));
        return;
    }
    for (uint64_t row = 0; row < p->shape[0]; row++)
        for (uint64_t col = 0; col < p->shape[1]; col++)
            image_put(image, p->off + element_place(p, row, col) * size, size, element_bits(p->dtype, row, col));
}

static void write_record(struct image *image, const struct image_part *p, uint64_t name_off)
{
    uint64_t r = image->index_off + 64 + (uint64_t)128 * p->record;
    image_put(image, r, 4, name_off);
    image_put(image, r + 4, 2, strlen(p->name));
    image_put(image, r + 6, 2, p->kind);
    image_put(image, r + 8, 2, p->dtype);
    image_put(image, r + 10, 2, p->layout);
    image_put(image, r + 12, 1, p->rank);
    for (unsigned d = 0; d < p->rank; d++) image_put(image, r + 16 + 8 * d, 8, p->shape[d]);
    image_put(image, r + 80, 8, p->off);
    image_put(image, r + 88, 8, p->n_bytes);
    image_put(image, r + 96, 8, p->n_bytes);
    image_put(image, r + 120, 4, p->kind == ALIAS ? image_part(image, p->target)->record : 0);
    image_put(image, r + 124, 4, p->first_chunk);
}

/* Whether a stands before b in the order of places. */
static bool is_before(const struct image *image, const struct image_part *a, const struct image_part *b)
{
    uint32_t a_owner = a->kind == ALIAS ? image_part(image, a->target)->record : a->record;
    uint32_t b_owner = b->kind == ALIAS ? image_part(image, b->target)->record : b->record;
    if (a->off != b->off) return a->off < b->off;
    if (a->n_bytes != b->n_bytes) return a->n_bytes < b->n_bytes;
    if (a_owner != b_owner) return a_owner < b_owner;
    if ((a->kind == ALIAS) != (b->kind == ALIAS)) return b->kind == ALIAS;
    return a->record < b->record;
}

static void write_index(struct image *image)
{
    uint64_t i = image->index_off, n = image->n_parts, order = i + 64 + 128 * n, names = order + 4 * n, name_off = 0;
    memcpy(image->bytes + i, "INDEX\r\n\0", 8);
    image_put(image, i + 8, 4, n);
    image_put(image, i + 12, 4, 128);
    image_put(image, i + 16, 8, 64);
    image_put(image, i + 24, 8, order - i);
    image_put(image, i + 32, 8, names - i);
    image_put(image, i + 40, 8, names_bytes(image));
    for (uint32_t record = 0; record < n; record++)
        for (uint32_t k = 0; k < n; k++) {
            const struct image_part *p = &image->parts[k];
            if (p->record != record) continue;
            write_record(image, p, name_off);
            memcpy(image->bytes + names + name_off, p->name, strlen(p->name));
            name_off += strlen(p->name) + 1;
        }
    for (uint32_t k = 0; k < n; k++) {
        uint64_t rank = 0;
        for (uint32_t j = 0; j < n; j++) rank += is_before(image, &image->parts[j], &image->parts[k]);
        image_put(image, order + 4 * rank, 4, image->parts[k].record);
    }
}

static void write_slot(struct image *image, uint64_t s)
{
    memcpy(image->bytes + s, "\x89INGOT\r\n", 8);
    image_put(image, s + 8, 2, 1);
    image_put(image, s + 10, 2, 1);
    image_put(image, s + 12, 4, 256);
    image_put(image, s + 32, 8, image->generation);
    image_put(image, s + 40, 8, image->n);
    image_put(image, s + 48, 8, image->index_off);
    image_put(image, s + 56, 8, image->index_bytes);
    image_put(image, s + 72, 4, image->align);
}

/* ------------------------------------------------------------------------------------------------------- checksums */

void image_seal_slots(struct image *image)
{
    for (uint64_t s = 0; s <= SLOT; s += SLOT) image_put(image, s + 248, 8, xxh3_64(image->bytes + s, 248));
}

void image_seal_index(struct image *image)
{
    uint64_t hash = xxh3_64(image->bytes + image->index_off, image->index_bytes);
    for (uint64_t s = 0; s <= SLOT; s += SLOT) image_put(image, s + 64, 8, hash);
    image_seal_slots(image);
}

static struct xxh3_128 seal_chunks(struct image *image, const struct image_part *p, uint64_t entries)
{
    uint64_t n = 0;
    for (uint64_t at = 0; at < p->n_bytes; at += CHUNK, n++) {
        uint64_t left = p->n_bytes - at;
        image_put(image, entries + 8 * n, 8, xxh3_64(image->bytes + p->off + at, left < CHUNK ? left : CHUNK));
    }
    return xxh3_128(image->bytes + entries, 8 * n);
}

static void put_digest(struct image *image, uint64_t at, struct xxh3_128 digest)
{
    image_put(image, at, 8, digest.lo);
    image_put(image, at + 8, 8, digest.hi);
}

static struct xxh3_128 content_id(const struct image *image)
{
    uint8_t text[IMAGE_MAX_PARTS * 1200];
    size_t n = 0;
    for (uint32_t i = 0; i < image->n_parts; i++)
        if (image->parts[i].kind == MODEL) memcpy(text, image->bytes + image->parts[i].off, n = 64);
    for (uint32_t record = 0; record < image->n_parts; record++)
        for (uint32_t i = 0; i < image->n_parts; i++) {
            const struct image_part *p = &image->parts[i];
            if (p->record != record || !is_tensor(p)) continue;
            const uint8_t *r = image->bytes + image->index_off + 64 + (size_t)128 * record;
            const uint8_t rank[4] = { r[12], 0, 0, 0 };
            memcpy(text + n, p->name, strlen(p->name) + 1), n += strlen(p->name) + 1;
            memcpy(text + n, r + 8, 4), n += 4;
            memcpy(text + n, rank, 4), n += 4;
            memcpy(text + n, r + 16, (size_t)8 * p->rank), n += (size_t)8 * p->rank;
            memcpy(text + n, r + 104, 16), n += 16;
        }
    return xxh3_128(text, n);
}

void image_seal_content(struct image *image)
{
    const struct image_part *chunks = image_part(image, "@chunks");
    for (uint32_t i = 0; i < image->n_parts; i++) {
        const struct image_part *p = &image->parts[i];
        if (p->kind == ALIAS || p->kind == CHUNKS) continue;
        struct xxh3_128 digest = seal_chunks(image, p, chunks->off + (uint64_t)8 * p->first_chunk);
        put_digest(image, image_record(image, p->name) + 104, digest);
        for (uint32_t j = 0; j < image->n_parts; j++)
            if (image->parts[j].kind == ALIAS && strcmp(image->parts[j].target, p->name) == 0)
                put_digest(image, image_record(image, image->parts[j].name) + 104, digest);
    }
    uint64_t hash = xxh3_64(image->bytes + chunks->off, chunks->n_bytes); /* one chunk: there are few sections here */
    uint8_t own[8];
    for (unsigned i = 0; i < 8; i++) own[i] = (uint8_t)(hash >> 8 * i);
    put_digest(image, image_record(image, "@chunks") + 104, xxh3_128(own, chunks->n_bytes ? 8 : 0));
    struct xxh3_128 id = content_id(image);
    put_digest(image, 80, id);
    put_digest(image, SLOT + 80, id);
    image_seal_index(image);
}

void image_finish(struct image *image, int tail_index)
{
    uint64_t n = image->n_parts;
    number_records(image);
    image->index_bytes = round_up(64 + 132 * n + names_bytes(image), 64);
    place_sections(image, 2 * SLOT + (tail_index ? 0 : image->index_bytes));
    image->index_off = tail_index ? round_up(end_of_sections(image), 64) : 2 * SLOT;
    uint64_t end = end_of_sections(image), index_end = image->index_off + image->index_bytes;
    image_resize(image, end > index_end ? end : index_end);
    for (uint32_t i = 0; i < n; i++) {
        const struct image_part *p = &image->parts[i];
        if (p->kind == TENSOR)
            write_tensor(image, p);
        else if (p->bytes)
            memcpy(image->bytes + p->off, p->bytes, p->n_bytes);
    }
    write_index(image);
    write_slot(image, 0);
    write_slot(image, SLOT);
    image_seal_content(image);
}
