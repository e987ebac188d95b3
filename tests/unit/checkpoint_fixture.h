/* checkpoint_fixture.h - small Hugging Face checkpoints, made in memory, damaged at will, written to a directory of the
 * test's own. Included by the tests of the converter. */
#ifndef INGOT_CHECKPOINT_FIXTURE_H
#define INGOT_CHECKPOINT_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/ingot_convert.h"

/* ------------------------------------------------------------------------------------------------------ directories */

static inline char *fixture_directory(void)
{
    const char *root = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/ingot-test-XXXXXX", root ? root : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline const char *fixture_path(const char *directory, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", directory, name);
    return out;
}

static inline void fixture_write(const char *directory, const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(fixture_path(directory, name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline uint8_t *fixture_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n + 1);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static inline size_t fixture_count_files(const char *directory)
{
    size_t n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.' || e->d_name[1] > '.';
    closedir(d);
    return n;
}

/* Removes the directory, its files, and frees the path. */
static inline void fixture_remove(char *directory)
{
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));) unlink(fixture_path(directory, e->d_name));
    if (d) closedir(d);
    rmdir(directory);
    free(directory);
}

/* ------------------------------------------------------------------------------------------------------ checkpoints */

struct fixture_tensor {
    char name[96];
    const char *dtype;
    uint32_t rank;
    uint64_t shape[4];
    uint8_t *data;
    size_t n_bytes;
};

#define FIXTURE_MAX_TENSORS 96
struct fixture {
    struct fixture_tensor tensors[FIXTURE_MAX_TENSORS];
    size_t n;
};

/* 2 layers, 2 heads, width 6, context 5, inner 20, vocabulary 21: no dimension is a multiple of 16. */
#define FIXTURE_LAYERS 2
#define FIXTURE_EMBD   6
#define FIXTURE_CTX    5
#define FIXTURE_INNER  20
#define FIXTURE_VOCAB  21
#define FIXTURE_CONFIG                                                                                                 \
    "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "   \
    "\"vocab_size\": 21, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-05}"

static inline size_t fixture_dtype_size(const char *dtype)
{
    const char *digits = strpbrk(dtype, "123468");
    return digits ? (size_t)atoi(digits) / 8 : 1;
}

/* Values that depend on the name, so that no two tensors are alike. */
static inline double fixture_value(const struct fixture_tensor *t, size_t i)
{
    uint64_t h = 1469598103934665603u;
    for (const char *c = t->name; *c; c++) h = (h ^ (uint8_t)*c) * 1099511628211u;
    h = (h + i) * 0x9E3779B97F4A7C15u;
    return (double)(int64_t)(h >> 11) / 4503599627370496.0 - 1.0; /* -1 .. 1, 53 bits */
}

static inline void fixture_put(struct fixture_tensor *t, size_t i, double value)
{
    uint16_t u16;
    float f32 = (float)value;
    if (strcmp(t->dtype, "F64") == 0) memcpy(t->data + 8 * i, &value, 8);
    if (strcmp(t->dtype, "F32") == 0) memcpy(t->data + 4 * i, &f32, 4);
    u16 = strcmp(t->dtype, "BF16") == 0 ? ingot_bf16_from_f32(f32) : ingot_f16_from_f32(f32);
    if (fixture_dtype_size(t->dtype) == 2) memcpy(t->data + 2 * i, &u16, 2);
}

/* The source's element as the f64 that it is. */
static inline double fixture_get(const struct fixture_tensor *t, size_t i)
{
    double f64;
    float f32;
    uint16_t u16;
    if (strcmp(t->dtype, "F64") == 0) return memcpy(&f64, t->data + 8 * i, 8), f64;
    if (strcmp(t->dtype, "F32") == 0) return memcpy(&f32, t->data + 4 * i, 4), (double)f32;
    memcpy(&u16, t->data + 2 * i, 2);
    return (double)(strcmp(t->dtype, "BF16") == 0 ? ingot_f32_from_bf16(u16) : ingot_f32_from_f16(u16));
}

static inline struct fixture_tensor *fixture_add(struct fixture *f, const char *name, const char *dtype, uint32_t rank,
                                                 uint64_t a, uint64_t b)
{
    assert_true(f->n < FIXTURE_MAX_TENSORS);
    struct fixture_tensor *t = &f->tensors[f->n++];
    *t = (struct fixture_tensor){ .dtype = dtype, .rank = rank, .shape = { a, b, a, b } };
    snprintf(t->name, sizeof t->name, "%s", name);
    size_t elems = 1;
    for (uint32_t i = 0; i < rank; i++) elems *= t->shape[i];
    t->n_bytes = elems * fixture_dtype_size(dtype);
    t->data = calloc(1, t->n_bytes + 1);
    for (size_t i = 0; i < elems; i++) fixture_put(t, i, fixture_value(t, i));
    return t;
}

