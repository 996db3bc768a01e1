#include <math.h>

#include "elementary.h"
#include "loops.h"

// Whole exponents by products, so that negative numbers have powers too.
static inline float pow_f32(float a, float b) {
    if (!(fabsf(b) < 16777216.0f) || (float)(int)b != b)
        return exp_f32(b * log_f32(a));
    float y = 1.0f;
    for (int n = (int)fabsf(b); n > 0; n /= 2, a *= a)
        y *= n % 2 ? a : 1.0f;
    return b < 0.0f ? 1.0f / y : y;
}

static void pow_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2])
            *y++ = pow_f32(*p, *q);
    } while (next_row(&at, axes));
}
