# report: the page, as a browser has it. Without a Chromium these are skipped.

load ../cli/common
foreign=$INGOT_ROOT/tests/models/foreign

# One check of report.py on a page.
browse() { # check page [JSON...]
    local program
    program=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "no chromium"
    python -IB -c 'import runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0])' \
        "$INGOT_ROOT/tests/browser" "$INGOT_ROOT/tests/browser/report.py" "$program" "$@"
}

@test "a page sorts, searches, turns dark, is led by keys, fits a phone, and its totals are those of ls and params" {
    ingot report --verify "$BARD" -o page.html
    expect 0
    "$INGOT" ls --json "$BARD" >ls.json
    "$INGOT" params --json "$BARD" >params.json
    browse reading page.html ls.json params.json
}

@test "a page of another format is no different" {
    ingot report "$foreign/hf-sharded" -o page.html
    expect 0
    "$INGOT" ls --json "$foreign/hf-sharded" >ls.json
    "$INGOT" params --json "$foreign/hf-sharded" >params.json
    browse reading page.html ls.json params.json
}

@test "a comparison shows what differs first, sorts, searches, is led by keys, and says what its JSON says" {
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" --dtype q8 -o small.ingot
    ingot report --json "$BARD" small.ingot -o page.html
    expect 0
    browse comparing page.html out
}

@test "a comparison of equal checkpoints in two formats has nothing marked" {
    ingot report --json "$BARD" "$INGOT_ROOT/tests/models/bard/model.safetensors" -o page.html
    expect 0
    browse comparing page.html out
}

@test "names that are markup are text" {
    make_hostile '<img src=x onerror=alert(2)>.safetensors'
    ingot report '<img src=x onerror=alert(2)>.safetensors' -o page.html
    expect 0
    "$INGOT" ls --json '<img src=x onerror=alert(2)>.safetensors' >ls.json
    browse hostile page.html ls.json
    cp '<img src=x onerror=alert(2)>.safetensors' other.safetensors
    damage other.safetensors $(($(stat -c %s other.safetensors) - 1))
    ingot report '<img src=x onerror=alert(2)>.safetensors' other.safetensors -o both.html
    expect 0
    browse hostile both.html ls.json
}

@test "of a table that is too long to lay out at once every row is found, and is there without the script" {
    "$INGOT_BUILD/tests/tools/random_checkpoint" long --n_layer 50 --n_head 1 --n_embd 16 --n_ctx 8 --n_vocab 17
    ingot report long -o page.html
    expect 0
    "$INGOT" ls --json long >ls.json
    browse many page.html ls.json
}
