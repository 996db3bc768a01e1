// The inner loops of the gradients of four rows, acc[8 m + n] += a[m, k] (b[k, n] - zero): in int8
// for processors that multiply two pairs of int16 at once, in floats for a floating point unit.

#pragma once

#include "inlining.h"
#include "int8_pairs.h"
#include "integers.h"
#include "tiles.h"

#include <string.h>

// Terms that are widened at once.
#define WIDENED_TERMS 64

// Whether the processor multiplies pairs: elsewhere the plain loops are better.
static inline int multiplies_pairs(void) {
#if defined(__ARM_FEATURE_DSP)
    return 1;
#else
    return 0;
#endif
}

// Of each four terms two pairs, the terms 0 and 2, then 1 and 3; of each pair the words of four
// rows. Here the terms of a row are neighbours,
static inline void widen_rows_i8(uint32_t *columns, const int8_t *a, int row, int rows, int terms) {
    for (; terms > 0; terms -= 4, a += 4, columns += 8)
        for (int m = 0; m < 4; m++) {
            // Where there are fewer than four, the last is repeated.
            const uint32_t four = load_four_i8(a + (m < rows ? m : rows - 1) * row);
            columns[m] = even_pair_i8(four);
            columns[4 + m] = odd_pair_i8(four);
        }
}

static inline void widen_pair_i8(uint32_t *columns, uint32_t a, uint32_t b) {
    const uint32_t low = low_halves(a, b), high = high_halves(a, b);
    columns[0] = even_pair_i8(low);
    columns[1] = odd_pair_i8(low);
    columns[2] = even_pair_i8(high);
    columns[3] = odd_pair_i8(high);
}

// and here the rows.
static inline void widen_terms_i8(uint32_t *columns, const int8_t *a, int term, int terms) {
    for (; terms > 0; terms -= 4, a += 4 * term, columns += 8) {
        widen_pair_i8(columns, load_four_i8(a), load_four_i8(a + 2 * term));
        widen_pair_i8(columns + 4, load_four_i8(a + term), load_four_i8(a + 3 * term));
    }
}

#define SMLAD_4(t, u, s0, s1, s2, s3)              \
    "smlad %[" s0 "], %[p], %[" t "], %[" s0 "]\n" \
    "smlad %[" s1 "], %[q], %[" t "], %[" s1 "]\n" \
    "smlad %[" s2 "], %[p], %[" u "], %[" s2 "]\n" \
    "smlad %[" s3 "], %[q], %[" u "], %[" s3 "]\n"

#define SMLAD_4X2                            \
    "ldrd %[t], %[u], [%[a]], #8\n" SMLAD_4( \
        "t", "u", "s0", "s1", "s2",          \
        "s3") "ldrd %[t], %[u], [%[a]], #8\n" SMLAD_4("t", "u", "s4", "s5", "s6", "s7")

// Apart from others, since it takes all registers. Adds to two neighbouring columns of the tile the
// products of the terms from `columns` to `end`; those of b are b_term apart.
static SEPARATE void add_columns_i8(int32_t *acc, const uint32_t *columns, const uint32_t *end,
                                    const int8_t *b, int b_term) {
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[8], s3 = acc[9];
    int32_t s4 = acc[16], s5 = acc[17], s6 = acc[24], s7 = acc[25];
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__OPTIMIZE__) && \
    !defined(__OPTIMIZE_SIZE__)
    uint32_t p, q, t, u;
    // All fourteen registers are taken: the step and the end lie in those for floats.
    // clang-format off
    __asm__ volatile(
        "1:\n"
        "vmov %[t], %[step]\n"
        "ldrh %[p], [%[b]]\n ldrh %[q], [%[b], %[t], lsl #1]\n add %[b], %[t]\n"
        "pkhbt %[p], %[p], %[q], lsl #16\n"
        "sxtb16 %[q], %[p], ror #8\n sxtb16 %[p], %[p]\n"
        SMLAD_4X2
        "vmov %[t], %[step]\n"
        "ldrh %[p], [%[b]]\n ldrh %[q], [%[b], %[t], lsl #1]\n"
        "add %[b], %[b], %[t], lsl #1\n add %[b], %[t]\n"
        "pkhbt %[p], %[p], %[q], lsl #16\n"
        "sxtb16 %[q], %[p], ror #8\n sxtb16 %[p], %[p]\n"
        SMLAD_4X2
        "vmov %[t], %[end]\n"
        "cmp %[a], %[t]\n"
        "bne 1b\n"
        : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [s4] "+&r"(s4), [s5] "+&r"(s5),
          [s6] "+&r"(s6), [s7] "+&r"(s7), [a] "+&r"(columns), [b] "+&r"(b), [p] "=&r"(p), [q] "=&r"(q),
          [t] "=&r"(t), [u] "=&r"(u)
        : [step] "t"(b_term), [end] "t"(end)
        : "cc", "memory");
    // clang-format on
