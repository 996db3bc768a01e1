#include "loops.h"
#include "requantize.h"

// How the square of a difference becomes int8. zeros: of a, b and y; multipliers: mantissa and
// shift for a, for b and for the square.
typedef struct {
    const int *zeros, *multipliers;
    float a_factor, b_factor, factor;
    int rounding;
} qsquare;

static inline int32_t squared_float_i8(int a, int b, const qsquare *s) {
    const float first = (float)a * s->a_factor, second = (float)b * s->b_factor;
    const float difference = first - second;
    const float square = difference * difference;
    return nearest_limited_f32(square * s->factor);
}

// As TFLite does it: both in units of twice the larger scale, with 7 bits behind the point.
static inline int32_t squared_fixed_i8(int a, int b, const qsquare *s) {
    const int *m = s->multipliers;
    const int64_t first = multiply_fixed_i32(a * (1 << 7), m[0], m[1], s->rounding);
    const int32_t difference =
        (int32_t)(first - multiply_fixed_i32(b * (1 << 7), m[2], m[3], s->rounding));
    return limited_i32(multiply_fixed_i32(difference * difference, m[4], m[5], s->rounding));
}

// y may be a or b where that is not repeated.
static void qsquared_difference_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b,
                                   int size, const int *axes, const int *zeros, float a_factor,
                                   float b_factor, float factor, const int *multipliers,
                                   int rounding) {
    const qsquare s = {zeros, multipliers, a_factor, b_factor, factor, rounding};
    const int *row = innermost(axes);
    row_position at = {0};
    int to = 0;
    clear_mask(mask, size);
    do {
        const int8_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], to++) {
            const int first = *p - zeros[0], second = *q - zeros[1];
            const int32_t r = rounding == ROUND_AS_FLOAT ? squared_float_i8(first, second, &s)
                                                         : squared_fixed_i8(first, second, &s);
            store_i8(y, mask, to, r + zeros[2]);
        }
    } while (next_row(&at, axes));
}
