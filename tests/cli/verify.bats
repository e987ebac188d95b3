# verify: yes is silent, no is a list and status 1.

load common

@test "an intact file is silent" {
    ingot verify "$BARD"
    expect 0
    [ -z "$out$err" ]
}

@test "-v says so on stderr" {
    ingot verify -v "$BARD"
    expect 0
    [ -z "$out" ]
    [[ $err == *": ok, "* ]]
}

@test "a damaged byte is found in its section" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    offset=$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.2.mlp.c_fc.weight"][0]')
    damage bad.ingot $((offset + 1234))
    ingot verify bad.ingot
    expect 1
    [[ $out == *h.2.mlp.c_fc.weight*$offset*digest* ]]
    ingot verify --json bad.ingot
    expect 1
    [ "$(json 'j["ok"], len(j["damage"]), j["damage"][0]["section"]')" = "(False, 1, 'h.2.mlp.c_fc.weight')" ]
    [ "$(json 'j["damage"][0]["code"], j["damage"][0]["status"]')" = "(109, 'digest')" ]
    [ "$(json "j['damage'][0]['offset'] <= $offset + 1234 < j['damage'][0]['offset'] + j['damage'][0]['bytes']")" = True ]
}

@test "on a narrow terminal what is wrong is told on several lines, not cut" {
    need_terminal
    cp "$BARD" bad.ingot
    ingot ls --json bad.ingot
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"][0] + 99')"
    script -qec "stty cols 70; NO_COLOR=1 TERM=xterm '$INGOT' verify -q bad.ingot" /dev/null </dev/null | tr -d '\r' >screen
    [ "$(wc -l <screen)" = 3 ]
    [ "$(wc -L <screen)" -le 70 ]
    [[ $(sed -n 2p screen) =~ ^h\.1\.mlp\.c_fc\.weight\ +[0-9]+\ +262144\ +digest\ +these\ bytes\ differ\ from ]]
    [[ $(sed -n 3p screen) =~ ^\ +their\ digest$ ]]
}

@test "several damages are all listed" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    for name in wpe.weight ln_f.bias; do
        damage bad.ingot "$(json "[t['offset'] for t in j['tensors'] if t['name'] == '$name'][0]")"
    done
    ingot verify bad.ingot
    expect 1
    [[ $out == *wpe.weight* ]]
    [[ $out == *ln_f.bias* ]]
}

@test "a damaged superblock slot is damage, though the file opens" {
    cp "$BARD" bad.ingot
    damage bad.ingot 4200
    ingot verify bad.ingot
    expect 1
    [[ $out == *superblock* ]]
}

@test "bytes behind the end are damage" {
    cp "$BARD" long.ingot
    echo more >>long.ingot
    ingot verify long.ingot
    expect 1
    [ -n "$out" ]
}

@test "a file that cannot be opened is an error, not an answer" {
    head -c 100000 "$BARD" >cut.ingot
    ingot verify cut.ingot
    expect_error 3 cut.ingot
    ingot verify nowhere
    expect_error 5 nowhere
    echo garbage >bad.ingot
    ingot verify bad.ingot
    expect_error 3 bad.ingot "not an .ingot file"
    rm bad.ingot
    echo garbage >garbage
    ingot verify garbage
    expect_error 4 garbage
}

@test "a checkpoint without checksums is said to have none" {
    for path in "$INGOT_ROOT"/tests/models/{bard,bard/model.safetensors,foreign/gguf/tiny.gguf,foreign/llmc/model.bin}; do
        ingot verify "$path"
        expect 0
        [ -z "$out" ]
        [[ $err == "ingot: $path: no checksums"* ]]
        ingot verify -q "$path"
        expect 0
        [ -z "$err" ]
        ingot verify --json "$path"
        expect 0
        [ "$(json 'j["ok"], j["checksums"], j["damage"]')" = "(True, 0, [])" ]
    done
}

@test "threads change nothing" {
    cp "$BARD" bad.ingot
    damage bad.ingot 1000000
    ingot verify --json --threads 1 bad.ingot
    expect 1
    one=$out
    ingot verify --json --threads 4 bad.ingot
    expect 1
    [ "$one" = "$out" ]
}

@test "a file that shrinks under the reader is an error message" {
    cp "$BARE" shrink.ingot
    "$INGOT" run shrink.ingot --ids 1 -n 4000000000 --slide >text 2>err &
    pid=$!
    while [ ! -s text ]; do sleep 0.01; done
    truncate -s 8192 shrink.ingot
    status=0
    wait $pid || status=$?
    [ $status -eq 5 ]
    [[ $(cat err) == *"shrink.ingot: the file became shorter"* ]]
}
