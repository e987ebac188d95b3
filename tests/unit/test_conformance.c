/* Every vector of tests/conformance/, opened by the library and by the independent reader: a valid file is valid for
 * both, and both see the same index; a damaged one is refused with the status and at the offset that spec/format.md
 * gives. */
#include "tests/conformance/vectors.h"
#include "runtime/ingot_runtime.h"

#include <limits.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* -------------------------------------------------------------------------------------------------- what is found */

/* What a reader says of a file: OK, or the first status and where. */
struct verdict {
    enum vector_stage stage;
    enum ingot_status status;
    uint64_t at;
};

static struct verdict verdict_of(enum vector_stage stage, const struct ingot_error *err)
{
    return (struct verdict){ stage, err->status, err->offset };
}

static struct verdict judge_open_file(const struct ingot_file *file)
{
    struct ingot_error err = { 0 };
    struct ingot_hparams hp;
    struct ingot_section section;
    if (ingot_find(file, INGOT_NAME_MODEL, &section) && ingot_hparams_read(file, &hp, &err) != INGOT_OK)
        return verdict_of(STAGE_MODEL, &err);
    struct ingot_tokenizer *tokenizer = NULL;
    if (ingot_find(file, INGOT_NAME_VOCABULARY, &section) && ingot_tokenizer_open(file, &tokenizer, &err) != INGOT_OK)
        return verdict_of(STAGE_VOCABULARY, &err);
    ingot_tokenizer_close(tokenizer);
    if (ingot_verify(file, NULL, NULL, &err) != INGOT_OK) return verdict_of(STAGE_VERIFY, &err);
    return (struct verdict){ STAGE_VALID, INGOT_OK, 0 };
}

static struct verdict judge(const struct image *image)
{
    struct ingot_error err = { 0 };
    struct ingot_file *file = NULL;
    if (ingot_open_memory(image->bytes, image->n, "vector", &file, &err) != INGOT_OK)
        return verdict_of(STAGE_OPEN, &err);
    struct verdict verdict = judge_open_file(file);
    ingot_close(file);
    return verdict;
}

/* ------------------------------------------------------------------------------------------ the independent reader */

static char directory[PATH_MAX];

static int make_directory(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/ingot-vectors-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char path[PATH_MAX + 16];
    (void)state;
    snprintf(path, sizeof path, "%s/vector.ingot", directory);
    unlink(path);
    return rmdir(directory);
}

/* Runs the decoder; its standard output, to be freed, and its exit status. */
static char *run_decoder(const char *path, const char *tensor, int *status)
{
    const char *decoder = getenv("INGOT_DECODER");
    char command[8192];
    size_t n = 0, capacity = 1 << 20;
    char *text = malloc(capacity);
    assert_non_null(text);
    assert_non_null(decoder);
    snprintf(command, sizeof command, tensor ? "'%s' --tensor '%s' '%s'" : "'%s' %s'%s'", decoder, tensor ? tensor : "",
             path);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    n = fread(text, 1, capacity - 1, out);
    text[n] = '\0';
    int ended = pclose(out);
    assert_true(WIFEXITED(ended));
    *status = WEXITSTATUS(ended);
    return text;
}

static void write_file(const struct image *image, const char *path)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    if (image->n) assert_int_equal(fwrite(image->bytes, 1, image->n, out), image->n);
    assert_int_equal(fclose(out), 0);
}

static char *decode_image(const struct image *image, const char *tensor, int *status)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/vector.ingot", directory);
    write_file(image, path);
    char *text = run_decoder(path, tensor, status);
    unlink(path);
    return text;
}

/* ----------------------------------------------------------------------------------------- the library's own view */

struct text {
    char *bytes;
    size_t n, capacity;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->bytes + text->n, text->capacity - text->n, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < text->capacity - text->n);
    text->n += (size_t)n;
}

/* As the decoder writes names. */
static void append_name(struct text *text, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        append(text, *c > ' ' && *c < 0x7f && *c != '\\' ? "%c" : "\\x%02x", *c);
}

