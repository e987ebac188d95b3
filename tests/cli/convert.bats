# Converting: silent when all is well, and never in the way of what is there.

load common
model=$INGOT_ROOT/tests/models/bard

@test "success is silent and the result verifies" {
    ingot convert "$model" -o a.ingot
    expect 0
    [ -z "$out$err" ]
    ingot verify a.ingot
    expect 0
    [ -z "$out$err" ]
}

@test "the bytes depend on neither threads nor time" {
    ingot convert "$model" -o a.ingot --threads 1
    expect 0
    ingot convert "$model" -o b.ingot --threads 3
    expect 0
    cmp a.ingot b.ingot
    cmp a.ingot "$BARD"
}

@test "-v tells on stderr what was done" {
    ingot convert "$model" -o a.ingot -v
    expect 0
    [ -z "$out" ]
    [[ $err == *"a.ingot: 52 tensors"*"content id "* ]]
}

@test "each dtype gives matrices of that dtype and vectors of f32" {
    for dtype in f32 f16 bf16; do
        ingot convert "$model" -o $dtype.ingot --dtype $dtype
        expect 0
        ingot ls $dtype.ingot
        [[ $out =~ wte.weight\ +$dtype ]]
        [[ $out =~ ln_f.bias\ +f32 ]]
    done
}

@test "q8 and q4 are of matrices in panels, the embedding apart if asked for" {
    for case in "q8 q8" "q4 q4" "q4 q8 --embedding q8" "q8 f16 -e f16"; do
        read -r dtype embedding option <<<"$case"
        # shellcheck disable=SC2086
        ingot convert "$model" -o a.ingot -f --dtype "$dtype" $option
        expect 0
        ingot ls --json a.ingot
        [ "$(json 'sorted({(t["name"].split(".")[-2][:2] if len(t["shape"]) == 2 else "vector", t["dtype"]) for t in j["tensors"]})')" = \
            "[('c_', '$dtype'), ('lm', '$embedding'), ('vector', 'f32'), ('wp', 'f16'), ('wt', '$embedding')]" ]
        # shellcheck disable=SC2086
        ingot convert "$model" --plan --json --dtype "$dtype" $option
        plan=$(json 'sorted((l["to"]["name"], l["to"]["dtype"]) for l in j["plan"] if l["to"])')
        bytes=$(json 'j["bytes"]')
        ingot ls --json a.ingot
        [ "$plan" = "$(json 'sorted((t["name"], t["dtype"]) for t in j["tensors"] if "alias_of" not in t)')" ]
        [ "$bytes" = "$(json 'sum(t["bytes"] for t in j["tensors"] if "alias_of" not in t)')" ]
    done
    ingot show --provenance a.ingot
    [[ $out == *'"wte.weight":'*'to: "f16"'*'"h.0.attn.c_attn.weight":'*'to: "q8"'* ]]
    grep -aq '^dtype: "q8"' a.ingot
    grep -aq '^embedding: "f16"' a.ingot
}

# llama.cpp's own quantiser wrote the embedding as Q8_0, the other matrices as Q5_0.
@test "a matrix of Q8_0 becomes q8 without any loss, and goes out as it came" {
    gguf=$INGOT_ROOT/tests/models/gguf/quantised.gguf
    ingot convert "$gguf" -o a.ingot --dtype q8
    expect 0
    ingot diff --json "$gguf" a.ingot
    [ "$(json '[t["difference"] for t in j["tensors"] if t["name"] == "wte.weight"]')" = "[]" ]
    [ "$(json 'len([t for t in j["tensors"] if t["difference"] == "values"]) > 0')" = True ]
    ingot export a.ingot -o b.gguf
    expect 0
    [ -z "$err" ]
    ingot diff --strict --tensors --json "$gguf" b.gguf
    [ "$(json '[t for t in j["tensors"] if t["name"] == "wte.weight"]')" = "[]" ]
    ingot ls --json b.gguf
    [ "$(json 'sorted({t["dtype"] for t in j["tensors"] if len(t["shape"]) == 2})')" = "['F16', 'Q8_0']" ]
    ingot convert b.gguf -o c.ingot --dtype q8
    ingot show --json a.ingot
    id=$(json 'j["content_id"]')
    ingot show --json c.ingot
    [ "$id" = "$(json 'j["content_id"]')" ]
}

@test "keep is the dtype of the source" {
    ingot convert "$model" -o a.ingot --dtype keep
    expect 0
    ingot convert "$model" -o b.ingot --dtype f32
    expect 0
    ingot show a.ingot --json
    id=$(json 'j["content_id"]')
    ingot show b.ingot --json
    [ "$id" = "$(json 'j["content_id"]')" ]
}

