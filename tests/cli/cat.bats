# cat: the values of a tensor, all of them or a slice, in four forms.

load common
model=$INGOT_ROOT/tests/models/bard
corpus=$INGOT_ROOT/../shared/corpus

# A .safetensors file of one tensor "t": dtype, shape, bytes as printf escapes.
make_tensor() { # file dtype shape escapes
    local LC_ALL=C header n
    printf '%b' "$4" >"$1.bytes"
    n=$(stat -c %s "$1.bytes")
    make_safetensors "$1" "{\"t\":{\"dtype\":\"$2\",\"shape\":$3,\"data_offsets\":[0,$n]}}" 0
    cat "$1.bytes" >>"$1"
    rm "$1.bytes"
}

numpy() {
    python -IS -c 0 2>/dev/null || skip "no python3"
    python -c 'import numpy' 2>/dev/null || skip "no NumPy"
    python -c "import numpy as np; $1"
}

@test "a row is a line" {
    make_tensor i.safetensors I32 '[2,3]' '\x1\0\0\0\x2\0\0\0\x3\0\0\0\xff\xff\xff\xff\0\0\0\x80\xff\xff\xff\x7f'
    ingot cat i.safetensors t
    expect 0
    [ -z "$err" ]
    [ "$out" = $'1 2 3\n-1 -2147483648 2147483647' ]
}

@test "a vector is one row, a scalar is one value, nothing is nothing" {
    make_tensor v.safetensors U8 '[4]' '\1\2\3\4'
    ingot cat v.safetensors t
    [ "$out" = "1 2 3 4" ]
    make_tensor s.safetensors F32 '[]' '\0\0\xc0\x3f'
    ingot cat s.safetensors t
    expect 0
    [ "$out" = 1.5 ]
    make_tensor e.safetensors F32 '[3,0]' ''
    ingot cat e.safetensors t
    expect 0
    [ ! -s out ]
    ingot cat --json e.safetensors t
    expect 0
    [ "$(json 'j["shape"], j["values"]')" = "([3, 0], [])" ]
}

@test "an empty line parts matrices, two part cubes" {
    make_tensor c.safetensors U8 '[2,2,1,2]' '\0\1\2\3\4\5\6\7'
    ingot cat c.safetensors t
    expect 0
    [ "$out" = $'0 1\n\n2 3\n\n\n4 5\n\n6 7' ]
    ingot cat --json c.safetensors t
    [ "$(json 'j["values"]')" = "[[[[0, 1]], [[2, 3]]], [[[4, 5]], [[6, 7]]]]" ]
    ingot cat c.safetensors 't[1,:,0]'
    [ "$out" = $'4 5\n6 7' ]
}

@test "integers keep all their digits, in JSON too" {
    make_tensor u.safetensors U64 '[2]' '\xff\xff\xff\xff\xff\xff\xff\xff\x1\0\0\0\0\0\x20\0'
    ingot cat u.safetensors t
    [ "$out" = "18446744073709551615 9007199254740993" ]
    ingot cat --json u.safetensors t
    [ "$(json 'j["values"]')" = "[18446744073709551615, 9007199254740993]" ]
}

@test "what JSON has no number for is a string" {
    make_tensor f.safetensors F32 '[5]' '\0\0\x80\x7f\0\0\x80\xff\0\0\xc0\x7f\0\0\0\x80\0\0\0\x40'
    ingot cat f.safetensors t
    [ "$out" = "inf -inf nan -0 2" ]
    ingot cat --json f.safetensors t
    [ "$(json 'j["values"]')" = "['inf', '-inf', 'nan', -0.0, 2.0]" ]
}

@test "booleans and eight-bit floats" {
    make_tensor b.safetensors BOOL '[3]' '\0\1\1'
    ingot cat b.safetensors t
    [ "$out" = "false true true" ]
    make_tensor e4.safetensors F8_E4M3 '[3]' '\x38\x7e\xff'
    ingot cat e4.safetensors t
    [ "$out" = "1 448 nan" ]
    make_tensor e5.safetensors F8_E5M2 '[3]' '\x3c\x7b\x7c'
    ingot cat e5.safetensors t
    [ "$out" = "1 57344 inf" ]
}

@test "elements that cannot be decoded are refused by name" {
    make_tensor x.safetensors F4 '[4]' '\0\0'
    ingot ls x.safetensors
    expect 0
    [[ $out == *F4* ]]
    ingot cat x.safetensors t
    expect_error 4 "ingot: t: " F4
    ingot show x.safetensors t
    expect 0
}

