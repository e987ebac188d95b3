/* src_safetensors.c - a .safetensors file, or a Hugging Face directory with one or with an index and its shards. */
#include "convert/source.h"

#include "convert/safetensors.h"
#include "convert/shards.h"
#include "format/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEY      512u
#define MAX_METADATA 4096u /* texts */

#define SINGLE_FILE "model.safetensors"
#define INDEX_FILE  "model.safetensors.index.json"

/* A length that fits and the brace of the header. A damaged file is still claimed by its name, for a better error. */
static bool probe(const struct source_candidate *c)
{
    if (c->is_directory) return path_exists(c->path, SINGLE_FILE) || path_exists(c->path, INDEX_FILE);
    if (!c->content_only && path_ends_with(c->path, ".safetensors")) return true;
    return c->head_bytes > 8 && get_u64(c->head) <= c->file_bytes - 8 && c->head[8] == '{';
}

/* Its texts as facts, none of which any hyper-parameter is taken from. What is out of all proportion is left out. */
static enum ingot_status add_metadata(struct ingot_source *src, json_t *metadata, struct ingot_error *err)
{
    json_t *value;
    const char *name;
    enum ingot_status status = INGOT_OK;
    json_object_foreach(metadata, name, value)
    {
        char key[MAX_KEY];
        const struct ingot_fact fact = { .key = key, .type = INGOT_FACT_TEXT, .text = json_string_value(value) };
        if (!fact.text || json_string_length(value) > SOURCE_MAX_FACT_BYTES || src->n_facts >= MAX_METADATA) continue;
        if (snprintf(key, sizeof key, "__metadata__.%s", name) >= (int)sizeof key) continue;
        status = source_add_fact(src, &fact, err);
        if (status != INGOT_OK) break;
    }
    return status;
}

/* Shards say the same of themselves: the first one is asked. */
static enum ingot_status add_file(struct ingot_source *src, const char *name, struct ingot_error *err)
{
    const struct input *in;
    struct safetensors_file f = { 0 };
    const bool is_first = src->n_tensors == 0;
    enum ingot_status status = source_add_file(src, name, &in, err);
    if (status == INGOT_OK)
        status = safetensors_parse(in->map.bytes, in->map.size, in->path, in->base, &src->names, &f, err);
    if (status == INGOT_OK) {
        status = source_take_tensors(src, f.tensors, f.n_tensors, err);
        f.tensors = NULL;
    }
    if (status == INGOT_OK && is_first) status = add_metadata(src, f.metadata, err);
    safetensors_free(&f);
    return status;
}

/* With both, the single file is meant, as Hugging Face's own loader decides. */
static enum ingot_status open_source(struct ingot_source *src, struct ingot_error *err)
{
    if (src->base) return add_file(src, src->base, err);
    if (path_exists(src->directory, SINGLE_FILE)) return add_file(src, SINGLE_FILE, err);
    return shards_open(src, INDEX_FILE, add_file, err);
}

const struct source_reader source_safetensors = {
    .format = "safetensors",
    .files = "model.safetensors",
    .probe = probe,
    .open = open_source,
};
