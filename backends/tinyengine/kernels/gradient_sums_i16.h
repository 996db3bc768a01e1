// As gradient_sums.h, for weights whose activations are in int16, without a zero point: sums of
// integers are exact in int64.

#pragma once

#include "gradient_sums.h"
#include "integers.h"

// Bits of the sums in a tile, as `clear_tile` and all after it want them.
static inline int sum_bits(int g_bits, int x_bits) {
    return g_bits > x_bits ? g_bits : x_bits;
}

// sum plus both products of two pairs.
static PERHAPS inline int64_t add_products_i64(int64_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int low = (int16_t)(a & 0xffff) * (int16_t)(b & 0xffff);
    return sum + low + (int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

// Apart from others, since it takes all registers. Adds to a column of four rows the products of
// the terms from `pairs`, which `widen_terms_i8` or `widen_terms_i16` made, to `end`.
static SEPARATE void add_column_i16(int64_t *acc, const uint32_t *pairs, const uint32_t *end,
                                    const int16_t *x, int term) {
    int64_t s0 = acc[0], s1 = acc[8], s2 = acc[16], s3 = acc[24];
    for (; pairs < end; pairs += 8, x += 4 * term) {
        const uint32_t p = low_halves((uint16_t)x[0], (uint16_t)x[2 * term]);
        s0 = add_products_i64(s0, pairs[0], p);
        s1 = add_products_i64(s1, pairs[1], p);
        s2 = add_products_i64(s2, pairs[2], p);
        s3 = add_products_i64(s3, pairs[3], p);
        const uint32_t q = low_halves((uint16_t)x[term], (uint16_t)x[3 * term]);
        s0 = add_products_i64(s0, pairs[4], q);
        s1 = add_products_i64(s1, pairs[5], q);
        s2 = add_products_i64(s2, pairs[6], q);
        s3 = add_products_i64(s3, pairs[7], q);
    }
    acc[0] = s0;
    acc[8] = s1;
    acc[16] = s2;
    acc[24] = s3;
}

// Four rows of g, which are neighbours; the number of terms, which is returned, is a multiple of 4.
static inline int add_four_rows_i16(int64_t *acc, int columns, const void *g, int bits, int at,
                                    int g_term, const int16_t *x, int x_term, int terms) {
    uint32_t pairs[2 * WIDENED_TERMS];
    const int all = terms & ~3;
    for (int left = all, count; left > 0;
         left -= count, at += count * g_term, x += count * x_term) {
        count = at_most(left, WIDENED_TERMS);
        if (bits == 8)
            widen_terms_i8(pairs, (const int8_t *)g + at, g_term, count);
        else
            widen_terms_i16(pairs, (const int16_t *)g + at, g_term, count);
        for (int n = 0; n < columns; n++)
            add_column_i16(acc + n, pairs, pairs + 2 * count, x + n, x_term);
    }
    return all;
}

// acc[8 m + n] += g[m, k] x[k, n], summed over k. Columns, and rows of g, lie one after the other.
static inline void add_integers_i16(int64_t *acc, int rows, int columns, const void *g, int bits,
                                    int at, int g_term, const int16_t *x, int x_term, int terms) {
    int k = 0;
    if (multiplies_pairs() && rows == 4)
        k = add_four_rows_i16(acc, columns, g, bits, at, g_term, x, x_term, terms);
    for (; k < terms; k++)
        for (int m = 0; m < rows; m++) {
            const int factor = integer_at(g, bits, at + k * g_term + m);
            for (int n = 0; n < columns; n++)
                acc[8 * m + n] += factor * x[k * x_term + n];
        }
}

// As `add_to_tile`, from the first row on: rows of g lie one after the other.
static inline void add_to_tile_i16(gradient_tile *tile, int bits, int rows, int columns,
                                   const void *g, int at, int g_term, const int16_t *x, int x_term,
                                   int terms) {
    const gradient_steps step = {1, g_term};
    if (bits == 32)
        add_products_f32(tile->f32, rows, columns, (const float *)g + at, step, x, 16, x_term, 0,
                         terms);
    else
        add_integers_i16(tile->i16, rows, columns, g, bits, at, g_term, x, x_term, terms);
}
