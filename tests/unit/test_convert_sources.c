/* Converting what others have written: checksums of the source are kept watch over, the result says where all of it
 * came from, and depends on no thread; the self-check sees what no shape shows. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/plan.h"
#include "convert/self_check.h"

#include <fcntl.h>
#include <yaml.h>

#define OUT        "out.ingot"
#define TENSORFLOW "tests/models/foreign/tensorflow"
#define TF_DATA    "model.ckpt.data-00000-of-00001"
#define TORCH      "tests/models/foreign/torch-zip"
#define TORCH_DATA "pytorch_model.bin"
#define NANOGPT    "tests/models/foreign/nanogpt"
#define GGUF       "tests/models/gguf"

/* A checkpoint's files, copied to where they may be damaged. */
static char *copy_of(const char *model)
{
    const char *root = getenv("INGOT_ROOT");
    char *from = NULL, *to = fixture_directory();
    assert_true(asprintf(&from, "%s/%s", root ? root : ".", model) > 0);
    DIR *d = opendir(from);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t n;
        if (e->d_name[0] == '.') continue;
        uint8_t *bytes = fixture_read(fixture_path(from, e->d_name), &n);
        fixture_write(to, e->d_name, bytes, n);
        free(bytes);
    }
    closedir(d);
    free(from);
    return to;
}

