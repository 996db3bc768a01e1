#include "loops.h"
#include "requantize.h"

// How two tensors are multiplied. zeros: of a, b and y.
typedef struct {
    const int *zeros;
    float factor;
    int mantissa, shift, rounding;
} qproduct;

// Elements `begin` to `begin + n` of y, from operands whose elements are these steps apart.
static inline void qmul_row_i8(int8_t *y, uint8_t *mask, int begin, const int8_t *a, int a_step,
                               const int8_t *b, int b_step, int n, const qproduct *p) {
    for (int i = 0; i < n; i++) {
        const int32_t t = (a[i * a_step] - p->zeros[0]) * (b[i * b_step] - p->zeros[1]);
        const int32_t r =
            p->rounding == ROUND_AS_FLOAT
                ? nearest_limited_f32((float)t * p->factor)
                : limited_i32(multiply_fixed_i32(t, p->mantissa, p->shift, p->rounding));
        store_i8(y, mask, begin + i, r + p->zeros[2]);
    }
}

// y may be a or b where that is not repeated.
static void qmul_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int size,
                    const int *axes, const int *zeros, float factor, int mantissa, int shift,
                    int rounding) {
    const qproduct p = {zeros, factor, mantissa, shift, rounding};
    const int *row = innermost(axes);
    const int a_step = row[1], b_step = row[2];
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        if (a_step == 1 && b_step == 1)
            qmul_row_i8(y, mask, begin, a + at.a, 1, b + at.b, 1, row[0], &p);
        else
            qmul_row_i8(y, mask, begin, a + at.a, a_step, b + at.b, b_step, row[0], &p);
        begin += row[0];
    } while (next_row(&at, axes));
}

// y may be a or b where that is not repeated.
static void qmul_i16(int16_t *y, uint8_t *mask, const int16_t *a, const int16_t *b, int size,
                     const int *axes, float factor, int low, int high) {
    const int *row = innermost(axes);
    const int columns = row[0], a_step = row[1], b_step = row[2];
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        for (int i = 0; i < columns; i++) {
            const int from_a = at.a + i * a_step, from_b = at.b + i * b_step;
            const int32_t r = nearest_beyond_i16_f32((float)(a[from_a] * b[from_b]) * factor);
            store_i16(y, mask, begin + i, r, low, high);
        }
        begin += columns;
    } while (next_row(&at, axes));
}
