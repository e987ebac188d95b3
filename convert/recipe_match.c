/* recipe_match.c - names against patterns, shapes against forms. */
#include "convert/recipe.h"

#include <string.h>

/* A number below 10^9, so that it fits. */
#define MAX_LAYER_DIGITS 9
#define LAYER            "{i}"

const char *pattern_check(const char *pattern)
{
    uint32_t n_layers = 0, n_stars = 0;
    if (*pattern == '\0') return "is empty";
    for (; *pattern; pattern++) {
        if (strncmp(pattern, LAYER, strlen(LAYER)) == 0) {
            n_layers++;
            pattern += strlen(LAYER) - 1;
        } else if (*pattern == '{' || *pattern == '}') {
            return "has a brace that is not of {i}";
        }
        n_stars += *pattern == '*';
    }
    if (n_layers > 1) return "has more than one {i}";
    return n_stars > 1 ? "has more than one *" : NULL;
}

bool pattern_has_layer(const char *pattern)
{
    return strstr(pattern, LAYER) != NULL;
}

/* A decimal number without leading zeros. Returns what follows it, or NULL. */
static const char *match_number(const char *name, uint32_t *number)
{
    size_t n = strspn(name, "0123456789");
    if (n == 0 || n > MAX_LAYER_DIGITS || (n > 1 && name[0] == '0')) return NULL;
    *number = 0;
    for (size_t i = 0; i < n; i++) *number = *number * 10 + (uint32_t)(name[i] - '0');
    return name + n;
}

/* Up to the end of both, or to the pattern's star: where the name then stands, or NULL. */
static const char *match_until_star(const char **pattern, const char *name, uint32_t *layer)
{
    const char *p = *pattern;
    for (; *p && *p != '*'; p++) {
        if (*p == '{') {
            name = match_number(name, layer);
            if (!name) return NULL;
            p += strlen(LAYER) - 1;
        } else if (*p != *name++) {
            return NULL;
        }
    }
    *pattern = p;
    return *p == '*' || *name == '\0' ? name : NULL;
}

bool pattern_match(const char *pattern, const char *name, uint32_t *layer)
{
    *layer = 0;
    name = match_until_star(&pattern, name, layer);
    if (!name || *pattern == '\0') return name != NULL;
    if (pattern[1] == '\0') return true;
    for (; *name; name++) {
        const char *rest = pattern + 1;
        if (match_until_star(&rest, name, layer)) return true;
    }
    return false;
}

const char *recipe_strip(const struct recipe *recipe, const char *name)
{
    for (uint32_t i = 0; i < recipe->prefixes.n; i++) {
        const char *prefix = recipe->prefixes.items[i];
        if (*name != *prefix) continue; /* most names, of which there may be 100,000 */
        size_t n = strlen(prefix);
        if (strncmp(name, prefix, n) == 0) name += n;
    }
    return name;
}

const struct recipe_rule *recipe_match(const struct recipe *recipe, const char *name, uint32_t *layer, uint32_t *part)
{
    name = recipe_strip(recipe, name);
    for (uint32_t i = 0; i < recipe->n_rules; i++) {
        const struct recipe_rule *rule = &recipe->rules[i];
        for (*part = 0; *part < rule->from.n; ++*part)
            if (pattern_match(rule->from.items[*part], name, layer)) return rule;
    }
    return NULL;
}

/* What the letter stands for is found where it first occurs. */
static bool dim_match(const struct recipe_dim *dim, uint64_t found, uint64_t letters[26])
{
    if (!dim->letter) return found == dim->factor;
    uint64_t *value = &letters[dim->letter - 'a'];
    if (*value == 0 && found % dim->factor == 0) *value = found / dim->factor;
    return *value != 0 && found % dim->factor == 0 && found / dim->factor == *value;
}

bool shape_match(const struct recipe_shape *shape, uint32_t rank, const uint64_t *dims)
{
    static const struct recipe_dim one = { 1, 0 };
    uint64_t letters[26] = { 0 };
    uint32_t n = rank > shape->rank ? rank : shape->rank;
    for (uint32_t i = 0; i < n; i++) { /* aligned at the last dimension */
        const struct recipe_dim *dim = i + shape->rank < n ? &one : &shape->dims[i + shape->rank - n];
        uint64_t found = i + rank < n ? 1 : dims[i + rank - n];
        if (!dim_match(dim, found, letters)) return false;
    }
    return true;
}

bool rule_drops(const struct recipe_rule *rule, const struct ingot_source_tensor *t)
{
    return rule->action == RULE_DROP && (!rule->shape.given || shape_match(&rule->shape, t->rank, t->shape));
}
