/* trees.h - what --json prints of the commands whose results `report` puts together. Each tree is to be freed with
 * json_decref(); spec/json.md has its keys. */
#ifndef INGOT_TREES_H
#define INGOT_TREES_H

#include "inspect/cli/json_rows.h"
#include "inspect/findings.h"
#include "inspect/params_parts.h"
#include "inspect/regions.h"
#include "inspect/stats.h"

json_t *show_tree(const struct checkpoint *cp);
json_t *ls_tree(const struct checkpoint *cp);
json_t *params_tree(const struct subject *s, const struct parts_wanted *wanted);
json_t *map_tree(const struct checkpoint *cp, const struct regions *r);
json_t *diff_tree(const struct findings *f);

json_t *stats_figures_tree(const struct stats_figures *f);

/* What `stats` prints has a row for each tensor. */
void stats_rows_open(struct json_rows *rows, const struct checkpoint *cp);
json_t *stats_tensor_tree(const struct stats_tensor *s);
void stats_rows_close(struct json_rows *rows, const struct stats_figures *all);

#endif
