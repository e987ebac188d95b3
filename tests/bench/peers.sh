#!/bin/bash
# A model of GPT-2's shape and random values, run by ingot and by llama.cpp, in turns, on this machine.
#
#   peers.sh [--quick]     --quick: one round; as a sign of life, not as a measurement
#
#   PEER=DIR     where llama.cpp is (peer/find.sh)
#   ROUNDS=5     turns; in each, every measurement is made once
#   MINUTES=20   no turn begins after so many
#   THREADS=2    of both
#   DTYPES="f32 f16 bf16 q8 q4"
#   KV=auto      what ingot keeps keys and values as: the peer's are f16 always, ingot's with q8 and q4
#   SHAPE=124M   or 355M, 774M, 1558M, as GPT-2's sizes are called (1558M wants 16 GB of disk with DTYPES="f16 q8")
#
# The peer runs q8 as Q8_0 with the same values (ingot export), and against q4 its own Q4_0, whose head is Q6_K. Prints two
# tables in Markdown. First the ratios, above 1 where ingot is faster: the least, the median and the most of all turns, for
# the machine's speed changes from turn to turn and both meet it within one. Then the figures that they are made of. Of the
# peer's variants, with flash attention and without, the one with the better median counts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${INGOT_BUILD:?}
rounds=${ROUNDS:-5} minutes=${MINUTES:-20} threads=${THREADS:-2} dtypes=${DTYPES:-f32 f16 bf16 q8 q4}
[[ ${1:-} != --quick ]] || rounds=1
case ${SHAPE:-124M} in
    124M) n_layer=12 n_head=12 n_embd=768 ;;
    355M) n_layer=24 n_head=16 n_embd=1024 ;;
    774M) n_layer=36 n_head=20 n_embd=1280 ;;
    1558M) n_layer=48 n_head=25 n_embd=1600 ;;
    *) echo "peers.sh: SHAPE=$SHAPE is none of 124M, 355M, 774M, 1558M" >&2; exit 2 ;;
esac
n_parameters=$((n_layer * (12 * n_embd * n_embd + 13 * n_embd) + (50257 + 1024 + 2) * n_embd))
dir=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# shellcheck source=tests/bench/peer/find.sh
source "$here/peer/find.sh"
build_peer llama_bench

source=$dir/gpt2
"$build"/tests/tools/random_checkpoint "$source" --n_layer $n_layer --n_head $n_head --n_embd $n_embd --n_vocab 50257 \
    --n_ctx 1024 --std 0.02
for dtype in $dtypes; do
    "$INGOT" convert "$source" -o "$dir/$dtype.ingot" --dtype "$dtype" -q 2>/dev/null
    [[ $dtype == q4 ]] || "$INGOT" export "$dir/$dtype.ingot" --to gguf -o "$dir/$dtype.gguf" -q 2>/dev/null
done
if [[ " $dtypes " == *" q4 "* ]]; then
    "$INGOT" convert "$source" -o "$dir/source.ingot" -q 2>/dev/null
    "$INGOT" export "$dir/source.ingot" --to gguf -o "$dir/source.gguf" -q 2>/dev/null
    "$peers"/llama_bench "$PEER/lib" "$dir/source.gguf" quantize 2 "$dir/q4.gguf" >/dev/null # LLAMA_FTYPE_MOSTLY_Q4_0
    rm -f "$dir"/source.*
fi
rm -rf "$source"

# "WHAT TOKENS/S" of one round of ingot.
ingot_round() { # dtype
    "$INGOT" bench "$dir/$1.ingot" --threads "$threads" --kv "${KV:-auto}" --rounds 1 --prefill 512,1024 --depth 0,512 \
        --no-start -q --yaml |
        awk '/^ *(- )?what:/ { what = $NF } /^ *tokens:/ { n = $NF } /^ *depth:/ { depth = $NF }
             /^ *(- )?median:/ { rate = $NF }
             /^ *(- )?operations_per_token:/ { if (what == "prefill" || what == "decode") print what "-" (what == "prefill" ? n : depth), rate }'
}

milliseconds() { # who, dtype, command...
    local who=$1 dtype=$2 start=$EPOCHREALTIME
    shift 2
    "$@" >/dev/null 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" -v key="$dtype once $who" 'BEGIN { print key, 1000 * (b - a) }'
}

