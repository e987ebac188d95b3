/* regions.c - sections or tensors in order of offset; the rest is what lies between. */
#include "inspect/regions.h"

#include "format/disk.h"
#include "format/file.h"
#include "format/layout.h"
#include "inspect/cli/memory.h"

#include <stdlib.h>
#include <string.h>

/* A longer stretch without a tensor is not read to see whether it is zero: looking should stay cheap. */
#define LOOK_BYTES (UINT64_C(4) << 20)

static const struct {
    const char *name;
    char letter;
} kinds[REGION_KINDS] = {
    [REGION_SUPERBLOCK] = { "superblocks", 'S' },
    [REGION_INDEX] = { "index", 'I' },
    [REGION_VOCABULARY] = { "vocabulary", 'V' },
    [REGION_METADATA] = { "metadata", 'M' },
    [REGION_EMBEDDING] = { "embedding", 'E' },
    [REGION_ATTENTION] = { "attention", 'A' },
    [REGION_MLP] = { "mlp", 'F' },
    [REGION_NORMS] = { "norms", 'N' },
    [REGION_UNEMBEDDING] = { "unembedding", 'U' },
    [REGION_TENSOR] = { "other tensors", 'T' },
    [REGION_STRUCTURE] = { "structure", 'H' },
    [REGION_PADDING] = { "padding", 'P' },
    [REGION_DEAD] = { "dead space", 'D' },
};

const char *region_kind_name(enum region_kind kind)
{
    return kinds[kind].name;
}

char region_kind_letter(enum region_kind kind)
{
    return kinds[kind].letter;
}

enum region_kind region_kind_of_tensor(const char *name)
{
    static const struct {
        const char *part;
        enum region_kind kind;
    } parts[] = {
        { "wte.", REGION_EMBEDDING }, { "wpe.", REGION_EMBEDDING },   { "lm_head.", REGION_UNEMBEDDING },
        { "ln_", REGION_NORMS },      { ".attn.", REGION_ATTENTION }, { ".mlp.", REGION_MLP },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i].part)) return parts[i].kind;
    return REGION_TENSOR;
}

/* ----------------------------------------------------------------------------------------------------- covering */

