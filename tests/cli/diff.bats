# diff: two checkpoints of any formats.

load common
foreign=$INGOT_ROOT/tests/models/foreign

# A checkpoint without a recipe: its header, its bytes.
make_pair() { # header_a header_b n_bytes
    make_safetensors a.safetensors "$1" "$3"
    make_safetensors b.safetensors "$2" "$3"
}

@test "the same model is equal in every format" {
    "$INGOT" convert "$foreign/hf" -o hf.ingot
    for a in "$foreign/hf" hf.ingot "$foreign/tensorflow" "$foreign/gguf/tiny.gguf"; do
        for b in hf hf-sharded torch-zip torch-legacy torch-sharded tensorflow gguf/tiny.gguf llmc/model.bin; do
            ingot diff -q "$a" "$foreign/$b"
            expect 0
            [ -z "$out$err" ]
        done
    done
    ingot diff hf.ingot hf.ingot
    expect 0
    [[ $err == "ingot: equal: 28 tensors in both; "* ]]
}

@test "other hyper-parameters are a difference, but not of the tensors" {
    ingot diff "$foreign/hf" "$foreign/nanogpt"
    expect 1
    [ "$(sed -n 2p out | xargs)" = "n_vocab 277 320" ]
    [ "$(sed -n 3p out | xargs)" = "activation gelu_tanh gelu_erf" ]
    [ "$(wc -l <out)" -eq 3 ]
    [[ $err == *"wte.weight: compared in both: 277 rows; B has 43 more, all zeros"* ]]
    [[ $err == *"85 tensors that a model leaves out"* ]]
    [[ $err == *"tokenizers were not compared: B has none"* ]]
    ingot diff --tensors "$foreign/nanogpt" "$foreign/hf"
    expect 0
    [ -z "$out" ]
}

@test "optimizer state is compared when all is asked for" {
    ingot diff --json "$foreign/nanogpt" "$foreign/nanogpt"
    expect 0
    [ "$(json 'j["n_both"], j["a"]["left_out"]')" = "(28, 85)" ]
    ingot diff --json --all "$foreign/nanogpt" "$foreign/nanogpt"
    expect 0
    [ "$(json 'j["n_both"], j["a"]["left_out"]')" = "(113, 0)" ]
}

@test "one bit that is not the same is found, through a transposition and panels" {
    cp -r "$foreign/hf" hf && chmod -R u+w hf
    "$INGOT" convert hf -o hf.ingot
    "$INGOT" ls --json -l hf >list
    at=$(python -IS -c 'import json; print(next(t["offset"] for t in json.load(open("list"))["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"))')
    damage hf/model.safetensors $((at + 4 * (9 * 64 + 50))) # input 9, output 50
    for b in hf.ingot "$foreign/tensorflow" "$foreign/llmc/model.bin"; do
        ingot diff --json hf "$b"
        expect 1
        [ "$(json '[(t["name"], t["difference"], t["max_abs_at"], t["max_ulp"], t["compared"] - t["equal"]) for t in j["tensors"]]')" = "[('h.1.mlp.c_fc.weight', 'values', [50, 9], 1, 1)]" ]
        [ "$(json '0.999999 < j["tensors"][0]["cosine"] <= 1 and 0 < j["tensors"][0]["rms"] < 1e-6')" = True ]
        ingot diff --tolerance 1e-6 hf "$b"
        expect 0
    done
    ingot diff hf hf.ingot
    expect 1
    [[ $(sed -n 2p out) == "h.1.mlp.c_fc.weight  values "*"64 x 16  99.90 %"*"[50, 9]"* ]]
}

@test "a cast is a difference of its size, and none within a tolerance" {
    ingot diff --json "$foreign/hf" "$foreign/hf-f16"
    expect 1
    [ "$(json 'len(j["tensors"]), max(t["max_ulp"] for t in j["tensors"]), all(0 < t["max_rel"] <= 2**-11 for t in j["tensors"])')" = "(28, 0, True)" ]
    ingot diff --json "$foreign/hf" "$foreign/hf-bf16"
    expect 1
    [ "$(json 'max(t["max_ulp"] for t in j["tensors"]), all(2**-11 < t["max_rel"] <= 2**-8 for t in j["tensors"])')" = "(0, True)" ]
    ingot diff --rtol 0.0005 "$foreign/hf" "$foreign/hf-f16"
    expect 0
    [[ $err == "ingot: equal: 28 tensors in both, 28 of another dtype; "* ]]
    ingot diff --rtol 0.0004 "$foreign/hf" "$foreign/hf-f16"
    expect 1
    ingot diff --rtol 0.0005 --strict "$foreign/hf" "$foreign/hf-f16"
    expect 1
    [ "$(grep -c ' dtype  *F32, F16 ' out)" -eq 28 ]
}

