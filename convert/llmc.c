/* llmc.c - the header says how long the file must be; then every tensor has its place. */
#include "convert/llmc.h"

#include "convert/array.h"
#include "format/bytes.h"
#include "format/checked.h"
#include "format/disk.h"
#include "format/error.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_TENSOR_NAME 32
#define ADVICE_EXPORT   "write it again with a newer llm.c, or convert the checkpoint that it was made from"

/* The other files that llm.c writes, and what they are called here. */
static const struct {
    uint32_t magic;
    const char *what;
} others[] = {
    { 20240327, "the activations and gradients of a test (debug_state)" },
    { LLMC_TOKENIZER_MAGIC, "a tokenizer" },
    { 20240520, "a text in tokens" },
    { 20240522, "the questions of an evaluation" },
    { 20240527, "the state of an optimizer" },
    { 20240801, "a text in tokens of Llama 3" },
    { 20240803, "a Llama 3" },
};
#define N_OTHERS (sizeof others / sizeof others[0])

/* Versions that say one thing only. 2 is not among them: it was written in two orders. */
static const struct version {
    uint32_t number;
    bool padded;
    enum ingot_scalar scalar, norm; /* of all slots; of the norms */
} versions[] = {
    { 1, false, INGOT_SCALAR_F32, INGOT_SCALAR_F32 },
    { 3, true, INGOT_SCALAR_F32, INGOT_SCALAR_F32 },
    { 4, true, INGOT_SCALAR_BF16, INGOT_SCALAR_F32 },
    { 5, true, INGOT_SCALAR_BF16, INGOT_SCALAR_BF16 },
};

enum dim { DIM_NONE, DIM_ROWS, DIM_CTX, DIM_C, DIM_3C, DIM_4C };

static const struct slot {
    const char *name;
    enum dim dims[2];
    bool stacked, norm;
} slots[] = {
    { "wte", { DIM_ROWS, DIM_C }, false, false },
    { "wpe", { DIM_CTX, DIM_C }, false, false },
    { "ln1w", { DIM_C }, true, true },
    { "ln1b", { DIM_C }, true, true },
    { "qkvw", { DIM_3C, DIM_C }, true, false },
    { "qkvb", { DIM_3C }, true, false },
    { "attprojw", { DIM_C, DIM_C }, true, false },
    { "attprojb", { DIM_C }, true, false },
    { "ln2w", { DIM_C }, true, true },
    { "ln2b", { DIM_C }, true, true },
    { "fcw", { DIM_4C, DIM_C }, true, false },
    { "fcb", { DIM_4C }, true, false },
    { "fcprojw", { DIM_C, DIM_4C }, true, false },
    { "fcprojb", { DIM_C }, true, false },
    { "lnfw", { DIM_C }, false, true },
    { "lnfb", { DIM_C }, false, true },
};
#define N_SLOTS (sizeof slots / sizeof slots[0])

struct parser {
    const uint8_t *bytes;
    uint64_t size;
    const char *path, *base;
    struct name_pool *names;
    struct llmc_header header;
    const struct version *version;
    struct ingot_source_tensor *tensors;
    size_t n, cap;
};

bool llmc_knows(const uint8_t *head, size_t n, bool model_only)
{
    if (n < 4) return false;
    for (size_t i = 0; i < N_OTHERS && !model_only; i++)
        if (get_u32(head) == others[i].magic) return true;
    return get_u32(head) == LLMC_MAGIC;
}

/* ------------------------------------------------------------------------------------------------------- the header */

static enum ingot_status check_magic(const struct parser *p, struct ingot_error *err)
{
    uint32_t magic = p->size >= 4 ? get_u32(p->bytes) : 0;
    for (size_t i = 0; i < N_OTHERS; i++)
        if (magic == others[i].magic)
            return ingot_fail(err, INGOT_E_UNSUPPORTED, 0, p->path, "give the model file: gpt2_124M.bin, model_*.bin",
                              "a file of llm.c, but not a model: %s", others[i].what);
    if (p->size >= 4 && magic != LLMC_MAGIC)
        return ingot_fail(err, INGOT_E_SOURCE, 0, p->path, ADVICE_COPY, "begins with %" PRIu32 ", expected %u", magic,
                          LLMC_MAGIC);
    if (p->size < LLMC_HEADER_BYTES)
        return ingot_fail(err, INGOT_E_TRUNCATED, p->size, p->path, ADVICE_COPY,
                          "%" PRIu64 " byte%s; the header alone takes %u", p->size, plural(p->size), LLMC_HEADER_BYTES);
    return INGOT_OK;
}

