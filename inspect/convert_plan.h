/* convert_plan.h - what a conversion would do, as a table or JSON. */
#ifndef INGOT_INSPECT_CONVERT_PLAN_H
#define INGOT_INSPECT_CONVERT_PLAN_H

#include "convert/ingot_convert.h"

/* Plans, prints, and returns the program's exit code. */
int print_plan(const char *source, const struct ingot_convert_options *options, bool json);

#endif
