# Every command on every format, and on everything that is none: the right code, one error that names the file, no
# control character on any stream, JSON that is JSON, YAML that is the same.

load common
root=$INGOT_ROOT/tests/models
foreign=$root/foreign
corpus=$INGOT_ROOT/../shared/corpus

# With the file for @. The first list only looks, the second one needs a model or an .ingot file.
looks=("ls @" "show @" "params @" "stats @" "verify @" "map @" "hash @" "diff @ @" "cat @ x" "report @ --no-stats -o page.html"
    "convert --plan @")
uses=("convert @ -o out.ingot" "export @ -o out.gguf" "run @ --ids 1 -n 1" "eval @ --ids 1" "score @ --ids 1,2" "show --recipe @")

# Runs "command @ words" on a file: $status, out, err. What all of them say is kept in `said`.
run_on() { # words file
    local list i
    read -ra list <<<"$1"
    for i in "${!list[@]}"; do [ "${list[i]}" != @ ] || list[i]=$2; done
    status=0
    "$INGOT" "${list[@]}" >out 2>err </dev/null || status=$?
    printf '== %s %q\n' "$1" "$2" >>said
    cat out err >>said
}

complain() {
    printf '%s: status %s, %s\n' "$1" "$status" "$2"
    head -c 400 err
    return 1
}

# Nothing that was said is more than text and line feeds, in UTF-8.
harmless() {
    refute env LC_ALL=C grep -n $'[\x01-\x09\x0b-\x1f\x7f]' said
    refute env LC_ALL=C grep -nP '\xc2[\x80-\x9f]' said
    iconv -f UTF-8 -t UTF-8 said >/dev/null
}

# The command must fail with a code for files, say one error and name the file, whose name begins with $3.
must_refuse() { # words file name
    run_on "$1" "$2"
    local error
    error=$(<err)
    case $status in 3 | 4 | 5) ;; *) complain "$1 $2" "expected 3, 4 or 5" || return ;; esac
    [ ! -s out ] || complain "$1 $2" "something on stdout" || return
    [[ $error == "ingot: "*"$3"* && $error != *$'\ningot: '* ]] || complain "$1 $2" "expected one error that names $3" || return
}

# What is no checkpoint, or half of one, each under a name that begins with "bad".
make_bad() {
    local file n size dir
    : >bad-empty
    printf '\0' >bad-byte
    printf 'hello world\n' >bad-text
    head -c 9000 /dev/zero >bad-zeros
    printf '{"a": 1}' >bad-json
    mkdir bad-directory
    mkfifo bad-fifo
    ln -s bad-loop bad-loop
    ln -s nowhere bad-link
    printf 'PK\3\4' >bad-zip
    printf 'GGUF\3\0\0\0\377\377\377\377\377\377\377\177\1\0\0\0\0\0\0\0' >bad-counts.gguf
    make_safetensors bad-past.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 7
    make_safetensors bad-$'\e[31m\n\xff'.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}' 9
    for file in "$BARD" "$foreign/hf/model.safetensors" "$foreign/gguf/tiny.gguf" "$foreign/llmc/model.bin" "$foreign/mingpt/model.pt" \
        "$foreign/torch-legacy/pytorch_model.bin"; do
        size=$(stat -c %s "$file")
        for n in 9 $((size / 2)) $((size - 1)); do head -c "$n" "$file" >"bad-$n-${file##*/}"; done
    done
    for file in tensorflow/model.ckpt.index tensorflow/model.ckpt.data-00000-of-00001 hf-sharded/model.safetensors.index.json \
        torch-sharded/pytorch_model-00002-of-00002.bin; do
        dir=bad-${file//\//-}
        cp -r "$foreign/${file%/*}" "$dir"
        chmod -R u+w "$dir"
        truncate -s -20 "$dir/${file#*/}"
    done
}

