/* recipe_help.h - `ingot help recipes`: the language, and the recipes that are built in. */
#ifndef INGOT_RECIPE_HELP_H
#define INGOT_RECIPE_HELP_H

#include "format/ingot_format.h"

/* The page about the language and the list of built-in recipes. */
void recipe_help_language(void);

/* One recipe's text; ARGUMENT with a suggestion when there is none of that name. */
enum ingot_status recipe_help_one(const char *name, struct ingot_error *err);

#endif
