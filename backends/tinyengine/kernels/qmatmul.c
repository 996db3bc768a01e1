#include "int8_results.h"

// Rows of the first matrix that meet four columns of the second once these are widened.
#define QMATMUL_ROWS 16

// Where four lines, rows of the first or columns of the second matrix, go when widened: words from
// one four of terms to the next, from terms (0, 2) to (1, 3), from the first two lines to the rest.
typedef struct {
    int four, odd, rest;
} widened_lines;

// How lines are stored: steps from one to the next, and from one of their terms to the next, one
// of which is 1; number of terms, and their zero point.
typedef struct {
    int line, term, terms, zero;
} int8_lines;

// One line whose terms are neighbours. zeros: what to add to both halves of a pair;
// filling: four terms that then are zero.
static inline void widen_along_i8(uint32_t *to, widened_lines w, const int8_t *x, int terms,
                                  uint32_t zeros, uint32_t filling) {
    for (; terms >= 4; terms -= 4, x += 4, to += w.four) {
        const uint32_t four = load_four_i8(x);
        to[0] = add_even_pair_i8(zeros, four);
        to[w.odd] = add_odd_pair_i8(zeros, four);
    }
    if (terms > 0) {
        const uint32_t four = load_some_i8(x, terms) | filling << 8 * terms;
        to[0] = add_even_pair_i8(zeros, four);
        to[w.odd] = add_odd_pair_i8(zeros, four);
    }
}

// Two terms of four lines.
static MERGED void widen_two_terms_i8(uint32_t *to, int rest, uint32_t a, uint32_t b,
                                      uint32_t zeros) {
    const uint32_t a_even = add_even_pair_i8(zeros, a), b_even = add_even_pair_i8(zeros, b);
    const uint32_t a_odd = add_odd_pair_i8(zeros, a), b_odd = add_odd_pair_i8(zeros, b);
    to[0] = low_halves(a_even, b_even);
    to[1] = low_halves(a_odd, b_odd);
    to[rest] = high_halves(a_even, b_even);
    to[rest + 1] = high_halves(a_odd, b_odd);
}

static inline uint32_t load_lines_i8(const int8_t *x, int lines) {
    return lines == 4 ? load_four_i8(x) : load_some_i8(x, lines);
}

// Up to four lines that are neighbours, their terms `step` apart.
static inline void widen_across_i8(uint32_t *to, widened_lines w, const int8_t *x, int lines,
                                   int terms, int step, uint32_t zeros, uint32_t filling) {
    uint32_t t[4];
    for (; lines == 4 && terms >= 4; terms -= 4, to += w.four, x += 4 * step) {
        widen_two_terms_i8(to, w.rest, load_four_i8(x), load_four_i8(x + 2 * step), zeros);
        widen_two_terms_i8(to + w.odd, w.rest, load_four_i8(x + step), load_four_i8(x + 3 * step),
                           zeros);
    }
    for (; terms > 0; terms -= 4, to += w.four) {
        for (int k = 0; k < 4; k++, x += step)
            t[k] = k < terms ? load_lines_i8(x, lines) : filling;
        widen_two_terms_i8(to, w.rest, t[0], t[2], zeros);
        widen_two_terms_i8(to + w.odd, w.rest, t[1], t[3], zeros);
    }
}

// Up to four lines less their zero point; the terms that fill up the last four are zero. What
// stands for lines that there are not does not matter.
static SEPARATE void widen_lines_i8(uint32_t *to, const widened_lines *w, const int8_t *x,
                                    int lines, const int8_lines *from) {
    const int zero = from->zero, terms = from->terms;
    const uint32_t zeros = both_halves(-zero), filling = ((uint32_t)zero & 255) * 0x1010101u;
    if (from->term != 1) {
        widen_across_i8(to, *w, x, lines, terms, from->term, zeros, filling);
        return;
    }
    for (int i = 0; i < 4; i++)
        widen_along_i8(to + i % 2 + i / 2 * w->rest, *w, x + at_most(i, lines - 1) * from->line,
                       terms, zeros, filling);
}

// Where the four lines from i on begin: if fewer are left, the last four, some for a second time.
static inline int first_of_four(int i, int lines) {
    return at_least(at_most(i, lines - 4), 0);
}

// The matrices [rows, depth] and [depth, columns], and where parts of them are widened.
typedef struct {
    int rows, columns;
    int8_lines a, b;
    uint32_t *wide_a, *wide_b;
} qmatmul_sizes;

// All columns for `count` rows, whose results begin at `at`.
static inline void qmatmul_rows_i8(const result_place *to, int at, const int8_t *b, int count,
                                   const qmatmul_sizes *s, const requantization *q) {
    const int words = WEIGHT_WORDS * FOURS(s->b.terms);
    const widened_lines of_b = {WEIGHT_WORDS, 2, words};
    widened_pair job = {.pitch = s->columns, .zero = q->zero, .scale = {q->scale[0], q->scale[1]}};
    for (int n = 0, lines; n < s->columns; n += lines) {
        n = first_of_four(n, s->columns);
        lines = at_most(s->columns - n, 4);
        widen_lines_i8(s->wide_b, &of_b, b + n * s->b.line, lines, &s->b);
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
                                  const qmatmul_sizes *s, const requantization *q) {
    const widened_lines of_a = {COLUMN_WORDS, 4, 2};
    const int words = COLUMN_WORDS * FOURS(s->a.terms);
    for (int m = 0, count; m < s->rows; m += count) {
        m = first_of_four(m, s->rows);
        const int left = s->rows - m;
        count = left < 4 ? left : at_most(left & ~3, QMATMUL_ROWS);
        for (int i = 0; i < count; i += 4)
            widen_lines_i8(s->wide_a + i / 4 * words, &of_a, a + (m + i) * s->a.line,
                           at_most(count - i, 4), &s->a);
        qmatmul_rows_i8(to, at + m * s->columns, b, count, s, q);
    }
}

// y[m, n] of each of a batch; from one to the next the operands move on by their steps, 0 for one
// that the batch shares. sizes: rows, columns, depth; steps (line, term) and zero point of a, of b;
// zero point of y. working: up to QMATMUL_ROWS rows and four columns, widened.
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
    const int *z = sizes, terms = sizes[2];
    uint32_t *wide = working;
    const qmatmul_sizes s = {z[0],
                             z[1],
                             {z[3], z[4], terms, z[5]},
                             {z[6], z[7], terms, z[8]},
                             wide + 2 * WEIGHT_WORDS * FOURS(terms),
                             wide};
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
