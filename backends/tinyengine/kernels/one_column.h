// Sums of products for a single result in each of two output channels. Nothing would use widened
// weights again, so they are taken apart on the way.

#pragma once

#include "requantize_four.h"

typedef struct {
    int32_t a, b;
} two_sums;

static inline int32_t add_four_products(int32_t sum, const uint32_t *column, uint32_t four) {
    return add_products(add_products(sum, column[0], even_pair_i8(four)), column[1],
                        odd_pair_i8(four));
}

// Four terms of both channels.
#define FOUR_TERMS_OF_TWO                                               \
    "ldrd %[even], %[odd], [%[column]], #8\n"                           \
    "ldr %[second], [%[w], %[other]]\n ldr %[first], [%[w]], #4\n"      \
    "sxtb16 %[pair], %[first]\n sxtb16 %[first], %[first], ror #8\n"    \
    "smlad %[a], %[even], %[pair], %[a]\n"                              \
    "sxtb16 %[pair], %[second]\n sxtb16 %[second], %[second], ror #8\n" \
    "smlad %[b], %[even], %[pair], %[b]\n"                              \
    "smlad %[a], %[odd], %[first], %[a]\n smlad %[b], %[odd], %[second], %[b]\n"

// column: of each four terms the pairs (0, 2) and (1, 3). w: weights of the first channel; those
// of the second lie `other` further on.
static SEPARATE two_sums add_column_products(two_sums sums, const uint32_t *column, const int8_t *w,
                                             int other, int terms) {
    int fours = terms / 4;
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    uint32_t even, odd, first, second, pair;
    if (fours > 0)
        // clang-format off
        __asm__ volatile(
            "adds %[fours], #1\n lsrs %[fours], %[fours], #1\n bcc 2f\n"
            "1:\n" FOUR_TERMS_OF_TWO "2:\n" FOUR_TERMS_OF_TWO
            "subs %[fours], #1\n bne 1b\n"
            : [a] "+r"(sums.a), [b] "+r"(sums.b), [column] "+r"(column), [w] "+r"(w),
              [fours] "+r"(fours), [even] "=&r"(even), [odd] "=&r"(odd), [first] "=&r"(first),
              [second] "=&r"(second), [pair] "=&r"(pair)
            : [other] "r"(other)
            : "cc", "memory");
    // clang-format on
#else
#if defined(__SSE2__)
    lanes_i32 lanes[2] = {{0}, {0}};
    for (; fours >= 4; fours -= 4, column += 8, w += 16) {
        lanes_f32 pairs[2];
        memcpy(pairs, column, sizeof pairs);
        const lanes_i16 even = (lanes_i16)__builtin_ia32_shufps(pairs[0], pairs[1], 0x88);
        const lanes_i16 odd = (lanes_i16)__builtin_ia32_shufps(pairs[0], pairs[1], 0xdd);
        for (int n = 0; n < 2; n++) {
            lanes_i16 bytes;
            memcpy(&bytes, w + n * other, sizeof bytes);
            lanes[n] = add_lane_products(lanes[n], even, bytes << 8 >> 8);
            lanes[n] = add_lane_products(lanes[n], odd, bytes >> 8);
        }
    }
    sums.a += lanes[0][0] + lanes[0][1] + lanes[0][2] + lanes[0][3];
    sums.b += lanes[1][0] + lanes[1][1] + lanes[1][2] + lanes[1][3];
#endif
    for (; fours > 0; fours--, column += 2, w += 4) {
        sums.a = add_four_products(sums.a, column, load_four_i8(w));
        sums.b = add_four_products(sums.b, column, load_four_i8(w + other));
    }
#endif
    const int left = terms % 4;
    if (left > 0) {
        sums.a = add_four_products(sums.a, column, load_some_i8(w, left));
        sums.b = add_four_products(sums.b, column, load_some_i8(w + other, left));
    }
    return sums;
}
