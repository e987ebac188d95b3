# ls, cat, show, params and verify on what other programs have written.

load common
corpus=$INGOT_ROOT/../shared/corpus
foreign=$INGOT_ROOT/tests/models/foreign

# What `ls` and `cat` say of samples, as tests/cli/corpus.tsv has it
describe() { # file...
    python -IS - "$INGOT" "$@" <<'END'
import hashlib, json, subprocess, sys

def run(*words):
    return subprocess.run(sys.argv[1:2] + list(words), capture_output=True)

for path in sys.argv[2:]:
    listed = run("ls", "--json", path)
    assert listed.returncode == 0, (path, listed.stderr)
    for t in json.loads(listed.stdout)["tensors"]:
        name, shape = t["name"], "x".join(map(str, t["shape"])) or "scalar"
        text = run("cat", path, name)
        if t["dtype"] == "STRING":
            assert text.returncode == 4 and text.stdout == b"", (path, name)
            assert name.encode() in text.stderr and b"STRING" in text.stderr, (path, name, text.stderr)
            digest = words = "-"
        else:
            assert text.returncode == 0, (path, name, text.stderr)
            digest = hashlib.md5(run("cat", "--raw", path, name).stdout).hexdigest()
            words = " ".join(text.stdout[:400].decode().split()[:4]) or "-"
        print("/".join(path.split("/")[-2:]), name, t["dtype"], shape, digest, words, sep="\t")
END
}

# Every sample of a folder against the table, in any order of the tensors.
check_samples() { # folder
    [ -d "$corpus/$1" ] || skip "no corpus"
    [ -x /usr/bin/python3 ] || command -v python3 >/dev/null || skip "no python3"
    local samples
    grep "^$1/" "$INGOT_ROOT/tests/cli/corpus.tsv" | LC_ALL=C sort >want
    [ -s want ]
    mapfile -t samples < <(cut -f 1 want | uniq)
    describe "${samples[@]/#/$corpus/}" >got
    LC_ALL=C sort -o got got
    diff want got
}

@test "every sample of safetensors has its names, dtypes, shapes and values" {
    check_samples safetensors
}

@test "every sample of TensorFlow has its names, dtypes, shapes and values" {
    check_samples tensorflow
}

@test "every sample of PyTorch has its names, dtypes, shapes and values" {
    check_samples torch
}

@test "where several files of the working directory may be meant, two are named" {
    cp "$foreign/torch-zip/pytorch_model.bin" b.pth
    cp b.pth a.pth
    ingot ls .
    expect_error 3 "2 files" "a.pth and b.pth"
    ingot ls "$PWD"
    expect_error 3 "2 files" "a.pth and b.pth"
}

@test "no hostile pickle is listed, none brings more than an error message" {
    [ -d "$corpus/pickle" ] || skip "no corpus"
    for path in "$corpus"/pickle/*; do
        [ "${path##*/}" = LICENSE ] && continue
        ingot ls "$path"
        [[ $status =~ ^[345]$ ]] || { echo "$path: $status"; return 1; }
        expect_error "$status" "ingot: "
        [ "$(wc -l <err)" -le 2 ]
    done
}

# ---------------------------------------------------------------------------------- the same model in every format

models=(hf hf-sharded torch-zip torch-legacy torch-sharded tensorflow gguf/tiny.gguf llmc/model.bin nanogpt/ckpt.pt mingpt)

@test "every format lists a whole model" {
    for m in "${models[@]}"; do
        ingot ls --json "$foreign/$m"
        expect 0
        [ "$(json 'sum(t["shape"][-1:] == [48] or t["shape"][:1] == [48] for t in j["tensors"]) >= 2')" = True ] || { echo "$m"; return 1; }
        ingot ls -l "$foreign/$m"
        expect 0
        refute grep -n ' $' out
        ingot show "$foreign/$m"
        expect 0
        refute grep -n ' $' out
    done
}

