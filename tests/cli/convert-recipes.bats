# Recipes, settings, plans and batches: what the user says about a conversion, and when he learns that it is wrong.

load common
foreign=$INGOT_ROOT/tests/models/foreign

content_id() { # file
    ingot show --json "$1"
    json 'j["content_id"]'
}

# hf/ with its tensors stored in another way: q, k and v apart, and the norms of a layer in one
make_odd() { # directory
    mkdir "$1"
    cp "$foreign"/hf/{config.json,vocab.json,merges.txt} "$1"
    python -IS - "$foreign/hf/model.safetensors" "$1/model.safetensors" <<'PYTHON' || skip "no python3"
import json, struct, sys
data = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", data[:8])
header, data, tensors = json.loads(data[8:8 + n]), data[8 + n:], {}
for name, t in header.items():
    if name == "__metadata__": continue
    a, b = t["data_offsets"]
    tensors[name] = t["shape"], data[a:b]
def columns(shape, raw, first, n):
    return b"".join(raw[4 * (r * shape[1] + first):][:4 * n] for r in range(shape[0]))
for i in range(2):
    h = f"h.{i}."
    shape, raw = tensors.pop(h + "attn.c_attn.weight")
    for k, part in enumerate("qkv"): tensors[h + part] = [16, 16], columns(shape, raw, 16 * k, 16)
    norms = [tensors.pop(h + f"ln_{k}.weight")[1] for k in (1, 2)]
    tensors[h + "norms"] = [32], b"".join(norms)
header, at = {}, 0
for name, (shape, raw) in tensors.items():
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(raw)]}
    at += len(raw)
header = json.dumps(header).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(header)) + header + b"".join(raw for _, raw in tensors.values()))
PYTHON
    cat >"$1/odd.yaml" <<'YAML'
recipe: odd
hyper-parameters: {config: huggingface}
tensors:
  - from: ["h.{i}.q", "h.{i}.k", "h.{i}.v"]
    to: h.{i}.attn.c_attn.weight
    concatenate: out
    transpose: true
  - from: h.{i}.norms
    to: ["h.{i}.ln_1.weight", "h.{i}.ln_2.weight"]
    split: out
  - from: h.{i}.attn.c_proj.weight
    transpose: true
  - from: h.{i}.mlp.c_fc.weight
    transpose: true
  - from: h.{i}.mlp.c_proj.weight
    transpose: true
  - wte.weight
  - wpe.weight
  - h.{i}.ln_1.bias
  - h.{i}.attn.c_attn.bias
  - h.{i}.attn.c_proj.bias
  - h.{i}.ln_2.bias
  - h.{i}.mlp.c_fc.bias
  - h.{i}.mlp.c_proj.bias
  - ln_f.weight
  - ln_f.bias
YAML
}

# ---------------------------------------------------------------------------------------------------------- recipes

@test "a recipe that puts pieces together and cuts others gives the same content" {
    make_odd odd
    ingot convert odd -o whole.ingot
    expect_error 4 "no recipe knows"
    [ ! -e whole.ingot ]
    ingot convert odd -o pieces.ingot --recipe odd/odd.yaml
    expect 0
    ingot convert "$foreign/hf" -o whole.ingot
    expect 0
    [ "$(content_id pieces.ingot)" = "$(content_id whole.ingot)" ]
}

@test "each dtype of a result in pieces is that of the whole" {
    make_odd odd
    for dtype in f16 bf16; do
        ingot convert odd -o pieces-$dtype.ingot --recipe odd/odd.yaml --dtype $dtype
        expect 0
        ingot convert "$foreign/hf" -o whole-$dtype.ingot --dtype $dtype
        expect 0
        [ "$(content_id pieces-$dtype.ingot)" = "$(content_id whole-$dtype.ingot)" ]
    done
}

@test "a built-in recipe by name, by what it prints, and not named at all are one" {
    ingot convert "$foreign/hf" -o a.ingot
    expect 0
    ingot convert "$foreign/hf" -o b.ingot --recipe huggingface
    expect 0
    cmp a.ingot b.ingot
    "$INGOT" help recipes huggingface >own.yaml
    ingot convert "$foreign/hf" -o c.ingot -r own.yaml
    expect 0
    cmp a.ingot c.ingot
}

@test "a recipe that is neither built in nor a file is a usage error that names those built in" {
    ingot convert "$foreign/hf" -o a.ingot --recipe nosuch
    expect_error 2 nosuch "huggingface, openai"
    [ ! -e a.ingot ]
}

