/* llm.c's model file: every tensor at its place, and every way to lie about it ends in the right status at the right
 * offset. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/llmc.h"
#include "format/bytes.h"
#include "format/disk.h"

/* 2 layers, 3 heads, width 6, context 5, vocabulary 7 of 9 rows. */
enum { V = 7, VP = 9, T = 5, L = 2, NH = 3, C = 6 };
enum { VERSION = 1, MAX_SEQ_LEN, VOCAB_SIZE, NUM_LAYERS, NUM_HEADS, CHANNELS, PADDED_VOCAB_SIZE };
#define N_SLOTS   16
#define N_TENSORS (4 + 12 * L)

struct image {
    uint8_t *bytes;
    uint64_t size;
};

/* How many elements the matrices (with biases and embeddings) and the norms have. */
static uint64_t n_plain(uint64_t rows)
{
    return rows * C + T * C + L * (3 * C * C + 3 * C + C * C + C + 8 * C * C + 5 * C);
}

static const uint64_t n_norm = 4 * L * C + 2 * C;

/* A file of one version, every element its own number as it stands in the file. */
static struct image image_of(uint32_t version)
{
    static const struct {
        uint64_t rows, plain, norm;
    } sizes[] = { [1] = { V, 4, 4 }, [3] = { VP, 4, 4 }, [4] = { VP, 2, 4 }, [5] = { VP, 2, 2 } };
    const uint32_t header[] = { LLMC_MAGIC, version, T, V, L, NH, C, version == 1 ? 0 : VP };
    uint64_t data = n_plain(sizes[version].rows) * sizes[version].plain + n_norm * sizes[version].norm;
    struct image im = { calloc(1, LLMC_HEADER_BYTES + data + 1), LLMC_HEADER_BYTES + data };
    for (size_t i = 0; i < 8; i++) put_u32(im.bytes + 4 * i, header[i]);
    for (uint64_t i = 0; 4 * i + 4 <= data; i++) put_u32(im.bytes + LLMC_HEADER_BYTES + 4 * i, (uint32_t)i);
    return im;
}

static enum ingot_status parse(struct image im, struct name_pool *pool, struct llmc_header *h,
                               struct ingot_source_tensor **tensors, size_t *n, struct ingot_error *err)
{
    *err = (struct ingot_error){ 0 };
    return llmc_parse(im.bytes, im.size, "t.bin", "t.bin", pool, h, tensors, n, err);
}

/* Frees the image. */
static void refuse(struct image im, enum ingot_status status, uint64_t offset, const char *said)
{
    struct name_pool pool = { 0 };
    struct llmc_header h;
    struct ingot_source_tensor *tensors;
    struct ingot_error err;
    size_t n = 1;
    enum ingot_status found = parse(im, &pool, &h, &tensors, &n, &err);
    if (found != status || !strstr(err.message, said)) fail_msg("%d, not %d: %s", found, status, err.message);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, offset);
    assert_string_equal(err.subject, "t.bin");
    assert_int_equal(n, 0);
    assert_null(tensors);
    name_pool_free(&pool);
    free(im.bytes);
}

/* A good file of version 3 but for one number of its header. */
static struct image with(size_t field, uint32_t value)
{
    struct image im = image_of(3);
    put_u32(im.bytes + 4 * field, value);
    return im;
}

/* -------------------------------------------------------------------------------------------------- what is read */

static const char *const names[N_TENSORS] = {
    "wte",      "wpe",         "h.0.ln1w",    "h.1.ln1w",     "h.0.ln1b",     "h.1.ln1b",     "h.0.qkvw",
    "h.1.qkvw", "h.0.qkvb",    "h.1.qkvb",    "h.0.attprojw", "h.1.attprojw", "h.0.attprojb", "h.1.attprojb",
    "h.0.ln2w", "h.1.ln2w",    "h.0.ln2b",    "h.1.ln2b",     "h.0.fcw",      "h.1.fcw",      "h.0.fcb",
    "h.1.fcb",  "h.0.fcprojw", "h.1.fcprojw", "h.0.fcprojb",  "h.1.fcprojb",  "lnfw",         "lnfb",
};

