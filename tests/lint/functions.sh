#!/bin/bash
# How long functions are: the median, and every one over 60 lines outside kernels (exit 1 when there is one).
#
#   tests/lint/functions.sh [ROOT]
#
# Relies on the format that .clang-format gives: a body stands between a "{" and a "}" in column 1.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2

# shellcheck disable=SC2016 # awk's variables
find format convert runtime inspect spec tests -name '*.c' 2>/dev/null | sort | xargs -r awk '
    FNR == 1 { head = "" }
    /^\{$/ { start = FNR; next }
    /^\}$/ && start { printf "%d %s:%d %s\n", FNR - start - 1, FILENAME, start, head; start = 0; next }
    !start && /^[a-zA-Z_].*\(/ { head = $0; sub(/\(.*/, "", head); sub(/.*[ *]/, "", head) }' |
    sort -n | awk '
    { lines[NR] = $1; if ($1 > 60 && $2 !~ /^runtime\/kernels\//) { print "too long: " $0; long++ } }
    END {
        if (NR) printf "%d functions, median %d lines, %d over 15, %d over 60 outside kernels\n", NR, lines[int((NR + 1) / 2)],
            over(15), long
        exit long > 0
    }
    function over(n,   i, sum) { for (i in lines) sum += lines[i] > n; return sum }'
