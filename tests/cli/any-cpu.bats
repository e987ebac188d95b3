# One binary for every x86-64: emulated processors must get the same file, the same logits and the same text as this one.

load common

emulated() { # model of the CPU, arguments
    local cpu=$1
    shift
    status=0
    qemu-x86_64 -cpu "$cpu" "$INGOT" "$@" >out 2>err || status=$?
    out=$(cat out)
    err=$(cat err)
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    [ "$(uname -m)" = x86_64 ] || skip "not x86-64"
    command -v qemu-x86_64 >qemu || skip "no qemu-x86_64"
    if grep -qE '__[at]san_init' "$INGOT"; then skip "a sanitizer's shadow memory does not fit into the emulator"; fi
}

@test "without AVX everything runs on the definition, with the same bits" {
    emulated core2duo cpu
    expect 0
    [[ $out =~ scalar\ +used ]]
    [[ $out =~ avx2\ +not\ here ]]
    [[ $out =~ avx512\ +not\ here ]]
    for dtype in keep f16 bf16; do
        ingot convert "$INGOT_ROOT/tests/models/bard" -o here.ingot --dtype $dtype -f
        ingot eval here.ingot -p 'ROMEO: what' --npy here.npy -f
        emulated core2duo convert "$INGOT_ROOT/tests/models/bard" -o there.ingot --dtype $dtype -f
        expect 0
        cmp here.ingot there.ingot
        emulated core2duo verify there.ingot
        expect 0
        emulated core2duo eval there.ingot -p 'ROMEO: what' --npy there.npy -f
        expect 0
        cmp here.npy there.npy
    done
}

@test "the text of a seed is the same without AVX" {
    ingot run "$BARD" -p 'KING:' -n 12 --seed 9
    here=$out
    emulated core2duo run "$BARD" -p 'KING:' -n 12 --seed 9
    expect 0
    [ "$out" = "$here" ]
    [[ $err == *"slowly"* ]]
}

@test "AVX2 is used only with all that the kernels need, and only if the system saves its registers" {
    ingot eval "$BARD" --ids 1,2,3 --npy here.npy
    emulated max cpu
    [[ $out =~ avx2\ +used ]] || skip "this emulator has no AVX2"
    for missing in avx2 fma f16c xsave; do
        emulated max,-$missing cpu
        expect 0
        [[ $out =~ scalar\ +used ]]
        [[ $out =~ avx2\ +not\ here ]]
        emulated max,-$missing eval "$BARD" --ids 1,2,3 --npy there.npy -f
        expect 0
        cmp here.npy there.npy
    done
    INGOT_CPU=avx2 emulated max,-fma eval "$BARD" --ids 1,2,3
    expect 5
    [[ $err == *"avx2: this instruction set"*"scalar runs everywhere"* ]]
    INGOT_CPU=avx2 emulated max eval "$BARD" --ids 1,2,3 --npy there.npy -f
    expect 0
    cmp here.npy there.npy
}
