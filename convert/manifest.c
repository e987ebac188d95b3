/* manifest.c - YAML by libyaml's emitter. Strings are always quoted, so that no name reads as a number or a date. */
#include "convert/manifest.h"

#include "convert/array.h"
#include "convert/describe.h"
#include "convert/recipe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* A sticky emitter: emit straight through, ask once. */
struct emitter {
    yaml_emitter_t yaml;
    bool bad;
};

static int append(void *ctx, unsigned char *bytes, size_t n)
{
    struct text *t = ctx;
    if (t->n + n > t->cap) {
        size_t cap = 2 * (t->n + n);
        char *grown = realloc(t->bytes, cap);
        if (!grown) return 0;
        t->bytes = grown;
        t->cap = cap;
    }
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
    return 1;
}

/* `made` is whether the event could be built; the emitter frees it in any case. */
static void emit(struct emitter *e, int made, yaml_event_t *event)
{
    if (!made) e->bad = true;
    if (e->bad) {
        if (made) yaml_event_delete(event);
        return;
    }
    if (!yaml_emitter_emit(&e->yaml, event)) e->bad = true;
}

static void scalar(struct emitter *e, const char *value, yaml_scalar_style_t style)
{
    yaml_event_t event;
    yaml_char_t *bytes = (yaml_char_t *)(uintptr_t)value;
    emit(e, yaml_scalar_event_initialize(&event, NULL, NULL, bytes, (int)strlen(value), 1, 1, style), &event);
}

static void key(struct emitter *e, const char *name)
{
    scalar(e, name, YAML_PLAIN_SCALAR_STYLE);
}

static void string(struct emitter *e, const char *value)
{
    scalar(e, value, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void pair(struct emitter *e, const char *name, const char *value)
{
    key(e, name);
    string(e, value);
}

static void begin_mapping(struct emitter *e)
{
    yaml_event_t event;
    emit(e, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE), &event);
}

static void end_mapping(struct emitter *e)
{
    yaml_event_t event;
    emit(e, yaml_mapping_end_event_initialize(&event), &event);
}

static void begin_sequence(struct emitter *e)
{
    yaml_event_t event;
    emit(e, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE), &event);
}

static void end_sequence(struct emitter *e)
{
    yaml_event_t event;
    emit(e, yaml_sequence_end_event_initialize(&event), &event);
}

static void begin(struct emitter *e, struct text *out)
{
    yaml_event_t event;
    *out = (struct text){ 0 };
    e->bad = !yaml_emitter_initialize(&e->yaml);
    if (e->bad) return;
    yaml_emitter_set_output(&e->yaml, append, out);
    yaml_emitter_set_unicode(&e->yaml, 1);
    yaml_emitter_set_width(&e->yaml, -1);
    emit(e, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event);
    emit(e, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1), &event);
    begin_mapping(e);
}

/* Memory is the only thing that can have failed: every string has been made valid UTF-8. */
static enum ingot_status end(struct emitter *e, struct text *out, struct ingot_error *err)
{
    yaml_event_t event;
    end_mapping(e);
    emit(e, yaml_document_end_event_initialize(&event, 1), &event);
    emit(e, yaml_stream_end_event_initialize(&event), &event);
    yaml_emitter_delete(&e->yaml);
    if (!e->bad) return INGOT_OK;
    text_free(out);
    return fail_memory(err, "metadata");
}

/* Names of files and tensors may hold any bytes; a text in the result may not. */
static void foreign(struct emitter *e, const char *name)
{
    char shown[4096];
    string(e, ingot_escape(name, strlen(name), shown, sizeof shown));
}

static void foreign_pair(struct emitter *e, const char *name, const char *value)
{
    key(e, name);
    foreign(e, value);
}

static void file_names(struct emitter *e, const char *name, struct input *const *files, size_t n)
{
    key(e, name);
    begin_sequence(e);
    for (size_t i = 0; i < n; i++) foreign(e, files[i]->base);
    end_sequence(e);
}