static void append_section(struct text *text, const struct ingot_file *file, uint32_t i)
{
    struct ingot_section s = ingot_section_at(file, i);
    append_name(text, s.name);
    if (strcmp(ingot_kind_name(s.kind), "?") == 0)
        append(text, " 0x%04x", (unsigned)s.kind);
    else
        append(text, " %s", ingot_kind_name(s.kind));
    append(text, " %s %s [", ingot_dtype_name(s.dtype), ingot_layout_name(s.layout));
    for (uint32_t d = 0; d < s.rank; d++) append(text, "%s%llu", d ? "," : "", (unsigned long long)s.shape[d]);
    append(text, "] %llu %llu %016llx%016llx", (unsigned long long)s.data_off, (unsigned long long)s.raw_bytes,
           (unsigned long long)s.digest.hi, (unsigned long long)s.digest.lo);
    if (s.kind == INGOT_KIND_ALIAS) {
        append(text, " -> ");
        append_name(text, ingot_section_at(file, s.target).name);
    }
    append(text, "\n");
}

static void append_superblock(struct text *text, const struct ingot_file *file)
{
    struct ingot_file_info info;
    ingot_file_get_info(file, &info);
    append(text,
           "superblock slot=%c read=%u write=%u must=%llx may=%llx generation=%llu length=%llu index=%llu+%llu "
           "align=%u content=%016llx%016llx\n",
           info.slot_used ? 'B' : 'A', info.read_version, info.write_version, (unsigned long long)info.features_must,
           (unsigned long long)info.features_may, (unsigned long long)info.generation,
           (unsigned long long)info.file_bytes, (unsigned long long)info.index_off,
           (unsigned long long)info.index_bytes, info.align, (unsigned long long)info.content_id.hi,
           (unsigned long long)info.content_id.lo);
}

/* What the decoder prints of the superblock and the index; to be freed. */
static char *describe(const struct ingot_file *file)
{
    struct text text = { .bytes = malloc(1 << 20), .capacity = 1 << 20 };
    assert_non_null(text.bytes);
    append_superblock(&text, file);
    for (uint32_t i = 0; i < ingot_section_count(file); i++) append_section(&text, file, i);
    return text.bytes;
}

/* A tensor of rank 1 or 2 by ingot_element(), as the decoder prints it. */
static char *describe_tensor(const struct ingot_section *s)
{
    struct text text = { .bytes = malloc(1 << 20), .capacity = 1 << 20 };
    assert_non_null(text.bytes);
    text.bytes[0] = '\0';
    uint64_t cols = s->shape[s->rank - 1], rows = s->rank == 2 ? s->shape[0] : 1;
    for (uint64_t row = 0; row < rows; row++)
        for (uint64_t col = 0; col < cols; col++)
            append(&text, "%.9g%c", ingot_element(s, row, col), col + 1 < cols ? ' ' : '\n');
    return text.bytes;
}

/* ------------------------------------------------------------------------------------------------------------ tests */

static void the_library_says_of_every_vector_what_the_spec_says(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < n_vectors; i++) {
        const struct vector *v = &vectors[i];
        uint64_t at;
        struct image *image = vector_make(v, &at);
        struct verdict found = judge(image);
        image_free(image);
        bool same = found.stage == v->stage && found.status == v->status && (!v->status || found.at == at);
        if (same) continue;
        wrong++;
        print_message("%s %s: expected %s at %llu (stage %d), found %s at %llu (stage %d)\n", v->rule, v->what,
                      ingot_status_name(v->status), (unsigned long long)at, (int)v->stage,
                      ingot_status_name(found.status), (unsigned long long)found.at, (int)found.stage);
    }
    assert_int_equal(wrong, 0);
}

static void the_decoder_says_of_every_vector_what_the_spec_says(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < n_vectors; i++) {
        const struct vector *v = &vectors[i];
        uint64_t at;
        struct image *image = vector_make(v, &at);
        int status;
        char *text = decode_image(image, NULL, &status), expected[128] = "valid\n";
        image_free(image);
        if (v->status)
            snprintf(expected, sizeof expected, "invalid %s %d %s at %llu\n", v->rule, (int)v->status,
                     ingot_status_name(v->status), (unsigned long long)at);
        const char *last = strstr(text, "invalid ");
        if (!last) last = strstr(text, "\nvalid\n") ? "valid\n" : "";
        if (status != (v->status != INGOT_OK) || strcmp(last, expected) != 0) {
            wrong++;
            print_message("%s %s: expected %s  found (%d) %s\n", v->rule, v->what, expected, status, last);
        }
        free(text);
    }
    assert_int_equal(wrong, 0);
}

