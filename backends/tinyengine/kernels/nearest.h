// The nearest integer, half to even: what numpy's rint gives, in one instruction of a floating
// point unit.

#pragma once

#include <math.h>

// For numbers that an int holds, in the mode of rounding that a program starts with.
static inline int nearest_f32(float x) {
#if defined(__ARM_FP) && defined(__thumb2__)
    int y;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(y) : "t"(x));
    return y;
#else
    // Beside 2^23 a float has no fraction left: the addition rounds. Larger ones are integers.
    const float beside = x < 0.0f ? -8388608.0f : 8388608.0f;
    const float shifted = x + beside;
    const float rounded = shifted - beside;
    return (int)(fabsf(x) < 8388608.0f ? rounded : x);
#endif
}
