/* decodes.c - runs the independent reader over a file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/conformance/decodes.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_decodes(const char *path)
{
    const char *decoder = getenv("INGOT_DECODER");
    char command[3 * PATH_MAX], line[1024] = "", last[1024] = "nothing";
    if (!decoder) return;
    snprintf(command, sizeof command, "'%s' '%s'", decoder, path);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof line, out)) memcpy(last, line, sizeof last);
    int status = pclose(out);
    if (status != 0 || strcmp(last, "valid\n") != 0) fail_msg("%s: the independent reader says: %s", path, last);
}
