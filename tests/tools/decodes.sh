#!/bin/bash
# Whether the independent reader of spec/ and the program are of one mind about each FILE. For tests that write .ingot files.
#
#   tests/tools/decodes.sh FILE...             both must find it valid
#   tests/tools/decodes.sh --agree FILE...     both must find it valid, or both not
#
# Environment: INGOT, INGOT_DECODER, as tests/run sets them.
set -u
agree=
[[ ${1:-} == --agree ]] && agree=1 && shift

status=0
say() {
    echo "$1"
    status=1
}

for file in "$@"; do
    said=$("$INGOT_DECODER" "$file" | tail -n 1)
    [[ $said == valid ]] && theirs=valid || theirs=$said
    complaint=$("$INGOT" verify "$file" 2>&1) && ours=valid || ours=$complaint
    if [[ $agree ]]; then
        [[ ($ours == valid && $theirs == valid) || ($ours != valid && $theirs != valid) ]] ||
            say "$file: the program says \"$ours\", the independent reader \"$theirs\""
        continue
    fi
    [[ $theirs == valid ]] || say "$file: the independent reader says \"$theirs\""
    [[ $ours == valid ]] || say "$file: the program says \"$ours\""
    ! "$INGOT_DECODER" "$file" | grep -q 'bad-entries=[1-9]' || say "$file: its vocabulary has entries that nobody may use"
done
exit $status
