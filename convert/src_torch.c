/* src_torch.c - PyTorch checkpoints: a file of torch.save(), or a directory with pytorch_model.bin (or its index and
 * its shards), with nanoGPT's ckpt.pt, or with minGPT's model.pt. */
#include "convert/torch.h"

#include "convert/gguf.h"
#include "convert/llmc.h"
#include "convert/shards.h"
#include "format/bytes.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_FILE "pytorch_model.bin.index.json"
#define ZIP_MAGIC  0x04034b50u
#define ZIP_END    0x06054b50u /* a zip file without members */

/* What a directory is opened by, the first that is there. */
static const char *const single_files[] = { "pytorch_model.bin", "ckpt.pt", "model.pt" };

static bool is_zip(const uint8_t *head, uint64_t n)
{
    return n >= 4 && (get_u32(head) == ZIP_MAGIC || get_u32(head) == ZIP_END);
}

/* NULL when the directory has none. */
static const char *find_single(const char *directory)
{
    for (size_t i = 0; i < sizeof single_files / sizeof *single_files; i++)
        if (path_exists(directory, single_files[i])) return single_files[i];
    return NULL;
}

/* A .bin may be any of llm.c's files, or GGUF's: those begin with a magic number of their own. */
static bool is_of_others(const struct source_candidate *c)
{
    return llmc_knows(c->head, c->head_bytes, false) || gguf_knows(c->head, c->head_bytes);
}

static bool has_name(const struct source_candidate *c)
{
    static const char *const ends[] = { ".pt", ".pth", ".ckpt", ".pkl", ".pickle" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (path_ends_with(c->path, ends[i])) return true;
    return path_ends_with(c->path, ".bin") && !is_of_others(c);
}

/* By content, and by name, so that a damaged file gets the better error. */
static bool probe(const struct source_candidate *c)
{
    if (c->is_directory) return find_single(c->path) || path_exists(c->path, INDEX_FILE);
    if (is_zip(c->head, c->head_bytes) || (!c->content_only && has_name(c))) return true;
    return c->head_bytes >= 2 && c->head[0] == 0x80 && c->head[1] >= 2 && c->head[1] <= 5;
}

void torch_close(struct torch_file *f)
{
    pickle_free(f->pickle);
    zip_free(&f->zip);
    free(f->storages);
}

static enum ingot_status add_file(struct ingot_source *src, const char *name, struct ingot_error *err)
{
    struct torch_file f = { .src = src };
    enum ingot_status status = source_add_file(src, name, &f.in, err);
    if (status != INGOT_OK) return status;
    const bool zip = is_zip(f.in->map.bytes, f.in->map.size);
    status = zip ? torch_open_zip(&f, err) : torch_open_legacy(&f, err);
    if (status == INGOT_OK) status = torch_declare(&f, err);
    torch_close(&f);
    return status;
}

static enum ingot_status open_source(struct ingot_source *src, struct ingot_error *err)
{
    const char *single = src->base ? src->base : find_single(src->directory);
    return single ? add_file(src, single, err) : shards_open(src, INDEX_FILE, add_file, err);
}

const struct source_reader source_torch = {
    .format = "torch",
    .files = "pytorch_model.bin, ckpt.pt",
    .probe = probe,
    .open = open_source,
};
