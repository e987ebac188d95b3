/* Opening a path: what is found by content, single files, directories, shards, and files that belong to others. */
#include "tests/unit/checkpoint_fixture.h"
#include "tests/unit/skip.h"

static enum ingot_status open_path(const char *path, struct ingot_source **src, struct ingot_error *err)
{
    *err = (struct ingot_error){ 0 };
    return ingot_source_open(path, src, err);
}

static void expect_refused(const char *path, enum ingot_status status, const char *subject)
{
    struct ingot_source *src;
    struct ingot_error err;
    assert_int_equal(open_path(path, &src, &err), status);
    assert_int_equal(err.status, status);
    assert_null(src);
    if (subject) assert_non_null(strstr(err.subject, subject));
}

static void write_text(const char *directory, const char *name, const char *text)
{
    fixture_write(directory, name, text, strlen(text));
}

/* The fixture in two shards and their index; `skip` is left out of the index. */
static void write_shards(const struct fixture *f, const char *directory, const char *skip)
{
    size_t half = f->n / 2;
    char *index = NULL;
    size_t n;
    FILE *h = open_memstream(&index, &n);
    fputs("{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"", h);
    for (size_t i = 0, written = 0; i < f->n; i++)
        if (!skip || strcmp(f->tensors[i].name, skip) != 0)
            fprintf(h, "%s%s\": \"part-%d.safetensors", written++ ? "\", \"" : "", f->tensors[i].name,
                    i < half ? 1 : 2);
    fputs("\"}}", h);
    fclose(h);
    fixture_write_tensors(f, 0, half, directory, "part-1.safetensors");
    fixture_write_tensors(f, half, f->n, directory, "part-2.safetensors");
    fixture_write(directory, "model.safetensors.index.json", index, n);
    free(index);
}

static void a_directory_and_its_file_show_the_same_tensors(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    const char *const paths[] = { dir, fixture_path(dir, "model.safetensors") };
    for (size_t k = 0; k < 2; k++) {
        struct ingot_source *src;
        struct ingot_error err;
        assert_int_equal(open_path(paths[k], &src, &err), INGOT_OK);
        assert_string_equal(ingot_source_format(src), "safetensors");
        assert_string_equal(ingot_source_path(src), paths[k]);
        assert_int_equal(ingot_source_count(src), f->n);
        for (size_t i = 0; i < f->n; i++) {
            struct ingot_source_tensor t = ingot_source_at(src, i);
            assert_string_equal(t.name, f->tensors[i].name);
            assert_string_equal(t.file, "model.safetensors");
            assert_int_equal(t.n_bytes, f->tensors[i].n_bytes);
            assert_memory_equal(t.data, f->tensors[i].data, t.n_bytes);
        }
        ingot_source_close(src);
    }
    fixture_free(f);
    fixture_remove(dir);
}

static void a_file_is_known_by_its_content_whatever_its_name(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    struct ingot_source *src;
    struct ingot_error err;
    fixture_write_tensors(f, 0, f->n, dir, "weights.bin");
    assert_int_equal(open_path(fixture_path(dir, "weights.bin"), &src, &err), INGOT_OK);
    ingot_source_close(src);
    fixture_free(f);
    fixture_remove(dir);
}

static void the_hyper_parameters_come_from_the_config_beside_a_lone_file(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("transformer.", "F16");
    struct ingot_source *src;
    struct ingot_hparams hp;
    struct ingot_error err;
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    assert_int_equal(open_path(fixture_path(dir, "model.safetensors"), &src, &err), INGOT_OK);
    assert_int_equal(ingot_source_hparams(src, &hp, &err), INGOT_OK);
    assert_int_equal(hp.n_layer, 2);
    assert_int_equal(hp.n_ctx, FIXTURE_CTX);
    assert_int_equal(hp.n_vocab, FIXTURE_VOCAB);
    assert_int_equal(hp.n_vocab_stored, FIXTURE_VOCAB);
    unlink(fixture_path(dir, "config.json"));
    assert_int_equal(ingot_source_hparams(src, &hp, &err), INGOT_E_MISSING);
    assert_non_null(strstr(err.subject, "config.json"));
    assert_non_null(strstr(err.advice, "--set n_head="));
    assert_non_null(strstr(err.advice, "--set activation="));
    ingot_source_close(src);
    fixture_free(f);
    fixture_remove(dir);
}

static void without_an_embedding_the_vocabulary_is_unknown(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    struct ingot_source *src;
    struct ingot_hparams hp;
    struct ingot_error err;
    fixture_drop(f, "wte.weight");
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    assert_int_equal(open_path(dir, &src, &err), INGOT_OK);
    assert_int_equal(ingot_source_hparams(src, &hp, &err), INGOT_E_MISSING);
    assert_string_equal(err.subject, "wte.weight");
    ingot_source_close(src);
    fixture_free(f);
    fixture_remove(dir);
}

static void without_positions_the_configuration_says_how_many(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    struct ingot_source *src;
    struct ingot_hparams hp;
    struct ingot_error err;
    fixture_drop(f, "wpe.weight");
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    assert_int_equal(open_path(dir, &src, &err), INGOT_OK);
    assert_int_equal(ingot_source_hparams(src, &hp, &err), INGOT_OK);
    assert_int_equal(hp.n_ctx, FIXTURE_CTX);
    ingot_source_close(src);
    fixture_free(f);
    fixture_remove(dir);
}

static void a_path_may_be_relative(void **state)
{
    (void)state;
    static const char *const paths[] = { ".", "model.safetensors", "./model.safetensors" };
    char *dir = fixture_directory(), *before = getcwd(NULL, 0);
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    assert_int_equal(chdir(dir), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct ingot_source *src;
        struct ingot_hparams hp;
        struct ingot_error err;
        assert_int_equal(open_path(paths[i], &src, &err), INGOT_OK);
        assert_int_equal(ingot_source_hparams(src, &hp, &err), INGOT_OK);
        assert_string_equal(ingot_source_at(src, 0).file, "model.safetensors");
        ingot_source_close(src);
    }
    assert_int_equal(chdir(before), 0);
    free(before);
    fixture_free(f);
    fixture_remove(dir);
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    expect_refused(dir, INGOT_E_MISSING, NULL);
    expect_refused(fixture_path(dir, "absent"), INGOT_E_IO, "absent");
    write_text(dir, "text.dat", "a text that is long enough to be looked at");
    expect_refused(fixture_path(dir, "text.dat"), INGOT_E_UNSUPPORTED, "text.dat");
    write_text(dir, "empty.safetensors", "");
    expect_refused(fixture_path(dir, "empty.safetensors"), INGOT_E_TRUNCATED, "empty.safetensors");
    write_text(dir, "short.safetensors", "1234");
    expect_refused(fixture_path(dir, "short.safetensors"), INGOT_E_TRUNCATED, "short.safetensors");
    assert_int_equal(mkfifo(fixture_path(dir, "pipe"), 0600), 0);
    expect_refused(fixture_path(dir, "pipe"), INGOT_E_IO, "pipe");
    assert_int_equal(mkfifo(fixture_path(dir, "model.safetensors"), 0600), 0);
    expect_refused(dir, INGOT_E_IO, "model.safetensors");
    fixture_remove(dir);
}

/* What a clone without Git LFS holds, whatever the file should be: weights, shards, a configuration. */
static void a_pointer_of_git_lfs_is_called_by_its_name(void **state)
{
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:248dfc39\nsize 548105171\n";
    static const char *const names[] = {
        "model.safetensors", "pytorch_model.bin", "ckpt.pt", "model.gguf", "m.index", "x.bin", "x.pth"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *dir = fixture_directory();
        struct ingot_source *src;
        struct ingot_error err;
        write_text(dir, names[i], pointer);
        assert_int_equal(open_path(fixture_path(dir, names[i]), &src, &err), INGOT_E_SOURCE);
        assert_int_equal(err.offset, 0);
        assert_non_null(strstr(err.subject, names[i]));
        assert_non_null(strstr(err.message, "Git LFS"));
        assert_non_null(strstr(err.advice, "git lfs pull"));
        fixture_remove(dir);
    }
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    struct ingot_error err = { 0 };
    fixture_write_checkpoint(f, dir, pointer); /* in place of config.json */
    assert_int_equal(ingot_convert_plan(dir, NULL, NULL, NULL, NULL, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.subject, "config.json"));
    assert_non_null(strstr(err.message, "Git LFS"));
    fixture_free(f);
    fixture_remove(dir);
}

static void shards_come_together_in_order_of_their_names(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    struct ingot_source *src;
    struct ingot_error err;
    write_shards(f, dir, NULL);
    assert_int_equal(open_path(dir, &src, &err), INGOT_OK);
    assert_int_equal(ingot_source_count(src), f->n);
    for (size_t i = 0; i < f->n; i++) {
        struct ingot_source_tensor t = ingot_source_at(src, i);
        assert_string_equal(t.name, f->tensors[i].name);
        assert_string_equal(t.file, i < f->n / 2 ? "part-1.safetensors" : "part-2.safetensors");
        assert_memory_equal(t.data, f->tensors[i].data, t.n_bytes);
    }
    ingot_source_close(src);
    fixture_free(f);
    fixture_remove(dir);
}

static void index_and_shards_must_agree(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    write_shards(f, dir, "ln_f.bias");
    expect_refused(dir, INGOT_E_SOURCE, "ln_f.bias");
    write_shards(f, dir, NULL);
    fixture_write_tensors(f, 0, f->n / 2 - 1, dir, "part-1.safetensors");
    expect_refused(dir, INGOT_E_MISSING, f->tensors[f->n / 2 - 1].name);
    fixture_write_tensors(f, 0, f->n / 2 + 1, dir, "part-1.safetensors");
    expect_refused(dir, INGOT_E_SOURCE, f->tensors[f->n / 2].name);
    write_text(dir, "model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"part-1.safetensors\", \"a\": \"part-1.safetensors\"}}");
    fixture_drop(f, f->tensors[0].name);
    fixture_add(f, "a", "F32", 1, 1, 0);
    fixture_write_tensors(f, f->n - 1, f->n, dir, "part-1.safetensors");
    expect_refused(dir, INGOT_E_SOURCE, "a");
    unlink(fixture_path(dir, "part-1.safetensors"));
    expect_refused(dir, INGOT_E_MISSING, "part-1.safetensors");
    fixture_free(f);
    fixture_remove(dir);
}

static void a_malformed_index_is_refused(void **state)
{
    (void)state;
    static const char *const indices[] = {
        "{}",
        "[]",
        "{\"weight_map\": []}",
        "{\"weight_map\": {\"a\": 1}}",
        "{\"weight_map\": {\"a\": \"../a.safetensors\"}}",
        "{\"weight_map\": {\"a\": \"..\"}}",
        "{\"weight_map\": {\"a\": \"\"}}",
        "{\"weight_map\": {\"a\": \"a.safetensors\"}",
        "{\"weight_map\": {}, \"weight_map\": {}}",
    };
    char *dir = fixture_directory();
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        write_text(dir, "model.safetensors.index.json", indices[i]);
        expect_refused(dir, INGOT_E_SOURCE, "model.safetensors.index.json");
    }
    fixture_remove(dir);
}

