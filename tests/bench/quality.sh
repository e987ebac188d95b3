#!/bin/bash
# What q8 and q4 cost: the shipped model on a text that it was not trained on, beside llama.cpp's formats of the same model.
#
#   PEER=DIR     where llama.cpp is (peer/find.sh); PEER=none leaves it out
#
# Perplexity, the share of positions where the likeliest token is the same as with f32, and the KL divergence from f32, in
# nats; each program is compared with its own f32. Prints a table in Markdown.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${INGOT_BUILD:?}
dir=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
text=$here/../reference/held_out.txt model=$here/../models/bard

make() { "$INGOT" convert "$model" -o "$dir/$1.ingot" -q "${@:2}"; }
make f32
make q8 --dtype q8
make q4 --dtype q4
make q4-q8 --dtype q4 --embedding q8

row() { printf '| %s | %s | %s | %s %% | %s | %s |\n' "$@"; }
kilobytes() { echo "$(($(stat -c %s "$1") / 1000)) kB"; }
ours() { # title, file
    "$INGOT" diff "$dir/f32.ingot" "$2" --logits "$text" --ctx 256 --stride 128 -q >"$dir/diff" || [[ $? -eq 1 ]]
    row "$1" "$(kilobytes "$2")" "$(awk '$1 == "B" { print $NF }' "$dir/diff")" \
        "$(awk '/^same likeliest/ { print $(NF - 1) }' "$dir/diff")" \
        "$(sed -n 's/^KL divergence *mean \([^,]*\),.*/\1/p' "$dir/diff")" \
        "$(sed -n 's/^KL divergence.* median \([^,]*\),.*/\1/p' "$dir/diff")"
}
theirs() { # title, GGUF file
    "$peers"/llama_score "$PEER/lib" "$dir/f32.gguf" "$2" "$dir/ids" 256 128 >"$dir/scores"
    read -r _ _ _ _ b _ _ same _ _ _ mean _ median <"$dir/scores"
    row "$1" "$(kilobytes "$2")" "${b%,}" "$same" "$mean" "$median"
}

echo "| | file | perplexity | same likeliest | KL, mean | KL, median |"
echo "|---|---|---|---|---|---|"
ours "f32" "$dir/f32.ingot"
ours "q8" "$dir/q8.ingot"
ours "q4, embedding q8" "$dir/q4-q8.ingot"
ours "q4" "$dir/q4.ingot"
[[ ${PEER:-} != none ]] || exit 0

# shellcheck source=tests/bench/peer/find.sh
source "$here/peer/find.sh"
build_peer llama_score
build_peer llama_bench
"$INGOT" export "$dir/f32.ingot" --to gguf -o "$dir/f32.gguf" -q
{ "$INGOT" tokenize "$dir/f32.ingot" --special -p '<|endoftext|>'; "$INGOT" tokenize "$dir/f32.ingot" <"$text"; } >"$dir/ids"
"$peers"/llama_bench "$PEER/lib" "$dir/f32.gguf" quantize 7 "$dir/q8_0.gguf" >"$dir/log" 2>&1 # LLAMA_FTYPE_MOSTLY_Q8_0
"$peers"/llama_bench "$PEER/lib" "$dir/f32.gguf" quantize 2 "$dir/q4_0.gguf" >"$dir/log" 2>&1 # LLAMA_FTYPE_MOSTLY_Q4_0
theirs "llama.cpp, Q8_0" "$dir/q8_0.gguf"
theirs "llama.cpp, Q4_0, embedding Q8_0" "$dir/q4_0.gguf"
