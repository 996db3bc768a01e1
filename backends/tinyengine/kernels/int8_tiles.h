// Sums of products of int8 for tiles of 4 results in each of 2 output channels: what pointwise and
// general convolutions and dense layers are made of. Both operands are widened to int16 first. The
// inputs of four results lie side by side in columns: of each four terms the words of all four for
// terms 0 and 2, then for 1 and 3. The weights of two channels lie in the same order: (0, 2) of
// both, (1, 3) of both. What fills up the last four is zero.

#pragma once

#include "int8_pairs.h"
#include "requantize_four.h"

#include <stddef.h>

#define FOURS(terms) (((terms) + 3) / 4)
#define COLUMN_WORDS 8 // of a four of terms
#define WEIGHT_WORDS 4

static inline void widen_four_i8(uint32_t *column, int count, uint32_t four, uint32_t zeros) {
    column[0] = subtract_pairs(even_pair_i8(four), zeros);
    column[count] = subtract_pairs(odd_pair_i8(four), zeros);
}

// One of `count` columns, of a tile four: x[k] - zero.
static inline void widen_column_i8(uint32_t *column, int count, const int8_t *x, int terms,
                                   int zero) {
    const uint32_t zeros = both_halves(zero), filling = ((uint32_t)zero & 255) * 0x1010100u;
    for (; terms >= 4; terms -= 4, x += 4, column += 2 * count)
        widen_four_i8(column, count, load_four_i8(x), zeros);
    if (terms > 0)
        widen_four_i8(column, count, load_some_i8(x, terms) | filling << 8 * (terms - 1), zeros);
}

static inline uint32_t *widen_weights_four_i8(uint32_t *to, uint32_t first, uint32_t second) {
    to[0] = even_pair_i8(first);
    to[1] = even_pair_i8(second);
    to[2] = odd_pair_i8(first);
    to[3] = odd_pair_i8(second);
    return to + WEIGHT_WORDS;
}

// The weights of two channels; returns where they end.
static SEPARATE uint32_t *widen_weights_i8(uint32_t *to, const int8_t *first, const int8_t *second,
                                           int terms) {
    for (; terms >= 4; terms -= 4, first += 4, second += 4)
        to = widen_weights_four_i8(to, load_four_i8(first), load_four_i8(second));
    if (terms > 0)
        to = widen_weights_four_i8(to, load_some_i8(first, terms), load_some_i8(second, terms));
    return to;
}

// What is to be summed, for some groups of four results: their columns lie one after the other.
typedef struct {
    const uint32_t *weights, *end;
    const uint32_t *columns;
    int groups;
    void *y; // element pitch * m + n for result m and channel n
    int pitch;
    int zero; // of int16 `low_halves` of both ends
    int32_t bias[2];
    float scale[2];
    int32_t results[8]; // of the last group: those of four results for the first channel, then
} widened_pair;         // those for the second

// Two terms of four columns times two weights of both channels, in the instructions of Armv7E-M: r1
// points to the columns, r2 to the weights, r4 to r11 are the sums.
#define TILE_4X2_PAIRS                                  \
    "ldrd r0, r3, [r2], #8\n"                           \
    "ldrd r12, lr, [r1], #8\n"                          \
    "smlad r4, r12, r0, r4\n smlad r8, r12, r3, r8\n"   \
    "smlad r5, lr, r0, r5\n smlad r9, lr, r3, r9\n"     \
    "ldrd r12, lr, [r1], #8\n"                          \
    "smlad r6, r12, r0, r6\n smlad r10, r12, r3, r10\n" \
    "smlad r7, lr, r0, r7\n smlad r11, lr, r3, r11\n"

#define FROM_ZERO                                         \
    "mov r4, #0\n mov r5, #0\n mov r6, #0\n mov r7, #0\n" \
    "mov r8, #0\n mov r9, #0\n mov r10, #0\n mov r11, #0\n"