deadline=$((SECONDS + 60 * minutes))
for ((round = 0; round < rounds && (round == 0 || SECONDS < deadline); round++)); do
    for dtype in $dtypes; do
        ingot_round "$dtype" | awk -v dtype="$dtype" '{ print dtype, $1, "ingot", $2 }'
        for flash in 0 1; do
            "$peers"/llama_bench "$PEER/lib" "$dir/$dtype.gguf" "$threads" $flash |
                awk -v dtype="$dtype" -v who="llama$flash" '{ print dtype, $1, who, $2 }'
        done
        milliseconds ingot "$dtype" "$INGOT" run "$dir/$dtype.ingot" --ids 464 -n 1 --threads "$threads"
        milliseconds llama0 "$dtype" "$peers"/llama_bench "$PEER/lib" "$dir/$dtype.gguf" "$threads" once
    done >>"$dir/samples"
    echo "round $((round + 1)) of $rounds done" >&2
done

bits() { awk -v bytes="$(stat -c %s "$1")" -v n=$n_parameters 'BEGIN { printf "%.2f", 8 * bytes / n }'; }
for dtype in $dtypes; do echo "$dtype $(bits "$dir/$dtype.ingot") $(bits "$dir/$dtype.gguf")"; done >"$dir/bits"

awk -v dtypes="$dtypes" -v threads="$threads" -v bits="$dir/bits" '
    { key = $1 " " $2 " " $3; value[key, ++n[key]] = $4 }

    # least, median, most of value[key, 1 .. n] into out[1 .. 3]
    function spread(key, count, out,    i, j, t, sorted) {
        for (i = 1; i <= count; i++) {
            t = value[key, i]
            for (j = i - 1; j >= 1 && sorted[j] > t; j--) sorted[j + 1] = sorted[j]
            sorted[j + 1] = t
        }
        out[1] = sorted[1]; out[2] = sorted[int((count + 1) / 2)]; out[3] = sorted[count]
    }
    function median(key,    out) { spread(key, n[key], out); return out[2] }

    # The better one of the variants of the peer.
    function peer(dtype, what, larger,    a, b) {
        a = dtype " " what " llama0"; b = dtype " " what " llama1"
        if (!(b in n)) return a
        return (larger ? median(b) > median(a) : median(b) < median(a)) ? b : a
    }
    function compare(dtype, what, larger,    ours, theirs, key, i) {
        ours = dtype " " what " ingot"; theirs = peer(dtype, what, larger); key = dtype " " what " ratio"
        if (!(ours in n) || !(theirs in n)) return 0
        n[key] = n[ours] < n[theirs] ? n[ours] : n[theirs]
        for (i = 1; i <= n[key]; i++)
            value[key, i] = larger ? value[ours, i] / value[theirs, i] : value[theirs, i] / value[ours, i]
        return 1
    }
    function ratio_row(what, title, larger,    i, out) {
        printf "| %s |", title
        for (i = 1; i <= n_dtypes; i++) {
            if (!compare(list[i], what, larger)) { printf " |"; continue }
            spread(list[i] " " what " ratio", n[list[i] " " what " ratio"], out)
            printf " %.2f / **%.2f** / %.2f |", out[1], out[2], out[3]
        }
        printf "\n"
    }
    function cell(key,    out) {
        if (!(key in n)) return ""
        spread(key, n[key], out)
        return sprintf("%.1f / **%.1f** / %.1f", out[1], out[2], out[3])
    }
    function figure_rows(what, title, larger,    i) {
        for (i = 1; i <= n_dtypes; i++)
            printf "| %s | %s | %s | %s |\n", title, list[i], cell(list[i] " " what " ingot"), cell(peer(list[i], what, larger))
    }
    END {
        n_dtypes = split(dtypes, list, " ")
        printf "| ingot : llama.cpp, %d thread%s |", threads, threads == 1 ? "" : "s"
        for (i = 1; i <= n_dtypes; i++) printf " %s |", list[i]
        printf "\n|---|"
        for (i = 1; i <= n_dtypes; i++) printf "---|"
        printf "\n"
        n_whats = split("decode-0 decode-512 prefill-512 prefill-1024 once", whats, " ")
        split("decode, empty context|decode at 512|prefill of 512|prefill of 1024|a process of one token", titles, "|")
        for (w = 1; w <= n_whats; w++) ratio_row(whats[w], titles[w], whats[w] != "once")
        printf "\n| | | ingot: least / median / most | llama.cpp |\n|---|---|---|---|\n"
        for (w = 1; w <= n_whats; w++) {
            larger = whats[w] != "once"
            figure_rows(whats[w], titles[w] ", " (larger ? "tokens/s" : "ms"), larger)
        }
        printf "\nBits per weight, ingot and llama.cpp:"
        while ((getline line <bits) > 0) { split(line, b, " "); printf " %s %s and %s;", b[1], b[2], b[3] }
        printf "\n"
    }' "$dir/samples"
