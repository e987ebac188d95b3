/* hparams.c - the 64 bytes of @model: hyper-parameters of a GPT-2, checked before anyone computes with them. */
#include "format/bytes.h"
#include "format/disk.h"
#include "format/error.h"

#include <math.h>
#include <stddef.h>

/* The counts: where they stand, on disk and in memory, and how large they may be. */
static const struct {
    const char *name;
    uint32_t disk_off;
    size_t field_off;
    uint32_t limit;
} counts[] = {
    { "n_layer", MODEL_N_LAYER_OFF, offsetof(struct ingot_hparams, n_layer), LIMIT_N_LAYER },
    { "n_head", MODEL_N_HEAD_OFF, offsetof(struct ingot_hparams, n_head), LIMIT_N_HEAD },
    { "n_embd", MODEL_N_EMBD_OFF, offsetof(struct ingot_hparams, n_embd), LIMIT_N_EMBD },
    { "n_inner", MODEL_N_INNER_OFF, offsetof(struct ingot_hparams, n_inner), LIMIT_N_INNER },
    { "n_ctx", MODEL_N_CTX_OFF, offsetof(struct ingot_hparams, n_ctx), LIMIT_N_CTX },
    { "n_vocab", MODEL_N_VOCAB_OFF, offsetof(struct ingot_hparams, n_vocab), LIMIT_N_VOCAB },
    { "n_vocab_stored", MODEL_N_STORED_OFF, offsetof(struct ingot_hparams, n_vocab_stored), LIMIT_N_VOCAB },
};
#define N_COUNTS (sizeof counts / sizeof counts[0])

#define MODEL_END             (MODEL_EPSILON_OFF + 4)
#define ATTENTION_FLAGS_KNOWN ((uint32_t)(INGOT_ATTN_SCALE | INGOT_ATTN_SCALE_BY_LAYER))

static uint32_t count_of(const struct ingot_hparams *hp, size_t i)
{
    uint32_t value;
    memcpy(&value, (const char *)hp + counts[i].field_off, sizeof value);
    return value;
}

/* `at` is the file offset of the 64 bytes, or INGOT_NO_OFFSET when they do not stand in a file. */
static uint64_t field_at(uint64_t at, uint32_t off)
{
    return at == INGOT_NO_OFFSET ? at : at + off;
}

static enum ingot_status check_counts(const struct ingot_hparams *hp, uint64_t at, const char *subject,
                                      struct ingot_error *err)
{
    for (size_t i = 0; i < N_COUNTS; i++) {
        uint32_t value = count_of(hp, i);
        uint64_t off = field_at(at, counts[i].disk_off);
        if (value == 0) /* [F-51] */
            return ingot_fail(err, INGOT_E_MODEL, off, subject, NULL, "%s is 0", counts[i].name);
        if (value > counts[i].limit) /* [F-52] */
            return ingot_fail(err, INGOT_E_LIMIT, off, subject, NULL, "%s is %u, the limit is %u", counts[i].name,
                              value, counts[i].limit);
    }
    if (hp->n_embd % hp->n_head != 0) /* [F-53] */
        return ingot_fail(err, INGOT_E_MODEL, field_at(at, MODEL_N_HEAD_OFF), subject, NULL,
                          "n_head %u does not divide n_embd %u", hp->n_head, hp->n_embd);
    if (hp->n_vocab > hp->n_vocab_stored) /* [F-54] */
        return ingot_fail(err, INGOT_E_MODEL, field_at(at, MODEL_N_VOCAB_OFF), subject, NULL,
                          "n_vocab %u is more than the %u row%s stored", hp->n_vocab, hp->n_vocab_stored,
                          plural(hp->n_vocab_stored));
    return INGOT_OK;
}

