/* stats_print.h - figures for the eye. */
#ifndef INGOT_STATS_PRINT_H
#define INGOT_STATS_PRINT_H

#include "inspect/cli/json.h"
#include "inspect/stats.h"

/* What a line of the table needs. */
struct stats_row {
    size_t tensor; /* number in the checkpoint */
    struct stats_figures figures;
    uint64_t n_outliers;
    double key;   /* what lines are sorted by */
    json_t *json; /* the tensor's, where JSON is asked for */
};

struct stats_listing {
    const struct checkpoint *cp;
    const struct stats_row *rows;
    size_t n;
    const struct stats_figures *total;
};

/* Columns in which there would be nothing are left out. */
void stats_print_table(const struct stats_listing *l);

/* All figures of one that was read. */
void stats_print_detail(const struct stats_tensor *s);

#endif
