# The commands that look, on .ingot files of q8 and q4: values are level x scale, sizes are those of the blocks.

load common

setup_file() {
    for dtype in f32 q8 q4; do
        "$INGOT" convert "$INGOT_ROOT/tests/models/bard" --dtype $dtype -o "$BATS_FILE_TMPDIR/$dtype.ingot"
    done
    "$INGOT_BUILD/tests/tools/conformance_files" blocks "$BATS_FILE_TMPDIR/blocks.ingot"
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

@test "ls tells dtype, layout and bytes, and chooses by dtype" {
    for pair in "q8 52,224" "q4 27,648"; do
        read -r dtype bytes <<<"$pair"
        ingot ls $dtype.ingot --dtype $dtype
        expect 0
        [[ $out == *"h.0.attn.c_attn.weight  $dtype     panel16   384 x 128        49,152"* ]]
        refute grep -E ' (f32|f16) ' out
        ingot show $dtype.ingot h.0.attn.c_attn.weight
        [[ $out == *"bytes               $bytes"* ]]
    done
}

@test "cat writes levels times scales, in every form" {
    for name in q8a q8b q4a q4b; do
        python - "$name" <<'END' >expected
import subprocess, sys, os
decoder = os.environ["INGOT_DECODER"]
text = subprocess.run([decoder, "--tensor", sys.argv[1], "blocks.ingot"], capture_output=True, text=True).stdout
print("\n".join(" ".join(repr(float(x)) for x in line.split()) for line in text.splitlines()))
END
        "$INGOT" cat blocks.ingot $name >got
        diff expected <(python -c 'for line in open("got"): print(*[repr(float(x)) for x in line.split()])')
    done
    [ "$("$INGOT" cat blocks.ingot q4b)" = -98 ]
    "$INGOT" cat blocks.ingot q4b --raw | cmp - <(printf '\0\0\xc4\xc2') # f32
    ingot cat blocks.ingot q8b --json
    [ "$(json 'j["dtype"], j["values"]')" = "('q8', [[-254.0]])" ]
    "$INGOT" cat blocks.ingot 'q8a[16,68:]' --npy part.npy
    [[ $(head -c 128 part.npy) == *"'descr': '<f4'"*"'shape': (2,)"* ]]
}

@test "show and stats tell of values" {
    ingot show q4.ingot wte.weight
    expect 0
    [[ $out == *"dtype               q4"*"Values"*"[0]"* ]]
    for dtype in q8 q4; do
        ingot stats $dtype.ingot h.0.attn.c_attn.weight --json
        expect 0
        [ "$(json 'j["tensors"][0]["elements"], j["tensors"][0]["nan"]')" = "(49152, 0)" ]
        [ "$(json '0.056 < j["tensors"][0]["std"] < 0.058')" = True ]
    done
}

@test "diff tells dtypes apart and equal files as equal" {
    for dtype in q8 q4; do
        ingot diff -q $dtype.ingot $dtype.ingot
        expect 0
    done
    ingot diff f32.ingot q8.ingot
    expect 1
    [[ $out == *"h.0.mlp.c_fc.weight     values      f32, q8   512 x 128"* ]]
    ingot diff q8.ingot q4.ingot
    expect 1
    [[ $out == *"h.0.mlp.c_fc.weight     values      q8, q4  512 x 128"* ]]
}

@test "hex shows scales, then levels" {
    ingot hex blocks.ingot q8b
    expect 0
    [ "$(sed -n '2s/.*  //p;4s/.*  //p' out)" = $'2 0 0 0 0 0 0 0\n-127 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' ]
    ingot hex blocks.ingot q8a
    [ "$(grep -c '' out)" -gt 200 ]
}

@test "map, hash, verify and the independent reader take them" {
    for dtype in q8 q4; do
        ingot map $dtype.ingot
        expect 0
        ingot hash $dtype.ingot
        expect 0
        ingot verify $dtype.ingot
        expect 0
        "$INGOT_ROOT/tests/tools/decodes.sh" $dtype.ingot
    done
}

@test "a code in the padding is found" {
    cp blocks.ingot damaged.ingot
    off=$("$INGOT" hex blocks.ingot q4b | sed -n '2s/^ *\([0-9]*\) .*/\1/p')
    printf '\x99' | dd of=damaged.ingot bs=1 seek=$((off + 65)) conv=notrunc status=none
    ingot verify damaged.ingot
    expect 1
    "$INGOT_ROOT/tests/tools/decodes.sh" --agree damaged.ingot
}
