/* dialect.h - how one family of checkpoints names the tensors of a GPT-2: rules from source names to canonical names.
 *
 * A rule is data: a pattern, what becomes of the tensors that match it, and why. The first rule that matches decides.
 */
#ifndef INGOT_DIALECT_H
#define INGOT_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

enum name_action {
    NAME_TAKE,   /* it is the tensor `to` */
    NAME_DROP,   /* it holds nothing of the model: `why` */
    NAME_REFUSE, /* it belongs to another model: `why` */
};

struct name_rule {
    const char *from; /* {i} matches a layer number, a final * anything */
    enum name_action action;
    const char *to;  /* canonical name, same {i} */
    bool transposed; /* stored [in, out] */
    const char *why;
};

struct dialect {
    const char *name;
    const char *prefix; /* may stand in front of any name */
    const struct name_rule *rules;
    uint32_t n_rules;
};

extern const struct dialect dialect_huggingface;

/* The rule for a source tensor's name, or NULL; *layer is the number that {i} matched, else 0. */
const struct name_rule *dialect_match(const struct dialect *dialect, const char *name, uint32_t *layer);

#endif