// All terms. These take all 14 registers, more than a list of operands can ask for: what the
// compiler keeps in them goes to the stack before, and the end of the weights to [sp].
#define TILE_4X2_SUMS(start)                                                  \
    "ldrd r2, r3, [r0]\n"                                                     \
    "sub r3, r3, r2\n tst r3, #16\n" start "bne 3f\n"                         \
    "2:\n" TILE_4X2_PAIRS TILE_4X2_PAIRS "3:\n" TILE_4X2_PAIRS TILE_4X2_PAIRS \
    "ldr r0, [sp]\n cmp r2, r0\n"                                             \
    "bne 2b\n"                                                                \
    "ldr r0, [sp, #4]\n"

// The sums of one group, as they are, to `results`.
static SEPARATE void sum_pair_i8(widened_pair *job) {
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    register widened_pair *pointer __asm__("r0") = job;
    // clang-format off
    __asm__ volatile(
        "push {r0, r4-r11, lr}\n"
        "ldr r1, [r0, #4]\n push {r1}\n"
        "ldr r1, [r0, #8]\n"
        TILE_4X2_SUMS(FROM_ZERO)
        "add r0, #44\n stmia r0, {r4-r11}\n"
        "add sp, #4\n"
        "pop {r0, r4-r11, lr}\n"
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "cc", "memory");
    // clang-format on
#elif defined(__SSE2__)
    lanes_i32 sum[2] = {{0}, {0}}, x[2];
    const uint32_t *columns = job->columns;
    for (const uint32_t *w = job->weights; w < job->end; w += WEIGHT_WORDS) {
        const int32_t a = (int32_t)w[0], b = (int32_t)w[1], c = (int32_t)w[2], d = (int32_t)w[3];
        memcpy(x, columns, sizeof x);
        columns += COLUMN_WORDS;
        const lanes_i16 even = (lanes_i16)x[0], odd = (lanes_i16)x[1];
        sum[0] = add_lane_products(sum[0], even, (lanes_i16)(lanes_i32){a, a, a, a});
        sum[1] = add_lane_products(sum[1], even, (lanes_i16)(lanes_i32){b, b, b, b});
        sum[0] = add_lane_products(sum[0], odd, (lanes_i16)(lanes_i32){c, c, c, c});
        sum[1] = add_lane_products(sum[1], odd, (lanes_i16)(lanes_i32){d, d, d, d});
    }
    memcpy(job->results, sum, sizeof sum);
#else
    const uint32_t *x = job->columns;
    int32_t *sum = job->results;
    for (int i = 0; i < 8; i++)
        sum[i] = 0;
    for (const uint32_t *w = job->weights; w < job->end; w += WEIGHT_WORDS, x += COLUMN_WORDS) {
        for (int m = 0; m < 4; m++) {
            sum[m] = add_products(add_products(sum[m], x[m], w[0]), x[4 + m], w[2]);
            sum[4 + m] = add_products(add_products(sum[4 + m], x[m], w[1]), x[4 + m], w[3]);
        }
    }
#endif
}

static inline quad_i32 results_of(const widened_pair *job, int n) {
    const int32_t *r = job->results + 4 * n;
    return (quad_i32){r[0], r[1], r[2], r[3]};
}

// Adds, saturating, to the sums of the first and of the second channel.
#define ADD_TO_EIGHT(first, second)                       \
    "qadd r4, r4, " first "\n qadd r5, r5, " first "\n"   \
    "qadd r6, r6, " first "\n qadd r7, r7, " first "\n"   \
    "qadd r8, r8, " second "\n qadd r9, r9, " second "\n" \
    "qadd r10, r10, " second "\n qadd r11, r11, " second "\n"

