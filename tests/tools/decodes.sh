#!/bin/bash
# Whether the independent reader of spec/ finds each FILE valid and the program agrees. For tests that write .ingot files.
#
#   tests/tools/decodes.sh FILE...
#
# Environment: INGOT, INGOT_DECODER, as tests/run sets them.
set -u
status=0
for file in "$@"; do
    if ! said=$("$INGOT_DECODER" "$file") || [[ $said != *$'\nvalid' ]]; then
        echo "$file: the independent reader says: $(tail -n 1 <<<"$said")"
        status=1
    fi
    if [[ $said == *bad-entries=[1-9]* ]]; then
        echo "$file: its vocabulary has entries that nobody may use"
        status=1
    fi
    if ! "$INGOT" verify "$file"; then
        echo "$file: the program says that it is damaged"
        status=1
    fi
done
exit $status