#else
    for (; columns < end; columns += 4) {
        const int second = (end - columns) % 8 != 0;
        const uint32_t word = (uint32_t)(uint8_t)b[0] | (uint32_t)(uint8_t)b[1] << 8 |
                              (uint32_t)(uint8_t)b[2 * b_term] << 16 |
                              (uint32_t)(uint8_t)b[2 * b_term + 1] << 24;
        const uint32_t p = even_pair_i8(word), q = odd_pair_i8(word);
        s0 = add_products(s0, p, columns[0]);
        s1 = add_products(s1, q, columns[0]);
        s2 = add_products(s2, p, columns[1]);
        s3 = add_products(s3, q, columns[1]);
        s4 = add_products(s4, p, columns[2]);
        s5 = add_products(s5, q, columns[2]);
        s6 = add_products(s6, p, columns[3]);
        s7 = add_products(s7, q, columns[3]);
        b += second ? 3 * b_term : b_term;
    }
#endif
    acc[0] = s0;
    acc[1] = s1;
    acc[8] = s2;
    acc[9] = s3;
    acc[16] = s4;
    acc[17] = s5;
    acc[24] = s6;
    acc[25] = s7;
}

// Takes zero times the sum of each row off all of its columns.
static inline void subtract_zero_i8(int32_t *acc, int columns_of_tile, const uint32_t *columns,
                                    const uint32_t *end, int zero) {
    int32_t sums[4] = {0};
    for (; columns < end; columns += 4)
        for (int m = 0; m < 4; m++)
            sums[m] = add_products(sums[m], columns[m], 0x00010001);
    for (int m = 0; m < 4; m++)
        for (int n = 0; n < columns_of_tile; n++)
            acc[8 * m + n] -= sums[m] * zero;
}

// An even number of columns; the number of terms, which is returned, is a multiple of 4. Terms or
// rows of a are neighbours.
static inline int add_wide_products_i8(int32_t *acc, int columns_of_tile, const int8_t *a, int row,
                                       int term, const int8_t *b, int b_term, int zero, int terms) {
    uint32_t columns[2 * WIDENED_TERMS];
    const int all = terms & ~3;
    for (int left = all, count; left > 0; left -= count, a += count * term, b += count * b_term) {
        count = left < WIDENED_TERMS ? left : WIDENED_TERMS;
        if (term == 1)
            widen_rows_i8(columns, a, row, 4, count);
        else
            widen_terms_i8(columns, a, term, count);
        for (int n = 0; n < columns_of_tile; n += 2)
            add_columns_i8(acc + n, columns, columns + 2 * count, b + n, b_term);
        if (zero)
            subtract_zero_i8(acc, columns_of_tile, columns, columns + 2 * count, zero);
    }
    return all;
}

// The same words of a gradient in int16. Two neighbours are a word,

static inline uint32_t load_two_i16(const int16_t *x) {
    uint32_t two;
    memcpy(&two, x, sizeof two);
    return two;
}

static inline void widen_rows_i16(uint32_t *columns, const int16_t *a, int row, int terms) {
    for (; terms > 0; terms -= 4, a += 4, columns += 8)
        for (int m = 0; m < 4; m++) {
            const uint32_t first = load_two_i16(a + m * row),
                           second = load_two_i16(a + m * row + 2);
            columns[m] = low_halves(first, second);
            columns[4 + m] = high_halves(first, second);
        }
}