static void recipe(struct emitter *e, const struct recipe *r)
{
    foreign_pair(e, "recipe", r->name);
    if (r->metadata.n == 0) return;
    key(e, "metadata");
    begin_mapping(e);
    for (uint32_t i = 0; i < r->metadata.n; i++) {
        string(e, r->metadata.items[i].key);
        string(e, r->metadata.items[i].value);
    }
    end_mapping(e);
}

/* Whether a later setting is of the same hyper-parameter, and wins. */
static bool is_overridden(const struct ingot_convert_options *options, size_t i)
{
    size_t n = strcspn(options->settings[i], "=") + 1;
    for (size_t k = i + 1; k < options->n_settings; k++)
        if (strncmp(options->settings[k], options->settings[i], n) == 0) return true;
    return false;
}

static void settings(struct emitter *e, const struct ingot_convert_options *options)
{
    if (options->n_settings == 0) return;
    key(e, "set");
    begin_sequence(e);
    for (size_t i = 0; i < options->n_settings; i++)
        if (!is_overridden(options, i)) foreign(e, options->settings[i]);
    end_sequence(e);
}

static const char *dtype_word(enum ingot_dtype dtype)
{
    return dtype == INGOT_DTYPE_NONE ? "keep" : ingot_dtype_name(dtype);
}

enum ingot_status manifest_metadata(const struct prepared *in, const struct ingot_convert_options *options,
                                    struct text *out, struct ingot_error *err)
{
    struct emitter e;
    begin(&e, out);
    pair(&e, "producer", "ingot " INGOT_VERSION);
    pair(&e, "source_format", in->source->reader->format);
    file_names(&e, "source_files", in->source->files, in->source->n_files);
    file_names(&e, "tokenizer_files", in->vocabulary.files, in->vocabulary.n_files);
    recipe(&e, in->plan.recipe);
    pair(&e, "dtype", dtype_word(options->dtype));
    if (options->sets_embedding) pair(&e, "embedding", dtype_word(options->embedding));
    settings(&e, options);
    return end(&e, out, err);
}

static void part(struct emitter *e, const struct plan_tensor *t, const struct plan_part *p, struct ingot_digest digest)
{
    char hex[33], transform[DESCRIBE_MAX];
    snprintf(hex, sizeof hex, "%016" PRIx64 "%016" PRIx64, digest.hi, digest.lo);
    foreign_pair(e, "file", p->source->file);
    foreign_pair(e, "name", p->source->name);
    pair(e, "digest", hex);
    pair(e, "transform", describe_part(t, p, transform));
    pair(e, "from", p->source->block ? p->source->block->name : ingot_dtype_name(t->from));
}

static void tensor(struct emitter *e, const struct plan_tensor *t, const struct digests *digests)
{
    string(e, t->name);
    begin_mapping(e);
    if (t->n_parts == 1) {
        part(e, t, t->parts, digests_of(digests, t->parts->source));
    } else {
        key(e, "parts");
        begin_sequence(e);
        for (uint32_t i = 0; i < t->n_parts; i++) {
            begin_mapping(e);
            part(e, t, &t->parts[i], digests_of(digests, t->parts[i].source));
            end_mapping(e);
        }
        end_sequence(e);
    }
    pair(e, "to", ingot_dtype_name(t->dtype));
    end_mapping(e);
}

static void dropped(struct emitter *e, const struct plan_dropped *d)
{
    begin_mapping(e);
    foreign_pair(e, "file", d->source->file);
    foreign_pair(e, "name", d->source->name);
    pair(e, "why", d->why);
    end_mapping(e);
}

enum ingot_status manifest_provenance(const struct plan *plan, const struct digests *digests, struct text *out,
                                      struct ingot_error *err)
{
    struct emitter e;
    begin(&e, out);
    pair(&e, "digest", "XXH3-128 of the XXH3-64s of the source tensor's 4 MiB chunks, as its bytes are stored");
    key(&e, "tensors");
    begin_mapping(&e);
    for (size_t i = 0; i < plan->n_tensors; i++) tensor(&e, &plan->tensors[i], digests);
    end_mapping(&e);
    key(&e, "dropped");
    begin_sequence(&e);
    for (size_t i = 0; i < plan->n_dropped; i++) dropped(&e, &plan->dropped[i]);
    end_sequence(&e);
    return end(&e, out, err);
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){ 0 };
}
