/* recipe.h - how one family of checkpoints names and stores the tensors of a GPT-2, and where it says the
 * hyper-parameters: a text in YAML. The built-in recipes are files of recipes/, compiled in; inspect/recipe_help.c
 * describes the language for those who write one.
 *
 * A parsed recipe is immutable. Its strings are borrowed from its own tree. */
#ifndef INGOT_RECIPE_H
#define INGOT_RECIPE_H

#include "convert/hparams.h"
#include "convert/input.h"

struct recipe_list {
    const char **items;
    uint32_t n;
};

/* A shape as it is written: [3n, n]. A letter stands for the same number wherever it is; 0: the factor alone. */
struct recipe_dim {
    uint64_t factor;
    char letter;
};
struct recipe_shape {
    bool given;
    uint32_t rank;
    struct recipe_dim dims[INGOT_MAX_RANK];
};

enum rule_action {
    RULE_TAKE,   /* it is a tensor of the result, or several, or a part of one */
    RULE_DROP,   /* it holds nothing of the model: `why` */
    RULE_REFUSE, /* it belongs to another model: `why` */
};

enum rule_axis { AXIS_OUT, AXIS_IN }; /* rows or columns of a matrix [out, in]; a vector has only one */

#define LAYER_OF_PATTERN UINT32_MAX

struct rule_target {
    uint32_t role;  /* in profile_gpt2 */
    uint32_t layer; /* LAYER_OF_PATTERN: the number that {i} matched; 0 for a role without layers */
};

/* The layer of a result, where the pattern's is `of_pattern`. */
static inline uint32_t target_layer(const struct rule_target *to, uint32_t of_pattern)
{
    return to->layer == LAYER_OF_PATTERN ? of_pattern : to->layer;
}

struct recipe_rule {
    enum rule_action action;
    struct recipe_list from; /* patterns; several: the parts of one tensor, in order */
    struct rule_target *to;  /* several: what one tensor is split into, in equal parts, in order */
    uint32_t n_to;
    enum rule_axis axis;       /* along which it is concatenated or split */
    bool transposed;           /* stored [in, out] */
    enum ingot_dtype dtype;    /* of the result; DTYPE_NONE leaves it to the options */
    struct recipe_shape shape; /* of what is dropped, where it could be mistaken for a weight */
    const char *why;
    char *short_from; /* owned: the one pattern of a rule written as "from -> to" */
    size_t line;
};

enum recipe_head {
    HEAD_AUTO,   /* a stored head with the bits of the token embedding is tied, as is none; another is a tensor */
    HEAD_TIED,   /* a stored head must have the bits of the token embedding */
    HEAD_STORED, /* there must be one */
};

/* One place where a hyper-parameter may stand: a fact, or `literal` where `fact` is NULL. */
struct recipe_term {
    const char *fact;
    struct hparam_value literal;
};
struct recipe_terms {
    struct recipe_term *items; /* the first that exists is taken */
    uint32_t n;
};

struct recipe_unpad {
    uint32_t stored, logical;
};

struct recipe_pair {
    const char *key, *value;
};
struct recipe_pairs {
    struct recipe_pair *items;
    uint32_t n;
};

struct yaml_tree;

struct recipe {
    const char *name, *about; /* `about` may be empty */
    char *text;               /* as it was written, n_text bytes; owned */
    size_t n_text;
    bool built_in;
    struct {
        const char *format; /* NULL: any */
        const char *tensor; /* NULL: any */
        struct recipe_shape shape;
        struct recipe_list facts; /* any of them */
    } fits;
    const char *file; /* to be opened in a directory, or NULL */
    struct recipe_list prefixes;
    struct recipe_pairs facts;    /* prefix and JSON file */
    struct recipe_pairs requires; /* a fact and the text that it must be, if it exists */
    struct recipe_rule *rules;
    uint32_t n_rules;
    enum recipe_head head;
    bool huggingface_config;
    struct recipe_terms hparams[HPARAM_COUNT];
    struct recipe_unpad *unpad; /* of n_vocab */
    uint32_t n_unpad;
    bool trims_zero_rows;         /* beyond n_vocab, where all of them are zero */
    bool no_tokenizer;            /* what lies beside the weights is left */
    struct recipe_list tokenizer; /* one file or tokens and merges; none: whatever lies beside the weights */
    struct recipe_pairs metadata;
    struct yaml_tree *tree;
};

/* Parses a recipe. `path` names it in errors. RECIPE with line and column in the message for whatever is not of the
 * language; LIMIT for more than a recipe needs. */
enum ingot_status recipe_parse(const char *text, size_t n, const char *path, struct recipe **out,
                               struct ingot_error *err);
void recipe_free(struct recipe *recipe);

/* The built-in recipe of this name, or the file of this path; *file is then the input that it was read from, for the
 * caller to close, else NULL. ARGUMENT when it is neither. */
enum ingot_status recipe_open(const char *name, struct recipe **out, struct input **file, struct ingot_error *err);

/* ------------------------------------------------------------------------------------------------------- built in */

/* Made of recipes/ by the Makefile. */
extern const struct ingot_recipe_info recipe_texts[];
extern const size_t n_recipe_texts;

/* ------------------------------------------------------------------------------------------------------- matching */

/* NULL, or what is wrong with it. */
const char *pattern_check(const char *pattern);
/* Whether {i} is in it. */
bool pattern_has_layer(const char *pattern);
/* {i} matches a layer number, * anything. *layer is the number, else 0. */
bool pattern_match(const char *pattern, const char *name, uint32_t *layer);

/* The name behind the recipe's prefixes. */
const char *recipe_strip(const struct recipe *recipe, const char *name);
/* The rule for a source tensor's name, or NULL; *part is which of the rule's patterns it was. */
const struct recipe_rule *recipe_match(const struct recipe *recipe, const char *name, uint32_t *layer, uint32_t *part);

/* Whether a shape is of this form; dimensions of 1 in front are nothing. */
bool shape_match(const struct recipe_shape *shape, uint32_t rank, const uint64_t *dims);

/* Whether the rule drops a tensor that it matched by name: by its shape too, where the rule says one. */
bool rule_drops(const struct recipe_rule *rule, const struct ingot_source_tensor *t);

#endif