static void a_tensor_in_two_places_is_refused(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_add(f, "ln_f.bias", "F32", 1, FIXTURE_EMBD, 0);
    fixture_write_checkpoint(f, dir, FIXTURE_CONFIG);
    expect_refused(dir, INGOT_E_SOURCE, dir);
    fixture_free(f);
    fixture_remove(dir);
}

static void the_samples_of_others_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name, *dtype;
        size_t n;
    } samples[] = {
        { "B", "B", "U8", 1 },  { "H", "H", "U16", 1 },      { "I", "I", "U32", 1 }, { "b", "b", "I8", 1 },
        { "d", "d", "F64", 1 }, { "e", "e", "F16", 1 },      { "f", "f", "F32", 1 }, { "h", "h", "I16", 1 },
        { "i", "i", "I32", 1 }, { "overall", "B", "U8", 9 },
    };
    const char *root = getenv("INGOT_ROOT");
    char path[512];
    if (!root) root = ".";
    snprintf(path, sizeof path, "%s/../shared/corpus/safetensors", root);
    if (access(path, R_OK) != 0) SKIP("no corpus");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct ingot_source *src;
        struct ingot_error err;
        snprintf(path, sizeof path, "%s/../shared/corpus/safetensors/%s.safetensors", root, samples[i].file);
        assert_int_equal(open_path(path, &src, &err), INGOT_OK);
        assert_int_equal(ingot_source_count(src), samples[i].n);
        assert_string_equal(ingot_source_at(src, 0).name, samples[i].name);
        assert_string_equal(ingot_source_at(src, 0).dtype_name, samples[i].dtype);
        assert_int_equal(ingot_source_at(src, 0).shape[0], 6);
        ingot_source_close(src);
    }
}

