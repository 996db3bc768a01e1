// Pairs of int16 in a word, and how int8 become such: what the multiplying instructions of Armv7E-M
// (SMLAD) and of vector units take two of.

#pragma once

#include "inlining.h"

#include <stdint.h>
#include <string.h>

// Four int8 in the order of memory.
static PERHAPS inline uint32_t load_four_i8(const int8_t *x) {
    uint32_t word;
    memcpy(&word, x, sizeof word);
    return word;
}

// The first one, two or three of four, then zeros.
static inline uint32_t load_some_i8(const int8_t *x, int count) {
    const uint32_t second = count > 1 ? (uint8_t)x[1] : 0, third = count > 2 ? (uint8_t)x[2] : 0;
    return (uint8_t)x[0] | second << 8 | third << 16;
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
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(four));
    return pair;
#else
    return even_pair_i8(four >> 8);
#endif
}

// Both halves plus those of b.
static inline uint32_t add_pairs(uint32_t a, uint32_t b) {
    return ((a + b) & 0xffff) | ((a & 0xffff0000) + (b & 0xffff0000));
}

// Both halves plus two of four int8: elements 0 and 2, then 1 and 3.

static inline uint32_t add_even_pair_i8(uint32_t pair, uint32_t four) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(pair), "r"(four));
    return sum;
#else
    return add_pairs(pair, even_pair_i8(four));
#endif
}

static inline uint32_t add_odd_pair_i8(uint32_t pair, uint32_t four) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(pair), "r"(four));
    return sum;
#else
    return add_pairs(pair, odd_pair_i8(four));
#endif
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
static PERHAPS inline int32_t add_products(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int low = (int16_t)(a & 0xffff) * (int16_t)(b & 0xffff);
    return sum + low + (int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

// The same number in both halves.
static inline uint32_t both_halves(int x) {
    return ((uint32_t)x & 0xffff) * 0x10001u;
}

// a for the low and b for the high half; the other halves.

static inline uint32_t low_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return (a & 0xffff) | b << 16;
#endif
}

static inline uint32_t high_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
    return pair;
#else
    return a >> 16 | (b & 0xffff0000);
#endif
}