@test "--align moves the matrices" {
    ingot convert "$model" -o a.ingot --align 64k
    expect 0
    ingot show a.ingot --json
    [ "$(json 'j["align"]')" = 65536 ]
    ingot ls a.ingot --json
    [ "$(json '{t["offset"] % 65536 for t in j["tensors"] if len(t["shape"]) > 1}')" = "{0}" ]
    ingot convert "$model" -o b.ingot --align 5000
    expect_error 2 "power of two"
}

@test "without -o it is a usage error" {
    ingot convert "$model"
    expect_error 2 "-o FILE is missing" "usage: ingot convert"
}

@test "an existing file is not overwritten without -f" {
    echo precious >a.ingot
    ingot convert "$model" -o a.ingot
    expect_error 5 a.ingot
    [ "$(cat a.ingot)" = precious ]
    ingot convert "$model" -o a.ingot -f
    expect 0
    cmp a.ingot "$BARD"
}

@test "a link is replaced where it leads to a file, and refused where it leads to anything else" {
    echo precious >a.ingot
    mkdir directory
    ln -s /proc/self/fd/1 stdout
    ln -s /dev/null null
    ln -s directory link
    ln -s a.ingot other
    local name
    for name in stdout null; do
        ingot convert "$model" -o $name -f
        expect_error 5 $name "a device, pipe or socket"
        [ -L $name ]
    done
    ingot convert "$model" -o link -f
    expect_error 5 link "a directory"
    [ -L link ]
    ingot convert "$model" -o other -f
    expect 0
    cmp other "$BARD"
    [ "$(cat a.ingot)" = precious ]
    rm a.ingot
}

@test "an .ingot file is not a source" {
    ingot convert "$BARD" -o a.ingot
    expect_error 4 "is an .ingot file already"
    [ ! -e a.ingot ]
}

@test "a source that is not there is a system error that names it" {
    ingot convert nowhere -o a.ingot
    expect_error 5 nowhere
    [ ! -e a.ingot ]
}

@test "a directory without a checkpoint is refused with advice" {
    mkdir empty
    ingot convert empty -o a.ingot
    expect_error 3 empty
    [ ! -e a.ingot ]
}

@test "a truncated source is refused and leaves nothing" {
    mkdir cut
    cp "$model"/*.json "$model"/merges.txt cut/
    head -c 1000000 "$model/model.safetensors" >cut/model.safetensors
    ingot convert cut -o a.ingot
    expect_error 3 model.safetensors
    [ "$(ls)" = "$(printf 'cut\nerr\nout')" ]
}

@test "half a tokenizer is an error that names the missing file" {
    mkdir half
    cp "$model"/{config.json,model.safetensors,vocab.json} half
    ingot convert half -o a.ingot
    expect 3
    [[ $err == *half/merges.txt* ]]
    [ ! -e a.ingot ]
}

@test "a checkpoint without a tokenizer is a warning" {
    mkdir bare
    cp "$model/config.json" "$model/model.safetensors" bare/
    ingot convert bare -o a.ingot
    expect 0
    [ -z "$out" ]
    [[ $err == "ingot: warning: "* ]]
}

@test "a configuration that changes the mathematics is refused by name" {
    mkdir odd
    cp "$model/model.safetensors" odd/
    sed 's/"gelu_new"/"relu"/' "$model/config.json" >odd/config.json
    refute cmp -s "$model/config.json" odd/config.json
    ingot convert odd -o a.ingot
    expect_error 4 relu
    [ ! -e a.ingot ]
}

@test "an interruption leaves the old file, no litter, and status 130" {
    echo old >a.ingot
    for delay in 0 0.001 0.002 0.004 0.008; do
        "$INGOT" convert "$model" -o a.ingot -f 2>err &
        sleep $delay
        kill -INT $! 2>kill.err || true
        status=0
        wait $! || status=$?
        [ $status -eq 130 ] || [ $status -eq 0 ]
        [ "$(cat a.ingot | head -c 4)" = "old" ] || cmp a.ingot "$BARD"
        [ -z "$(ls -A | grep -vx -e a.ingot -e err -e kill.err)" ]
        echo old >a.ingot
    done
}

@test "kill -9 at any moment leaves the old file or a complete one" {
    for delay in 0 0.001 0.002 0.004 0.008; do
        echo old >a.ingot
        "$INGOT" convert "$model" -o a.ingot -f &
        sleep $delay
        kill -KILL $! 2>kill.err || true
        wait $! || true
        [ "$(head -c 4 a.ingot)" = "old" ] || cmp a.ingot "$BARD"
    done
}
