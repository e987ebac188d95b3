# Of one thing nothing is said in the plural: a model of one layer, one head and one position, and files of one byte.

load common

setup_file() {
    export ONE=$BATS_FILE_TMPDIR/one
    "$INGOT_BUILD/tests/tools/random_checkpoint" "$ONE" --n_layer 1 --n_head 1 --n_embd 1 --n_inner 1 --n_ctx 1 \
        --vocabulary bytes
    "$INGOT" convert "$ONE" -o "$ONE.ingot"
}

# Neither stdout nor stderr has a lone 1 and then a word that ends in s.
says_one() { # command...
    ingot "$@"
    if grep -nE '(^|[^0-9.,x-])1 ([a-z]+ )?[a-z-]+s\b' out err | grep -vE '1 (is|was|has|of|alias|[a-z]+ is)\b'; then
        echo "from: $*"
        return 1
    fi
}

@test "a checkpoint of one layer, one head and one position is told of in the singular" {
    for file in "$ONE" "$ONE.ingot"; do
        for command in ls show params stats map hash verify; do says_one $command "$file"; done
    done
    says_one show "$ONE.ingot" h.0.ln_1.weight
    says_one hex --full "$ONE.ingot"
    says_one diff "$ONE" "$ONE.ingot"
    says_one map --long "$ONE.ingot"
    says_one convert "$ONE" -o two.ingot
    says_one convert --plan "$ONE"
    says_one run "$ONE.ingot" --ids 1,2 -n 1
    says_one run "$ONE.ingot" --ids 1 -n 1 --stats
    "$INGOT" report "$ONE.ingot" -o page.html
    says_one report "$ONE.ingot" -o - -f
    cp page.html out && refute grep -nE '[^0-9.,x-]1 (tensor|parameter|byte|element|position|layer|head|file)s\b' out
}

@test "files of one byte are refused in the singular" {
    for suffix in gguf safetensors bin ingot index pt; do
        printf x >"byte.$suffix"
        for command in ls verify hex; do says_one $command "byte.$suffix"; done
    done
}