static void both_see_the_same_index_in_every_valid_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_vectors; i++) {
        if (vectors[i].status) continue;
        uint64_t at;
        int status;
        struct ingot_file *file = NULL;
        struct image *image = vector_make(&vectors[i], &at);
        assert_int_equal(ingot_open_memory(image->bytes, image->n, "vector", &file, NULL), INGOT_OK);
        char *ours = describe(file), *theirs = decode_image(image, NULL, &status);
        assert_true(strlen(theirs) > strlen(ours));
        theirs[strlen(ours)] = '\0';
        assert_string_equal(theirs, ours);
        free(ours);
        free(theirs);
        ingot_close(file);
        image_free(image);
    }
}

static bool is_small_matrix(const struct ingot_section *s)
{
    return (s->kind == INGOT_KIND_TENSOR || s->kind == INGOT_KIND_ALIAS) && (s->rank == 1 || s->rank == 2) &&
           s->raw_bytes < 4096 && strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789") == s->name_len;
}

static void both_read_the_same_elements_whatever_the_layout(void **state)
{
    (void)state;
    size_t compared = 0;
    for (size_t i = 0; i < n_vectors; i++) {
        if (vectors[i].status) continue;
        uint64_t at;
        struct ingot_file *file = NULL;
        struct image *image = vector_make(&vectors[i], &at);
        assert_int_equal(ingot_open_memory(image->bytes, image->n, "vector", &file, NULL), INGOT_OK);
        for (uint32_t s = 0; s < ingot_section_count(file); s++) {
            struct ingot_section section = ingot_section_at(file, s);
            if (!is_small_matrix(&section)) continue;
            int status;
            char *ours = describe_tensor(&section), *theirs = decode_image(image, section.name, &status);
            assert_int_equal(status, 0);
            assert_string_equal(theirs, ours);
            free(ours);
            free(theirs);
            compared++;
        }
        ingot_close(file);
        image_free(image);
    }
    assert_true(compared > 30);
}

static const struct vector *vector_named(const char *what)
{
    size_t i = 0;
    while (i < n_vectors && strcmp(vectors[i].what, what) != 0) i++;
    assert_true(i < n_vectors);
    return &vectors[i];
}

static void a_valid_vector_cut_anywhere_in_its_index_is_truncated(void **state)
{
    (void)state;
    uint64_t at;
    struct image *image = vector_make(vector_named("everything"), &at);
    for (uint64_t n = image->index_off + image->index_bytes; n-- > 0;) {
        image_resize(image, n);
        struct verdict found = judge(image);
        assert_int_equal(found.status, INGOT_E_TRUNCATED);
        assert_int_equal(found.at, n);
    }
    image_free(image);
}

static bool decoder_accepts(const struct image *image)
{
    int status;
    free(decode_image(image, NULL, &status));
    assert_in_range(status, 0, 1);
    return status == 0;
}

/* `seal` makes the checksums fit, as a hostile writer would. Returns whether both call the file valid. */
static bool both_accept(struct image *image, uint64_t at, void (*seal)(struct image *))
{
    uint8_t original = image->bytes[at];
    image->bytes[at] ^= (uint8_t)(1u << at % 8);
    if (seal) seal(image);
    bool ours = judge(image).status == INGOT_OK, theirs = decoder_accepts(image);
    if (ours != theirs) print_message("byte %llu: %d, %d\n", (unsigned long long)at, ours, theirs);
    assert_int_equal(ours, theirs);
    image->bytes[at] = original;
    if (seal) seal(image);
    return ours;
}

/* The slots' own bytes: versions of writers and optional features may differ, nothing else. */
static void seal_equal_slots(struct image *image)
{
    memcpy(image->bytes + 4096, image->bytes, 248);
    image_seal_slots(image);
}

