/* rungs.c - the ladder as a list of tests, guarded memory, and random operands. */
#include "tests/unit/rungs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/kernels/mathf.h"
#include "tests/unit/skip.h"

/* ------------------------------------------------------------------------------------------------------------ tests */

/* Kernels of tests/emulated/, which run on any processor: one table each, and what tests it. Without SIMDe they are
 * there in name only. */
#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)
#define EMULATED(table) (&emulated_##table)
extern const struct kernels emulated_avx512;
extern const struct quant_kernels emulated_quant_avx512, emulated_quant_avxvnni, emulated_quant_amx;
extern const struct fast_kernels emulated_fast_avx512bf16, emulated_fast_amx;
#else
#define EMULATED(table) NULL
#endif
static const struct rung emulated[] = {
#if defined(__x86_64__)
    { "avx512 emulated", "floats", EMULATED(avx512), NULL, NULL },
    { "avx512vnni emulated", "integers", NULL, EMULATED(quant_avx512), NULL },
    { "amx emulated", "integers", NULL, EMULATED(quant_amx), NULL },
    { "avxvnni emulated", "integers", NULL, EMULATED(quant_avxvnni), NULL },
    { "avx512-bf16 emulated", "fast", NULL, NULL, EMULATED(fast_avx512bf16) },
    { "amx-bf16 emulated", "fast", NULL, NULL, EMULATED(fast_amx) },
#endif
    { NULL, NULL, NULL, NULL, NULL },
};

/* The i-th of all rungs, the emulated ones first; NULL behind the last. */
static const struct rung *any_rung(size_t i)
{
    for (size_t e = 0; emulated[e].name; e++, i--)
        if (i == 0) return &emulated[e];
    return kernels_rung(i);
}

const struct rung *rung_of(void **state)
{
    for (size_t e = 0; emulated[e].name; e++)
        if (strcmp(*state, emulated[e].name) == 0) return &emulated[e];
    const struct rung *here = kernels_select(*state);
    if (!here) SKIP("not on this processor");
    return here;
}

/* A test of a rung, and a name for both. */
static struct CMUnitTest test_of(const struct rung_test *test, const char *rung)
{
    const size_t bytes = strlen(test->name) + strlen(rung) + 4;
    char *name = malloc(bytes);
    if (!name) abort();
    snprintf(name, bytes, test->how == ONE_TIME ? "%s" : "%s [%s]", test->name, rung);
    return (struct CMUnitTest){
        .name = name,
        .test_func = test->test,
        .initial_state = (void *)(uintptr_t)rung,
    };
}

/* Whether a test is for any_rung(i). */
static bool is_for(const struct rung_test *test, size_t i)
{
    static const char *const needs[] = { [FLOATS] = "floats", [INTEGERS] = "integers", [FAST] = "fast" };
    for (size_t e = 0; emulated[e].name; e++, i--)
        if (i == 0) return test->how < LADDER && strcmp(emulated[e].needs, needs[test->how]) == 0;
    if (test->how == FAST) return kernels_rung(i)->fast;
    return test->how != ONE_TIME || i == 0;
}

int run_for_rungs(const struct rung_test *tests, size_t n)
{
    size_t n_rungs = 0, n_all = 0;
    while (any_rung(n_rungs)) n_rungs++;
    struct CMUnitTest *all = calloc(n * n_rungs + 1, sizeof *all);
    if (!all) abort();
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < n_rungs; i++)
            if (is_for(&tests[t], i)) all[n_all++] = test_of(&tests[t], any_rung(i)->name);
    const int n_failed = _cmocka_run_group_tests("rungs", all, n_all, NULL, NULL);
    for (size_t i = 0; i < n_all; i++) free((void *)(uintptr_t)all[i].name);
    free(all);
    return n_failed;
}

/* ------------------------------------------------------------------------------------------------- panels of floats */

size_t panel_element_bytes(enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 ? 4 : 2;
}

size_t panel_element_offset(enum ingot_dtype dtype, size_t k, size_t lane)
{
    if (dtype == INGOT_BF16) return ((k / 2 * INGOT_PANEL_LANES + lane) * 2 + k % 2) * 2;
    return (k * INGOT_PANEL_LANES + lane) * panel_element_bytes(dtype);
}

size_t panel_bytes_padded(enum ingot_dtype dtype, size_t n_in)
{
    const size_t n_in_padded = dtype == INGOT_F32 ? n_in : (n_in + 1) / 2 * 2;
    return n_in_padded * INGOT_PANEL_LANES * panel_element_bytes(dtype);
}

/* -------------------------------------------------------------------------------------------------- guarded memory */

struct guarded guarded_alloc(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t usable = (bytes + page - 1) / page * page;
    struct guarded g = { .map_bytes = usable + page };
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.map, MAP_FAILED);
    assert_int_equal(mprotect((char *)g.map + usable, page, PROT_NONE), 0);
    g.data = (char *)g.map + usable - bytes;
    return g;
}

void guarded_free(struct guarded g)
{
    munmap(g.map, g.map_bytes);
}

/* ------------------------------------------------------------------------------------------------- numbers and bits */

uint32_t random_bits(uint64_t *seed, enum strangeness strange)
{
    static const uint32_t extreme[] = { 0x80000000u, 0x00000001u, 0x807fffffu, 0x00800000u, 0x7f7fffffu, 0xff000000u };
    static const uint32_t not_finite[] = { 0x7f800000u, 0xff800000u, 0x7fc00000u, 0xff800001u };
    if (strange != ORDINARY && random_below(seed, 8) == 0) return extreme[random_below(seed, 6)];
    if (strange == NOT_FINITE && random_below(seed, 40) == 0) return not_finite[random_below(seed, 4)];
    return mathf_bits(random_float(seed, 2.0f));
}

float float_of(uint32_t bits)
{
    return mathf_from_bits(bits);
}

bool same_bits(float a, float b)
{
    return (isnan(a) && isnan(b)) || mathf_bits(a) == mathf_bits(b);
}

void assert_same_floats(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!same_bits(got[i], want[i]))
            fail_msg("%s: element %zu of %zu is %a, scalar says %a", what, i, n, (double)got[i], (double)want[i]);
}
