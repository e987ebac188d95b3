/* quant.c - the levels of q4, and a block of weights to its scale and codes. */
#include "format/layout.h"

const int8_t quant_q4_levels[16] = { -63, -49, -38, -30, -22, -16, -10, -5, 0, 5, 11, 17, 23, 31, 40, 52 };
