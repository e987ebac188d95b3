/* overview.c - each part is a list of fields that one function tells. */
#include "inspect/overview.h"

#include "format/bytes.h"
#include "format/disk.h"
#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/files.h"
#include "inspect/hparams.h"
#include "inspect/values.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 1024

struct teller {
    overview_fn say;
    void *ctx;
};

__attribute__((format(printf, 3, 4))) static void field(const struct teller *to, const char *name, const char *fmt, ...)
{
    char value[VALUE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    to->say(to->ctx, name, value);
}

/* -------------------------------------------------------------------------------------------------------- the model */

static const char *attention_name(uint32_t flags)
{
    bool scaled = flags & INGOT_ATTN_SCALE, by_layer = flags & INGOT_ATTN_SCALE_BY_LAYER;
    if (scaled) return by_layer ? "by the root of the head size and by layer" : "by the root of the head size";
    return by_layer ? "by layer" : "none";
}

static void tell_hparams(const struct ingot_hparams *hp, const struct teller *to)
{
    field(to, "layers", "%u", hp->n_layer);
    field(to, "heads", "%u, each %u wide", hp->n_head, hp->n_embd / hp->n_head);
    field(to, "width", "%u", hp->n_embd);
    field(to, "inner width", "%u", hp->n_inner);
    field(to, "context", "%u", hp->n_ctx);
    if (hp->n_vocab == hp->n_vocab_stored)
        field(to, "vocabulary", "%u", hp->n_vocab);
    else
        field(to, "vocabulary", "%u (%u rows stored)", hp->n_vocab, hp->n_vocab_stored);
    field(to, "activation", "%s", activation_name(hp->activation));
    field(to, "attention scale", "%s", attention_name(hp->attention_flags));
    field(to, "norm epsilon", "%g", (double)hp->layer_norm_epsilon);
}

void overview_model(const struct checkpoint *cp, overview_fn say, void *ctx)
{
    const struct teller to = { say, ctx };
    struct ingot_hparams hp;
    struct ingot_error err = { 0 };
    if (checkpoint_hparams(cp, &hp, &err) == INGOT_OK) {
        tell_hparams(&hp, &to);
        return;
    }
    field(&to, "unknown", "%s%s%s", err.subject, *err.subject ? ": " : "", err.message);
    if (*err.advice) field(&to, "", "%s", err.advice);
}

/* --------------------------------------------------------------------------------------------------- the vocabulary */

const uint8_t *overview_stored_vocabulary(const struct ingot_file *file)
{
    struct ingot_section s;
    return ingot_find(file, INGOT_NAME_VOCABULARY, &s) && s.raw_bytes >= VOCAB_HEADER_BYTES ? s.data : NULL;
}

enum ingot_status overview_read_vocabulary(const struct checkpoint *cp, struct vocabulary *v, struct ingot_error *err)
{
    struct ingot_hparams hp;
    bool known = checkpoint_hparams(cp, &hp, NULL) == INGOT_OK;
    return vocabulary_of_source(cp->source, known ? hp.n_vocab : LIMIT_N_VOCAB, v, err);
}

/* The vocabulary as a section lays it out; NULL when there is none. */
static void tell_vocabulary(const uint8_t *p, const struct teller *to)
{
    if (!p) {
        field(to, "none", "prompts are given as token ids");
        return;
    }
    field(to, "tokens", "%s", human_count(get_u32(p + VOCAB_N_TOKENS_OFF)).text);
    field(to, "merges", "%s", human_count(get_u32(p + VOCAB_N_MERGES_OFF)).text);
    field(to, "special tokens", "%s", human_count(get_u32(p + VOCAB_N_SPECIAL_OFF)).text);
    if (get_u32(p + VOCAB_EOT_OFF) != VOCAB_NO_TOKEN) field(to, "end of text", "%u", get_u32(p + VOCAB_EOT_OFF));
    field(to, "longest token", "%u byte%s", get_u32(p + VOCAB_MAX_PIECE_OFF), plural(get_u32(p + VOCAB_MAX_PIECE_OFF)));
}

void overview_vocabulary(const struct checkpoint *cp, overview_fn say, void *ctx)
{
    const struct teller to = { say, ctx };
    struct vocabulary vocabulary = { 0 };
    struct ingot_error err = { 0 };
    if (cp->file)
        tell_vocabulary(overview_stored_vocabulary(cp->file), &to);
    else if (overview_read_vocabulary(cp, &vocabulary, &err) == INGOT_OK)
        tell_vocabulary(vocabulary.bytes, &to);
    else
        field(&to, "not usable", "%s%s%s", err.subject, *err.subject ? ": " : "", err.message);
    vocabulary_free(&vocabulary);
}

/* -------------------------------------------------------------------------------------------------------- the file */

static const char *slots_state(const struct ingot_file_info *info)
{
    if (info->slot_valid[0] && info->slot_valid[1]) return info->slots_equal ? "A and B, equal" : "A and B, different";
    return info->slot_valid[0] ? "A only; B is damaged" : "B only; A is damaged";
}

/* As ls counts them: an alias shows what another has. */
static void tell_tensors(const struct checkpoint *cp, const struct teller *to)
{
    uint64_t n = 0, n_params = 0, n_bytes = 0;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        const struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target) continue;
        n++;
        n_params += t.n_elems;
        n_bytes += t.n_bytes;
    }
    field(to, "tensors", "%s, %s parameter%s, %s byte%s", human_count(n).text, human_count(n_params).text,
          plural(n_params), human_count(n_bytes).text, plural(n_bytes));
}