static void copy_foreign(const char *from, const char *directory, const char *name)
{
    char path[512];
    size_t n;
    const char *root = getenv("INGOT_ROOT");
    snprintf(path, sizeof path, "%s/tests/models/foreign/%s", root ? root : ".", from);
    uint8_t *bytes = fixture_read(path, &n);
    fixture_write(directory, name, bytes, n);
    free(bytes);
}

static void a_directory_is_the_one_checkpoint_in_it_whatever_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *name, *format;
    } cases[] = {
        { "hf/model.safetensors", "w.safetensors", "safetensors" },
        { "nanogpt/ckpt.pt", "ckpt.pt", "torch" },
        { "mingpt/model.pt", "model.pt", "torch" },
        { "torch-zip/pytorch_model.bin", "weights.pth", "torch" },
        { "torch-legacy/pytorch_model.bin", "step-100", "torch" },
        { "gguf/tiny.gguf", "tiny", "gguf" },
        { "gguf/tiny.gguf", "x.gguf", "gguf" },
        { "llmc/model.bin", "model.bin", "llm.c" },
        { "llmc/model.bin", "main_gpt2.out", "llm.c" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_source *src;
        struct ingot_error err;
        char *dir = fixture_directory();
        copy_foreign(cases[i].from, dir, cases[i].name);
        write_text(dir, "train.log", "loss 3.1");
        write_text(dir, "config.json", FIXTURE_CONFIG);
        write_text(dir, ".weights.pth", "not shown");
        if (open_path(dir, &src, &err) != INGOT_OK) fail_msg("%s: %s: %s", cases[i].name, err.subject, err.message);
        assert_string_equal(ingot_source_format(src), cases[i].format);
        assert_string_equal(ingot_source_at(src, 0).file, cases[i].name);
        ingot_source_close(src);
        fixture_remove(dir);
    }
}

