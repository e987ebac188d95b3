#!/usr/bin/env bats
# ingot convert --batch: a list of conversions, planned before the first is written.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    cp -r "$INGOT_ROOT"/tests/models/foreign/{hf,gguf} .
    cp -r hf hf.good
}

# What stood here before stands here still.
unharmed() {
    diff -r hf.good hf
    [ ! -e one.ingot ]
}

batch() {
    cat >batch.yaml
    ingot convert --batch batch.yaml "$@"
}

@test "every conversion of a batch is made, relative to the batch file" {
    mkdir lists
    printf 'dtype: f16\nconversions:\n- {source: ../hf, output: ../one.ingot}\n- {source: ../gguf/tiny.gguf, output: two.ingot, dtype: f32}\n' >lists/b.yaml
    ingot convert --batch lists/b.yaml -q
    expect 0
    "$INGOT" ls --json one.ingot | grep -q '"f16"\|"F16"'
    refute grep -q '"f16"\|"F16"' <("$INGOT" ls --json lists/two.ingot)
    "$INGOT" verify lists/two.ingot
}

@test "a mistake in the last conversion shows before the first is written" {
    batch <<<'conversions: [{source: hf, output: one.ingot}, {source: nothing, output: two.ingot}]'
    expect_error 5 "nothing"
    unharmed
}

@test "two conversions to one output are refused, however it is spelt" {
    ln -s . here
    local other
    for other in one.ingot ./one.ingot hf/../one.ingot here/one.ingot "$PWD/one.ingot"; do
        batch -f <<<"conversions: [{source: hf, output: one.ingot}, {source: hf, output: $other}]"
        expect_error 2 "line 1" "the output is that of conversion 1 too"
        unharmed
    done
}

@test "no output replaces an input of a conversion before it or behind it" {
    batch -f <<<'conversions: [{source: gguf/tiny.gguf, output: hf/model.safetensors}, {source: hf, output: one.ingot}]'
    expect_error 2 "hf/model.safetensors" "the output is one of the inputs"
    unharmed
    batch -f <<<'conversions: [{source: hf, output: one.ingot}, {source: gguf/tiny.gguf, output: hf/config.json}]'
    expect_error 2 "hf/config.json" "the output is one of the inputs"
    unharmed
    batch -f <<<'conversions: [{source: hf, output: one.ingot}, {source: gguf/tiny.gguf, output: hf/vocab.json}]'
    expect_error 2 "hf/vocab.json" "the output is one of the inputs"
    unharmed
}

@test "no output replaces a recipe of the batch" {
    "$INGOT" help recipes huggingface >mine.yaml
    cp mine.yaml mine.good
    batch -f <<<'conversions: [{source: hf, output: one.ingot, recipe: mine.yaml}, {source: hf, output: mine.yaml}]'
    expect_error 2 "mine.yaml" "the output is one of the inputs"
    unharmed
    cmp mine.yaml mine.good
}

@test "no output replaces the batch file, through a link either" {
    ln -s batch.yaml link.yaml
    printf 'conversions: [{source: hf, output: batch.yaml}]\n' >batch.yaml
    local name
    for name in batch.yaml link.yaml; do
        ingot convert --batch "$name" -f
        expect_error 2 "the output is this file"
        grep -q '^conversions' batch.yaml
    done
}

@test "anchors, tags and merge keys make nothing out of a batch" {
    batch <<<'conversions: &a [*a]'
    expect_error 2 "line 1, column 14"
    batch <<<'conversions: [{<<: {source: hf}, output: one.ingot}]'
    expect_error 2 "no key '<<'"
    batch <<<'!!python/object/apply:os.system [touch one.ingot]'
    expect_error 2 "the tag"
    unharmed
}
