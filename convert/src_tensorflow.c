/* src_tensorflow.c - a checkpoint of TensorFlow (V2): PREFIX.index and PREFIX.data-00000-of-0000N, given as a
 * directory, as the index, or as the prefix.
 *
 * The index alone says everything but the values, so a data file that is not here fails nothing that does not want the
 * values: its tensors have no data. */
#include "convert/source.h"

#include "convert/array.h"
#include "convert/bundle.h"
#include "format/bytes.h"
#include "format/checked.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_FILE      "checkpoint" /* names the newest of the checkpoints beside it */
#define STATE_KEY       "model_checkpoint_path"
#define HPARAMS_FILE    "hparams.json"
#define INDEX_SUFFIX    ".index"
#define MAX_STATE_BYTES (1u << 20)
#define MAX_BASE_NAME   255u
/* Prefix compression lets few bytes say many names. */
#define MAX_NAMES_BYTES (UINT64_C(64) << 20)
/* Where no data file is here, nothing else bounds what the shapes add up to: sums of them, in bytes, are to be right.
 */
#define MAX_TOTAL       (UINT64_C(1) << 60)

struct shard {
    char *name;
    const struct input *in; /* NULL: not here, or not looked for yet */
    bool looked_for;
};

/* Where one tensor lies, for the check that no two share bytes. */
struct span {
    uint64_t off, n_bytes, entry_off;
    uint32_t shard;
};

struct tensorflow {
    char *prefix; /* without directory */
    const struct input *index;
    struct shard *shards;
    uint32_t n_shards;
    struct span *spans;
    size_t n_spans, cap_spans;
    uint64_t names_bytes, n_elems, n_bytes; /* of all tensors */
};

/* --------------------------------------------------------------------------------------------------------- probing */

/* Whether a regular file ends as an index does. */
static bool has_magic(const char *path)
{
    uint8_t last[8];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return false;
    const bool found = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof last &&
                       pread(fd, last, sizeof last, st.st_size - (off_t)sizeof last) == (ssize_t)sizeof last &&
                       bundle_has_magic(last);
    close(fd);
    return found;
}

static bool is_index(const char *directory, const char *name)
{
    if (name[0] == '.' || !path_ends_with(name, INDEX_SUFFIX)) return false;
    char *path = path_join(directory, name);
    const bool found = path && has_magic(path);
    free(path);
    return found;
}

/* The only index in the directory, by name, to be freed. *n counts them; NULL unless there is one, or without memory.
 */
static char *only_index(const char *directory, size_t *n)
{
    char *found = NULL;
    *n = 0;
    DIR *dir = opendir(directory);
    if (!dir) return NULL;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!is_index(directory, e->d_name)) continue;
        free(found);
        found = ++*n == 1 ? strdup(e->d_name) : NULL;
    }
    closedir(dir);
    return found;
}

static bool probe_directory(const char *path)
{
    size_t n;
    struct stat st;
    char *state = path_join(path, STATE_FILE);
    const bool has_state = state && stat(state, &st) == 0 && S_ISREG(st.st_mode);
    free(state);
    if (has_state) return true;
    free(only_index(path, &n));
    return n > 0;
}

/* A damaged index is still claimed by its name, for a better error. */
static bool probe(const struct source_candidate *c)
{
    if (c->is_directory) return probe_directory(c->path);
    return (!c->content_only && path_ends_with(c->path, INDEX_SUFFIX)) || has_magic(c->path);
}

/* -------------------------------------------------------------------------------------------- which index is meant */

static enum ingot_status bad_state(const struct input *in, uint64_t off, struct ingot_error *err, const char *what)
{
    return ingot_fail(err, INGOT_E_SOURCE, off, in->path, "remove the file if there is only one .index beside it", "%s",
                      what);
}

/* One character of a quoted string; the escapes are those that protobuf writes. NUL and what is malformed are bad. */
static char read_char(struct cursor *c)
{
    unsigned value = cursor_u8(c);
    if (value == '\\') {
        value = cursor_u8(c);
        if (value >= '0' && value <= '3') {
            value = 64 * (value - '0');
            value += 8 * (unsigned)(cursor_u8(c) - '0');
            value += (unsigned)(cursor_u8(c) - '0');
        } else if (value != '\\' && value != '"' && value != '\'') {
            c->bad = true;
        }
    }
    if (value == 0 || value == '\n' || value > UINT8_MAX) c->bad = true;
    return (char)value;
}