static enum ingot_status find_version(struct parser *p, struct ingot_error *err)
{
    uint32_t number = get_u32(p->bytes + 4);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (versions[i].number == number) p->version = &versions[i];
    p->header.version = number;
    if (p->version) return INGOT_OK;
    return ingot_fail(err, INGOT_E_UNSUPPORTED, 4, p->path, ADVICE_EXPORT,
                      "version %" PRIu32 " of llm.c's model file; known are 1, 3, 4 and 5", number);
}

static enum ingot_status read_counts(struct parser *p, struct ingot_error *err)
{
    static const struct {
        const char *name;
        size_t field_off;
        uint32_t limit;
    } counts[] = {
        { "max_seq_len", offsetof(struct llmc_header, n_ctx), LIMIT_N_CTX },
        { "vocab_size", offsetof(struct llmc_header, n_vocab), LIMIT_N_VOCAB },
        { "num_layers", offsetof(struct llmc_header, n_layer), LIMIT_N_LAYER },
        { "num_heads", offsetof(struct llmc_header, n_head), LIMIT_N_HEAD },
        { "channels", offsetof(struct llmc_header, n_embd), LIMIT_N_EMBD },
        { "padded_vocab_size", offsetof(struct llmc_header, n_rows), LIMIT_N_VOCAB },
    };
    const size_t n = sizeof counts / sizeof counts[0] - (p->version->padded ? 0 : 1);
    for (size_t i = 0; i < n; i++) {
        const uint64_t off = 8 + 4 * i;
        const int32_t value = (int32_t)get_u32(p->bytes + off);
        if (value <= 0)
            return ingot_fail(err, INGOT_E_SOURCE, off, p->path, ADVICE_COPY, "%s is %" PRId32, counts[i].name, value);
        if ((uint32_t)value > counts[i].limit)
            return ingot_fail(err, INGOT_E_LIMIT, off, p->path, NULL, "%s is %" PRId32 "; the limit is %" PRIu32,
                              counts[i].name, value, counts[i].limit);
        memcpy((char *)&p->header + counts[i].field_off, &value, sizeof value);
    }
    if (!p->version->padded) p->header.n_rows = p->header.n_vocab;
    return INGOT_OK;
}

