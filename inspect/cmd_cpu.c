/* cmd_cpu.c - `ingot cpu`: what was detected here, and what runs because of it. */
#include "inspect/commands.h"

#include "format/error.h"
#include "format/parallel.h"
#include "format/simd/cpu.h"
#include "inspect/cli/json.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "runtime/fast.h"
#include "runtime/kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_JSON, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_JSON] = JSON_OPTION("Print JSON"),
};

static const char *rung_state(const struct rung *used, const char *name)
{
    if (!kernels_select(name)) return "not here";
    return strcmp(used->name, name) == 0 ? "used" : "available";
}

/* What --fast uses there. */
static const char *fast_state(const struct rung *rung)
{
    const struct fast_kernels *fast = fast_of_rung(rung);
    return fast ? fast->name : "";
}

static void print_table(const struct rung *used, const char *forced)
{
    static const struct table_column columns[] = {
        { .title = "instruction set" }, { .title = "state" }, { .title = "fast" }, { .title = "needs" }
    };
    struct table t = table_begin(columns, 4);
    for (size_t i = 0; kernels_rung(i); i++) {
        const struct rung *rung = kernels_rung(i);
        table_cell(&t, "%s", rung->name);
        table_cell(&t, "%s", rung_state(used, rung->name));
        table_cell(&t, "%s", fast_state(rung));
        table_cell(&t, "%s", rung->needs);
    }
    table_end(&t);
    putchar('\n');
    paragraph_sentence(stdout, 0, 2, "%u CPU%s may be used%s", parallel_threads(0), plural(parallel_threads(0)),
                       forced ? "; the instruction set is forced by INGOT_CPU" : "");
}

static void print_json(const struct rung *used, const char *forced)
{
    const struct cpu_features features = cpu_detect();
    const struct fast_kernels *fast = fast_of_rung(used);
    json_t *root = json_begin(), *detected = json_object(), *available = json_array();
    json_put(detected, "sse4.2", json_boolean(features.sse42));
    json_put(detected, "avx2", json_boolean(features.avx2));
    json_put(detected, "avxvnni", json_boolean(features.avxvnni));
    json_put(detected, "avx512", json_boolean(features.avx512));
    json_put(detected, "avx512vnni", json_boolean(features.avx512vnni));
    json_put(detected, "avx512bf16", json_boolean(features.avx512bf16));
    json_put(detected, "amx", json_boolean(features.amx));
    json_put(detected, "amxbf16", json_boolean(features.amxbf16));
    for (size_t i = 0; kernels_rung(i); i++)
        if (kernels_select(kernels_rung(i)->name)) json_add(available, json_string(kernels_rung(i)->name));
    json_put(root, "detected", detected);
    json_put(root, "available", available);
    json_put(root, "used", json_string(used->name));
    json_put(root, "fast", fast ? json_string(fast->name) : json_null());
    json_put(root, "forced", json_boolean(forced != NULL));
    json_put(root, "cpus", json_count(parallel_threads(0)));
    json_end(root);
}

static int run_cpu(const struct arguments *args)
{
    const char *forced = getenv("INGOT_CPU");
    if (forced && !*forced) forced = NULL;
    const struct rung *used = kernels_select(forced);
    if (!used)
        return report_failure(INGOT_E_CPU, forced, "'env -u INGOT_CPU ingot cpu' lists what there is",
                              "INGOT_CPU names an instruction set that is unknown or cannot run here");
    if (args->values[OPT_JSON].given)
        print_json(used, forced);
    else
        print_table(used, forced);
    return CODE_OK;
}

const struct command command_cpu = {
    .name = "cpu",
    .summary = "show which instruction set runs here",
    .operands = "",
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Shows the instruction sets that processor and operating system offer together, and the one that "
                   "run and eval use. INGOT_CPU=NAME in the environment forces another one. The results are the same "
                   "bits on all of them. Only where something stands under 'fast' and --fast is given, they are not.",
    .examples = "ingot cpu\n"
                "INGOT_CPU=scalar ingot run gpt2.ingot -p Hello",
    .run = run_cpu,
};
