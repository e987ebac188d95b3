/* torch_walk.c - from the nest of dictionaries that a checkpoint is to names: the keys on the way, with dots between.
 *
 * {"model": {"wte.weight": T}, "model_args": {"n_head": 2}} has the tensor model.wte.weight and the fact
 * model_args.n_head. Lists count their items; scalars in lists, and in dictionaries so large that they are tables of
 * something, are no facts. A pickle may nest a container in itself, or share one a million times: depth, steps and text
 * are bounded. */
#include "convert/torch.h"

#include "convert/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH      64u
#define MAX_FACT_ITEMS 2048u /* keys and values of a dictionary that gives facts */
#define SLACK_STEPS    4096u
#define MAX_TEXT       4096u
#define MAX_TEXT_BYTES (UINT64_C(16) << 20)

struct walk {
    const struct torch_file *f;
    char key[INGOT_MAX_NAME + 1];
    size_t n_key;
    const char *unnamed; /* why the current place has no name, or NULL */
    uint64_t steps_left, text_left;
    struct ingot_error *err;
};

static enum ingot_status bad_place(const struct walk *w, const struct pickle_value *v, enum ingot_status status,
                                   const char *what)
{
    char shown[160];
    return ingot_fail(w->err, status, w->f->pickle_off + v->at, w->f->in->path, TORCH_ADVICE_SAVE, "%s: %s",
                      w->n_key ? ingot_escape(w->key, w->n_key, shown, sizeof shown) : "the checkpoint", what);
}

/* ------------------------------------------------------------------------------------------------------------ names */

/* Appends a part to the key. A key that cannot become part of a name leaves everything below it without one. The length
 * comes first: a pickle may say one key of megabytes a million times, and only what is short is looked through. */
static void enter(struct walk *w, const char *part, size_t n)
{
    const size_t dot = w->n_key > 0;
    if (n + dot > INGOT_MAX_NAME - w->n_key) {
        w->unnamed = "keys of more than 1024 bytes lead to this tensor";
    } else if (memchr(part, '\0', n)) {
        w->unnamed = "a key with NUL in it leads to this tensor";
    } else {
        if (dot) w->key[w->n_key] = '.';
        memcpy(w->key + w->n_key + dot, part, n);
        w->n_key += dot + n;
    }
    w->key[w->n_key] = '\0';
}

static void enter_number(struct walk *w, int64_t number)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%" PRId64, number);
    enter(w, digits, (size_t)n);
}

static void enter_key(struct walk *w, const struct pickle_value *key)
{
    size_t n;
    if (key->type == PICKLE_TEXT) {
        const char *text = pickle_bytes(w->f->pickle, key, &n);
        enter(w, n ? text : "", n);
    } else if (key->type == PICKLE_INT) {
        enter_number(w, key->as.integer);
    } else {
        w->unnamed = "a key that is neither text nor a number leads to this tensor";
    }
}

static void leave(struct walk *w, size_t n_key, const char *unnamed)
{
    w->n_key = n_key;
    w->key[n_key] = '\0';
    w->unnamed = unnamed;
}

/* ------------------------------------------------------------------------------------------------ tensors and facts */

static enum ingot_status add_tensor(struct walk *w, const struct pickle_value *v)
{
    struct ingot_source_tensor t;
    if (v->as.call.id == TORCH_VALUE) return INGOT_OK;
    if (w->unnamed) return bad_place(w, v, INGOT_E_UNSUPPORTED, w->unnamed);
    if (w->n_key == 0)
        return bad_place(w, v, INGOT_E_UNSUPPORTED, "one tensor without a name; expected a dictionary of tensors");
    if (w->f->src->n_tensors >= INGOT_MAX_SECTIONS) return bad_place(w, v, INGOT_E_LIMIT, "too many tensors");
    enum ingot_status status = torch_read_tensor(w->f, v, w->key, &t, w->err);
    if (status != INGOT_OK) return status;
    t.name = name_pool_add(&w->f->src->names, w->key, w->n_key);
    return t.name ? source_add_tensor(w->f->src, &t, w->err) : fail_memory(w->err, w->f->in->path);
}

static bool fact_of(const struct pickle_value *v, struct ingot_fact *out)
{
    switch (v->type) {
    case PICKLE_NONE:
        out->type = INGOT_FACT_NULL;
        return true;
    case PICKLE_BOOL:
        out->type = INGOT_FACT_BOOL;
        break;
    case PICKLE_INT:
        out->type = INGOT_FACT_INT;
        break;
    case PICKLE_FLOAT:
        out->type = INGOT_FACT_FLOAT;
        out->number = v->as.number;
        return true;
    default:
        return false;
    }
    out->integer = v->as.integer;
    return true;
}

