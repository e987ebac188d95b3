/* tiles.h - before a kernel that is emulated: its tiles stay loops. Unrolled, as calls, they would take the compiler a
 * minute. */
#ifndef TESTS_EMULATED_TILES_H
#define TESTS_EMULATED_TILES_H

#include "runtime/kernels/tiles.h"

#undef TILE_UNROLL
#define TILE_UNROLL

#endif
