# The page of the format and the independent reader keep up with the files.

# The block of spec/format.md behind "<!-- ingot hex NAME -->".
block() {
    awk -v mark="<!-- ingot hex $1 -->" '$0 == mark { on = 1; next } on && /^```/ { if (++fences == 2) exit; next } on' \
        "$INGOT_ROOT/spec/format.md"
}

@test "the annotated dump of the smallest file is what the file holds" {
    cd "$BATS_TEST_TMPDIR"
    "$INGOT_BUILD/tests/tools/conformance_files" smallest smallest.ingot
    diff <(block smallest) <("$INGOT" hex smallest.ingot)
    [ "$(block smallest | wc -l)" -gt 40 ]
}

@test "the worked example of the layouts is what the file holds" {
    cd "$BATS_TEST_TMPDIR"
    "$INGOT_BUILD/tests/tools/conformance_files" layouts layouts.ingot
    diff <(block layouts) <(for s in rows-f32 panel16-{f32,f16,bf16}; do "$INGOT" hex layouts.ingot $s; done)
    [ "$(block layouts | wc -l)" -gt 10 ]
}

@test "the worked example of q4 is what the file holds" {
    cd "$BATS_TEST_TMPDIR"
    "$INGOT_BUILD/tests/tools/conformance_files" blocks blocks.ingot
    diff <(block blocks) <("$INGOT" hex blocks.ingot q4b | head -n 5)
    [ "$(block blocks | wc -l)" -eq 5 ]
}

@test "the independent reader finds the converted model valid" {
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o "$BATS_TEST_TMPDIR/bard.ingot"
    "$INGOT_ROOT/tests/tools/decodes.sh" "$BATS_TEST_TMPDIR/bard.ingot"
}

@test "every dtype of the converted model decodes" {
    for dtype in f32 f16 bf16 q8 q4; do
        "$INGOT" convert "$INGOT_ROOT/tests/models/bard" --dtype $dtype -o "$BATS_TEST_TMPDIR/$dtype.ingot"
        "$INGOT_ROOT/tests/tools/decodes.sh" "$BATS_TEST_TMPDIR/$dtype.ingot"
    done
}

# Shapes where panels and pairs have padding, where there is no bias, no tied head, no vocabulary, one layer.
@test "the independent reader finds every shape of model valid" {
    cd "$BATS_TEST_TMPDIR"
    while read -r options; do
        # shellcheck disable=SC2086 # a list of options
        "$INGOT_BUILD/tests/tools/random_checkpoint" source $options
        "$INGOT" convert source -o model.ingot -f 2>/dev/null
        "$INGOT_ROOT/tests/tools/decodes.sh" model.ingot || { echo "$options"; return 1; }
    done <<'END'
--n_layer 1 --n_head 1 --n_embd 5 --n_vocab 3 --n_ctx 11 --untied
--n_layer 2 --n_head 3 --n_embd 33 --n_inner 7 --n_vocab 17 --n_ctx 2 --dtype bf16
--n_layer 2 --n_head 3 --n_embd 33 --n_inner 50 --n_vocab 16 --n_ctx 1 --dtype f16 --no-bias
--n_layer 12 --n_head 2 --n_embd 16 --n_vocab 1 --n_ctx 8 --activation gelu --epsilon 1e-6
--n_layer 1 --n_head 2 --n_embd 64 --vocabulary bytes --prefix transformer.
END
}

@test "the independent reader prints a matrix of the converted model" {
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" --dtype f32 -o "$BATS_TEST_TMPDIR/bard.ingot"
    "$INGOT_DECODER" --tensor wpe.weight "$BATS_TEST_TMPDIR/bard.ingot" >"$BATS_TEST_TMPDIR/wpe"
    "$INGOT_DECODER" "$BATS_TEST_TMPDIR/bard.ingot" >"$BATS_TEST_TMPDIR/index"
    shape=$(sed -n 's/^wpe\.weight tensor f32 rows \[\([0-9,]*\)\].*/\1/p' "$BATS_TEST_TMPDIR/index")
    [ "$(wc -l <"$BATS_TEST_TMPDIR/wpe")" -eq "${shape%,*}" ]
    [ "$(head -n 1 "$BATS_TEST_TMPDIR/wpe" | wc -w)" -eq "${shape#*,}" ]
}

@test "the independent reader refuses a damaged file and says where" {
    "$INGOT_BUILD/tests/tools/conformance_files" everything "$BATS_TEST_TMPDIR/x.ingot"
    printf 'x' | dd of="$BATS_TEST_TMPDIR/x.ingot" bs=1 seek=8200 conv=notrunc status=none
    run "$INGOT_DECODER" "$BATS_TEST_TMPDIR/x.ingot"
    [ "$status" -eq 1 ]
    [[ $output == "invalid F-19 104 index at 8192" ]]
}

@test "verify refuses whatever the independent reader refuses" {
    mkdir "$BATS_TEST_TMPDIR/vectors"
    "$INGOT_BUILD/tests/tools/conformance_files" "$BATS_TEST_TMPDIR/vectors"
    "$INGOT_ROOT/tests/tools/decodes.sh" --agree "$BATS_TEST_TMPDIR"/vectors/*.ingot
}

@test "tests/tools/decodes.sh fails for a file that is not valid" {
    echo GGUF >"$BATS_TEST_TMPDIR/x.ingot"
    run "$INGOT_ROOT/tests/tools/decodes.sh" "$BATS_TEST_TMPDIR/x.ingot"
    [ "$status" -eq 1 ]
}

@test "tests/tools/decodes.sh notices when one of the two says something else" {
    "$INGOT_BUILD/tests/tools/conformance_files" everything "$BATS_TEST_TMPDIR/x.ingot"
    "$INGOT_ROOT/tests/tools/decodes.sh" --agree "$BATS_TEST_TMPDIR/x.ingot"
    INGOT_DECODER=false run "$INGOT_ROOT/tests/tools/decodes.sh" --agree "$BATS_TEST_TMPDIR/x.ingot"
    [ "$status" -eq 1 ]
    INGOT=false run "$INGOT_ROOT/tests/tools/decodes.sh" --agree "$BATS_TEST_TMPDIR/x.ingot"
    [ "$status" -eq 1 ]
}
