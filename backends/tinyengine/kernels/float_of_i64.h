// From int64 to float32, as numpy converts.

#pragma once

#include <stdint.h>

// Rounded once, also where the processor converts 32 bits only: what is dropped leaves a trace.
static inline float float_of_i64(int64_t x) {
    float scale = 1.0f;
    for (; x > INT32_MAX || x < INT32_MIN; scale *= 2.0f)
        x = x >> 1 | (x & 1);
    return (float)(int32_t)x * scale;
}
