#include "loops.h"
#include "requantize.h"

static inline int32_t qprelu_scaled_i8(int t, float factor, const int *multiplier, int rounding) {
    return rounding == ROUND_AS_FLOAT
               ? nearest_limited_f32((float)t * factor)
               : limited_i32(multiply_fixed_i32(t, multiplier[0], multiplier[1], rounding));
}

// y may be x, or slope where that is not repeated. zeros: of x, slope and y; multipliers: mantissa
// and shift where x is not negative, and where it is.
static void qprelu_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *slope, int size,
                      const int *axes, const int *zeros, float positive, float negative,
                      const int *multipliers, int rounding) {
    const int *row = innermost(axes);
    row_position at = {0};
    int to = 0;
    clear_mask(mask, size);
    do {
        const int8_t *p = x + at.a, *q = slope + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], to++) {
            const int t = *p - zeros[0];
            const int32_t r =
                t >= 0 ? qprelu_scaled_i8(t, positive, multipliers, rounding)
                       : qprelu_scaled_i8(t * (*q - zeros[1]), negative, multipliers + 2, rounding);
            store_i8(y, mask, to, r + zeros[2]);
        }
    } while (next_row(&at, axes));
}

// Of x, or of the slope.
static void qprelu_grad_i8(float *dx, const float *g, const int8_t *x, const int8_t *slope,
                           const int *axes, int x_zero, int slope_zero, float positive,
                           float negative, int of_slope) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int8_t *p = x + at.a, *q = slope + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], g++) {
            const int t = *p - x_zero;
            const float by = of_slope ? (float)t * negative : (float)(*q - slope_zero) * negative;
            *dx++ = *g * (t < 0 ? by : of_slope ? 0.0f : positive);
        }
    } while (next_row(&at, axes));
}