// Each times its scale in s0 or s1, to the nearest integer.
#define ROUND_EIGHT                                 \
    "vmov s2, s3, r4, r5\n vmov s4, s5, r6, r7\n"   \
    "vmov s6, s7, r8, r9\n vmov s8, s9, r10, r11\n" \
    "vcvt.f32.s32 s2, s2\n vcvt.f32.s32 s3, s3\n"   \
    "vcvt.f32.s32 s4, s4\n vcvt.f32.s32 s5, s5\n"   \
    "vcvt.f32.s32 s6, s6\n vcvt.f32.s32 s7, s7\n"   \
    "vcvt.f32.s32 s8, s8\n vcvt.f32.s32 s9, s9\n"   \
    "vmul.f32 s2, s2, s0\n vmul.f32 s3, s3, s0\n"   \
    "vmul.f32 s4, s4, s0\n vmul.f32 s5, s5, s0\n"   \
    "vmul.f32 s6, s6, s1\n vmul.f32 s7, s7, s1\n"   \
    "vmul.f32 s8, s8, s1\n vmul.f32 s9, s9, s1\n"   \
    "vcvtr.s32.f32 s2, s2\n vcvtr.s32.f32 s3, s3\n" \
    "vcvtr.s32.f32 s4, s4\n vcvtr.s32.f32 s5, s5\n" \
    "vcvtr.s32.f32 s6, s6\n vcvtr.s32.f32 s7, s7\n" \
    "vcvtr.s32.f32 s8, s8\n vcvtr.s32.f32 s9, s9\n" \
    "vmov r4, r5, s2, s3\n vmov r6, r7, s4, s5\n"   \
    "vmov r8, r9, s6, s7\n vmov r10, r11, s8, s9\n"

// All terms of a group, from the start of a function on, rounded.
#define TILE_4X2_ROUNDED(start, bias)           \
    "push {r0, r4-r11, lr}\n"                   \
    "ldr r1, [r0, #4]\n push {r1}\n"            \
    "vldr s0, [r0, #36]\n vldr s1, [r0, #40]\n" \
    "ldr r1, [r0, #8]\n"                        \
    "1:\n" TILE_4X2_SUMS(start) bias ROUND_EIGHT

// The next group, whose results begin at r2, until all are done.
#define TILE_4X2_NEXT                                       \
    "str r2, [r0, #16]\n"                                   \
    "ldr r2, [r0, #12]\n subs r2, #1\n str r2, [r0, #12]\n" \
    "bne 1b\n"                                              \
    "add sp, #4\n"                                          \
    "pop {r0, r4-r11, lr}\n"

// All groups, both channels, rounded as floats and stored. `results` is what the last group has
// before the clamp.
static SEPARATE void finish_pair_i8(widened_pair *job) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__thumb2__)
    register widened_pair *pointer __asm__("r0") = job;
    // clang-format off
    __asm__ volatile(
        TILE_4X2_ROUNDED(FROM_ZERO, "ldrd r2, r3, [r0, #28]\n" ADD_TO_EIGHT("r2", "r3"))
        "add r12, r0, #16\n ldmia r12, {r2, r3, r12}\n"
        ADD_TO_EIGHT("r12", "r12")
        "add r12, r0, #44\n stmia r12, {r4-r11}\n"
        "ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n"
        "ssat r8, #8, r8\n ssat r9, #8, r9\n ssat r10, #8, r10\n ssat r11, #8, r11\n"
        "bfi r4, r8, #8, #8\n bfi r5, r9, #8, #8\n bfi r6, r10, #8, #8\n bfi r7, r11, #8, #8\n"
        "strh r4, [r2]\n strh r5, [r2, r3]\n"
        "add r2, r2, r3, lsl #1\n"
        "strh r6, [r2]\n strh r7, [r2, r3]\n"
        "add r2, r2, r3, lsl #1\n"
        TILE_4X2_NEXT
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "cc",
          "memory");
    // clang-format on
#else
    const int words = (int)(job->end - job->weights) / WEIGHT_WORDS * COLUMN_WORDS;
    int8_t *y = job->y;
    for (; job->groups > 0; job->groups--, job->columns += words, y += 4 * job->pitch) {
        sum_pair_i8(job);
        for (int n = 0; n < 2; n++) {
            int32_t *r = job->results + 4 * n;
            const quad_i32 rounded =
                rescaled_four_i8(results_of(job, n), job->bias[n], job->scale[n], job->zero);
            r[0] = rounded.a;
            r[1] = rounded.b;
            r[2] = rounded.c;
            r[3] = rounded.d;
            for (int m = 0; m < 4; m++)
                y[m * job->pitch + n] = clamp_i8(r[m]);
        }
    }
    job->y = y;
#endif
}
