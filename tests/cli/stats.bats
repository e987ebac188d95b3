# stats: figures of values, the same for every format and every number of threads.

load common
corpus=$INGOT_ROOT/../shared/corpus
foreign=$INGOT_ROOT/tests/models/foreign

# A tensor of each kind of value that is not finite, one without, one complex.
make_sick() { # file
    make_safetensors "$1" '{"a.nan":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b.inf":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},"c.well":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},"d.complex":{"dtype":"C64","shape":[1],"data_offsets":[16,24]}}' 24
    local data=$(($(wc -c <"$1") - 24))
    printf '\xc0\x7f' | dd of="$1" bs=1 seek=$((data + 2)) conv=notrunc status=none
    printf '\x00\xfc' | dd of="$1" bs=1 seek=$((data + 8)) conv=notrunc status=none
}

# Figures of all tensors in an order of their own: formats differ in names, their case, and the order of tensors.
figures() {
    json '"\n".join(sorted(str({k: v for k, v in t.items() if k not in ("name", "dtype")}) for t in j["tensors"]))'
}

@test "every figure agrees with NumPy's" {
    ingot stats --json "$foreign/hf"
    expect 0
    python -IS -c 0 2>/dev/null || skip "no python3"
    python -IS - "$INGOT_ROOT/tests/reference/hf.stats.json" out <<'PYTHON'
import json, sys
want, got = (json.load(open(path)) for path in sys.argv[1:])

def compare(a, b, path):
    if isinstance(a, dict):
        assert a.keys() <= b.keys(), path
        for key in a:
            compare(a[key], b[key], path + [key])
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for i, pair in enumerate(zip(a, b)):
            compare(*pair, path + [i])
    elif isinstance(a, float) and path[-1] in ("mean", "std", "median_norm", "max_norm"):
        assert abs(a - b) <= 1e-12 * abs(a), (path, a, b)
    else:
        assert a == b, (path, a, b)

got["tensors"].sort(key=lambda t: t["name"])
assert len(want["tensors"]) == 28
compare(want, got, [])
PYTHON
}

# PyTorch's files hold masks and a tied head besides.
@test "the same tensors have the same figures in every format" {
    ingot stats --json "$foreign/hf"
    figures >want
    [ -s want ]
    for m in hf-sharded torch-zip torch-legacy torch-sharded; do
        ingot stats --json "$foreign/$m"
        expect 0
        figures >got
        [ "$(LC_ALL=C comm -23 want got)" = "" ] || { echo "$m"; return 1; }
    done
}

@test "a matrix has the same figures in rows and in panels" {
    for dtype in f32 f16 bf16; do
        "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o panels.ingot --dtype $dtype -q -f 2>/dev/null
        "$INGOT" export panels.ingot -o rows.gguf -q -f 2>/dev/null
        ingot ls --json panels.ingot
        [ "$(json 'any(t["layout"] == "panel16" for t in j["tensors"])')" = True ]
        ingot stats --json panels.ingot
        figures >want
        ingot stats --json rows.gguf
        expect 0
        figures >got
        diff want got
    done
}

@test "every thread count prints the same bytes" {
    for n in 1 2 3 4; do
        ingot stats --json -t $n "$BARD"
        expect 0
        cp out "$n"
        cmp 1 "$n"
    done
}

