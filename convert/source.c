/* source.c - an opened checkpoint: what its reader declares, and what is asked of it. */
#include "convert/source.h"

#include "convert/array.h"
#include "convert/source_choose.h"
#include "format/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum ingot_status source_add_file(struct ingot_source *src, const char *name, const struct input **out,
                                  struct ingot_error *err)
{
    struct input **files = array_grow(src->files, &src->cap_files, src->n_files, sizeof(struct input *));
    if (!files) return fail_memory(err, src->path);
    src->files = files;
    struct input *in = NULL;
    enum ingot_status status = input_open(src->directory, name, "complete the checkpoint", &in, err);
    if (status != INGOT_OK) return status;
    files[src->n_files++] = in;
    *out = in;
    return INGOT_OK;
}

/* Row-major strides where the reader gave none of its own, and the words that follow from the scalar. */
static void complete_tensor(struct ingot_source_tensor *t)
{
    uint64_t step = 1;
    t->dtype = ingot_scalar_info(t->scalar)->dtype;
    if (!t->dtype_name) t->dtype_name = t->block ? t->block->name : ingot_scalar_info(t->scalar)->name;
    if (t->strided) return;
    for (uint32_t i = t->rank; i-- > 0; step *= t->shape[i]) t->strides[i] = step;
}

enum ingot_status source_add_tensor(struct ingot_source *src, const struct ingot_source_tensor *tensor,
                                    struct ingot_error *err)
{
    struct ingot_source_tensor *tensors =
        array_grow(src->tensors, &src->cap_tensors, src->n_tensors, sizeof(struct ingot_source_tensor));
    if (!tensors) return fail_memory(err, src->path);
    src->tensors = tensors;
    tensors[src->n_tensors] = *tensor;
    complete_tensor(&tensors[src->n_tensors++]);
    return INGOT_OK;
}

/* Of one file, which is most often all there is, the reader's array is the source's. */
enum ingot_status source_take_tensors(struct ingot_source *src, struct ingot_source_tensor *tensors, size_t n,
                                      struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    if (src->n_tensors == 0) {
        free(src->tensors);
        src->tensors = tensors;
        src->n_tensors = src->cap_tensors = n;
        for (size_t i = 0; i < n; i++) complete_tensor(&tensors[i]);
        return INGOT_OK;
    }
    for (size_t i = 0; i < n && status == INGOT_OK; i++) status = source_add_tensor(src, &tensors[i], err);
    free(tensors);
    return status;
}

enum ingot_status source_add_check(struct ingot_source *src, const struct source_check *check, uint32_t *number,
                                   struct ingot_error *err)
{
    struct source_check *checks = array_grow(src->checks, &src->cap_checks, src->n_checks, sizeof *checks);
    if (!checks) return fail_memory(err, src->path);
    src->checks = checks;
    checks[src->n_checks] = *check;
    *number = (uint32_t)src->n_checks++;
    return INGOT_OK;
}

enum ingot_status source_check_unchanged(const struct ingot_source *src, struct ingot_error *err)
{
    for (size_t i = 0; i < src->n_files; i++) {
        enum ingot_status status = input_check_unchanged(src->files[i], err);
        if (status != INGOT_OK) return status;
    }
    return INGOT_OK;
}

struct hashed_name {
    uint64_t hash;
    const char *name;
};

/* Names in buckets by the first bits of their hashes. */
struct buckets {
    uint32_t bits;
    uint32_t *ends;            /* 2^bits */
    struct hashed_name *names; /* by bucket, */
    struct hashed_name *found; /* which are at first in order of the tensors */
};

/* As many buckets as names, or a few more: most then hold none or one. */
static bool make_buckets(struct buckets *b, size_t n)
{
    b->bits = 1;
    while (b->bits < 31 && (size_t)1 << b->bits < n) b->bits++;
    b->ends = calloc((size_t)1 << b->bits, sizeof *b->ends);
    b->names = map_large_malloc(2 * n * sizeof *b->names + 1);
    b->found = b->names ? b->names + n : NULL;
    return b->ends && b->names;
}

/* By counting; each bucket's end is at first its beginning. */
static void fill_buckets(struct buckets *b, const struct ingot_source *src)
{
    const uint32_t shift = 64 - b->bits;
    uint32_t total = 0;
    for (size_t i = 0; i < src->n_tensors; i++) {
        const char *name = src->tensors[i].name;
        b->found[i] = (struct hashed_name){ ingot_hash64(name, strlen(name)), name };
        b->ends[b->found[i].hash >> shift]++;
    }
    for (size_t k = 0; k < (size_t)1 << b->bits; k++) {
        const uint32_t n = b->ends[k];
        b->ends[k] = total;
        total += n;
    }
    for (size_t i = 0; i < src->n_tensors; i++) b->names[b->ends[b->found[i].hash >> shift]++] = b->found[i];
}

/* Names themselves are looked at where hashes are equal. */
static int by_hash(const void *a, const void *b)
{
    const struct hashed_name *x = a, *y = b;
    return x->hash == y->hash ? strcmp(x->name, y->name) : x->hash < y->hash ? -1 : 1;
}

