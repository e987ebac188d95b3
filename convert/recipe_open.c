/* recipe_open.c - a recipe by its name, of those that are built in, or by the path of a file. */
#include "convert/recipe.h"

#include "convert/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ingot_status fail_unknown(const char *name, struct ingot_error *err)
{
    char known[160] = "built in are ";
    size_t used = strlen(known);
    for (size_t i = 0; i < n_recipe_texts && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", recipe_texts[i].name);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, name, known,
                      "neither a built-in recipe nor the path of a file");
}

static enum ingot_status open_file(const char *path, struct recipe **out, struct input **file, struct ingot_error *err)
{
    const char *base;
    char *directory = path_split(path, &base);
    if (!directory) return fail_memory(err, path);
    enum ingot_status status = input_open(directory, base, NULL, file, err);
    free(directory);
    if (status != INGOT_OK) return status;
    status = recipe_parse((const char *)(*file)->map.bytes, (*file)->map.size, path, out, err);
    if (status == INGOT_OK) return status;
    input_close(*file);
    *file = NULL;
    return status;
}

enum ingot_status recipe_open(const char *name, struct recipe **out, struct input **file, struct ingot_error *err)
{
    struct stat st;
    *out = NULL;
    *file = NULL;
    for (size_t i = 0; i < n_recipe_texts; i++)
        if (strcmp(recipe_texts[i].name, name) == 0) {
            enum ingot_status status = recipe_parse(recipe_texts[i].text, strlen(recipe_texts[i].text), name, out, err);
            if (status == INGOT_OK) (*out)->built_in = true;
            return status;
        }
    return stat(name, &st) == 0 ? open_file(name, out, file, err) : fail_unknown(name, err);
}

size_t ingot_recipe_count(void)
{
    return n_recipe_texts;
}

struct ingot_recipe_info ingot_recipe_info(size_t i)
{
    return recipe_texts[i];
}
