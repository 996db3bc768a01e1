#include "int8_results.h"
#include "product_lines.h"

// Where the four lines from i on begin: if fewer are left, the last four, some for a second time.
static inline int first_of_four(int i, int lines) {
    return at_least(at_most(i, lines - 4), 0);
}

// All columns for `count` rows, whose results begin at `at`.
static inline void qmatmul_rows_i8(const result_place *to, int at, const int8_t *b, int count,
                                   const stored_product *s, const requantization *q) {
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
                                  const stored_product *s, const requantization *q) {
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
    const stored_product s = read_product(sizes, 4, working);
    const result_place to = {y, mask, s.columns};
    clear_mask(mask, batch * s.rows * s.columns);
    for (int i = 0; i < batch; i++, a += a_step, b += b_step)
        qmatmul_one_i8(&to, i * s.rows * s.columns, a, b, &s, &q);
}

// Two lines of int16, or one twice: of each two terms the words of both, then zeros to a multiple
// of four terms.
static SEPARATE void pack_two_i16(uint32_t *to, const int16_t *x, int lines,
                                  const stored_lines *from) {
    const int step = from->term, other = lines > 1 ? from->line : 0;
    int left = from->terms;
    for (; left > 1; left -= 2, x += 2 * step, to += 2) {
        to[0] = low_halves((uint16_t)x[0], (uint16_t)x[step]);
        to[1] = low_halves((uint16_t)x[other], (uint16_t)x[other + step]);
    }
    if (left) {
        to[0] = (uint16_t)x[0];
        to[1] = (uint16_t)x[other];
    }
    if (from->terms % 4 == 1 || from->terms % 4 == 2)
        to[2 * left] = to[2 * left + 1] = 0;
}

// Two rows and two columns as `pack_two_i16` leaves them, and their four sums, row by row.
typedef struct {
    const uint32_t *rows, *end;
    const uint32_t *columns;
    int64_t sums[4];
} packed_pairs;

// Two terms of all four sums: r1 points to the rows, r2 to the columns, r4 to r11 are the sums.
#define TILE_2X2_PAIRS                                 \
    "ldrd r0, r3, [r1], #8\n ldrd r12, lr, [r2], #8\n" \
    "smlald r4, r5, r0, r12\n smlald r6, r7, r0, lr\n" \
    "smlald r8, r9, r3, r12\n smlald r10, r11, r3, lr\n"

static SEPARATE void sum_pairs_i16(packed_pairs *job) {
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    register packed_pairs *pointer __asm__("r0") = job;
    // clang-format off
    __asm__ volatile(
        "push {r0, r4-r11, lr}\n"
        "ldrd r1, r2, [r0]\n push {r2}\n"
        "ldr r2, [r0, #8]\n"
        FROM_ZERO
        "1:\n" TILE_2X2_PAIRS TILE_2X2_PAIRS
        "ldr r0, [sp]\n cmp r1, r0\n"
        "bne 1b\n"
        "ldr r0, [sp, #4]\n"
        "add r0, #16\n stmia r0, {r4-r11}\n"
        "add sp, #4\n"
        "pop {r0, r4-r11, lr}\n"
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "cc", "memory");
    // clang-format on
#else
    const uint32_t *b = job->columns;
    int64_t *sums = memset(job->sums, 0, sizeof job->sums);
    for (const uint32_t *a = job->rows; a < job->end; a += 2, b += 2)
        for (int i = 0; i < 4; i++) {
            const uint32_t x = a[i / 2], y = b[i % 2];
            sums[i] += (int16_t)(x & 0xffff) * (int16_t)(y & 0xffff);
            sums[i] += (int16_t)(x >> 16) * (int16_t)(y >> 16);
        }
#endif
}

// All columns for `count` rows, whose results begin at `at`.
static inline void qmatmul_rows_i16(int16_t *y, uint8_t *mask, int at, const int16_t *b, int count,
                                    const stored_product *s, float factor, int low, int high) {
    const int words = 4 * FOURS(s->a.terms);
    packed_pairs job = {.columns = s->wide_b};
    for (int n = 0; n < s->columns; n += 2) {
        const int columns = at_most(s->columns - n, 2);
        pack_two_i16(s->wide_b, b + n * s->b.line, columns, &s->b);
        for (int m = 0; m < count; m++) {
            if (m % 2 == 0) {
                job.rows = s->wide_a + m / 2 * words;
                job.end = job.rows + words;
                sum_pairs_i16(&job);
            }
            for (int i = 0; i < columns; i++)
                store_i16(y, mask, at + m * s->columns + n + i,
                          rescaled_i16(job.sums[m % 2 * 2 + i], factor), low, high);
        }
    }
}

// As qmatmul_i8; sizes: of read_product, whose zero points are 0. working: of two lines each, as
// pack_two_i16 leaves them, up to PRODUCT_ROWS rows and two columns.
static void qmatmul_i16(int16_t *y, uint8_t *mask, const int16_t *a, const int16_t *b, int batch,
                        int a_step, int b_step, const int *sizes, float factor, int low, int high,
                        void *working) {
    const stored_product s = read_product(sizes, 2, working);
    clear_mask(mask, batch * s.rows * s.columns);
    for (int i = 0; i < batch; i++, a += a_step, b += b_step)
        for (int m = 0; m < s.rows; m += PRODUCT_ROWS) {
            const int count = at_most(s.rows - m, PRODUCT_ROWS);
            for (int k = 0; k < count; k += 2)
                pack_two_i16(s.wide_a + k * 2 * FOURS(s.a.terms), a + (m + k) * s.a.line,
                             at_most(count - k, 2), &s.a);
            qmatmul_rows_i16(y, mask, (i * s.rows + m) * s.columns, b, count, &s, factor, low,
                             high);
        }
}