static enum ingot_status check_counts(const struct parser *p, struct ingot_error *err)
{
    const struct llmc_header *h = &p->header;
    if (h->n_embd % h->n_head != 0)
        return ingot_fail(err, INGOT_E_SOURCE, 20, p->path, ADVICE_COPY,
                          "num_heads %" PRIu32 " does not divide channels %" PRIu32, h->n_head, h->n_embd);
    if (h->n_rows < h->n_vocab)
        return ingot_fail(err, INGOT_E_SOURCE, 28, p->path, ADVICE_COPY,
                          "padded_vocab_size %" PRIu32 " is less than vocab_size %" PRIu32, h->n_rows, h->n_vocab);
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------ the tensors */

static uint64_t extent(const struct parser *p, enum dim dim)
{
    const struct llmc_header *h = &p->header;
    switch (dim) {
    case DIM_ROWS:
        return h->n_rows;
    case DIM_CTX:
        return h->n_ctx;
    case DIM_C:
        return h->n_embd;
    case DIM_3C:
        return UINT64_C(3) * h->n_embd;
    case DIM_4C:
        return UINT64_C(4) * h->n_embd;
    case DIM_NONE:
        break;
    }
    return 1;
}

static enum ingot_scalar scalar_of(const struct parser *p, const struct slot *slot)
{
    return slot->norm ? p->version->norm : p->version->scalar;
}

/* One layer's part of a slot, or the slot. Cannot overflow: a vocabulary of 2^24 by a width of 2^20, f32. */
static uint64_t part_bytes(const struct parser *p, const struct slot *slot)
{
    return extent(p, slot->dims[0]) * extent(p, slot->dims[1]) * ingot_scalar_info(scalar_of(p, slot))->bytes;
}

static enum ingot_status check_size(const struct parser *p, struct ingot_error *err)
{
    uint64_t end = LLMC_HEADER_BYTES, bytes;
    for (size_t i = 0; i < N_SLOTS; i++)
        if (!checked_mul(part_bytes(p, &slots[i]), slots[i].stacked ? p->header.n_layer : 1, &bytes) ||
            !checked_add(end, bytes, &end))
            return ingot_fail(err, INGOT_E_SOURCE, 8, p->path, ADVICE_COPY, "the size of this model overflows");
    if (p->size < end)
        return ingot_fail(err, INGOT_E_TRUNCATED, p->size, p->path, ADVICE_COPY,
                          "%" PRIu64 " byte%s; a model of these sizes takes %" PRIu64, p->size, plural(p->size), end);
    if (p->size > end)
        return ingot_fail(err, INGOT_E_SOURCE, end, p->path, ADVICE_COPY,
                          "%" PRIu64 " byte%s behind the end of a model of these sizes", p->size - end,
                          plural(p->size - end));
    return INGOT_OK;
}

static const char *tensor_name(const struct parser *p, const struct slot *slot, uint32_t layer)
{
    char name[MAX_TENSOR_NAME];
    if (!slot->stacked) return slot->name;
    int n = snprintf(name, sizeof name, "h.%" PRIu32 ".%s", layer, slot->name);
    return name_pool_add(p->names, name, (size_t)n);
}

static enum ingot_status add_tensor(struct parser *p, const struct slot *slot, uint32_t layer, uint64_t off,
                                    struct ingot_error *err)
{
    struct ingot_source_tensor *grown = array_grow(p->tensors, &p->cap, p->n, sizeof *grown);
    if (!grown) return fail_memory(err, p->path);
    p->tensors = grown;
    struct ingot_source_tensor *t = &grown[p->n];
    *t = (struct ingot_source_tensor){
        .name = tensor_name(p, slot, layer),
        .scalar = scalar_of(p, slot),
        .rank = slot->dims[1] == DIM_NONE ? 1 : 2,
        .data = p->bytes + off,
        .n_bytes = part_bytes(p, slot),
        .file = p->base,
        .file_off = off,
        .check = INGOT_NO_CHECK,
    };
    if (!t->name) return fail_memory(err, p->path);
    for (uint32_t i = 0; i < t->rank; i++) t->shape[i] = extent(p, slot->dims[i]);
    p->n++;
    return INGOT_OK;
}

static enum ingot_status add_tensors(struct parser *p, struct ingot_error *err)
{
    uint64_t off = LLMC_HEADER_BYTES;
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < N_SLOTS; i++)
        for (uint32_t layer = 0; layer < (slots[i].stacked ? p->header.n_layer : 1); layer++) {
            status = add_tensor(p, &slots[i], layer, off, err);
            if (status != INGOT_OK) return status;
            off += part_bytes(p, &slots[i]);
        }
    return INGOT_OK;
}

enum ingot_status llmc_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                             struct name_pool *names, struct llmc_header *header, struct ingot_source_tensor **tensors,
                             size_t *n, struct ingot_error *err)
{
    struct parser p = { .bytes = bytes, .size = size, .path = path, .base = base, .names = names };
    *tensors = NULL;
    *n = 0;
    enum ingot_status status = check_magic(&p, err);
    if (status == INGOT_OK) status = find_version(&p, err);
    if (status == INGOT_OK) status = read_counts(&p, err);
    if (status == INGOT_OK) status = check_counts(&p, err);
    if (status == INGOT_OK) status = check_size(&p, err);
    if (status == INGOT_OK) status = add_tensors(&p, err);
    if (status != INGOT_OK) {
        free(p.tensors);
        return status;
    }
    *header = p.header;
    *tensors = p.tensors;
    *n = p.n;
    return INGOT_OK;
}