static struct ingot_source *open_source(const char *path)
{
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    if (ingot_source_open(path, &src, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return src;
}

/* One bit in the middle of a tensor, on again or off. */
static void flip(const char *directory, const char *tensor)
{
    struct ingot_source *src = open_source(directory);
    const struct ingot_source_tensor *t = NULL;
    for (size_t i = 0; i < ingot_source_count(src); i++) {
        const char *name = src->tensors[i].name;
        if (name && tensor && strcmp(name, tensor) == 0) t = &src->tensors[i];
    }
    if (!t) {
        fail_msg("%s is not there", tensor);
        return;
    }
    int fd = open(fixture_path(directory, t->file), O_RDWR);
    uint8_t byte;
    off_t at = (off_t)(t->file_off + t->n_bytes / 2);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    ingot_source_close(src);
}

static enum ingot_status convert(const char *directory, const char *file, const struct ingot_convert_options *options,
                                 struct ingot_convert_report *report, struct ingot_error *err)
{
    struct ingot_convert_options how = options ? *options : (struct ingot_convert_options){ 0 };
    how.overwrite = true;
    *err = (struct ingot_error){ 0 };
    return ingot_convert(file ? fixture_path(directory, file) : directory, fixture_path(directory, OUT), &how, report,
                         err);
}

static struct ingot_convert_report converted(const char *directory, const char *file,
                                             const struct ingot_convert_options *options)
{
    struct ingot_convert_report report;
    struct ingot_error err;
    if (convert(directory, file, options, &report, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return report;
}

/* -------------------------------------------------------------------------------------------------------- checksums */

/* Said of `file`, with `name`; the old output stays, and nothing else appears. */
static void expect_digest(const char *directory, const char *file, uint32_t n_threads, const char *name)
{
    const struct ingot_convert_options options = { .n_threads = n_threads };
    struct ingot_error err;
    size_t n, n_files;
    fixture_write(directory, OUT, "old", 3);
    n_files = fixture_count_files(directory);
    assert_int_equal(convert(directory, NULL, &options, NULL, &err), INGOT_E_DIGEST);
    if (!strstr(err.subject, file) || !strstr(err.message, name)) fail_msg("%s: %s", err.subject, err.message);
    uint8_t *old = fixture_read(fixture_path(directory, OUT), &n);
    assert_int_equal(n, 3);
    assert_memory_equal(old, "old", 3);
    assert_int_equal(fixture_count_files(directory), n_files);
    free(old);
}

static void a_damaged_tensor_of_tensorflow_stops_the_conversion(void **state)
{
    (void)state;
    static const char *const names[] = { "model/wte", "model/h0/attn/c_attn/w", "model/h1/ln_2/b", "model/ln_f/b" };
    char *directory = copy_of(TENSORFLOW);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        flip(directory, names[i]);
        expect_digest(directory, TF_DATA, (uint32_t)i + 1, names[i]);
        flip(directory, names[i]);
    }
    converted(directory, NULL, NULL);
    fixture_remove(directory);
}

static void a_damaged_member_of_a_zip_file_stops_the_conversion(void **state)
{
    (void)state;
    char *directory = copy_of(TORCH);
    flip(directory, "transformer.h.1.mlp.c_fc.weight");
    expect_digest(directory, TORCH_DATA, 2, "pytorch_model/data/");
    flip(directory, "transformer.h.1.mlp.c_fc.weight");
    converted(directory, NULL, NULL);
    fixture_remove(directory);
}

/* First in the order of the result, which no thread changes: wte, positions, layers, the last norm. */
static void of_several_damaged_tensors_the_first_is_named(void **state)
{
    (void)state;
    char *directory = copy_of(TENSORFLOW);
    flip(directory, "model/ln_f/g");
    flip(directory, "model/h1/mlp/c_fc/w");
    flip(directory, "model/h0/ln_1/b");
    for (uint32_t n_threads = 1; n_threads <= 4; n_threads++)
        for (int k = 0; k < 5; k++) expect_digest(directory, TF_DATA, n_threads, "model/h0/ln_1/b");
    fixture_remove(directory);
}

/* Nobody reads what the model leaves out. */
static void damaged_optimizer_state_does_not_matter(void **state)
{
    (void)state;
    char *directory = copy_of(NANOGPT);
    struct ingot_digest before = converted(directory, NULL, NULL).content_id;
    struct ingot_source *src = open_source(fixture_path(directory, "ckpt.pt"));
    char *name = NULL;
    for (size_t i = 0; i < src->n_tensors && !name; i++)
        if (strncmp(src->tensors[i].name, "optimizer.", 10) == 0 && src->tensors[i].n_bytes > 64)
            name = strdup(src->tensors[i].name);
    ingot_source_close(src);
    assert_non_null(name);
    unlink(fixture_path(directory, OUT));
    flip(directory, name);
    struct ingot_digest after = converted(directory, NULL, NULL).content_id;
    assert_memory_equal(&before, &after, sizeof after);
    flip(directory, "model._orig_mod.transformer.ln_f.weight");
    expect_digest(directory, "ckpt.pt", 2, "ckpt/data/");
    free(name);
    fixture_remove(directory);
}

static bool touch_once(void *ctx, uint64_t done, uint64_t total)
{
    const char **path = ctx;
    const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
    (void)done, (void)total;
    if (*path) assert_int_equal(utimensat(AT_FDCWD, *path, times, 0), 0);
    *path = NULL;
    return true;
}

static void any_file_of_a_source_that_changes_meanwhile_is_noticed(void **state)
{
    (void)state;
    static const char *const files[] = { TF_DATA, "model.ckpt.index", "hparams.json", "encoder.json" };
    char *directory = copy_of(TENSORFLOW);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct ingot_error err;
        char path[512];
        const char *once = path;
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        const struct ingot_convert_options options = { .progress = touch_once, .progress_ctx = &once };
        utimensat(AT_FDCWD, path, NULL, 0);
        assert_int_equal(convert(directory, NULL, &options, NULL, &err), INGOT_E_CHANGED);
        if (!strstr(err.subject, files[i])) fail_msg("%s: %s", err.subject, err.message);
        assert_int_not_equal(access(fixture_path(directory, OUT), F_OK), 0);
    }
    fixture_remove(directory);
}

/* ---------------------------------------------------------------------------------------------------------- threads */

static void the_bytes_depend_on_no_thread_whatever_the_source(void **state)
{
    (void)state;
    static const struct {
        const char *model, *file;
    } cases[] = { { TENSORFLOW, NULL }, { TORCH, NULL }, { NANOGPT, NULL }, { GGUF, "quantised.gguf" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *directory = copy_of(cases[i].model);
        uint8_t *first = NULL;
        size_t n_first = 0, n;
        for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
            converted(directory, cases[i].file,
                      &(struct ingot_convert_options){ .dtype = INGOT_F16, .n_threads = n_threads });
            uint8_t *bytes = fixture_read(fixture_path(directory, OUT), &n);
            if (!first) first = bytes, n_first = n;
            assert_int_equal(n, n_first);
            assert_memory_equal(bytes, first, n);
            if (bytes != first) free(bytes);
        }
        free(first);
        fixture_remove(directory);
    }
}

/* -------------------------------------------------------------------------------------------------------- manifests */

struct manifest {
    char *text;
    yaml_document_t document;
};

static struct manifest manifest_of(const char *directory, const char *section)
{
    struct manifest m;
    struct ingot_file *file;
    struct ingot_section s;
    yaml_parser_t parser;
    assert_int_equal(ingot_open(fixture_path(directory, OUT), INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    assert_true(ingot_find(file, section, &s));
    m.text = strndup(s.data, s.raw_bytes);
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, s.data, s.raw_bytes);
    assert_true(yaml_parser_load(&parser, &m.document));
    yaml_parser_delete(&parser);
    ingot_close(file);
    return m;
}

static void manifest_free(struct manifest *m)
{
    yaml_document_delete(&m->document);
    free(m->text);
}

/* By key, or by number in a list; the root without a node. */
static yaml_node_t *at(struct manifest *m, yaml_node_t *node, const char *key)
{
    if (!node) node = yaml_document_get_root_node(&m->document);
    if (node->type == YAML_SEQUENCE_NODE) {
        assert_true(atoi(key) < node->data.sequence.items.top - node->data.sequence.items.start);
        return yaml_document_get_node(&m->document, node->data.sequence.items.start[atoi(key)]);
    }
    assert_int_equal(node->type, YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
        if (strcmp((const char *)yaml_document_get_node(&m->document, p->key)->data.scalar.value, key) == 0)
            return yaml_document_get_node(&m->document, p->value);
    fail_msg("no %s in\n%s", key, m->text);
    return NULL;
}

static void says(struct manifest *m, yaml_node_t *node, const char *key, const char *value)
{
    assert_string_equal((const char *)at(m, node, key)->data.scalar.value, value);
}

/* A GPT-2 whose c_attn stands in three pieces, and the recipe for it. */
#define PIECES                                                                                                         \
    "recipe: pieces # of this test\n"                                                                                  \
    "hyper-parameters: {config: huggingface}\n"                                                                        \
    "metadata: {licence: none, \"a: b\": \"c\\nd\"}\n"                                                                 \
    "tensors:\n"                                                                                                       \
    "  - from: [\"h.{i}.q\", \"h.{i}.k\", \"h.{i}.v\"]\n"                                                              \
    "    to: h.{i}.attn.c_attn.weight\n"                                                                               \
    "    concatenate: out\n"                                                                                           \
    "  - {from: \"h.{i}.attn.c_proj.weight\", transpose: true}\n"                                                      \
    "  - {from: \"h.{i}.mlp.c_fc.weight\", transpose: true}\n"                                                         \
    "  - {from: \"h.{i}.mlp.c_proj.weight\", transpose: true}\n"                                                       \
    "  - {from: extra.*, drop: \"of no use: none\"}\n"                                                                 \
    "  - wte.weight\n  - wpe.weight\n  - ln_f.weight\n  - ln_f.bias\n"                                                 \
    "  - h.{i}.ln_1.weight\n  - h.{i}.ln_1.bias\n  - h.{i}.ln_2.weight\n  - h.{i}.ln_2.bias\n"                         \
    "  - h.{i}.attn.c_attn.bias\n  - h.{i}.attn.c_proj.bias\n  - h.{i}.mlp.c_fc.bias\n  - h.{i}.mlp.c_proj.bias\n"

static char *pieces(void)
{
    char *directory = fixture_directory(), name[32];
    struct fixture *f = fixture_gpt2("", "F32");
    for (int i = 0; i < FIXTURE_LAYERS; i++) {
        snprintf(name, sizeof name, "h.%d.attn.c_attn.weight", i);
        fixture_drop(f, name);
        for (const char *part = "qkv"; *part; part++) {
            snprintf(name, sizeof name, "h.%d.%c", i, *part);
            fixture_add(f, name, "F32", 2, FIXTURE_EMBD, FIXTURE_EMBD);
        }
    }
    fixture_add(f, "extra.one", "F32", 1, 3, 0);
    fixture_write_checkpoint(f, directory, FIXTURE_CONFIG);
    fixture_write(directory, "pieces.yaml", PIECES, strlen(PIECES));
    fixture_free(f);
    return directory;
}

static void provenance_tells_of_every_part_and_of_what_is_left_out(void **state)
{
    (void)state;
    char *directory = pieces();
    const struct ingot_convert_options options = { .recipe = fixture_path(directory, "pieces.yaml"),
                                                   .dtype = INGOT_BF16 };
    converted(directory, NULL, &options);
    struct manifest m = manifest_of(directory, INGOT_NAME_PROVENANCE);
    yaml_node_t *t = at(&m, at(&m, NULL, "tensors"), "h.1.attn.c_attn.weight"), *parts = at(&m, t, "parts");
    static const char *const names[] = { "h.1.q", "h.1.k", "h.1.v" };
    static const char *const transforms[] = { "none, to rows 0..5", "none, to rows 6..11", "none, to rows 12..17" };
    static const char *const numbers[] = { "0", "1", "2" };
    assert_int_equal(parts->data.sequence.items.top - parts->data.sequence.items.start, 3);
    for (size_t i = 0; i < 3; i++) {
        yaml_node_t *part = at(&m, parts, numbers[i]);
        says(&m, part, "file", "model.safetensors");
        says(&m, part, "name", names[i]);
        says(&m, part, "transform", transforms[i]);
        says(&m, part, "from", "f32");
        assert_int_equal(at(&m, part, "digest")->data.scalar.length, 32);
    }
    says(&m, t, "to", "bf16");
    yaml_node_t *dropped = at(&m, at(&m, NULL, "dropped"), "0");
    says(&m, dropped, "name", "extra.one");
    says(&m, dropped, "why", "of no use: none");
    manifest_free(&m);
    fixture_remove(directory);
}

static void a_users_recipe_is_kept_letter_by_letter_and_its_metadata_too(void **state)
{
    (void)state;
    char *directory = pieces();
    const struct ingot_convert_options options = { .recipe = fixture_path(directory, "pieces.yaml") };
    converted(directory, NULL, &options);
    struct manifest m = manifest_of(directory, INGOT_NAME_RECIPE);
    assert_string_equal(m.text, PIECES);
    manifest_free(&m);
    m = manifest_of(directory, INGOT_NAME_METADATA);
    says(&m, NULL, "recipe", "pieces");
    says(&m, NULL, "dtype", "keep");
    says(&m, NULL, "source_format", "safetensors");
    says(&m, at(&m, NULL, "metadata"), "licence", "none");
    says(&m, at(&m, NULL, "metadata"), "a: b", "c\nd");
    manifest_free(&m);
    fixture_remove(directory);
}

static void provenance_names_the_blocks_of_a_quantised_source(void **state)
{
    (void)state;
    char *directory = copy_of(GGUF);
    converted(directory, "quantised.gguf", NULL);
    struct manifest m = manifest_of(directory, INGOT_NAME_PROVENANCE);
    yaml_node_t *t = at(&m, at(&m, NULL, "tensors"), "h.0.attn.c_attn.weight");
    says(&m, t, "file", "quantised.gguf");
    says(&m, t, "name", "blk.0.attn_qkv.weight");
    says(&m, t, "from", "Q5_0");
    says(&m, t, "transform", "none");
    says(&m, t, "to", "f32");
    manifest_free(&m);
    m = manifest_of(directory, INGOT_NAME_METADATA);
    says(&m, NULL, "source_format", "gguf");
    says(&m, at(&m, NULL, "source_files"), "0", "quantised.gguf");
    manifest_free(&m);
    fixture_remove(directory);
}

/* ------------------------------------------------------------------------------------------------------- self-check */

typedef void (*mistake_fn)(struct plan_tensor *t);

/* The check of a good file against a plan in which one tensor is planned wrong: what the file would be then, is not
 * what it is. */
static void expect_seen_in(enum ingot_dtype dtype, const char *directory, const char *file, const char *recipe,
                           const char *name, mistake_fn plant)
{
    const struct ingot_convert_options options = { .dtype = dtype, .recipe = recipe, .overwrite = true };
    struct ingot_error err = { 0 };
    struct ingot_file *good;
    struct plan plan;
    uint64_t n_checked = 0;
    converted(directory, file, &options);
    struct ingot_source *src = open_source(file ? fixture_path(directory, file) : directory);
    assert_int_equal(ingot_open(fixture_path(directory, OUT), INGOT_OPEN_MAP, &good, &err), INGOT_OK);
    assert_int_equal(plan_make(src, &options, &plan, &err), INGOT_OK);
    assert_int_equal(self_check(&plan, good, &n_checked, &err), INGOT_OK);
    for (size_t i = 0; i < plan.n_tensors; i++)
        if (strcmp(plan.tensors[i].name, name) == 0) plant(&plan.tensors[i]);
    assert_int_equal(self_check(&plan, good, &n_checked, &err), INGOT_E_MODEL);
    assert_string_equal(err.subject, name);
    plan_free(&plan);
    ingot_source_close(src);
    ingot_close(good);
}

static void expect_seen(const char *directory, const char *file, const char *recipe, const char *name, mistake_fn plant)
{
    static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_BF16, INGOT_Q8, INGOT_Q4 };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        expect_seen_in(dtypes[i], directory, file, recipe, name, plant);
}

static void exchange_parts(struct plan_tensor *t)
{
    const struct ingot_source_tensor *first = t->parts[0].source;
    assert_int_equal(t->n_parts, 3);
    t->parts[0].source = t->parts[1].source;
    t->parts[1].source = first;
}

static void turn_last_part(struct plan_tensor *t)
{
    t->parts[2].transposed = !t->parts[2].transposed;
}

static void the_self_check_sees_parts_that_are_exchanged_or_turned(void **state)
{
    (void)state;
    char *directory = pieces(), recipe[512];
    snprintf(recipe, sizeof recipe, "%s/pieces.yaml", directory);
    expect_seen(directory, NULL, recipe, "h.0.attn.c_attn.weight", exchange_parts);
    expect_seen(directory, NULL, recipe, "h.1.attn.c_attn.weight", turn_last_part);
    fixture_remove(directory);
}

/* Columns 32 .. 63 are the second block of a row. */
static void take_neighbouring_block(struct plan_tensor *t)
{
    assert_non_null(t->parts->source->block);
    assert_true(t->n_cols >= 64);
    t->parts->view.n_cols -= 32;
    t->n_cols -= 32;
    t->parts->from_col += 32;
}

static void take_next_row(struct plan_tensor *t)
{
    t->n_rows--;
    t->parts->view.n_rows--;
    t->parts->from_row++;
}

static void the_self_check_sees_wrong_blocks(void **state)
{
    (void)state;
    char *directory = copy_of(GGUF);
    expect_seen(directory, "quantised.gguf", NULL, "h.1.mlp.c_proj.weight", take_neighbouring_block);
    expect_seen(directory, "quantised.gguf", NULL, "h.0.attn.c_attn.weight", take_next_row);
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_tensor_of_tensorflow_stops_the_conversion),
        cmocka_unit_test(a_damaged_member_of_a_zip_file_stops_the_conversion),
        cmocka_unit_test(of_several_damaged_tensors_the_first_is_named),
        cmocka_unit_test(damaged_optimizer_state_does_not_matter),
        cmocka_unit_test(any_file_of_a_source_that_changes_meanwhile_is_noticed),
        cmocka_unit_test(the_bytes_depend_on_no_thread_whatever_the_source),
        cmocka_unit_test(provenance_tells_of_every_part_and_of_what_is_left_out),
        cmocka_unit_test(a_users_recipe_is_kept_letter_by_letter_and_its_metadata_too),
        cmocka_unit_test(provenance_names_the_blocks_of_a_quantised_source),
        cmocka_unit_test(the_self_check_sees_parts_that_are_exchanged_or_turned),
        cmocka_unit_test(the_self_check_sees_wrong_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
