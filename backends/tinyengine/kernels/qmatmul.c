#include "requantize.h"

// How two matrices lie: elements from one row, or column, and from one index of the sum to the
// next.
typedef struct {
    int a_row, a_depth, b_column, b_depth;
} product_steps;

// How sums become results. zeros: of a, b and y.
typedef struct {
    const int *zeros;
    float factor;
    int mantissa, shift, rounding;
} product_scale;

static inline void store_product_i8(int8_t *y, uint8_t *mask, int i, int32_t t,
                                    const product_scale *p) {
    const int32_t r = p->rounding == ROUND_AS_FLOAT
                          ? nearest_limited_f32((float)t * p->factor)
                          : limited_i32(multiply_fixed_i32(t, p->mantissa, p->shift, p->rounding));
    store_i8(y, mask, i, r + p->zeros[2]);
}

// The sum of the numbers of a row less their zero point.
static inline int32_t row_sum_i8(const int8_t *a, int zero, int step, int depth) {
    int32_t sum = -depth * zero;
    for (int k = 0; k < depth; k++)
        sum += a[k * step];
    return sum;
}

// One row, less its zero point, times a column as it is stored.
static inline int32_t dot_i8(const int8_t *a, int zero, const int8_t *b, const product_steps *s,
                             int depth) {
    int32_t sum = 0;
    for (int k = 0; k < depth; k++, a += s->a_depth, b += s->b_depth)
        sum += (*a - zero) * *b;
    return sum;
}

// The same for four columns at once.
static inline void dot_four_i8(int32_t *sums, const int8_t *a, int zero, const int8_t *b,
                               const product_steps *s, int depth) {
    const int column = s->b_column, a_step = s->a_depth, b_step = s->b_depth;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int k = 0; k < depth; k++, a += a_step, b += b_step) {
        const int t = *a - zero;
        s0 += t * b[0];
        s1 += t * b[column];
        s2 += t * b[2 * column];
        s3 += t * b[3 * column];
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

// y[m, n] of each of a batch; from one to the next the operands move on by their steps, 0 for one
// that the batch shares. steps: as product_steps.
static void qmatmul_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int batch,
                       int a_step, int b_step, int rows, int columns, int depth, const int *steps,
                       const int *zeros, float factor, int mantissa, int shift, int rounding) {
    const product_steps s = {steps[0], steps[1], steps[2], steps[3]};
    const product_scale p = {zeros, factor, mantissa, shift, rounding};
    int to = 0;
    clear_mask(mask, batch * rows * columns);
    for (; batch > 0; batch--, a += a_step, b += b_step)
        for (int m = 0; m < rows; m++) {
            const int8_t *row = a + m * s.a_row;
            const int32_t less = zeros[1] * row_sum_i8(row, zeros[0], s.a_depth, depth);
            int n = 0;
            for (; n + 4 <= columns; n += 4) {
                int32_t sums[4];
                dot_four_i8(sums, row, zeros[0], b + n * s.b_column, &s, depth);
                for (int i = 0; i < 4; i++)
                    store_product_i8(y, mask, to++, sums[i] - less, &p);
            }
            for (; n < columns; n++)
                store_product_i8(y, mask, to++,
                                 dot_i8(row, zeros[0], b + n * s.b_column, &s, depth) - less, &p);
        }
}

static inline int64_t dot_i16(const int16_t *a, const int16_t *b, const product_steps *s,
                              int depth) {
    int64_t sum = 0;
    for (int k = 0; k < depth; k++, a += s->a_depth, b += s->b_depth)
        sum += *a * *b;
    return sum;
}

static inline void dot_four_i16(int64_t *sums, const int16_t *a, const int16_t *b,
                                const product_steps *s, int depth) {
    const int column = s->b_column, a_step = s->a_depth, b_step = s->b_depth;
    int64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int k = 0; k < depth; k++, a += a_step, b += b_step) {
        const int t = *a;
        s0 += t * b[0];
        s1 += t * b[column];
        s2 += t * b[2 * column];
        s3 += t * b[3 * column];
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

// As qmatmul_i8; all zero points are 0.
static void qmatmul_i16(int16_t *y, uint8_t *mask, const int16_t *a, const int16_t *b, int batch,
                        int a_step, int b_step, int rows, int columns, int depth, const int *steps,
                        float factor, int low, int high) {
    const product_steps s = {steps[0], steps[1], steps[2], steps[3]};
    int to = 0;
    clear_mask(mask, batch * rows * columns);
    for (; batch > 0; batch--, a += a_step, b += b_step)
        for (int m = 0; m < rows; m++)
            for (int n = 0, count; n < columns; n += count) {
                const int16_t *row = a + m * s.a_row, *column = b + n * s.b_column;
                int64_t sums[4];
                count = n + 4 <= columns ? 4 : 1;
                if (count == 4)
                    dot_four_i16(sums, row, column, &s, depth);
                else
                    sums[0] = dot_i16(row, column, &s, depth);
                for (int i = 0; i < count; i++, to++)
                    store_i16(y, mask, to, rescaled_i16(sums[i], factor), low, high);
            }
}
