/* checkpoint.c - looks at the first bytes, opens the right way, and numbers the tensors in order of placement. */
#include "inspect/checkpoint.h"

#include "convert/first_two.h"
#include "format/disk.h"
#include "format/error.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The five letters of the magic number, which survive a text-mode transfer: so does the right error message. */
static bool holds_magic_letters(int fd, off_t at)
{
    char bytes[SB_MAGIC_BYTES];
    return pread(fd, bytes, sizeof bytes, at) == sizeof bytes && memcmp(&bytes[1], &SB_MAGIC[1], 5) == 0;
}

/* Either slot is enough: the other may be the damage that the user wants to see. A file that is not there is no .ingot
 * file either; whoever opens it next says so. */
static enum ingot_status sniff(const char *path, bool *is_ingot, struct ingot_error *err)
{
    *is_ingot = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? INGOT_OK : ingot_fail_errno(err, path, "open");
    *is_ingot = holds_magic_letters(fd, 0) || holds_magic_letters(fd, SB_SLOT_BYTES);
    close(fd);
    return INGOT_OK;
}

bool checkpoint_is_ingot(const char *path)
{
    bool is_ingot;
    return sniff(path, &is_ingot, NULL) == INGOT_OK && is_ingot;
}

bool checkpoint_is_called_ingot(const char *path)
{
    size_t n = strlen(path);
    return n > 6 && strcmp(path + n - 6, ".ingot") == 0;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whoever converted a checkpoint into its own directory may give the directory still. */
static bool advise_inside(const char *path, char *advice, size_t cap)
{
    struct first_two found;
    char shown[128];
    if (!first_two_list(path, ".ingot", &found) || found.n == 0) return false;
    ingot_escape(found.names[0], strlen(found.names[0]), shown, sizeof shown);
    if (found.n == 1)
        snprintf(advice, cap, "give the file that is in it, %s", shown);
    else
        snprintf(advice, cap, "give one of the %zu .ingot files that are in it: %s, ...", found.n, shown);
    return true;
}

/* Files are mapped, and a pipe cannot be. */
static enum ingot_status check_not_stdin(const char *path, struct ingot_error *err)
{
    if (strcmp(path, "-") != 0 || access(path, F_OK) == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "copy it to a regular file first",
                      "a checkpoint cannot come through the standard input");
}

enum ingot_status checkpoint_open_ingot(const char *path, struct ingot_file **out, struct ingot_error *err)
{
    char advice[192] = "a checkpoint is converted first: ingot convert CHECKPOINT -o FILE.ingot";
    *out = NULL;
    if (check_not_stdin(path, err) != INGOT_OK) return INGOT_E_ARGUMENT;
    if (is_directory(path)) {
        advise_inside(path, advice, sizeof advice);
        return ingot_fail(err, INGOT_E_MAGIC, INGOT_NO_OFFSET, path, advice, "is a directory, not an .ingot file");
    }
    signals_name_mapping(path);
    return ingot_open(path, INGOT_OPEN_MAP, out, err);
}

static void number_tensors(struct checkpoint *cp)
{
    uint32_t n = ingot_section_count(cp->file);
    cp->sections = memory_array(n, sizeof *cp->sections);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = ingot_section_by_offset(cp->file, i);
        enum ingot_kind kind = ingot_section_at(cp->file, id).kind;
        if (kind == INGOT_KIND_TENSOR || kind == INGOT_KIND_ALIAS) cp->sections[cp->n_tensors++] = id;
    }
}

static enum ingot_status open_file(struct checkpoint *cp, struct ingot_error *err)
{
    enum ingot_status status = ingot_open(cp->path, INGOT_OPEN_MAP, &cp->file, err);
    if (status == INGOT_OK) number_tensors(cp);
    return status;
}

/* What no reader knows, but is called an .ingot file, was one: ingot_open() says what is wrong with it. A directory
 * without a checkpoint may have one of ours in it. */
