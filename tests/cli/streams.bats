# Results that do not arrive are errors; readers that leave are not worth a word.

load common

@test "a full device on stdout is status 5, said once" {
    [ -c /dev/full ] || skip "no /dev/full"
    ln -s "$BARD" bard
    for words in "ls bard" "ls --json bard" "show bard" "params bard" "cpu" "help" "version" "tokenize bard -p x" \
        "run bard -p x -n 3" "eval bard -p x" "eval bard -p x --json"; do
        status=0
        "$INGOT" $words >/dev/full 2>err || status=$?
        [ $status -eq 5 ]
        [[ $(cat err) == "ingot: standard output: cannot write: "* ]]
        [ "$(wc -l <err)" -eq 1 ]
    done
}

@test "the cause of what did not arrive is said, whatever prints it" {
    ln -s "$INGOT_ROOT/tests/models/bard" model
    for words in "ls" "ls --json" "ls --yaml" "show" "params --tree" "stats --yaml" "map --json" "hash" "hex" "hex --json" \
        "cat wte.weight" "cat --json wte.weight" "report --no-stats --yaml" "diff -qv model" "diff --json -qv model"; do
        read -r command options <<<"$words"
        status=0
        (ulimit -f 1 && exec "$INGOT" "$command" "$BARD" $options >out 2>err) || status=$? # a block is room for the error
        [ $status -eq 5 ] || { echo "$words: $status"; return 1; }
        [ "$(cat err)" = "ingot: standard output: cannot write: File too large" ] || { echo "$words: $(cat err)"; return 1; }
    done
}

@test "a reader that leaves is status 5 without a word" {
    ln -s "$BARD" bard
    ln -s "$BARE" bare
    for words in "ls bard" "ls --json bard" "run bare --ids 1 -n 4000000000 --slide"; do
        status=0
        { "$INGOT" $words 2>err || echo $? >status; } | true
        [ "$(cat status 2>/dev/null || echo 0)" -eq 5 ] || [ ! -e status ]
        [ ! -s err ]
        rm -f status
    done
}

@test "an endless text stops when its reader leaves" {
    { "$INGOT" run "$BARE" --ids 1 -n 4000000000 --slide 2>err || echo $? >status; } | head -c 100 >text
    [ "$(cat status)" = 5 ]
    [ ! -s err ]
}

@test "closed standard streams never become files of ours" {
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o a.ingot <&- >&- 2>&-
    cmp a.ingot "$BARD"
    "$INGOT" eval "$BARD" --ids 1 --npy a.npy <&- >&- 2>&-
    "$INGOT" eval "$BARD" --ids 1 --npy b.npy
    cmp a.npy b.npy
    status=0
    "$INGOT" version >&- 2>err || status=$?
    [ $status -eq 5 ]
}

@test "nothing is coloured in a pipe" {
    ln -s "$BARD" bard
    for words in "ls bard" "show bard" "help run" "params bard"; do
        ingot $words
        expect 0
        [[ $out != *$'\033'* ]]
    done
    ingot ls nowhere
    [[ $err != *$'\033'* ]]
}

@test "progress is for terminals only" {
    ingot verify "$BARD"
    [ -z "$err" ]
    ingot convert "$INGOT_ROOT/tests/models/bard" -o a.ingot
    [ -z "$err" ]
}

@test "- is the standard output where one file is written, and is refused where it cannot be" {
    "$INGOT" cat "$BARD" 'wpe.weight[:2]' --npy a.npy
    "$INGOT" cat "$BARD" 'wpe.weight[:2]' --npy - >b.npy
    cmp a.npy b.npy
    "$INGOT" eval "$BARD" --ids 1,2 --npy c.npy
    "$INGOT" eval "$BARD" --ids 1,2 --npy - | cmp c.npy -
    "$INGOT" map "$BARE" --svg - >d.svg
    [[ $(<d.svg) == "<svg "*"</svg>" ]]
    ingot map "$BARE" --svg - --json
    expect_error 2 "both go to the standard output"
    ingot eval "$BARD" --ids 1 --npy - --json
    expect_error 2 "both go to the standard output"
    ingot convert "$INGOT_ROOT/tests/models/bard" -o -
    expect_error 2 "cannot go to the standard output" "./-"
    ingot export "$BARD" -o - --to gguf
    expect_error 2 "cannot go to the standard output" "./-"
    [ ! -e ./- ]
    status=0
    "$INGOT" eval "$BARD" --ids 1,2 --npy - >/dev/full 2>err || status=$?
    [ $status -eq 5 ]
    [[ $(<err) == "ingot: standard output: cannot write: No space left on device"* ]]
}

@test "a checkpoint is not read from the standard input, but an .ingot file in a directory is found" {
    for command in ls run; do
        ingot $command -
        expect_error 2 "ingot: -: a checkpoint cannot come through the standard input" "copy it to a regular file first"
    done
    mkdir one
    cp "$BARD" one/a.ingot
    for command in ls run; do
        ingot $command one
        expect_error 3 "ingot: one: " "give the file that is in it, a.ingot"
    done
    cp "$BARE" one/b.ingot
    ingot show one
    expect_error 3 "give one of the 2 .ingot files that are in it: a.ingot, ..."
}