@test "a slice is the same part of what is whole" {
    ingot cat "$model" wpe.weight
    expect 0
    [ "$(wc -l <out)" = 256 ]
    sed -n 4,6p out | cut -d' ' -f 126-128 >want
    ingot cat "$model" 'wpe.weight[3:6, 125:]'
    [ "$out" = "$(cat want)" ]
    ingot cat "$model" 'wpe.weight[-253:-250, -3:]'
    [ "$out" = "$(cat want)" ]
    ingot cat "$model" 'wpe.weight[3, 125]'
    [ "$out" = "$(sed -n '1s/ .*//p' want)" ]
    ingot cat "$model" 'wpe.weight[3:6:2, 125::2]'
    [ "$out" = "$(sed -n '1~2p' want | cut -d' ' -f 1,3)" ]
    ingot cat "$model" 'wpe.weight[::-1]'
    expect_error 2 'cannot read' 'steps go forwards'
}

@test "a bracket that is not closed, or is one of two pairs, is the slice's mistake and not the name's" {
    for slice in '[0:2' '[' '[0:2)' '[0,'; do
        ingot cat "$model" "wte.weight$slice"
        expect_error 2 "wte.weight: the bracket of $slice is not closed" "write it as NumPy does"
    done
    ingot cat "$model" 'wte.weight[0][1]'
    expect_error 2 "wte.weight: cannot read the slice [0][1]"
    ingot cat "$model" 'wte.wieght[0:2'
    expect_error 2 "there is no tensor 'wte.wieght'" "did you mean 'wte.weight'?"
}

@test "a name that ends in brackets is a name first" {
    printf '\1\2\3' >bytes
    make_safetensors n.safetensors '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a[1]":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}' 0
    cat bytes >>n.safetensors
    ingot cat n.safetensors 'a[1]'
    [ "$out" = 3 ]
    ingot cat n.safetensors 'a[0]'
    [ "$out" = 1 ]
    ingot cat n.safetensors 'a[1][0]'
    [ "$out" = 3 ]
}

@test "a result has the values of its source, in the order [out, in]" {
    ingot cat "$model" 'h.1.mlp.c_fc.weight[:7, 5]'
    expect 0
    want=$(echo $out)
    ingot cat "$BARD" 'h.1.mlp.c_fc.weight[5, :7]'
    expect 0
    [ "$out" = "$want" ]
    ingot cat --raw "$BARD" wte.weight
    md5sum <out >sum
    ingot cat --raw "$model" wte.weight
    md5sum -c sum <out
}

@test "--raw is the bytes, and nothing for a terminal" {
    make_tensor u.safetensors U16 '[2,2]' '\1\2\3\4\5\6\7\x8'
    ingot cat --raw u.safetensors 't[:,1]'
    expect 0
    [ "$(od -An -tx1 <out)" = " 03 04 07 08" ]
    need_terminal
    script -qec "'$INGOT' cat --raw u.safetensors t" /dev/null </dev/null >screen || true
    grep -q "bytes are not for a terminal" screen
}

@test "on a terminal columns are aligned" {
    need_terminal
    make_tensor i.safetensors I8 '[2,2]' '\1\x9c\2\3'
    script -qec "'$INGOT' cat i.safetensors t" /dev/null </dev/null | tr -d '\r' >screen
    [ "$(cat screen)" = $'   1 -100\n   2    3' ]
}

@test "--npy writes what NumPy reads, whatever the dtype" {
    numpy 'pass'
    ingot cat "$model" 'wpe.weight[:3, :2]' --npy a.npy
    expect 0
    [ -z "$out$err" ]
    ingot cat --json "$model" 'wpe.weight[:3, :2]'
    want=$(json 'j["values"]')
    numpy "a = np.load('a.npy'); assert a.dtype == np.float32 and a.tolist() == [[float(np.float32(x)) for x in r] for r in $want]"
    make_tensor s.safetensors I64 '[]' '\xff\xff\xff\xff\xff\xff\xff\xff'
    ingot cat s.safetensors t --npy s.npy
    numpy "a = np.load('s.npy'); assert a.shape == () and a.dtype == np.int64 and a == -1"
    make_tensor h.safetensors BF16 '[1,2]' '\xcd\x3d\x80\x7f'
    ingot cat h.safetensors t --npy h.npy
    numpy "a = np.load('h.npy'); assert a.tolist() == [[0.10009765625, np.inf]]"
    ingot cat h.safetensors t --npy h.npy
    expect_error 5 h.npy exists
    ingot cat h.safetensors t --npy h.npy -f
    expect 0
    ingot cat h.safetensors t --npy h.safetensors -f
    expect_error 2 h.safetensors
}

@test "what cannot be found or read is said, with the nearest name" {
    ingot cat "$BARD" wte.wieght
    expect_error 2 "did you mean 'wte.weight'?"
    ingot cat "$BARD" 'wte.wieght[0]'
    expect_error 2 "no tensor 'wte.wieght'" "did you mean 'wte.weight'?"
    ingot cat "$BARD" @metadata
    expect_error 2 @metadata "ingot show"
    ingot cat "$BARD" 'wte.weight[2048]'
    expect_error 2 wte.weight "[2048] lies outside dimension 0, which has 2048"
    ingot cat "$BARD" 'wte.weight[1,2,3]'
    expect_error 2 wte.weight "more dimensions"
    ingot cat "$BARD" 'wte.weight[a]'
    expect_error 2 wte.weight "[a]" NumPy
    ingot cat "$BARD" wte.weight --json --raw
    expect_error 2 "only one"
    ingot cat "$BARD"
    expect_error 2 TENSOR
}

