/* fuzz_config.c - any bytes as a config.json: what is accepted passes the checks of the hyper-parameters. */
#include "convert/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct model_config config;
    struct ingot_error err = { 0 };
    if (config_parse(data, n, "fuzz", &config, &err) != INGOT_OK) {
        if (err.status == INGOT_OK || err.message[0] == '\0') abort();
        return 0;
    }
    struct ingot_hparams hp = config.hp;
    hp.n_vocab_stored = hp.n_vocab;
    hp.n_head = 1; /* that heads divide the width is only asked when the tensors are known */
    if (ingot_hparams_check(&hp, "fuzz", &err) != INGOT_OK) abort();
    return 0;
}
