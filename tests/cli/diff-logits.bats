# diff --logits: what two models make of a text, against NumPy over the logits that eval writes.

load common
text=$INGOT_ROOT/tests/reference/coriolanus.txt

setup_file() {
    export BARD=$BATS_FILE_TMPDIR/bard.ingot BARE=$BATS_FILE_TMPDIR/bare.ingot ROUGH=$BATS_FILE_TMPDIR/bf16.ingot
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o "$BARD"
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o "$ROUGH" --dtype bf16
    mkdir "$BATS_FILE_TMPDIR/bare"
    cp "$INGOT_ROOT"/tests/models/bard/{config.json,model.safetensors} "$BATS_FILE_TMPDIR/bare"
    "$INGOT" convert "$BATS_FILE_TMPDIR/bare" -o "$BARE" 2>"$BATS_FILE_TMPDIR/warning"
}

@test "a model has the logits of itself: exit code 0, all distances zero" {
    cp "$BARD" copy.ingot
    ingot diff "$BARD" copy.ingot --logits "$text" --json
    expect 0
    [ "$(json 'j["equal"], j["tokens"], j["identical"], j["same_likeliest"], j["kl"], j["max_abs"]')" = "(True, 914, 914, 914, {'mean': 0.0, 'median': 0.0, 'p99': 0.0, 'max': 0.0}, 0.0)" ]
    [ "$(json 'j["a"]["perplexity"] == j["b"]["perplexity"]')" = True ]
}

@test "perplexities are those of score" {
    ingot score "$ROUGH" "$text" --json --ctx 50 --stride 20
    want=$(json 'j["all"]["perplexity"], j["all"]["bits_per_byte"]')
    ingot diff "$BARD" "$ROUGH" --logits "$text" --json --ctx 50 --stride 20
    expect 1
    [ "$(json 'j["b"]["perplexity"], j["b"]["bits_per_byte"]')" = "$want" ]
    [ "$(json 'j["equal"], j["ctx"], j["stride"], j["start"]')" = "(False, 50, 20, True)" ]
}

@test "the figures are NumPy's over the same logits" {
    python -c 'import numpy' 2>/dev/null || skip "no NumPy"
    ids=$(seq -s, 3 11 2000)
    ingot eval "$BARD" --ids "2047,$ids" --npy a.npy
    ingot eval "$ROUGH" --ids "2047,$ids" --npy b.npy
    ingot diff "$BARD" "$ROUGH" --ids "$ids" --json
    expect 1
    python - out a.npy b.npy <<'PYTHON'
import json, math, sys, numpy
j = json.load(open(sys.argv[1]))
a, b = (numpy.load(f).astype(numpy.float64)[:-1] for f in sys.argv[2:])
assert j["tokens"] == len(a)
log_p, log_q = (x - x.max(1, keepdims=True) - numpy.log(numpy.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)) for x in (a, b))
kl = (numpy.exp(log_p) * (log_p - log_q)).sum(1)
assert j["same_likeliest"] == (a.argmax(1) == b.argmax(1)).sum()
near = lambda x, y: math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12)
assert near(j["kl"]["mean"], kl.mean()) and near(j["kl"]["max"], kl.max())
assert near(j["kl"]["median"], sorted(kl)[math.ceil(len(kl) / 2) - 1])
assert near(j["kl"]["p99"], sorted(kl)[math.ceil(len(kl) * 0.99) - 1])
assert near(j["mean_abs"], abs(a - b).mean()) and near(j["max_abs"], abs(a - b).max())
PYTHON
}

@test "sequences of ids are compared where they are scored" {
    ingot diff "$BARD" "$ROUGH" --ids '5,6|7,8;9|10' --json
    expect 1
    [ "$(json 'j["tokens"]')" = 3 ]
    sum=$(json 'round(3 * j["kl"]["mean"], 12), j["b"]["perplexity"]')
    ingot diff "$BARD" "$ROUGH" --ids '5,6|7,8' --json
    first=$(json 'j["kl"]["mean"], j["b"]["nats_per_token"]')
    ingot diff "$BARD" "$ROUGH" --ids '9|10' --json
    [ "$(json 'round(2 * '"$first"'[0] + j["kl"]["mean"], 12)')" = "$(python -c 'print('"$sum"'[0])')" ]
}

@test "threads do not show" {
    ingot diff "$BARD" "$ROUGH" --logits "$text" --json
    first=$out
    for n in 1 3; do
        ingot diff "$BARD" "$ROUGH" --logits "$text" --json -t $n
        [ "$first" = "$out" ]
    done
}

@test "the table says it in words; a text may come from standard input" {
    ingot diff "$BARD" "$ROUGH" --logits - < <(head -c 200 "$text")
    expect 1
    [ -z "$err" ]
    [[ $out == *perplexity*"A "*"B "*"same likeliest token"*"KL divergence"*nats*"|logit difference|"* ]]
}

@test "one vocabulary is enough, and none is for ids" {
    ingot diff "$BARE" "$BARD" --logits "$text" --json
    expect 0
    ingot diff "$BARE" "$BARE" --ids 1,2,3
    expect 0
    ingot diff "$BARE" "$BARE" --logits "$text"
    expect_error 3 "no vocabulary"
}

@test "models whose vocabularies differ are refused" {
    cp -r "$INGOT_ROOT/tests/models/bard" other
    chmod -R u+w other
    sed -i 's/"a": \([0-9]*\), "b": \([0-9]*\)/"a": \2, "b": \1/' other/vocab.json
    refute cmp -s other/vocab.json "$INGOT_ROOT/tests/models/bard/vocab.json"
    ingot convert other -o other.ingot
    expect 0
    ingot diff "$BARD" other.ingot --logits "$text"
    expect_error 2 other.ingot tokenizer "same vocabulary"
    "$INGOT_BUILD"/tests/tools/random_checkpoint small --n_layer 1 --n_head 1 --n_embd 16 --n_vocab 50 --n_ctx 8
    ingot convert small -o small.ingot -q
    ingot diff "$BARD" small.ingot --ids 1,2
    expect_error 2 small.ingot 50 2048 "same vocabulary"
}

@test "what cannot be compared is refused" {
    ingot diff "$BARD" "$INGOT_ROOT/tests/models/bard" --logits "$text"
    expect_error 3 "ingot convert"
    ingot diff "$BARD" "$ROUGH" --logits /dev/null
    expect_error 2 "two tokens"
    ingot diff "$BARD" "$ROUGH" --logits nowhere
    expect_error 5 nowhere
    ingot diff "$BARD" "$ROUGH" --logits "$text" --ids 1,2
    expect_error 2 "exclude each other"
    ingot diff "$BARD" "$ROUGH" --logits "$text" --strict
    expect_error 2 "--strict"
    ingot diff "$BARD" "$ROUGH" --ctx 5
    expect_error 2 "--ctx needs --logits"
    ingot diff "$BARD" "$ROUGH" --logits "$text" --ctx 300
    expect_error 2 --ctx 300 256
}

@test "of two files that may have shrunk under the reader both are named" {
    cp "$BARD" shrink.ingot
    mkfifo text
    "$INGOT" diff shrink.ingot "$ROUGH" --logits text >out 2>err &
    pid=$!
    exec 9>text # waits for the reader, who has opened the models by then
    truncate -s 8192 shrink.ingot
    printf 'a text' >&9
    exec 9>&-
    status=0
    wait $pid || status=$?
    [ $status -eq 5 ]
    [[ $(cat err) == *"shrink.ingot or $ROUGH: the file became shorter"* ]]
}
