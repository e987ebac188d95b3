/* In, out, and in again: whichever format a checkpoint comes from and goes to, no bit of it is lost, and nothing
 * depends on how many threads did it. */
#include "tests/unit/vocab_fixture.h"

#include "convert/ingot_convert.h"

#define FOREIGN "tests/models/foreign/"

/* What a format cannot say, it refuses. */
enum { HUGGINGFACE = 1, GGUF = 2, LLM_C = 4, ALL = 7 };

static const struct {
    const char *name, *output;
    int bit;
} targets[] = {
    { "huggingface", "out", HUGGINGFACE },
    { "gguf", "out.gguf", GGUF },
    { "llm.c", "out.bin", LLM_C },
};

static const struct {
    const char *path;
    int expressible;
    bool biased;
} sources[] = {
    { FOREIGN "hf", ALL, true },
    { FOREIGN "hf-f16", ALL, true },
    { FOREIGN "hf-bf16", ALL, true },
    { FOREIGN "hf-sharded", ALL, true },
    { FOREIGN "torch-zip", ALL, true },
    { FOREIGN "torch-legacy", ALL, true },
    { FOREIGN "torch-sharded", ALL, true },
    { FOREIGN "nanogpt", HUGGINGFACE, true },         /* erf */
    { FOREIGN "nanogpt-nobias", HUGGINGFACE, false }, /* erf */
    { FOREIGN "mingpt", HUGGINGFACE | GGUF, true },   /* a head of its own */
    { FOREIGN "tensorflow", ALL, true },
    { FOREIGN "gguf/tiny.gguf", ALL, true },
    { FOREIGN "gguf/tiny-f16.gguf", ALL, true },
    { FOREIGN "llmc/model.bin", ALL, true },
    { FOREIGN "llmc/model_bf16.bin", ALL, true },
};
#define N_SOURCES (sizeof sources / sizeof *sources)
#define N_TARGETS (sizeof targets / sizeof *targets)

static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_F32, INGOT_F16, INGOT_BF16 };
#define N_DTYPES (sizeof dtypes / sizeof *dtypes)

static void convert_to(const char *source, const char *output, enum ingot_dtype dtype, uint32_t n_threads)
{
    const struct ingot_convert_options options = { .dtype = dtype, .overwrite = true, .n_threads = n_threads };
    struct ingot_error err = { 0 };
    if (ingot_convert(source, output, &options, NULL, &err) != INGOT_OK)
        fail_msg("%s: %s: %s", source, err.subject, err.message);
}

static struct ingot_file *convert(const char *source, const char *output, enum ingot_dtype dtype)
{
    struct ingot_error err = { 0 };
    struct ingot_file *file = NULL;
    convert_to(source, output, dtype, 1);
    if (ingot_open(output, INGOT_OPEN_MAP, &file, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return file;
}

/* A .bin of llm.c is all f32 or all bf16: f16 comes out wider, and is the same again only when f16 is asked for. */
static bool comes_back_wider(const struct ingot_file *file, size_t target)
{
    struct ingot_section s;
    return targets[target].bit == LLM_C && ingot_find(file, "wte.weight", &s) && s.dtype == INGOT_F16;
}

static bool all_zero(const struct ingot_section *s)
{
    uint8_t any = 0;
    for (uint64_t i = 0; i < s->raw_bytes; i++) any |= ((const uint8_t *)s->data)[i];
    return any == 0;
}

/* Of `again`, what `file` has not must be a bias of zeros, for most formats cannot leave one out. */
static void expect_no_more(const struct ingot_file *file, const struct ingot_file *again, bool biased)
{
    struct ingot_section other;
    for (uint32_t i = 0; i < ingot_section_count(again); i++) {
        struct ingot_section s = ingot_section_at(again, i);
        if (s.kind != INGOT_KIND_TENSOR || ingot_find(file, s.name, &other)) continue;
        if (biased || !strstr(s.name, "bias") || !all_zero(&s)) fail_msg("%s has come from nowhere", s.name);
    }
}

static void expect_same(const char *way, const struct ingot_file *file, const struct ingot_file *again, bool biased)
{
    struct ingot_file_info a, b;
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i), t;
        if (s.kind != INGOT_KIND_TENSOR && s.kind != INGOT_KIND_ALIAS && s.kind != INGOT_KIND_VOCABULARY) continue;
        if (!ingot_find(again, s.name, &t)) fail_msg("%s: no %s", way, s.name);
        if (s.kind != t.kind || s.dtype != t.dtype || s.raw_bytes != t.raw_bytes ||
            memcmp(&s.digest, &t.digest, sizeof s.digest) != 0 || memcmp(s.data, t.data, s.raw_bytes) != 0)
            fail_msg("%s: %s is not what it was", way, s.name);
    }
    expect_no_more(file, again, biased);
    ingot_file_get_info(file, &a);
    ingot_file_get_info(again, &b);
    if (biased && memcmp(&a.content_id, &b.content_id, sizeof a.content_id) != 0) fail_msg("%s: content id", way);
}

