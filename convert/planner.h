/* planner.h - a plan in the making: what place.c and assemble.c do to the slots, in this order, for plan.c.
 *
 * A slot is one tensor of the result. */
#ifndef INGOT_PLANNER_H
#define INGOT_PLANNER_H

#include "convert/plan.h"
#include "convert/recipe_choose.h"

#define ADVICE_SHAPE "are the configuration and the recipe those of these weights?"

struct slot {
    const struct recipe_rule *rule;          /* that chose its source; NULL while it has none */
    struct plan_part *parts;                 /* as many as the rule has names */
    const struct ingot_source_tensor *first; /* that was put here */
    uint32_t n_filled;
    uint32_t piece;          /* of those that the rule splits its source into; it then has one part */
    uint64_t n_rows, n_cols; /* of all parts together */
};

struct planner {
    const struct ingot_source *src;
    const struct ingot_convert_options *options;
    struct chosen_recipe chosen;
    struct hparam_value declared[HPARAM_COUNT];
    enum recipe_head head;
    struct slot *slots;
    uint32_t n_slots, n_layer;
    bool *used; /* by rule: something matched */
    struct plan *plan;
    struct ingot_error *err;
};

static inline const struct profile_tensor *planner_role(const struct planner *p, uint32_t slot)
{
    return &profile_gpt2[profile_role_of(slot, p->n_layer)];
}

static inline struct slot *planner_slot(const struct planner *p, uint32_t role, uint32_t layer)
{
    return &p->slots[profile_slot(role, layer, p->n_layer)];
}

/* Settles n_layer and puts every source tensor into its slots, or leaves it out, by the recipe's rules. UNSUPPORTED,
 * MODEL, SHAPE naming the tensor that has no place; MISSING for too few. */
enum ingot_status planner_place(struct planner *p);

/* MISSING when a slot that a GPT-2 needs, or one of its parts, has no source. */
enum ingot_status planner_check_present(struct planner *p);

/* A rule of one's own that matches nothing is nearly always a slip: one warning of all of them. */
void planner_warn_of_unused_rules(const struct planner *p);

/* Cuts the parts of every slot out of their sources and puts them together, which gives the slot's dimensions. SHAPE
 * and UNSUPPORTED naming the source. */
enum ingot_status planner_assemble(struct planner *p);

/* Leaves out the rows of the vocabulary's matrices from n_rows on, if all of them are +0 in every bit; false if not. */
bool planner_trim_vocabulary(struct planner *p, uint32_t n_rows);

/* SHAPE: "shape [18, 6], expected ..." */
enum ingot_status planner_fail_shape(struct planner *p, const struct ingot_source_tensor *t, const char *expected);

#endif