@test "positions are the same in every format" {
    ingot cat "$foreign/hf" wpe.weight
    expect 0
    want=$out
    for place in torch-zip:transformer.wpe.weight torch-legacy:wpe.weight tensorflow:model/wpe \
        gguf/tiny.gguf:position_embd.weight llmc/model.bin:wpe mingpt:transformer.wpe.weight \
        nanogpt/ckpt.pt:model._orig_mod.transformer.wpe.weight; do
        ingot cat "$foreign/${place%%:*}" "${place#*:}"
        expect 0
        [ "$out" = "$want" ] || { echo "$place"; return 1; }
    done
}

@test "parameters are told apart by role, whatever their names" {
    ingot params --json "$foreign/hf"
    expect 0
    want=$(json '[c["parameters"] for c in j["categories"]], j["layers"], j["tied"]')
    [ "$(json 'j["parameters"]')" = 11408 ]
    for m in hf-sharded torch-zip torch-legacy torch-sharded tensorflow gguf/tiny.gguf llmc/model.bin; do
        ingot params --json "$foreign/$m"
        expect 0
        [ "$(json '[c["parameters"] for c in j["categories"]], j["layers"], j["tied"]')" = "$want" ] || { echo "$m: $out"; return 1; }
    done
    # a head of its own; 43 rows of padding that its vocabulary counts in, and no more
    for more in mingpt:$((277 * 16)) nanogpt/ckpt.pt:$((43 * 16)); do
        ingot params --json "$foreign/${more%%:*}"
        expect 0
        [ "$(json 'j["parameters"], j["categories"][-1]["parameters"]')" = "($((11408 + ${more#*:})), 0)" ] || { echo "$more: $out"; return 1; }
    done
}

@test "rows with which llm.c pads the vocabulary are no parameters, and said to be there" {
    ingot params --json "$foreign/llmc/model.bin"
    [ "$(json 'j["parameters"], j["buffer_elements"], j["categories"][0]["parameters"]')" = "(11408, $(((384 - 277) * 16)), $((277 * 16)))" ]
    ingot params "$foreign/llmc/model.bin"
    [[ $out == *"Not counted, though stored: 1,712 elements of padding behind the vocabulary."* ]]
}

@test "optimizer state and the like are not parameters, and said to be there" {
    ingot params "$foreign/nanogpt/ckpt.pt"
    expect 0
    [[ $(tr '\n' ' ' <out) =~ "Not counted, though stored:".*"elements of optimizer state".*"." ]]
    ingot ls --json "$foreign/nanogpt/ckpt.pt"
    stored=$(json 'sum(t["parameters"] for t in j["tensors"])')
    ingot params --json "$foreign/nanogpt/ckpt.pt"
    [ "$(json 'j["parameters"] + j["buffer_elements"] + 320 * 16')" = "$stored" ] # the tied head stands there twice
}

@test "the released index has the released number of parameters, though its data is not here" {
    [ -d "$corpus/gpt2-tf-index" ] || skip "no corpus"
    ingot params --json "$corpus/gpt2-tf-index"
    expect 0
    [ "$(json 'j["parameters"], j["tied"]')" = "(124439808, True)" ]
    want=$(json '[c["parameters"] for c in j["categories"]]')
    ingot params --json --config gpt2
    [ "$(json '[c["parameters"] for c in j["categories"]]')" = "$want" ]
}