static void clear(const char *directory)
{
    static const char *const names[] = { "out", "." };
    for (size_t i = 0; i < 2; i++) {
        char *path = strdup(fixture_path(directory, names[i]));
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));) unlink(fixture_path(path, e->d_name));
        if (d) closedir(d);
        if (i == 0) rmdir(path);
        free(path);
    }
}

/* Through one target and back. */
static void go_round(const struct ingot_file *file, const char *directory, size_t source, size_t target,
                     enum ingot_dtype dtype)
{
    char way[256], out[512];
    struct ingot_error err = { 0 };
    const struct ingot_export_options options = { .n_threads = 1 };
    snprintf(way, sizeof way, "%s to %s, dtype %d", sources[source].path, targets[target].name, (int)dtype);
    snprintf(out, sizeof out, "%s/%s", directory, targets[target].output);
    enum ingot_status status = ingot_export(file, targets[target].name, out, &options, NULL, &err);
    if (!(sources[source].expressible & targets[target].bit)) {
        if (status != INGOT_E_UNSUPPORTED) fail_msg("%s: status %d", way, (int)status);
        return;
    }
    if (status != INGOT_OK) fail_msg("%s: %s: %s", way, err.subject, err.message);
    struct ingot_file *again = convert(out, fixture_path(directory, "again.ingot"), dtype);
    expect_same(way, file, again, sources[source].biased);
    ingot_close(again);
}

/* Files of one content go the same ways: cast ones once. */
static bool is_new(const struct ingot_file *file)
{
    static struct ingot_digest seen[N_SOURCES * N_DTYPES];
    static size_t n_seen;
    struct ingot_file_info info;
    ingot_file_get_info(file, &info);
    for (size_t i = 0; i < n_seen; i++)
        if (memcmp(&seen[i], &info.content_id, sizeof seen[i]) == 0) return false;
    seen[n_seen++] = info.content_id;
    return true;
}

static void go_everywhere(const char *directory, size_t source, enum ingot_dtype dtype)
{
    struct ingot_file *file =
        convert(vocab_root_path(sources[source].path), fixture_path(directory, "in.ingot"), dtype);
    bool goes = is_new(file) || dtype == INGOT_DTYPE_NONE;
    for (size_t target = 0; goes && target < N_TARGETS; target++)
        if (dtype != INGOT_DTYPE_NONE || !comes_back_wider(file, target))
            go_round(file, directory, source, target, dtype);
    ingot_close(file);
    clear(directory);
}

static void nothing_is_lost_on_any_way_out_and_back(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    for (size_t source = 0; source < N_SOURCES; source++)
        for (size_t d = 0; d < N_DTYPES; d++) go_everywhere(directory, source, dtypes[d]);
    fixture_remove(directory);
}

/* -------------------------------------------------------------------------------------------------------- quantised */

