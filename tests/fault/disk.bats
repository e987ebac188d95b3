# A disk that is full, and a file size that is limited, while a model is converted.

setup() {
    cd "$BATS_TEST_TMPDIR"
    "$INGOT_BUILD/tests/tools/random_checkpoint" model --n_embd 256 --n_layer 3
    mkdir disk
}

# In a name space of its own, where an ordinary user may mount a tmpfs of 4 MB; the model needs 10.
on_small_disk() { # commands, run in the directory of the small disk
    unshare --user --map-root-user --mount bash -c "mount -t tmpfs -o size=4m none disk && cd disk && { $1; }"
}

can_mount() {
    on_small_disk true 2>/dev/null || skip "no private mounts here"
}

@test "a full disk leaves no output and nothing else" {
    can_mount
    run on_small_disk '"$INGOT" convert ../model -o out.ingot; echo "status $?"; ls -A | sed "s/^/stray: /"'
    echo "$output"
    [[ $output == *"status 5"* ]]
    [[ $output == *out.ingot* ]]
    [[ $output != *stray:* ]]
}

@test "a full disk leaves the old output" {
    can_mount
    run on_small_disk 'echo old >out.ingot; "$INGOT" convert ../model -o out.ingot -f; echo "status $?"; cat out.ingot; ls -A'
    echo "$output"
    [[ $output == *"status 5"* ]]
    [ "${lines[-2]}" = old ]
    [ "${lines[-1]}" = out.ingot ]
}

@test "a limit on file sizes is an error, not a signal" {
    run bash -c 'ulimit -f 4096; exec "$INGOT" convert model -o disk/out.ingot'
    echo "$output"
    [ "$status" -eq 5 ]
    [ -z "$(ls -A disk)" ]
}

@test "a directory that cannot be written to is an error" {
    [ "$(id -u)" -ne 0 ] || skip "root may write anywhere"
    chmod a-w disk
    run "$INGOT" convert model -o disk/out.ingot
    [ "$status" -eq 5 ]
}

@test "a directory that is not there is an error" {
    run "$INGOT" convert model -o nowhere/out.ingot
    [ "$status" -eq 5 ]
    [[ $output == *nowhere* ]]
}