@test "the same values in another dtype are no difference unless strict" {
    "$INGOT" convert "$foreign/hf-f16" -o wide.ingot -d f32
    ingot diff "$foreign/hf-f16" wide.ingot
    expect 0
    ingot diff --strict "$foreign/hf-f16" wide.ingot
    expect 1
}

@test "missing, extra and of another shape are listed" {
    make_pair '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"only":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}' \
        '{"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"more":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}' 12
    ingot diff --json a.safetensors b.safetensors
    expect 1
    [ "$(json 'j["names"], sorted((t["name"], t["difference"]) for t in j["tensors"])')" = "('own', [('more', 'only in B'), ('only', 'only in A'), ('x', 'shape')])" ]
    [ "$(json 'j["hyper_parameters"], j["n_both"], j["n_different"], j["n_only_a"], j["n_only_b"]')" = "(None, 1, 1, 1, 1)" ]
    ingot diff a.safetensors b.safetensors
    expect 1
    [[ $out == *"2, 1 x 2"* ]]
    [[ $err == *"no recipe fits both"* ]]
}

@test "own names keep their orientation" {
    ingot diff -q --raw-names "$foreign/hf" "$foreign/nanogpt"
    expect 1
    [[ $out == *"only in A"* && $out == *"only in B"* ]]
    ingot diff -q --raw-names "$foreign/hf" "$foreign/torch-legacy"
    expect 1
    [ "$(grep -c 'only in B' out)" -eq 2 ]
    [ "$(wc -l <out)" -eq 3 ]
}

@test "a head that is stored is compared with the embedding to which the other is tied" {
    ingot diff "$foreign/hf" "$foreign/mingpt"
    expect 1
    [[ $(sed -n 2p out) == "lm_head.weight  values "* ]]
    [ "$(wc -l <out)" -eq 2 ]
    [[ $err == *"lm_head.weight: A has none of its own and is seen with wte.weight as its head"* ]]
    ingot diff --json "$foreign/hf" "$foreign/torch-zip"
    expect 0
    [ "$(json 'j["a"]["tied"], j["b"]["tied"]')" = "(True, True)" ]
}

@test "another tokenizer is a difference, and the first token that differs is named" {
    cp -r "$foreign/hf" other && chmod -R u+w other
    python -IS - <<'END' || skip "no python3"
import json
v = json.load(open("other/vocab.json"))
names = {i: t for t, i in v.items()}
v[names[66]], v[names[67]] = 67, 66
json.dump(v, open("other/vocab.json", "w"))
END
    ingot diff "$foreign/hf" other
    expect 1
    [ "$out" = 'tokenizer: token 66 is "c" in A, "d" in B' ]
    ingot diff --json "$foreign/hf" other
    [ "$(json 'j["tokenizer"]["equal"], j["equal"], j["tensors"]')" = "(False, False, [])" ]
    ingot diff --tensors "$foreign/hf" other
    expect 0
    head -n -1 "$foreign/hf/merges.txt" >other/merges.txt
    cp "$foreign/hf/vocab.json" other/vocab.json
    ingot diff "$foreign/hf" other
    expect 1
    [[ $out == "tokenizer: 20 merges in A, 19 in B" ]]
}

@test "no escape sequence of a name reaches the terminal" {
    make_pair '{"\u001b[31mx":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' '{"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' 4
    ingot diff a.safetensors b.safetensors
    expect 1
    refute grep -q $'\033' out err
    grep -qF '\x1b[31mx' out
    ingot diff --json a.safetensors b.safetensors
    refute grep -q $'\033' out
}

@test "elements that are no numbers are compared as bytes" {
    make_pair '{"c":{"dtype":"C64","shape":[2],"data_offsets":[0,16]}}' '{"c":{"dtype":"C64","shape":[2],"data_offsets":[0,16]}}' 16
    ingot diff -q a.safetensors b.safetensors
    expect 0
    damage b.safetensors $(($(stat -c %s b.safetensors) - 1))
    ingot diff -q a.safetensors b.safetensors
    expect 1
    [[ $out == *"bytes"* ]]
    make_safetensors b.safetensors '{"c":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    ingot diff -q a.safetensors b.safetensors
    expect 1
}