static void q8_goes_out_as_gguf_and_comes_back_with_every_bit(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    for (size_t source = 0; source < N_SOURCES; source++) {
        struct ingot_file *file =
            convert(vocab_root_path(sources[source].path), fixture_path(directory, "in.ingot"), INGOT_Q8);
        go_round(file, directory, source, 1, INGOT_Q8);
        ingot_close(file);
        clear(directory);
    }
    fixture_remove(directory);
}

static void expect_same_elements(const char *way, const struct ingot_section *a, const struct ingot_section *b)
{
    const uint64_t rows = a->rank == 2 ? a->shape[0] : 1, cols = a->shape[a->rank - 1];
    for (uint64_t row = 0; row < rows; row++)
        for (uint64_t col = 0; col < cols; col++)
            if (ingot_element(a, row, col) != ingot_element(b, row, col))
                fail_msg("%s: %s [%u, %u]", way, a->name, (unsigned)row, (unsigned)col);
}

/* Out as what the target makes of it, and in as f32. */
static void expect_same_values(const struct ingot_file *file, const char *directory, size_t source, size_t target)
{
    char way[256], out[512];
    struct ingot_error err = { 0 };
    snprintf(way, sizeof way, "%s to %s", sources[source].path, targets[target].name);
    snprintf(out, sizeof out, "%s/%s", directory, targets[target].output);
    if (ingot_export(file, targets[target].name, out, NULL, NULL, &err) != INGOT_OK)
        fail_msg("%s: %s: %s", way, err.subject, err.message);
    struct ingot_file *again = convert(out, fixture_path(directory, "again.ingot"), INGOT_F32);
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i), t;
        if (s.kind != INGOT_KIND_TENSOR) continue;
        if (!ingot_find(again, s.name, &t)) fail_msg("%s: no %s", way, s.name);
        expect_same_elements(way, &s, &t);
    }
    ingot_close(again);
}

static void what_is_quantised_means_the_same_in_every_format(void **state)
{
    (void)state;
    static const enum ingot_dtype quantised[] = { INGOT_Q8, INGOT_Q4 };
    char *directory = fixture_directory();
    for (size_t source = 0; source < N_SOURCES; source++)
        for (size_t d = 0; d < 2; d++) {
            struct ingot_file *file =
                convert(vocab_root_path(sources[source].path), fixture_path(directory, "in.ingot"), quantised[d]);
            for (size_t target = 0; target < N_TARGETS; target++)
                if (sources[source].expressible & targets[target].bit)
                    expect_same_values(file, directory, source, target);
            ingot_close(file);
            clear(directory);
        }
    fixture_remove(directory);
}

/* ---------------------------------------------------------------------------------------------------------- threads */

static void expect_same_with_any_threads(size_t source, const char *directory, enum ingot_dtype dtype)
{
    uint8_t *bytes[3];
    size_t n[3];
    for (uint32_t k = 0; k < 3; k++) {
        char name[16];
        snprintf(name, sizeof name, "%u.ingot", k);
        convert_to(vocab_root_path(sources[source].path), fixture_path(directory, name), dtype, k + 1);
        bytes[k] = fixture_read(fixture_path(directory, name), &n[k]);
        if (n[k] != n[0] || memcmp(bytes[k], bytes[0], n[0]) != 0)
            fail_msg("%s, dtype %d, with %u threads", sources[source].path, (int)dtype, k + 1);
    }
    for (uint32_t k = 0; k < 3; k++) free(bytes[k]);
}

static void the_bytes_of_every_source_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    static const enum ingot_dtype cast_to[] = { INGOT_F16, INGOT_Q8, INGOT_Q4 };
    char *directory = fixture_directory();
    for (size_t source = 0; source < N_SOURCES; source++)
        for (size_t d = 0; d < 3; d++) expect_same_with_any_threads(source, directory, cast_to[d]);
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_on_any_way_out_and_back),
        cmocka_unit_test(q8_goes_out_as_gguf_and_comes_back_with_every_bit),
        cmocka_unit_test(what_is_quantised_means_the_same_in_every_format),
        cmocka_unit_test(the_bytes_of_every_source_do_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
