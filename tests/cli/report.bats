# report: one page that holds all about a checkpoint, and nothing of which a stranger could choose the markup.

load common
foreign=$INGOT_ROOT/tests/models/foreign

# The page is well-formed as far as that can be told without a browser: elements close in order, ids are unique, links
# inside lead somewhere, nothing is fetched, no attribute runs anything. Prints the text of the tags named.
page() { # file [tag]
    python -IS - "$@" <<'END'
import sys
from html.parser import HTMLParser

EMPTY = {"meta", "input", "br", "img", "link", "base"}

class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.texts, self.tags = [], [], [], [], {}
    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("style", "src", "action", "srcdoc"), (tag, name)
            if name == "id": self.ids.append(value)
            if name == "href":
                assert value.startswith("#"), value
                self.links.append(value[1:])
        if tag not in EMPTY: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY: self.open.pop()
    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())
    def handle_data(self, data):
        if len(sys.argv) > 2 and sys.argv[2] in self.open: self.texts.append(data)

page = Page()
page.feed(open(sys.argv[1], encoding="utf-8", newline="").read())
assert not page.open, page.open
assert len(set(page.ids)) == len(page.ids)
assert set(page.links) <= set(page.ids), set(page.links) - set(page.ids)
assert page.tags["script"] == 1 and page.tags["style"] == 2 and page.tags["h1"] == 1 and page.tags["main"] == 1
assert not set(page.tags) & {"img", "link", "iframe", "object", "embed", "base", "form"}
print("".join(page.texts))
END
}

