#!/bin/bash
# Where llama.cpp is; for the scripts that compare with it, which say `build`, the build directory.
#
#   PEER=DIR     DIR/include/*.h and DIR/lib/libllama*.so. Without it the npm packages node-llama-cpp (which carries
#                llama.cpp's source) and @node-llama-cpp/linux-x64 (its prebuilt libraries) are fetched into the build
#                directory. Nothing of it becomes part of ingot.
peers=${build:?}/peers
mkdir -p "$peers"

fetch_peer() {
    echo "fetching llama.cpp's prebuilt libraries from the npm registry into $peers" >&2
    command -v npm >/dev/null || { echo "npm is missing: apt-get install npm, or give PEER=DIR" >&2; exit 1; }
    (
        cd "$peers" || exit
        npm pack --silent node-llama-cpp@3 @node-llama-cpp/linux-x64@3 >/dev/null
        for package in *.tgz; do tar xzf "$package" --one-top-level="${package%.tgz}"; done
        git clone --quiet -c advice.detachedHead=false ./node-llama-cpp-3*/package/llama/gitRelease.bundle source
        mkdir -p include lib
        cp source/include/*.h source/ggml/include/*.h include/
        cp node-llama-cpp-linux-x64-*/package/bins/linux-x64/*.so lib/
        rm -rf ./*.tgz node-llama-cpp-* source
    )
}
if [[ -z ${PEER:-} ]]; then
    PEER=$peers
    [[ -d $peers/lib ]] || fetch_peer
fi
library() { basename "$(find "$PEER/lib" -name "$1" | sort | head -n 1)"; }

build_peer() { # name of a program in tests/bench/peer
    local cc
    read -ra cc <<<"${CC:-cc}"
    "${cc[@]}" -O2 -std=gnu17 -I"$PEER/include" -o "$peers/$1" "$(dirname "${BASH_SOURCE[0]}")/$1.c" -L"$PEER/lib" \
        -Wl,-rpath,"$PEER/lib" -l:"$(library 'libllama.*so*')" -l:"$(library 'libggml.*so*')" \
        -l:"$(library 'libggml-base.*so*')" -lm
}