static void tell_ingot(const struct checkpoint *cp, const struct teller *to)
{
    const struct ingot_file *file = cp->file;
    struct ingot_file_info info;
    ingot_file_get_info(file, &info);
    field(to, "format", "ingot, read version %u, write version %u%s", info.read_version, info.write_version,
          info.writable_version ? "" : " (newer than this program)");
    field(to, "bytes", "%s", human_count(info.file_bytes).text);
    if (info.actual_bytes != info.file_bytes)
        field(to, "", "%s more behind the end: a torn edit", human_count(info.actual_bytes - info.file_bytes).text);
    field(to, "content id", "%s", human_digest(info.content_id).text);
    field(to, "superblock slots", "%s", slots_state(&info));
    field(to, "generation", "%" PRIu64, info.generation);
    if (info.features_must || info.features_may)
        field(to, "features", "must %#" PRIx64 ", may %#" PRIx64, info.features_must, info.features_may);
    else
        field(to, "features", "none");
    field(to, "alignment", "%u", info.align);
    tell_tensors(cp, to);
    field(to, "index", "%s bytes at %" PRIu64 ", %s section%s", human_count(info.index_bytes).text, info.index_off,
          human_count(ingot_section_count(file)).text, plural(ingot_section_count(file)));
}

uint64_t overview_tensor_bytes(const struct checkpoint *cp)
{
    uint64_t total = 0;
    for (size_t i = 0; i < cp->n_tensors; i++) total += checkpoint_tensor_at(cp, i).n_bytes;
    return total;
}

/* Tensors are in order of file. */
uint64_t overview_file_count(const struct checkpoint *cp)
{
    uint64_t n = 0;
    const char *last = "";
    for (size_t i = 0; i < cp->n_tensors; i++) {
        const char *file = ingot_source_at(cp->source, i).file;
        n += strcmp(last, file) != 0;
        last = file;
    }
    return n;
}

uint64_t overview_absent_count(const struct checkpoint *cp)
{
    uint64_t n = 0;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        n += checkpoint_is_absent(&t);
    }
    return n;
}

/* Of the files that are here. */
static uint64_t file_bytes(const struct checkpoint *cp)
{
    uint64_t total = 0;
    for (size_t i = 0; i < checkpoint_file_count(cp); i++) total += checkpoint_file_at(cp, i).map->size;
    return total;
}

static void tell_source(const struct checkpoint *cp, const struct teller *to)
{
    char recipe[INGOT_RECIPE_NAME_MAX];
    uint64_t n_checks = ingot_source_check_count(cp->source), n_absent = overview_absent_count(cp);
    bool fits = ingot_source_recipe(cp->source, recipe, NULL) == INGOT_OK;
    field(to, "format", "%s", checkpoint_format(cp));
    field(to, "recipe", "%s", fits ? recipe : "none fits");
    tell_tensors(cp, to);
    if (n_absent) field(to, "", "%s in files that are not here", human_count(n_absent).text);
    field(to, "files", "%s, %s bytes", human_count(checkpoint_file_count(cp)).text, human_count(file_bytes(cp)).text);
    if (n_checks)
        field(to, "checksums", "%s, %s: ingot verify", human_count(n_checks).text,
              ingot_source_check_at(cp->source, 0).algorithm);
    else
        field(to, "checksums", "none");
}

void overview_file(const struct checkpoint *cp, overview_fn say, void *ctx)
{
    const struct teller to = { say, ctx };
    if (cp->file)
        tell_ingot(cp, &to);
    else
        tell_source(cp, &to);
}

void overview_fact_text(const struct ingot_fact *f, size_t room, char *out, size_t cap)
{
    if (f->type == INGOT_FACT_NULL) snprintf(out, cap, "null");
    if (f->type == INGOT_FACT_BOOL) snprintf(out, cap, "%s", f->integer ? "true" : "false");
    if (f->type == INGOT_FACT_INT) snprintf(out, cap, "%" PRId64, f->integer);
    if (f->type == INGOT_FACT_FLOAT) values_text(INGOT_SCALAR_F64, &f->number, VALUES_EXACT, out);
    if (f->type == INGOT_FACT_TEXT) ingot_escape(f->text, strlen(f->text), out, room < cap ? room : cap);
}