/* What follows the key on its line: a colon, blanks, a quoted path. A checkpoint is often moved together with this
 * file, so of the path only the name counts. */
static enum ingot_status read_state_value(const struct input *in, struct cursor c, char name[MAX_BASE_NAME + 1],
                                          struct ingot_error *err)
{
    const uint64_t at = c.at;
    size_t n = 0;
    uint8_t quote;
    while (c.left > 0 && (*c.p == ' ' || *c.p == ':')) cursor_u8(&c);
    quote = cursor_u8(&c);
    if (quote != '"' && quote != '\'') c.bad = true;
    while (!c.bad && c.left > 0 && *c.p != quote) {
        const char ch = read_char(&c);
        if (ch == '/') n = 0;
        if (ch == '/') continue;
        if (n == MAX_BASE_NAME) c.bad = true;
        if (!c.bad) name[n++] = ch;
    }
    name[n] = '\0';
    cursor_u8(&c);
    if (!c.bad && n > 0) return INGOT_OK;
    return bad_state(in, at, err, "expected " STATE_KEY ": \"NAME\"");
}

/* Finds the line `model_checkpoint_path: "NAME"`. */
static enum ingot_status read_state(const struct input *in, char name[MAX_BASE_NAME + 1], struct ingot_error *err)
{
    const size_t n_key = strlen(STATE_KEY);
    struct cursor c = { .p = in->map.bytes, .left = in->map.size };
    if (in->map.size > MAX_STATE_BYTES)
        return ingot_fail(err, INGOT_E_LIMIT, 0, in->path, NULL, "more than 1 MB for the name of a checkpoint");
    while (c.left > 0) {
        while (c.left > 0 && (*c.p == ' ' || *c.p == '\t')) cursor_u8(&c);
        if (c.left > n_key && memcmp(c.p, STATE_KEY, n_key) == 0 && (c.p[n_key] == ':' || c.p[n_key] == ' ')) {
            cursor_take(&c, n_key);
            return read_state_value(in, c, name, err);
        }
        while (c.left > 0 && cursor_u8(&c) != '\n') continue;
    }
    return bad_state(in, 0, err, "no line " STATE_KEY ": \"NAME\"");
}

/* By the file `checkpoint`, or the one index that is there. */
static enum ingot_status find_in_directory(struct ingot_source *src, char **prefix, struct ingot_error *err)
{
    size_t n = 0;
    char name[MAX_BASE_NAME + 1];
    const struct input *state;
    if (path_exists(src->directory, STATE_FILE)) {
        enum ingot_status status = source_add_file(src, STATE_FILE, &state, err);
        if (status == INGOT_OK) status = read_state(state, name, err);
        if (status != INGOT_OK) return status;
        *prefix = strdup(name);
        return *prefix ? INGOT_OK : fail_memory(err, src->path);
    }
    *prefix = only_index(src->directory, &n);
    if (n > 1)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, src->path, "give the .index file that is meant",
                          "%zu checkpoints are here, and no file `" STATE_FILE "` names one", n);
    if (!*prefix) return fail_memory(err, src->path);
    (*prefix)[strlen(*prefix) - strlen(INDEX_SUFFIX)] = '\0';
    return INGOT_OK;
}

static enum ingot_status open_index(struct ingot_source *src, struct tensorflow *tf, struct ingot_error *err)
{
    char name[MAX_BASE_NAME + sizeof INDEX_SUFFIX];
    if (src->base) {
        const size_t n = strlen(src->base), m = strlen(INDEX_SUFFIX);
        tf->prefix = strndup(src->base, path_ends_with(src->base, INDEX_SUFFIX) ? n - m : n);
        if (!tf->prefix) return fail_memory(err, src->path);
        return source_add_file(src, src->base, &tf->index, err);
    }
    enum ingot_status status = find_in_directory(src, &tf->prefix, err);
    if (status != INGOT_OK) return status;
    snprintf(name, sizeof name, "%s" INDEX_SUFFIX, tf->prefix);
    return source_add_file(src, name, &tf->index, err);
}

/* ------------------------------------------------------------------------------------------------------ data files */

