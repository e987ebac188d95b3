/* cmd_cat.c - `ingot cat`: the values of a tensor, or of a part of it, as text, CSV, JSON, bytes or a NumPy file.
 * Whatever the size of the tensor, one buffer of elements is all that is held. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/json.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/terminal.h"
#include "inspect/npy.h"
#include "inspect/slice.h"
#include "inspect/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_JSON, OPT_CSV, OPT_RAW, OPT_NPY, OPT_FORCE, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_CSV] = { .name = "csv", .help = "Print comma-separated values: a row of the last dimension is a line" },
    [OPT_RAW] = { .name = "raw", .help = "Print the elements as little-endian bytes, in row-major order" },
    [OPT_NPY] = { .name = "npy",
                  .type = OPTION_FILE,
                  .value = "FILE",
                  .help = "Write a NumPy file instead; - is the standard output" },
    [OPT_FORCE] = { .name = "force", .letter = 'f', .help = "Let --npy replace a file that exists" },
};

#define BUFFER_ELEMS  4096u
#define ELEM_MAX      16u
#define ALIGNED_ELEMS 4096u /* how many decide the width of the columns on a terminal */

/* What is printed: a part of a tensor, read from its beginning. */
struct reading {
    const struct checkpoint_tensor *tensor;
    struct slice slice;
    enum ingot_scalar scalar;
    uint32_t elem_bytes;
    uint64_t at;     /* elements read so far */
    uint8_t *buffer; /* BUFFER_ELEMS elements */
};

/* Refills the buffer; 0 at the end. */
static size_t read_more(struct reading *r)
{
    size_t n = 0;
    while (n < BUFFER_ELEMS && r->at < r->slice.n_elems) {
        uint64_t first, piece = slice_piece(&r->slice, r->at, BUFFER_ELEMS - n, &first);
        values_gather(r->tensor, first, piece, r->buffer + n * r->elem_bytes);
        n += (size_t)piece;
        r->at += piece;
    }
    return n;
}

/* How many dimensions end before element i of the slice, or begin with it: 1 between rows, 2 between matrices. */
static uint32_t boundaries(const struct slice *s, uint64_t i)
{
    uint32_t n = 0;
    for (uint64_t rest = i; n < s->out_rank && rest % s->out_shape[s->out_rank - 1 - n] == 0; n++)
        rest /= s->out_shape[s->out_rank - 1 - n];
    return n;
}

/* False once the reader of a pipe has left, the disk is full, or the user has had enough. */
static bool wanted(void)
{
    return report_flush() && !signals_interrupted();
}

/* --------------------------------------------------------------------------------------------------- text */

static int widest(struct reading *r)
{
    char text[VALUES_TEXT_MAX];
    size_t width = 0, n = read_more(r);
    for (size_t i = 0; i < n && i < ALIGNED_ELEMS; i++) {
        size_t own = values_text(r->scalar, r->buffer + i * r->elem_bytes, VALUES_EXACT, text);
        if (own > width) width = own;
    }
    r->at = 0;
    return (int)width;
}

/* Rows are lines; an empty line parts matrices, two part cubes. */
static void print_text(struct reading *r)
{
    char text[VALUES_TEXT_MAX];
    int width = terminal_is(stdout) ? widest(r) : 0;
    uint64_t i = 0;
    for (size_t n; wanted() && (n = read_more(r)) > 0;) {
        for (size_t k = 0; k < n; k++) {
            uint32_t ends = boundaries(&r->slice, ++i);
            values_text(r->scalar, r->buffer + k * r->elem_bytes, VALUES_EXACT, text);
            printf("%*s", width, text);
            if (ends == 0 && i < r->slice.n_elems) putchar(' ');
            for (uint32_t line = 0; line < ends && i < r->slice.n_elems; line++) putchar('\n');
        }
    }
    if (i > 0) putchar('\n');
}

/* What parts matrices in the text would be a record without fields here, so all rows are lines alike. */
static void print_csv(struct reading *r)
{
    char text[VALUES_TEXT_MAX];
    uint64_t i = 0;
    for (size_t n; wanted() && (n = read_more(r)) > 0;) {
        for (size_t k = 0; k < n; k++) {
            values_text(r->scalar, r->buffer + k * r->elem_bytes, VALUES_EXACT, text);
            fputs(text, stdout);
            bool ends = boundaries(&r->slice, ++i) > 0 || i == r->slice.n_elems;
            putchar(ends ? '\n' : ',');
        }
    }
}

/* --------------------------------------------------------------------------------------------------- JSON */

/* Everything but the values, up to where they begin. */
static void print_json_head(const struct checkpoint *cp, const struct reading *r)
{
    const struct checkpoint_tensor *t = r->tensor;
    json_t *root = json_begin();
    json_put(root, "file", json_text(cp->path, strlen(cp->path)));
    json_put(root, "format", json_string(checkpoint_format(cp)));
    json_put(root, "name", json_text(t->name, t->name_len));
    json_put(root, "dtype", json_text(t->dtype_name, strlen(t->dtype_name)));
    json_put(root, "tensor_shape", json_shape(t->rank, t->shape));
    json_put(root, "shape", json_shape(r->slice.out_rank, r->slice.out_shape));
    json_stream_begin(root, "values");
}

