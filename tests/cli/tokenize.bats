# tokenize: every byte counts, both ways.

load common

@test "text on stdin gives JSON with the ids" {
    ingot tokenize "$BARD" --json < <(printf 'To be, or not to be')
    expect 0
    [ "$(json 'j["schema"]')" = 1 ]
    ids=$(json '" ".join(map(str, j["ids"]))')
    ingot tokenize "$BARD" -p 'To be, or not to be'
    [ "$out" = "$ids" ]
}

@test "a file, stdin and -p are the same text" {
    printf 'Good morrow' >text
    ingot tokenize "$BARD" text
    expect 0
    first=$out
    ingot tokenize "$BARD" <text
    [ "$first" = "$out" ]
    ingot tokenize "$BARD" - <text
    [ "$first" = "$out" ]
    ingot tokenize "$BARD" -p 'Good morrow'
    [ "$first" = "$out" ]
    ingot tokenize "$BARD" text -p x
    expect_error 2 "exclude each other"
}

@test "decode gives every byte back" {
    head -c 20000 /dev/urandom >bytes
    ingot tokenize "$BARD" bytes
    expect 0
    cp out ids
    "$INGOT" tokenize "$BARD" --decode ids | cmp - bytes
    head -c 20000 "$INGOT_ROOT/tests/models/bard/train.py" >bytes
    "$INGOT" tokenize "$BARD" bytes | "$INGOT" tokenize "$BARD" --decode | cmp - bytes
}

@test "an empty text has no ids" {
    ingot tokenize "$BARD" -p ''
    expect 0
    [ -z "$out" ]
    ingot tokenize "$BARD" --json -p ''
    [ "$(json 'j["ids"]')" = "[]" ]
}

@test "the end-of-text token is text unless asked for" {
    ingot tokenize "$BARD" -p '<|endoftext|>'
    expect 0
    [[ $out == *" "* ]]
    ingot tokenize "$BARD" --special -p '<|endoftext|>'
    [ "$out" = 2047 ]
}

@test "--pieces shows what each id stands for, escaped" {
    ingot tokenize "$BARD" --pieces -p $'the \033[31m king'
    expect 0
    [[ $out != *$'\033'* ]]
    [[ $out == *"'the'"*'\x1b'*"king'"* ]]
    ingot tokenize "$BARD" --pieces --json -p 'the king'
    [ "$(json '"".join(j["pieces"])')" = "the king" ]
}

@test "ids may be parted by spaces, commas and lines" {
    ingot tokenize "$BARD" --decode -p "$(printf '72, 73\n74  75')"
    expect 0
    first=$out
    ingot tokenize "$BARD" --decode -p '72 73 74 75'
    [ "$first" = "$out" ]
    ingot tokenize "$BARD" --decode --json -p '72 73 74 75'
    [ "$(json 'j["text"]')" = "$first" ]
}

@test "what is not an id is refused" {
    ingot tokenize "$BARD" --decode -p '1 x 2'
    expect_error 2 "'x' is not a token id"
    ingot tokenize "$BARD" --decode -p '-1'
    expect_error 2 "'-1'"
    ingot tokenize "$BARD" --decode -p '2048'
    expect_error 2 "2048 is not below"
    ingot tokenize "$BARD" --decode < <(printf '1 2\0003')
    expect 2
}

@test "a file without a vocabulary says so" {
    ingot tokenize "$BARE" -p x
    expect_error 3 vocabulary
}