@test "show says what a checkpoint states, and cuts long lists" {
    ingot show "$foreign/gguf/tiny.gguf"
    expect 0
    [[ $out == *" 28, 11,408 parameters, 45,632 bytes"* ]]
    [[ $out == *" 1, $(stat -c %s "$foreign/gguf/tiny.gguf" | sed 's/...$/,&/') bytes"* ]]
    [[ $out == *"gpt2.attention.head_count "*2* ]]
    [[ $out == *Vocabulary*277* ]]
    ingot show "$foreign/nanogpt/ckpt.pt"
    expect 0
    [[ $out == *"more: --all" ]]
    n=$(wc -l <out)
    ingot show --all "$foreign/nanogpt/ckpt.pt"
    [ "$(wc -l <out)" -gt "$n" ]
    [[ $out != *"--all"* ]]
    ingot show --json "$foreign/tensorflow"
    expect 0
    [ "$(json 'j["facts"]["hparams.n_layer"], j["checksums"], j["vocabulary"]["tokens"], j["recipe"]')" = "(2, 28, 277, 'openai')" ]
}

@test "a file that is not here is said, by ls, show, cat and verify" {
    cp -r "$foreign/tensorflow" tf
    rm tf/model.ckpt.data-*
    ingot ls tf
    expect 0
    [[ $err == *"28 of the tensors are in a file that is not here"* ]]
    ingot ls --json tf
    [ "$(json 'any(t["present"] for t in j["tensors"])')" = False ]
    ingot show tf
    expect 0
    [[ $out == *"28 in files that are not here"* ]]
    ingot show tf model/wpe
    expect 0
    [[ $out == *"not here"* ]]
    ingot params tf
    expect 0
    ingot cat tf model/wpe
    expect_error 3 model/wpe model.ckpt.data-00000-of-00001 "not here"
    ingot verify tf
    expect 1
    [ "$(grep -c 'not here$' out)" = 28 ]
    ingot verify --json tf
    [ "$(json '{d["status"] for d in j["damage"]}, {d["found"] for d in j["damage"]}')" = "({'missing'}, {None})" ]
}

@test "verify finds the damaged tensor" {
    ingot verify "$foreign/tensorflow"
    expect 0
    [ -z "$out$err" ]
    ingot verify -v "$foreign/tensorflow"
    [[ $err == *": ok, 28 checksums, "* ]]
    cp -r "$foreign/tensorflow" tf
    ingot ls --json tf
    damage tf/model.ckpt.data-00000-of-00001 $(($(json '[t["offset"] for t in j["tensors"] if t["name"] == "model/wpe"][0]') + 5))
    ingot verify -v tf
    expect 1
    [ "$(tail -n +2 out | cut -d' ' -f 1)" = model/wpe ]
    [[ $err == *"28 checksums, 27 good, 1 bad"* ]]
    ingot verify --json tf
    expect 1
    [ "$(json 'j["ok"], j["checksums"], j["checksums_bad"], [d["name"] for d in j["damage"]]')" = "(False, 28, 1, ['model/wpe'])" ]
    [ "$(json 'j["damage"][0]["code"], j["damage"][0]["found"] != j["damage"][0]["expected"]')" = "(109, True)" ]
}

@test "verify finds the damaged member of a zip file" {
    cp "$foreign/torch-zip/pytorch_model.bin" bad.bin
    ingot verify bad.bin
    expect 0
    [ -z "$out$err" ]
    ingot ls --json bad.bin
    damage bad.bin "$(json 'j["tensors"][3]["offset"]')"
    ingot verify bad.bin
    expect 1
    [ "$(wc -l <out)" = 2 ]
    [[ $out == *crc32* ]]
}

