# map: every byte of a checkpoint's files is one region, drawn to scale.

load common
foreign=$INGOT_ROOT/tests/models/foreign

# Regions follow one another from 0 to the end of each file.
covers='all(f["regions"] and f["regions"][0]["offset"] == 0 and all(a["offset"] + a["bytes"] == b["offset"] for a, b in zip(f["regions"], f["regions"][1:])) and sum(r["bytes"] for r in f["regions"]) == f["bytes"] for f in j["files"])'

# The sum of what the picture of a file shows, and the number of its regions; fails when it is not well-formed.
svg() { # file
    python -IS - "$1" <<'END'
import re, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
name = "{http://www.w3.org/2000/svg}"
paths = list(root.iter(name + "path"))
assert root.get("role") == "img" and root.find(name + "title").text and root.find(name + "desc").text
assert all(p.find(name + "title").text for p in paths)
width, height = map(float, root.get("viewBox").split()[2:])
drawn = 0
for p in paths:
    for x, y, w in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v20h-", p.get("d")):
        assert 0 <= float(x) and float(x) + float(w) <= width and 0 < float(y) < height
        drawn += float(w)
print(sum(int(p.get("data-bytes")) for p in paths), len(paths), round(drawn))
END
}

@test "every byte of an .ingot file is in one region" {
    ingot map --json "$BARD"
    expect 0
    [ "$(json "$covers")" = True ]
    [ "$(json 'j["bytes"] == sum(k["bytes"] for k in j["kinds"].values())')" = True ]
    [ "$(json 'j["kinds"]["superblocks"]["bytes"], j["kinds"]["dead space"]["bytes"], j["kinds"]["structure"]["bytes"]')" = "(8192, 0, 0)" ]
    [ "$(json '[(r["offset"], r["name"]) for r in j["files"][0]["regions"]][:3]')" = "[(0, 'slot A'), (4096, 'slot B'), (8192, 'index')]" ]
}

@test "regions are where ls says that the tensors are, and padding is zero" {
    ingot ls --json "$BARD"
    json '"\n".join("%s %d %d" % (t["name"], t["offset"], t["bytes"]) for t in j["tensors"] if "alias_of" not in t)' | LC_ALL=C sort >want
    ingot map --json "$BARD"
    json '"\n".join("%s %d %d" % (r["name"], r["offset"], r["bytes"]) for r in j["files"][0]["regions"] if r["kind"] in ("embedding", "attention", "mlp", "norms"))' | LC_ALL=C sort >got
    diff want got
    json '"\n".join("%d %d" % (r["offset"], r["bytes"]) for r in j["files"][0]["regions"] if r["kind"] == "padding")' >padding
    [ -s padding ]
    while read -r offset bytes; do
        cmp -n "$bytes" -i "$offset:0" "$BARD" /dev/zero
    done <padding
}

