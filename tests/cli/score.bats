# score: the figures of an independent float64 model, however the text is cut and computed.

load common
text=$INGOT_ROOT/tests/reference/coriolanus.txt

@test "every way to cut a text into windows gives the reference's figures" {
    while read -r ctx stride start tokens nats likeliest; do
        [ "$start" = 1 ] && words= || words=--no-start
        ingot score "$BARD" "$text" --ctx "$ctx" --stride "$stride" --json $words
        expect 0
        [ "$(json 'j["all"]["tokens"], j["all"]["likeliest"], j["texts"][0]["start"]')" = "($tokens, $likeliest, $([ "$start" = 1 ] && echo True || echo False))" ]
        [ "$(json 'abs(j["all"]["nats"] / '"$nats"' - 1) < 2e-6')" = True ]
    done <"$INGOT_ROOT/tests/reference/bard.scores"
}

@test "half of the context is the stride when none is given" {
    ingot score "$BARD" "$text" --ctx 100 --json
    first=$out
    ingot score "$BARD" "$text" --ctx 100 --stride 50 --json
    [ "$first" = "$out" ]
    ingot score "$BARD" "$text" --json
    [ "$(json 'j["ctx"], j["stride"], j["texts"][0]["windows"]')" = "(256, 128, 7)" ]
}

@test "the figures are the same for every number of threads and every instruction set" {
    ingot score "$BARD" "$text" --tokens --json
    expect 0
    first=$out
    for n in 1 2 5; do
        ingot score "$BARD" "$text" --tokens --json --threads $n
        [ "$first" = "$out" ]
    done
    INGOT_CPU=scalar ingot score "$BARD" - --ctx 20 --json < <(head -c 300 "$text")
    first=$out
    ingot score "$BARD" --ctx 20 --json < <(head -c 300 "$text")
    [ "$first" = "$out" ]
}

@test "sums, perplexity and bits per byte are those of the tokens" {
    ingot score "$BARD" "$text" "$text" --tokens --json
    expect 0
    printf '%s' "$out" >json
    python -IS - <<'PYTHON'
import json, math
j = json.load(open("json"))
for t in j["texts"]:
    assert len(t["scores"]) == t["tokens"] and sum(s["rank"] == 1 for s in t["scores"]) == t["likeliest"]
    nats = 0.0
    for s in t["scores"]:
        nats -= s["log_probability"]
    assert nats == t["nats"]
    assert t["bytes"] == len("".join(s["piece"] for s in t["scores"])) == 2676
    assert math.isclose(t["bits_per_byte"], nats / math.log(2) / 2676) and t["nats_per_token"] == nats / t["tokens"]
    assert math.isclose(t["perplexity"], math.exp(nats / t["tokens"]))
    assert [s["position"] for s in t["scores"]] == list(range(t["tokens"]))
assert j["all"]["nats"] == 2 * nats and j["all"]["tokens"] == 2 * t["tokens"]
PYTHON
}

@test "log-probabilities and ranks are those that eval shows" {
    ingot tokenize "$BARD" -p 'Good morrow, sir'
    ids=$out
    ingot score "$BARD" --ids "$ids" --no-start --tokens --json
    expect 0
    [ "$(json 'j["texts"][0]["text"]')" = --ids ]
    scores=$(json '[(s["id"], s["log_probability"]) for s in j["texts"][0]["scores"]]')
    ranks=$(json '[s["rank"] for s in j["texts"][0]["scores"]]')
    ingot eval "$BARD" --ids "$ids" --json --top 1000
    [ "$scores" = "$(json '[(t["id"], t["log_probability"]) for t in j["tokens"][1:]]')" ]
    [ "$ranks" = "$(json '[1 + [b["id"] for b in t["top"]].index(n["id"]) for t, n in zip(j["tokens"], j["tokens"][1:])]')" ]
}

