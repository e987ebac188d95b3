/*
 * test_reference_nano_sort.c - a trained minGPT and the activations that its authors recorded.
 *
 * The corpus has the model as a PyTorch zip. Its members are stored raw, so their values can be repackaged here without
 * looking at the pickle: member data/N is the N-th tensor of the state dictionary. Skipped where the corpus is absent.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/bytes.h"
#include "tests/unit/model_fixture.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "../shared/corpus/gpt-nano-sort/"
enum { N_LAYER = 3, C = 48, N_VOCAB = 3, N_CTX = 11, N_INPUTS = 3 };

/* ------------------------------------------------------------------------------------------------------------- zip */

static uint8_t *read_whole(const char *name, size_t *n)
{
    FILE *f = fopen(path_from_root(name), "rb");
    if (!f) return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

/* The raw bytes of member model/data/<number>, which must be n_bytes long. */
static const uint8_t *zip_member(const uint8_t *zip, size_t n_zip, unsigned number, size_t n_bytes)
{
    char name[32];
    const size_t n_name = (size_t)snprintf(name, sizeof name, "model/data/%u", number);
    const uint8_t *end = zip + n_zip - 22; /* end of central directory, without a comment */
    assert_int_equal(get_u32(end), 0x06054b50);
    const uint8_t *entry = zip + get_u32(end + 16);
    for (unsigned i = 0; i < get_u16(end + 10); i++) {
        if (get_u16(entry + 28) == n_name && memcmp(entry + 46, name, n_name) == 0) {
            const uint8_t *local = zip + get_u32(entry + 42);
            assert_int_equal(get_u32(entry + 24), n_bytes);
            return local + 30 + get_u16(local + 26) + get_u16(local + 28);
        }
        entry += 46 + get_u16(entry + 28) + get_u16(entry + 30) + get_u16(entry + 32);
    }
    fail_msg("no member %s", name);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------ repackaging */

struct part {
    const char *name;     /* may hold one %u for the layer */
    uint32_t n_out, n_in; /* n_in 0: a vector */
    enum ingot_layout layout;
};

/* In the order of the state dictionary; the mask comes with every layer and is dropped. */
static const struct part EMBEDDINGS[] = {
    { "wte.weight", N_VOCAB, C, INGOT_PANEL16 },
    { "wpe.weight", N_CTX, C, INGOT_ROWS },
};
static const struct part LAYER[] = {
    { "h.%u.ln_1.weight", C, 0, INGOT_ROWS },
    { "h.%u.ln_1.bias", C, 0, INGOT_ROWS },
    { NULL, N_CTX, N_CTX, INGOT_ROWS },
    { "h.%u.attn.c_attn.weight", 3 * C, C, INGOT_PANEL16 },
    { "h.%u.attn.c_attn.bias", 3 * C, 0, INGOT_ROWS },
    { "h.%u.attn.c_proj.weight", C, C, INGOT_PANEL16 },
    { "h.%u.attn.c_proj.bias", C, 0, INGOT_ROWS },
    { "h.%u.ln_2.weight", C, 0, INGOT_ROWS },
    { "h.%u.ln_2.bias", C, 0, INGOT_ROWS },
    { "h.%u.mlp.c_fc.weight", 4 * C, C, INGOT_PANEL16 },
    { "h.%u.mlp.c_fc.bias", 4 * C, 0, INGOT_ROWS },
    { "h.%u.mlp.c_proj.weight", C, 4 * C, INGOT_PANEL16 },
    { "h.%u.mlp.c_proj.bias", C, 0, INGOT_ROWS },
};
static const struct part END[] = {
    { "ln_f.weight", C, 0, INGOT_ROWS },
    { "ln_f.bias", C, 0, INGOT_ROWS },
    { "lm_head.weight", N_VOCAB, C, INGOT_PANEL16 },
};

struct package {
    const uint8_t *zip;
    size_t n_zip;
    struct ingot_writer *writer;
    unsigned member; /* the next one */
    bool begun;      /* first all sections are declared, then all bytes are put */
    uint32_t id;
};

static void do_part(struct package *p, const struct part *part, unsigned layer)
{
    const uint64_t n_cols = part->n_in ? part->n_in : part->n_out, n_rows = part->n_in ? part->n_out : 1;
    const unsigned member = p->member++;
    char name[64];
    if (!part->name) return;
    snprintf(name, sizeof name, part->name, layer);
    const struct ingot_section_plan plan = { .name = name,
                                             .kind = INGOT_KIND_TENSOR,
                                             .dtype = INGOT_F32,
                                             .layout = part->layout,
                                             .rank = part->n_in ? 2 : 1,
                                             .shape = { part->n_out, part->n_in } };
    uint32_t id;
    if (!p->begun) {
        assert_int_equal(ingot_writer_add(p->writer, &plan, &id, NULL), INGOT_OK);
        return;
    }
    const struct ingot_view view = {
        zip_member(p->zip, p->n_zip, member, n_rows * n_cols * 4), INGOT_F32, n_rows, n_cols, n_cols, 1
    };
    uint64_t n_bytes;
    struct ingot_cast_stats stats = { 0 };
    assert_true(ingot_layout_bytes(INGOT_F32, part->layout, plan.rank, plan.shape, &n_bytes));
    uint8_t *bytes = malloc(n_bytes);
    ingot_pack(&view, INGOT_F32, part->layout, 0, bytes, n_bytes, &stats);
    assert_int_equal(ingot_writer_put(p->writer, p->id++, 0, bytes, n_bytes, NULL), INGOT_OK);
    free(bytes);
}

static void do_parts(struct package *p)
{
    p->member = 0;
    for (size_t i = 0; i < sizeof EMBEDDINGS / sizeof *EMBEDDINGS; i++) do_part(p, &EMBEDDINGS[i], 0);
    for (unsigned layer = 0; layer < N_LAYER; layer++)
        for (size_t i = 0; i < sizeof LAYER / sizeof *LAYER; i++) do_part(p, &LAYER[i], layer);
    for (size_t i = 0; i < sizeof END / sizeof *END; i++) do_part(p, &END[i], 0);
}

/* Writes, opens and removes the file. */
static struct model_fixture package_model(const uint8_t *zip, size_t n_zip)
{
    const struct ingot_hparams hp = { .n_layer = N_LAYER,
                                      .n_head = 3,
                                      .n_embd = C,
                                      .n_inner = 4 * C,
                                      .n_ctx = N_CTX,
                                      .n_vocab = N_VOCAB,
                                      .n_vocab_stored = N_VOCAB,
                                      .activation = INGOT_GELU_TANH,
                                      .attention_flags = INGOT_ATTN_SCALE,
                                      .layer_norm_epsilon = 1e-5f };
    const struct ingot_section_plan model = { .name = "@model",
                                              .kind = INGOT_KIND_MODEL,
                                              .raw_bytes = INGOT_HPARAMS_BYTES };
    uint8_t bytes[INGOT_HPARAMS_BYTES];
    char path[] = "nano-sort-XXXXXX.ingot";
    const int fd = mkstemps(path, 6);
    assert_true(fd >= 0);
    close(fd);

    struct package p = { .zip = zip, .n_zip = n_zip };
    const struct ingot_file *sealed;
    ingot_hparams_encode(&hp, bytes);
    assert_int_equal(ingot_writer_create(path, &(struct ingot_writer_options){ .overwrite = true }, &p.writer, NULL),
                     0);
    assert_int_equal(ingot_writer_add(p.writer, &model, &p.id, NULL), INGOT_OK);
    do_parts(&p);
    assert_int_equal(ingot_writer_begin(p.writer, NULL), INGOT_OK);
    p.begun = true;
    assert_int_equal(ingot_writer_put(p.writer, p.id++, 0, bytes, sizeof bytes, NULL), INGOT_OK);
    do_parts(&p);
    assert_int_equal(ingot_writer_seal(p.writer, 1, &sealed, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_publish(p.writer, NULL), INGOT_OK);
    ingot_writer_close(p.writer);

    struct model_fixture fixture;
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &fixture.file, NULL), INGOT_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ingot_model_open(fixture.file, NULL, &fixture.model, NULL), INGOT_OK);
    return fixture;
}

/* ------------------------------------------------------------------------------------------------------ recordings */

static unsigned base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return at && c ? (unsigned)(at - digits) : 0;
}

