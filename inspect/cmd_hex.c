/* cmd_hex.c - `ingot hex`: the bytes, and what the format says that they are. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/anatomy.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/suggest.h"
#include "inspect/cli/terminal.h"
#include "inspect/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES     16u
#define OFFSET_WIDTH   10  /* with the blanks behind it */
#define WIDE           120 /* columns from which on a row has 16 bytes */
#define LEAST_TEXT     20  /* columns */
#define SHOWN_BYTES    64u /* of one field */
#define DEFAULT_LENGTH 256u
#define JSON_BYTES     4096u /* of one line in JSON */

enum { OPT_JSON, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_JSON] = JSON_OPTION("Print JSON"),
};

/* ----------------------------------------------------------------------------------------------------- printing */

struct printer {
    json_t *array; /* NULL: text */
    char part[4 * INGOT_MAX_NAME + 64];
    const char *bold, *dim, *error, *plain;
    size_t columns;     /* of the terminal */
    uint64_t row_bytes; /* of a row of bytes */
    size_t bytes_width; /* columns that it takes, and two blanks */
};

static struct printer begin_printing(bool json)
{
    const size_t columns = terminal_width(stdout);
    const uint64_t row_bytes = columns < WIDE ? LINE_BYTES / 2 : LINE_BYTES;
    return (struct printer){ .columns = columns,
                             .row_bytes = row_bytes,
                             .bytes_width = 3 * row_bytes - 1 + 2,
                             .array = json ? json_array() : NULL,
                             .bold = terminal_style(stdout, STYLE_BOLD),
                             .dim = terminal_style(stdout, STYLE_DIM),
                             .error = terminal_style(stdout, STYLE_ERROR),
                             .plain = terminal_style(stdout, STYLE_PLAIN) };
}

static void print_heading(void *ctx, const char *part)
{
    struct printer *p = ctx;
    snprintf(p->part, sizeof p->part, "%s", part);
    if (!p->array) printf("%s%s%s\n", p->bold, part, p->plain);
}