@test "a page is made of every format, and says what the other commands say" {
    for path in "$BARD" "$INGOT_ROOT/tests/models/bard" "$foreign"/* "$INGOT_ROOT"/tests/models/gguf/*.gguf; do
        "$INGOT" ls "$path" >/dev/null 2>&1 || continue
        ingot report "$path" -f -o page.html
        expect 0
        [ -z "$out$err" ]
        page page.html main >text || { echo "$path"; return 1; }
        ingot ls --json "$path"
        [ "$(json 'len(j["tensors"])')" = "$(grep -c '<tr id="t[0-9]*">' page.html)" ] || { echo "$path"; return 1; }
    done
}

@test "the same file gives the same bytes on any number of threads, and - is the standard output" {
    ingot report "$BARD" -o a.html
    ingot report -t 1 "$BARD" -o b.html
    cmp a.html b.html
    "$INGOT" report -t 3 "$BARD" -o - >c.html
    cmp a.html c.html
    "$INGOT" report -t 1 "$BARD" "$foreign/hf" -o - >d.html
    "$INGOT" report -t 3 "$BARD" "$foreign/hf" -o - >e.html
    cmp d.html e.html
}

@test "the policy names the hashes of just the styles and the script that are there" {
    ingot report "$BARD" -o page.html
    python -I - page.html <<'END'
import base64, hashlib, re, sys
text = open(sys.argv[1], encoding="utf-8", newline="").read()
policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "*" not in policy
parts = re.findall(r"<(style|script)[^>]*>(.*?)</\1>", text, re.S)
want = ["'sha256-%s'" % base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for tag, body in parts]
assert sorted(want) == sorted(re.findall(r"'sha256-[^']*'", policy)), (want, policy)
END
}

@test "names that are markup are text, and none steers the direction of writing" {
    make_hostile '<title><script>&.safetensors'
    ingot report '<title><script>&.safetensors' -o page.html
    expect 0
    page page.html h1 >title
    grep -qF '<title><script>&.safetensors' title
    page page.html main >text
    grep -qF '</script><script>window.was_here = 1</script>' text
    grep -qF 'a\xe2\x80\xaeb' text
    refute grep -qP '\x1b|\xe2\x80\xae|\xe2\x81\xa6' page.html
    refute grep -q '<script>window' page.html
}

@test "values beside the tensors are text as well" {
    python -IS - evil.gguf <<'END'
import struct, sys
def text(s):
    s = s.encode()
    return struct.pack("<Q", len(s)) + s
head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2)
head += text("general.architecture") + struct.pack("<I", 8) + text("</dd><script>window.was_here = 2</script>\u202e")
head += text("<b>k</b>") + struct.pack("<I", 8) + text("&amp;\"'")
head += text("x") + struct.pack("<IQIQ", 1, 8, 0, 0)
open(sys.argv[1], "wb").write(head + bytes(-len(head) % 32 + 32))
END
    ingot report evil.gguf -o page.html
    expect 0
    page page.html dt | grep -qF '<b>k</b>'
    page page.html dd >values
    grep -qF '</dd><script>window.was_here = 2</script>\xe2\x80\xae' values
    grep -qF "&amp;\"'" values
}

@test "statistics may be left out" {
    ingot report --no-stats "$BARD" -o page.html
    expect 0
    page page.html
    refute grep -q 'class="spark"' page.html
    ingot report "$BARD" -f -o page.html
    [ "$(grep -o 'class="spark"' page.html | wc -l)" = 53 ] # 52 tensors and all together
}

@test "verification is claimed only when it was done, and damage is shown" {
    ingot report "$BARD" -o page.html
    page page.html dd | grep -q 'not done'
    ingot report --verify "$BARD" -f -o page.html
    expect 0
    page page.html dd | grep -q 'every checksum fits'
    ingot report --verify "$INGOT_ROOT/tests/models/bard" -f -o page.html
    expect 0
    page page.html dd | grep -q 'no checksums'
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"][0] + 99')"
    ingot report --verify bad.ingot -f -o page.html
    expect 1
    page page.html dd | grep -q DAMAGED
    grep -q '>damaged</th>' page.html
    grep -q 'class="kF damaged"' page.html
}

@test "NaN and infinities are counted, and figures are of what is finite" {
    python -IS - nan.safetensors <<'END'
import struct, sys
header = b'{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"y":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}'
nan, inf = float("nan"), float("inf")
open(sys.argv[1], "wb").write(struct.pack("<Q", len(header)) + header + struct.pack("<6f", nan, 1, -inf, 2, nan, nan))
END
    ingot report nan.safetensors -o page.html
    expect 0
    page page.html
    grep '<tr id="t0">' page.html | grep -q '<td>1</td><td>2</td><td>1.5</td><td>0.5</td><td class="bad">2</td>'
    grep '<tr id="t1">' page.html | grep -q '<td></td><td></td><td></td><td></td><td class="bad">2</td><td></td>'
}

@test "ten thousand tensors: the pictures stay small" {
    python -IS - many.safetensors <<'END'
import struct, sys
header = ",".join('"layer.%d.part%d":{"dtype":"U8","shape":[8],"data_offsets":[%d,%d]}' % (i // 10, i, 8 * i, 8 * i + 8) for i in range(10000))
header = ("{" + header + "}").encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(header)) + header + bytes(80000))
END
    ingot report many.safetensors -o page.html
    expect 0
    page page.html
    [ "$(grep -c '<tr id="t' page.html)" = 10000 ]
    [ "$(grep -c 'data-offset' page.html)" -lt 8000 ]
    [ "$(stat -c %s page.html)" -lt 8000000 ]
}

@test "of more tensors the largest have a row, and that is said; sums are those of all" {
    python -IS - many.safetensors <<'END'
import struct, sys
header = ",".join('"t%d":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}' % (i, 2 if i < 10002 else 3, 2 * i, 2 * i + (2 if i < 10002 else 3)) for i in range(10003))
header = ("{" + header + "}").encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(header)) + header + bytes(20007))
END
    ingot report --no-stats many.safetensors -o page.html
    expect 0
    page page.html
    [ "$(grep -c '<tr id="t' page.html)" = 10000 ]
    grep -q '<tr id="t10002">' page.html # the largest, then those in front
    grep -q '<tr id="t9998">' page.html
    refute grep -q '<tr id="t9999">' page.html
    grep -q 'The table has 10,000 of 10,003 tensors, the largest; 3 are left out' page.html
    grep -q '<data id="bytes-sum" value="20007">' page.html
    ingot report --no-stats many.safetensors many.safetensors -f -o page.html
    expect 0
    page page.html
    [ "$(grep -c '<tr id="t' page.html)" = 10000 ]
    grep -q '<tr id="t10002">' page.html
    grep -q 'The table has 10,000 of 10,003 tensors, first those that differ, then the largest; 3 are left out' page.html
}

@test "of more pairs than there are rows those that differ have one, and nothing leads to those that have none" {
    python -IS - <<'END'
import struct
sizes = [2] * 10001 + [50000]
for name, low, last in ("a", b"\1", b"\1"), ("b", b"\2", b"\x09"):
    header, at = [], 0
    for i, n in enumerate(sizes):
        header.append('"t%d":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}' % (i, n, at, at + n))
        at += n
    header = ("{" + ",".join(header) + "}").encode()
    with open(name + ".safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + low * 20000 + last * 2 + bytes(50000))
END
    ingot report --no-stats a.safetensors b.safetensors -o page.html
    expect 0
    page page.html
    [ "$(grep -c '<tr id="t' page.html)" = 10000 ]
    refute grep -q '<tr id="t1000[01]"' page.html # of those that differ the last, and the large one that does not
    grep -q '<li>t10000 <span' page.html # though it differs most
    grep -q '<li><a href="#t0">t0</a>' page.html
    [ "$(grep -c '<g><title>t10001, 50000' page.html)" = 2 ]
}

@test "a page is not written over a file without -f, and never over a model" {
    cp "$BARD" m.ingot
    : >page.html
    ingot report m.ingot -o page.html
    expect_error 5 page.html "exists already"
    [ ! -s page.html ]
    ingot report m.ingot -f -o page.html
    expect 0
    [ -s page.html ]
    ingot report m.ingot -f -o m.ingot
    expect_error 2 m.ingot
    ingot report "$BARD" m.ingot -f -o m.ingot
    expect_error 2 m.ingot
    cmp m.ingot "$BARD"
}

@test "what cannot be read is an error, and leaves no page" {
    ingot report missing.ingot -o page.html
    expect_error 5 missing.ingot
    head -c 9000 "$BARD" >short.ingot
    ingot report short.ingot -o page.html
    expect_error 3 short.ingot
    ingot report "$BARD" missing.ingot -o page.html
    expect_error 5 missing.ingot
    ingot report "$BARD"
    expect_error 2 report "no name for the page"
    ingot report --json "$BARD" -o -
    expect_error 2 report "both go to the standard output"
    [ ! -e page.html ]
}

@test "JSON holds what show, params, ls, stats and map print, with a page or without" {
    ingot report --json "$BARD" -t 1
    expect 0
    cp out one.json
    ingot report --json "$BARD" -o page.html
    expect 0
    [ -s page.html ]
    "$INGOT" show --json "$BARD" >show.json
    "$INGOT" params --json --layers --draw "$BARD" >params.json
    "$INGOT" ls --json "$BARD" >ls.json
    "$INGOT" stats --json "$BARD" >stats.json
    "$INGOT" map --json "$BARD" >map.json
    python -IS - out one.json <<'END'
import json, sys
j, one = (json.load(open(f)) for f in sys.argv[1:])
assert one["page"] is None and j["page"] == "page.html" and j["diff"] is None and len(j["files"]) == 1
assert one["files"] == j["files"]
forget = lambda v: [forget(x) for x in v] if isinstance(v, list) else {k: forget(x) for k, x in v.items() if k != "resident_bytes"} if isinstance(v, dict) else v
for part in "show", "params", "ls", "stats", "map":
    assert forget(j["files"][0][part]) == forget(json.load(open(part + ".json"))), part
assert "XXH3" in j["files"][0]["provenance"] and j["files"][0]["damaged"] is None
END
    ingot report --json --verify "$BARD"
    [ "$(json 'j["files"][0]["damaged"]')" = 0 ]
    ingot report --yaml --no-stats "$BARD"
    expect 0
    [[ $out == *"parameters:"* && $out == *"stats: null"* ]]
}

@test "JSON of two files holds the comparison and both, and verification is told of either" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"][0] + 99')"
    ingot report --json --verify "$BARD" bad.ingot -o page.html
    expect 1
    page page.html
    cp out two.json
    "$INGOT" diff --verbose --json "$BARD" bad.ingot >diff.json || [ $? -eq 1 ]
    python -IS - two.json diff.json <<'END'
import json, sys
j, diff = (json.load(open(f)) for f in sys.argv[1:])
assert j["diff"] == diff
assert [f["show"]["file"] for f in j["files"]] == [diff["a"]["file"], diff["b"]["file"]]
assert j["files"][0]["damaged"] == 0 and j["files"][1]["damaged"] > 0
END
}

@test "of two files in whatever formats a page is made, with histograms of all that corresponds" {
    for path in "$foreign"/*; do
        "$INGOT" ls "$path" >/dev/null 2>&1 || continue
        ingot report "$foreign/hf" "$path" -f -o page.html
        expect 0
        page page.html main >text || { echo "$path"; return 1; }
        ingot diff --verbose --quiet --json "$foreign/hf" "$path"
        [ "$(json 'len(j["tensors"])')" = "$(grep -c '<tr id="t[0-9]*"' page.html)" ] || { echo "$path"; return 1; }
        [ "$(json 'len([t for t in j["tensors"] if t["a"]])')" -le "$(grep -c 'class="spark both"' page.html)" ] || { echo "$path"; return 1; }
    done
}

@test "a comparison shows what differs first, marks it in both treemaps, and what is stated only in one" {
    cp "$BARD" bad.ingot
    ingot ls --json "$BARD"
    damage bad.ingot "$(json '[t["offset"] for t in j["tensors"] if t["name"] == "h.1.mlp.c_fc.weight"][0] + 99')"
    ingot report "$BARD" bad.ingot -o page.html
    expect 0
    page page.html h3 >titles
    grep '<tr id="t' page.html | head -n 1 | grep -q 'class="differs"><th scope="row">h.1.mlp.c_fc.weight</th><td>values'
    [ "$(grep -c 'class="corner"' page.html)" = 2 ]
    grep -q 'Both state the same beside their tensors' page.html
    refute grep -q '<mark>' page.html
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" --dtype f16 -o half.ingot
    ingot report --no-stats "$BARD" half.ingot -f -o page.html
    expect 0
    page page.html mark >marked
    [ "$(cat marked)" = 'dtype: "keep"dtype: "f16"' ]
    refute grep -q 'class="spark' page.html
}

@test "a full disk is an error" {
    [ -e /dev/full ] || skip "no /dev/full"
    status=0
    "$INGOT" report "$BARD" -o - >/dev/full 2>err || status=$?
    [ "$status" -eq 5 ]
}

@test "columns of what is nowhere are left out, and the treemap says what its colours are" {
    ingot report "$BARD" -o page.html
    expect 0
    refute grep -q '>zeros</th>\|>NaN, inf</th>' page.html
    [[ $(grep '^<p class="legend">' page.html) == *'<span class="kE">embedding</span>'*'<span class="kN">norms</span>'* ]]
    make_safetensors zeros.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    ingot report zeros.safetensors -o zeros.html
    expect 0
    grep -q '>zeros</th>' zeros.html
    refute grep -q '>NaN, inf</th>' zeros.html
    ingot report --verify "$BARD" "$BARD" -o same.html
    expect 0
    refute grep -q '>max abs</th>\|>RMS rel</th>\|>damaged</th>' same.html
}
