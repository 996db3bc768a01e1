// Fixed-point numbers as gemmlowp computes with them: see gradlet's ir/fixed_point.py.

#pragma once

#include "requantize.h"

// a * b / 2^31, half up.
static inline int32_t high_product_i32(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

// From 31 bits behind the point to 19.
static inline int32_t rounded_to_sum(int32_t e) {
    return (e >> 12) + (e >> 11 & 1);
}

static inline int largest_i8(const int8_t *x, int n) {
    int largest = x[0];
    for (int i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

static inline int leading_zeros_i32(int32_t x) {
    int zeros = 0;
    while (((uint32_t)x << zeros) < (1u << 31))
        zeros++;
    return zeros;
}

// 1 / (2 half), half being at least 1/2: steps of Newton from 48/17 - 32/17 half.
static inline int32_t reciprocal_of_double_i32(int32_t half) {
    int32_t x = 1515870810 + high_product_i32(half, -1010580540);
    for (int k = 0; k < 3; k++) {
        const int64_t step = high_product_i32(x, (1 << 29) - high_product_i32(half, x));
        x += saturated_i32(step * 4);
    }
    return saturated_i32((int64_t)x * 2);
}

// 1 / sum = y / 2^bits, of a sum of at least 1 with 19 bits behind the point.
static inline int32_t reciprocal_i32(int32_t sum, int *bits) {
    const int zeros = leading_zeros_i32(sum);
    *bits = 12 - zeros;
    return reciprocal_of_double_i32((int32_t)(((uint32_t)sum << zeros) >> 1));
}

static inline int32_t larger_i32(int32_t a, int32_t b) {
    return a > b ? a : b;
}

// The logarithm of a sum of at least 1, with 26 bits behind the point.
static inline int32_t logarithm_i32(int32_t sum) {
    const int32_t root = 1518500250, middle = 1805811301, quarter = 1 << 23;
    const int zeros = leading_zeros_i32(sum);
    const int lower_zeros = leading_zeros_i32(high_product_i32(sum, root)) - 1;
    const int32_t upper = high_product_i32((int32_t)((uint32_t)sum << (zeros - 1)), root);
    const int32_t a = saturated_i32((int64_t)upper * 2);
    const int32_t b = saturated_i32((int64_t)sum << lower_zeros);
    const int32_t r = a < b ? a : b;
    const int32_t octaves =
        larger_i32((12 - zeros) * (1 << 25) + quarter, (12 - lower_zeros) * (1 << 25) - quarter);
    const int32_t p = (int32_t)(((int64_t)r + middle + 1) >> 1), q = 2 * (r - middle);
    const int32_t square = high_product_i32(q, q);
    const int32_t over =
        high_product_i32(q, r) + high_product_i32(high_product_i32(q, square), 117049297);
    const int32_t under =
        high_product_i32(p, 1057819769 + q + high_product_i32(127690142, square)) +
        high_product_i32(638450708, q);
    const int32_t half = (int32_t)(((int64_t)under + ((int64_t)1 << 31)) >> 1);
    const int32_t quotient = high_product_i32((int32_t)divide_by_power_of_two_i64(over, 6),
                                              reciprocal_of_double_i32(half));
    const int64_t whole = (int64_t)high_product_i32(octaves, 1488522236) + quotient;
    return saturated_i32(whole * 2);
}
