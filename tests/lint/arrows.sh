#!/bin/bash
# The rooms of the house: who may include whom, and what only one room may touch.
#
#   tests/lint/arrows.sh [ROOT]      exit 1 and one line per violation
#
# tests/lint/arrows.bats plants a violation of every rule and sees it found.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2

rooms=(format convert runtime inspect spec)
violations=0
say() {
    echo "$1"
    violations=$((violations + 1))
}

# Every line of code as "file:line:text", without comments and strings, so that prose may mention what code may not.
# shellcheck disable=SC2016 # awk's variables
code() {
    find "${rooms[@]}" -name '*.[ch]' 2>/dev/null | sort | xargs -r awk '
        FNR == 1 { inside = 0 }
        { line = ""; rest = $0
          gsub(/"([^"\\]|\\.)*"/, "\"\"", rest)
          while (rest != "") {
              if (inside) { i = index(rest, "*/"); if (!i) break; rest = substr(rest, i + 2); inside = 0; continue }
              i = index(rest, "/*"); j = index(rest, "//")
              if (j && (!i || j < i)) { line = line substr(rest, 1, j - 1); break }
              if (!i) { line = line rest; break }
              line = line substr(rest, 1, i - 1); rest = substr(rest, i + 2); inside = 1
          }
          if (line != "") print FILENAME ":" FNR ":" line }'
}
all_code=$(code)
of_files() { grep -E "^($1)" <<<"$all_code"; } # path prefixes, parted by |

sources() { find "$@" -name '*.[ch]' 2>/dev/null | sort; }

# ---- arrows: a room sees itself and these
declare -A sees=([format]="format" [convert]="format convert" [runtime]="format runtime"
    [inspect]="format convert runtime inspect" [spec]="spec")
for room in "${rooms[@]}"; do
    for file in $(sources "$room"); do
        while read -r included; do
            if [[ " ${sees[$room]} " != *" ${included%%/*} "* || $included != */* ]]; then
                say "$file: $room/ may not include \"$included\" (it sees: ${sees[$room]})"
            fi
        done < <(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file")
    done
done

# ---- one door: what, the only places that may, a pattern over code (extended regular expression)
door() { # what, places (path prefixes), pattern, [but not lines with this]
    local hit
    while read -r hit; do
        say "${hit%%:*}:$(cut -d: -f2 <<<"$hit"): $1 only in: $2"
    done < <(of_files . | grep -vE "^(${2// /|})" | grep -E ":[0-9]+:.*($3)" | grep -vE "${4:-^$}")
}
call() { echo "[^a-zA-Z0-9_>.]($1) *\\("; }

door "mmap" "format/" "$(call 'mmap|munmap|mremap|madvise|mprotect|mincore')|<sys/mman\.h>"
door "xxhash.h" "format/" '<xxhash\.h>'
door "zstd.h" "format/" '<zstd[a-z_]*\.h>'
door "yaml.h" "convert/ inspect/cli/" '<yaml\.h>'
door "printing" "inspect/ spec/" "$(call 'v?f?printf|v?dprintf|f?puts|putc|putchar|f?putc|perror|fwrite')|[^a-zA-Z0-9_](stdout|stderr)([^a-zA-Z0-9_]|\$)"
door "exit" "inspect/ spec/" "$(call 'exit|_exit|_Exit|quick_exit|abort|atexit')"
door "getenv" "inspect/" "$(call 'getenv|secure_getenv|setenv|putenv')"
door "signal handlers" "inspect/" "$(call 'signal|sigaction|raise|kill')"
door "intrinsics" "runtime/kernels/ format/simd/" \
    '<(immintrin|x86intrin|[a-z]mmintrin|cpuid|arm_neon|arm_sve|arm_acle)\.h>|[^a-zA-Z0-9_]_mm[0-9]*_|__builtin_ia32_|[^a-zA-Z0-9_]__?asm' \
    '__builtin_ia32_pause|__asm__ volatile\(""\)' # a spinning thread's hint to its core

# ---- spec/decoder is a stranger's reader: nothing but libc
for file in $(sources spec); do
    while read -r header; do
        case $header in
        assert.h | ctype.h | errno.h | fcntl.h | inttypes.h | limits.h | math.h | stdbool.h | stddef.h | stdint.h | stdio.h | \
            stdlib.h | string.h | sys/stat.h | sys/types.h | unistd.h) ;;
        *) say "$file: <$header> is not libc's" ;;
        esac
    done < <(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file")
done

# ---- libraries keep no state: no variable of a file or function but constants, and the memo of a constant of the machine
while read -r hit; do
    say "$hit: a library keeps no mutable state"
done < <(of_files 'format/|convert/|runtime/' | grep -E ':[0-9]+: *((static )?_Thread_local |static [^(]*(=|;))' |
    grep -vE 'static (inline |const |[a-z_0-9 ]*\*? ?const )|static_assert|^format/simd/cpu\.c:.* static atomic_uint memo;')

# ---- nothing is compiled for this machine alone, but files whose names say for which; nothing is contracted
of_named_files='\$\(if \$\(findstring [a-z0-9]+,\$\(notdir \$\(1\)\)\),-march=armv8[a-z0-9.+-]+\)'
if sed -E "s/$of_named_files//" Makefile | grep -nE -- '-march|-mtune|-ffast-math|-Ofast|-ffp-contract=(on|fast)'; then
    say "Makefile: a flag that changes results or ties the program to one CPU"
fi

((violations == 0))
