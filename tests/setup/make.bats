# What the Makefile is asked for by people who try it in their own way.

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$INGOT_ROOT"
}

@test "a directory that make cannot build in is refused, not built beside or removed" {
    for directory in "" "a b" "a:b" "a%b"; do
        run make clean BUILD="$directory"
        [ "$status" -eq 2 ]
        [[ $output == *"BUILD='$directory': make needs a directory"* ]]
    done
}

@test "what is installed is the program, libraries, headers and manual, and uninstalling leaves no file" {
    root="$BATS_TEST_TMPDIR/a root"
    built=()
    for file in ingot libingot_format.a libingot_convert.a libingot_runtime.a; do built+=(-o "$INGOT_BUILD/$file"); done
    run make -s "${built[@]}" install BUILD="$INGOT_BUILD" DESTDIR="$root" PREFIX=/usr
    echo "$output"
    [ "$status" -eq 0 ]
    "$root/usr/bin/ingot" version
    [ -s "$root/usr/share/man/man1/ingot.1" ]
    [ -s "$root/usr/lib/libingot_format.a" ]
    [ -s "$root/usr/include/ingot/format/ingot_format.h" ]
    make -s uninstall BUILD="$INGOT_BUILD" DESTDIR="$root" PREFIX=/usr
    [ -z "$(find "$root" -type f)" ]
}