static inline void widen_pair_i16(uint32_t *columns, const int16_t *a, const int16_t *b) {
    columns[0] = low_halves(load_two_i16(a), load_two_i16(b));
    columns[1] = high_halves(load_two_i16(a), load_two_i16(b));
    columns[2] = low_halves(load_two_i16(a + 2), load_two_i16(b + 2));
    columns[3] = high_halves(load_two_i16(a + 2), load_two_i16(b + 2));
}

static inline void widen_terms_i16(uint32_t *columns, const int16_t *a, int term, int terms) {
    for (; terms > 0; terms -= 4, a += 4 * term, columns += 8) {
        widen_pair_i16(columns, a, a + 2 * term);
        widen_pair_i16(columns + 4, a + term, a + 3 * term);
    }
}

// As add_wide_products_i8: int32 holds the sums of the terms that are widened at once.
static inline int add_wide_products_i16(int64_t *acc, int columns_of_tile, const int16_t *a,
                                        int row, int term, const int8_t *b, int b_term, int zero,
                                        int terms) {
    uint32_t columns[2 * WIDENED_TERMS];
    const int all = terms & ~3;
    for (int left = all, count; left > 0; left -= count, a += count * term, b += count * b_term) {
        int32_t part[32] = {0};
        count = left < WIDENED_TERMS ? left : WIDENED_TERMS;
        if (term == 1)
            widen_rows_i16(columns, a, row, count);
        else
            widen_terms_i16(columns, a, term, count);
        for (int n = 0; n < columns_of_tile; n += 2)
            add_columns_i8(part + n, columns, columns + 2 * count, b + n, b_term);
        if (zero)
            subtract_zero_i8(part, columns_of_tile, columns, columns + 2 * count, zero);
        for (int i = 0; i < 32; i++)
            acc[i] += part[i];
    }
    return all;
}

// Whether tiles of floats are fast, see tiles.h: elsewhere the plain loops are better.
static inline int has_float_tiles(void) {
#if defined(__ARM_FP) && defined(__thumb2__)
    return 1;
#else
    return 0;
#endif
}

// Four columns of up to four rows.
static inline void add_four_columns_f32(float *acc, int rows, const float *a, int row, int term,
                                        const float *wide, int terms) {
    const walk_steps a_step = {0, term}, b_step = {0, 4};
    float part[16];
    for (int m = 0; m < rows; m++)
        store_quad_f32(part + 4 * m, load_quad_f32(acc + 8 * m));
    if (rows < 4)
        for (int m = 0; m < rows; m++)
            n_1x4_f32(part + 4 * m, part + 4 * m, a + m * row, term, wide, 4, terms);
    else if (term == 1)
        nn_4x4_f32(part, part, a, row, wide, 4, terms);
    else
        tn_4x4_f32(part, part, a, a_step, wide, b_step, 1, terms);
    for (int m = 0; m < rows; m++)
        store_quad_f32(acc + 8 * m, load_quad_f32(part + 4 * m));
}

// A multiple of four columns. Terms or rows of a are neighbours. Elements of b have 8 or 16 bits.
static MERGED void add_wide_products_f32(float *acc, int rows, int columns_of_tile, const float *a,
                                         int row, int term, const void *b, int b_bits, int b_term,
                                         int zero, int terms) {
    float wide[4 * WIDENED_TERMS];
    const int bytes = b_bits / 8;
    const int8_t *first = b;
    for (int count; terms > 0; terms -= count, a += count * term, first += count * b_term * bytes) {
        count = terms < WIDENED_TERMS ? terms : WIDENED_TERMS;
        for (int n = 0; n < columns_of_tile; n += 4) {
            const int8_t *from = first + n * bytes;
            for (int k = 0; k < count; k++, from += b_term * bytes)
                for (int i = 0; i < 4; i++)
                    wide[4 * k + i] = (float)(integer_at(from, b_bits, i) - zero);
            add_four_columns_f32(acc + n, rows, a, row, term, wide, count);
        }
    }
}
