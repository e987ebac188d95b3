/* skip.h - a test that cannot run says why, for which cmocka's skip() has no words; tests/run puts the two together. */
#ifndef INGOT_TESTS_SKIP_H
#define INGOT_TESTS_SKIP_H

#include <stdio.h>

#define SKIP(why)                                                                                                      \
    do {                                                                                                               \
        printf("# skip: %s\n", why);                                                                                   \
        skip();                                                                                                        \
    } while (0)

#endif
