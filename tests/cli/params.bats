# Counting parameters: published totals, and real tensors.

load common

total() { # config
    ingot params --json --config "$1"
    expect 0
    json 'j["parameters"]'
}

@test "the four GPT-2 sizes have their released numbers of parameters" {
    [ "$(total gpt2)" = 124439808 ]
    [ "$(total gpt2-medium)" = 354823168 ]
    [ "$(total gpt2-large)" = 774030080 ]
    [ "$(total gpt2-xl)" = 1557611200 ]
}

@test "a list that spells a preset counts the same" {
    [ "$(total n_layer=12,n_head=12,n_embd=768)" = 124439808 ]
    [ "$(total n_layer=12,n_head=12,n_embd=768,n_vocab=50257,n_ctx=1024,n_inner=3072,tied=yes,biases=yes)" = 124439808 ]
}

@test "an untied head adds a matrix, no biases take them away" {
    [ "$(total n_layer=12,n_head=12,n_embd=768,tied=no)" = $((124439808 + 50257 * 768)) ]
    [ "$(total n_layer=12,n_head=12,n_embd=768,biases=no)" = $((124439808 - 12 * 9 * 768 - 25 * 768)) ]
}

@test "categories add up to the total" {
    for config in gpt2 gpt3-175b n_layer=3,n_head=5,n_embd=35,n_inner=7,tied=no; do
        ingot params --json --config $config
        [ "$(json 'sum(c["parameters"] for c in j["categories"]) == j["parameters"]')" = True ]
    done
}

@test "GPT-3's eight categories add to 175,181,291,520" {
    ingot params --config gpt3-175b
    expect 0
    [[ $out =~ total\ +175,181,291,520 ]]
    for left_out in 25,165,824 10,616,832 4,743,168; do [[ $out == *"($left_out)"* ]]; done
    ingot params --json --config gpt3-175b
    [ "$(json 'j["eight_categories"]["total"]')" = 175181291520 ]
    [ "$(json 'sum(v for k, v in j["eight_categories"].items() if k != "total")')" = 175181291520 ]
}

@test "gpt2 says why it was called 117M" {
    ingot params --config gpt2
    expect 0
    [[ $out == *'Why "117M"?'*124,439,808*116,929,536* ]]
}

@test "bytes and KV cache follow from the counts" {
    ingot params --json --config gpt2
    [ "$(json 'j["bytes"]["f32"], j["bytes"]["f16"]')" = "(497759232, 248879616)" ]
    [ "$(json 'j["kv_bytes_per_position"], j["kv_bytes"]')" = "(73728, 75497472)" ]
}

@test "a file, its source and its configuration count the same" {
    ingot params --json "$BARD"
    expect 0
    file=$(json 'j["categories"], j["tied"], j["parameters"]')
    ingot params --json "$INGOT_ROOT/tests/models/bard"
    [ "$file" = "$(json 'j["categories"], j["tied"], j["parameters"]')" ]
    ingot params --json --config n_layer=4,n_head=2,n_embd=128,n_vocab=2048,n_ctx=256
    [ "$file" = "$(json 'j["categories"], j["tied"], j["parameters"]')" ]
}

@test "mask buffers are not parameters" {
    make_safetensors m.safetensors '{"h.0.attn.bias":{"dtype":"U8","shape":[1,1,2,2],"data_offsets":[0,4]},"h.0.ln_1.bias":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}' 12
    ingot params --json m.safetensors
    expect 0
    [ "$(json 'j["parameters"], j["buffer_elements"]')" = "(2, 4)" ]
}

@test "a part of a checkpoint claims neither equal layers nor a tied head" {
    make_safetensors part.safetensors '{"h.0.mlp.c_fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"h.5.mlp.c_fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}' 16
    ingot params --json part.safetensors
    expect 0
    [ "$(json 'j["tied"], [(c["per_layer"], c["parameters"]) for c in j["categories"] if c["name"] == "up"]')" = "(False, [(0, 4)])" ]
}

@test "of what is no GPT-2 only the sum is told, and where to look further" {
    make_safetensors odd.safetensors '{"a.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}}' 24
    ingot params odd.safetensors
    expect 0
    [[ $out == *"other"*"6  100.0 %"*"total"*"--tree"* ]]
    [[ $out != *"query"* && $out != *"norms"* ]]
    ingot params --layers odd.safetensors
    expect 0
    [[ $out == *"no layers"* ]]
}

