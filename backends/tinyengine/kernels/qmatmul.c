#include "requantize.h"

// How two matrices lie: elements from one row, or column, and from one index of the sum to the
// next.
typedef struct {
    int a_row, a_depth, b_column, b_depth;
} product_steps;

static inline int32_t dot_i8(const int8_t *a, int a_zero, int a_step, const int8_t *b, int b_zero,
                             int b_step, int depth) {
    int32_t sum = 0;
    for (int k = 0; k < depth; k++)
        sum += (a[k * a_step] - a_zero) * (b[k * b_step] - b_zero);
    return sum;
}

// y[m, n] of each of a batch; from one to the next the operands move on by their steps, 0 for one
// that the batch shares. zeros: of a, b and y; steps: as product_steps.
static void qmatmul_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int batch,
                       int a_step, int b_step, int rows, int columns, int depth, const int *steps,
                       const int *zeros, float factor, int mantissa, int shift, int rounding) {
    const product_steps s = {steps[0], steps[1], steps[2], steps[3]};
    int to = 0;
    clear_mask(mask, batch * rows * columns);
    for (; batch > 0; batch--, a += a_step, b += b_step)
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < columns; n++, to++) {
                const int32_t t = dot_i8(a + m * s.a_row, zeros[0], s.a_depth, b + n * s.b_column,
                                         zeros[1], s.b_depth, depth);
                const int32_t r =
                    rounding == ROUND_AS_FLOAT
                        ? nearest_limited_f32((float)t * factor)
                        : limited_i32(multiply_fixed_i32(t, mantissa, shift, rounding));
                store_i8(y, mask, to, r + zeros[2]);
            }
}
