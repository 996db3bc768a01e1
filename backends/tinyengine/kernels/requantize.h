// From int32 sums to int8: y = clamp(rounded(saturate(sum + bias) * scale) + zero), in the three
// ways to round of ir/requantize.py. From int64 sums to int16, whose zero point is 0:
// y = clamp(rint(sum * scale)).

#pragma once

#include "float_of_i64.h"
#include "inlining.h"
#include "nearest.h"

#include <stdint.h>

// Values of `rounding`.
#define ROUND_AS_FLOAT 0
#define ROUND_TWICE 1
#define ROUND_ONCE 2

// Nothing that is rounded reaches this far and is not clamped afterwards.
#define BEYOND_I8 1024
#define BEYOND_I16 131072

// Of each output channel: bias, scale, and for the fixed-point ways mantissa and shift. Of int8 how
// to round and the zero point, of int16 the ends of the results.
typedef struct {
    const int32_t *bias;
    const float *scale;
    const int32_t *multiplier;
    union {
        int rounding, low;
    };
    union {
        int zero, high;
    };
} requantization;

static PERHAPS inline int32_t saturated_i32(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

static PERHAPS inline int32_t saturating_add_i32(int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_DSP)
    int32_t sum;
    __asm__("qadd %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return saturated_i32((int64_t)a + b);
#endif
}

// The nearest integer, half to even, within +-beyond; NaN becomes one of the ends.
static inline int32_t nearest_within_f32(float x, float beyond) {
    return nearest_f32(x > -beyond ? x < beyond ? x : beyond : -beyond);
}

// Within +-BEYOND_I8, beyond which all clamp alike.
static inline int32_t limited_i32(int64_t x) {
    return x > BEYOND_I8 ? BEYOND_I8 : x < -BEYOND_I8 ? -BEYOND_I8 : (int32_t)x;
}

static inline int32_t nearest_limited_f32(float x) {
    return nearest_within_f32(x, BEYOND_I8);
}

// x / 2^exponent, half away from zero.
static inline int64_t divide_by_power_of_two_i64(int64_t x, int exponent) {
    const int64_t mask = ((int64_t)1 << exponent) - 1;
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));
}

// x * mantissa * 2^(shift - 31), rounded once, half up; or as gemmlowp does: the high half of the
// product, and then what is shifted to the right.
static inline int64_t multiply_fixed_i32(int32_t x, int32_t mantissa, int shift, int rounding) {
    if (rounding == ROUND_ONCE) {
        const int total = 31 - shift;
        return saturated_i32(((int64_t)x * mantissa + ((int64_t)1 << (total - 1))) >> total);
    }
    const int64_t left = saturated_i32(x * ((int64_t)1 << (shift > 0 ? shift : 0)));
    const int64_t product = left * mantissa;
    const int64_t half = (int64_t)1 << 30;
    const int64_t high = product >= 0 ? (product + half) >> 31 : -((half - 1 - product) >> 31);
    return divide_by_power_of_two_i64(saturated_i32(high), shift < 0 ? -shift : 0);
}

// The result for a sum of output channel o, before the clamp.
static inline int32_t requantized_i32(int32_t sum, int o, const requantization *q) {
    const int32_t t = saturating_add_i32(sum, q->bias[o]);
    if (q->rounding == ROUND_AS_FLOAT)
        return nearest_limited_f32((float)t * q->scale[o]) + q->zero;
    const int32_t *m = q->multiplier + 2 * o;
    return limited_i32(multiply_fixed_i32(t, m[0], m[1], q->rounding)) + q->zero;
}

static inline int8_t clamp_i8(int32_t x) {
    return (int8_t)(x > 127 ? 127 : x < -128 ? -128 : x);
}

// Sets bit i of a mask that is zero before if x lies within the ends of the clamp.
static inline void mark_within(uint8_t *mask, int i, int32_t x, int low, int high) {
    const unsigned bit = (unsigned)i;
    mask[bit / 8] = (uint8_t)(mask[bit / 8] | (x >= low && x <= high) << bit % 8);
}

static inline void mark_i8(uint8_t *mask, int i, int32_t x) {
    mark_within(mask, i, x, -128, 127);
}

static inline void store_i8(int8_t *y, uint8_t *mask, int i, int32_t x) {
    y[i] = clamp_i8(x);
    if (mask)
        mark_i8(mask, i, x);
}

static inline int32_t nearest_beyond_i16_f32(float x) {
    return nearest_within_f32(x, BEYOND_I16);
}

// How large a bias may be, with either sign, for int32 to hold it and any sum of so many products
// of int16 and int8; -1 if even those alone may be too large.
static inline int32_t most_bias_i16(int terms) {
    return terms < 512 ? INT32_MAX - terms * (1 << 22) : -1;
}

static inline int is_within(int32_t x, int32_t limit) {
    return x >= -limit && x <= limit;
}

// What `store_i16` takes, for the sum of an output with its bias.
static inline int32_t rescaled_i16(int64_t sum, float scale) {
    return nearest_beyond_i16_f32(float_of_i64(sum) * scale);
}

// With ends of its own, in the range of int16.
static inline void store_i16(int16_t *y, uint8_t *mask, int i, int32_t x, int low, int high) {
    y[i] = (int16_t)(x > high ? high : x < low ? low : x);
    if (mask)
        mark_within(mask, i, x, low, high);
}

static inline void clear_mask(uint8_t *mask, int elements) {
    for (int i = 0; mask && i < (elements + 7) / 8; i++)
        mask[i] = 0;
}
