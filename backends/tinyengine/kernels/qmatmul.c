#include "int8_lines.h"
#include "int8_results.h"

// Where the four lines from i on begin: if fewer are left, the last four, some for a second time.
static inline int first_of_four(int i, int lines) {
    return at_least(at_most(i, lines - 4), 0);
}

// All columns for `count` rows, whose results begin at `at`.
static inline void qmatmul_rows_i8(const result_place *to, int at, const int8_t *b, int count,
                                   const product_i8 *s, const requantization *q) {
    const int words = WEIGHT_WORDS * FOURS(s->b.terms);
    widened_pair job = {.pitch = s->columns, .zero = q->zero, .scale = {q->scale[0], q->scale[1]}};
    for (int n = 0, lines; n < s->columns; n += lines) {
        n = first_of_four(n, s->columns);
        lines = at_most(s->columns - n, 4);
        widen_weights_of_four_i8(s->wide_b, b + n * s->b.line, lines, &s->b);
        job.weights = s->wide_b;
        for (int i = 0; i < lines; i += 2) {
            job.columns = s->wide_a;
            job.end = job.weights + words;
            finish_rows_i8(to, at + n + i, &job, count, 0, at_most(lines - i, 2), q);
            job.weights = job.end;
        }
    }
}

// One matrix of a batch, whose results begin at `at`.
static inline void qmatmul_one_i8(const result_place *to, int at, const int8_t *a, const int8_t *b,
                                  const product_i8 *s, const requantization *q) {
    for (int m = 0, count; m < s->rows; m += count) {
        m = first_of_four(m, s->rows);
        const int left = s->rows - m;
        count = left < 4 ? left : at_most(left & ~3, PRODUCT_ROWS);
        widen_columns_i8(s->wide_a, a + m * s->a.line, count, &s->a);
        qmatmul_rows_i8(to, at + m * s->columns, b, count, s, q);
    }
}

// y[m, n] of each of a batch; from one to the next the operands move on by their steps, 0 for one
// that the batch shares. sizes: of read_product, then the zero point of y.
static void qmatmul_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int batch,
                       int a_step, int b_step, const int *sizes, float factor, int mantissa,
                       int shift, int rounding, void *working) {
    const int32_t bias[2] = {0}, multiplier[] = {mantissa, shift, mantissa, shift};
    const float scale[] = {factor, factor};
    const requantization q = {.bias = bias,
                              .scale = scale,
                              .multiplier = multiplier,
                              .rounding = rounding,
                              .zero = sizes[9]};
    const product_i8 s = read_product(sizes, 4, working);
    const result_place to = {y, mask, s.columns};
    clear_mask(mask, batch * s.rows * s.columns);
    for (int i = 0; i < batch; i++, a += a_step, b += b_step)
        qmatmul_one_i8(&to, i * s.rows * s.columns, a, b, &s, &q);
}

// How two matrices lie: elements from one row, or column, and from one index of the sum to the
// next.
typedef struct {
    int a_row, a_depth, b_column, b_depth;
} product_steps;

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

// The same; steps: as product_steps; all zero points are 0.
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
