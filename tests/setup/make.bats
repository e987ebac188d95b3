# What the Makefile is asked for by people who try it in their own way.

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$INGOT_ROOT"
    build=$(realpath --relative-to=. "$INGOT_BUILD") # there may be a space in the path to the repository
}

@test "a directory that make cannot build in is refused, not built beside or removed" {
    for directory in "" "a b" "a:b" "a%b"; do
        run make clean BUILD="$directory"
        [ "$status" -eq 2 ]
        [[ $output == *"BUILD='$directory': make needs a directory"* ]]
    done
}

@test "clean removes what was built, and nothing else" {
    mkdir -p "$BATS_TEST_TMPDIR"/{mine,built,sources/format}
    touch "$BATS_TEST_TMPDIR"/{built,sources}/flags "$BATS_TEST_TMPDIR"/sources/format/a.h
    for directory in mine sources; do
        run make clean BUILD="$BATS_TEST_TMPDIR/$directory"
        [ "$status" -eq 2 ]
        [[ $output == *"make did not build this directory"* ]]
        [ -d "$BATS_TEST_TMPDIR/$directory" ]
    done
    for times in once twice; do
        make clean BUILD="$BATS_TEST_TMPDIR/built"
        [ ! -e "$BATS_TEST_TMPDIR/built" ]
    done
}

install_at() { # variables of make
    local built=() file
    for file in ingot libingot_format.a libingot_convert.a libingot_runtime.a; do built+=(-o "$build/$file"); done
    run make -s "${built[@]}" install BUILD="$build" "$@"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "what is installed is the program, its manual and completion, libraries and headers, and uninstalling leaves no file" {
    root="$BATS_TEST_TMPDIR/a root"
    umask 077
    install_at DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib/machine
    "$root/usr/bin/ingot" version
    [ -s "$root/usr/share/man/man1/ingot.1" ]
    [ -s "$root/usr/lib/machine/libingot_format.a" ]
    [ -s "$root/usr/include/ingot/ingot_format.h" ]
    bash -n "$root/usr/share/bash-completion/completions/ingot"
    grep -qx "libdir=/usr/lib/machine" "$root/usr/lib/machine/pkgconfig/ingot.pc"
    [ -z "$(find "$root" ! -perm -444)" ] # whoever installs, everybody may use it
    make -s uninstall BUILD="$build" DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib/machine
    [ -z "$(find "$root" -type f)" ]
}

@test "a stranger's program is built with pkg-config, keeps names of its own, and writes what ingot run writes" {
    there=$BATS_TEST_TMPDIR/there
    install_at PREFIX="$there"
    export PKG_CONFIG_PATH="$there/lib/pkgconfig"
    cd "$BATS_TEST_TMPDIR"
    read -ra cc <"$INGOT_BUILD/flags"
    read -ra flags < <(pkg-config --cflags --libs ingot)
    "${cc[@]}" -o host "$INGOT_ROOT/tests/setup/stranger/host.c" "${flags[@]}"
    ./host "$INGOT_BUILD/demo.ingot" ROMEO: >text
    [ "$(<text)" = "$("$INGOT" run "$INGOT_BUILD/demo.ingot" -p ROMEO: -n 20 --temperature 0)" ]
    pkg-config --exists --print-errors ingot-convert
}

@test "of a library's names only those of its header are everybody's" {
    install_at PREFIX="$BATS_TEST_TMPDIR/there"
    run bash -c "nm -g --defined-only '$BATS_TEST_TMPDIR'/there/lib/*.a | awk 'NF == 3 && \$3 !~ /^ingot_/'"
    echo "$output"
    [ -z "$output" ]
}

@test "libraries whose names cannot be changed, as with -flto, are installed as they are" {
    install_at PREFIX="$BATS_TEST_TMPDIR/there" OBJCOPY=false
    [[ $output == *"keep the names"* ]]
    cmp "$INGOT_BUILD/libingot_runtime.a" "$BATS_TEST_TMPDIR/there/lib/libingot_runtime.a"
    [ -x "$BATS_TEST_TMPDIR/there/bin/ingot" ]
}