@test "tensors without elements are equal" {
    make_pair '{"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}' \
        '{"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}' 4
    ingot diff a.safetensors b.safetensors
    expect 0
}

@test "everything is listed when asked for" {
    ingot diff -v "$foreign/hf" "$foreign/tensorflow"
    expect 0
    [ "$(grep -c '100 %' out)" -eq 28 ]
    grep -q '^tokenizer: the same$' out
    grep -q '^layer_norm_epsilon *1e-05 *1e-05$' out
    ingot diff -v --json "$foreign/hf" "$foreign/tensorflow"
    [ "$(json 'j["equal"], len(j["tensors"]), len(j["hyper_parameters"]), j["tensors"][0]["difference"], j["schema"]')" = "(True, 28, 10, None, 1)" ]
}

@test "the JSON has the keys that are described" {
    ingot diff --json "$foreign/hf" "$foreign/mingpt"
    expect 1
    [ "$(json 'sorted(j)')" = "['a', 'b', 'equal', 'hyper_parameters', 'n_both', 'n_different', 'n_only_a', 'n_only_b', 'names', 'schema', 'tensors', 'tokenizer']" ]
    [ "$(json 'sorted(j["a"])')" = "['file', 'format', 'left_out', 'tied']" ]
    [ "$(json 'sorted(j["tokenizer"])')" = "['difference', 'equal', 'in_a', 'in_b']" ]
    [ "$(json 'sorted(j["tensors"][0])')" = "['a', 'b', 'compared', 'cosine', 'difference', 'equal', 'max_abs', 'max_abs_a', 'max_abs_at', 'max_abs_b', 'max_rel', 'max_ulp', 'name', 'not_finite', 'padding_is_zeros', 'padding_rows', 'rms', 'rms_abs', 'within_tolerance']" ]
    [ "$(json 'sorted(j["tensors"][0]["a"])')" = "['dtype', 'names', 'shape']" ]
}

# By what the bits allow: q8 has 255 levels in reach of the largest of 32, q4 has 16.
@test "how far a quantised file is from its source is told for every matrix" {
    for case in "q8 0.002 0.008 0.99998" "q4 0.05 0.1 0.995"; do
        read -r dtype least most cosine <<<"$case"
        "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o q.ingot -f --dtype "$dtype"
        ingot diff --json q.ingot "$INGOT_ROOT/tests/models/bard"
        expect 1
        [ "$(json 'len([t for t in j["tensors"] if t["a"]["dtype"] == "'"$dtype"'"])')" = 17 ]
        [ "$(json 'all('"$least < t['rms'] < $most and t['cosine'] > $cosine and t['max_ulp'] is None and 0 < t['rms_abs'] < t['max_abs']"' for t in j["tensors"] if t["a"]["dtype"] == "'"$dtype"'")')" = True ]
    done
}

@test "the summary says how many of what differ" {
    ingot diff "$foreign/hf" "$foreign/mingpt"
    [[ $err == *"different: 29 tensors in both, 1 differs; "* ]]
    ingot diff "$foreign/hf" "$foreign/nanogpt"
    [[ $err == *"different: 28 tensors in both, 2 hyper-parameters differ; "* ]]
}

@test "figures are of what is finite, and none is told where there is none" {
    make_safetensors zeros.safetensors '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    cp zeros.safetensors nan.safetensors
    printf '\0\0\300\177\0\0\200\77' | dd of=nan.safetensors bs=1 seek=$(($(stat -c %s nan.safetensors) - 8)) conv=notrunc 2>/dev/null
    ingot diff --json zeros.safetensors nan.safetensors
    expect 1
    [ "$(json '[j["tensors"][0][k] for k in ("max_abs", "max_rel", "cosine", "rms", "not_finite")]')" = "['inf', 1.0, None, None, 1]" ]
    ingot diff zeros.safetensors nan.safetensors
    refute grep -q nan out
}

@test "what cannot be read is an error, not a difference" {
    ingot diff "$foreign/hf" nothing
    expect_error 5 nothing
    printf 'no checkpoint' >text
    ingot diff text "$foreign/hf"
    expect_error 4 text
    ingot diff "$foreign/hf" "$foreign/hf" --raw-names --recipe-a huggingface
    expect_error 2 "leave out the recipe"
    ingot diff "$foreign/hf"
    expect_error 2
}

@test "the number of threads changes nothing" {
    ingot diff --json -t 1 "$foreign/hf" "$foreign/hf-bf16"
    cp out one
    ingot diff --json -t 5 "$foreign/hf" "$foreign/hf-bf16"
    cmp one out
}
