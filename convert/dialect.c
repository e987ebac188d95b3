/* dialect.c - Hugging Face's names (modeling_gpt2.py), and the matching of names against patterns. */
#include "convert/dialect.h"

#include <string.h>

/* A number below 10^9, so that it fits. */
#define MAX_LAYER_DIGITS 9

#define TAKE(name_)                                                                                                    \
    {                                                                                                                  \
        .from = name_, .action = NAME_TAKE, .to = name_                                                                \
    }
#define TAKE_CONV1D(name_)                                                                                             \
    {                                                                                                                  \
        .from = name_, .action = NAME_TAKE, .to = name_, .transposed = true                                            \
    }
#define DROP(name_, why_)                                                                                              \
    {                                                                                                                  \
        .from = name_, .action = NAME_DROP, .why = why_                                                                \
    }
#define REFUSE(name_, why_)                                                                                            \
    {                                                                                                                  \
        .from = name_, .action = NAME_REFUSE, .why = why_                                                              \
    }

/* Conv1D keeps its weight as [in, out]. */
static const struct name_rule huggingface_rules[] = {
    TAKE("wte.weight"),
    TAKE("wpe.weight"),
    TAKE("h.{i}.ln_1.weight"),
    TAKE("h.{i}.ln_1.bias"),
    TAKE_CONV1D("h.{i}.attn.c_attn.weight"),
    TAKE("h.{i}.attn.c_attn.bias"),
    TAKE_CONV1D("h.{i}.attn.c_proj.weight"),
    TAKE("h.{i}.attn.c_proj.bias"),
    TAKE("h.{i}.ln_2.weight"),
    TAKE("h.{i}.ln_2.bias"),
    TAKE_CONV1D("h.{i}.mlp.c_fc.weight"),
    TAKE("h.{i}.mlp.c_fc.bias"),
    TAKE_CONV1D("h.{i}.mlp.c_proj.weight"),
    TAKE("h.{i}.mlp.c_proj.bias"),
    TAKE("ln_f.weight"),
    TAKE("ln_f.bias"),
    TAKE("lm_head.weight"),
    DROP("h.{i}.attn.bias", "the causal mask as a buffer"),
    DROP("h.{i}.attn.masked_bias", "the value of masked scores as a buffer"),
    REFUSE("h.{i}.crossattention.*", "cross-attention"),
    REFUSE("h.{i}.ln_cross_attn.*", "cross-attention"),
    REFUSE("score.*", "a head for classifying sequences"),
    REFUSE("classifier.*", "a head for classifying tokens"),
    REFUSE("qa_outputs.*", "a head for answering questions"),
    REFUSE("multiple_choice_head.*", "a second head"),
    REFUSE("v_head.*", "a value head of reinforcement learning"),
};

const struct dialect dialect_huggingface = {
    .name = "huggingface",
    .prefix = "transformer.",
    .rules = huggingface_rules,
    .n_rules = sizeof huggingface_rules / sizeof *huggingface_rules,
};

/* A decimal number without leading zeros. Returns what follows it, or NULL. */
static const char *match_number(const char *name, uint32_t *number)
{
    size_t n = strspn(name, "0123456789");
    if (n == 0 || n > MAX_LAYER_DIGITS || (n > 1 && name[0] == '0')) return NULL;
    *number = 0;
    for (size_t i = 0; i < n; i++) *number = *number * 10 + (uint32_t)(name[i] - '0');
    return name + n;
}

static bool match(const char *pattern, const char *name, uint32_t *layer)
{
    *layer = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '*') return true;
        if (*pattern == '{') {
            name = match_number(name, layer);
            if (!name) return false;
            pattern += strlen("{i}") - 1;
        } else if (*pattern != *name++) {
            return false;
        }
    }
    return *name == '\0';
}

const struct name_rule *dialect_match(const struct dialect *dialect, const char *name, uint32_t *layer)
{
    size_t n = strlen(dialect->prefix);
    if (strncmp(name, dialect->prefix, n) == 0) name += n;
    for (uint32_t i = 0; i < dialect->n_rules; i++)
        if (match(dialect->rules[i].from, name, layer)) return &dialect->rules[i];
    return NULL;
}
