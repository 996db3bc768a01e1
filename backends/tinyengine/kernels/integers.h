// Elements of int8, int16 and int32 tensors, for kernels that are written once: where `bits` is a
// constant, nothing is left of the choice.

#pragma once

#include "inlining.h"

#include <stdint.h>

static MERGED int integer_at(const void *x, int bits, int i) {
    return bits == 8    ? ((const int8_t *)x)[i]
           : bits == 16 ? ((const int16_t *)x)[i]
                        : ((const int32_t *)x)[i];
}

static MERGED void set_integer(void *y, int bits, int i, int value) {
    if (bits == 8)
        ((int8_t *)y)[i] = (int8_t)value;
    else if (bits == 16)
        ((int16_t *)y)[i] = (int16_t)value;
    else
        ((int32_t *)y)[i] = value;
}