/* n floats of the recording `name`. */
static void read_recording(const json_t *recordings, const char *name, float *values, size_t n)
{
    const char *text = json_string_value(json_object_get(json_object_get(recordings, name), "data"));
    assert_non_null(text);
    assert_int_equal(strlen(text), (n * 4 + 2) / 3 * 4);
    uint8_t *out = (uint8_t *)values;
    for (size_t i = 0; i < n * 4; i++) {
        const char *four = text + i / 3 * 4;
        const unsigned three = base64_digit(four[0]) << 18 | base64_digit(four[1]) << 12 | base64_digit(four[2]) << 6 |
                               base64_digit(four[3]);
        out[i] = (uint8_t)(three >> (16 - 8 * (i % 3)));
    }
}

static void logits_equal_the_recorded_activations(void **state)
{
    (void)state;
    size_t n_zip = 0;
    uint8_t *zip = read_whole(FOLDER "model.pt", &n_zip);
    if (!zip) skip();
    json_t *recordings = json_load_file(path_from_root(FOLDER "gpt-nano-sort-t0-partials.json"), 0, NULL);
    float inputs[N_INPUTS * N_CTX], expected[N_INPUTS * N_CTX * N_VOCAB];
    read_recording(recordings, "idx", inputs, N_INPUTS * N_CTX);
    read_recording(recordings, "lm_head", expected, N_INPUTS * N_CTX * N_VOCAB);

    struct model_fixture fixture = package_model(zip, n_zip);
    double worst = 0;
    for (size_t i = 0; i < N_INPUTS; i++) {
        uint32_t ids[N_CTX];
        for (size_t t = 0; t < N_CTX; t++) ids[t] = (uint32_t)inputs[i * N_CTX + t];
        float *logits = all_logits(fixture.model, NULL, ids, N_CTX);
        for (size_t t = 0; t < N_CTX * N_VOCAB; t++)
            worst = fmax(worst, fabs((double)logits[t] - (double)expected[i * N_CTX * N_VOCAB + t]));
        free(logits);
    }
    model_fixture_close(&fixture);
    json_decref(recordings);
    free(zip);
    print_message("# the largest difference is %.2g\n", worst);
    assert_true(worst < 2e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(logits_equal_the_recorded_activations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