/* Of regions at one place the longest comes first, and owns the bytes. */
static int compare_regions(const void *x, const void *y)
{
    const struct region *a = x, *b = y;
    if (a->off != b->off) return a->off < b->off ? -1 : 1;
    if (a->n_bytes != b->n_bytes) return a->n_bytes > b->n_bytes ? -1 : 1;
    size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = n ? memcmp(a->name, b->name, n) : 0;
    return order ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

struct cover {
    const uint8_t *bytes;
    struct region *out;
    size_t n;
    uint64_t end; /* what is covered */
};

static void add_rest(struct cover *c, uint64_t to, enum region_kind kind)
{
    if (to <= c->end) return;
    c->out[c->n++] = (struct region){ .off = c->end, .n_bytes = to - c->end, .kind = kind };
    c->end = to;
}

/* Alignments are powers of two. */
static void fill_aligned(struct cover *c, uint64_t to, uint64_t align)
{
    uint64_t asked = c->end + (align - c->end % align) % align;
    add_rest(c, asked < to ? asked : to, REGION_PADDING);
    add_rest(c, to, REGION_DEAD);
}

static void fill_foreign(struct cover *c, uint64_t to)
{
    uint64_t n = to > c->end ? to - c->end : 0;
    bool zero = n <= LOOK_BYTES && zero_run(c->bytes + c->end, n) == n;
    add_rest(c, to, zero ? REGION_PADDING : REGION_STRUCTURE);
}

size_t regions_cover(struct region *owned, size_t n, const uint8_t *bytes, uint64_t n_bytes, bool is_ingot,
                     struct region *out)
{
    struct cover c = { .bytes = bytes, .out = out };
    struct region *last = NULL; /* the last that is owned */
    if (n) qsort(owned, n, sizeof *owned, compare_regions);
    for (size_t i = 0; i < n; i++) {
        struct region r = owned[i];
        uint64_t end = r.off + r.n_bytes;
        if (r.n_bytes == 0) continue;
        if (last && r.off < c.end) last->n_sharing++;
        if (end <= c.end) continue;
        if (r.off > c.end && is_ingot) fill_aligned(&c, r.off, r.align ? r.align : 1);
        if (r.off > c.end) fill_foreign(&c, r.off);
        r.off = c.end;
        r.n_bytes = end - c.end;
        last = &c.out[c.n];
        c.out[c.n++] = r;
        c.end = end;
    }
    if (is_ingot)
        add_rest(&c, n_bytes, REGION_DEAD);
    else
        fill_foreign(&c, n_bytes);
    return c.n;
}

/* ---------------------------------------------------------------------------------------------------- collecting */

static enum region_kind kind_of_section(const struct ingot_section *s)
{
    if (s->kind == INGOT_KIND_VOCABULARY) return REGION_VOCABULARY;
    return s->kind == INGOT_KIND_TENSOR ? region_kind_of_tensor(s->name) : REGION_METADATA;
}

/* Slots, index and sections. */
static size_t own_ingot(const struct ingot_file *file, struct region *owned)
{
    struct ingot_file_info info;
    size_t n = 0;
    ingot_file_get_info(file, &info);
    for (uint64_t slot = 0; slot < 2; slot++)
        owned[n++] = (struct region){ .off = slot * SB_SLOT_BYTES,
                                      .n_bytes = SB_SLOT_BYTES,
                                      .kind = REGION_SUPERBLOCK,
                                      .name = slot ? "slot B" : "slot A",
                                      .name_len = 6 };
    owned[n++] = (struct region){ .off = info.index_off,
                                  .n_bytes = info.index_bytes,
                                  .kind = REGION_INDEX,
                                  .name = "index",
                                  .name_len = 5,
                                  .align = SECTION_ALIGN };
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i);
        if (s.kind == INGOT_KIND_ALIAS) continue;
        owned[n++] = (struct region){ .off = s.data_off,
                                      .n_bytes = s.stored_bytes,
                                      .kind = kind_of_section(&s),
                                      .name = s.name,
                                      .name_len = s.name_len,
                                      .align = section_align(s.kind, s.rank, s.raw_bytes, info.align) };
    }
    return n;
}

static void note_role(void *ctx, size_t i, const struct ingot_source_role *role)
{
    enum region_kind *of_tensor = ctx;
    of_tensor[i] = role->name ? region_kind_of_tensor(role->name) : REGION_TENSOR;
}

enum region_kind *regions_tensor_kinds(const struct checkpoint *cp)
{
    enum region_kind *of_tensor = memory_array(cp->n_tensors, sizeof *of_tensor);
    if (cp->source && ingot_source_roles(cp->source, note_role, of_tensor, NULL) == INGOT_OK) return of_tensor;
    for (size_t i = 0; i < cp->n_tensors; i++) of_tensor[i] = region_kind_of_tensor(checkpoint_tensor_at(cp, i).name);
    return of_tensor;
}

static size_t own_source(const struct checkpoint *cp, size_t file, const size_t *of_file, const enum region_kind *kind,
                         struct region *owned)
{
    size_t n = 0;
    for (size_t i = of_file[file]; i < of_file[file + 1]; i++) {
        size_t number = of_file[checkpoint_file_count(cp) + 1 + i], hint = file;
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, number);
        struct region r = { .n_bytes = t.n_bytes, .kind = kind[number], .name = t.name, .name_len = t.name_len };
        if (checkpoint_file_of(cp, t.data, &hint, &r.off)) owned[n++] = r;
    }
    return n;
}

