# The ids of the spec, the checks, the independent reader and the vectors are held together.

setup() {
    root=$BATS_TEST_TMPDIR/tree
    mkdir -p "$root"/{format,runtime,spec/decoder,tests/conformance}
    echo '| F-1 | a rule | RANGE |' >"$root/spec/format.md"
    echo 'check(); /* [F-1] */' >"$root/format/reader.c"
    echo 'must(x, "F-1");' >"$root/spec/decoder/decoder.c"
    echo '{ "F-1", "x" },' >"$root/tests/conformance/vectors.c"
}

found() { # line
    run "$INGOT_ROOT/tests/lint/rules.sh" "$root"
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"$1"* ]]
}

@test "a tree where all four agree passes" {
    "$INGOT_ROOT/tests/lint/rules.sh" "$root"
}

@test "the tree as it is passes" {
    "$INGOT_ROOT/tests/lint/rules.sh" "$INGOT_ROOT"
}

@test "a rule without a check is found" {
    echo 'check();' >"$root/format/reader.c"
    found "[F-1] has no check in format/ or runtime/"
}

@test "a rule that the independent reader does not check is found" {
    echo 'must(x);' >"$root/spec/decoder/decoder.c"
    found "[F-1] has no check in spec/decoder/"
}

@test "a rule without a vector is found" {
    : >"$root/tests/conformance/vectors.c"
    found "[F-1] has no vector"
}

@test "a citation of a rule that is not there is found" {
    echo '/* [F-2] */' >"$root/format/layout.h"
    found "[F-2] is cited"
}

@test "an id that is given twice is found" {
    echo '| F-1 | another rule | RANGE |' >>"$root/spec/format.md"
    found "[F-1] is given twice"
}