static bool is_zero(const uint8_t *bytes, uint64_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Of a long field the first bytes, of a longer run of zeros how many. */
static uint64_t count_shown(const struct anatomy_line *line)
{
    if (line->n_here <= LINE_BYTES) return line->n_here;
    if (is_zero(line->bytes, line->n_here)) return 0;
    return line->n_here > SHOWN_BYTES ? LINE_BYTES : line->n_here;
}

/* Prints bytes [from, to) of a row and returns the columns that they take. */
static int print_bytes(const struct anatomy_line *line, uint64_t from, uint64_t to)
{
    int width = 0;
    for (uint64_t i = from; i < to; i++) width += printf(i > from ? " %02x" : "%02x", line->bytes[i]);
    return width;
}

/* As much of a text as goes into `room` columns: up to a blank if there is one. */
static size_t fold(const char *text, size_t room)
{
    size_t n = terminal_text_prefix(text, strlen(text), room), blank = n;
    if (!text[n]) return n;
    while (blank > 0 && text[blank] != ' ') blank--;
    return blank > 0 ? blank : n > 0 ? n : strlen(text);
}

/* Bytes on the left, what they mean on the right, each in as many rows as it needs. */
static void print_rows(const struct printer *p, const struct anatomy_line *line, const char *style, const char *text)
{
    const uint64_t shown = count_shown(line);
    const size_t text_at = OFFSET_WIDTH + p->bytes_width,
                 room = p->columns > text_at + LEAST_TEXT ? p->columns - text_at : LEAST_TEXT;
    uint64_t at = 0;
    for (bool first = true; first || at < shown || *text; first = false) {
        const uint64_t end = shown - at < p->row_bytes ? shown : at + p->row_bytes;
        const size_t n = fold(text, room);
        if (first || at < shown)
            printf("%8" PRIu64 "  ", line->off + at);
        else
            printf("%*s", OFFSET_WIDTH, "");
        int width = first && shown == 0 ? printf("00 (%" PRIu64 " bytes)", line->n_here) : print_bytes(line, at, end);
        if (n > 0) printf("%*s%s%.*s%s", (int)p->bytes_width - width, "", style, (int)n, text, *style ? p->plain : "");
        putchar('\n');
        text += n;
        text += strspn(text, " ");
        at = end;
    }
}

static void print_line(const struct printer *p, const struct anatomy_line *line)
{
    const bool named = *line->name;
    const char *const fault = line->fault ? line->fault : "";
    const size_t n = strlen(line->name) + strlen(line->value) + strlen(fault) + 16;
    char *text = memory_array(n, 1);
    snprintf(text, n, "%s%s%s%s%s", line->name, named && *line->value ? ": " : "", line->value, *fault ? "  <-- " : "",
             fault);
    print_rows(p, line, *fault ? p->error : named ? "" : p->dim, text);
    free(text);
}

static json_t *bytes_json(const struct anatomy_line *line)
{
    char text[2 * JSON_BYTES + 1] = "";
    uint64_t n = line->n_here < JSON_BYTES ? line->n_here : JSON_BYTES;
    for (uint64_t i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", line->bytes[i]);
    return json_string(text);
}

static void add_line(void *ctx, const struct anatomy_line *line)
{
    struct printer *p = ctx;
    if (!p->array) {
        print_line(p, line);
        return;
    }
    json_t *row = json_object();
    json_put(row, "part", json_string(p->part));
    json_put(row, "offset", json_count(line->off));
    json_put(row, "bytes", json_count(line->n_bytes));
    json_put(row, "name", *line->name ? json_string(line->name) : json_null());
    json_put(row, "value", *line->value ? json_string(line->value) : json_null());
    json_put(row, "fault", line->fault ? json_string(line->fault) : json_null());
    json_put(row, "hex", bytes_json(line));
    json_add(p->array, row);
}

static void end_printing(struct printer *p, const char *path, uint64_t n, uint64_t n_faults)
{
    if (!p->array) return;
    json_t *root = json_begin();
    json_put(root, "file", json_text(path, strlen(path)));
    json_put(root, "bytes", json_count(n));
    json_put(root, "ok", json_boolean(n_faults == 0));
    json_put(root, "faults", json_count(n_faults));
    json_put(root, "lines", p->array);
    json_end(root);
}

/* ----------------------------------------------------------------------------------------------- what is asked for */

/* Decimal or 0x...; *end is behind it. */
static bool parse_number(const char *text, char **end, uint64_t *out)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (!strchr(hex ? "0123456789abcdefABCDEF" : "0123456789", text[hex ? 2 : 0]) || !text[hex ? 2 : 0]) return false;
    errno = 0;
    *out = strtoull(text, end, hex ? 16 : 10);
    return errno == 0;
}

/* OFFSET[:LENGTH], cut to the file. RANGE when it begins beyond the end; *is_range is false for anything else. */
static enum ingot_status parse_range(const char *text, const struct checkpoint_file *file, bool *is_range,
                                     uint64_t *from, uint64_t *to, struct ingot_error *err)
{
    uint64_t n = DEFAULT_LENGTH, size = file->map->size;
    char *end;
    *is_range = parse_number(text, &end, from);
    if (*is_range && *end == ':') *is_range = parse_number(end + 1, &end, &n);
    if (!*is_range || *end) {
        *is_range = false;
        return INGOT_OK;
    }
    if (*from >= size)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, file->path, NULL,
                          "offset %" PRIu64 " is beyond the end of the file, which has %" PRIu64 " byte%s", *from, size,
                          plural(size));
    *to = n < size - *from ? *from + n : size;
    return INGOT_OK;
}

struct nearest {
    struct suggestion best;
    char name[4 * INGOT_MAX_NAME + 8];
};

static void offer(void *ctx, const char *name)
{
    struct nearest *n = ctx;
    suggest_offer(&n->best, name);
    if (n->best.name != name) return;
    snprintf(n->name, sizeof n->name, "%s", name);
    n->best.name = n->name;
}

static enum ingot_status no_such_section(const char *path, const char *name, const struct nearest *nearest,
                                         struct ingot_error *err)
{
    char shown[160], advice[192] = "give a section's name, superblock, index, or OFFSET:LENGTH";
    if (nearest->best.name) snprintf(advice, sizeof advice, "did you mean '%.150s'?", nearest->best.name);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, advice, "there is no section '%s'",
                      ingot_escape(name, strlen(name), shown, sizeof shown));
}

/* A name before a number: a tensor may be called 7. */
static enum ingot_status choose_range(const struct checkpoint_file *file, const char *what, struct anatomy_options *how,
                                      struct ingot_error *err)
{
    const struct file_map *map = file->map;
    bool is_range;
    how->to = UINT64_MAX;
    if (!what) return INGOT_OK;
    struct nearest nearest = { .best = suggest_begin(what) };
    how->full = true;
    if (anatomy_find(map->bytes, map->size, what, &how->from, &how->to, offer, &nearest)) return INGOT_OK;
    enum ingot_status status = parse_range(what, file, &is_range, &how->from, &how->to, err);
    return status != INGOT_OK || is_range ? status : no_such_section(file->path, what, &nearest, err);
}

/* ------------------------------------------------------------------------------------------------- an .ingot file */

