/* src_llmc.c - a model file of llm.c, or a directory with exactly one. */
#include "convert/source.h"

#include "convert/array.h"
#include "convert/llmc.h"
#include "format/error.h"

#include <stdlib.h>
#include <string.h>

#define SUFFIX  ".bin"
#define N_SHOWN 96

static bool probe(const struct source_candidate *c)
{
    if (!c->is_directory) return llmc_knows(c->head, c->head_bytes, c->content_only);
    return llmc_find(c->path, SUFFIX, LLMC_MAGIC).n > 0;
}

static enum ingot_status fail_several(const struct ingot_source *src, const struct first_two *found,
                                      struct ingot_error *err)
{
    char a[N_SHOWN], b[N_SHOWN];
    return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, src->path, "give the path of the one that is meant",
                      "%zu models of llm.c in one directory, %s and %s among them", found->n,
                      ingot_escape(found->names[0], strlen(found->names[0]), a, sizeof a),
                      ingot_escape(found->names[1], strlen(found->names[1]), b, sizeof b));
}

static enum ingot_status add_facts(struct ingot_source *src, const struct llmc_header *h, struct ingot_error *err)
{
    const struct ingot_fact facts[] = {
        { .key = "llm.c.version", .type = INGOT_FACT_INT, .integer = h->version },
        { .key = "llm.c.n_ctx", .type = INGOT_FACT_INT, .integer = h->n_ctx },
        { .key = "llm.c.n_vocab", .type = INGOT_FACT_INT, .integer = h->n_vocab },
        { .key = "llm.c.n_layer", .type = INGOT_FACT_INT, .integer = h->n_layer },
        { .key = "llm.c.n_head", .type = INGOT_FACT_INT, .integer = h->n_head },
        { .key = "llm.c.n_embd", .type = INGOT_FACT_INT, .integer = h->n_embd },
        { .key = "llm.c.n_vocab_padded", .type = INGOT_FACT_INT, .integer = h->n_rows },
    };
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < sizeof facts / sizeof facts[0] && status == INGOT_OK; i++)
        status = source_add_fact(src, &facts[i], err);
    return status;
}

static enum ingot_status add_file(struct ingot_source *src, const char *name, struct ingot_error *err)
{
    const struct input *in;
    struct llmc_header header;
    struct ingot_source_tensor *tensors = NULL;
    size_t n = 0;
    enum ingot_status status = source_add_file(src, name, &in, err);
    if (status == INGOT_OK)
        status = llmc_parse(in->map.bytes, in->map.size, in->path, in->base, &src->names, &header, &tensors, &n, err);
    if (status == INGOT_OK) status = add_facts(src, &header, err);
    if (status == INGOT_OK) return source_take_tensors(src, tensors, n, err);
    free(tensors);
    return status;
}

static enum ingot_status open_source(struct ingot_source *src, struct ingot_error *err)
{
    if (src->base) return add_file(src, src->base, err);
    const struct first_two found = llmc_find(src->directory, SUFFIX, LLMC_MAGIC);
    if (found.n > 1) return fail_several(src, &found, err);
    if (found.n == 1) return add_file(src, found.names[0], err);
    /* It was there when the reader was chosen. */
    return ingot_fail(err, INGOT_E_CHANGED, INGOT_NO_OFFSET, src->path, NULL, "the model has gone");
}

const struct source_reader source_llmc = {
    .format = "llm.c",
    .files = "gpt2_124M.bin of llm.c",
    .probe = probe,
    .open = open_source,
};
