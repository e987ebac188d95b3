# Exporting: silent when all is well, the name says the format, and what comes back is what went out.

load common

content_id() {
    ingot show "$1" --json
    json 'j["content_id"]'
}

@test "the name of the output says the format, and each converts back to the same model" {
    id=$(content_id "$BARD")
    for out_name in hf/ bard.gguf bard.bin; do
        ingot export "$BARD" -o $out_name
        expect 0
        [ -z "$out$err" ]
        ingot convert $out_name -o back.ingot -f
        expect 0
        [ "$(content_id back.ingot)" = "$id" ]
    done
    [ -e gpt2_tokenizer.bin ]
}

@test "--to says the format where the name does not" {
    ingot export "$BARD" -o a.model
    expect_error 2 "the name does not say what to write" "--to"
    ingot export "$BARD" -o a.model --to gguf
    expect 0
    ingot export "$BARD" -o b.model --to hf
    expect 0
    [ -e b.model/model.safetensors ]
}

@test "what a format cannot hold as it is quantised is written wider, and that is told" {
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o q4.ingot --dtype q4
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o q8.ingot --dtype q8
    for out_name in hf4 q4.gguf q4.bin; do
        ingot export q4.ingot -o $out_name
        expect 0
        [ "$err" = "ingot: warning: q4.ingot: what is quantised is written as f32, which holds every value of it" ]
        ingot diff --tensors -q q4.ingot $out_name
        expect 0
    done
    ingot export q4.ingot -o half.gguf --dtype f16
    [ "$err" = "ingot: warning: q4.ingot: what is quantised is written as f16, rounded once more" ]
    ingot export q8.ingot -o q8.gguf
    expect 0
    [ -z "$err" ]
    ingot diff --tensors -q q8.ingot q8.gguf
    expect 0
}

@test "a directory is answered as every command that runs a model answers it" {
    ingot export "$INGOT_ROOT/tests/models/bard" -o x.gguf
    expect_error 3 "bard: is a directory, not an .ingot file" "ingot convert"
}

@test "q8 stays q8 in GGUF where its rows are whole blocks" {
    "$INGOT_BUILD"/tests/tools/random_checkpoint narrow --n_layer 1 --n_head 3 --n_embd 48 --n_inner 64 --n_vocab 30 --n_ctx 8
    ingot convert narrow -o narrow.ingot --dtype q8 -q
    ingot export narrow.ingot -o narrow.gguf -q
    expect 0
    ingot ls narrow.gguf --json
    [ "$(json '[t["dtype"] for t in j["tensors"] if t["name"] in ("blk.0.ffn_up.weight", "blk.0.ffn_down.weight")]')" = "['F32', 'Q8_0']" ]
}

@test "without -o it is a usage error" {
    ingot export "$BARD"
    expect_error 2 "-o OUT is missing"
}

@test "an existing output is replaced only with -f" {
    echo precious >a.gguf
    ingot export "$BARD" -o a.gguf
    expect_error 5 a.gguf
    [ "$(cat a.gguf)" = precious ]
    ingot export "$BARD" -o a.gguf -f
    expect 0
}

@test "what a format cannot say is refused with code 4" {
    ingot export "$BARD" -o a.bin --dtype f16
    expect_error 4 "llm.c has no f16 files"
    [ ! -e a.bin ]
}
