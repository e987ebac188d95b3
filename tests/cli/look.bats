# ls and show: what is in a file, whatever its format, and nothing that a file says reaches the terminal raw.

load common
model=$INGOT_ROOT/tests/models/bard

@test "ls shows every tensor and the totals" {
    ingot ls "$BARD"
    expect 0
    [ -z "$err" ]
    [[ ${out%%$'\n'*} =~ ^name\ +dtype\ +layout\ +shape\ +parameters\ +bytes\ +share$ ]]
    [[ $out =~ wte.weight\ +f32\ +panel16\ +2048\ x\ 128\ +262,144 ]]
    [[ $out =~ lm_head.weight.*=\ wte.weight ]]
    [ "${out##*$'\n'}" = "52 tensors, 1 alias, 1,088,256 parameters, 4.35 MB" ]
}

@test "ls reads a Hugging Face directory and a single file alike" {
    ingot ls "$model"
    expect 0
    directory=$out
    ingot ls "$model/model.safetensors"
    expect 0
    [ "$directory" = "$out" ]
    [[ $out == *"52 tensors, 1,088,256 parameters, 4.35 MB" ]]
}

@test "content decides, not the name" {
    cp "$BARD" model.safetensors
    ingot ls model.safetensors
    expect 0
    [[ $out == *panel16* ]]
}

@test "ls --json has the same tensors as the table" {
    ingot ls --json "$BARD"
    expect 0
    [ "$(json 'j["schema"]')" = 1 ]
    [ "$(json 'j["n_tensors"], j["n_aliases"], j["parameters"], len(j["tensors"])')" = "(52, 1, 1088256, 53)" ]
    [ "$(json 'sum(t["parameters"] for t in j["tensors"] if "alias_of" not in t)')" = 1088256 ]
    [ "$(json '[t["alias_of"] for t in j["tensors"] if "alias_of" in t]')" = "['wte.weight']" ]
    ingot ls --json "$model"
    expect 0
    [ "$(json 'j["format"], j["n_tensors"]')" = "('safetensors', 52)" ]
}

@test "ls PATTERN shows what one of the patterns matches, with shares of the whole and both totals" {
    ingot ls "$BARD" 'h.?.attn.*.weight' wte.weight
    expect 0
    [ "$(grep -c ^h out)" = 8 ]
    grep -qE '^wte.weight .* 24\.1 %$' out
    [ "${out##*$'\n'}" = "9 of 52 tensors, 0 of 1 alias, 524,288 of 1,088,256 parameters, 2.10 MB of 4.35 MB" ]
    ingot ls "$BARD" 'h.[!0-2].ln_?.bias'
    [ "$(grep -c ^h out)" = 2 ]
    ingot ls -l "$BARD" '@*'
    expect 0
    [[ $out == *@model*@chunks*@provenance*"0 of 52 tensors"* ]]
    [[ $out != *wte* ]]
}

@test "a pattern that matches nothing is answered with 1, and with advice instead of a table" {
    while IFS='|' read -r words message advice; do
        # shellcheck disable=SC2086 # words
        ingot ls "$BARD" $words
        expect_error 1 "ingot: $BARD: $message"$'\n' "       $advice"
        ingot ls -l "$BARD" $words
        expect_error 1 "$message" "$advice"
    done <<'END'
wte|no tensor matches 'wte'|a pattern is for whole names: '*wte*' matches 1
attn.c_?roj|no tensor matches 'attn.c_?roj'|a pattern is for whole names: '*attn.c_?roj*' matches 8
wpe.wieght|no tensor matches 'wpe.wieght'|did you mean 'wpe.weight'?
nothing.*|no tensor matches 'nothing.*'|ingot ls FILE lists the tensors
nothing.* neither.*|no tensor matches one of the 2 patterns|ingot ls FILE lists the tensors
--dtype q5|there is no tensor of dtype 'q5'|its dtypes: f32
wpe.* --dtype q*|no tensor of dtype 'q*' matches 'wpe.*'|the dtypes of those that match: f32
wpe.wieght --dtype f32|no tensor of dtype 'f32' matches 'wpe.wieght'|did you mean 'wpe.weight'?
END
    ingot ls "$BARD" @model
    expect_error 1 "no tensor matches '@model'" "with --long ls lists sections that are not tensors too"
    ingot ls --json "$BARD" wte
    expect 1
    [ "$(json 'j["tensors"], j["parameters"], j["all"]["parameters"]')" = "([], 0, 1088256)" ]
    ingot ls "$BARD" --dtype f16
    expect 1
}

