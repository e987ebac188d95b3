# tests/run adds up what programs say, and takes no silence for success.

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir tmp
}

program() { # name, what it does
    printf '#!/bin/bash\n%s\n' "${*:2}" >"$1"
    chmod +x "$1"
}

adds_up() { # status, the last line, program...
    local wanted=$1 line=$2
    shift 2
    run env TMPDIR="$PWD/tmp" INGOT_BUILD="$PWD" "$INGOT_ROOT/tests/run" "$@"
    echo "$output"
    [ "$status" -eq "$wanted" ]
    [ "${lines[-1]}" = "$line" ]
    [ -z "$(ls tmp)" ]
}

@test "what passes and what is skipped is counted" {
    program a 'printf "1..3\nok 1 - x\nok 2 y # skip no z\nnot ok 3 # SKIP cmocka\n"'
    program b 'printf "1..1\nok 1 - x\n"'
    adds_up 0 "2 passed, 0 failed, 2 skipped" a b
    [[ $output == *"skipped: a: y # skip no z"* ]]
}

@test "tests of a rung that is not here are one line" {
    program a 'printf "1..4\nok 1 - x\n"; for i in 2 3 4; do echo "not ok $i # SKIP law_$i [amx]"; done'
    adds_up 0 "1 passed, 0 failed, 3 skipped" a
    [[ $output == *"skipped: a: 3 times [amx]"* ]]
    [[ $output != *law_* ]]
}

@test "why a test of cmocka is skipped stands in the line before it" {
    program a 'printf "1..3\n# skip: no z\nnot ok 1 # SKIP x\n# skip: lost\nok 2 - y\nnot ok 3 # SKIP w\n"'
    adds_up 0 "1 passed, 0 failed, 2 skipped" a
    [[ $output == *"skipped: a: x # skip no z"$'\n'"skipped: a: w"$'\n'* ]]
    program a 'printf "1..2\n"; for i in 1 2; do printf "# skip: not here\nnot ok $i # SKIP law_$i [amx]\n"; done'
    adds_up 0 "0 passed, 0 failed, 2 skipped" a
    [[ $output == *"skipped: a: 2 times [amx] # skip not here"* ]]
}

@test "a failure, a crash, a broken plan and silence are failures" {
    program a 'printf "1..2\nok 1 - x\nnot ok 2 - y\n"; exit 1'
    adds_up 1 "1 passed, 1 failed" a
    program a 'printf "1..1\nok 1 - x\n"; kill -SEGV $$'
    adds_up 1 "1 passed, 1 failed" a
    program a 'printf "1..3\nok 1 - x\n"'
    adds_up 1 "1 passed, 2 failed" a
    program a :
    adds_up 1 "0 passed, 1 failed" a
    adds_up 1 "0 passed, 1 failed"
}

@test "what a test leaves behind is a failure, and goes away" {
    program a 'printf "1..1\nok 1 - x\n"; mkdir d; touch d/f; chmod a-w d'
    adds_up 1 "1 passed, 1 failed" a
    [[ $output == *"left behind: d"* ]]
}

@test "what takes too long is ended and is a failure" {
    program a 'printf "1..1\n"; sleep 60'
    TEST_TIMEOUT=1 adds_up 1 "0 passed, 1 failed" a
    [[ $output == *"out of time"* ]]
}
