#include <stddef.h>

#include "loops.h"
#include "requantize.h"

// How two tensors are added. zeros: of a, b and y; multipliers: mantissa and shift for a, for b and
// for the sum, then the sign of b.
typedef struct {
    const int *zeros, *multipliers;
    float a_factor, b_factor;
    int rounding;
} qsum;

static inline int32_t qadd_float_i8(int a, int b, const qsum *s) {
    return nearest_limited_f32((float)a * s->a_factor + (float)b * s->b_factor);
}

// As TFLite does it: both in units of twice the larger scale, with 20 bits behind the point.
static inline int32_t qadd_fixed_i8(int a, int b, const qsum *s) {
    const int *m = s->multipliers;
    const int64_t first = multiply_fixed_i32(a * (1 << 20), m[0], m[1], s->rounding);
    const int64_t second = multiply_fixed_i32(b * (1 << 20), m[2], m[3], s->rounding);
    return limited_i32(
        multiply_fixed_i32((int32_t)(first + m[6] * second), m[4], m[5], s->rounding));
}

// Elements `begin` to `begin + n` of y, from operands whose elements are these steps apart.
static inline void qadd_row_i8(int8_t *y, uint8_t *mask, int begin, const int8_t *a, int a_step,
                               const int8_t *b, int b_step, int n, const qsum *s) {
    for (int i = 0; i < n; i++) {
        const int first = a[i * a_step] - s->zeros[0], second = b[i * b_step] - s->zeros[1];
        const int32_t r = s->rounding == ROUND_AS_FLOAT ? qadd_float_i8(first, second, s)
                                                        : qadd_fixed_i8(first, second, s);
        store_i8(y, mask, begin + i, r + s->zeros[2]);
    }
}

// y may be a or b.
static void qadd_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int n,
                    const int *zeros, float a_factor, float b_factor, const int *multipliers,
                    int rounding) {
    const qsum s = {zeros, multipliers, a_factor, b_factor, rounding};
    clear_mask(mask, n);
    qadd_row_i8(y, mask, 0, a, 1, b, 1, n, &s);
}

static void qadd_broadcast_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int size,
                              const int *axes, const int *zeros, float a_factor, float b_factor,
                              const int *multipliers, int rounding) {
    const qsum s = {zeros, multipliers, a_factor, b_factor, rounding};
    const int *row = innermost(axes);
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        qadd_row_i8(y, mask, begin, a + at.a, row[1], b + at.b, row[2], row[0], &s);
        begin += row[0];
    } while (next_row(&at, axes));
}

// y may be a or b where that is not repeated.
static void qadd_i16(int16_t *y, uint8_t *mask, const int16_t *a, const int16_t *b, int size,
                     const int *axes, float a_factor, float b_factor, int low, int high) {
    const int *row = innermost(axes);
    const int columns = row[0], a_step = row[1], b_step = row[2];
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        for (int i = 0; i < columns; i++) {
            const int from_a = at.a + i * a_step, from_b = at.b + i * b_step;
            const int32_t r =
                nearest_beyond_i16_f32((float)a[from_a] * a_factor + (float)b[from_b] * b_factor);
            store_i16(y, mask, begin + i, r, low, high);
        }
        begin += columns;
    } while (next_row(&at, axes));
}
