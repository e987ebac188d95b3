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
