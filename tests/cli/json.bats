# spec/json.md and what the commands print are the same; YAML is the same again.

load common
root=$INGOT_ROOT/tests/models
foreign=$root/foreign

# Runs a command for the table of that title; the exit code is its own business.
run_for() { # title word...
    local title=$1
    shift
    n=$((n + 1))
    { printf '%s\n' "$title"; "$INGOT" "$@" --json 2>/dev/null || true; } >"$n.keys"
    [ "$(wc -l <"$n.keys")" -gt 1 ] || { echo "no JSON: $*"; return 1; }
}

@test "every key that is printed stands on the page of JSON, and every key of the page is printed" {
    python -IS -c 0 2>/dev/null || skip "no python3"
    n=0
    cp "$BARD" bad.ingot
    damage bad.ingot 200000
    cp -r "$foreign/tensorflow" bad
    damage bad/model.ckpt.data-00000-of-00001 1000
    make_safetensors odd.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F4","shape":[2],"data_offsets":[8,9]}}' 8
    printf '\xff' >>odd.safetensors
    make_safetensors outlier.safetensors '{"w":{"dtype":"F32","shape":[40,40],"data_offsets":[0,6400]}}' 0
    { printf 'A%.0s' $(seq 6396); printf wwww; } >>outlier.safetensors
    run_for ls ls "$BARD"
    run_for ls ls "$root/torch/views.pt"
    for path in hf torch-zip nanogpt tensorflow gguf/tiny.gguf llmc/model.bin; do
        run_for ls ls "$foreign/$path"
        run_for params params "$foreign/$path" --tree --layers --draw
        run_for "show of a foreign checkpoint" show "$foreign/$path"
        run_for hash hash "$foreign/$path"
        run_for map map "$foreign/$path"
        run_for stats stats "$foreign/$path"
        run_for diff diff --all "$foreign/$path" "$BARD"
    done
    run_for params params "$BARD" --tree --layers --draw
    run_for params params --config gpt3-175b
    run_for params params odd.safetensors
    run_for show show "$BARD"
    run_for show show "$BARE"
    run_for "show of a tensor" show "$BARD" lm_head.weight
    run_for "show of a tensor" show "$root/torch/views.pt" transposed
    run_for "show of a section" show "$BARD" @model
    run_for "show --provenance, show --recipe" show --provenance "$BARD"
    run_for "show --provenance, show --recipe" show --recipe "$BARD"
    run_for verify verify bad.ingot
    run_for "verify of a foreign checkpoint" verify bad
    run_for cat cat "$BARD" 'wpe.weight[:2,:3]'
    run_for cpu cpu
    run_for bench bench "$BARE" --threads 1,2 --rounds 1 -n 2
    run_for bench bench "$BARD" --rounds 1 --no-start --depth 0 --prefill 8
    run_for tokenize tokenize "$BARD" -p "the king" --pieces
    run_for tokenize tokenize "$BARD" -p "1 2" --decode
    run_for eval eval "$BARD" --ids 1,2
    run_for eval eval "$BARE" --ids 1,2
    run_for hash hash "$BARD"
    run_for hash hash "$BARD" --sha256
    run_for map map --verify "$BARD"
    run_for score score "$BARD" --ids 1,2 --tokens
    run_for score score "$BARE" --ids 1,2 --tokens
    run_for stats stats outlier.safetensors
    run_for stats stats odd.safetensors
    run_for hex hex "$BARD"
    run_for "diff --logits" diff "$BARD" bad.ingot --ids 1,2
    run_for diff diff "$BARD" bad.ingot
    run_for diff diff -v "$BARD" "$BARE"
    run_for diff diff -v "$BARD" odd.safetensors
    run_for "convert --plan" convert --plan "$foreign/nanogpt"
    run_for report report "$BARD"
    run_for report report --no-stats "$foreign/gguf/tiny.gguf" -o page.html
    run_for report report --verify bad.ingot "$foreign/hf"
    python "$INGOT_ROOT/tests/tools/json_keys.py" "$INGOT_ROOT/spec/json.md" ./*.keys
}

@test "a key that is missing on the page, or in what is printed, or has another type, is found" {
    python -IS -c 0 2>/dev/null || skip "no python3"
    keys() { status=0; printf 't\n%s\n' "$1" >one.keys; python "$INGOT_ROOT/tests/tools/json_keys.py" page.md one.keys >said || status=$?; said=$(cat said); }
    printf '## t\n| `a` | integer | |\n| `b[].c` | string or null | |\n' >page.md
    keys '{"a": 1, "b": [{"c": null}, {"c": "x"}]}'
    [ "$status" = 0 ]
    keys '{"a": 1, "b": [{"c": "x", "d": 2}]}'
    [ "$status $said" = "1 t: b[].d (integer) is printed, but is not on the page" ]
    keys '{"a": 1}'
    [ "$status $said" = "1 t: b[].c is on the page, but nothing prints it" ]
    keys '{"a": true, "b": [{"c": "x"}]}'
    [ "$status $said" = "1 t: a is printed as boolean, the page says integer" ]
    printf '## u\n| `c` | integer | |\n## t\n| `a[]` | object: u or v or null | |\n## v\n| `d` | string | |\n' >page.md
    keys '{"a": [{"c": 1}, {"d": "x"}, null]}'
    [ "$status" = 0 ]
    keys '{"a": [{"c": 1}, {"d": "x", "e": 2}]}'
    [ "$status $said" = "1 t: a[].e (integer) is printed, but is not on the page" ]
    keys '{"a": [{"c": 1}, {"d": 2}]}'
    [ "$status $said" = "1 t: a[].d is printed as integer, the page says string" ]
    keys '{"a": 1}'
    [ "$status" = 1 ]
}

@test "a long list is printed as it comes: memory does not grow with the text" {
    # 40,000 tensors, which are 10 to 35 MB of text, in 80 MB of address space
    if grep -qE "__[at]san_init" "$INGOT"; then skip "a sanitizer's shadow memory does not fit"; fi
    make_safetensors many.safetensors "$(seq 40000 | awk '{
        printf "%s\"h.%d.w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[%d,%d]}", (NR > 1 ? "," : "{"), NR,
            8 * NR - 8, 8 * NR } END { print "}" }')" 320000
    for command in ls hash map stats; do
        local options=()
        case $command in hash | stats) options=(--threads 1) ;; esac
        (ulimit -v 80000 && exec "$INGOT" $command --json many.safetensors "${options[@]}" >$command.json 2>err) ||
            { echo "$command: $(<err)"; return 1; }
        [ "$(grep -c '"h\.[0-9]*\.w"' $command.json)" = 40000 ]
    done
}
