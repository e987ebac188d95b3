# run: the same file, prompt and seed give the same text, and it stops where it should.

load common

@test "the prompt is continued, and the text ends with a newline" {
    ingot run "$BARD" -p 'ROMEO:' -n 20
    expect 0
    [[ $out == ROMEO:* ]]
    [ ${#out} -gt 20 ]
    [ "$(tail -c 1 out | od -An -tx1)" = " 0a" ]
    [ -z "$err" ]
}

@test "--no-echo leaves the prompt out" {
    ingot run "$BARD" -p 'ROMEO:' -n 20
    whole=$out
    ingot run "$BARD" -p 'ROMEO:' -n 20 --no-echo
    [ "$whole" = "ROMEO:$out" ]
}

@test "stdin is the prompt when there is no -p, to the last byte" {
    ingot run "$BARD" -p $'KING:\n' -n 20
    first=$out
    ingot run "$BARD" -n 20 < <(printf 'KING:\n')
    expect 0
    [ "$first" = "$out" ]
}

@test "a prompt of any bytes comes back as it is" {
    printf 'a\0b\xff\xc3 \xed\xa0\x80\xe2\x82' >prompt
    ingot run "$BARD" -n 0 <prompt
    expect 0
    printf '\n' | cat prompt - | cmp - out
    [ -z "$err" ]
}

@test "without a prompt the text begins from nothing" {
    ingot run "$BARD" -n 20 </dev/null
    expect 0
    [ ${#out} -gt 20 ]
    first=$out
    ingot run "$BARD" -n 20 -p ''
    [ "$first" = "$out" ]
    ingot run "$BARD" -n 20 -p '<|endoftext|>' --special --no-echo
    [ "$first" = "$out" ]
}

@test "a seed gives one text, another seed another" {
    ingot run "$BARD" -p 'What' -n 60 --seed 7
    first=$out
    ingot run "$BARD" -p 'What' -n 60 --seed 7
    [ "$first" = "$out" ]
    ingot run "$BARD" -p 'What' -n 60 --seed 8
    [ "$first" != "$out" ]
    ingot run "$BARD" -p 'What' -n 60 --temperature 0 --seed 7
    first=$out
    ingot run "$BARD" -p 'What' -n 60 --temperature 0 --seed 8
    [ "$first" = "$out" ]
}

@test "instruction set, threads and batches do not change the text" {
    ingot run "$BARD" -p 'Now is the winter of our discontent' -n 60
    first=$out
    ingot cpu --json
    for cpu in $(json '" ".join(j["available"])'); do
        INGOT_CPU=$cpu ingot run "$BARD" -p 'Now is the winter of our discontent' -n 60
        expect 0
        [ "$first" = "$out" ]
    done
    for words in "--threads 1" "--threads 2" "--threads 5" "--batch 1" "--batch 3" "--batch 64"; do
        ingot run "$BARD" -p 'Now is the winter of our discontent' -n 60 $words
        expect 0
        [ "$first" = "$out" ]
    done
}

@test "top-k 1 is greedy" {
    ingot run "$BARD" -p 'What' -n 40 --temperature 0
    first=$out
    ingot run "$BARD" -p 'What' -n 40 --top-k 1 --seed 3
    [ "$first" = "$out" ]
}

@test "-n 0 prints the prompt alone" {
    ingot run "$BARD" -p 'What' -n 0
    expect 0
    [ "$out" = What ]
}

@test "ids in, ids out" {
    ingot run "$BARD" --ids 5,6,7 -n 4
    expect 0
    [[ $out =~ ^5\ 6\ 7(\ [0-9]+){4}$ ]]
    ingot run "$BARD" --ids 5,6,7 -n 4 --no-echo
    [[ $out =~ ^[0-9]+(\ [0-9]+){3}$ ]]
}

@test "a file without a vocabulary needs ids" {
    ingot run "$BARE" -p 'text'
    expect_error 3 "no vocabulary" "--ids"
    ingot run "$BARE" </dev/null
    expect_error 3 "--ids"
    ingot run "$BARE" --ids 5,6,7 -n 4
    expect 0
    bare=$out
    ingot run "$BARD" --ids 5,6,7 -n 4
    [ "$bare" = "$out" ]
}

@test "at the end of the context it stops with a note" {
    ingot run "$BARE" --ids 1 -n 1000
    expect 0
    [ "$(wc -w <out)" -eq 257 ] # 256 are evaluated; the last one is drawn from them
    [[ $err == *"context of 256 tokens is full"* ]]
}

@test "--slide goes on beyond the end of the context" {
    ingot run "$BARE" --ids 1 -n 600 --slide
    expect 0
    [ "$(wc -w <out)" -eq 601 ]
    [ -z "$err" ]
    first=$out
    ingot run "$BARE" --ids 1 -n 600 --slide --threads 1 --batch 7
    [ "$first" = "$out" ]
}

@test "a prompt longer than the context is refused, or cut with --slide" {
    ids=$(seq -s, 1 300)
    ingot run "$BARD" --ids "$ids"
    expect_error 2 "300 tokens do not fit" "--slide"
    ingot run "$BARD" --ids "$ids" --no-echo --slide -n 3
    expect 0
    first=$out
    ingot run "$BARD" --ids "$(seq -s, 173 300)" --no-echo --slide -n 3
    [ "$first" = "$out" ]
}

@test "--stats reports on stderr and leaves stdout alone" {
    ingot run "$BARD" -p 'What' -n 10
    first=$out
    ingot run "$BARD" -p 'What' -n 10 --stats
    expect 0
    [ "$first" = "$out" ]
    [[ $err == *"first token"*prompt*tokens/s*machine*thread* ]]
}

@test "settings out of range are refused" {
    ingot run "$BARD" -p x --top-p 0
    expect_error 2 "--top-p cannot be '0'"
    ingot run "$BARD" -p x --top-p 1.1
    expect_error 2 "--top-p"
    ingot run "$BARD" -p x --ids 1
    expect_error 2 "exclude each other"
    ingot run "$BARD" --ids 2048
    expect_error 2 "2048"
}

@test "an instruction set that is not there is a system error that names it" {
    INGOT_CPU=mmx ingot run "$BARD" -p x
    expect_error 5 mmx
    INGOT_CPU=mmx ingot eval "$BARD" -p x
    expect_error 5 mmx
    INGOT_CPU=mmx ingot cpu
    expect_error 5 mmx
    INGOT_CPU=$'m\033[31mx' ingot cpu # whatever the name, a terminal is safe
    expect_error 5 'm\x1b[31mx'
}

@test "an empty INGOT_CPU is no wish" {
    INGOT_CPU= ingot cpu --json
    expect 0
    [ "$(json 'j["forced"]')" = False ]
}

@test "a checkpoint that is not converted is refused with advice" {
    ingot run "$INGOT_ROOT/tests/models/bard" -p x
    expect_error 3 "ingot convert"
}

@test "SIGINT ends a text with a newline and status 130" {
    "$INGOT" run "$BARE" --ids 1 -n 4000000000 --slide >text 2>err &
    pid=$!
    while [ ! -s text ]; do sleep 0.01; done
    sleep 0.05
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ $status -eq 130 ]
    [ "$(tail -c 1 text | od -An -tx1)" = " 0a" ]
    [ ! -s err ]
}

@test "SIGINT while waiting for a prompt ends at once" {
    mkfifo pipe
    "$INGOT" run "$BARD" <pipe >text 2>err &
    pid=$!
    exec 9>pipe
    sleep 0.1
    kill -INT $pid
    status=0
    wait $pid || status=$?
    exec 9>&-
    [ $status -eq 130 ]
}

@test "a hostile vocabulary cannot reach the terminal" {
    need_terminal
    script -qec "TERM=xterm '$INGOT' run '$BARD' -n 0 -p \"\$(printf 'a\033[31mb')\"" /dev/null </dev/null >screen
    grep -qF 'a\x1b[31mb' screen
    refute grep -qF $'\033[31m' screen
    ingot run "$BARD" -n 0 -p $'a\033[31mb'
    [ "$out" = $'a\033[31mb' ]
}