/* A text that is long, or holds NUL, says nothing that is asked for. */
static enum ingot_status add_text(struct walk *w, const struct pickle_value *v)
{
    char text[MAX_TEXT + 1];
    size_t n;
    const char *from = pickle_bytes(w->f->pickle, v, &n);
    if (n > MAX_TEXT || memchr(from, '\0', n)) return INGOT_OK;
    if (n > w->text_left) return bad_place(w, v, INGOT_E_LIMIT, "texts of more than 16 MiB in all");
    w->text_left -= n;
    memcpy(text, from, n);
    text[n] = '\0';
    const struct ingot_fact fact = { .key = w->key, .type = INGOT_FACT_TEXT, .text = text };
    return source_add_fact(w->f->src, &fact, w->err);
}

static enum ingot_status add_scalar(struct walk *w, const struct pickle_value *v)
{
    struct ingot_fact fact = { .key = w->key };
    if (w->unnamed || w->n_key == 0) return INGOT_OK;
    if (v->type == PICKLE_TEXT) return add_text(w, v);
    return fact_of(v, &fact) ? source_add_fact(w->f->src, &fact, w->err) : INGOT_OK;
}

/* --------------------------------------------------------------------------------------------------------- the walk */

static enum ingot_status walk_value(struct walk *w, uint32_t value, bool facts, unsigned depth);

static enum ingot_status walk_dict(struct walk *w, const struct pickle_value *v, unsigned depth) /* NOLINT: recursion */
{
    const size_t n_key = w->n_key;
    const char *unnamed = w->unnamed;
    const struct pickle *p = w->f->pickle;
    struct pickle_items count = pickle_items(p, v), it = count;
    uint32_t n = 0, key, value;
    while (n <= MAX_FACT_ITEMS && pickle_next(&count, &key)) n++;
    enum ingot_status status = INGOT_OK;
    while (status == INGOT_OK && pickle_next(&it, &key) && pickle_next(&it, &value)) {
        enter_key(w, pickle_at(p, key));
        status = walk_value(w, value, n <= MAX_FACT_ITEMS, depth + 1);
        leave(w, n_key, unnamed);
    }
    return status;
}

static enum ingot_status walk_list(struct walk *w, const struct pickle_value *v, unsigned depth) /* NOLINT: recursion */
{
    const size_t n_key = w->n_key;
    const char *unnamed = w->unnamed;
    struct pickle_items it = pickle_items(w->f->pickle, v);
    uint32_t value;
    enum ingot_status status = INGOT_OK;
    for (int64_t i = 0; status == INGOT_OK && pickle_next(&it, &value); i++) {
        enter_number(w, i);
        status = walk_value(w, value, false, depth + 1);
        leave(w, n_key, unnamed);
    }
    return status;
}

/* `facts`: whether a scalar at this place is one. */
static enum ingot_status walk_value(struct walk *w, uint32_t value, bool facts, unsigned depth) /* NOLINT: recursion */
{
    const struct pickle_value *v = pickle_at(w->f->pickle, value);
    if (w->steps_left-- == 0)
        return bad_place(w, v, INGOT_E_LIMIT, "containers that share parts would unfold into too many values");
    if (depth > MAX_DEPTH) return bad_place(w, v, INGOT_E_LIMIT, "containers nest too deep, or in themselves");
    switch (v->type) {
    case PICKLE_CALL:
        return add_tensor(w, v);
    case PICKLE_DICT:
        return walk_dict(w, v, depth);
    case PICKLE_TUPLE:
    case PICKLE_LIST:
        return walk_list(w, v, depth);
    default:
        return facts ? add_scalar(w, v) : INGOT_OK;
    }
}

enum ingot_status torch_declare(const struct torch_file *f, struct ingot_error *err)
{
    const size_t n_before = f->src->n_tensors;
    struct walk *w = calloc(1, sizeof *w);
    if (!w) return fail_memory(err, f->in->path);
    *w = (struct walk){
        .f = f, .steps_left = 2 * pickle_item_count(f->pickle) + SLACK_STEPS, .text_left = MAX_TEXT_BYTES, .err = err
    };
    enum ingot_status status = walk_value(w, pickle_root(f->pickle), false, 0);
    free(w);
    if (status == INGOT_OK && f->src->n_tensors == n_before)
        status = ingot_fail(err, INGOT_E_SOURCE, f->pickle_off, f->in->path, TORCH_ADVICE_SAVE,
                            "the checkpoint holds no tensors");
    return status;
}
