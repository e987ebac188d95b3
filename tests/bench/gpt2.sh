#!/bin/bash
# A checkpoint of GPT-2's smallest shape (124,439,808 parameters, random values, 498 MB), from end to end: converting it
# beside copying the same bytes, its private memory, verifying, the first token of a whole process, and tokens per second.
# Every figure is least / median / most of several runs; A and B of a pair take turns.
set -eu
dir=$(mktemp -d "${INGOT_BUILD:?}/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
source=$dir/gpt2
"$INGOT_BUILD"/tests/tools/random_checkpoint "$source" --n_layer 12 --n_head 12 --n_embd 768 --n_vocab 50257 --n_ctx 1024 \
    --std 0.02

seconds() { # command...: of one run
    local start=$EPOCHREALTIME
    "$@" >"$dir"/log 2>&1 || { cat "$dir"/log >&2; exit 1; }
    echo "$start $EPOCHREALTIME"
}

spread() { # stdin: start and end of each run; $1: name
    awk '{ print 1000 * ($2 - $1) }' | sort -n | awk -v name="$1" '
        { t[NR] = $1 }
        END { printf "%-44s %8.1f / %8.1f / %8.1f ms\n", name, t[1], t[int((NR + 1) / 2)], t[NR] }'
}

copy() { # file
    rm -f "$dir"/copy
    cp --reflink=never "$1" "$dir"/copy
    sync "$dir"/copy
}

convert() { # dtype
    "$INGOT" convert "$source" -o "$dir"/gpt2-"$1".ingot --dtype "$1" -f -q
}

# The largest RssAnon seen while a conversion runs: private memory, without the mapped source.
private_memory() {
    local most=0 now
    "$INGOT" convert "$source" -o "$dir"/gpt2-f32.ingot -f -q 2>/dev/null &
    while now=$(awk '/^RssAnon/ { print $2 }' /proc/$!/status 2>/dev/null) && [[ -n $now ]]; do
        ((now > most)) && most=$now
    done
    wait $!
    printf '%-44s %8d kB\n' "private memory while converting to f32" "$most"
}

for dtype in f32 f16 bf16 q8 q4; do convert $dtype 2>/dev/null; done # warms the page cache
private_memory
for _ in 1 2 3 4 5; do
    seconds copy "$source"/model.safetensors >>"$dir"/copy.times
    seconds convert f32 >>"$dir"/f32.times
    seconds convert f16 >>"$dir"/f16.times
    seconds "$INGOT" verify "$dir"/gpt2-f32.ingot >>"$dir"/verify.times
    seconds "$INGOT" ls "$dir"/gpt2-f32.ingot >>"$dir"/ls.times
    for dtype in f32 f16 bf16 q8 q4; do
        seconds "$INGOT" run "$dir"/gpt2-$dtype.ingot --ids 15496,11 -n 1 >>"$dir"/first-$dtype.times
    done
done
rm -f "$dir"/copy
spread "copy 498 MB and sync (cp, sync)" <"$dir"/copy.times
spread "convert 498 MB to f32, sync and verify" <"$dir"/f32.times
spread "convert 498 MB to f16, sync and verify" <"$dir"/f16.times
spread "verify the f32 file" <"$dir"/verify.times
spread "list the f32 file" <"$dir"/ls.times
for dtype in f32 f16 bf16 q8 q4; do spread "process with one token, $dtype" <"$dir"/first-$dtype.times; done
echo
for dtype in f32 f16 bf16 q8 q4; do
    "$INGOT" bench "$dir"/gpt2-$dtype.ingot --threads 1,2 -q
    echo
done