static int hex_ingot(const char *path, const char *what, bool json)
{
    struct ingot_error err = { 0 };
    struct file_map map;
    signals_name_mapping(path);
    if (map_open(path, INGOT_OPEN_MAP, &map, &err) != INGOT_OK) return report_error(&err);
    struct printer printer = begin_printing(json);
    struct anatomy_options how = { .heading = print_heading, .line = add_line, .ctx = &printer };
    struct checkpoint_file file = { path, path, &map };
    enum ingot_status status = choose_range(&file, what, &how, &err);
    uint64_t n_faults = 0;
    if (status == INGOT_OK) {
        n_faults = anatomy_walk(map.bytes, map.size, &how);
        end_printing(&printer, path, map.size, n_faults);
    } else {
        json_decref(printer.array);
    }
    map_close(&map);
    if (status != INGOT_OK) return report_error(&err);
    return n_faults > 0 ? CODE_NO : CODE_OK;
}

/* --------------------------------------------------------------------------------------------- any other checkpoint */

/* One file of a checkpoint: the one that holds the tensor, or the only one. */
static enum ingot_status choose_foreign(const struct checkpoint *cp, const char *what, struct checkpoint_file *file,
                                        enum ingot_scalar *scalar, struct anatomy_options *how, struct ingot_error *err)
{
    struct checkpoint_tensor t;
    struct ingot_error unknown = { 0 };
    size_t i = 0;
    bool is_range = false;
    *file = checkpoint_file_at(cp, 0);
    how->to = file->map->size < DEFAULT_LENGTH ? file->map->size : DEFAULT_LENGTH;
    if (!what) return INGOT_OK;
    if (checkpoint_find(cp, what, &t, &unknown) == INGOT_OK) {
        *scalar = t.origin.strided || t.origin.block ? INGOT_SCALAR_NONE : t.origin.scalar;
        if (!checkpoint_file_of(cp, t.data, &i, &how->from))
            return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, what, NULL, "there are no bytes of this tensor");
        *file = checkpoint_file_at(cp, i);
        how->to = how->from + t.n_bytes;
        return INGOT_OK;
    }
    if (parse_range(what, file, &is_range, &how->from, &how->to, err) == INGOT_OK && !is_range) *err = unknown;
    return err->status;
}

static int hex_foreign(const char *path, const char *what, bool json)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp;
    struct checkpoint_file file;
    enum ingot_scalar scalar = INGOT_SCALAR_NONE;
    if (checkpoint_open(path, &cp, &err) != INGOT_OK) return report_error(&err);
    struct printer printer = begin_printing(json);
    struct anatomy_options how = { .full = true, .heading = print_heading, .line = add_line, .ctx = &printer };
    enum ingot_status status = choose_foreign(&cp, what, &file, &scalar, &how, &err);
    if (status == INGOT_OK) {
        if (!what) report_note("only .ingot files are annotated; the first bytes of the first file follow");
        anatomy_bytes(file.map->bytes, how.from, how.to - how.from, scalar, &how);
        end_printing(&printer, file.path, file.map->size, 0);
    } else {
        json_decref(printer.array);
    }
    checkpoint_close(&cp);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

static int run_hex(const struct arguments *args)
{
    const char *path = args->operands[0], *what = args->n_operands > 1 ? args->operands[1] : NULL;
    bool ingot = checkpoint_is_ingot(path) || checkpoint_is_called_ingot(path);
    return (ingot ? hex_ingot : hex_foreign)(path, what, args->values[OPT_JSON].given);
}

const struct command command_hex = {
    .name = "hex",
    .summary = "dump a file's bytes, field by field, as the format names them",
    .operands = "FILE [SECTION|OFFSET[:LENGTH]]",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Prints offset, bytes, name and value of every field of an .ingot file: superblocks, index, @model, the "
        "header of @vocabulary; the names are those of the format's specification. A field that is not as it must be "
        "is marked with \"<--\" and the rule that it breaks. The file may be damaged or cut: whatever can be found is "
        "shown.\n\n"
        "SECTION is a section's name, \"superblock\" or \"index\": all its bytes, of tensors with the values, of "
        "@chunks with the section of each hash. OFFSET:LENGTH, decimal or 0x..., shows what stands there; LENGTH is "
        "256 when not given. Runs of zeros are one line.\n\n"
        "Of any other checkpoint that convert reads: a tensor's bytes with their values, or a range of its (first) "
        "file.\n\n"
        "Exit code 1: something that was shown is not as it must be. The sums over sections are not computed: that is "
        "what ingot verify does.",
    .examples = "ingot hex gpt2.ingot\n"
                "ingot hex damaged.ingot index\n"
                "ingot hex gpt2.ingot @model\n"
                "ingot hex gpt2.ingot 0x2000:64",
    .run = run_hex,
};