@test "mistakes in --config are explained" {
    ingot params --config gpt4
    expect_error 2 "no preset 'gpt4'"
    ingot params --config n_layer=3,n_haed=5,n_embd=35
    expect_error 2 "did you mean 'n_head'?"
    ingot params --config width=3
    expect_error 2 "unknown key 'width'" "n_embd"
    ingot params --config gpt2,n_layer=3
    expect_error 2 "'gpt2'" "a preset stands alone"
    ingot params --config n_layer=3,n_head=4,n_embd=35
    expect_error 2 n_head
    ingot params --config n_layer=3
    expect_error 2 "n_layer, n_head and n_embd are needed"
    ingot params --config n_layer=3,n_head=5,n_embd=many
    expect_error 2 "whole number"
    ingot params --config n_layer=3,n_head=5,n_embd=35,tied=maybe
    expect_error 2 "yes or no"
    ingot params --config n_layer=99999999,n_head=1,n_embd=1
    expect_error 2 n_layer
}

@test "either a file or a configuration" {
    ingot params
    expect_error 2 "either a file or --config"
    ingot params "$BARD" --config gpt2
    expect_error 2 "either a file or --config"
}

@test "GPT-3's categories are those of the well-known table" {
    ingot params --json --config gpt3-175b
    expect 0
    [ "$(json 'sorted(j["eight_categories"].items())')" = "[('attention output', 14495514624), ('down', 57982058496), ('embedding', 617558016), ('key', 14495514624), ('query', 14495514624), ('total', 175181291520), ('unembedding', 617558016), ('up', 57982058496), ('value', 14495514624)]" ]
}

# By hand: layers 2 * 12 * (4 * 768^2 + 2 * 768 * 3072), logits 2 * 50257 * 768, attention 4 * 12 * 768 * positions.
@test "operations, bytes and memory follow from the shapes" {
    layers=$((2 * 12 * (4 * 768 * 768 + 2 * 768 * 3072))) logits=$((2 * 50257 * 768)) one=$((4 * 12 * 768))
    ingot params --json --config gpt2 --ctx 100 --dtype f16
    expect 0
    [ "$(json 'j["cost"]["positions"], j["cost"]["dtype"]')" = "(100, 'f16')" ]
    [ "$(json 'j["cost"]["flops_decode"]')" = $((layers + logits + 100 * one)) ]
    [ "$(json 'j["cost"]["flops_decode_attention"]')" = $((100 * one)) ]
    [ "$(json 'j["cost"]["flops_prefill"]')" = $((100 * layers + logits + one * 5050)) ]
    [ "$(json 'j["cost"]["memory"]["weights"]')" = 249122304 ]
    [ "$(json 'j["cost"]["bytes_decode"]')" = $((249122304 - 1023 * 768 * 2 + 100 * 73728)) ]
    [ "$(json 'sum(v for k, v in j["cost"]["memory"].items() if k != "total") == j["cost"]["memory"]["total"]')" = True ]
    ingot params --json --config gpt2
    [ "$(json 'j["cost"]["positions"], j["cost"]["memory"]["kv_cache"] == j["kv_bytes"]')" = "(1024, True)" ]
}

@test "a file is worked out in its own dtype, within its own context" {
    ingot params --json "$BARD"
    [ "$(json 'j["cost"]["dtype"], j["cost"]["positions"]')" = "('f32', 256)" ]
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o half.ingot --dtype bf16
    ingot params --json half.ingot
    [ "$(json 'j["cost"]["dtype"]')" = bf16 ]
    ingot params "$BARD" --ctx 257
    expect_error 2 "257 positions; this model has 256"
}

@test "what q8 and q4 take is what such a file holds" {
    for dtypes in "q8 keep" "q4 keep" "q4 q8" "q8 f16" "q4 f32" "f16 q8"; do
        read -r dtype embedding <<<"$dtypes"
        [ "$embedding" != keep ] || embedding=$dtype
        "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o a.ingot -f --dtype "$dtype" --embedding "$embedding"
        ingot params --json a.ingot
        expect 0
        weights=$(json 'j["cost"]["memory"]["weights"], j["cost"]["dtype"], j["cost"]["embedding_dtype"], j["cost"]["kv_dtype"]')
        ingot ls --json a.ingot
        [ "$weights" = "$(json "sum(t['bytes'] for t in j['tensors'] if not t.get('alias_of')), '$dtype', '$embedding', 'f16'")" ]
    done
}

# By hand: panels of 16 outputs, steps of 64 inputs with 64 bytes of scales; 50,257 rows are 3142 panels.
@test "quantised sizes follow from the shapes" {
    panels=$((3142 * 12 + 12 * (144 * 12 + 48 * 12 + 192 * 12 + 48 * 48))) rest=$((1024 * 768 * 2 + 121344 * 4))
    ingot params --json --config gpt2 --dtype q8
    expect 0
    [ "$(json 'j["bytes"]["q8"], j["bytes"]["q4"]')" = "($((panels * 1088 + rest)), $((panels * 576 + rest)))" ]
    [ "$(json 'j["cost"]["memory"]["weights"] == j["bytes"]["q8"]')" = True ]
    [ "$(json 'j["cost"]["memory"]["kv_cache"], j["cost"]["kv_dtype"]')" = "($((75497472 / 2)), 'f16')" ]
    [ "$(json 'j["cost"]["bytes_decode"]')" = $((panels * 1088 + rest - 1023 * 768 * 2 + 75497472 / 2)) ]
}