static void expect_places(uint32_t version, enum ingot_scalar plain, enum ingot_scalar norm, uint64_t rows)
{
    struct name_pool pool = { 0 };
    struct llmc_header h;
    struct ingot_source_tensor *t;
    struct ingot_error err;
    size_t n;
    struct image im = image_of(version);
    assert_int_equal(parse(im, &pool, &h, &t, &n, &err), INGOT_OK);
    assert_int_equal(h.version, version);
    assert_int_equal(h.n_rows, rows);
    assert_int_equal(n, N_TENSORS);
    uint64_t at = LLMC_HEADER_BYTES;
    for (size_t i = 0; i < n; i++) {
        bool is_norm = strstr(t[i].name, "ln") != NULL;
        assert_string_equal(t[i].name, names[i]);
        assert_int_equal(t[i].scalar, is_norm ? norm : plain);
        assert_int_equal(t[i].file_off, at);
        assert_ptr_equal(t[i].data, im.bytes + at);
        assert_int_equal(t[i].check, INGOT_NO_CHECK);
        assert_int_equal(t[i].n_bytes,
                         t[i].shape[0] * (t[i].rank == 2 ? t[i].shape[1] : 1) * ingot_scalar_info(t[i].scalar)->bytes);
        at += t[i].n_bytes;
    }
    assert_int_equal(at, im.size);
    name_pool_free(&pool);
    free(t);
    free(im.bytes);
}

static void the_slots_fill_the_file_in_their_order(void **state)
{
    (void)state;
    expect_places(1, INGOT_SCALAR_F32, INGOT_SCALAR_F32, V);
    expect_places(3, INGOT_SCALAR_F32, INGOT_SCALAR_F32, VP);
    expect_places(4, INGOT_SCALAR_BF16, INGOT_SCALAR_F32, VP);
    expect_places(5, INGOT_SCALAR_BF16, INGOT_SCALAR_BF16, VP);
}

static void shapes_are_rows_first(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t rows, cols; /* cols 0: a vector */
    } shapes[] = {
        { "wte", VP, C },
        { "wpe", T, C },
        { "h.1.ln1w", C, 0 },
        { "h.1.ln1b", C, 0 },
        { "h.1.qkvw", 3 * C, C },
        { "h.1.qkvb", 3 * C, 0 },
        { "h.1.attprojw", C, C },
        { "h.1.attprojb", C, 0 },
        { "h.1.ln2w", C, 0 },
        { "h.1.ln2b", C, 0 },
        { "h.1.fcw", 4 * C, C },
        { "h.1.fcb", 4 * C, 0 },
        { "h.1.fcprojw", C, 4 * C },
        { "h.1.fcprojb", C, 0 },
        { "lnfw", C, 0 },
        { "lnfb", C, 0 },
    };
    struct name_pool pool = { 0 };
    struct llmc_header h;
    struct ingot_source_tensor *t;
    struct ingot_error err;
    size_t n;
    struct image im = image_of(3);
    assert_int_equal(parse(im, &pool, &h, &t, &n, &err), INGOT_OK);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        size_t i = 0;
        while (strcmp(t[i].name, shapes[k].name) != 0) i++;
        assert_int_equal(t[i].rank, shapes[k].cols ? 2 : 1);
        assert_int_equal(t[i].shape[0], shapes[k].rows);
        assert_int_equal(t[i].shape[1], shapes[k].cols);
    }
    name_pool_free(&pool);
    free(t);
    free(im.bytes);
}

/* ----------------------------------------------------------------------------------------------- what is refused */

static void every_prefix_of_a_file_is_truncated(void **state)
{
    (void)state;
    struct image im = image_of(5);
    for (uint64_t size = im.size; size-- > 0;) {
        uint8_t *tight = malloc(size ? size : 1); /* the sanitizer sees a read beyond the prefix */
        memcpy(tight, im.bytes, size);
        const char *said =
            size >= LLMC_HEADER_BYTES ? "bytes; a model of these sizes" : "; the header alone takes 1024";
        refuse((struct image){ tight, size }, INGOT_E_TRUNCATED, size, said);
    }
    free(im.bytes);
}

static void bytes_behind_the_last_slot_are_refused(void **state)
{
    (void)state;
    struct image im = image_of(3);
    uint64_t end = im.size++;
    refuse(im, INGOT_E_SOURCE, end, "1 byte behind the end");
}

static void another_magic_is_no_model(void **state)
{
    (void)state;
    refuse(with(0, LLMC_MAGIC + 100000), INGOT_E_SOURCE, 0, "expected 20240326");
    assert_false(llmc_knows((const uint8_t[]){ 1, 2, 3, 4 }, 4, false));
    struct image im = image_of(3);
    assert_true(llmc_knows(im.bytes, 4, true));
    assert_false(llmc_knows(im.bytes, 3, true));
    put_u32(im.bytes, LLMC_MAGIC + 100000);
    im.size = 4;
    refuse(im, INGOT_E_SOURCE, 0, "expected 20240326");
}

static void the_other_files_of_llm_c_are_called_by_their_names(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        const char *what;
    } others[] = { { 20240327, "debug_state" }, { 20240328, "a tokenizer" },  { 20240520, "a text" },
                   { 20240522, "evaluation" },  { 20240527, "an optimizer" }, { 20240801, "Llama 3" },
                   { 20240803, "a Llama 3" } };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct image im = with(0, others[i].magic);
        assert_true(llmc_knows(im.bytes, 64, false));
        refuse(im, INGOT_E_UNSUPPORTED, 0, others[i].what);
    }
}

