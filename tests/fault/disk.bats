# A disk that is full, and a file size that is limited, while a model is converted or exported.

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

@test "a full disk leaves nothing of an export" {
    can_mount
    "$INGOT" convert model -o model.ingot
    for name in out out.gguf out.bin; do
        run on_small_disk "\"\$INGOT\" export ../model.ingot -o $name; echo \"status \$?\"; ls -A | sed 's/^/stray: /'"
        echo "$output"
        [[ $output == *"status 5"* ]]
        [[ $output == *"$name"* ]]
        [[ $output != *stray:* ]]
    done
}

@test "a full disk leaves the old directory" {
    can_mount
    "$INGOT" convert model -o model.ingot
    run on_small_disk 'mkdir out; echo old >out/config.json; "$INGOT" export ../model.ingot -o out -f; echo "status $?"; ls -A; ls -A out; cat out/config.json'
    echo "$output"
    [[ $output == *"status 5"* ]]
    [ "${lines[-3]}" = out ]
    [ "${lines[-2]}" = config.json ]
    [ "${lines[-1]}" = old ]
}

@test "a limit on file sizes is an error of an export too" {
    "$INGOT" convert model -o model.ingot
    for name in out out.gguf out.bin; do
        run bash -c "ulimit -f 4096; exec \"\$INGOT\" export model.ingot -o disk/$name"
        echo "$output"
        [ "$status" -eq 5 ]
        [ -z "$(ls -A disk)" ]
    done
}

@test "an export into a directory that cannot be written to, or is not there, is an error" {
    "$INGOT" convert model -o model.ingot
    run "$INGOT" export model.ingot -o nowhere/out
    [ "$status" -eq 5 ]
    [[ $output == *nowhere* ]]
    [ "$(id -u)" -ne 0 ] || skip "root may write anywhere"
    chmod a-w disk
    run "$INGOT" export model.ingot -o disk/out
    [ "$status" -eq 5 ]
}
