#!/bin/bash
# GPT-2's smallest shape (124,439,808 parameters, random values) run by ingot and by llama.cpp, in turns, on this machine.
#
#   PEER=DIR     where llama.cpp is: DIR/include/*.h and DIR/lib/libllama*.so. Without it the npm packages node-llama-cpp
#                (which carries llama.cpp's source) and @node-llama-cpp/linux-x64 (its prebuilt libraries) are fetched into
#                the build directory. Nothing of it becomes part of ingot.
#   ROUNDS=3     turns of five rounds each
#
# Every figure is least / median / most; the ratio is that of the medians, above 1 where ingot is faster.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${INGOT_BUILD:?}
peers=$build/peers
rounds=${ROUNDS:-3}
mkdir -p "$peers"
dir=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT

fetch_peer() {
    echo "fetching llama.cpp's prebuilt libraries from the npm registry into $peers" >&2
    command -v npm >/dev/null || { echo "npm is missing: apt-get install npm, or give PEER=DIR" >&2; exit 1; }
    (
        cd "$peers"
        npm pack --silent node-llama-cpp@3 @node-llama-cpp/linux-x64@3 >/dev/null
        for package in *.tgz; do tar xzf "$package" --one-top-level="${package%.tgz}"; done
        git clone --quiet -c advice.detachedHead=false ./node-llama-cpp-3*/package/llama/gitRelease.bundle source
        mkdir -p include lib
        cp source/include/*.h source/ggml/include/*.h include/
        cp node-llama-cpp-linux-x64-*/package/bins/linux-x64/*.so lib/
        rm -rf ./*.tgz node-llama-cpp-* source
    )
}
if [[ -z ${PEER:-} ]]; then
    PEER=$peers
    [[ -d $peers/lib ]] || fetch_peer
fi
library() { basename "$(find "$PEER/lib" -name "$1" | sort | head -n 1)"; }
"${CC:-cc}" -O2 -std=gnu17 -I"$PEER/include" -o "$peers/llama_bench" "$here/peer/llama_bench.c" -L"$PEER/lib" \
    -Wl,-rpath,"$PEER/lib" -l:"$(library 'libllama.*so*')" -l:"$(library 'libggml.*so*')" -l:"$(library 'libggml-base.*so*')"

source=$dir/gpt2
"$build"/tests/tools/random_checkpoint "$source" --n_layer 12 --n_head 12 --n_embd 768 --n_vocab 50257 --n_ctx 1024 \
    --std 0.02
for dtype in f32 f16 bf16; do
    "$INGOT" convert "$source" -o "$dir/$dtype.ingot" --dtype $dtype -q 2>/dev/null
    "$INGOT" export "$dir/$dtype.ingot" --to gguf -o "$dir/$dtype.gguf" -q 2>/dev/null
done
rm -rf "$source"

milliseconds() { # who, what, command...
    local who=$1 what=$2 start=$EPOCHREALTIME
    shift 2
    "$@" >/dev/null 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" -v who="$who" -v what="$what" 'BEGIN { print who, what, 1000 * (b - a) }'
}

tidy() { # who, file's extension: raw lines to "who dtype-threads-what value"
    sed -E "s#^[^ ]*/([a-z0-9]+)\.$2 ([0-9]+) (.*) ([0-9.]+)\$#$1 \1/\2/\3 \4#"
}

for ((round = 0; round < rounds; round++)); do
    for dtype in f32 f16 bf16; do
        for threads in 1 2; do
            "$build"/tests/bench/bench_model --raw $threads "$dir/$dtype.ingot" | tidy ingot ingot
            for flash in 0 1; do
                "$peers"/llama_bench "$PEER/lib" "$dir/$dtype.gguf" $threads $flash | tidy "llama$flash" gguf
            done
        done >>"$dir/speeds"
        for _ in 1 2 3; do
            milliseconds ingot "$dtype" "$INGOT" run "$dir/$dtype.ingot" --ids 464 -n 1
            milliseconds llama0 "$dtype" "$peers"/llama_bench "$PEER/lib" "$dir/$dtype.gguf" 2 once
        done >>"$dir/once"
    done
done

table() { # file, 1 if larger is better, title
    sort -k2,2 -k1,1 -k3,3n "$1" | awk -v larger="$2" -v title="$3" '
        function flush() { if (n) { least[key] = t[1]; median[key] = t[int((n + 1) / 2)]; most[key] = t[n] } n = 0 }
        { k = $1 " " $2; if (k != key) { flush(); key = k; if (!($2 in seen)) { seen[$2] = 1; order[++rows] = $2 } } t[++n] = $3 }
        END {
            flush()
            printf "%-24s %32s %32s %8s\n", title, "ingot", "llama.cpp (better variant)", "ratio"
            for (i = 1; i <= rows; i++) {
                what = order[i]; a = "ingot " what; b = "llama0 " what; c = "llama1 " what
                if (c in median && (larger ? median[c] > median[b] : median[c] < median[b])) b = c
                ratio = larger ? median[a] / median[b] : median[b] / median[a]
                printf "%-24s %10.1f %10.1f %10.1f %10.1f %10.1f %10.1f %8.2f\n", what, least[a], median[a], most[a], least[b], median[b], most[b], ratio
            }
        }'
}
table "$dir/speeds" 1 "tokens/s, by threads"
echo
table "$dir/once" 0 "ms, process, one token"
