# hex: every field under its name of the specification, whatever state the file is in.

load common

# A small file with a section of every kind.
everything() {
    "$INGOT_BUILD/tests/tools/conformance_files" everything e.ingot
}

# "name: fault" of every line that has one.
faults() {
    json '"; ".join("%s %s: %s" % (l["part"], l["name"], l["fault"]) for l in j["lines"] if l["fault"])'
}

# Bytes, in hexadecimal, over those of a file.
put() { # file offset hex...
    local file=$1 at=$2 byte
    shift 2
    for byte; do
        printf '%b' "\\x$byte" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
        at=$((at + 1))
    done
}

@test "an intact file has no fault, and its lines cover it without gap or overlap" {
    ingot hex --json "$BARD"
    expect 0
    [ "$(json 'j["ok"], j["faults"]')" = "(True, 0)" ]
    everything
    ingot hex --json e.ingot 0:99999999999
    expect 0
    [ "$(json 'sum(l["bytes"] for l in j["lines"]) == j["bytes"]')" = True ]
    [ "$(json 'all(a["offset"] + a["bytes"] == b["offset"] for a, b in zip(j["lines"], j["lines"][1:]))')" = True ]
}

@test "fields have the names, offsets and sizes of the specification" {
    ingot hex --json "$BARD" 0:9000
    cp out a.json
    for section in @model @vocabulary; do "$INGOT" hex --json "$BARD" $section >$section.json; done
    python -IS - "$INGOT_ROOT/spec/format.md" <<'END'
import json, re, sys
tables, rows = [], None
for line in open(sys.argv[1]):
    if line.startswith("| offset | size | name |"): rows = []; tables.append(rows)
    elif rows is not None and re.match(r"\| \d+ \|", line): rows.append([c.strip() for c in line.split("|")[1:4]])
    elif rows is not None and not line.startswith("|"): rows = None
parts = [("a.json", "slot A"), ("a.json", "index"), ("a.json", "record 0: @chunks"), ("@model.json", "@model"), ("@vocabulary.json", "@vocabulary")]
assert len(tables) == len(parts)
for table, (path, part) in zip(tables, parts):
    lines = [l for l in json.load(open(path))["lines"] if l["part"] == part][:len(table)]
    base = lines[0]["offset"]
    got = [[str(l["offset"] - base), str(l["bytes"]), "" if l["name"] == "reserved" else l["name"]] for l in lines]
    assert got == table, (part, [p for p in zip(got, table) if p[0] != p[1]])
END
}

@test "bytes are those of the file" {
    ingot hex --json "$BARD" 8192:300
    expect 0
    json '"".join(l["hex"] for l in j["lines"])' >got
    first=$(json 'j["lines"][0]["offset"]')
    n=$(json 'sum(l["bytes"] for l in j["lines"])')
    od -An -v -tx1 -j "$first" -N "$n" "$BARD" | tr -d ' \n' >want
    echo >>want
    diff want got
}

@test "a tensor shows its values, @chunks its hashes by section, text its characters" {
    ingot hex "$BARD" ln_f.bias
    expect 0
    ingot cat "$BARD" 'ln_f.bias[0:3]'
    read -r a b _ <<<"$(tr '\n' ' ' <out)"
    ingot hex "$BARD" ln_f.bias
    [[ $out == *"${a:0:6}"*"${b:0:6}"* ]]
    ingot hex "$BARD" @chunks
    [[ $out == *"chunk 0 of wte.weight"* ]]
    ingot hex "$BARD" @metadata
    [[ $out == *"|"*producer*"|"* ]]
}

@test "every fault of a field is marked with its rule and is status 1" {
    everything
    while read -r offset rule bytes; do
        cp e.ingot bad.ingot
        # shellcheck disable=SC2086 # a list of bytes
        put bad.ingot "$offset" $bytes
        ingot hex --json bad.ingot
        expect 1
        [[ $(faults) == *"[$rule]"* ]] || { echo "$offset $rule: $(faults)"; return 1; }
    done <<'END'
0 F-1 00
8 F-10 09
12 F-11 01
16 F-12 01
32 F-13 00
40 F-85 00 22
47 F-14 01
48 F-17 01
56 F-18 01
64 F-19 00 00
73 F-15 30
76 F-16 01
200 F-16 01
248 F-4 00 00
300 F-81 07
8192 F-20 00
8204 F-21 00
8208 F-23 41
8216 F-23 00
8232 F-24 01
8250 F-25 01
8256 F-30 01
8260 F-31 00
8262 F-42 7f
8264 F-46 01
8268 F-43 09
8269 F-47 01
8271 F-36 01
8336 F-60 01
8343 F-61 01
8344 F-48 01
8376 F-64 01
END
    ingot hex bad.ingot
    expect 1
    [[ $out == *"target: 1  <-- "*"[F-64]"* ]]
}

