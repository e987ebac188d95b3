# --fast: what it is called, and that it changes nothing where there is nothing fast.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    ingot cpu --json
    here=$(json 'j["fast"]')
}

@test "a processor without fast kernels says so once, and computes exactly" {
    export INGOT_CPU=scalar
    ingot eval "$BARD" -p 'ROMEO: what light through' --npy exact.npy
    expect 0
    ingot eval "$BARD" -p 'ROMEO: what light through' --npy fast.npy --fast --json
    expect 0
    [ "$err" = "ingot: nothing is faster here with --fast: the arithmetic is exact" ]
    [ "$(json 'j["arithmetic"]')" = exact ]
    cmp exact.npy fast.npy
    ingot cpu --json
    [ "$(json 'j["fast"]')" = None ]
}

@test "every command that computes names the arithmetic" {
    want=exact
    [ "$here" = None ] || want="fast ($here)"
    ingot eval "$BARD" -p ROMEO --json
    [ "$(json 'j["arithmetic"]')" = exact ]
    ingot eval "$BARD" -p ROMEO --json --fast
    [ "$(json 'j["arithmetic"]')" = "$want" ]
    ingot score "$BARD" --ids 1,2,3 --json --fast
    [ "$(json 'j["arithmetic"]')" = "$want" ]
    ingot bench "$BARD" --threads 1 --prefill 16 --depth 0 -n 1 --rounds 1 --no-start --json --fast
    [ "$(json 'j["arithmetic"], j["results"][0]["limit"] is None')" = "('$want', False)" ]
    [ "$(json 'all(m["bf16_operations_per_second"] or j["arithmetic"] == "exact" for m in j["machine"])')" = True ]
    ingot run "$BARD" -p ROMEO -n 2 --stats --fast
    expect 0
    [[ $err == *", $want arithmetic"* ]]
}

@test "a file of q8 is exact with --fast" {
    ingot convert "$INGOT_ROOT/tests/models/bard" -o q8.ingot --dtype q8
    ingot eval q8.ingot -p ROMEO --json --fast
    expect 0
    [ "$(json 'j["arithmetic"]')" = exact ]
}