@test "a mistake in a recipe is named with line and column" {
    printf 'recipe: mine\ntensors:\n  - wte.weight\n  - from: a\n    two: b\n' >mine.yaml
    ingot convert "$foreign/hf" -o a.ingot --recipe mine.yaml
    expect_error 2 "mine.yaml: line 5, column 5" two
    [ ! -e a.ingot ]
}

@test "a recipe that leaves a tensor out of account is refused with the tensor" {
    "$INGOT" help recipes huggingface | grep -v '^  - h.{i}.ln_2.bias$' >mine.yaml
    ingot convert "$foreign/hf" -o a.ingot --recipe mine.yaml
    expect_error 3 h.0.ln_2.bias
    [ ! -e a.ingot ]
}

# --------------------------------------------------------------------------------------------------------------- set

@test "--set wins over the checkpoint, and of one key the last" {
    ingot convert "$foreign/hf" -o a.ingot --set n_head=2 -s n_head=4 --set activation=gelu_erf
    expect 0
    ingot show --json a.ingot
    [ "$(json 'j["hyper_parameters"]["n_head"], j["hyper_parameters"]["activation"]')" = "(4, 'gelu_erf')" ]
}

@test "--set refuses unknown keys, bad values and what the shapes deny" {
    for bad in foo=1 n_head=x n_head= n_head n_head=0 n_head=-1 activation=relu layer_norm_epsilon=nan; do
        ingot convert "$foreign/hf" -o a.ingot --set "$bad"
        expect_error 2 "${bad%%=*}"
    done
    ingot convert "$foreign/hf" -o a.ingot --set n_head=3
    expect_error 3 "n_head 3" "n_embd 16"
    ingot convert "$foreign/hf" -o a.ingot --set n_ctx=9
    expect_error 3 wpe.weight "--set says 9"
    [ ! -e a.ingot ]
}

# -------------------------------------------------------------------------------------------------------------- plan

@test "--plan shows each tensor's way and writes nothing" {
    make_odd odd
    ingot convert odd --plan --recipe odd/odd.yaml
    expect 0
    [ -z "$err" ]
    [[ $out == "recipe  odd"*"n_layer 2, n_head 2, n_embd 16"* ]]
    grep -Eq '^model.safetensors +h.1.k +F32 +16 x 16 +transpose, to rows 16..31 +h.1.attn.c_attn.weight +f32 +panel16 +48 x 16$' out
    grep -Eq '^model.safetensors +h.0.norms +F32 +32 +elements 16..31 of 32 +h.0.ln_2.weight +f32 +rows +16$' out
    [[ $out == *"28 tensors, 46.3 kB; 0 left out" ]]
    [ "$(ls)" = "$(printf 'err\nodd\nout')" ]
}

@test "--plan --json says the same, with whole numbers" {
    make_odd odd
    ingot convert odd --plan --json --recipe odd/odd.yaml --dtype f16
    expect 0
    [ "$(json 'j["schema"], j["recipe"], j["tensors"], j["dropped"], j["tied"]')" = "(1, 'odd', 28, 0, True)" ]
    [ "$(json '[(l["from"], l["transform"], l["to"]["shape"], l["to"]["dtype"]) for l in j["plan"] if l["to"]["name"] == "h.0.attn.c_attn.weight"]')" = \
        "[('h.0.q', 'transpose, to rows 0..15', [48, 16], 'f16'), ('h.0.k', 'transpose, to rows 16..31', [48, 16], 'f16'), ('h.0.v', 'transpose, to rows 32..47', [48, 16], 'f16')]" ]
    [ "$(json '{type(x) for k, x in j["hparams"].items() if k.startswith("n_")} | {type(j["bytes"])} == {int}')" = True ]
    ingot convert odd -o a.ingot --recipe odd/odd.yaml --dtype f16
    expect 0
    ingot convert odd --plan --json --recipe odd/odd.yaml --dtype f16
    bytes=$(json 'j["bytes"]')
    ingot ls --json a.ingot
    [ "$(json 'sum(t["bytes"] for t in j["tensors"] if "alias_of" not in t)')" = "$bytes" ]
}

@test "--plan lists what is left out, with the reason" {
    ingot convert "$foreign/nanogpt/ckpt.pt" --plan --json
    expect 0
    [ "$(json 'j["dropped"], sorted({l["dropped"] for l in j["plan"] if l["to"] is None})')" = \
        "(86, ['optimizer state', 'the loss in training', 'the same bits as wte.weight'])" ]
    ingot convert "$foreign/nanogpt/ckpt.pt" --plan
    expect 0
    [[ $out == *"optimizer state"*"left out"* ]]
}

