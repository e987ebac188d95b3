#!/bin/bash
# What may not stand in the tree: paths of somebody's machine, unfinished work, tabs and blanks at the end of a line in sources.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2

status=0
none() { # what, pattern, paths...
    local what=$1 pattern=$2
    shift 2
    if grep -rnIE --exclude-dir=.git --exclude-dir='build*' --exclude-dir=models --exclude=words.sh -e "$pattern" "$@"; then
        echo "^ $what"
        status=1
    fi
}

none "a path of one machine" '(^|[^a-zA-Z0-9_.$}])/(work|root|home|tmp)/[a-zA-Z0-9]' .
none "unfinished" '(^|[^a-zA-Z])(TODO|FIXME|XXX|HACK)([^a-zA-Z_]|$)' .
none "blanks at the end of a line" '[ 	]$' . --include='*.[ch]' --include=Makefile --include='*.sh' --include='*.bats'
exit $status