static enum ingot_status open_source(struct checkpoint *cp, struct ingot_error *err)
{
    struct ingot_error unknown = { 0 };
    enum ingot_status status = ingot_source_open(cp->path, &cp->source, &unknown);
    if (status == INGOT_E_UNSUPPORTED && checkpoint_is_called_ingot(cp->path) && !is_directory(cp->path))
        return open_file(cp, err);
    if (status == INGOT_OK)
        cp->n_tensors = ingot_source_count(cp->source);
    else if (err)
        *err = unknown;
    if (status == INGOT_E_MISSING && err && is_directory(cp->path))
        advise_inside(cp->path, err->advice, sizeof err->advice);
    return status;
}

enum ingot_status checkpoint_open(const char *path, struct checkpoint *out, struct ingot_error *err)
{
    bool is_ingot;
    *out = (struct checkpoint){ .path = path };
    signals_name_mapping(path);
    enum ingot_status status = check_not_stdin(path, err);
    if (status == INGOT_OK) status = sniff(path, &is_ingot, err);
    if (status != INGOT_OK) return status;
    return is_ingot ? open_file(out, err) : open_source(out, err);
}

void checkpoint_close(struct checkpoint *cp)
{
    ingot_close(cp->file);
    ingot_source_close(cp->source);
    free(cp->sections);
    *cp = (struct checkpoint){ 0 };
}

enum ingot_scalar checkpoint_scalar(enum ingot_dtype dtype)
{
    static const enum ingot_scalar scalars[] = {
        [INGOT_F32] = INGOT_SCALAR_F32, [INGOT_F16] = INGOT_SCALAR_F16, [INGOT_BF16] = INGOT_SCALAR_BF16,
        [INGOT_F64] = INGOT_SCALAR_F64, [INGOT_I8] = INGOT_SCALAR_I8,   [INGOT_U8] = INGOT_SCALAR_U8,
        [INGOT_I32] = INGOT_SCALAR_I32, [INGOT_I64] = INGOT_SCALAR_I64,
    };
    return (unsigned)dtype < sizeof scalars / sizeof *scalars ? scalars[dtype] : INGOT_SCALAR_NONE;
}

/* Seen as blocks of a foreign file are: they tell the types apart, and that elements become f32. Nobody decodes one by
 * itself, for its codes do not lie together. */
static const struct ingot_block *section_block(enum ingot_dtype dtype)
{
    static const struct ingot_block q8 = { .name = "q8", .n_elems = INGOT_QUANT_BLOCK, .n_bytes = 34 };
    static const struct ingot_block q4 = { .name = "q4", .n_elems = INGOT_QUANT_BLOCK, .n_bytes = 18 };
    return dtype == INGOT_Q8 ? &q8 : dtype == INGOT_Q4 ? &q4 : NULL;
}

/* Both fill it field by field: there are 368 bytes of it, and listing 100,000 tensors used to be copying them. */
static void put_section(const struct ingot_file *file, uint32_t id, struct checkpoint_tensor *t)
{
    const struct ingot_section s = ingot_section_at(file, id);
    *t = (struct checkpoint_tensor){ 0 };
    t->name = s.name;
    t->name_len = s.name_len;
    t->dtype_name = ingot_dtype_name(s.dtype);
    t->dtype = s.dtype;
    t->layout = s.layout;
    t->rank = t->origin.rank = s.rank;
    t->n_bytes = s.raw_bytes;
    t->data = t->origin.data = s.data;
    t->file_off = s.data_off;
    t->origin.scalar = checkpoint_scalar(s.dtype);
    t->origin.block = section_block(s.dtype);
    for (uint32_t i = 0; i < s.rank; i++) t->shape[i] = t->origin.shape[i] = s.shape[i];
    if (s.kind == INGOT_KIND_ALIAS) t->target = ingot_section_at(file, s.target).name;
}