# The released index, and a sparse data file in which the 33 tensors of the part lie where the index says.
@test "verify passes the 33 tensors of the released checkpoint that are there and names the other 115" {
    [ -d "$corpus/gpt2-tf-index" ] || skip "no corpus"
    mkdir released
    cp "$corpus"/gpt2-tf-index/* released
    ingot ls --json released
    cp out index.json
    ingot ls --json "$corpus/gpt2-124m-part"
    cp out part.json
    python -IS -c 0 2>/dev/null || skip "no python3"
    python -IS - "$corpus/gpt2-124m-part/model.safetensors" >names <<'PYTHON'
import json, re, sys
place = {t["name"]: t for t in json.load(open("index.json"))["tensors"]}
with open("released/model.ckpt.data-00000-of-00001", "wb") as data, open(sys.argv[1], "rb") as part:
    data.truncate(497759232)
    for t in json.load(open("part.json"))["tensors"]:
        *path, last = re.sub(r"^h\.(\d+)\.", r"h\1.", t["name"]).split(".")
        leaf = {} if path[-1] in ("wpe", "wte") else {"weight": "g" if path[-1].startswith("ln") else "w", "bias": "b"}
        name = "/".join(["model", *path, *([leaf[last]] if leaf else [])])
        assert place[name]["bytes"] == t["bytes"], name
        part.seek(t["offset"])
        data.seek(place[name]["offset"])
        data.write(part.read(t["bytes"]))
        print(name)
PYTHON
    [ "$(wc -l <names)" = 33 ]
    ingot verify -v released
    expect 1
    [[ $err == *"148 checksums, 33 good, 115 bad"* ]]
    tail -n +2 out | cut -d' ' -f 1 >failing
    [ "$(wc -l <failing)" = 115 ]
    [ "$(sort failing names | uniq | wc -l)" = 148 ]
}

@test "a header of safetensors is the same in every spelling" {
    make_safetensors a.safetensors '{"h.0.a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I8","shape":[],"data_offsets":[24,25]}}' 25
    make_safetensors b.safetensors '{"h.0.a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "b": {"dtype": "I8", "shape": [], "data_offsets": [24, 25]}}' 25
    make_safetensors c.safetensors '{ "h.0\u002ea" : { "shape" : [ 2 , 3 ], "data_offsets" : [ 0,24 ], "dtype" : "F\u00332" } , "b" :{"data_offsets":[24,25],"dtype":"I8","shape":[ ] } }' 25
    for name in a b c; do
        ingot ls --json $name.safetensors
        expect 0
        json '[(t["name"], t["dtype"], t["shape"], t["bytes"]) for t in j["tensors"]], [t["offset"] - j["tensors"][0]["offset"] for t in j["tensors"]]' >$name.said
    done
    cmp a.said b.said
    cmp a.said c.said
    [ "$(cat a.said)" = "([('h.0.a', 'F32', [2, 3], 24), ('b', 'I8', [], 1)], [0, 24])" ]
}

@test "an almost usual header is refused at the byte that is wrong" {
    for shape in '[02]' '[2' '[+2]' '[2,]' '[-2]'; do
        make_safetensors bad.safetensors '{"a":{"dtype":"F32","shape":'"$shape"',"data_offsets":[0,8]}}' 8
        ingot ls bad.safetensors
        expect_error 3 bad.safetensors "(at byte "
    done
    make_safetensors bad.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}' 8
    ingot ls bad.safetensors
    expect_error 3 data_offsets
    make_safetensors bad.safetensors '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}' 8
    ingot ls bad.safetensors
    expect_error 3 "of this shape"
}

@test "show tells what a safetensors file says of itself, of shards what the first says" {
    header='{"__metadata__":{"format":"pt","note":"\u001b[2J"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    make_safetensors m.safetensors "$header" 2
    ingot show m.safetensors
    expect 0
    [[ $out == *"__metadata__.format  pt"* ]]
    [[ $out == *'__metadata__.note    \x1b[2J'* ]]
    ingot show --json "$foreign/hf-sharded"
    expect 0
    [ "$(json '[k for k in j["facts"] if k.startswith("__metadata__")]')" = "['__metadata__.format']" ]
}

@test "advice that names --set names the command that has it" {
    mkdir bare
    cp "$INGOT_ROOT/tests/models/bard/model.safetensors" bare
    for words in "show bare" "convert bare -o x.ingot" "convert --plan bare"; do
        # shellcheck disable=SC2086 # words
        ingot $words
        [[ "$out$err" == *"ingot convert --set n_head=.. --set activation=gelu_tanh"* ]]
    done
}