@test "every sequence of ids begins in an empty context, and what is given is not scored" {
    ids=$(seq -s, 3 5 700)
    for cut in 1 40 129 139; do # windows of 20 and portions of 128 are crossed by what is given
        ingot score "$BARD" --ids "$ids" --ctx 20 --stride 7 --tokens --json
        want=$(json '[(s["position"], s["id"], s["log_probability"], s["rank"]) for s in j["texts"][0]["scores"]]['$cut':]')
        ingot score "$BARD" --ids "$(cut -d, -f-$cut <<<"$ids")|$(cut -d, -f$((cut + 1))- <<<"$ids")" --ctx 20 --stride 7 --tokens --json
        expect 0
        [ "$(json '[(s["position"], s["id"], s["log_probability"], s["rank"]) for s in j["texts"][0]["scores"]]')" = "$want" ]
    done
    for words in "" --no-start; do
        want=()
        for part in '5,6,7' '8|9,10' '5 6 7|8'; do
            ingot score "$BARD" --ids "$part" --tokens --json $words
            want+=("$(json '[(s["position"], s["id"], s["log_probability"]) for s in j["texts"][0]["scores"]]')")
        done
        ingot score "$BARD" --ids '5,6,7; 8|9,10 ;5 6 7|8' --tokens --json $words
        expect 0
        [ "$(json 'j["texts"][0]["sequences"], j["texts"][0]["windows"]')" = "(3, 3)" ]
        for i in 0 1 2; do
            [ "$(json '[(s["position"], s["id"], s["log_probability"]) for s in j["texts"][0]["scores"] if s["sequence"] == '$i']')" = "${want[i]}" ]
        done
    done
}

@test "a sequence in which nothing can be scored is refused by its number" {
    ingot score "$BARE" --ids '1,2;3'
    expect_error 2 "token ids: sequence 2 has no token"
    ingot score "$BARD" --ids '1,2|;3|4'
    expect_error 2 "sequence 1 has no token"
    ingot score "$BARD" --ids '1,2;'
    expect_error 2 "sequence 2 has no token"
    ingot score "$BARD" --ids '1|2|3'
    expect_error 2 "'2|3' is not a token id"
    ingot score "$BARD" --ids '1,2|'
    expect_error 2 "sequence 1 has no token"
}

@test "without a vocabulary ids are scored, bytes are not known, the first id is not scored" {
    ingot score "$BARE" --ids 1,2,3 --json
    expect 0
    [ "$(json 'j["all"]["tokens"], j["all"]["bytes"], j["all"]["bits_per_byte"], j["texts"][0]["start"]')" = "(2, None, None, False)" ]
    ingot score "$BARE" "$text"
    expect_error 3 "no vocabulary" "--ids"
}

@test "<|endoftext|> in a text is the token with --special only" {
    printf 'a<|endoftext|>b' >t
    ingot score "$BARD" t --special --tokens --json
    [ "$(json '[s["id"] for s in j["texts"][0]["scores"]][1]')" = 2047 ]
    ingot score "$BARD" t --tokens --json
    [ "$(json '2047 in [s["id"] for s in j["texts"][0]["scores"]]')" = False ]
}

@test "the table has a row for each text and their sum" {
    cp "$text" $'a\e[31m.txt'
    ingot score "$BARD" "$text" $'a\e[31m.txt'
    expect 0
    [ -z "$err" ]
    [[ $out == *'a\x1b[31m.txt'*"all "*1,828*5,352* ]]
    ingot score "$BARD" --tokens --ids 1,2
    expect 0
    [[ $out == *"log P"*rank*perplexity* ]]
}

@test "what cannot be scored is refused" {
    ingot score "$BARD" </dev/null
    expect_error 2 "no tokens"
    ingot score "$BARD" --ids 5 --no-start
    expect_error 2 "a single token"
    ingot score "$BARD" --ids 1,2 "$text"
    expect_error 2 "exclude each other"
    ingot score "$BARD" "$text" --ctx 257
    expect_error 2 --ctx 257 256
    ingot score "$BARD" "$text" --ctx 100 --stride 101
    expect_error 2 --stride 101 100
    ingot score "$BARD" "$text" --ctx 0
    expect_error 2 ctx
    ingot score "$BARD" nowhere.txt
    expect_error 5 nowhere.txt
    ingot score "$BARD" .
    expect_error 5 "."
    ingot score "$INGOT_ROOT/tests/models/bard" "$text"
    expect_error 3 "ingot convert"
    ingot score "$BARD" --strid 3
    expect_error 2 "did you mean '--stride'?"
}
