/* fuzz_batch.c - any bytes as a batch: refused with a place, or a list of which every entry says what to do. */
#include "convert/batch.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_entry(const struct batch_entry *e)
{
    if (strncmp(e->source, "dir/", 4) != 0 && e->source[0] != '/') abort();
    if (strncmp(e->output, "dir/", 4) != 0 && e->output[0] != '/') abort();
    if (e->common.dtype != INGOT_DTYPE_NONE && e->common.dtype != INGOT_F32 && e->common.dtype != INGOT_F16 &&
        e->common.dtype != INGOT_BF16)
        abort();
    if (e->common.recipe && e->common.recipe[0] == 0) abort();
    if (e->common.n_settings > 2 * BATCH_MAX_SETTINGS + 1) abort();
    for (uint32_t i = 0; i < e->common.n_settings; i++)
        if (!strchr(e->common.settings[i], '=')) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const settings[] = { "n_head=2" };
    const struct ingot_convert_options options = { .settings = settings, .n_settings = 1 };
    struct batch b = { .path = "dir/batch.yaml", .options = &options };
    struct ingot_error err = { 0 };
    enum ingot_status status = batch_parse(&b, (const char *)data, n, &err);
    if (status == INGOT_OK)
        for (uint32_t i = 0; i < b.n_entries; i++) check_entry(&b.entries[i]);
    else if (err.status != status || (status == INGOT_E_RECIPE && strncmp(err.message, "line ", 5) != 0))
        abort();
    batch_free(&b);
    return 0;
}