/* Where the tensors of each file begin in a list of tensors by file, which follows: a counting sort. */
static size_t *sort_by_file(const struct checkpoint *cp, uint64_t *n_absent)
{
    size_t n_files = checkpoint_file_count(cp), hint = 0;
    size_t *first = memory_array(n_files + 1 + cp->n_tensors, sizeof *first), *list = first + n_files + 1;
    size_t *file = memory_array(cp->n_tensors, sizeof *file), *next = memory_array(n_files + 1, sizeof *next);
    uint64_t off;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        *n_absent += checkpoint_is_absent(&t);
        file[i] = t.n_bytes > 0 && checkpoint_file_of(cp, t.data, &hint, &off) ? hint : n_files;
        if (file[i] < n_files) first[file[i] + 1]++;
    }
    for (size_t f = 0; f < n_files; f++) first[f + 1] += first[f];
    memcpy(next, first, n_files * sizeof *next);
    for (size_t i = 0; i < cp->n_tensors; i++)
        if (file[i] < n_files) list[next[file[i]]++] = i;
    free(file);
    free(next);
    return first;
}

static void ask_resident(struct regions *r, struct region_file *f)
{
    for (size_t i = 0; i < f->n && r->knows_resident; i++)
        r->knows_resident =
            map_resident(f->file.map, f->regions[i].off, f->regions[i].n_bytes, &f->regions[i].resident);
}

struct regions regions_of(const struct checkpoint *cp)
{
    struct regions r = { .n_files = checkpoint_file_count(cp), .knows_resident = true };
    size_t most = (cp->file ? ingot_section_count(cp->file) : cp->n_tensors) + 3;
    struct region *owned = memory_array(most, sizeof *owned);
    size_t *of_file = cp->file ? NULL : sort_by_file(cp, &r.n_absent);
    enum region_kind *kind = cp->file ? NULL : regions_tensor_kinds(cp);
    r.files = memory_array(r.n_files, sizeof *r.files);
    for (size_t i = 0; i < r.n_files; i++) {
        struct region_file *f = &r.files[i];
        f->file = checkpoint_file_at(cp, i);
        size_t n = cp->file ? own_ingot(cp->file, owned) : own_source(cp, i, of_file, kind, owned);
        f->regions = memory_array(3 * n + 1, sizeof *f->regions);
        f->n = regions_cover(owned, n, f->file.map->bytes, f->file.map->size, cp->file, f->regions);
        r.n_bytes += f->file.map->size;
        ask_resident(&r, f);
    }
    free(owned);
    free(of_file);
    free(kind);
    return r;
}

void regions_free(struct regions *r)
{
    for (size_t i = 0; i < r->n_files; i++) free(r->files[i].regions);
    free(r->files);
    *r = (struct regions){ 0 };
}

/* ------------------------------------------------------------------------------------------------------ marking */

/* The region that holds `off`: the last that does not begin behind it. */
static size_t region_at(const struct region_file *f, uint64_t off)
{
    size_t low = 0, high = f->n;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (f->regions[mid].off <= off)
            low = mid;
        else
            high = mid;
    }
    return low;
}

void regions_damage(struct regions *r, size_t i, uint64_t off, uint64_t n)
{
    struct region_file *f = &r->files[i];
    if (f->n == 0 || off >= f->file.map->size) return;
    for (size_t k = region_at(f, off); k < f->n && f->regions[k].off < off + n; k++) {
        struct region *region = &f->regions[k];
        uint64_t from = off > region->off ? off : region->off, end = region->off + region->n_bytes;
        region->damaged += (end < off + n ? end : off + n) - from;
        if (region->damaged > region->n_bytes) region->damaged = region->n_bytes;
    }
}

struct region_total regions_total(const struct regions *r, enum region_kind kind)
{
    struct region_total total = { 0 };
    for (size_t i = 0; i < r->n_files; i++)
        for (size_t k = 0; k < r->files[i].n; k++) {
            const struct region *region = &r->files[i].regions[k];
            if (region->kind != kind) continue;
            total.n++;
            total.bytes += region->n_bytes;
            total.resident += region->resident;
            total.damaged += region->damaged;
        }
    return total;
}
