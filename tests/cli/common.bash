# What the tests of the program share. Every test starts in an empty directory of its own; $BARD is the demo model,
# converted once for each file of tests, and $BARE the same without a vocabulary: it has no end-of-text and never stops.

setup_file() {
    export BARD=$BATS_FILE_TMPDIR/bard.ingot BARE=$BATS_FILE_TMPDIR/bare.ingot
    "$INGOT" convert "$INGOT_ROOT/tests/models/bard" -o "$BARD"
    mkdir "$BATS_FILE_TMPDIR/bare"
    cp "$INGOT_ROOT"/tests/models/bard/{config.json,model.safetensors} "$BATS_FILE_TMPDIR/bare"
    "$INGOT" convert "$BATS_FILE_TMPDIR/bare" -o "$BARE" 2>"$BATS_FILE_TMPDIR/warning"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

# Of every file that a test has made, and perhaps damaged, the independent reader must think what the program thinks.
teardown() {
    local files
    mapfile -d '' files < <(find "$BATS_TEST_TMPDIR" -name '*.ingot' -type f -print0)
    [ ${#files[@]} -eq 0 ] || "$INGOT_ROOT/tests/tools/decodes.sh" --agree "${files[@]}"
}

# Runs the program with stdout and stderr apart: $status, $out, $err.
ingot() {
    status=0
    "$INGOT" "$@" >out 2>err || status=$?
    out=$(<out)
    err=$(<err)
}

# $status must be $1; shows all there is when it is not.
expect() {
    [ "$status" -eq "$1" ] && return
    printf 'status %s, expected %s\nstdout: %s\nstderr: %s\n' "$status" "$1" "$out" "$err"
    return 1
}

# "ingot: SUBJECT: message" on stderr, where both parts hold the given texts, and nothing on stdout.
expect_error() { # status text...
    expect "$1"
    [ -z "$out" ]
    [[ $err == "ingot: "* ]]
    shift
    local text
    for text; do
        [[ $err == *"$text"* ]] || { printf 'no "%s" in: %s\n' "$text" "$err"; return 1; }
    done
}

# The command must fail: set -e does not look at "! command".
refute() {
    if "$@"; then return 1; fi
}

# script(1) gives a program a terminal; not every chroot has one to give.
need_terminal() {
    script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "no terminal to be had from script(1)"
}

# The system's Python, for which NumPy may be installed, rather than another one on the path.
python() {
    if [ -x /usr/bin/python3 ]; then /usr/bin/python3 "$@"; else python3 "$@"; fi
}

# Evaluates a Python expression over the JSON in $out, bound to j.
json() {
    [ -x /usr/bin/python3 ] || command -v python3 >/dev/null || skip "no python3"
    printf '%s' "$out" | python -IS -c 'import json, sys; j = json.load(sys.stdin); print(('"$1"'))'
}

# A .safetensors file: header text, then so many zero bytes.
make_safetensors() { # file header n_bytes
    local LC_ALL=C i
    local n=${#2} # bytes
    for i in 0 8 16 24; do printf '%b' "\\x$(printf %02x $((n >> i & 255)))"; done >"$1"
    printf '\0\0\0\0%s' "$2" >>"$1"
    head -c "$3" /dev/zero >>"$1"
}

# One byte of a file becomes another one.
damage() { # file offset
    local old
    old=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %02x $((old ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# A .safetensors file whose names and values are what a page must not believe.
make_hostile() { # file
    local names=() header='{' i
    names+=('</script><script>window.was_here = 1</script>' '\"><img src=x onerror=alert(1)>' "' onmouseover='alert(1)")
    names+=('h.0.<svg onload=alert(1)>.weight' '<!--' ']]>' '</title></style></pre>' '&lt;b&gt;&#60;' '%s%n%d' '{{7*7}}')
    names+=('a\u202eb\u2066c' 'tab\tline\nend' '\u001b[31mred' 'caf\u00e9')
    for i in "${!names[@]}"; do
        header+="\"${names[i]}\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[$((16 * i)),$((16 * i + 16))]},"
    done
    make_safetensors "$1" "${header%,}}" $((16 * ${#names[@]}))
}