@test "ls --dtype takes large and small letters, and patterns" {
    for dtype in f32 F32 'f*'; do
        ingot ls --json "$model" --dtype "$dtype"
        expect 0
        [ "$(json 'len(j["tensors"])')" = 52 ]
    done
    make_safetensors two.safetensors '{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}}' 8
    ingot ls --json two.safetensors --dtype f16
    [ "$(json '[t["name"] for t in j["tensors"]], j["bytes"], j["all"]["bytes"]')" = "(['a'], 4, 8)" ]
}

@test "ls --sort orders by place, name, size or dtype, both ways, equal rows as in the file" {
    make_safetensors s.safetensors '{"d":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},"c":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},"b":{"dtype":"U8","shape":[1],"data_offsets":[20,21]}}' 21
    while read -r key want; do
        for words in --json -l; do
            ingot ls s.safetensors --sort "$key" $words
            expect 0
            if [ $words = -l ]; then got=$(sed '1d;$d' out | cut -c 1 | tr -d '\n'); else got=$(json '"".join(t["name"] for t in j["tensors"])'); fi
            [ "$got" = "$want" ] || { echo "$key: $got, not $want"; return 1; }
        done
    done <<'END'
place dacb
-place bcad
name abcd
-name dcba
size bdac
-size cdab
dtype dcab
-dtype abdc
END
    ingot ls s.safetensors --sort colour
    expect_error 2 "--sort cannot be 'colour'" "-size"
}

@test "ls -l shows every section with offset and digest" {
    ingot ls -l "$BARD"
    expect 0
    [[ $out == *@model*@vocabulary*@chunks*wte.weight*@provenance* ]]
    [[ $out =~ [0-9a-f]{32} ]]
}

@test "no line ends in a blank" {
    ln -s "$BARD" bard
    for words in "ls bard" "ls -l bard" "show bard" "params bard" "cpu" "help run"; do
        ingot $words
        expect 0
        refute grep -n ' $' out
    done
}

@test "show tells versions, hyper-parameters, vocabulary, bytes and metadata" {
    ingot show "$BARD"
    expect 0
    for text in "read version 1" "52, 1,088,256 parameters, 4,353,024 bytes" "content id" "A and B, equal" "heads" "2, each 64 wide" "gelu_tanh" "2,048" padding source_format; do
        [[ $out == *"$text"* ]]
    done
}

@test "the bytes that show accounts for are the file" {
    ingot show --json "$BARD"
    expect 0
    [ "$(json 'sum(j["bytes"].values()) == j["file_bytes"] == j["actual_bytes"]')" = True ]
    [ "$(json 'j["file_bytes"]')" = "$(stat -c %s "$BARD")" ]
}

@test "show of a source gives its format and hyper-parameters" {
    ingot show "$model"
    expect 0
    [[ $out == *safetensors*"2, each 64 wide"* ]]
    ingot show --json "$model"
    [ "$(json 'j["hyper_parameters"]["n_ctx"], j["n_tensors"]')" = "(256, 52)" ]
}

@test "show NAME gives the same values from source and result" {
    ingot show --json "$BARD" wpe.weight
    expect 0
    values=$(json 'j["shape"], j["corner"]')
    ingot show --json "$model" wpe.weight
    [ "$values" = "$(json 'j["shape"], j["corner"]')" ]
    ingot show --json "$BARD" h.1.mlp.c_fc.weight
    values=$(json 'j["corner"][1][2]')
    ingot show --json "$model" h.1.mlp.c_fc.weight
    [ "$values" = "$(json 'j["corner"][2][1]')" ] # the source holds the transpose
}

