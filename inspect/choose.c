/* choose.c - every tensor is marked or not; the list is made of the marks. */
#include "inspect/choose.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const struct checkpoint_tensor *t, const char *pattern)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    return !t->target && fnmatch(pattern, ingot_escape(t->name, t->name_len, shown, sizeof shown), FNM_NOESCAPE) == 0;
}

/* The pattern with a * at both ends, for who forgot that it must match whole names. To be freed. */
static char *widened(const char *pattern)
{
    size_t n = strlen(pattern);
    char *wide = memory_array(n + 3, 1);
    wide[0] = '*';
    memcpy(wide + 1, pattern, n);
    wide[n + 1] = '*';
    return wide;
}

static bool advise_wider(const struct checkpoint *cp, const char *pattern, char *advice, size_t cap)
{
    char *wide = widened(pattern), shown[96];
    uint64_t n = 0;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        n += matches(&t, wide);
    }
    if (n > 0)
        snprintf(advice, cap, "a pattern is for whole names: '%s' matches %s",
                 ingot_escape(wide, strlen(wide), shown, sizeof shown), human_count(n).text);
    free(wide);
    return n > 0;
}

void choose_advise(const struct checkpoint *cp, const char *pattern, char *advice, size_t cap)
{
    if (advise_wider(cp, pattern, advice, cap) || checkpoint_advise_nearest(cp, pattern, advice, cap)) return;
    snprintf(advice, cap, "ingot ls FILE lists the tensors");
}

static enum ingot_status mark_pattern(const struct checkpoint *cp, const char *pattern, bool *marks,
                                      struct ingot_error *err)
{
    char shown[128], advice[192];
    bool any = false;
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (!matches(&t, pattern)) continue;
        any = marks[i] = true;
    }
    if (any) return INGOT_OK;
    choose_advise(cp, pattern, advice, sizeof advice);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, cp->path, advice, "no tensor matches '%s'",
                      ingot_escape(pattern, strlen(pattern), shown, sizeof shown));
}

static enum ingot_status mark(const struct checkpoint *cp, const char *name, bool *marks, bool *pattern,
                              struct ingot_error *err)
{
    struct checkpoint_tensor named;
    bool found = checkpoint_find(cp, name, &named, NULL) == INGOT_OK;
    if (!found && strpbrk(name, "*?[")) {
        *pattern = true;
        return mark_pattern(cp, name, marks, err);
    }
    if (!found) return checkpoint_find(cp, name, &named, err);
    for (size_t i = 0; i < cp->n_tensors; i++)
        if (strcmp(checkpoint_tensor_at(cp, i).name, named.name) == 0) marks[i] = true;
    return INGOT_OK;
}

enum ingot_status choose_tensors(const struct checkpoint *cp, const char *const *names, size_t n_names,
                                 struct choice *out, struct ingot_error *err)
{
    bool *marks = memory_array(cp->n_tensors, sizeof *marks);
    enum ingot_status status = INGOT_OK;
    *out = (struct choice){ .list = memory_array(cp->n_tensors, sizeof *out->list), .patterns = n_names == 0 };
    for (size_t i = 0; i < cp->n_tensors && n_names == 0; i++) marks[i] = !checkpoint_tensor_at(cp, i).target;
    for (size_t i = 0; i < n_names && status == INGOT_OK; i++) status = mark(cp, names[i], marks, &out->patterns, err);
    for (size_t i = 0; i < cp->n_tensors; i++)
        if (marks[i]) out->list[out->n++] = i;
    free(marks);
    return status;
}