@test "the drawing's parameters add up to all, tied or not, with biases or without" {
    for config in gpt2 gpt3-175b n_layer=3,n_head=5,n_embd=35,n_inner=7,tied=no,biases=no n_layer=1,n_head=1,n_embd=8,biases=no; do
        ingot params --json --draw --config $config
        expect 0
        [ "$(json 'sum(s["parameters"] * s["times"] for s in j["architecture"]) == j["parameters"]')" = True ]
    done
    ingot params --draw --config gpt2
    expect 0
    [[ $out == *"token ids"*"[50257, 768]"*"[1024, 768]"*"12 layers"*"[768, 2304]"*"[12, T, 64]"*"[768, 3072]"*"the token embedding again"*"[T, 50257]" ]]
    make_safetensors lone.safetensors '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' 1
    ingot params --draw lone.safetensors
    expect_error 2 lone.safetensors
}

@test "layers that are alike are one row, others have their own, in any order of the file" {
    ingot params --json --layers "$BARD"
    expect 0
    [ "$(json '[(r["first"], r["last"], r["parameters_each"]) for r in j["by_layer"]]')" = "[(0, 3, 198272)]" ]
    ingot params --json --layers --config n_layer=4,n_head=2,n_embd=128,n_vocab=2048,n_ctx=256
    [ "$(json '[(r["first"], r["last"], r["parameters_each"]) for r in j["by_layer"]]')" = "[(0, 3, 198272)]" ]
    make_safetensors mixed.safetensors '{"h.2.ln_1.bias":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"h.0.ln_1.bias":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"h.2.ln_2.bias":{"dtype":"U8","shape":[3],"data_offsets":[5,8]},"h.1.ln_1.bias":{"dtype":"U8","shape":[2],"data_offsets":[8,10]}}' 10
    ingot params --json --layers mixed.safetensors
    [ "$(json '[(r["first"], r["last"], r["norms"]) for r in j["by_layer"]]')" = "[(0, 1, 2), (2, 2, 6)]" ]
    ingot params --layers mixed.safetensors
    [[ $out == *0..1*2\ * ]]
}

@test "the tree folds layers that are alike, and depth cuts it" {
    ingot params --tree "$BARD"
    expect 0
    grep -qE '^h\.\{0\.\.3\} +48 tensors +793,088 ' out
    grep -qE '^    c_fc .* 2 tensors|^    c_fc +8 tensors +264,192 ' out
    grep -qE '^      weight +512 x 128 +f32 +262,144 ' out
    grep -qE '^lm_head.weight .*= wte.weight$' out
    ingot params --tree --depth 1 "$BARD"
    [ "$(sed '/^name/,$!d' out | wc -l)" = 6 ]
    ingot params --tree --json "$BARD"
    [ "$(json 'sum(b["parameters"] for b in j["tree"]), [b["name"] for b in j["tree"]]')" = "(1088256, ['h.{0..3}', 'lm_head.weight', 'ln_f', 'wpe.weight', 'wte.weight'])" ]
    [ "$(json '[c["name"] for c in j["tree"][0]["children"]]')" = "['attn', 'ln_{1..2}', 'mlp']" ]
    ingot params --tree --depth 2 "$INGOT_ROOT/tests/models/foreign/tensorflow"
    grep -q '^  h{0..1} ' out
    ingot params --tree --config gpt2
    expect_error 2 --tree
}

@test "only what is alike is folded: other shapes, other names, gaps and zeros in front are not" {
    make_safetensors t.safetensors '{"a.0.w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a.1.w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a.2.w":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"a.4.w":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"a.05.w":{"dtype":"U8","shape":[2],"data_offsets":[6,8]},"a.10.v":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},"a.9.w":{"dtype":"U8","shape":[2],"data_offsets":[10,12]}}' 12
    ingot params --tree --json t.safetensors
    expect 0
    [ "$(json '[(c["name"], c["tensors"], c["parameters"]) for c in j["tree"][0]["children"]]')" = "[('{0..1}.w', 2, 2), ('2.w', 1, 2), ('4.w', 1, 2), ('9.w', 1, 2), ('10.v', 1, 2), ('05.w', 1, 2)]" ]
}

@test "a head alone is counted as the token embedding to which it was tied" {
    mkdir lone
    cp "$INGOT_ROOT/tests/models/bard/config.json" lone
    python -IS - "$INGOT_ROOT/tests/models/bard/model.safetensors" lone/model.safetensors <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = data[8:8 + n].replace(b'"wte.weight"', b'"lm_head.weight"').rstrip()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(header)) + header + data[8 + n:])
END
    ingot params --json lone
    expect 0
    [ "$(json 'j["tied"], j["parameters"], j["categories"][0]["parameters"]')" = "(True, 1088256, 262144)" ]
}