static void a_version_that_was_written_two_ways_or_never_is_refused(void **state)
{
    (void)state;
    refuse(with(VERSION, 0), INGOT_E_UNSUPPORTED, 4, "version 0 ");
    refuse(with(VERSION, 2), INGOT_E_UNSUPPORTED, 4, "version 2 ");
    refuse(with(VERSION, 6), INGOT_E_UNSUPPORTED, 4, "version 6 ");
}

static void every_count_must_be_positive_and_within_its_limit(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        uint32_t limit;
        const char *name;
    } counts[] = {
        { MAX_SEQ_LEN, LIMIT_N_CTX, "max_seq_len" }, { VOCAB_SIZE, LIMIT_N_VOCAB, "vocab_size" },
        { NUM_LAYERS, LIMIT_N_LAYER, "num_layers" }, { NUM_HEADS, LIMIT_N_HEAD, "num_heads" },
        { CHANNELS, LIMIT_N_EMBD, "channels" },      { PADDED_VOCAB_SIZE, LIMIT_N_VOCAB, "padded_vocab_size" },
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t at = 4 * counts[i].field;
        refuse(with(counts[i].field, 0), INGOT_E_SOURCE, at, counts[i].name);
        refuse(with(counts[i].field, 0x80000000u), INGOT_E_SOURCE, at, "-2147483648");
        refuse(with(counts[i].field, counts[i].limit + 1), INGOT_E_LIMIT, at, counts[i].name);
    }
}

static void one_of_everything_is_a_model(void **state)
{
    (void)state;
    struct name_pool pool = { 0 };
    struct llmc_header h;
    struct ingot_source_tensor *tensors;
    struct ingot_error err;
    size_t n;
    struct image im = image_of(3);
    for (size_t field = MAX_SEQ_LEN; field <= PADDED_VOCAB_SIZE; field++) put_u32(im.bytes + 4 * field, 1);
    im.size = LLMC_HEADER_BYTES + 4 * (1 + 1 + 2 + 3 + 3 + 1 + 1 + 2 + 4 + 4 + 4 + 1 + 2);
    assert_int_equal(parse(im, &pool, &h, &tensors, &n, &err), INGOT_OK);
    assert_int_equal(n, N_SLOTS);
    free(tensors);
    name_pool_free(&pool);
    free(im.bytes);
}

static void heads_must_divide_the_width(void **state)
{
    (void)state;
    refuse(with(NUM_HEADS, 4), INGOT_E_SOURCE, 4 * NUM_HEADS, "does not divide");
}

static void the_padded_vocabulary_is_not_smaller_than_the_vocabulary(void **state)
{
    (void)state;
    refuse(with(VOCAB_SIZE, VP + 1), INGOT_E_SOURCE, 4 * PADDED_VOCAB_SIZE, "is less than");
}

/* All counts at their limits: 2^59 elements and more. */
static void sizes_beyond_every_file_are_truncated_not_wrapped(void **state)
{
    (void)state;
    struct image im = image_of(3);
    const uint32_t header[] = { LIMIT_N_CTX, LIMIT_N_VOCAB, LIMIT_N_LAYER, LIMIT_N_HEAD, LIMIT_N_EMBD, LIMIT_N_VOCAB };
    for (size_t i = 0; i < 6; i++) put_u32(im.bytes + 8 + 4 * i, header[i]);
    refuse(im, INGOT_E_TRUNCATED, im.size, "takes 3458908824730076160");
}

/* ------------------------------------------------------------------------------------------------------ as a source */

static void write_image(const char *directory, const char *name, struct image im)
{
    fixture_write(directory, name, im.bytes, im.size);
    free(im.bytes);
}

static void expect_fact(const struct ingot_source *src, const char *key, int64_t value)
{
    for (size_t i = 0; i < ingot_source_fact_count(src); i++) {
        struct ingot_fact f = ingot_source_fact(src, i);
        if (strcmp(f.key, key) != 0) continue;
        assert_int_equal(f.type, INGOT_FACT_INT);
        assert_int_equal(f.integer, value);
        return;
    }
    fail_msg("no fact %s", key);
}

