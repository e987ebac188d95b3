# Options are data: whatever asks about them gets the same answer.

load common
setup_file() { :; }

@test "without a command the overview goes to stderr and the status is 2" {
    ingot
    expect 2
    [ -z "$out" ]
    [[ $err == *convert*tokenize* ]]
}

@test "help lists every command on stdout" {
    ingot help
    expect 0
    for command in convert run eval tokenize ls show params verify cpu help; do [[ $out == *"  $command "* ]]; done
}

@test "help COMMAND and COMMAND --help say the same" {
    for command in convert run eval tokenize ls show params verify cpu help version; do
        ingot help $command
        expect 0
        first=$out
        ingot $command --help
        expect 0
        [ "$first" = "$out" ]
        [[ $out == *Usage* ]]
    done
}

@test "what is said of an option is not cut off" {
    for command in $("$INGOT" help | awk '/^Commands/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
        ingot help "$command"
        expect 0
        opened=${out//[^(]/} closed=${out//[^)]/}
        [ ${#opened} -eq ${#closed} ] || { echo "$command: $out"; return 1; }
    done
    ingot help stats
    [[ $(tr -s ' \n' ' ' <out) == *"nan, outliers; default file)"* ]]
}

@test "version is one line" {
    for word in version --version -V; do
        ingot $word
        expect 0
        [[ $out =~ ^ingot\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    done
}

@test "a mistyped command is answered with the nearest one" {
    ingot tokenise x
    expect_error 2 tokenise "did you mean 'ingot tokenize'?"
    ingot help vrify
    expect_error 2 "did you mean 'ingot verify'?"
}

@test "a command that resembles nothing gets no suggestion" {
    ingot qqqqqqqq
    expect_error 2 "'ingot help'"
    [[ $err != *"did you mean"* ]]
}

@test "a mistyped option is answered with the nearest one" {
    ingot run x --temprature 1
    expect_error 2 "unknown option '--temprature'" "did you mean '--temperature'?"
}

@test "an unknown letter is refused, alone and in a row" {
    ingot convert x -z
    expect_error 2 "unknown option '-z'"
    ingot convert x -fz
    expect_error 2 "unknown option '-z'"
}

@test "a value may be attached or stand alone, in the long and the short form" {
    for words in "--config=gpt2" "--config gpt2" "-cgpt2" "-c gpt2"; do
        ingot params $words
        expect 0
        [[ $out == *124,439,808* ]]
    done
}

@test "an option without its value is an error" {
    ingot params --config
    expect_error 2 "a value is missing after option '--config'"
}

@test "a flag with a value is an error" {
    ingot params --config gpt2 --json=yes
    expect_error 2 "takes no value: '--json'"
}

@test "numbers are numbers and inside their range" {
    for value in x "" -1 1.5 0x10 99999999999999999999 " 5"; do
        ingot run x -n "$value"
        expect_error 2 "--tokens cannot be"
    done
    for value in x nan inf -0.5 1e999 ""; do
        ingot run x --temperature "$value"
        expect_error 2 "--temperature cannot be"
    done
    ingot run x --threads 0
    expect_error 2 "from 1 to 256"
    ingot convert x -o y --align 1k
    expect_error 2 "--align cannot be"
}

@test "a choice is one of the choices" {
    ingot convert x -o y --dtype f8
    expect_error 2 "keep f32 f16 bf16"
}

@test "too few and too many arguments are usage errors" {
    ingot ls
    expect_error 2 "usage: ingot ls"
    ingot verify a b
    expect_error 2 "unexpected argument 'b'"
}

@test "a value is a value even if it looks like an option" {
    ingot params --config --help
    expect_error 2 "no preset '--help'"
}

@test "after -- everything is an argument" {
    ingot ls -- --json
    expect_error 5 "--json"
}

@test "the manual page is roff that names every command and option" {
    ingot help --man
    expect 0
    [[ $out == ".TH INGOT 1"* ]]
    [[ $out == *'\-\-temperature'* ]]
    if command -v man >/dev/null && man --version >/dev/null 2>&1; then
        MANROFFSEQ='' man --warnings -E UTF-8 -l out >page 2>warnings || skip "man cannot format here"
        [ ! -s warnings ]
        grep -q -- --temperature page
    fi
}

@test "the completion is bash that completes commands, options and choices" {
    ingot help --completion
    expect 0
    complete_words() { # words... -> candidates
        bash -c 'source ./out; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ingot; echo "${COMPREPLY[@]}"' - "$@"
    }
    [ "$(complete_words ingot tok)" = tokenize ]
    [ "$(complete_words ingot run --temp)" = --temperature ]
    [ "$(complete_words ingot convert x --dtype b)" = bf16 ]
    [ "$(complete_words ingot params --config gpt3)" = gpt3-175b ]
    [ "$(complete_words ingot help rec)" = recipes ]
    [ -z "$(complete_words ingot rec)" ]
}

@test "the completion keeps a file name with spaces in one piece" {
    ingot help --completion
    touch 'my model.ingot'
    complete_one() { # words... -> the only candidate
        bash -c 'source ./out; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ingot; echo "${#COMPREPLY[@]} $COMPREPLY"' - "$@"
    }
    [ "$(complete_one ingot ls my)" = "1 my model.ingot" ]
    [ "$(complete_one ingot export x -o my)" = "1 my model.ingot" ]
}

@test "a hostile command line is escaped" {
    ingot $'\033[31mred'
    expect_error 2 '\x1b[31mred'
    [[ $err != *$'\033'* ]]
    ingot ls $'no\nsuch\033file'
    expect 5
    [[ $err != *$'\033'* ]]
}

@test "help recipes explains the language and lists every built-in recipe, which parses as it is printed" {
    ingot help recipes
    expect 0
    page=$out
    for word in tensors prefixes hyper-parameters transpose concatenate split tokenizer metadata fits; do
        [[ $page == *"$word"* ]]
    done
    while read -r line; do ((${#line} <= 100)); done <<<"$page"
    for name in huggingface openai nanogpt mingpt gpt-by-hand gguf llm.c; do
        [[ $page == *"  $name "* ]]
        ingot help recipes $name
        expect 0
        [[ $out == "recipe: $name"* ]]
    done
    ingot help recipes nanogp
    expect 2
    [[ $err == *"did you mean 'ingot help recipes nanogpt'"* ]]
    ingot help convert x
    expect 2
}

@test "the built-in recipe as printed converts like the built-in one" {
    ingot help recipes huggingface
    printf '%s\n' "$out" >"$BATS_TEST_TMPDIR/mine.yaml"
    for recipe in huggingface "$BATS_TEST_TMPDIR/mine.yaml"; do
        ingot convert "$INGOT_ROOT/tests/models/foreign/hf" -o "$BATS_TEST_TMPDIR/${recipe##*/}.ingot" --recipe "$recipe"
        expect 0
    done
    ingot show "$BATS_TEST_TMPDIR/mine.yaml.ingot" --recipe
    expect 0
    [[ $out == "recipe: huggingface"* ]]
}

@test "whatever prints JSON prints YAML, and the help, the manual and the completion say so" {
    for command in ls show params verify cat cpu tokenize; do
        ingot help $command
        [[ $out == *--json*--yaml* ]]
    done
    ingot help run
    [[ $out != *--yaml* ]]
    ingot run model --yaml
    expect_error 2 "unknown option '--yaml'"
    ingot help --man
    [[ $out == *'\-\-yaml'* ]]
    ingot help --completion
    [[ $out == *"ls) "*"--json --yaml "* ]]
    ingot params --config gpt2 --yaml
    expect 0
    [[ ${out%%$'\n'*} == "schema: 1" ]]
    ingot params --config gpt2 --yml
    expect_error 2 "did you mean '--yaml'?"
}
