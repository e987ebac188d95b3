# The public headers stand alone: a C or C++ program may include any one of them, first, under strict warnings.

read -ra cc <<<"${CC:-cc}" # which may have words of its own: CC='ccache gcc'
headers=(format/ingot_format.h convert/ingot_convert.h runtime/ingot_runtime.h)

compile_each() { # compiler, option...
    cd "$INGOT_ROOT"
    for header in "${headers[@]}"; do
        printf '#include "%s"\n' "$header" | "$@" -pedantic -Wall -Wextra -Werror -I. -fsyntax-only -
    done
}

@test "each public header compiles alone as C11 and C17" {
    compile_each "${cc[@]}" -x c -std=c11
    compile_each "${cc[@]}" -x c -std=c17
}

@test "each public header compiles alone as C++11 and C++17" {
    compiler=$(command -v g++ clang++ | head -n 1)
    [ "$compiler" ] || skip "no C++ compiler"
    compile_each "$compiler" -x c++ -std=c++11
    compile_each "$compiler" -x c++ -std=c++17
}

@test "a file that a condition may empty has a declaration before it or an else" {
    cd "$INGOT_ROOT"
    for file in */*.c */*/*.c; do
        if [[ $(grep -m 1 '^#' "$file") == '#if'* ]] && ! grep -q '^#else' "$file"; then
            echo "$file: an empty translation unit is not C"
            return 1
        fi
    done
}

@test "a machine that files cannot be used on in place is refused by name" {
    cd "$INGOT_ROOT"
    refused() { # why, option...
        run "${cc[@]}" -Wno-builtin-macro-redefined "${@:2}" -std=c17 -I. -D_GNU_SOURCE -fsyntax-only format/reader.c
        [ "$status" -ne 0 ]
        [[ $output == *"a $1 machine is required"* ]]
    }
    refused little-endian -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__
    refused 64-bit -U__SIZEOF_POINTER__ -D__SIZEOF_POINTER__=4
}