static void both_agree_on_every_sealed_byte_of_a_superblock(void **state)
{
    (void)state;
    uint64_t at;
    struct image *image = vector_make(vector_named("everything"), &at);
    for (at = 0; at < 248; at++) {
        bool may_differ = at == 10 || at == 11 || (at >= 24 && at < 40);
        bool accepted = both_accept(image, at, seal_equal_slots);
        if (accepted) assert_true(may_differ);
    }
    image_free(image);
}

static void both_agree_on_every_sealed_byte_of_an_index(void **state)
{
    (void)state;
    uint64_t at;
    struct image *image = vector_make(vector_named("everything"), &at);
    for (at = image->index_off; at < image->index_off + image->index_bytes; at++)
        both_accept(image, at, image_seal_index);
    image_free(image);
}

static void neither_accepts_a_file_with_one_byte_changed(void **state)
{
    (void)state;
    uint64_t at;
    struct image *image = vector_make(vector_named("everything"), &at);
    for (at = 0; at < image->n; at += 29) assert_false(both_accept(image, at, NULL));
    image_free(image);
}

/* ------------------------------------------------------------------------------------- the states of an edit, one by
 * one
 *
 * The least edit there is: the same index again, behind the file. */

/* Step 1: appended and synced, the slots as they were. */
static void append_index(struct image *image, uint64_t *off)
{
    *off = (image->n + 63) / 64 * 64;
    image_resize(image, *off + image->index_bytes);
    memcpy(image->bytes + *off, image->bytes + image->index_off, image->index_bytes);
}

/* Steps 2 and 3. */
static void switch_slot(struct image *image, uint64_t slot, uint64_t index_off)
{
    image_put(image, slot + 32, 8, 2);
    image_put(image, slot + 40, 8, image->n);
    image_put(image, slot + 48, 8, index_off);
    image_seal_slots(image);
}

/* Expects that both readers open generation `generation` and find `status` at `at`. */
static void expect_state(const struct image *image, uint64_t generation, enum ingot_status status, uint64_t at)
{
    struct ingot_file *file;
    struct ingot_file_info info;
    assert_int_equal(ingot_open_memory(image->bytes, image->n, "edit", &file, NULL), INGOT_OK);
    ingot_file_get_info(file, &info);
    assert_int_equal(info.generation, generation);
    struct verdict found = judge_open_file(file);
    assert_int_equal(found.status, status);
    assert_int_equal(found.at, at);
    assert_int_equal(decoder_accepts(image), status == INGOT_OK);
    ingot_close(file);
}

static void every_state_of_an_edit_opens_and_verify_tells_it(void **state)
{
    (void)state;
    uint64_t at, index_off;
    struct image *image = vector_make(vector_named("everything"), &at);
    uint64_t old_length = image->n;
    append_index(image, &index_off);
    expect_state(image, 1, INGOT_E_TRUNCATED, old_length); /* a torn tail */
    image->bytes[4096 + 40] ^= 1;
    expect_state(image, 1, INGOT_E_SUPERBLOCK, 4096); /* slot B half written */
    switch_slot(image, 4096, index_off);
    expect_state(image, 2, INGOT_E_SUPERBLOCK, 0); /* slot B newer */
    image->bytes[40] ^= 1;
    expect_state(image, 2, INGOT_E_SUPERBLOCK, 0); /* slot A half written */
    switch_slot(image, 0, index_off);
    expect_state(image, 2, INGOT_E_RESERVED, image->index_off); /* the old index still there */
    memset(image->bytes + image->index_off, 0, image->index_bytes);
    expect_state(image, 2, INGOT_OK, 0);
    image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_says_of_every_vector_what_the_spec_says),
        cmocka_unit_test(the_decoder_says_of_every_vector_what_the_spec_says),
        cmocka_unit_test(both_see_the_same_index_in_every_valid_vector),
        cmocka_unit_test(both_read_the_same_elements_whatever_the_layout),
        cmocka_unit_test(a_valid_vector_cut_anywhere_in_its_index_is_truncated),
        cmocka_unit_test(both_agree_on_every_sealed_byte_of_a_superblock),
        cmocka_unit_test(both_agree_on_every_sealed_byte_of_an_index),
        cmocka_unit_test(neither_accepts_a_file_with_one_byte_changed),
        cmocka_unit_test(every_state_of_an_edit_opens_and_verify_tells_it),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
