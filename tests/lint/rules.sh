#!/bin/bash
# Every rule of spec/format.md has a check in the code, a check in the independent reader and a conformance vector, and
# nobody cites a rule that is not there.
#
#   tests/lint/rules.sh [ROOT]      exit 1 and one line per difference
#
# tests/lint/rules.bats plants a violation of every kind.
set -u
export LC_ALL=C
cd "${1:-$(dirname "$0")/../..}" || exit 2

ids() { grep -ohE "$@" 2>/dev/null | grep -oE 'F-[0-9]+' | sort -u; }

spec=$(grep -oE '^\| F-[0-9]+ \|' spec/format.md | grep -oE 'F-[0-9]+' | sort)
checks=$(ids '\[F-[0-9]+\]' format/*.c runtime/*.c)
decoder=$(ids '"F-[0-9]+"' spec/decoder/*.c)
vectors=$(ids '"F-[0-9]+"' tests/conformance/vectors.c)
cited=$(grep -rohE '\[F-[0-9]+\]' --include='*.[ch]' --include='*.md' . | grep -oE 'F-[0-9]+' | sort -u)

status=0
missing() { # what, the ids that should be there, the ids that are
    local id
    for id in $(comm -23 <(echo "$2") <(echo "$3")); do
        echo "[$id] $1"
        status=1
    done
}

for id in $(uniq -d <<<"$spec"); do
    echo "[$id] is given twice in spec/format.md"
    status=1
done
spec=$(sort -u <<<"$spec")
[ "$spec" ] || { echo "spec/format.md has no rule table"; exit 1; }
missing "has no check in format/ or runtime/" "$spec" "$checks"
missing "has no check in spec/decoder/" "$spec" "$decoder"
missing "has no vector in tests/conformance/vectors.c" "$spec" "$vectors"
missing "is cited, but is no rule of spec/format.md" "$(sort -u <<<"$cited"$'\n'"$decoder"$'\n'"$vectors" | grep .)" "$spec"
exit $status
