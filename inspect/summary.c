/* summary.c - what took long says how long. */
#include "inspect/summary.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/report.h"
#include "inspect/cli/terminal.h"

#include <inttypes.h>
#include <string.h>

bool summary_wanted(const struct option_value *quiet, const struct option_value *verbose)
{
    return !quiet->given && (verbose->given || terminal_is(stderr));
}

void summary_of_written(const char *output, uint64_t n_tensors, uint64_t bytes, double seconds)
{
    char shown[256];
    report_note("%s: %" PRIu64 " tensor%s, %s, in %s (%s)", ingot_escape(output, strlen(output), shown, sizeof shown),
                n_tensors, plural(n_tensors), human_bytes(bytes).text, human_duration(seconds).text,
                human_rate((double)bytes / seconds).text);
}

enum ingot_dtype dtype_to_write(const char *choice)
{
    enum ingot_dtype dtype = INGOT_DTYPE_NONE;
    ingot_dtype_parse(choice, &dtype); /* which leaves NONE where it knows no such dtype */
    return dtype;
}
