# Every rule of arrows.sh finds a planted violation, and the tree as it is has none.

setup() {
    root=$BATS_TEST_TMPDIR/tree
    mkdir -p "$root"/{format/simd,convert,runtime/kernels,inspect/cli,spec/decoder}
    touch "$root/Makefile"
}

plant() { # file, code
    printf '%s\n' "$2" >"$root/$1"
}

found() { # file
    run "$INGOT_ROOT/tests/lint/arrows.sh" "$root"
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"$1"* ]]
}

nothing_found() {
    run "$INGOT_ROOT/tests/lint/arrows.sh" "$root"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "the tree keeps its own rules" {
    root=$INGOT_ROOT
    nothing_found
}

@test "format may include nobody" {
    plant format/x.c '#include "convert/ingot_convert.h"'
    found format/x.c
}

@test "convert may not include runtime" {
    plant convert/x.c '#include "runtime/ingot_runtime.h"'
    found convert/x.c
}

@test "runtime may not include convert" {
    plant runtime/x.c '#include "convert/ingot_convert.h"'
    found runtime/x.c
}

@test "nobody may include inspect" {
    plant runtime/kernels/x.h '#include "inspect/cli/table.h"'
    found runtime/kernels/x.h
}

@test "inspect may include every room" {
    plant inspect/x.c '#include "convert/ingot_convert.h"'
    plant inspect/y.c '#include "runtime/ingot_runtime.h"'
    nothing_found
}

@test "includes are root-relative" {
    plant format/x.c '#include "bytes.h"'
    found format/x.c
}

@test "the decoder may not include format" {
    plant spec/decoder/x.c '#include "format/disk.h"'
    found spec/decoder/x.c
}

@test "the decoder may use libc only" {
    plant spec/decoder/x.c '#include <zlib.h>'
    found spec/decoder/x.c
}

@test "only format may map" {
    plant format/x.c 'void *p = mmap(0, 1, 1, 1, 1, 0);'
    nothing_found
    plant convert/x.c 'void f(void) { munmap(p, 1); }'
    found convert/x.c
}

@test "only format may hash with xxhash" {
    plant runtime/x.c '#include <xxhash.h>'
    found runtime/x.c
}

@test "only format may use zstd" {
    plant convert/x.c '#include <zstd.h>'
    found convert/x.c
}

@test "only convert, and what prints for the program, may use yaml" {
    plant convert/x.c '#include <yaml.h>'
    nothing_found
    plant inspect/cli/x.c '#include <yaml.h>'
    nothing_found
    plant inspect/x.c '#include <yaml.h>'
    found inspect/x.c
}

@test "only inspect may print" {
    plant inspect/x.c 'void f(void) { printf(""); }'
    nothing_found
    plant format/x.c 'void f(void) { fprintf(stderr, ""); }'
    found format/x.c
}

@test "snprintf is not printing" {
    plant format/x.c 'void f(char *p) { snprintf(p, 1, ""); }'
    nothing_found
}

@test "only inspect may exit" {
    plant convert/x.c 'void f(void) { exit(1); }'
    found convert/x.c
}

@test "only inspect may read the environment" {
    plant runtime/x.c 'const char *f(void) { return getenv("X"); }'
    found runtime/x.c
}

@test "only inspect may handle signals" {
    plant runtime/x.c 'void f(void) { sigaction(1, 0, 0); }'
    found runtime/x.c
}

@test "intrinsics stay in kernels and simd" {
    plant runtime/kernels/avx2.c '#include <immintrin.h>'
    plant format/simd/cpu.c '#include <cpuid.h>'
    nothing_found
    plant runtime/x.c 'void f(void) { _mm256_zeroall(); }'
    found runtime/x.c
}

@test "libraries keep no mutable state" {
    plant format/x.c 'static const int ok = 1;'
    nothing_found
    plant format/y.c 'static int counter;'
    found format/y.c
}

@test "the Makefile names no machine" {
    plant Makefile 'CFLAGS += -march=native'
    found Makefile
}

@test "the Makefile names an instruction set for files by name, never globally" {
    plant Makefile 'isa = $(if $(findstring neondot,$(notdir $(1))),-march=armv8.2-a+dotprod)'
    nothing_found
    plant Makefile 'isa = $(if $(findstring neondot,$(notdir $(1))),-march=native)'
    found Makefile
    plant Makefile 'CFLAGS += -march=armv8.2-a+dotprod'
    found Makefile
}

@test "comments and strings may mention everything" {
    plant format/x.c '/* never printf(), never exit(1) */ const char *s = "mmap() failed"; // getenv("X")'
    nothing_found
}