@test "show NAME of an alias, a vector and a section" {
    ingot show "$BARD" lm_head.weight
    expect 0
    [[ $out == *"alias of"*wte.weight* ]]
    ingot show "$BARD" ln_f.bias
    expect 0
    [[ $out == *"[0]"* ]]
    ingot show "$BARD" @metadata
    expect 0
    [[ $out == *source_format* ]]
}

@test "show NAME tells what a tensor was made of, the one that it stands for if it is an alias" {
    ingot show "$BARD" h.1.mlp.c_fc.weight
    expect 0
    [[ $out == *$'\nSource\n  file: "model.safetensors"\n  name: "h.1.mlp.c_fc.weight"\n'*'transform: "transpose"'* ]]
    ingot show --json "$BARD" lm_head.weight
    expect 0
    [[ $(json 'j["provenance"]') == *'name: "wte.weight"'* ]]
    ingot show --json "$model" wpe.weight
    [ "$(json 'j["provenance"]')" = None ]
}

@test "show NAME and stats NAME give the same figures" {
    for file in "$BARD" "$model"; do
        ingot stats --json "$file" h.1.mlp.c_fc.weight
        figures=$(json '[j["tensors"][0][k] for k in ("min", "mean", "std", "zeros", "magnitude", "histogram")]')
        ingot show --json "$file" h.1.mlp.c_fc.weight
        [ "$figures" = "$(json '[j["statistics"][k] for k in ("min", "mean", "std", "zeros", "magnitude", "histogram")]')" ]
    done
    ingot show "$BARD" h.1.mlp.c_fc.weight
    [[ $out == *$'\nStatistics\n  min, max '*'mean, deviation'* ]]
}

@test "show of a tensor that is not there suggests one that is" {
    ingot show "$BARD" wte.wieght
    expect_error 2 "did you mean 'wte.weight'?"
}

@test "show --provenance names source and transform of each tensor" {
    ingot show --provenance "$BARD"
    expect 0
    [[ $out == *model.safetensors* ]]
    [[ $out == *h.3.mlp.c_proj.weight* ]]
    ingot show --provenance --json "$BARD"
    expect 0
    [ "$(json 'j["schema"], "h.3.mlp.c_proj.weight" in j["provenance"]')" = "(1, True)" ]
    ingot show --provenance "$model"
    expect_error 3 provenance "ingot convert"
}

@test "show --recipe is a recipe that converts to the same tensors" {
    ingot show --recipe "$BARD"
    expect 0
    cp out recipe.yaml
    [[ $(head -n 1 recipe.yaml) == "recipe: huggingface" ]]
    ingot convert "$model" --recipe recipe.yaml -o again.ingot
    expect 0
    ingot ls --json again.ingot
    again=$(json '[(t["name"], t.get("digest")) for t in j["tensors"]]')
    ingot ls --json "$BARD"
    [ "$again" = "$(json '[(t["name"], t.get("digest")) for t in j["tensors"]]')" ]
    ingot show --recipe "$model"
    expect_error 3 recipe
    ingot show --all "$BARD"
    [[ $out == *$'\nRecipe\n  recipe: huggingface\n'* ]]
}

@test "show tells exact integers, booleans and complex numbers of a tensor" {
    make_safetensors i.safetensors '{"t":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}' 0
    printf '\x1\0\0\0\0\0\x20\0\xff\xff\xff\xff\xff\xff\xff\xff' >>i.safetensors
    ingot show i.safetensors t
    expect 0
    [[ $out == *"9007199254740993"*-1* ]]
    ingot show --json i.safetensors t
    [ "$(json 'j["corner"], j["present"]')" = "([[9007199254740993, -1]], True)" ]
    make_safetensors c.safetensors '{"t":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}' 8
    ingot show --json c.safetensors t
    [ "$(json 'j["corner"]')" = "[[[0.0, 0.0]]]" ]
}

