# hash: digests of files, sections and tensors, and lines for xxhsum.

load common
foreign=$INGOT_ROOT/tests/models/foreign

@test "the digests of an .ingot file's sections are those of its index" {
    ingot hash --json "$BARD"
    expect 0
    [ "$(json 'j["ok"], all(s["digest"] == s["recorded"] for s in j["sections"]), len(j["sections"]) > 50')" = "(True, True, True)" ]
    content_id=$(json 'j["content_id"]')
    ingot show --json "$BARD"
    [ "$(json 'j["content_id"]')" = "$content_id" ]
}

@test "a damaged section has another digest than its index says, and the status is 1" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "wpe.weight"][0] + 77')"
    ingot hash --json bad.ingot
    expect 1
    [ "$(json 'j["ok"], [s["name"] for s in j["sections"] if s["digest"] != s["recorded"]]')" = "(False, ['wpe.weight'])" ]
    ingot hash bad.ingot
    expect 1
    [[ $out == *"in the index"* ]]
    ingot hash "$BARD"
    expect 0
    [[ $out != *"in the index"* ]]
}

@test "a tensor of a source has the digest that the provenance of its result records" {
    ingot hash --json "$INGOT_ROOT/tests/models/bard"
    expect 0
    json '"\n".join(sorted(t["name"] + " " + t["digest"] for t in j["tensors"]))' >want
    "$INGOT" show --provenance "$BARD" | sed -n 's/^    name: "\(.*\)"$/\1/p; s/^    digest: "\(.*\)"$/\1/p' |
        paste -d ' ' - - | LC_ALL=C sort -u >got
    [ -s got ]
    diff want got
}

@test "an alias has its tensor's digest, and the number of threads changes nothing" {
    ingot hash --json --threads 1 "$BARD"
    one=$out
    [ "$(json '[s["digest"] for s in j["sections"] if s["name"] == "lm_head.weight"] == [s["digest"] for s in j["sections"] if s["name"] == "wte.weight"]')" = True ]
    ingot hash --json --threads 7 "$BARD"
    [ "$out" = "$one" ]
}

@test "xxhsum checks a manifest of a file and of a directory, and sees a change" {
    command -v xxhsum >/dev/null || skip "no xxhsum"
    cp "$BARD" "with a blank.ingot"
    mkdir dir
    cp "$INGOT_ROOT"/tests/models/bard/* dir
    for what in "with a blank.ingot" dir dir/model.safetensors; do
        ingot hash --manifest "$what"
        expect 0
        cp out manifest
        xxhsum -c manifest
        [ "$(wc -l <manifest)" -ge 1 ]
    done
    damage dir/model.safetensors 5000
    refute xxhsum -c manifest
}

@test "a manifest's lines are those that xxhsum writes" {
    command -v xxhsum >/dev/null || skip "no xxhsum"
    ingot hash -m "$BARD"
    [ "$out" = "$(xxhsum -H2 "$BARD")" ]
}

@test "a name that would break a line of a manifest is refused" {
    cp "$BARD" $'two\nlines.ingot'
    ingot hash -m $'two\nlines.ingot'
    expect_error 4 'two\x0alines.ingot' "rename it"
    ingot hash --json $'two\nlines.ingot'
    expect 0
    [ "$(json 'j["files"][0]["file"]')" = $'two\nlines.ingot' ]
}

@test "every format is hashed: tensors and files" {
    for path in "$foreign"/*; do
        "$INGOT" ls "$path" >/dev/null 2>&1 || continue
        ingot hash --json "$path"
        expect 0
        [ "$(json 'len(j["files"]) > 0, len(j["tensors"]) > 10, all(len(t["digest"]) == 32 for t in j["tensors"])')" = "(True, True, True)" ]
    done
}

@test "a hostile name reaches no terminal" {
    make_safetensors evil.safetensors '{"a\u001b[31m\n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    ingot hash evil.safetensors
    expect 0
    [[ $out == *'a\x1b[31m\x0a'* ]]
    [[ $out != *$'\e'* ]]
}

@test "the digest of a tensor without bytes is that of no bytes" {
    make_safetensors empty.safetensors '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' 1
    ingot hash --json empty.safetensors
    expect 0
    [ "$(json '[t["digest"] for t in j["tensors"] if t["name"] == "a"]')" = "['99aa06d3014798d86001c324468d497f']" ]
}

@test "what cannot be opened is an error" {
    ingot hash missing.ingot
    expect_error 5 missing.ingot
    head -c 9000 "$BARD" >short.ingot
    ingot hash short.ingot
    expect_error 3 short.ingot
}

@test "sha256sum -c checks what --sha256 prints, of one file and of several" {
    cp -r "$foreign/hf-sharded" dir
    ingot hash --sha256 dir
    expect 0
    cp out manifest
    [ "$(grep -c safetensors manifest)" -ge 2 ]
    sha256sum --quiet -c manifest
    ingot hash --json --sha256 dir
    [ "$(json 'j["files"][0]["sha256"]')" = "$(head -c 64 manifest)" ]
    damage dir/model-00001-of-00002.safetensors 30000
    refute sha256sum --quiet -c manifest
}

@test "SHA-256 of every length around a block is that of sha256sum" {
    for n in $(seq 0 70) 119 120 127 128 129 4194303 4194304 4194305; do
        make_safetensors "$n.safetensors" "{\"a\":{\"dtype\":\"U8\",\"shape\":[$n],\"data_offsets\":[0,$n]}}" "$n"
        ingot hash --sha256 "$n.safetensors"
        [ "$out" = "$(sha256sum "$n.safetensors")" ]
    done
}

@test "on a terminal however narrow the digests are there, whole" {
    need_terminal
    script -qec "stty cols 50; NO_COLOR=1 TERM=xterm '$INGOT' hash -q '$BARD'" /dev/null </dev/null | tr -d '\r' >screen
    grep -q '^[0-9a-f]\{32\}  wte.weight' screen
    refute grep -q 'kind\|bytes' screen
    script -qec "stty cols 40; NO_COLOR=1 TERM=xterm '$INGOT' hash -q '$BARD'" /dev/null </dev/null | tr -d '\r' >screen
    grep -q '^[0-9a-f]\{32\}  h.0.mlp.c_proj.weight$' screen # names neither: six letters would say nothing
    script -qec "stty cols 30; NO_COLOR=1 TERM=xterm '$INGOT' hash -q '$BARD'" /dev/null </dev/null | tr -d '\r' >screen
    grep -q '^[0-9a-f]\{32\}  wte.weight' screen
}
