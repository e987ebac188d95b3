/* regions_verify.c - damage that verification finds, as a property of regions. */
#include "inspect/cli/progress.h"
#include "inspect/regions.h"

#include <string.h>

struct verification {
    struct regions *regions;
    uint64_t n_damaged;
};

static void mark_damage(void *ctx, const struct ingot_damage *damage)
{
    struct verification *v = ctx;
    v->n_damaged++;
    regions_damage(v->regions, 0, damage->off, damage->bytes);
}

/* A checksum tells its file by name; names of one checkpoint differ. */
static void mark_check(void *ctx, const struct ingot_source_check *check, uint32_t found, bool good)
{
    struct verification *v = ctx;
    (void)found;
    if (good) return;
    v->n_damaged++;
    for (size_t i = 0; i < v->regions->n_files && check->present; i++)
        if (strcmp(v->regions->files[i].file.name, check->file) == 0)
            regions_damage(v->regions, i, check->file_off, check->n_bytes);
}

enum ingot_status regions_verify(struct regions *r, const struct checkpoint *cp, uint32_t n_threads, bool quiet,
                                 uint64_t *n_damaged, struct ingot_error *err)
{
    struct verification v = { .regions = r };
    struct progress progress = progress_begin("verify", quiet);
    const struct ingot_verify_options ours = { .n_threads = n_threads,
                                               .progress = progress_update,
                                               .progress_ctx = &progress,
                                               .damage = mark_damage,
                                               .damage_ctx = &v };
    const struct ingot_source_verify_options theirs = { .n_threads = n_threads,
                                                        .progress = progress_update,
                                                        .progress_ctx = &progress,
                                                        .check = mark_check,
                                                        .check_ctx = &v };
    uint64_t n_bad = 0;
    enum ingot_status status =
        cp->file ? ingot_verify(cp->file, &ours, NULL, err) : ingot_source_verify(cp->source, &theirs, &n_bad, err);
    progress_end(&progress);
    r->verified = cp->file || ingot_source_check_count(cp->source) > 0;
    *n_damaged = v.n_damaged;
    if (v.n_damaged == 0) return status;
    *err = (struct ingot_error){ 0 };
    return INGOT_OK;
}
