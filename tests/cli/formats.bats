# The same model in every format that GPT-2s are released in: converted with one command, it says the same.

load common
foreign=$INGOT_ROOT/tests/models/foreign

# The likeliest tokens, from what SOURCE is converted to.
speak() { # source option...
    ingot convert -f "$foreign/$1" -o m.ingot "${@:2}"
    expect 0
    ingot run m.ingot --ids 276 -n 20 -T 0
    expect 0
    [ "$(wc -w <out)" -eq 21 ]
}

@test "whatever format it comes from, a model says the same" {
    speak hf
    want=$out
    for m in hf-sharded torch-zip torch-legacy torch-sharded tensorflow gguf/tiny.gguf llmc/model.bin; do
        speak $m
        [ "$out" = "$want" ] || { echo "$m: $out, not $want"; return 1; }
    done
}

@test "nanoGPT's says the same as the others where they compute the same" {
    for activation in gelu_erf gelu_tanh; do
        speak hf --set activation=$activation
        want=$out
        speak nanogpt --set activation=$activation --set n_vocab=277 # the rest is padding
        [ "$out" = "$want" ]
    done
}

@test "models without biases and with a head of their own run too" {
    speak nanogpt-nobias
    speak mingpt
}

@test "a text continues the same in every format it is written to" {
    ingot convert "$foreign/torch-zip" -o a.ingot
    ingot run a.ingot -p 'Hi there' -n 12 -T 0
    expect 0
    want=$out
    for to in huggingface gguf llm.c; do
        ingot export a.ingot --to $to -o out.$to
        expect 0
        ingot convert -f out.$to -o b.ingot
        expect 0
        ingot run b.ingot -p 'Hi there' -n 12 -T 0
        expect 0
        [ "$out" = "$want" ] || { echo "$to: $out"; return 1; }
    done
}