@test "every sample of the corpus has figures or says why not" {
    [ -d "$corpus/safetensors" ] || skip "no corpus"
    for path in "$corpus"/{safetensors,torch,tensorflow}/*; do
        ingot ls "$path"
        [ "$status" = 0 ] || continue
        ingot stats "$path"
        expect 0
        ingot stats --json "$path"
        expect 0
        [ "$(json 'all(("unreadable" in t) != ("mean" in t) for t in j["tensors"])')" = True ]
    done
}

@test "the table ends with all values together" {
    ingot stats "$BARD"
    expect 0
    [ -z "$err" ]
    [[ ${out%%$'\n'*} =~ ^name\ +dtype\ +shape\ +min\ +max\ +mean\ +std\ +'|x| 50 %' ]]
    [[ ${out##*$'\n'} =~ ^[0-9]+\ tensors\ +[0-9,]+\  ]]
    [[ ${out%%$'\n'*} != *nan* ]]
    refute grep -n ' $' out
    ingot stats --json "$BARD"
    [ "$(json 'j["total"]["elements"] == sum(t["elements"] for t in j["tensors"])')" = True ]
    [ "$(json 'j["total"]["min"] == min(t["min"] for t in j["tensors"])')" = True ]
    [ "$(json 'all(sum(t["histogram"]) == t["elements"] for t in j["tensors"] + [j["total"]])')" = True ]
}

@test "a tensor that is named is shown in detail, patterns give a table" {
    ingot stats "$BARD" wte.weight ln_f.bias
    expect 0
    [[ $out == "wte.weight: f32, 2048 x 128"*$'\n\n'"ln_f.bias: f32, 128"* ]]
    for line in elements zeros denormals nan inf min max mean std '|x| 99.9 %' values 'log2 |x|' rows columns; do
        [[ $out == *$'\n  '"$line"* ]] || { echo "no $line"; return 1; }
    done
    ingot stats "$BARD" 'h.1.*' wte.weight
    expect 0
    [ "$(tail -n +2 out | head -n -2 | grep -vcE '^(h\.1\.|wte\.weight )')" = 0 ]
    [ "$(wc -l <out)" = 16 ]
}

@test "a name or a pattern that means nothing is an error" {
    ingot stats "$BARD" wte.wieght
    expect_error 2 "wte.wieght" "did you mean 'wte.weight'"
    ingot stats "$BARD" 'x.*'
    expect_error 2 "no tensor matches 'x.*'" "ingot ls FILE lists the tensors"
    ingot stats "$BARD" 'attn.c_*.bias'
    expect_error 2 "no tensor matches 'attn.c_*.bias'" "'*attn.c_*.bias*' matches 8"
}

@test "sorting puts the most remarkable first" {
    ingot stats --json --sort std "$BARD"
    [ "$(json '(lambda s: s == sorted(s, reverse=True))([t["std"] for t in j["tensors"]])')" = True ]
    ingot stats --json --sort min "$BARD"
    [ "$(json '(lambda s: s == sorted(s))([t["min"] for t in j["tensors"]])')" = True ]
    ingot stats --json --sort p99 "$BARD"
    [ "$(json '(lambda s: s == sorted(s, reverse=True))([t["magnitude"]["p99"] for t in j["tensors"]])')" = True ]
    ingot stats --json --sort name "$BARD"
    [ "$(json '(lambda s: s == sorted(s))([t["name"] for t in j["tensors"]])')" = True ]
    ingot stats --sort weight "$BARD"
    expect 2
}

@test "check is silent where all is finite and names what is not" {
    ingot stats --check "$BARD"
    expect 0
    [ -z "$out$err" ]
    make_sick sick.safetensors
    ingot stats --check sick.safetensors
    expect 1
    [ "$out" = a.nan$'\n'b.inf ]
    ingot stats --check sick.safetensors c.well
    expect 0
    [ -z "$out$err" ]
}

@test "check does not call sound what it cannot read" {
    make_sick sick.safetensors
    ingot stats --check sick.safetensors 'c*' 'd*'
    expect_error 4 d.complex complex
    ingot stats --check --json sick.safetensors 'c*' 'd*'
    expect_error 4 d.complex complex
}

@test "check in JSON lists the tensors that are not finite, and all together" {
    make_sick sick.safetensors
    ingot stats --check --json sick.safetensors
    expect 1
    [ "$(json '[(t["name"], t["nan"]) for t in j["tensors"]], j["total"]["elements"]')" = "([('a.nan', 1), ('b.inf', 0)], 5)" ]
    ingot stats --check --json "$BARD"
    expect 0
    [ "$(json 'j["tensors"], j["total"]["nan"]')" = "([], 0)" ]
}

@test "what is not finite is counted and left out" {
    make_sick sick.safetensors
    ingot stats --json sick.safetensors
    expect 0
    [[ $err == *"1 of the tensors cannot be read; d.complex: complex"* ]]
    [ "$(json '[(t["nan"], t["negative_infinities"], t["max"]) for t in j["tensors"][:3]]')" = "[(1, 0, 0.0), (0, 1, 0.0), (0, 0, 0.0)]" ]
    [ "$(json '"unreadable" in j["tensors"][3], j["total"]["elements"]')" = "(True, 5)" ]
    ingot stats sick.safetensors
    expect 0
    [[ ${out%%$'\n'*} =~ \ nan\ +inf\  ]]
    ingot stats sick.safetensors d.complex
    expect_error 4 d.complex complex
}

@test "a tensor whose file is not here is no figure and no error" {
    cp -r "$foreign/tensorflow" tf
    rm tf/model.ckpt.data-*
    ingot stats tf
    expect 0
    [[ $err == *"28 of the tensors cannot be read"*"not here"* ]]
    ingot stats --check tf
    expect_error 3 "not here"
}

@test "escape sequences in names reach no terminal" {
    make_safetensors m.safetensors '{"\u001b[31mred":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' 4
    ingot stats m.safetensors
    expect 0
    refute grep -q $'\x1b' out
    ingot stats m.safetensors '\x1b[31mred'
    expect 0
    refute grep -q $'\x1b' out
}

@test "an alias is not counted twice, and can be named" {
    ingot ls --json "$BARD"
    alias=$(json '[t["name"] for t in j["tensors"] if "alias_of" in t][0]')
    ingot stats --json "$BARD"
    [ "$(json "'$alias' in [t['name'] for t in j['tensors']]")" = False ]
    ingot stats --json "$BARD" "$alias"
    expect 0
    [ "$(json 'len(j["tensors"])')" = 1 ]
}
