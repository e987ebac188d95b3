# eval: logits of every position, byte for byte the same however they are computed.

load common
ids=$(seq -s, 3 7 500)

@test "--npy is a NumPy array of f32, [tokens, vocabulary]" {
    ingot eval "$BARD" --ids 1,2,3 --npy a.npy
    expect 0
    [ -z "$out$err" ]
    [ "$(stat -c %s a.npy)" = $((128 + 3 * 2048 * 4)) ]
    python -c 'import numpy' 2>/dev/null || skip "no NumPy"
    [ "$(python -c 'import numpy; a = numpy.load("a.npy"); print(a.shape, a.dtype)')" = "(3, 2048) float32" ]
}

@test "instruction set, threads, batches and single steps give identical files" {
    ingot eval "$BARD" --ids "$ids" --npy want.npy
    expect 0
    ingot cpu --json
    for cpu in $(json '" ".join(j["available"])'); do
        INGOT_CPU=$cpu ingot eval "$BARD" --ids "$ids" --npy $cpu.npy
        expect 0
        cmp want.npy $cpu.npy
    done
    for words in "--threads 1" "--threads 2" "--threads 7" "--batch 1" "--batch 2" "--batch 13" "--batch 300" "--step"; do
        ingot eval "$BARD" --ids "$ids" --npy a.npy -f $words
        expect 0
        cmp want.npy a.npy
    done
}

@test "a prefix has the same logits" {
    ingot eval "$BARD" --ids 9,8,7,6,5 --npy long.npy
    ingot eval "$BARD" --ids 9,8,7 --npy short.npy
    cmp <(tail -c +129 short.npy) <(tail -c +129 long.npy | head -c $((3 * 2048 * 4)))
}

@test "the JSON agrees with the array" {
    ingot eval "$BARD" -p 'Good morrow' --npy a.npy
    ingot eval "$BARD" -p 'Good morrow' --json --top 3
    expect 0
    [ "$(json '{len(t["top"]) for t in j["tokens"]}')" = "{3}" ]
    [ "$(json 'j["tokens"][0]["log_probability"]')" = None ]
    [ "$(json '"".join(t["piece"] for t in j["tokens"])')" = "Good morrow" ]
    python -c 'import numpy' 2>/dev/null || skip "no NumPy"
    python - out a.npy <<'PYTHON'
import json, sys, numpy
tokens = json.load(open(sys.argv[1]))["tokens"]
logits = numpy.load(sys.argv[2]).astype(numpy.float64)
log_p = logits - logits.max(1, keepdims=True)
log_p -= numpy.log(numpy.exp(log_p).sum(1, keepdims=True))
for i, t in enumerate(tokens):
    order = numpy.argsort(-logits[i], kind="stable")[:3]
    assert [b["id"] for b in t["top"]] == list(order)
    for b in t["top"]:
        assert b["logit"] == logits[i][b["id"]]
        assert abs(b["log_probability"] - log_p[i][b["id"]]) < 1e-6
    if i > 0:
        assert abs(t["log_probability"] - log_p[i - 1][t["id"]]) < 1e-6
PYTHON
}

@test "text from -p, stdin and ids are one input" {
    ingot tokenize "$BARD" -p 'Good morrow'
    tokens=$out
    ingot eval "$BARD" --ids "$tokens"
    expect 0
    first=$out
    ingot eval "$BARD" -p 'Good morrow'
    [ "$first" = "$out" ]
    ingot eval "$BARD" < <(printf 'Good morrow')
    [ "$first" = "$out" ]
}

@test "an existing array is not overwritten without -f, and never a device" {
    echo precious >a.npy
    ingot eval "$BARD" --ids 1 --npy a.npy
    expect_error 5 a.npy "-f"
    [ "$(cat a.npy)" = precious ]
    ingot eval "$BARD" --ids 1 --npy a.npy -f
    expect 0
    [ "$(stat -c %s a.npy)" = $((128 + 2048 * 4)) ]
    ingot eval "$BARD" --ids 1 --npy /dev/null -f
    expect_error 5 "not a regular file"
    [ -c /dev/null ]
    [ -z "$(ls | grep tmp)" ]
}

@test "not even -f replaces the model by its logits, whatever its name" {
    cp "$BARD" a.ingot
    ln -s a.ingot link
    for name in a.ingot ./a.ingot link; do
        ingot eval a.ingot --ids 1 --npy $name -f
        expect_error 2 "the model itself"
    done
    cmp a.ingot "$BARD"
}

# A model all of whose logits are NaN, for its last norm has none but NaN.
make_nan() { # file
    cp -r "$INGOT_ROOT/tests/models/bard" nan
    chmod -R u+w nan
    local at
    ingot ls nan --json
    at=$(json '[t["offset"] for t in j["tensors"] if t["name"].endswith("ln_f.weight")][0]')
    printf '\xff%.0s' {1..512} | dd of=nan/model.safetensors bs=1 seek="$at" conv=notrunc status=none
    "$INGOT" convert nan -o "$1" -q
}

@test "of logits that are all NaN each token is listed once" {
    make_nan nan.ingot
    ingot eval nan.ingot --ids 1,2 --json --top 4
    expect 0
    [ "$(json '[[(b["id"], b["logit"]) for b in t["top"]] for t in j["tokens"]]')" = "[[(0, None), (1, None), (2, None), (3, None)], [(0, None), (1, None), (2, None), (3, None)]]" ]
    [ "$(json '[t["log_probability"] for t in j["tokens"]]')" = "[None, '-inf']" ]
}

@test "an infinite figure is a string in JSON and in YAML, one that does not exist is null" {
    make_nan nan.ingot
    ingot score nan.ingot --ids 1,2 --json
    [ "$(json 'j["all"]["perplexity"], j["all"]["nats"]')" = "('inf', 'inf')" ]
    ingot score nan.ingot --ids 1,2 --yaml
    [[ $out == *'perplexity: inf'* ]]
    ingot diff "$BARD" nan.ingot --ids 1,2 --json
    [ "$(json 'j["kl"]["max"], j["max_abs"], j["b"]["perplexity"]')" = "('inf', 'inf', 'inf')" ]
    ingot score "$BARE" --ids 1,2 --json
    [ "$(json 'j["all"]["bits_per_byte"]')" = None ]
}

@test "ids are numbers parted by a comma or by spaces, and none is missing" {
    ingot eval "$BARD" --ids 1,22,333 --npy a.npy
    for list in '1 22 333' ' 1, 22 ,333 ' $'1\n22\t333\n'; do
        ingot eval "$BARD" --ids "$list" --npy b.npy -f
        expect 0
        cmp a.npy b.npy
    done
    for list in 1,,22 ,1 1, , '1, ,2' 1x -1 1.0 0x1 '1;2'; do
        ingot eval "$BARD" --ids "$list"
        expect_error 2 "is not a token id"
    done
}

@test "a name left empty is shown as such" {
    ingot eval '' --ids 1
    expect_error 5 "'': cannot open"
    ingot ls ''
    expect_error 5 "'': cannot open"
}

@test "what cannot be evaluated is refused" {
    ingot eval "$BARD" -p ''
    expect_error 2 "no tokens"
    ingot eval "$BARD" </dev/null
    expect_error 2 "no tokens"
    ingot eval "$BARD" --ids "$(seq -s, 1 257)"
    expect_error 2 "257 tokens do not fit into a context of 256"
    ingot eval "$BARD" --ids 1,2048
    expect_error 2 "2048"
    ingot eval "$BARD" --ids 1 --npy nowhere/a.npy
    expect_error 5 nowhere
}