/* The least of those that are there twice, or NULL. Whoever makes all hashes fall into one bucket has them sorted. */
static const char *find_twin(const struct buckets *b)
{
    const char *least = NULL;
    for (size_t k = 0, from = 0; k < (size_t)1 << b->bits; from = b->ends[k++]) {
        if (b->ends[k] - from < 2) continue;
        qsort(b->names + from, b->ends[k] - from, sizeof *b->names, by_hash);
        for (size_t i = from + 1; i < b->ends[k]; i++)
            if (by_hash(&b->names[i - 1], &b->names[i]) == 0 && (!least || strcmp(b->names[i].name, least) < 0))
                least = b->names[i].name;
    }
    return least;
}

/* Two tensors of one name would make the choice between them an accident. */
static enum ingot_status check_names_unique(const struct ingot_source *src, struct ingot_error *err)
{
    struct buckets b = { 0 };
    const char *twin = NULL;
    char shown[256];
    enum ingot_status status = INGOT_OK;
    if (make_buckets(&b, src->n_tensors)) {
        fill_buckets(&b, src);
        twin = find_twin(&b);
    } else {
        status = fail_memory(err, src->path);
    }
    if (twin)
        status = ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, src->path, "get another copy",
                            "two of its tensors are called %s", ingot_escape(twin, strlen(twin), shown, sizeof shown));
    free(b.ends);
    free(b.names);
    return status;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct ingot_fact *)a)->key, ((const struct ingot_fact *)b)->key);
}

/* Sorts them, too: their order in the file says nothing. */
static enum ingot_status check_facts_unique(const struct ingot_source *src, struct ingot_error *err)
{
    if (src->n_facts > 0) qsort(src->facts, src->n_facts, sizeof *src->facts, by_key);
    for (size_t i = 1; i < src->n_facts; i++)
        if (strcmp(src->facts[i - 1].key, src->facts[i].key) == 0)
            return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, src->facts[i].key, "get another copy",
                              "the checkpoint states this value twice");
    return INGOT_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct ingot_source_tensor *s = a, *t = b;
    int order = s->file == t->file ? 0 : strcmp(s->file, t->file);
    if (order == 0) order = (s->file_off > t->file_off) - (s->file_off < t->file_off);
    return order ? order : strcmp(s->name, t->name);
}

/* Most files say their tensors in order. */
static void sort_by_place(struct ingot_source_tensor *tensors, size_t n)
{
    size_t i = 1;
    while (i < n && by_place(&tensors[i - 1], &tensors[i]) <= 0) i++;
    if (i < n) qsort(tensors, n, sizeof *tensors, by_place);
}

/* Splits path into the directory and the name in it. */
static bool set_path(struct ingot_source *src, const char *path, bool is_directory)
{
    src->path = strdup(path);
    if (!src->path) return false;
    src->directory = is_directory ? strdup(path) : path_split(src->path, &src->base);
    return src->directory != NULL;
}

/* TensorFlow calls a checkpoint by what its files have in common: path.index is then what the path means. Returns it,
 * to be freed; NULL where path itself is there, or path.index is not. */
static char *path_of_index(const char *path)
{
    struct stat st;
    char *index = NULL;
    if (lstat(path, &st) == 0 || errno != ENOENT || asprintf(&index, "%s.index", path) < 0) return NULL;
    if (stat(index, &st) == 0 && S_ISREG(st.st_mode)) return index;
    free(index);
    return NULL;
}

static enum ingot_status open_source(const char *path, struct ingot_source **out, struct ingot_error *err)
{
    struct chosen_reader chosen;
    struct ingot_source *src = calloc(1, sizeof *src);
    if (!src) return fail_memory(err, path);
    enum ingot_status status = source_choose(path, &chosen, err);
    src->reader = chosen.reader;
    if (status == INGOT_OK && !set_path(src, chosen.file ? chosen.file : path, chosen.is_directory))
        status = fail_memory(err, path);
    free(chosen.file);
    if (status == INGOT_OK) status = src->reader->open(src, err);
    if (status == INGOT_OK) status = check_names_unique(src, err);
    if (status == INGOT_OK) status = check_facts_unique(src, err);
    if (status != INGOT_OK) {
        ingot_source_close(src);
        return status;
    }
    sort_by_place(src->tensors, src->n_tensors);
    *out = src;
    return INGOT_OK;
}

enum ingot_status ingot_source_open(const char *path, struct ingot_source **out, struct ingot_error *err)
{
    *out = NULL;
    char *index = path_of_index(path);
    enum ingot_status status = open_source(index ? index : path, out, err);
    free(index);
    return status;
}

void source_free_facts(struct ingot_source *src)
{
    for (size_t i = 0; i < src->n_facts; i++) {
        free((void *)(uintptr_t)src->facts[i].key);
        free((void *)(uintptr_t)src->facts[i].text);
    }
    free(src->facts);
}

void ingot_source_close(struct ingot_source *src)
{
    if (!src) return;
    if (src->reader && src->reader->close) src->reader->close(src);
    source_free_facts(src);
    free(src->checks);
    for (size_t i = 0; i < src->n_files; i++) input_close(src->files[i]);
    name_pool_free(&src->names);
    free(src->tensors);
    free(src->files);
    free(src->directory);
    free(src->path);
    free(src);
}

const char *ingot_source_format(const struct ingot_source *src)
{
    return src->reader->format;
}

const char *ingot_source_path(const struct ingot_source *src)
{
    return src->path;
}

size_t ingot_source_count(const struct ingot_source *src)
{
    return src->n_tensors;
}

struct ingot_source_tensor ingot_source_at(const struct ingot_source *src, size_t i)
{
    return src->tensors[i];
}
