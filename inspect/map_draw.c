/* map_draw.c - what most of a cell's bytes are is its letter; a capital says that they are in memory. */
#include "inspect/map_draw.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/terminal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES_MIN UINT64_C(64)
#define ROWS           16u
#define ROWS_EACH      2u  /* of several files */
#define WIDTH          64u /* cells of a row in a pipe */
#define WIDTH_MAX      128u
#define MARGIN         24u /* for the offsets */

/* Grounds on a terminal, of the 256 colours: light enough for black letters. */
static const unsigned char grounds[REGION_KINDS] = {
    [REGION_SUPERBLOCK] = 250, [REGION_INDEX] = 180,     [REGION_VOCABULARY] = 176, [REGION_METADATA] = 181,
    [REGION_EMBEDDING] = 111,  [REGION_ATTENTION] = 215, [REGION_MLP] = 114,        [REGION_NORMS] = 210,
    [REGION_UNEMBEDDING] = 80, [REGION_TENSOR] = 221,    [REGION_STRUCTURE] = 247,  [REGION_PADDING] = 253,
    [REGION_DEAD] = 218,
};

/* The kind with most bytes in [off, end), from region *k on, which moves to the one that holds `end`. */
static enum region_kind most_of(const struct region_file *f, uint64_t off, uint64_t end, size_t *k, bool *damaged)
{
    uint64_t bytes[REGION_KINDS] = { 0 };
    enum region_kind best = REGION_SUPERBLOCK;
    for (; *k < f->n; (*k)++) {
        const struct region *r = &f->regions[*k];
        uint64_t from = r->off > off ? r->off : off, to = r->off + r->n_bytes < end ? r->off + r->n_bytes : end;
        if (from < to) bytes[r->kind] += to - from;
        if (from < to && r->damaged > 0) *damaged = true;
        if (r->off + r->n_bytes > end) break;
    }
    for (unsigned i = 0; i < REGION_KINDS; i++)
        if (bytes[i] > bytes[best]) best = (enum region_kind)i;
    return best;
}

size_t map_cells(const struct region_file *f, bool knows_resident, size_t most, struct map_cell *cells)
{
    uint64_t size = f->file.map->size, each = size / most + (size % most != 0), resident;
    size_t n = 0, k = 0;
    if (each < CELL_BYTES_MIN) each = CELL_BYTES_MIN;
    for (uint64_t off = 0; off < size; off += each) {
        struct map_cell cell = { .off = off, .n_bytes = size - off < each ? size - off : each };
        cell.kind = most_of(f, off, off + cell.n_bytes, &k, &cell.damaged);
        if (knows_resident && map_resident(f->file.map, off, cell.n_bytes, &resident))
            cell.resident = resident > cell.n_bytes / 2;
        cells[n++] = cell;
    }
    return n;
}

static void print_cells(const struct map_cell *cells, size_t n, bool knows_resident)
{
    const char *plain = terminal_style(stdout, STYLE_PLAIN);
    for (size_t i = 0; i < n; i++) {
        char letter = region_kind_letter(cells[i].kind);
        if (knows_resident && !cells[i].resident) letter = (char)tolower((unsigned char)letter);
        if (i == 0 || cells[i].kind != cells[i - 1].kind)
            printf("%s%s", plain, terminal_ground(stdout, grounds[cells[i].kind]).text);
        putchar(cells[i].damaged ? '!' : letter);
    }
    printf("%s\n", plain);
}

static void print_file(const struct region_file *f, bool knows_resident, size_t width, size_t rows)
{
    struct map_cell *cells = memory_array(width * rows, sizeof *cells);
    size_t n = map_cells(f, knows_resident, width * rows, cells);
    char shown[1024];
    ingot_escape(f->file.path, strlen(f->file.path), shown, sizeof shown);
    paragraph_sentence(stdout, 0, 2, "%s, %s byte%s, %s for each letter", shown, human_count(f->file.map->size).text,
                       plural(f->file.map->size), n ? human_bytes(cells[0].n_bytes).text : "0 B");
    for (size_t i = 0; i < n; i += width) {
        printf("%14" PRIu64 "  ", cells[i].off);
        print_cells(cells + i, n - i < width ? n - i : width, knows_resident);
    }
    free(cells);
}

void map_print(const struct regions *r)
{
    size_t width = terminal_width(stdout);
    if (width == SIZE_MAX)
        width = WIDTH;
    else
        width = width > WIDTH_MAX + MARGIN ? WIDTH_MAX : width > 2 * MARGIN ? width - MARGIN : MARGIN;
    for (size_t i = 0; i < r->n_files; i++)
        print_file(&r->files[i], r->knows_resident, width, r->n_files > 1 ? ROWS_EACH : ROWS);
}