@test "what is no checkpoint is refused by every command that looks, by name" {
    make_bad
    for file in bad-* nowhere bad-text/file; do
        for words in "${looks[@]}"; do must_refuse "$words" "$file" "${file%%$'\e'*}"; done
    done
    [ ! -e page.html ]
    harmless
}

@test "what is no model is refused by every command that uses one, by name" {
    make_bad
    for file in bad-* nowhere "$foreign/hf"; do
        for words in "${uses[@]}"; do
            [[ $file != "$foreign/hf" || $words != convert* ]] || continue
            must_refuse "$words" "$file" "$(basename "${file%%$'\e'*}")"
        done
    done
    [ ! -e out.ingot ]
    [ ! -e out.gguf ]
    harmless
}

@test "hex tells a damaged .ingot file from what is none" {
    make_bad
    for file in bad-*; do
        run_on "hex @" "$file"
        case $status in 0 | 1 | 3 | 4 | 5) ;; *) complain "hex $file" "expected 0, 1, 3, 4 or 5" ;; esac
    done
    harmless
}

@test "what may not be read is a matter of the system" {
    [ "$(id -u)" -ne 0 ] || skip "root may read everything"
    cp "$BARD" bad.ingot
    chmod 000 bad.ingot
    for words in "${looks[@]}" "${uses[@]}" "hex @"; do
        must_refuse "$words" bad.ingot bad.ingot
        [ "$status" -eq 5 ]
    done
}

# Keeps what --json prints as NUMBER.json, and what --yaml prints as NUMBER.yaml.
keep_json() { # words file
    n=$((n + 1))
    run_on "$1 --json" "$2"
    case $status in 0 | 1) ;; *) complain "$1 --json $2" "expected 0" || return ;; esac
    mv out $n.json
}

keep_both() { # words file
    keep_json "$1" "$2"
    run_on "$1 --yaml" "$2"
    mv out $n.yaml
}

same_trees() {
    python -IS -c 0 2>/dev/null || skip "no python3"
    python -I - <<'PYTHON'
import glob, json, os
try:
    import yaml
except ImportError:
    yaml = None
for path in glob.glob("*.json"):
    tree = json.load(open(path, encoding="ascii"))
    assert tree["schema"] >= 1, path
    if yaml and os.path.exists(path[:-4] + "yaml"):
        text = open(path[:-4] + "yaml", encoding="ascii")
        assert json.dumps(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))) == json.dumps(tree), path
PYTHON
}

@test "every command that looks does so on every format, as text, JSON and YAML" {
    n=0
    make_hostile hostile.safetensors
    cp "$foreign/hf/model.safetensors" $'evil\e[2J\n\xff.safetensors'
    for file in "$BARD" "$foreign"/{hf,hf-sharded,torch-zip,torch-legacy,torch-sharded,tensorflow,nanogpt,mingpt,gguf/tiny-f16.gguf,llmc/model.bin} \
        "$root/torch/views.pt" hostile.safetensors evil*; do
        for words in "ls @" "show @" "params @" "stats @" "verify @" "map @" "hash @" "diff -v @ @"; do
            run_on "$words" "$file"
            case $status in 0 | 1) ;; *) complain "$words $file" "expected 0" ;; esac
            [[ $words == map* ]] || keep_both "$words" "$file" # which pages are in memory may change
        done
    done
    same_trees
    harmless
}

@test "on the files of others no command does anything but answer or refuse" {
    [ -d "$corpus" ] || skip "no corpus"
    n=0
    while read -r -d '' file; do
        for words in "ls @" "show @" "verify @"; do
            run_on "$words" "$file"
            case $status in
            0) keep_json "$words" "$file" ;;
            1) [[ $words == verify* ]] || complain "$words $file" "expected 0" ;;
            3 | 4) must_refuse "$words" "$file" "${file##*/}" ;;
            *) complain "$words $file" "expected 0, 3 or 4" ;;
            esac
        done
    done < <(find "$corpus" -mindepth 1 ! -size +5M -print0)
    same_trees
    harmless
}
