# bench: cases, limits and their arithmetic. How fast something is, no test can tell.

load common

@test "every case that the context can hold is measured, for every number of threads" {
    ingot bench "$BARD" --threads 2,1 --prefill 8,256,257,3 --depth 255,0,256 -n 4 --rounds 2 --json
    expect 0
    [ -z "$err" ]
    [ "$(json '[(r["threads"], r["what"], r["tokens"], r["depth"]) for r in j["results"] if r["threads"] == 1]')" = "[(1, 'prefill', 3, 0), (1, 'products', 3, 0), (1, 'prefill', 8, 0), (1, 'products', 8, 0), (1, 'prefill', 256, 0), (1, 'products', 256, 0), (1, 'decode', 1, 255), (1, 'decode', 4, 0)]" ]
    [ "$(json '[(r["what"], r["tokens"]) for r in j["results"] if r["threads"] == 2][-1], len(j["results"])')" = "(('sessions', 4), 17)" ]
    [ "$(json '[m["threads"] for m in j["machine"]], j["dtype"], j["cache"]')" = "([1, 2], 'f32', 'f32')" ]
}

@test "keys and values are kept as --kv says, and counted so" {
    ingot bench "$BARD" --kv f16 --threads 1 --prefill 8 --depth 128 -n 3 --rounds 1 --no-start --json
    expect 0
    [ "$(json 'j["cache"]')" = f16 ]
    [ "$(json '[r["bytes_per_token"] - j["token_bytes"] for r in j["results"] if r["what"] == "decode"]')" = "[$((4 * 4 * 128 * 130)).0]" ]
    ingot bench "$BARD" --kv q8
    expect_error 2 "auto f32 f16"
}

@test "bytes and operations are those of the model, and the rates follow from them" {
    ingot bench "$BARD" --threads 1 --prefill 64 --depth 0,128 -n 3 --rounds 3 --json
    expect 0
    printf '%s' "$out" >json
    ingot params "$BARD" --json
    printf '%s' "$out" >params
    python -IS - <<'PYTHON'
import json, math
j, p = json.load(open("json")), json.load(open("params"))
h = p["hyper_parameters"]
layers, width = h["n_layer"], h["n_embd"]
near = lambda a, b: math.isclose(a, b, rel_tol=1e-9)
for r in j["results"]:
    n, depth, s = r["tokens"], r["depth"], r["tokens_per_second"]
    positions = depth + (n + 1) / 2
    head = 2 * width * h["n_vocab"] / (n if r["what"] == "prefill" else 1)
    ops = layers * 2 * (4 * width * width + 2 * width * h["n_inner"])
    if r["what"] != "products":
        ops += head + 4 * layers * width * positions
    assert near(r["operations_per_token"], ops)
    assert near(r["operations_per_second"], ops * s["median"])
    if r["what"] == "decode":
        assert near(r["bytes_per_token"], j["token_bytes"] + 8 * layers * width * positions)
        assert near(r["bytes_per_second"], r["bytes_per_token"] * s["median"])
    else:
        assert r["bytes_per_token"] is None
    assert len(r["samples"]) == j["rounds"] == 3 and r["samples"] == sorted(r["samples"], reverse=True)
    assert [s["max"], s["median"], s["min"]] == r["samples"]
    m = j["machine"][0]
    times = [(r["bytes_per_token"] or 0) / m["read_bytes_per_second"]["max"]]
    if m["f32_operations_per_second"]:
        times.append(ops / m["f32_operations_per_second"])
        assert near(r["limit"], 1 / max(times)) and near(r["reached"], s["median"] / r["limit"])
PYTHON
}

@test "given depths leave the numbers of threads as they are: one of them at least is measured" {
    ingot bench "$BARD" --prefill 1 --depth 0 -n 1 --rounds 1 --no-start --json
    expect 0
    [ "$(json 'len(j["machine"]) > 0, [(r["what"], r["threads"]) for r in j["results"]][:3]')" = "(True, [('prefill', 1), ('products', 1), ('decode', 1)])" ]
}

@test "lengths of which none fits into the context are refused" {
    ingot bench "$BARD" --prefill 257 --depth 256 --no-start
    expect_error 2 "--depth" "context of this model, 256 tokens"
}

@test "start and every speed are above zero, a file without vocabulary will do" {
    ingot bench "$BARE" --rounds 1 -n 1 --json
    expect 0
    [ "$(json 'all(r["tokens_per_second"]["min"] > 0 for r in j["results"])')" = True ]
    [ "$(json '0 < j["start"]["open"]["min"] < j["start"]["first_token"]["min"], j["start"]["process"]["min"] > 0')" = "(True, True)" ]
    ingot bench "$BARE" --rounds 1 -n 1 --no-start --json
    [ "$(json 'j["start"]')" = None ]
}

@test "the table says what was measured and what the machine could do" {
    ingot bench "$BARD" --rounds 1 -n 2 --threads 1 --depth 0
    expect 0
    [[ $out == *"f32 on "*"read per token"*"prefill of 128"*"products of 128"*"decode at 0"*"this machine"*"open and bind"* ]]
}

@test "the definition, which has no limit of its own, is measured all the same" {
    INGOT_CPU=scalar ingot bench "$BARD" --rounds 1 -n 1 --threads 1 --depth 0 --prefill 4 --no-start --json
    expect 0
    [ "$(json 'j["cpu"], j["machine"][0]["f32_operations_per_second"], j["results"][0]["limit"]')" = "('scalar', None, None)" ]
}

@test "more threads than cores are measured, but have no limit of their own" {
    ingot bench "$BARE" --threads 1,200 --rounds 1 --no-start --depth 0 --prefill 8 -n 2 --json
    expect 0
    [ "$(json '{(r["threads"], r["limit"] is None) for r in j["results"] if r["threads"] == 200}')" = "{(200, True)}" ]
    [ "$(json 'any(r["limit"] for r in j["results"] if r["threads"] == 1) or "scalar" in str(j)')" = True ]
}

@test "lists are numbers in their range" {
    for list in "" 0 257 1,,2 x 1,2x "$(seq -s, 1 17)"; do
        ingot bench "$BARD" --threads "$list"
        expect_error 2 "--threads" "up to 16 numbers from 1 to 256"
    done
    ingot bench "$BARD" --depth -1
    expect_error 2 "--depth"
    ingot bench "$BARD" --prefill 0
    expect_error 2 "--prefill" "from 1"
    ingot bench "$BARD" --rounds 0
    expect_error 2 rounds
    ingot bench
    expect 2
    ingot bench "$INGOT_ROOT/tests/models/bard"
    expect_error 3 "ingot convert"
}