@test "a hostile name is escaped in every table and is still JSON" {
    make_safetensors evil.safetensors '{"a\u001b[31mb\u202ec\n\u007f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
    for words in "ls" "ls -l" "show"; do
        ingot $words evil.safetensors
        expect 0
        [[ $out != *$'\033'* ]]
        [[ $out != *$'\u202e'* ]]
    done
    ingot ls evil.safetensors
    [[ $out == *'a\x1b[31mb'*'c\x0a'* ]]
    for words in "ls" "cat"; do # in one piece, and streamed
        ingot $words --json evil.safetensors $([ $words = ls ] || echo 'a\x1b[31mb\xe2\x80\xaec\x0a\x7f')
        expect 0
        [[ $out != *[$'\033\177']* ]]
        [ "$(json '(j["tensors"][0] if "tensors" in j else j)["name"] == "a\x1b[31mb\u202ec\n\x7f"')" = True ]
    done
}

@test "ten thousand tensors are listed, each once" {
    header=$(seq 0 9999 | awk '{ printf "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", (NR > 1 ? "," : "{"), $1, $1, $1 + 1 }')
    make_safetensors many.safetensors "$header}" 10000
    "$INGOT" ls many.safetensors >list
    [ "$(grep -c '^t[0-9]' list)" = 10000 ]
    [ "$(tail -n 1 list)" = "10,000 tensors, 10,000 parameters, 10.0 kB" ]
}

@test "errors name the file and the byte" {
    ingot ls nowhere
    expect_error 5 nowhere
    mkdir empty
    ingot ls empty
    expect_error 3 empty
    head -c 9000 "$BARD" >cut.ingot
    ingot ls cut.ingot
    expect_error 3 cut.ingot
    : >zero
    ingot ls zero
    expect_error 3 zero "the file is empty" "(at byte 0)"
    cp "$BARD" bad.ingot
    damage bad.ingot 8300
    ingot ls bad.ingot
    expect_error 3 bad.ingot "(at byte "
}

@test "a text-mode transfer is recognised" {
    tr -d '\r' <"$BARD" >text.ingot
    ingot ls text.ingot
    expect_error 3 text.ingot "(at byte "
    [[ $err == *text* ]]
}

@test "a file that is called .ingot and has lost every mark of one is refused as one" {
    printf x >byte.ingot
    for command in ls show params map hash stats verify; do
        ingot $command byte.ingot
        expect_error 3 "byte.ingot: not an .ingot file: it does not begin with the magic"
    done
}

@test "one damaged superblock is not the end" {
    cp "$BARD" one.ingot
    damage one.ingot 3
    ingot ls one.ingot
    expect 0
    ingot show one.ingot
    expect 0
    [[ $out == *"B only; A is damaged"* ]]
}

@test "on a terminal the table fits its width and colours stay inside lines" {
    need_terminal
    for columns in 5 20 30 40 60 100; do
        script -qec "stty cols $columns; TERM=xterm '$INGOT' ls '$BARD'" /dev/null </dev/null | tr -d '\r' >screen
        sed 's/\x1b\[[0-9;]*m//g' screen | sed '$d' >plain # the last line is a sentence
        [ "$(wc -L <plain)" -le $columns ]
        grep -q '^wt.*t' plain
        grep -q $'\033' screen
    done
    script -qec "stty cols 80; NO_COLOR=1 TERM=xterm '$INGOT' ls '$BARD'" /dev/null </dev/null >screen
    refute grep -q $'\033' screen
}

# What a command says on a terminal of so many columns.
on_screen() { # columns command...
    script -qec "stty cols $1; NO_COLOR=1 TERM=xterm '$INGOT' ${*:2}" /dev/null </dev/null | tr -d '\r'
}

@test "on a terminal sentences are folded between words, in a pipe they are one line" {
    need_terminal
    mkdir empty
    cp "$BARD" m.ingot
    cp -R "$model" bard
    for case in "38 verify bard" "60 verify bard" "50 ls empty" "60 params --config gpt2" "38 show bard"; do
        columns=${case%% *} words=${case#* }
        "$INGOT" $words >whole 2>&1 || true
        on_screen $columns "$words" >screen
        [ "$(wc -L <screen)" -le $columns ]
        [ "$(wc -l <screen)" -gt "$(wc -l <whole)" ]
        [ "$(tr -s ' \n' ' ' <screen)" = "$(tr -s ' \n' ' ' <whole)" ]
    done
    [ "$("$INGOT" verify bard 2>&1 | wc -l)" = 1 ]
    on_screen 36 "map m.ingot" >screen
    [[ $(head -n 2 screen) =~ ^m\.ingot,\ [0-9,]+\ bytes,\ [0-9.]+\ kB$'\n'\ \ for\ each\ letter$ ]]
}

@test "what stands around a table is folded as well" {
    need_terminal
    cp "$BARE" m.ingot
    cp -R "$model" bard
    while read -r columns words; do
        on_screen "$columns" "$words" >screen
        [ "$(sed $'s/.*\033\\[K//' screen | wc -L)" -le "$columns" ] || { echo "$words:"; cat screen; return 1; }
    done <<'END'
50 convert --plan bard
44 bench m.ingot --threads 1 --rounds 1 -n 1 --depth 0 --prefill 8
END
    on_screen 50 "convert --plan bard" >screen
    [[ $(<screen) == *$'\nmodel   n_layer 4, n_head 2, n_embd 128, n_inner\n        512, n_ctx'* ]]
    INGOT_CPU=scalar on_screen 40 cpu >screen
    [ "$(wc -L <screen)" -le 40 ]
    [[ $(<screen) == *"forced by INGOT_CPU"* || $(<screen) == *$'forced by\n  INGOT_CPU'* ]]
}

@test "on a terminal the message of an error stands out from its advice" {
    need_terminal
    mkdir empty
    on_screen 40 "ls empty" >screen
    ingot ls empty
    advice=$(sed -n 's/^       //p' err)
    grep -q '^ingot: ' screen
    grep -q '^         [^ ]' screen
    grep -q "^       ${advice%% *}" screen
}

@test "columns that can be spared go before a name is cut to less than half of the line" {
    need_terminal
    on_screen 60 "ls '$BARD'" >screen
    grep -q '^h.3.attn.c_attn.weight  ' screen
    refute grep -q 'layout' screen
    on_screen 30 "ls '$BARD'" >screen
    grep -q '^h.3.attn\.\.n.weight ' screen
    grep -q 'parameters' screen
}

@test "two blanks in a name stay two where a sentence is folded" {
    need_terminal
    cp "$BARD" 'a  b.ingot'
    on_screen 40 "map 'a  b.ingot'" >screen
    grep -q '^a  b.ingot, ' screen
}

@test "a wide name is cut between characters, and soon" {
    need_terminal
    name=$(printf '\344\270\255%.0s' $(seq 300))
    make_safetensors wide.safetensors "{\"$name\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}" 4
    for columns in 39 40; do
        script -qec "stty cols $columns; NO_COLOR=1 TERM=xterm timeout 20 '$INGOT' ls wide.safetensors" /dev/null </dev/null | tr -d '\r' >screen
        grep -q '中\.\.中' screen
        [ "$(sed '$d' screen | wc -L)" -le $columns ]
        iconv -f UTF-8 -t UTF-8 screen >whole
    done
}

@test "an error calls a file as the user called it" {
    echo garbage >bad.safetensors
    for name in bad.safetensors "$PWD/bad.safetensors"; do
        ingot ls "$name"
        expect_error 4 "ingot: $name: "
    done
}