@test "every format is covered, and its tensors have the kinds of a GPT-2" {
    for path in "$foreign"/* "$INGOT_ROOT/tests/models/bard"; do
        "$INGOT" ls "$path" >/dev/null 2>&1 || continue
        ingot map --json "$path"
        expect 0
        [ "$(json "$covers")" = True ] || { echo "$path"; return 1; }
        [ "$(json 'min(j["kinds"][k]["bytes"] for k in ("embedding", "attention", "mlp", "norms")) > 0, j["kinds"]["dead space"]["bytes"]')" = "(True, 0)" ] || { echo "$path"; return 1; }
    done
}

@test "a tail behind the recorded end is dead space" {
    cp "$BARD" long.ingot
    head -c 5000 /dev/zero >>long.ingot
    ingot map --json long.ingot
    expect 0
    [ "$(json "$covers, j['kinds']['dead space']['bytes']")" = "(True, 5000)" ]
}

@test "tensors that share bytes: the first has them, and the sum is the file" {
    make_safetensors tied.safetensors '{"a":{"dtype":"U8","shape":[100],"data_offsets":[0,100]}}' 100
    ingot map --json tied.safetensors
    [ "$(json "$covers, [r['shared_with'] for r in j['files'][0]['regions']]")" = "(True, [0, 0])" ]
    [ -d "$INGOT_ROOT/../shared/corpus/torch" ] || skip "no corpus"
    for path in "$INGOT_ROOT"/../shared/corpus/torch/*; do
        "$INGOT" ls "$path" >/dev/null 2>&1 || continue
        ingot map --json "$path"
        expect 0
        [ "$(json "$covers")" = True ] || { echo "$path"; return 1; }
    done
}

@test "the drawing has a letter for each piece of the file, and says what letters mean" {
    ingot map "$BARD"
    expect 0
    letters=$(sed -n 's/^ *[0-9][0-9]*  \([A-Za-z!]*\)$/\1/p' out | tr -d '\n')
    [ ${#letters} -gt 900 ]
    [ ${#letters} -le 1024 ]
    [[ ${letters^^} == SSII*VVV*EEE*AAA*FFF* ]]
    for word in superblocks index vocabulary metadata embedding attention mlp norms padding; do [[ $out == *"$word"* ]]; done
    [[ $out != *$'\e'* ]]
}

@test "--verify marks the damaged region in every form, and the status is 1" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"][0] + 99')"
    ingot map bad.ingot
    expect 0
    [[ $out != *'!'* ]]
    ingot map --verify bad.ingot
    expect 1
    [[ $out == *'F!'* || $out == *'f!'* || $out == *'!!'* ]]
    ingot map --verify --json bad.ingot
    expect 1
    [ "$(json '[r["name"] for r in j["files"][0]["regions"] if r["damaged"]], j["verified"]')" = "(['h.1.mlp.c_fc.weight'], True)" ]
    ingot map --verify --long bad.ingot
    expect 1
    [ "$(grep -c 'damaged$' out)" = 2 ] # the title and the row
    ingot map --verify --svg bad.svg bad.ingot
    expect 1
    [ "$(grep -c 'class="k[A-Z] damaged"' bad.svg)" = 1 ]
    ingot map --verify --json "$BARD"
    expect 0
    [ "$(json 'any(r["damaged"] for r in j["files"][0]["regions"])')" = False ]
}

@test "--verify uses the checksums of another format" {
    mkdir tf
    cp "$foreign"/tensorflow/* tf 2>/dev/null || skip "no TensorFlow model"
    ingot map --verify --json tf
    expect 0
    data=$(find tf -name '*.data-*')
    damage "$data" 400
    ingot map --verify --json tf
    expect 1
    [ "$(json 'sum(r["damaged"] for f in j["files"] for r in f["regions"])')" = 1 ]
}

@test "without checksums nothing is said about damage" {
    ingot map --verify --json "$INGOT_ROOT/tests/models/bard"
    expect 0
    [ "$(json 'j["verified"], set(r["damaged"] for f in j["files"] for r in f["regions"])')" = "(False, {None})" ]
}

@test "the picture is well-formed, shows every region, and sums up to the file" {
    ingot map --svg bard.svg "$BARD"
    expect 0
    [ -z "$out$err" ]
    ingot map --json "$BARD"
    size=$(stat -c %s "$BARD")
    read -r sum n drawn <<<"$(svg bard.svg)"
    [ "$sum" = "$size" ]
    [ "$n" = "$(json 'len(j["files"][0]["regions"])')" ]
    [ "$drawn" = $(((size * 960 + (size / 40 + 1) / 2) / (size / 40 + 1))) ]
    grep -q prefers-color-scheme bard.svg
}

@test "a picture is not written over a file without -f, and never over the model" {
    cp "$BARD" m.ingot
    : >m.svg
    ingot map --svg m.svg m.ingot
    expect_error 5 m.svg "exists already"
    [ ! -s m.svg ]
    ingot map -f --svg m.svg m.ingot
    expect 0
    [ -s m.svg ]
    ingot map -f --svg m.ingot m.ingot
    expect_error 2 m.ingot
    cmp m.ingot "$BARD"
}

@test "hostile names reach neither terminal nor markup" {
    make_safetensors evil.safetensors '{"</title><script>&\u001b[31m\"'"'"'\ufffe":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    mv evil.safetensors "<&>.safetensors"
    ingot map --svg evil.svg "<&>.safetensors"
    expect 0
    svg evil.svg
    refute grep -q '<script' evil.svg
    refute grep -q $'\e' evil.svg
    grep -q '&lt;/title&gt;&lt;script&gt;&amp;\\x1b\[31m&quot;&apos;\\xef\\xbf\\xbe' evil.svg
    ingot map --long "<&>.safetensors"
    [[ $out == *'\x1b[31m'* ]]
    [[ $out != *$'\e'* ]]
}

@test "what cannot be opened is an error" {
    ingot map missing.ingot
    expect_error 5 missing.ingot
    head -c 9000 "$BARD" >short.ingot
    ingot map short.ingot
    expect_error 3 short.ingot
    ingot map --svg no/such/dir.svg "$BARD"
    expect_error 5 no/such
}
