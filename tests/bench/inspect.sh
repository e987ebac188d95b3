#!/bin/bash
# What looking at a checkpoint takes, as whole processes: verifying beside a process that does nothing but hash the same
# mapped pages, statistics beside one that does nothing but read them (and both within one process, without the cost of
# starting one and mapping them) and beside the speed at which mapped pages can be read at all, and listing, of GPT-2's
# smallest shape (124,439,808 parameters) and of 100,000 tensors. Commands take turns, so that a slow minute of the
# machine is one of all; a share is the median of those of each turn. Prints tables in Markdown.
#
#   ROUNDS=15  THREADS=2
set -eu
build=${INGOT_BUILD:?}
rounds=${ROUNDS:-15} threads=${THREADS:-2}
dir=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
look=$build/tests/bench/bench_inspect

"$build"/tests/tools/random_checkpoint "$dir"/hf --n_layer 12 --n_head 12 --n_embd 768 --n_vocab 50257 --n_ctx 1024 \
    --std 0.02
for dtype in f32 f16 q8; do
    "$INGOT" convert "$dir"/hf -o "$dir"/$dtype.ingot --dtype $dtype -q 2>/dev/null
done
ln -s hf/model.safetensors "$dir"/f32.safetensors
"$build"/tests/tools/many_tensors "$dir"/many 100000

turn() { # name of the figure, command...: one run, in microseconds
    local name=$1 start end
    shift
    start=$EPOCHREALTIME
    "$@" >/dev/null 2>"$dir"/log || { cat "$dir"/log >&2; exit 1; }
    end=$EPOCHREALTIME
    echo $((${end/./} - ${start/./})) >>"$dir/$name.us"
}

# least / median / most, in milliseconds
spread() {
    sort -n "$dir/$1.us" | awk '{ t[NR] = $1 / 1000 }
        END { printf "%.1f / %.1f / %.1f", t[1], t[int((NR + 1) / 2)], t[NR] }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
gigabytes() { # figure, file: a second, of the median
    awk -v us="$(median <"$dir/$1.us")" -v n="$(stat -L -c %s "$dir/$2")" 'BEGIN { printf "%.1f", n / us / 1000 }'
}

files=(f32.ingot f16.ingot q8.ingot f32.safetensors)
lists=(f32.ingot f32.safetensors many.ingot many.safetensors)
for ((round = 0; round < rounds; round++)); do
    for file in "${files[@]}"; do
        "$look" read "$dir/$file" "$threads" >>"$dir/reads-$file"
        turn "xxh3-$file" "$look" hash "$dir/$file" "$threads"
        if [[ $file == *.ingot ]]; then
            turn "verify-$file" "$INGOT" verify "$dir/$file" --threads "$threads" -q
            "$look" verify "$dir/$file" "$threads" >>"$dir/within-$file"
        fi
        turn "stats-$file" "$INGOT" stats "$dir/$file" --threads "$threads" -q
        turn "once-$file" "$look" once "$dir/$file" "$threads"
        "$look" stats "$dir/$file" "$threads" >>"$dir/stats-within-$file"
    done
    for file in "${lists[@]}"; do
        turn "ls-$file" "$INGOT" ls "$dir/$file"
        turn "params-$file" "$INGOT" params "$dir/$file"
    done
done

echo "$threads threads; least / median / most of $rounds runs"
printf '\n| verify | ms | XXH3 alone, ms | speed beside it | within one process | GB/s |\n|---|---|---|---|---|---|\n'
for file in "${files[@]}"; do
    [[ $file == *.ingot ]] || continue
    share=$(paste "$dir/xxh3-$file.us" "$dir/verify-$file.us" | awk '{ print 100 * $1 / $2 }' | median)
    printf '| %s | %s | %s | %.0f %% | %s %% | %s |\n' "$file" "$(spread "verify-$file")" "$(spread "xxh3-$file")" \
        "$share" "$(median <"$dir/within-$file")" "$(gigabytes "verify-$file" "$file")"
done
printf '\n| stats | ms | GB/s of the file | reading its mapped pages, GB/s | of that | reading alone, ms | speed beside it | within one process |\n'
printf '|---|---|---|---|---|---|---|---|\n'
for file in "${files[@]}"; do
    share=$(paste "$dir/stats-$file.us" "$dir/reads-$file" |
        awk -v n="$(stat -L -c %s "$dir/$file")" '{ print n / $1 / 10 / $2 }' | median)
    beside=$(paste "$dir/once-$file.us" "$dir/stats-$file.us" | awk '{ print 100 * $1 / $2 }' | median)
    printf '| %s | %s | %s | %s | %.0f %% | %s | %.0f %% | %s %% |\n' "$file" "$(spread "stats-$file")" \
        "$(gigabytes "stats-$file" "$file")" "$(median <"$dir/reads-$file")" "$share" "$(spread "once-$file")" "$beside" \
        "$(median <"$dir/stats-within-$file")"
done
printf '\n| | ls, ms | params, ms |\n|---|---|---|\n'
for file in "${lists[@]}"; do
    printf '| %s | %s | %s |\n' "$file" "$(spread "ls-$file")" "$(spread "params-$file")"
done