static void print_times(char c, uint32_t n)
{
    while (n-- > 0) putchar(c);
}

/* Arrays in arrays as the shape says, one row a line; a part without elements is one empty array. */
static void print_json(const struct checkpoint *cp, struct reading *r)
{
    char text[VALUES_TEXT_MAX];
    uint64_t i = 0;
    print_json_head(cp, r);
    if (r->slice.n_elems == 0) fputs("[]", stdout);
    for (size_t n; wanted() && (n = read_more(r)) > 0;) {
        for (size_t k = 0; k < n; k++) {
            print_times('[', boundaries(&r->slice, i));
            values_text(r->scalar, r->buffer + k * r->elem_bytes, VALUES_JSON, text);
            fputs(text, stdout);
            uint32_t ends = boundaries(&r->slice, ++i);
            print_times(']', ends);
            if (i < r->slice.n_elems) fputs(ends ? ",\n " : ",", stdout);
        }
    }
    json_stream_end();
}

/* -------------------------------------------------------------------------------------------------- bytes */

static void print_raw(struct reading *r)
{
    for (size_t n; wanted() && (n = read_more(r)) > 0;) fwrite(r->buffer, r->elem_bytes, n, stdout);
}

/* NumPy's name of the dtype; types that it does not have become f32, which holds all their values. */
static const char *npy_dtype(enum ingot_scalar scalar)
{
    static const char *const names[INGOT_SCALAR_COUNT] = {
        [INGOT_SCALAR_BOOL] = "|b1", [INGOT_SCALAR_U8] = "|u1",    [INGOT_SCALAR_I8] = "|i1",
        [INGOT_SCALAR_U16] = "<u2",  [INGOT_SCALAR_I16] = "<i2",   [INGOT_SCALAR_U32] = "<u4",
        [INGOT_SCALAR_I32] = "<i4",  [INGOT_SCALAR_U64] = "<u8",   [INGOT_SCALAR_I64] = "<i8",
        [INGOT_SCALAR_F16] = "<f2",  [INGOT_SCALAR_F32] = "<f4",   [INGOT_SCALAR_F64] = "<f8",
        [INGOT_SCALAR_C64] = "<c8",  [INGOT_SCALAR_C128] = "<c16",
    };
    return names[scalar];
}

static enum ingot_status write_elements(struct reading *r, struct outfile *f, struct ingot_error *err)
{
    bool widened = !npy_dtype(r->scalar);
    float *wide = memory_array(BUFFER_ELEMS, sizeof *wide);
    enum ingot_status status = INGOT_OK;
    for (size_t n; status == INGOT_OK && (n = read_more(r)) > 0;) {
        for (size_t i = 0; i < n && widened; i++)
            wide[i] = (float)values_number(r->scalar, r->buffer + i * r->elem_bytes);
        for (size_t i = 0; i < n && r->scalar == INGOT_SCALAR_BOOL; i++) r->buffer[i] = r->buffer[i] != 0;
        status = widened ? outfile_write(f, wide, n * sizeof *wide, err)
                         : outfile_write(f, r->buffer, n * r->elem_bytes, err);
        if (status == INGOT_OK && signals_interrupted())
            status = ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "interrupted");
    }
    free(wide);
    return status;
}

static enum ingot_status write_npy(struct reading *r, const char *path, bool overwrite, struct ingot_error *err)
{
    struct outfile f;
    uint8_t header[NPY_HEADER_MAX];
    const char *dtype = npy_dtype(r->scalar);
    size_t n = npy_header(dtype ? dtype : "<f4", r->slice.out_rank, r->slice.out_shape, header);
    enum ingot_status status = outfile_open(&f, path, overwrite, err);
    if (status != INGOT_OK) return status;
    status = outfile_write(&f, header, n, err);
    if (status == INGOT_OK) status = write_elements(r, &f, err);
    if (status == INGOT_OK) status = outfile_publish(&f, err);
    outfile_close(&f);
    return status;
}

/* ------------------------------------------------------------------------------------------------ command */

static enum ingot_status check_options(const struct arguments *args, struct ingot_error *err)
{
    const struct option_value *v = args->values;
    if (v[OPT_JSON].given + v[OPT_CSV].given + v[OPT_RAW].given + v[OPT_NPY].given > 1)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "cat", NULL,
                          "only one of --json, --csv, --raw and --npy can be given");
    if (v[OPT_RAW].given && terminal_is(stdout))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--raw", "redirect it: ingot cat ... --raw >FILE",
                          "bytes are not for a terminal");
    if (npy_check_target(v[OPT_NPY].text, false, err) != INGOT_OK) return INGOT_E_ARGUMENT;
    if (v[OPT_NPY].given && outfile_is_same(v[OPT_NPY].text, args->operands[0]))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, v[OPT_NPY].text, "give the values another name",
                          "this is the checkpoint itself");
    return INGOT_OK;
}