static void a_directory_with_one_model_is_that_model(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    write_image(directory, "model_00001000.bin", image_of(5));
    write_image(directory, "state_00001000_00000.bin", with(0, 20240527));
    fixture_write(directory, "DONE_00001000", "", 0);
    assert_int_equal(ingot_source_open(directory, &src, &err), INGOT_OK);
    assert_string_equal(ingot_source_format(src), "llm.c");
    assert_int_equal(ingot_source_count(src), N_TENSORS);
    assert_string_equal(ingot_source_at(src, 0).file, "model_00001000.bin");
    expect_fact(src, "llm.c.version", 5);
    expect_fact(src, "llm.c.n_ctx", T);
    expect_fact(src, "llm.c.n_vocab", V);
    expect_fact(src, "llm.c.n_vocab_padded", VP);
    expect_fact(src, "llm.c.n_layer", L);
    expect_fact(src, "llm.c.n_head", NH);
    expect_fact(src, "llm.c.n_embd", C);
    ingot_source_close(src);
    fixture_remove(directory);
}

static void a_directory_with_several_models_asks_which(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    static const char *const names_here[] = { "c.bin", "h.bin", "a.bin", "f.bin", "b.bin", "e.bin", "g.bin", "d.bin" };
    for (size_t i = 0; i < 2; i++) write_image(directory, names_here[i], image_of(3));
    assert_int_equal(ingot_source_open(directory, &src, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.message, "2 models of llm.c in one directory, c.bin and h.bin"));
    err = (struct ingot_error){ 0 };
    for (size_t i = 2; i < 8; i++) write_image(directory, names_here[i], image_of(i == 2 ? 5 : 3));
    assert_int_equal(ingot_source_open(directory, &src, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.message, "8 models of llm.c in one directory, a.bin and b.bin"));
    err = (struct ingot_error){ 0 };
    assert_int_equal(ingot_source_open(fixture_path(directory, "a.bin"), &src, &err), INGOT_OK);
    expect_fact(src, "llm.c.version", 5);
    ingot_source_close(src);
    fixture_remove(directory);
}

static void a_directory_whose_bin_files_are_others_is_not_claimed(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    write_image(directory, "gpt2_tokenizer.bin", with(0, LLMC_TOKENIZER_MAGIC));
    fixture_write(directory, "training_args.bin", "abc", 3);
    assert_int_equal(ingot_source_open(directory, &src, &err), INGOT_E_MISSING);
    assert_non_null(strstr(err.advice, "give model.safetensors, "));
    assert_non_null(strstr(err.advice, ", gpt2_124M.bin of llm.c"));
    fixture_remove(directory);
}

/* Given by its path, a .bin is not taken for one of PyTorch's, whichever of llm.c's files it is. */
static void another_file_of_llm_c_is_not_taken_for_a_pickle(void **state)
{
    (void)state;
    static const uint32_t magics[] = {
        20240327, LLMC_TOKENIZER_MAGIC, 20240520, 20240522, 20240527, 20240801, 20240803
    };
    char *directory = fixture_directory();
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        struct ingot_source *src;
        struct ingot_error err = { 0 };
        write_image(directory, "gpt2_124M_debug_state.bin", with(0, magics[i]));
        const char *path = fixture_path(directory, "gpt2_124M_debug_state.bin");
        assert_int_equal(ingot_source_open(path, &src, &err), INGOT_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "a file of llm.c, but not a model"));
        assert_int_equal(err.offset, 0);
    }
    fixture_remove(directory);
}

static void a_damaged_model_is_refused_with_its_path(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    write_image(directory, "gpt2_124M.bin", with(NUM_HEADS, 4));
    assert_int_equal(ingot_source_open(fixture_path(directory, "gpt2_124M.bin"), &src, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.subject, "gpt2_124M.bin"));
    assert_int_equal(err.offset, 4 * NUM_HEADS);
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slots_fill_the_file_in_their_order),
        cmocka_unit_test(shapes_are_rows_first),
        cmocka_unit_test(every_prefix_of_a_file_is_truncated),
        cmocka_unit_test(bytes_behind_the_last_slot_are_refused),
        cmocka_unit_test(another_magic_is_no_model),
        cmocka_unit_test(the_other_files_of_llm_c_are_called_by_their_names),
        cmocka_unit_test(a_version_that_was_written_two_ways_or_never_is_refused),
        cmocka_unit_test(every_count_must_be_positive_and_within_its_limit),
        cmocka_unit_test(one_of_everything_is_a_model),
        cmocka_unit_test(heads_must_divide_the_width),
        cmocka_unit_test(the_padded_vocabulary_is_not_smaller_than_the_vocabulary),
        cmocka_unit_test(sizes_beyond_every_file_are_truncated_not_wrapped),
        cmocka_unit_test(a_directory_with_one_model_is_that_model),
        cmocka_unit_test(a_directory_with_several_models_asks_which),
        cmocka_unit_test(a_directory_whose_bin_files_are_others_is_not_claimed),
        cmocka_unit_test(another_file_of_llm_c_is_not_taken_for_a_pickle),
        cmocka_unit_test(a_damaged_model_is_refused_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
