/* Whole models as GGUF files: every type of block, and the separate output.weight of old files. */
#include "tests/unit/gguf_fixture.h"

#include "convert/blocks.h"

#define WIDTH  256u /* one block of the largest */
#define ROWS   3u   /* of the vocabulary */
#define F32    0u
#define Q8_0   8u
#define Q6_K   14u
#define IQ1_S  19u
#define N_TYPE 64u

static const struct {
    const char *name;
    uint32_t rows;
} matrices[] = {
    { "token_embd.weight", ROWS },
    { "position_embd.weight", 2 },
    { "blk.0.attn_qkv.weight", 3 * WIDTH },
    { "blk.0.attn_output.weight", WIDTH },
    { "blk.0.ffn_up.weight", WIDTH },
    { "blk.0.ffn_down.weight", WIDTH },
    { "output.weight", ROWS },
};
#define N_MATRICES (sizeof matrices / sizeof *matrices)

static const char *const norms[] = { "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight" };
#define N_NORMS (sizeof norms / sizeof *norms)

/* What a file holds: how its matrices are stored, and whether output.weight is among them. */
struct variant {
    uint32_t type, output_type;
    bool decoded; /* written out as f32 */
    bool has_output;
    uint8_t first; /* byte of the output's blocks */
};

static uint64_t stored_bytes(uint32_t type, bool decoded, uint64_t elems)
{
    const struct ingot_block *block = block_find(type);
    return decoded || !block ? 4 * elems : elems / block->n_elems * block->n_bytes;
}

/* Bytes whose scales, of whatever kind, are small numbers. */
static void put_blocks(struct gguf_image *im, uint32_t type, bool decoded, uint64_t elems, uint8_t first)
{
    const struct ingot_block *block = block_find(type);
    uint8_t bytes[512];
    float values[WIDTH];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)((i * 7 + first) & 0x3f);
    const uint64_t n = block ? block->n_elems : 1;
    for (uint64_t i = 0; i < elems; i += n) {
        if (decoded && block) block->decode(bytes, values);
        const bool as_values = decoded && block;
        put_bytes(im, as_values ? (const void *)values : bytes, as_values ? n * 4 : block ? block->n_bytes : 4);
    }
}

static uint32_t type_of(const struct variant *v, size_t matrix)
{
    return matrix == N_MATRICES - 1 ? v->output_type : v->type;
}

static void put_list(struct gguf_image *im, const struct variant *v)
{
    uint64_t off = 0;
    for (size_t i = 0; i < N_MATRICES - !v->has_output; i++) {
        uint32_t type = type_of(v, i);
        put_matrix(im, matrices[i].name, matrices[i].rows, WIDTH, v->decoded ? F32 : type, off);
        off += (stored_bytes(type, v->decoded, matrices[i].rows * WIDTH) + 31) / 32 * 32;
    }
    for (size_t i = 0; i < N_NORMS; i++, off += 4 * WIDTH) {
        put_text(im, norms[i]);
        put_32(im, 1);
        put_64(im, WIDTH);
        put_32(im, F32);
        put_64(im, off);
    }
}

static struct gguf_image image_of(const struct variant *v)
{
    static const float epsilon = 1e-5f;
    struct gguf_image im = gguf_begin(3, N_MATRICES - !v->has_output + N_NORMS, 3);
    put_key_text(&im, "general.architecture", "gpt2");
    put_key_u32(&im, "gpt2.attention.head_count", 4);
    put_key(&im, "gpt2.attention.layer_norm_epsilon", GGUF_F32);
    put_bytes(&im, &epsilon, 4);
    put_list(&im, v);
    put_data(&im, 32, 0);
    for (size_t i = 0; i < N_MATRICES - !v->has_output; i++) {
        put_blocks(&im, type_of(v, i), v->decoded, matrices[i].rows * WIDTH, i == N_MATRICES - 1 ? v->first : 1);
        put_data(&im, 32, 0);
    }
    for (size_t i = 0; i < N_NORMS; i++) put_blocks(&im, F32, false, WIDTH, 1);
    return im;
}

static enum ingot_status try_convert(const char *directory, const struct variant *v,
                                     struct ingot_convert_report *report, struct ingot_error *err)
{
    const struct ingot_convert_options options = { .overwrite = true, .n_threads = 1 };
    struct gguf_image im = image_of(v);
    *err = (struct ingot_error){ 0 };
    fixture_write(directory, "m.gguf", im.bytes, im.n);
    gguf_free_image(&im);
    return ingot_convert(fixture_path(directory, "m.gguf"), fixture_path(directory, "out.ingot"), &options, report,
                         err);
}

static struct ingot_digest content_of(const char *directory, const struct variant *v)
{
    struct ingot_convert_report report;
    struct ingot_error err;
    if (try_convert(directory, v, &report, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return report.content_id;
}

static bool same(struct ingot_digest a, struct ingot_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static void every_type_of_block_converts_to_what_it_means(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    size_t n_types = 0;
    for (uint32_t type = 0; type < N_TYPE; type++) {
        const struct ingot_block *block = block_find(type);
        if (!block || !block->decode) continue;
        struct variant blocks = { .type = type }, values = { .type = type, .decoded = true };
        if (!same(content_of(directory, &blocks), content_of(directory, &values))) fail_msg("%s", block->name);
        n_types++;
    }
    assert_true(n_types >= 13); /* five of 32 elements and six K-blocks, and some of today's */
    fixture_remove(directory);
}

static void a_type_that_cannot_be_read_is_refused_by_its_name(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_error err;
    struct variant v = { .type = IQ1_S };
    assert_int_equal(try_convert(directory, &v, NULL, &err), INGOT_E_DTYPE);
    assert_non_null(strstr(err.message, "IQ1_S"));
    fixture_remove(directory);
}

static enum ingot_kind head_of(const char *directory, const struct variant *v)
{
    struct ingot_file *file;
    struct ingot_section s;
    content_of(directory, v);
    assert_int_equal(ingot_open(fixture_path(directory, "out.ingot"), INGOT_OPEN_READ, &file, NULL), INGOT_OK);
    assert_true(ingot_find(file, "lm_head.weight", &s));
    ingot_close(file);
    return s.kind;
}

/* Converters before 2024 wrote the tied head out; llama.cpp quantises that copy as a type of its own. */
static void the_output_of_old_files_is_an_alias_where_it_is_a_copy_and_a_tensor_where_not(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    const struct variant none = { .type = Q8_0 };
    const struct variant copy = { .type = Q8_0, .has_output = true, .output_type = Q8_0, .first = 1 };
    const struct variant other = { .type = Q8_0, .has_output = true, .output_type = Q8_0, .first = 2 };
    const struct variant finer = { .type = Q8_0, .has_output = true, .output_type = Q6_K, .first = 1 };
    assert_int_equal(head_of(directory, &none), INGOT_KIND_ALIAS);
    assert_int_equal(head_of(directory, &copy), INGOT_KIND_ALIAS);
    assert_int_equal(head_of(directory, &other), INGOT_KIND_TENSOR);
    assert_int_equal(head_of(directory, &finer), INGOT_KIND_TENSOR);
    assert_true(same(content_of(directory, &none), content_of(directory, &copy)));
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_block_converts_to_what_it_means),
        cmocka_unit_test(a_type_that_cannot_be_read_is_refused_by_its_name),
        cmocka_unit_test(the_output_of_old_files_is_an_alias_where_it_is_a_copy_and_a_tensor_where_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