static enum ingot_status check_at(const struct ingot_hparams *hp, uint64_t at, const char *subject,
                                  struct ingot_error *err)
{
    enum ingot_status status = check_counts(hp, at, subject, err);
    if (status != INGOT_OK) return status;
    if (hp->activation != INGOT_GELU_TANH && hp->activation != INGOT_GELU_ERF) /* [F-55] */
        return ingot_fail(err, INGOT_E_MODEL, field_at(at, MODEL_ACTIVATION_OFF), subject, NULL,
                          "unknown activation %u, expected 1 (tanh) or 2 (erf)", (unsigned)hp->activation);
    if (hp->attention_flags & ~ATTENTION_FLAGS_KNOWN) /* [F-56] */
        return ingot_fail(err, INGOT_E_MODEL, field_at(at, MODEL_ATTENTION_OFF), subject, NULL,
                          "unknown attention flags 0x%x", hp->attention_flags);
    if (!isfinite(hp->layer_norm_epsilon) || hp->layer_norm_epsilon <= 0) /* [F-57] */
        return ingot_fail(err, INGOT_E_MODEL, field_at(at, MODEL_EPSILON_OFF), subject, NULL,
                          "layer_norm_epsilon is %g, expected a finite number above 0", (double)hp->layer_norm_epsilon);
    return INGOT_OK;
}

static struct ingot_hparams decode(const uint8_t *bytes)
{
    struct ingot_hparams hp = {
        .activation = (enum ingot_activation)get_u32(bytes + MODEL_ACTIVATION_OFF),
        .attention_flags = get_u32(bytes + MODEL_ATTENTION_OFF),
    };
    for (size_t i = 0; i < N_COUNTS; i++)
        memcpy((char *)&hp + counts[i].field_off, bytes + counts[i].disk_off, sizeof(uint32_t));
    memcpy(&hp.layer_norm_epsilon, bytes + MODEL_EPSILON_OFF, sizeof(float));
    return hp;
}

enum ingot_status ingot_hparams_check(const struct ingot_hparams *hp, const char *subject, struct ingot_error *err)
{
    return check_at(hp, INGOT_NO_OFFSET, subject, err);
}

void ingot_hparams_encode(const struct ingot_hparams *hp, uint8_t out[INGOT_HPARAMS_BYTES])
{
    memset(out, 0, INGOT_HPARAMS_BYTES);
    put_u32(out + MODEL_ARCH_OFF, MODEL_ARCH_GPT2);
    for (size_t i = 0; i < N_COUNTS; i++) put_u32(out + counts[i].disk_off, count_of(hp, i));
    put_u32(out + MODEL_ACTIVATION_OFF, (uint32_t)hp->activation);
    put_u32(out + MODEL_ATTENTION_OFF, hp->attention_flags);
    memcpy(out + MODEL_EPSILON_OFF, &hp->layer_norm_epsilon, sizeof(float));
}

enum ingot_status ingot_hparams_read(const struct ingot_file *file, struct ingot_hparams *out, struct ingot_error *err)
{
    const char *path = ingot_file_path(file);
    struct ingot_section model;
    if (!ingot_find(file, INGOT_NAME_MODEL, &model))
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, path, NULL,
                          "the file has no section " INGOT_NAME_MODEL ": its hyper-parameters are unknown");
    const uint8_t *bytes = model.data;
    uint32_t arch = get_u32(bytes + MODEL_ARCH_OFF);
    if (arch != MODEL_ARCH_GPT2) /* [F-50] */
        return ingot_fail(err, INGOT_E_UNSUPPORTED, model.data_off + MODEL_ARCH_OFF, path, "use a newer ingot",
                          "unknown architecture %u, expected 1 (gpt2)", arch);
    for (uint32_t i = MODEL_END; i < INGOT_HPARAMS_BYTES; i++)
        if (bytes[i] != 0) /* [F-58] */
            return ingot_fail(err, INGOT_E_RESERVED, model.data_off + i, path, NULL,
                              "reserved bytes of " INGOT_NAME_MODEL " are not zero");
    struct ingot_hparams hp = decode(bytes);
    enum ingot_status status = check_at(&hp, model.data_off, path, err);
    if (status == INGOT_OK) *out = hp;
    return status;
}