static void put_source(const struct ingot_source *source, size_t i, struct checkpoint_tensor *t)
{
    const struct ingot_source_tensor *s = &t->origin;
    t->origin = ingot_source_at(source, i);
    t->name = s->name;
    t->name_len = strlen(s->name);
    t->dtype_name = s->dtype_name;
    t->dtype = s->dtype;
    t->layout = INGOT_ROWS;
    t->rank = s->rank;
    t->n_bytes = s->n_bytes;
    t->data = s->data;
    t->target = NULL;
    t->part_file = s->file;
    t->file_off = s->file_off;
    for (uint32_t k = 0; k < INGOT_MAX_RANK; k++) t->shape[k] = k < s->rank ? s->shape[k] : 0;
}

void checkpoint_get_tensor(const struct checkpoint *cp, size_t i, struct checkpoint_tensor *out)
{
    if (cp->file)
        put_section(cp->file, cp->sections[i], out);
    else
        put_source(cp->source, i, out);
    if (!ingot_shape_elems(out->rank, out->shape, &out->n_elems)) out->n_elems = 0; /* only beside a dimension of 0 */
}

struct checkpoint_tensor checkpoint_tensor_at(const struct checkpoint *cp, size_t i)
{
    struct checkpoint_tensor t;
    checkpoint_get_tensor(cp, i, &t);
    return t;
}

bool checkpoint_is_absent(const struct checkpoint_tensor *t)
{
    return t->n_elems > 0 && !t->data && t->origin.n_slices == 0;
}

const char *checkpoint_layout(const struct checkpoint_tensor *t)
{
    if (t->origin.n_slices > 0) return "slices";
    if (t->layout == INGOT_ROWS && t->origin.block) return "blocks";
    return t->origin.strided ? "strided" : ingot_layout_name(t->layout);
}

static bool is_spelled(const struct checkpoint_tensor *t, const char *name)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    return strcmp(ingot_escape(t->name, t->name_len, shown, sizeof shown), name) == 0;
}

bool checkpoint_advise_nearest(const struct checkpoint *cp, const char *name, char *advice, size_t cap)
{
    char shown[128];
    struct suggestion best = suggest_begin(name);
    for (size_t i = 0; i < cp->n_tensors; i++) suggest_offer(&best, checkpoint_tensor_at(cp, i).name);
    if (best.name)
        snprintf(advice, cap, "did you mean '%s'?", ingot_escape(best.name, strlen(best.name), shown, sizeof shown));
    return best.name;
}

/* The nearest name takes a walk through all, and is looked for only where somebody will read it. */
static enum ingot_status no_such_tensor(const struct checkpoint *cp, const char *name, struct ingot_error *err)
{
    char advice[192] = "ingot ls lists the tensors", shown[128];
    if (!err) return INGOT_E_ARGUMENT;
    checkpoint_advise_nearest(cp, name, advice, sizeof advice);
    ingot_escape(name, strlen(name), shown, sizeof shown);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, cp->path, advice, "there is no tensor '%s'", shown);
}

enum ingot_status checkpoint_find(const struct checkpoint *cp, const char *name, struct checkpoint_tensor *out,
                                  struct ingot_error *err)
{
    for (size_t i = 0; i < cp->n_tensors; i++) {
        *out = checkpoint_tensor_at(cp, i);
        if (strcmp(out->name, name) == 0) return INGOT_OK;
    }
    for (size_t i = 0; i < cp->n_tensors && strchr(name, '\\'); i++) {
        *out = checkpoint_tensor_at(cp, i);
        if (is_spelled(out, name)) return INGOT_OK;
    }
    return no_such_tensor(cp, name, err);
}

enum ingot_status checkpoint_hparams(const struct checkpoint *cp, struct ingot_hparams *out, struct ingot_error *err)
{
    return cp->file ? ingot_hparams_read(cp->file, out, err) : ingot_source_hparams(cp->source, out, err);
}

const char *checkpoint_format(const struct checkpoint *cp)
{
    return cp->file ? "ingot" : ingot_source_format(cp->source);
}
