# .ci/setup on machines that lack things: each has commands of its own in an empty PATH.

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir bin
    command_is make exit 0
    command_is cc exit 0
    command_is pkg-config exit 0
    command_is id 'echo 0'
    command_is env 'shift; exec "$@"'
    command_is apt-get 'echo "$@" >>apt.log'
    unset CC
}

command_is() { # name, what it does
    printf '#!/bin/bash\n%s\n' "${*:2}" >"bin/$1"
    chmod +x "bin/$1"
}

on_this_machine() { # status, option or goal...
    local wanted=$1 status=0
    shift
    PATH=$PWD/bin /bin/sh "$INGOT_ROOT/.ci/setup" "$@" >out 2>err || status=$?
    echo "$status, $(<out), $(<err)"
    [ "$status" -eq "$wanted" ]
}

an_ordinary_user() {
    command_is id 'echo 1000'
    command_is sudo 'exit 1'
}

@test "where all is there nothing is said and nobody is asked" {
    on_this_machine 0 build
    [ ! -s out ] && [ ! -s err ] && [ ! -e apt.log ]
}

@test "root installs what is missing, after a look at the lists" {
    rm bin/pkg-config
    on_this_machine 0 build
    [ "$(<out)" = "installing: pkg-config libxxhash-dev libzstd-dev libyaml-dev libjansson-dev libutf8proc-dev" ]
    [ "$(<apt.log)" = "-qq update
-qq install -y --no-install-recommends pkg-config libxxhash-dev libzstd-dev libyaml-dev libjansson-dev libutf8proc-dev" ]
}

@test "so does an ordinary user whose sudo asks nothing" {
    an_ordinary_user
    command_is sudo '[ "$1" = -n ] && exit 0; echo sudo >>apt.log; exec "$@"'
    rm bin/cc
    on_this_machine 0 build
    [ "$(<apt.log)" = "sudo
-qq update
sudo
-qq install -y --no-install-recommends gcc" ]
}

@test "any other user is told the one line, and it ends there" {
    an_ordinary_user
    rm bin/cc
    on_this_machine 1 build
    [ "$(<err)" = "missing: gcc
run:     sudo apt-get update && sudo apt-get install -y --no-install-recommends gcc" ]
    [ ! -e apt.log ]
}

@test "who only looks installs nothing, as root neither" {
    rm bin/cc
    on_this_machine 1 --look build
    [[ $(<err) == "missing: gcc"* ]]
    [ ! -e apt.log ]
}

@test "what apt-get cannot install is named with the line for later" {
    command_is apt-get 'exit 100'
    rm bin/cc
    on_this_machine 1 build
    [ "$(<err)" = "apt-get could not install them; is there a network?
missing: gcc
run:     sudo apt-get update && sudo apt-get install -y --no-install-recommends gcc" ]
}

@test "without apt-get the names are all that can be said" {
    rm bin/cc bin/apt-get
    on_this_machine 1 build
    [ "$(<err)" = "missing, under their Debian names: gcc" ]
}

@test "a compiler is a package of its own name, and may be a command of several words" {
    command_is ccache exit 0
    CC="ccache gcc" on_this_machine 0 build
    [ ! -s out ]
    CC=clang-99 on_this_machine 1 --look build
    [[ $(<err) == "missing: clang-99"* ]]
}

@test "what only some tests want is no reason to install or to stop" {
    command_is bats exit 0
    command_is python3 exit 0
    an_ordinary_user
    on_this_machine 0 test
    [ ! -s err ]
}

@test "it comes along with what is needed" {
    command_is python3 exit 0
    on_this_machine 0 test
    [[ $(<out) == "installing: bats "*"xxhash" ]]
}

@test "an unknown goal is a mistake of use" {
    on_this_machine 2 everything
    [[ $(<err) == "usage: "* ]]
}