static enum ingot_status find_tensor(const struct checkpoint *cp, const char *name, struct checkpoint_tensor *t,
                                     struct ingot_error *err)
{
    struct ingot_section section;
    if (cp->file && *name == '@' && ingot_find(cp->file, name, &section))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, name, "ingot show FILE NAME shows it",
                          "is no tensor");
    return checkpoint_find(cp, name, t, err);
}

/* Cuts NAME off NAME[...] and returns where the bracket was; NULL when all of it is the name. A whole name goes first,
 * for it may have brackets itself; then what stands before the last bracket, then before the first, which finds two
 * pairs and one that is not closed. */
static char *cut_name(const struct checkpoint *cp, char *operand)
{
    struct checkpoint_tensor t;
    char *const brackets[] = { strrchr(operand, '['), strchr(operand, '[') };
    if (!brackets[0] || checkpoint_find(cp, operand, &t, NULL) == INGOT_OK) return NULL;
    for (size_t i = 0; i < 2; i++) {
        *brackets[i] = '\0';
        if (checkpoint_find(cp, operand, &t, NULL) == INGOT_OK) return brackets[i];
        *brackets[i] = '[';
    }
    *brackets[0] = '\0'; /* there is no such tensor */
    return brackets[0];
}

static enum ingot_status find(const struct checkpoint *cp, const char *operand, struct checkpoint_tensor *t,
                              struct slice *slice, struct ingot_error *err)
{
    char *name = memory_array(strlen(operand) + 1, 1);
    memcpy(name, operand, strlen(operand));
    const char *bracket = cut_name(cp, name);
    enum ingot_status status = find_tensor(cp, name, t, err);
    if (status == INGOT_OK) status = values_check(t, err);
    if (status == INGOT_OK) *slice = slice_whole(t->rank, t->shape);
    if (status == INGOT_OK && bracket) status = slice_parse(operand + (bracket - name), t->name, slice, err);
    free(name);
    return status;
}

static enum ingot_status print_values(const struct checkpoint *cp, const struct arguments *args, struct reading *r,
                                      struct ingot_error *err)
{
    const struct option_value *v = args->values;
    if (v[OPT_NPY].given) return write_npy(r, v[OPT_NPY].text, v[OPT_FORCE].given, err);
    if (v[OPT_JSON].given)
        print_json(cp, r);
    else if (v[OPT_CSV].given)
        print_csv(r);
    else if (v[OPT_RAW].given)
        print_raw(r);
    else
        print_text(r);
    return signals_interrupted() ? ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "interrupted")
                                 : INGOT_OK;
}

static int run_cat(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct checkpoint cp = { 0 };
    struct checkpoint_tensor t;
    struct reading r = { .tensor = &t };
    enum ingot_status status = check_options(args, &err);
    if (status == INGOT_OK) status = checkpoint_open(args->operands[0], &cp, &err);
    if (status == INGOT_OK) status = find(&cp, args->operands[1], &t, &r.slice, &err);
    if (status == INGOT_OK) {
        r.scalar = values_scalar(&t);
        r.elem_bytes = ingot_scalar_info(r.scalar)->bytes;
        r.buffer = memory_array(BUFFER_ELEMS, ELEM_MAX);
        status = print_values(&cp, args, &r, &err);
        free(r.buffer);
    }
    checkpoint_close(&cp);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_cat = {
    .name = "cat",
    .summary = "print the values of a tensor",
    .operands = "FILE TENSOR",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Prints the values of one tensor of FILE, an .ingot file or any checkpoint that convert reads. A row of the "
        "last dimension is a line; an empty line parts matrices (with --csv nothing does). TENSOR is a name as ls "
        "prints it, followed by a slice if only a part is wanted, as in NumPy: [3], [0:4, :8], [-1], [::2], "
        "[..., 0]; ranges leave out their end, negative numbers count from the end, steps go forwards.\n\n"
        "The text reads back as the same value: integers are exact, floats have the fewest digits that suffice. What "
        "numbers are stored as may be anything: f16, bf16 and f8 are widened to f32, quantised blocks decoded to f32, "
        "complex numbers are a+bj. JSON has arrays as the shape says, the strings \"nan\", \"inf\" and \"-inf\", and "
        "[a,b] for complex numbers.\n\n"
        "--raw gives the elements as they stand, blocks decoded to f32. --npy gives NumPy's dtype, or f32 where NumPy "
        "has none (bf16, f8).",
    .examples = "ingot cat gpt2.ingot 'wte.weight[464, :8]'\n"
                "ingot cat --csv gpt2/ 'wpe.weight[:, 0:2]' >positions.csv\n"
                "ingot cat --json gpt2/ ln_f.bias | jq '.values | max'\n"
                "ingot cat gpt2.gguf blk.0.attn_qkv.weight --npy qkv.npy",
    .run = run_cat,
};