static void a_directory_of_several_checkpoints_is_refused_with_two_of_their_names(void **state)
{
    (void)state;
    static const char *const names[] = { "c.pth", "a.pth", "b.safetensors" };
    struct ingot_source *src;
    struct ingot_error err;
    char *dir = fixture_directory();
    for (size_t i = 0; i < 3; i++) {
        copy_foreign(i == 2 ? "hf/model.safetensors" : "torch-zip/pytorch_model.bin", dir, names[i]);
        if (i == 0) continue;
        assert_int_equal(open_path(dir, &src, &err), INGOT_E_SOURCE);
        assert_non_null(strstr(err.message, i == 1 ? "2 files" : "3 files"));
        assert_non_null(strstr(err.message, "a.pth"));
        assert_non_null(strstr(err.message, i == 1 ? "c.pth" : "b.safetensors"));
        assert_non_null(strstr(err.advice, "path"));
    }
    fixture_remove(dir);
}

/* As transformers does: safetensors before pytorch_model.bin, one file before an index. */
static void safetensors_come_before_pytorch_model_bin(void **state)
{
    (void)state;
    struct ingot_source *src;
    struct ingot_error err;
    char *dir = fixture_directory();
    copy_foreign("torch-zip/pytorch_model.bin", dir, "pytorch_model.bin");
    copy_foreign("hf/model.safetensors", dir, "model.safetensors");
    assert_int_equal(open_path(dir, &src, &err), INGOT_OK);
    assert_string_equal(ingot_source_format(src), "safetensors");
    assert_int_equal(ingot_source_count(src), 28);
    ingot_source_close(src);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_and_its_file_show_the_same_tensors),
        cmocka_unit_test(a_file_is_known_by_its_content_whatever_its_name),
        cmocka_unit_test(the_hyper_parameters_come_from_the_config_beside_a_lone_file),
        cmocka_unit_test(without_an_embedding_the_vocabulary_is_unknown),
        cmocka_unit_test(without_positions_the_configuration_says_how_many),
        cmocka_unit_test(a_path_may_be_relative),
        cmocka_unit_test(what_is_no_checkpoint_is_refused),
        cmocka_unit_test(a_pointer_of_git_lfs_is_called_by_its_name),
        cmocka_unit_test(shards_come_together_in_order_of_their_names),
        cmocka_unit_test(index_and_shards_must_agree),
        cmocka_unit_test(a_malformed_index_is_refused),
        cmocka_unit_test(a_tensor_in_two_places_is_refused),
        cmocka_unit_test(the_samples_of_others_are_listed),
        cmocka_unit_test(a_directory_is_the_one_checkpoint_in_it_whatever_its_name),
        cmocka_unit_test(a_directory_of_several_checkpoints_is_refused_with_two_of_their_names),
        cmocka_unit_test(safetensors_come_before_pytorch_model_bin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
