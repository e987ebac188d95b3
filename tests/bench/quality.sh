#!/bin/bash
# What q8 and q4 cost, beside llama.cpp's formats of the same model: the shipped model on a text that it was not trained
# on, and, where the corpus is, nano-sort on all 729 questions that it can be asked.
#
#   PEER=DIR     where llama.cpp is (peer/find.sh); PEER=none leaves it out
#
# Perplexity, the share of positions where the likeliest token is the same as with f32, and the KL divergence from f32, in
# nats; each program is compared with its own f32. Prints tables in Markdown.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${INGOT_BUILD:?}
dir=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
text=$here/../reference/held_out.txt bard=$here/../models/bard
nano=$here/../../../shared/corpus/gpt-nano-sort
ctx=256 stride=128 subject=bard

if [[ ${PEER:-} != none ]]; then
    # shellcheck source=tests/bench/peer/find.sh
    source "$here/peer/find.sh"
    build_peer llama_score
    build_peer llama_bench
fi

header() {
    printf '\n| %s | file | perplexity | same likeliest | KL, mean | KL, median |\n|---|---|---|---|---|---|\n' "$1"
}
row() { printf '| %s | %s | %s | %s %% | %s | %s |\n' "$@"; }
kilobytes() { echo "$(($(stat -c %s "$1") / 1000)) kB"; }
make() { "$INGOT" convert "$1" -o "$dir/$2.ingot" -q "${@:3}" 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }; }

# What is scored: as the options of `ingot diff`, and as a file of ids for llama_score.
declare -a what
ours() { # title, name of a file
    "$INGOT" diff "$dir/$subject-f32.ingot" "$dir/$2.ingot" "${what[@]}" --ctx $ctx --stride $stride -q >"$dir/diff" ||
        [[ $? -eq 1 ]]
    row "$1" "$(kilobytes "$dir/$2.ingot")" "$(awk '$1 == "B" { print $NF }' "$dir/diff")" \
        "$(awk '/^same likeliest/ { print $(NF - 1) }' "$dir/diff")" \
        "$(sed -n 's/^KL divergence *mean \([^,]*\),.*/\1/p' "$dir/diff")" \
        "$(sed -n 's/^KL divergence.* median \([^,]*\),.*/\1/p' "$dir/diff")"
}
theirs() { # title, LLAMA_FTYPE_MOSTLY_...
    [[ ${PEER:-} != none ]] || return 0
    [[ -e $dir/$subject.gguf ]] || "$INGOT" export "$dir/$subject-f32.ingot" --to gguf -o "$dir/$subject.gguf" -q 2>/dev/null
    "$peers"/llama_bench "$PEER/lib" "$dir/$subject.gguf" quantize "$2" "$dir/$subject-$2.gguf" >"$dir/log" 2>&1
    "$peers"/llama_score "$PEER/lib" "$dir/$subject.gguf" "$dir/$subject-$2.gguf" "$dir/ids" $ctx $stride >"$dir/scores"
    read -r _ _ _ _ b _ _ same _ _ _ mean _ median <"$dir/scores"
    row "$1" "$(kilobytes "$dir/$subject-$2.gguf")" "${b%,}" "$same" "$mean" "$median"
}
what=(--logits "$text")
make "$bard" bard-f32
make "$bard" bard-q8 --dtype q8
make "$bard" bard-q4 --dtype q4
make "$bard" bard-q4-q8 --dtype q4 --embedding q8
{
    "$INGOT" tokenize "$dir/bard-f32.ingot" --special -p '<|endoftext|>'
    "$INGOT" tokenize "$dir/bard-f32.ingot" <"$text"
} >"$dir/ids"
header "bard"
ours "f32" bard-f32
ours "q8" bard-q8
theirs "llama.cpp, Q8_0" 7
ours "q4, embedding q8" bard-q4-q8
theirs "llama.cpp, Q4_0, embedding Q8_0" 2
ours "q4" bard-q4

# Six letters of three kinds; the same letters sorted are to follow, and these are scored.
questions() {
    awk 'BEGIN {
        for (i = 0; i < 729; i++) {
            n[0] = n[1] = n[2] = 0
            for (k = 1; k <= 729 / 3; k *= 3) {
                letter = int(i / k) % 3
                n[letter]++
                printf "%d%s", letter, k < 729 / 3 ? "," : "|"
            }
            for (k = 0; k < 6; k++) printf "%d%s", (k >= n[0]) + (k >= n[0] + n[1]), k < 5 ? "," : i < 728 ? ";" : "\n"
        }
    }'
}

# ggml's blocks are 32 weights of a row: rows of 48 cannot be cut into them, and llama.cpp leaves such a matrix in f16. Of
# nano-sort only the three mlp.c_proj, whose rows are 192 long, become Q8_0 or Q4_0. A recipe does the same here.
as_theirs() { # dtype
    sed "s/  - h.{i}.mlp.c_proj.weight/  - from: h.{i}.mlp.c_proj.weight\n    dtype: $1/" \
        "$here/../../convert/recipes/mingpt.yaml" >"$dir/$1.yaml"
    make "$nano" nano-f16-"$1" --dtype f16 --recipe "$dir/$1.yaml"
}

[[ -d $nano ]] || { printf '\nskipped: nano-sort, for there is no %s\n' "$nano"; exit 0; }
ctx=11 stride=11 subject=nano
questions >"$dir/ids"
what=(--ids "$(cat "$dir/ids")")
make "$nano" nano-f32
make "$nano" nano-q8 --dtype q8
make "$nano" nano-q4 --dtype q4
make "$nano" nano-q4-q8 --dtype q4 --embedding q8
as_theirs q8
as_theirs q4
header "nano-sort"
ours "f32" nano-f32
ours "q8" nano-q8
ours "q4, embedding q8" nano-q4-q8
ours "q4" nano-q4
ours "f16, mlp.c_proj q8" nano-f16-q8
theirs "llama.cpp, Q8_0: F16, ffn_down Q8_0" 7
ours "f16, mlp.c_proj q4" nano-f16-q4
theirs "llama.cpp, Q4_0: F16, ffn_down Q4_0" 2