@test "--plan refuses what a conversion refuses, with the same words" {
    make_odd odd
    for how in "odd" "odd --recipe nanogpt" "$foreign/hf --set n_ctx=9" "$foreign/hf --recipe nosuch" nowhere; do
        ingot convert $how -o a.ingot
        [ "$status" -ge 2 ]
        want=$status:$err
        ingot convert $how --plan
        [ -z "$out" ]
        [ "$status:$err" = "$want" ] || { echo "$how: $status:$err"; return 1; }
    done
}

@test "--plan, --json, --batch and -o that do not go together are usage errors" {
    for how in "$foreign/hf --plan -o a.ingot" "$foreign/hf --json -o a.ingot" "--batch b.yaml --plan" \
        "--batch b.yaml -o a.ingot" "--batch b.yaml $foreign/hf" "--plan"; do
        ingot convert $how
        expect_error 2 "usage: ingot convert"
    done
    [ ! -e a.ingot ]
}

# ------------------------------------------------------------------------------------------------------------- batch

# A batch whose list is that of stdin, in batch.yaml
batch() { # lines in front of the list
    printf '%s\n' "$@" conversions: >batch.yaml
    cat >>batch.yaml
}

@test "a batch does what its conversions one by one do" {
    make_odd odd
    mkdir sub
    ln -s "$foreign" sub/foreign
    mv odd sub
    batch "dtype: f16" "set: {n_head: 4}" <<'YAML'
  - {source: foreign/hf, output: a.ingot}
  - source: odd
    output: b.ingot
    recipe: odd/odd.yaml
    dtype: bf16
  - source: foreign/nanogpt/ckpt.pt
    output: c.ingot
    recipe: nanogpt
    dtype: keep
    set: {n_head: 2, activation: gelu_tanh}
YAML
    mv batch.yaml sub
    ingot convert --batch sub/batch.yaml
    expect 0
    [ -z "$out" ]
    [[ $err == "ingot: warning: sub/foreign/nanogpt: "* ]]
    cd sub
    "$INGOT" convert foreign/hf -o 1.ingot --dtype f16 --set n_head=4
    cmp a.ingot 1.ingot
    "$INGOT" convert odd -o 2.ingot --dtype bf16 --set n_head=4 --recipe odd/odd.yaml
    cmp b.ingot 2.ingot
    "$INGOT" convert foreign/nanogpt/ckpt.pt -o 3.ingot --recipe nanogpt --set n_head=2 --set activation=gelu_tanh 2>warnings
    cmp c.ingot 3.ingot
}

@test "options hold where a batch is silent" {
    batch <<YAML
  - {source: "$foreign/hf", output: a.ingot}
  - {source: "$foreign/hf", output: b.ingot, dtype: f32}
YAML
    ingot convert --batch batch.yaml --dtype bf16 --set n_head=4
    expect 0
    "$INGOT" convert "$foreign/hf" -o 1.ingot --dtype bf16 --set n_head=4
    "$INGOT" convert "$foreign/hf" -o 2.ingot --dtype f32 --set n_head=4
    cmp a.ingot 1.ingot
    cmp b.ingot 2.ingot
}

@test "a mistake in a batch is named with line and column" {
    while IFS='|' read -r place what text; do
        printf '%b' "$text" >batch.yaml
        ingot convert --batch batch.yaml
        expect_error 2 "batch.yaml: line ${place%:*}, column ${place#*:}: " "$what"
    done <<'CASES'
2:1|no key 'conversion'|dtype: f16\nconversion: []\n
3:5|no key 'out'|conversions:\n  - source: a\n    out: b\n
4:5|given twice|conversions:\n  - source: a\n    output: b\n    output: c\n
2:1|given twice|dtype: f16\ndtype: f32\nconversions: []\n
2:5|no output|conversions:\n  - source: a\n
2:5|no source|conversions:\n  - output: a\n
1:8|dtype|dtype: f64\nconversions: []\n
1:12|embedding|embedding: q5\nconversions: []\n
1:14|conversions is empty|conversions: []\n
2:14|conversions is empty|dtype: q4\nconversions: []\n
4:12|dtype|conversions:\n  - source: a\n    output: b\n    dtype: i8\n
1:1|no conversions|dtype: f16\n
1:15|a conversion|conversions: [a]\n
CASES
    printf 'conversions: [\n' >batch.yaml
    ingot convert --batch batch.yaml
    expect_error 2 "batch.yaml: line 2"
    ingot convert --batch nowhere.yaml
    expect_error 3 nowhere.yaml
    [ "$(ls)" = "$(printf 'batch.yaml\nerr\nout')" ]
}

