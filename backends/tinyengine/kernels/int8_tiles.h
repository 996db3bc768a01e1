// Sums of products of int8 for a tile of 4 results in each of 2 output channels: what pointwise and
// general convolutions and dense layers are made of. The inputs of four results are first widened
// to int16, less their zero point, side by side in `columns`: of each four terms two pairs, of each
// pair the words of all four results. Words of weights are taken apart while they are multiplied.

#pragma once

#include "requantize.h"

#include <string.h>

// Words of the columns of so many terms.
#define COLUMN_WORDS(terms) (((terms) + 3) / 4 * 8)

// Four int8 in the order of memory; `count` of them, then zeros.
static inline uint32_t load_fours_i8(const int8_t *x, int count) {
    uint32_t word = 0;
    if (count >= 4) {
        memcpy(&word, x, sizeof word);
        return word;
    }
    for (int i = 0; i < count; i++)
        word |= (uint32_t)(uint8_t)x[i] << 8 * i;
    return word;
}

// Two of four int8 as int16, in each half of a word: elements 0 and 2, then 1 and 3.
static inline uint32_t even_pair_i8(uint32_t four) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(four));
    return pair;
#else
    const int32_t low = (int8_t)(four & 255), high = (int8_t)(four >> 16 & 255);
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
#endif
}

static inline uint32_t odd_pair_i8(uint32_t four) {
    return even_pair_i8(four >> 8);
}

static inline int32_t low_half(uint32_t pair) {
    return (int16_t)(pair & 0xffff);
}

static inline int32_t high_half(uint32_t pair) {
    return (int16_t)(pair >> 16);
}

// Both halves less those of b.
static inline uint32_t subtract_pairs(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t difference;
    __asm__("ssub16 %0, %1, %2" : "=r"(difference) : "r"(a), "r"(b));
    return difference;
#else
    return ((a - b) & 0xffff) | (a - (b & 0xffff0000)) >> 16 << 16;
#endif
}

// sum plus both products of two pairs.
static inline int32_t add_products(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return sum + low_half(a) * low_half(b) + high_half(a) * high_half(b);
#endif
}

// The same number in both halves.
static inline uint32_t both_halves(int x) {
    return ((uint32_t)x & 0xffff) * 0x10001u;
}

// One of the four columns: x[k] - zero.
static inline void widen_column_i8(uint32_t *column, const int8_t *x, int terms, int zero) {
    const uint32_t zeros = both_halves(zero);
    for (; terms > 0; terms -= 4, x += 4, column += 8) {
        const uint32_t four = load_fours_i8(x, terms);
        column[0] = subtract_pairs(even_pair_i8(four), zeros);
        column[4] = subtract_pairs(odd_pair_i8(four), zeros);
    }
}

// Adds to acc[4 n + m] the sum of column m times w_n over the terms.
static inline void tile_4x2_i8(int32_t *acc, const uint32_t *columns, const int8_t *w0,
                               const int8_t *w1, int terms) {
    for (; terms > 0; terms -= 4, w0 += 4, w1 += 4, columns += 8) {
        const uint32_t a = load_fours_i8(w0, terms), b = load_fours_i8(w1, terms);
        const uint32_t a0 = even_pair_i8(a), a1 = odd_pair_i8(a);
        const uint32_t b0 = even_pair_i8(b), b1 = odd_pair_i8(b);
        for (int m = 0; m < 4; m++) {
            acc[m] = add_products(add_products(acc[m], columns[m], a0), columns[4 + m], a1);
            acc[4 + m] = add_products(add_products(acc[4 + m], columns[m], b0), columns[4 + m], b1);
        }
    }
}

// Results of a tile: row m, which is a pixel or a sample, and channel o + n go to y[at + m pitch +
// n].
static inline void finish_tile_i8(int8_t *y, uint8_t *mask, int at, int pitch, const int32_t *acc,
                                  int rows, int channels, int o, const requantization *q) {
    for (int n = 0; n < channels; n++)
        for (int m = 0; m < rows; m++)
            store_i8(y, mask, at + m * pitch + n, requantized_i32(acc[4 * n + m], o + n, q));
}
