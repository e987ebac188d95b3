/*
 * many_tensors.c - writes a checkpoint of very many small tensors, as a .safetensors and as an .ingot file: a mixture
 * of experts that is saved expert by expert, in the order of their numbers. For what takes time for each tensor.
 *
 *   many_tensors PATH N     writes PATH.safetensors and PATH.ingot; files of these names are replaced
 */
#include "format/ingot_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMS = 8, BYTES = 32, NAME = 96 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "many_tensors: %s\n", what);
    exit(1);
}

static void must(enum ingot_status status, const struct ingot_error *err)
{
    if (status != INGOT_OK) die(err->message);
}

static void name_of(uint32_t i, char name[NAME])
{
    snprintf(name, NAME, "model.layers.%u.mlp.experts.%u.w%u.weight", i / 300, i / 3 % 100, i % 3);
}

static void write_ingot(const char *path, uint32_t n)
{
    static const float zeros[ELEMS];
    const struct ingot_writer_options options = { .overwrite = true };
    struct ingot_error err = { 0 };
    struct ingot_writer *writer;
    const struct ingot_file *file;
    char name[NAME];
    uint32_t id;
    must(ingot_writer_create(path, &options, &writer, &err), &err);
    for (uint32_t i = 0; i < n; i++) {
        const struct ingot_section_plan plan = { .name = name,
                                                 .kind = INGOT_KIND_TENSOR,
                                                 .dtype = INGOT_F32,
                                                 .layout = INGOT_ROWS,
                                                 .rank = 1,
                                                 .shape = { ELEMS } };
        name_of(i, name);
        must(ingot_writer_add(writer, &plan, &id, &err), &err);
    }
    must(ingot_writer_begin(writer, &err), &err);
    for (uint32_t i = 0; i < n; i++) must(ingot_writer_put(writer, i, 0, zeros, BYTES, &err), &err);
    must(ingot_writer_seal(writer, 2, &file, &err), &err);
    must(ingot_writer_publish(writer, &err), &err);
    ingot_writer_close(writer);
}

/* As the library writes it that most have: a blank behind each comma and colon, blanks up to a multiple of 8. */
static char *header_of(uint32_t n, size_t *n_bytes)
{
    char *text = NULL, name[NAME];
    FILE *out = open_memstream(&text, n_bytes);
    if (!out) die("no memory");
    for (uint32_t i = 0; i < n; i++) {
        name_of(i, name);
        fprintf(out, "%s\"%s\": {\"dtype\": \"F32\", \"shape\": [4, 2], \"data_offsets\": [%llu, %llu]}",
                i ? ", " : "{", name, (unsigned long long)BYTES * i, (unsigned long long)BYTES * (i + 1));
    }
    fprintf(out, "%s", n ? "}" : "{}");
    for (long at = ftell(out); at % 8 != 0; at++) fputc(' ', out);
    if (fclose(out) != 0) die("no memory");
    return text;
}

static void write_safetensors(const char *path, uint32_t n)
{
    static const char zeros[BYTES];
    size_t n_bytes;
    char *header = header_of(n, &n_bytes);
    FILE *out = fopen(path, "wb");
    if (!out) die("cannot write");
    for (unsigned k = 0; k < 8; k++) fputc((int)((uint64_t)n_bytes >> 8 * k & 255), out);
    fwrite(header, 1, n_bytes, out);
    for (uint32_t i = 0; i < n; i++) fwrite(zeros, 1, sizeof zeros, out);
    if (ferror(out) || fclose(out) != 0) die("cannot write");
    free(header);
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc != 3) die("usage: many_tensors PATH N");
    const uint32_t n = (uint32_t)strtoul(argv[2], NULL, 10);
    snprintf(path, sizeof path, "%s.ingot", argv[1]);
    write_ingot(path, n);
    snprintf(path, sizeof path, "%s.safetensors", argv[1]);
    write_safetensors(path, n);
    return 0;
}