@test "a mistake in the last conversion shows before the first is written" {
    make_odd odd
    for last in "{source: nowhere, output: b.ingot}" "{source: odd, output: b.ingot}" \
        "{source: \"$foreign/hf\", output: b.ingot, set: {n_head: 3}}" "{source: \"$foreign/hf\", output: b.ingot, recipe: nosuch}" \
        "{source: \"$foreign/hf\", output: no/such/b.ingot}" "{source: \"$foreign/hf\", output: odd}"; do
        batch <<YAML
  - {source: "$foreign/hf", output: a.ingot}
  - $last
YAML
        ingot convert --batch batch.yaml
        [ "$status" -ge 2 ] || { echo "$last"; return 1; }
        expect_error "$status" "ingot: "
        [ ! -e a.ingot ]
    done
}

@test "two conversions with one output are refused, however it is spelled" {
    mkdir d e
    ln -s d link
    for pair in "a.ingot a.ingot" "a.ingot ./a.ingot" "d/a.ingot link/a.ingot" "d/a.ingot e/../d//a.ingot" "a.ingot $PWD/a.ingot"; do
        batch <<YAML
  - {source: "$foreign/hf", output: "${pair% *}"}
  - {source: "$foreign/hf", output: "${pair#* }"}
YAML
        ingot convert --batch batch.yaml
        expect_error 2 "line 3" "that of conversion 1 too" "an output of its own"
    done
    batch <<YAML
  - {source: "$foreign/hf", output: batch.yaml}
YAML
    ingot convert -f --batch batch.yaml
    expect_error 2 "the output is this file"
    [ -z "$(find . -name '*.ingot')" ]
}

@test "no output is an input, of its own conversion or of another" {
    cp -r "$foreign/hf" first
    cp -r "$foreign/hf-f16" second
    for how in "first/model.safetensors b.ingot" "second/config.json b.ingot" "a.ingot first/config.json" "a.ingot second/vocab.json"; do
        batch <<YAML
  - {source: first, output: "${how% *}"}
  - {source: second, output: "${how#* }"}
YAML
        ingot convert -f --batch batch.yaml
        expect_error 2 "the output is one of the inputs"
    done
    diff -r "$foreign/hf" first
    diff -r "$foreign/hf-f16" second
    [ ! -e a.ingot ]
    [ ! -e b.ingot ]
}

@test "an output that exists is refused before the first is written, and replaced with -f" {
    echo precious >b.ingot
    batch <<YAML
  - {source: "$foreign/hf", output: a.ingot}
  - {source: "$foreign/hf", output: b.ingot}
YAML
    ingot convert --batch batch.yaml
    expect_error 5 b.ingot
    [ ! -e a.ingot ]
    [ "$(cat b.ingot)" = precious ]
    ingot convert -f --batch batch.yaml
    expect 0
    cmp a.ingot b.ingot
}

# A TensorFlow checkpoint whose plan is well, but whose bytes are not
make_damaged() { # directory
    cp -r "$foreign/tensorflow" "$1"
    damage "$1/model.ckpt.data-00000-of-00001" 1000
}

@test "the first conversion that fails ends a batch; what was converted before stays" {
    make_damaged bad
    batch <<YAML
  - {source: "$foreign/hf", output: a.ingot}
  - {source: bad, output: b.ingot}
  - {source: "$foreign/hf", output: c.ingot}
YAML
    ingot convert --batch batch.yaml
    expect_error 3 model.ckpt.data-00000-of-00001 crc32c
    ingot verify a.ingot
    expect 0
    [ ! -e b.ingot ]
    [ ! -e c.ingot ]
    [ "$(find . -name '.*ingot*')" = "" ]
}

@test "a batch that keeps going converts all that can be, and says what cannot" {
    make_damaged bad
    batch <<YAML
  - {source: bad, output: a.ingot}
  - {source: "$foreign/hf", output: b.ingot}
  - {source: nowhere, output: c.ingot}
  - {source: "$foreign/hf-f16", output: d.ingot}
YAML
    ingot convert --batch batch.yaml --keep-going
    expect_error 5 nowhere model.ckpt.data-00000-of-00001 "batch.yaml: 2 conversions failed"
    [[ $err == *nowhere*model.ckpt* ]] # before the first is written, and in its turn
    ingot verify b.ingot
    expect 0
    ingot verify d.ingot
    expect 0
    [ ! -e a.ingot ]
    [ ! -e c.ingot ]
    ingot convert "$foreign/hf" -o c.ingot -k
    expect_error 2 "--keep-going goes with --batch"
}