static enum ingot_status name_shards(struct ingot_source *src, struct tensorflow *tf, uint32_t n,
                                     struct ingot_error *err)
{
    tf->shards = calloc(n, sizeof *tf->shards);
    if (!tf->shards) return fail_memory(err, src->path);
    tf->n_shards = n;
    for (uint32_t i = 0; i < n; i++)
        if (asprintf(&tf->shards[i].name, "%s.data-%05" PRIu32 "-of-%05" PRIu32, tf->prefix, i, n) < 0) {
            tf->shards[i].name = NULL;
            return fail_memory(err, src->path);
        }
    return INGOT_OK;
}

static enum ingot_status open_shard(struct ingot_source *src, struct shard *shard, struct ingot_error *err)
{
    if (shard->looked_for) return INGOT_OK;
    shard->looked_for = true;
    return path_exists(src->directory, shard->name) ? source_add_file(src, shard->name, &shard->in, err) : INGOT_OK;
}

/* Finds the tensor's bytes; data stays NULL when their file is not here, or they lie in slices. */
static enum ingot_status place_tensor(const struct shard *shard, const struct bundle_tensor *b,
                                      struct ingot_source_tensor *t, struct ingot_error *err)
{
    char shown[160];
    t->file = shard->name;
    t->file_off = b->off;
    t->n_bytes = b->n_bytes;
    if (!shard->in || b->n_slices > 0) return INGOT_OK;
    const struct file_map *map = &shard->in->map;
    if (!span_inside(b->off, b->n_bytes, map->size))
        return ingot_fail(err, INGOT_E_TRUNCATED, map->size, shard->in->path, "get another copy of the file",
                          "tensor %s has %" PRIu64 " byte%s at %" PRIu64 ", the file ends at %" PRIu64,
                          ingot_escape(b->name, b->n_name, shown, sizeof shown), b->n_bytes, plural(b->n_bytes), b->off,
                          map->size);
    t->data = map->bytes + b->off;
    return INGOT_OK;
}

/* --------------------------------------------------------------------------------------------------------- tensors */

static enum ingot_status add_check(struct ingot_source *src, const char *name, const struct bundle_tensor *b,
                                   struct ingot_source_tensor *t, struct ingot_error *err)
{
    const struct source_check check = {
        .name = name,
        .algorithm = SOURCE_CRC32C_MASKED,
        .expected = b->crc,
        .data = t->data,
        .n_bytes = t->n_bytes,
        .file = t->file,
        .file_off = t->file_off,
    };
    return b->checked ? source_add_check(src, &check, &t->check, err) : INGOT_OK;
}

static enum ingot_status note_span(struct tensorflow *tf, const struct bundle_tensor *b, struct ingot_error *err)
{
    struct span *spans = array_grow(tf->spans, &tf->cap_spans, tf->n_spans, sizeof *spans);
    if (!spans) return fail_memory(err, tf->index->path);
    tf->spans = spans;
    spans[tf->n_spans++] = (struct span){ b->off, b->n_bytes, b->entry_off, b->shard };
    tf->names_bytes += b->n_name;
    if (tf->n_spans > INGOT_MAX_SECTIONS)
        return ingot_fail(err, INGOT_E_LIMIT, b->entry_off, tf->index->path, NULL, "more than %u tensors",
                          INGOT_MAX_SECTIONS);
    if (tf->names_bytes > MAX_NAMES_BYTES)
        return ingot_fail(err, INGOT_E_LIMIT, b->entry_off, tf->index->path, NULL, "more than 64 MiB of names");
    return INGOT_OK;
}

static enum ingot_status add_up(struct tensorflow *tf, const struct bundle_tensor *b, struct ingot_error *err)
{
    uint64_t elems;
    if (ingot_shape_elems(b->rank, b->shape, &elems) && checked_add(tf->n_elems, elems, &tf->n_elems) &&
        checked_add(tf->n_bytes, b->n_bytes, &tf->n_bytes) && tf->n_elems <= MAX_TOTAL && tf->n_bytes <= MAX_TOTAL)
        return INGOT_OK;
    return ingot_fail(err, INGOT_E_LIMIT, b->entry_off, tf->index->path, "get another copy of the file",
                      "the tensors have more than 2^60 elements or bytes");
}

