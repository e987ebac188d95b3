/* fast.c - the same product by both kernels, in turns; its operands fit the second-level cache. */
#include "runtime/fast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PANELS = 2,
    INPUTS = KERNEL_BLOCK,
    ROWS = 64, /* the fast kernels round the weights once for all of them */
    TURNS = 5, /* the first ones find pages and the wide units asleep */
};

static const double GAIN = 0.9; /* of the exact time: what differs less is not worth other bits */

/* Operands, all zero: how long instructions take does not depend on them. */
struct trial {
    _Alignas(64) float w[PANELS][INPUTS][INGOT_PANEL_LANES];
    float x[ROWS][INPUTS + INGOT_PANEL_LANES]; /* rows do not compete for the sets of a cache */
    float y[ROWS][PANELS * INGOT_PANEL_LANES];
};

static double seconds_of(kernel_panels_fn *panels, struct trial *t)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    panels(t->w, sizeof t->w[0], PANELS, INPUTS, t->x[0], sizeof t->x[0] / sizeof t->x[0][0], ROWS, t->y[0],
           sizeof t->y[0] / sizeof t->y[0][0]);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

bool fast_pays(const struct kernels *exact, const struct fast_kernels *fast)
{
    struct trial *t = aligned_alloc(_Alignof(struct trial), sizeof *t);
    double exact_s = INFINITY, fast_s = INFINITY;
    if (!t) return false;
    memset(t, 0, sizeof *t);
    for (int turn = 0; turn < TURNS; turn++) {
        exact_s = fmin(exact_s, seconds_of(exact->panels_f32, t));
        fast_s = fmin(fast_s, seconds_of(fast->panels_f32, t));
    }
    free(t);
    return fast_s < GAIN * exact_s;
}

const struct fast_kernels *fast_of_rung(const struct rung *rung)
{
    const struct fast_kernels *fast = kernels_fast(rung);
    return fast && fast_pays(rung->kernels, fast) ? fast : NULL;
}

/* Whether any matrix is multiplied as floats: the others have nothing to gain. */
static bool has_float_products(const struct ingot_model *model)
{
    for (const struct layer *l = model->layers; l < model->layers + model->hp.n_layer; l++)
        if (l->c_attn.weight.panels || l->c_proj.weight.panels || l->mlp_fc.weight.panels || l->mlp_proj.weight.panels)
            return true;
    return model->head.panels;
}

const struct fast_kernels *fast_of_model(const struct ingot_model *model)
{
    if (!has_float_products(model)) return NULL;
    int choice = atomic_load(model->fast_choice);
    if (choice == FAST_NOT_MEASURED) {
        const int measured = fast_of_rung(model->rung) ? FAST_PAYS : FAST_IS_EXACT;
        if (atomic_compare_exchange_strong(model->fast_choice, &choice, measured)) choice = measured;
    }
    return choice == FAST_PAYS ? model->rung->fast : NULL;
}

const char *ingot_model_fast(const struct ingot_model *model)
{
    const struct fast_kernels *kernels = fast_of_model(model);
    return kernels ? kernels->arithmetic : NULL;
}