@test "faults of @model are marked" {
    ingot hex --json "$BARD" @model
    at=$(json 'j["lines"][0]["offset"]')
    cp "$BARD" bad.ingot
    put bad.ingot "$at" 02
    put bad.ingot $((at + 8)) 03
    put bad.ingot $((at + 40)) 00 00 80 ff
    put bad.ingot $((at + 63)) 01
    ingot hex --json bad.ingot @model
    expect 1
    for rule in F-50 F-53 F-57 F-58; do [[ $(faults) == *"[$rule]"* ]]; done
}

@test "both superblocks gone: the index is found where a fresh file has it" {
    cp "$BARD" bad.ingot
    put bad.ingot 0 00 00 00
    put bad.ingot 4096 00 00 00
    ingot hex bad.ingot
    expect 1
    [[ $out == *"record 3: @provenance"* ]]
    ingot hex bad.ingot @model
    expect 0
    [[ $out == *"n_layer: 4"* ]]
}

@test "a file cut anywhere is shown as far as it goes" {
    everything
    for n in 1 100 4096 4200 8191 8192 8200 8255 8300 10100 10180 12000 15050 20000 9000; do
        head -c $n e.ingot >cut.ingot
        ingot hex --json cut.ingot
        expect 1
        [[ $(faults) == *"the file "* ]]
        [ "$(json 'all(len(l["hex"]) <= 2 * max(0, j["bytes"] - l["offset"]) for l in j["lines"])')" = True ]
    done
    ingot hex cut.ingot
    expect 1
    [[ $out == *"the file ends here"* ]]
}

@test "what is behind the end and between the sections is marked" {
    cp "$BARD" bad.ingot
    echo tail >>bad.ingot
    ingot hex bad.ingot
    expect 1
    [[ $out == *"torn tail"*F-85* ]]
    ingot hex --json "$BARD"
    at=$(json '[l["offset"] for l in j["lines"] if l["name"] == "padding"][0]')
    cp "$BARD" bad.ingot
    put bad.ingot "$at" 05
    ingot hex bad.ingot
    expect 1
    [[ $out == *"the byte at $at must be zero [F-82]"* ]]
}

@test "ranges: decimal, hexadecimal, beyond the end" {
    ingot hex "$BARD" 8200:4
    expect 0
    first=$out
    ingot hex "$BARD" 0x2008:4
    [ "$out" = "$first" ]
    [[ $out == *"n: "* ]]
    ingot hex "$BARD" 99999999999
    expect_error 2 "beyond the end"
    for bad in 0x 12x 5: :5 5:5:5 -1; do
        ingot hex "$BARD" -- $bad
        expect_error 2 "there is no section"
    done
    ingot hex "$BARD" wte.wight
    expect_error 2 "did you mean 'wte.weight'?"
}

@test "a hostile name reaches no terminal" {
    cp "$BARD" bad.ingot
    ingot hex --json "$BARD" index
    at=$(json '[l["offset"] for l in j["lines"] if l["name"] == "name"][0]')
    put bad.ingot "$at" 1b 5b 33 31 6d
    ingot hex bad.ingot
    expect 1
    [[ $out == *'\x1b[31m'* ]]
    [[ $out != *$'\e'* ]]
}

@test "of another checkpoint a tensor's bytes are shown, and a range of its file" {
    ingot hex "$INGOT_ROOT/tests/models/bard" ln_f.bias
    expect 0
    first=${out%%$'\n'*}
    [[ $first == *"  "*.* ]]
    ingot hex "$INGOT_ROOT/tests/models/bard/model.safetensors" 8:32
    expect 0
    [[ $out == *'|{"'* ]]
    ingot hex "$INGOT_ROOT/tests/models/bard" no.such
    expect_error 2 no.such
    ingot hex missing.ingot
    expect_error 5 missing.ingot
}

@test "on a terminal no line is wider than it, and nothing is left out" {
    need_terminal
    "$INGOT" hex "$BARD" 0:9000 | tr -d ' \n|' >whole
    for columns in 80 120; do
        script -qec "stty cols $columns; TERM=xterm NO_COLOR=1 '$INGOT' hex '$BARD' 0:9000" /dev/null </dev/null | tr -d '\r' >screen
        [ "$(wc -L <screen)" -le $columns ]
        grep -q 'content id: [0-9a-f]' screen
    done
    cmp <(tr -d ' \n|' <screen) whole
}