/* Of a variable in slices only the whole is a tensor; but each slice has its checksum. */
static enum ingot_status on_tensor(void *ctx, const struct bundle_tensor *b, uint32_t n_shards, struct ingot_error *err)
{
    struct ingot_source *src = ctx;
    struct tensorflow *tf = src->reader_data;
    struct ingot_source_tensor t = { .dtype_name = b->dtype_name,
                                     .scalar = b->scalar,
                                     .rank = b->rank,
                                     .n_slices = b->n_slices,
                                     .check = INGOT_NO_CHECK };
    enum ingot_status status = tf->shards ? INGOT_OK : name_shards(src, tf, n_shards, err);
    if (status == INGOT_OK) status = note_span(tf, b, err);
    if (status == INGOT_OK) status = add_up(tf, b, err);
    if (status == INGOT_OK) status = open_shard(src, &tf->shards[b->shard], err);
    if (status == INGOT_OK) status = place_tensor(&tf->shards[b->shard], b, &t, err);
    if (status != INGOT_OK) return status;
    memcpy(t.shape, b->shape, sizeof t.shape);
    t.name = name_pool_add(&src->names, b->name, b->n_name);
    if (!t.name) return fail_memory(err, src->path);
    status = add_check(src, t.name, b, &t, err);
    return status != INGOT_OK || b->is_slice ? status : source_add_tensor(src, &t, err);
}

static int by_place(const void *a, const void *b)
{
    const struct span *s = a, *t = b;
    if (s->shard != t->shard) return s->shard < t->shard ? -1 : 1;
    if (s->off != t->off) return s->off < t->off ? -1 : 1;
    return (s->n_bytes > t->n_bytes) - (s->n_bytes < t->n_bytes);
}

/* No writer lets two tensors share bytes; a file that does would be read many times over. */
static enum ingot_status check_overlap(struct tensorflow *tf, struct ingot_error *err)
{
    uint64_t end = 0; /* of the tensors so far that have bytes; one without may lie inside another */
    if (tf->n_spans > 0) qsort(tf->spans, tf->n_spans, sizeof *tf->spans, by_place);
    for (size_t i = 0; i < tf->n_spans; i++) {
        const struct span *s = &tf->spans[i];
        if (i > 0 && tf->spans[i - 1].shard != s->shard) end = 0;
        if (s->n_bytes == 0) continue;
        if (s->off < end)
            return ingot_fail(err, INGOT_E_OVERLAP, s->entry_off, tf->index->path, "get another copy of the file",
                              "a tensor begins at %" PRIu64
                              " of its data file, before the one in front of it ends at %" PRIu64,
                              s->off, end);
        end = s->off + s->n_bytes;
    }
    return INGOT_OK;
}

static enum ingot_status add_hparams(struct ingot_source *src, struct ingot_error *err)
{
    const struct input *in;
    if (!path_exists(src->directory, HPARAMS_FILE)) return INGOT_OK;
    enum ingot_status status = source_add_file(src, HPARAMS_FILE, &in, err);
    return status == INGOT_OK ? source_add_json_facts(src, in, "hparams", err) : status;
}

static enum ingot_status open_checkpoint(struct ingot_source *src, struct ingot_error *err)
{
    struct tensorflow *tf = calloc(1, sizeof *tf);
    if (!tf) return fail_memory(err, src->path);
    src->reader_data = tf;
    enum ingot_status status = open_index(src, tf, err);
    if (status == INGOT_OK)
        status = bundle_walk(tf->index->map.bytes, tf->index->map.size, tf->index->path, on_tensor, src, err);
    if (status == INGOT_OK) status = check_overlap(tf, err);
    return status == INGOT_OK ? add_hparams(src, err) : status;
}

static void close_checkpoint(struct ingot_source *src)
{
    struct tensorflow *tf = src->reader_data;
    if (!tf) return;
    for (uint32_t i = 0; i < tf->n_shards; i++) free(tf->shards[i].name);
    free(tf->shards);
    free(tf->spans);
    free(tf->prefix);
    free(tf);
}

const struct source_reader source_tensorflow = {
    .format = "tensorflow",
    .files = "a TensorFlow directory (checkpoint, model.ckpt.index, model.ckpt.data-*)",
    .probe = probe,
    .open = open_checkpoint,
    .close = close_checkpoint,
};
