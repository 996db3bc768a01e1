#include "gradient_epilogue.h"
#include "product_lines.h"

// Finishes so many neighbours in four rows, fewer at the end, of a product whose sums are those of
// the pairs of columns.
static inline void finish_product_rows(gradient_end *end, const widened_pair *pairs, int at,
                                       int rows, int columns, int channel, int count) {
    float p[GRADIENT_COLUMNS];
    for (int m = 0; m < rows; m++) {
        for (int n = 0; n < GRADIENT_COLUMNS; n++)
            p[n] = (float)pairs[n / 2].results[n % 2 * 4 + m] * end->by;
        finish_gradient(end, p, at + m * columns + channel, channel, count);
    }
}

// All columns for `rows` rows, whose results begin at `at`; b: the second matrix.
static inline void product_gradient_rows(gradient_end *end, int at, const int8_t *b, int rows,
                                         const stored_product *s) {
    const int fours = FOURS(s->a.terms), words = WEIGHT_WORDS * fours;
    widened_pair pairs[GRADIENT_COLUMNS / 2] = {0};
    for (int n = 0; n < s->columns; n += GRADIENT_COLUMNS) {
        const int count = at_most(s->columns - n, GRADIENT_COLUMNS);
        for (int i = 0; i < count; i += 4)
            widen_weights_of_four_i8(s->wide_b + i / 2 * words, b + (n + i) * s->b.line,
                                     at_most(count - i, 4), &s->b);
        for (int m = 0; m < rows; m += 4) {
            for (int i = 0; 2 * i < count; i++) {
                pairs[i].columns = s->wide_a + m / 4 * COLUMN_WORDS * fours;
                pairs[i].weights = s->wide_b + i * words;
                pairs[i].end = pairs[i].weights + words;
                sum_pair_i8(&pairs[i]);
            }
            finish_product_rows(end, pairs, at + m * s->columns, at_most(rows - m, 4), s->columns,
                                n, count);
        }
    }
}

// The gradient of an operand of a product, itself the product a[rows, depth] b[depth, columns] of
// the gradient of the result and the other operand, in either order, whose sums int32 holds. Of
// each of a batch: from one to the next a and b move on by their steps, 0 for one that the batch
// shares. sizes, working: of read_product, for 8 columns.
static void qmatmul_input_grad_i8(void *y, float *range, const int8_t *a, const int8_t *b,
                                  const float *g_range, const uint8_t *mask, const float *scale,
                                  const void *skip, const float *skip_range, int batch, int a_step,
                                  int b_step, const int *sizes, int bits, int skip_bits,
                                  float factor, float skip_factor, void *working) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const stored_product s = read_product(sizes, GRADIENT_COLUMNS, working);
    for (int left = begin_passes(&end); left > 0; left--) {
        for (int i = 0; i < batch; i++)
            for (int m = 0; m < s.rows; m += PRODUCT_ROWS) {
                const int rows = at_most(s.rows - m, PRODUCT_ROWS);
                widen_columns_i8(s.wide_a, a + i * a_step + m * s.a.line, rows, &s.a);
                product_gradient_rows(&end, (i * s.rows + m) * s.columns, b + i * b_step, rows, &s);
            }
        end_pass(&end);
    }
}
