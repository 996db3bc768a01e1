#include "requantize.h"

// The sum of two tensors with scales of their own, less their zero points.
static inline int32_t qadd_float_i8(int a, int b, float a_factor, float b_factor) {
    return nearest_limited_f32((float)a * a_factor + (float)b * b_factor);
}

// As TFLite does it: both in units of twice the larger scale, with 20 bits behind the point.
// multipliers: mantissa and shift for a, for b and for the sum.
static inline int32_t qadd_fixed_i8(int a, int b, const int *multipliers, int rounding) {
    const int *m = multipliers;
    const int64_t sum = multiply_fixed_i32(a * (1 << 20), m[0], m[1], rounding) +
                        multiply_fixed_i32(b * (1 << 20), m[2], m[3], rounding);
    return limited_i32(multiply_fixed_i32((int32_t)sum, m[4], m[5], rounding));
}

// y may be a or b. zeros: of a, b and y.
static void qadd_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int n,
                    const int *zeros, float a_factor, float b_factor, const int *multipliers,
                    int rounding) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++) {
        const int first = a[i] - zeros[0], second = b[i] - zeros[1];
        const int32_t r = rounding == ROUND_AS_FLOAT
                              ? qadd_float_i8(first, second, a_factor, b_factor)
                              : qadd_fixed_i8(first, second, multipliers, rounding);
        store_i8(y, mask, i, r + zeros[2]);
    }
}
