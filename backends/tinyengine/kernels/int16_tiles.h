// Tiles as in int8_tiles.h, of int16 inputs, which need no widening. A sum of up to 508 products
// fits in int32; longer ones are put together in 64 bits.

#pragma once

#include "int8_tiles.h"

// Of terms: a product is 2^22 at most.
#define MOST_FOURS_I16 127

// One of `count` columns, of a tile four.
static inline void spread_column_i16(uint32_t *column, int count, const int16_t *x, int terms) {
    uint32_t pairs[2];
    for (; terms >= 4; terms -= 4, x += 4, column += 2 * count) {
        memcpy(pairs, x, sizeof pairs);
        column[0] = low_halves(pairs[0], pairs[1]);
        column[count] = high_halves(pairs[0], pairs[1]);
    }
    if (terms > 0) {
        column[0] = low_halves((uint16_t)x[0], terms > 2 ? (uint16_t)x[2] : 0);
        column[count] = terms > 1 ? (uint16_t)x[1] : 0;
    }
}

// The sums of one group of any length: of four results for the first channel, then for the second.
static SEPARATE void sum_pair_i16(int64_t *sums, widened_pair job) {
    const uint32_t *end = job.end;
    for (int i = 0; i < 8; i++)
        sums[i] = 0;
    for (; job.weights < end; job.weights = job.end) {
        const int words = at_most((int)(end - job.weights), WEIGHT_WORDS * MOST_FOURS_I16);
        job.end = job.weights + words;
        sum_pair_i8(&job);
        job.columns += words / WEIGHT_WORDS * COLUMN_WORDS;
        for (int i = 0; i < 8; i++)
            sums[i] += job.results[i];
    }
}

#define FROM_BIAS                             \
    "ldr r4, [r0, #28]\n ldr r8, [r0, #32]\n" \
    "mov r5, r4\n mov r6, r4\n mov r7, r4\n"  \
    "mov r9, r8\n mov r10, r8\n mov r11, r8\n"

// Clamps the pairs in r4 to r7 between the ends in both halves of r2 and of r3.
#define CLAMP_FOUR_PAIRS                    \
    "ssub16 r12, r4, r2\n sel r4, r4, r2\n" \
    "ssub16 r12, r5, r2\n sel r5, r5, r2\n" \
    "ssub16 r12, r6, r2\n sel r6, r6, r2\n" \
    "ssub16 r12, r7, r2\n sel r7, r7, r2\n" \
    "ssub16 r12, r3, r4\n sel r4, r4, r3\n" \
    "ssub16 r12, r3, r5\n sel r5, r5, r3\n" \
    "ssub16 r12, r3, r6\n sel r6, r6, r3\n" \
    "ssub16 r12, r3, r7\n sel r7, r7, r3\n"

// As `finish_pair_i8`, where int32 holds the sums with their bias.
static SEPARATE void finish_pair_i16(widened_pair *job) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__thumb2__)
    register widened_pair *pointer __asm__("r0") = job;
    // clang-format off
    __asm__ volatile(
        TILE_4X2_ROUNDED(FROM_BIAS, "")
        "add r12, r0, #44\n stmia r12, {r4-r11}\n"
        "ssat r4, #16, r4\n ssat r5, #16, r5\n ssat r6, #16, r6\n ssat r7, #16, r7\n"
        "ssat r8, #16, r8\n ssat r9, #16, r9\n ssat r10, #16, r10\n ssat r11, #16, r11\n"
        "pkhbt r4, r4, r8, lsl #16\n pkhbt r5, r5, r9, lsl #16\n"
        "pkhbt r6, r6, r10, lsl #16\n pkhbt r7, r7, r11, lsl #16\n"
        "ldr r12, [r0, #24]\n"
        "pkhbt r2, r12, r12, lsl #16\n pkhtb r3, r12, r12, asr #16\n"
        CLAMP_FOUR_PAIRS
        "ldrd r2, r3, [r0, #16]\n"
        "str r4, [r2]\n str r5, [r2, r3, lsl #1]\n"
        "add r2, r2, r3, lsl #2\n"
        "str r6, [r2]\n str r7, [r2, r3, lsl #1]\n"
        "add r2, r2, r3, lsl #2\n"
        TILE_4X2_NEXT
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "cc",
          "memory");
    // clang-format on
#else
    const int words = (int)(job->end - job->weights) / WEIGHT_WORDS * COLUMN_WORDS;
    const int low = (int16_t)(job->zero & 0xffff), high = job->zero >> 16;
    int16_t *y = job->y;
    for (; job->groups > 0; job->groups--, job->columns += words, y += 4 * job->pitch) {
        sum_pair_i8(job);
        for (int n = 0; n < 2; n++) {
            int32_t *r = job->results + 4 * n;
            const quad_i32 rounded = rounded_four(
                saturating_add_four(results_of(job, n), job->bias[n]), job->scale[n], BEYOND_I16);
            r[0] = rounded.a;
            r[1] = rounded.b;
            r[2] = rounded.c;
            r[3] = rounded.d;
            for (int m = 0; m < 4; m++)
                store_i16(y, NULL, m * job->pitch + n, r[m], low, high);
        }
    }
#endif
}