@test "a hostile name can be given as ls prints it" {
    make_safetensors evil.safetensors '{"a\u001b[31mb\n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' 1
    ingot cat evil.safetensors 'a\x1b[31mb\x0a'
    expect 0
    [ "$out" = 0 ]
    ingot cat evil.safetensors 'a\x1b[31mb'
    expect 2
    [[ $err != *$'\033'* ]]
}

@test "a reader that leaves ends it, without a word" {
    "$INGOT" cat "$model" wte.weight 2>err | head -n 1 >line
    [ "$(wc -w <line)" = 128 ]
    [ ! -s err ]
}

@test "memory does not grow with the tensor" {
    # 1 GiB of zeros in a sparse file, 64 MiB of address space beside the mapping
    if grep -qE "__[at]san_init" "$INGOT"; then skip "a sanitizer's shadow memory does not fit"; fi
    n=$((1 << 30))
    make_safetensors big.safetensors "{\"t\":{\"dtype\":\"F32\",\"shape\":[$((n / 4))],\"data_offsets\":[0,$n]}}" 0
    truncate -s $(($(stat -c %s big.safetensors) + n)) big.safetensors
    status=0
    (
        ulimit -v $((n / 1024 + 65536))
        "$INGOT" cat --raw big.safetensors t 2>err | head -c 100000000 | md5sum >sum
    ) || status=$?
    [ $status -eq 0 ]
    [ ! -s err ]
    [ "$(cat sum)" = "$(head -c 100000000 /dev/zero | md5sum)" ]
}

@test "every sample of safetensors is listed and printed" {
    [ -d "$corpus/safetensors" ] || skip "no corpus"
    local spec file dtype values
    for spec in b:I8:-3 B:U8:253 h:I16:-3 H:U16:65533 i:I32:-3 I:U32:4294967293 e:F16:-3 f:F32:-3 d:F64:-3; do
        IFS=: read -r file dtype values <<<"$spec"
        ingot ls --json "$corpus/safetensors/$file.safetensors"
        expect 0
        [ "$(json '[(t["name"], t["dtype"], t["shape"]) for t in j["tensors"]]')" = "[('$file', '$dtype', [6])]" ] ||
            { echo "$file: $out"; return 1; }
        for whole in "$file" overall; do
            ingot cat "$corpus/safetensors/$whole.safetensors" "$file"
            expect 0
            [ "${out%%[ $'\n']*}" = "$values" ]
            [ "$(echo $out | cut -d' ' -f 4-6)" = "0 1 2" ]
        done
    done
    ingot ls --json "$corpus/safetensors/overall.safetensors"
    [ "$(json 'sorted(t["name"] for t in j["tensors"]) == sorted("bBhHiIefd")')" = True ]
}

@test "--yaml is the same tree: a row on each line, values as in JSON" {
    make_safetensors y.safetensors '{"t":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}' 0
    printf '\xac\xc5\x27\x37\0\0\x80\x7f\0\0\0\x40\0\0\x80\x3f' >>y.safetensors
    ingot cat --yaml y.safetensors t
    expect 0
    [ "$(grep -A 9 ^values out)" = $'values: [[1.0e-05,"inf"],\n [2.0,1.0]]' ]
    grep -qx 'shape: \[2, 2\]' out
    ingot cat --json y.safetensors t
    [ "$(json 'j["values"]')" = "[[1e-05, 'inf'], [2.0, 1.0]]" ]
}

@test "CSV is what the text is, with commas, and a line for every row of every matrix" {
    make_tensor c.safetensors U8 '[2,2,1,2]' '\0\1\2\3\4\5\6\7'
    ingot cat --csv c.safetensors t
    expect 0
    [ "$out" = $'0,1\n2,3\n4,5\n6,7' ]
    ingot cat --csv c.safetensors 't[1,1,0,0]'
    [ "$out" = 6 ]
    make_tensor e.safetensors F32 '[3,0]' ''
    ingot cat --csv e.safetensors t
    expect 0
    [ ! -s out ]
    make_tensor f.safetensors F32 '[2,2]' '\0\0\x80\x7f\0\0\x80\xff\0\0\xc0\x7f\0\0\0\x80'
    ingot cat --csv f.safetensors t
    [ "$out" = $'inf,-inf\nnan,-0' ]
    ingot cat --csv --json f.safetensors t
    expect_error 2 --csv
}

@test "NumPy reads the CSV as the same values" {
    "$INGOT" cat --csv "$BARD" 'wpe.weight[:, :7]' >w.csv
    "$INGOT" cat "$BARD" 'wpe.weight[:, :7]' --npy w.npy
    numpy 'a = np.loadtxt("w.csv", delimiter=",", dtype=np.float32); assert a.shape == (256, 7) and (a == np.load("w.npy")).all()'
}
