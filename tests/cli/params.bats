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