static inline void fixture_add_layer(struct fixture *f, const char *prefix, int layer, const char *dtype)
{
    static const struct {
        const char *name;
        uint64_t a, b;
    } parts[] = {
        { "ln_1.weight", FIXTURE_EMBD, 0 },
        { "ln_1.bias", FIXTURE_EMBD, 0 },
        { "attn.c_attn.weight", FIXTURE_EMBD, 3 * FIXTURE_EMBD },
        { "attn.c_attn.bias", 3 * FIXTURE_EMBD, 0 },
        { "attn.c_proj.weight", FIXTURE_EMBD, FIXTURE_EMBD },
        { "attn.c_proj.bias", FIXTURE_EMBD, 0 },
        { "ln_2.weight", FIXTURE_EMBD, 0 },
        { "ln_2.bias", FIXTURE_EMBD, 0 },
        { "mlp.c_fc.weight", FIXTURE_EMBD, FIXTURE_INNER },
        { "mlp.c_fc.bias", FIXTURE_INNER, 0 },
        { "mlp.c_proj.weight", FIXTURE_INNER, FIXTURE_EMBD },
        { "mlp.c_proj.bias", FIXTURE_EMBD, 0 },
    };
    char name[96];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "%sh.%d.%s", prefix, layer, parts[i].name);
        fixture_add(f, name, dtype, parts[i].b ? 2 : 1, parts[i].a, parts[i].b);
    }
}

/* A whole GPT-2 of one dtype. The values do not depend on the prefix. */
static inline struct fixture *fixture_gpt2(const char *prefix, const char *dtype)
{
    struct fixture *f = calloc(1, sizeof *f);
    char name[96];
    const char *at = "";
    fixture_add(f, "wte.weight", dtype, 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    fixture_add(f, "wpe.weight", dtype, 2, FIXTURE_CTX, FIXTURE_EMBD);
    for (int i = 0; i < FIXTURE_LAYERS; i++) fixture_add_layer(f, at, i, dtype);
    fixture_add(f, "ln_f.weight", dtype, 1, FIXTURE_EMBD, 0);
    fixture_add(f, "ln_f.bias", dtype, 1, FIXTURE_EMBD, 0);
    for (size_t i = 0; i < f->n; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, f->tensors[i].name);
        memcpy(f->tensors[i].name, name, sizeof name);
    }
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++) free(f->tensors[i].data);
    free(f);
}

static inline struct fixture_tensor *fixture_find(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->tensors[i].name, name) == 0) return &f->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static inline void fixture_drop(struct fixture *f, const char *name)
{
    struct fixture_tensor *t = fixture_find(f, name);
    free(t->data);
    f->n--;
    memmove(t, t + 1, (size_t)(f->tensors + f->n - t) * sizeof *t);
}

/* Writes tensors [first, last) as a safetensors file. */
static inline void fixture_write_tensors(const struct fixture *f, size_t first, size_t last, const char *directory,
                                         const char *name)
{
    char *header = NULL;
    size_t n_header = 0, offset = 0;
    FILE *h = open_memstream(&header, &n_header);
    fputs("{\"__metadata__\":{\"format\":\"pt\"}", h);
    for (size_t i = first; i < last; i++) {
        const struct fixture_tensor *t = &f->tensors[i];
        fprintf(h, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name, t->dtype);
        for (uint32_t k = 0; k < t->rank; k++) fprintf(h, "%s%llu", k ? "," : "", (unsigned long long)t->shape[k]);
        fprintf(h, "],\"data_offsets\":[%zu,%zu]}", offset, offset + t->n_bytes);
        offset += t->n_bytes;
    }
    fputs("}", h);
    fclose(h);
    FILE *out = fopen(fixture_path(directory, name), "wb");
    assert_non_null(out);
    uint64_t length = n_header;
    fwrite(&length, 8, 1, out);
    fwrite(header, 1, n_header, out);
    for (size_t i = first; i < last; i++) fwrite(f->tensors[i].data, 1, f->tensors[i].n_bytes, out);
    assert_int_equal(fclose(out), 0);
    free(header);
}

/* model.safetensors and config.json. */
static inline void fixture_write_checkpoint(const struct fixture *f, const char *directory, const char *config)
{
    fixture_write_tensors(f, 0, f->n, directory, "model.safetensors");
    fixture_write(directory, "config.json", config, strlen(config));
}

#endif
