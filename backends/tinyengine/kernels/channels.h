// Sums of products channel by channel, all channels of a block at once: acc[c] = start[c] plus the
// sum of a[i, k, c] b[i, k, c] over rows i and taps k. Depthwise convolutions and both their
// gradients are made of them. There has to be a tap.
//
// For the floating point unit of an Arm Cortex-M the inner loops are written in its instructions:
// one load fetches eight channels, 1.5 instructions a product.

#pragma once

#include "tiles.h"

#include <math.h>

// Products of eight registers of a and of b, added to eight sums.

#define PRODUCTS_0_TO_7                               \
    "vmla.f32 s0, s16, s24\n vmla.f32 s1, s17, s25\n" \
    "vmla.f32 s2, s18, s26\n vmla.f32 s3, s19, s27\n" \
    "vmla.f32 s4, s20, s28\n vmla.f32 s5, s21, s29\n" \
    "vmla.f32 s6, s22, s30\n vmla.f32 s7, s23, s31\n"

#define PRODUCTS_8_TO_15                                \
    "vmla.f32 s8, s16, s24\n vmla.f32 s9, s17, s25\n"   \
    "vmla.f32 s10, s18, s26\n vmla.f32 s11, s19, s27\n" \
    "vmla.f32 s12, s20, s28\n vmla.f32 s13, s21, s29\n" \
    "vmla.f32 s14, s22, s30\n vmla.f32 s15, s23, s31\n"

static inline void channels_16_f32(float *acc, const float *start, const float *a,
                                   walk_steps a_step, const float *b, walk_steps b_step, int rows,
                                   int taps) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // In memory, as there are hardly registers enough; that of `start` counts the taps.
    const int row[] = {taps, 4 * (a_step.row - taps * a_step.term),
                       4 * (b_step.row - taps * b_step.term)};
    // clang-format off
    __asm__ volatile(
        "vldmia %[start], {s0-s15}\n"
        "1:\n"
        "ldr %[start], [%[row]]\n"
        "2:\n"
        "vldmia %[a]!, {s16-s23}\n vldmia %[b]!, {s24-s31}\n"
        PRODUCTS_0_TO_7
        "vldmia %[a], {s16-s23}\n vldmia %[b], {s24-s31}\n"
        "add %[a], %[a_term]\n add %[b], %[b_term]\n"
        PRODUCTS_8_TO_15
        "subs %[start], #1\n"
        "bne 2b\n"
        "ldr %[start], [%[row], #4]\n add %[a], %[start]\n"
        "ldr %[start], [%[row], #8]\n add %[b], %[start]\n"
        "subs %[rows], #1\n"
        "bne 1b\n"
        "vstmia %[acc], {s0-s15}\n"
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [start] "+&r"(start)
        : [acc] "r"(acc), [row] "r"(row), [a_term] "r"(4 * a_step.term - 32),
          [b_term] "r"(4 * b_step.term - 32)
        : TILE_REGISTERS);
    // clang-format on
#else
    for (int c = 0; c < 16; c += 4) {
        float s0 = start[c], s1 = start[c + 1], s2 = start[c + 2], s3 = start[c + 3];
        for (int i = 0; i < rows; i++) {
            const float *x = a + i * a_step.row + c, *w = b + i * b_step.row + c;
            for (int k = 0; k < taps; k++, x += a_step.term, w += b_step.term) {
                s0 += x[0] * w[0];
                s1 += x[1] * w[1];
                s2 += x[2] * w[2];
                s3 += x[3] * w[3];
            }
        }
        acc[c] = s0;
        acc[c + 1] = s1;
        acc[c + 2] = s2;
        acc[c + 3] = s3;
    }
#endif
}

static inline void channels_8_f32(float *acc, const float *start, const float *a, walk_steps a_step,
                                  const float *b, walk_steps b_step, int rows, int taps) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // In memory, as there are hardly registers enough; that of `start` counts the taps.
    const int row[] = {taps, 4 * (a_step.row - taps * a_step.term),
                       4 * (b_step.row - taps * b_step.term)};
    // clang-format off
    __asm__ volatile(
        "vldmia %[start], {s0-s7}\n"
        "1:\n"
        "ldr %[start], [%[row]]\n"
        "2:\n"
        "vldmia %[a], {s16-s23}\n vldmia %[b], {s24-s31}\n"
        "add %[a], %[a_term]\n add %[b], %[b_term]\n"
        PRODUCTS_0_TO_7
        "subs %[start], #1\n"
        "bne 2b\n"
        "ldr %[start], [%[row], #4]\n add %[a], %[start]\n"
        "ldr %[start], [%[row], #8]\n add %[b], %[start]\n"
        "subs %[rows], #1\n"
        "bne 1b\n"
        "vstmia %[acc], {s0-s7}\n"
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [start] "+&r"(start)
        : [acc] "r"(acc), [row] "r"(row), [a_term] "r"(4 * a_step.term),
          [b_term] "r"(4 * b_step.term)
        : TILE_REGISTERS);
    // clang-format on
#else
    for (int c = 0; c < 8; c += 4) {
        float s0 = start[c], s1 = start[c + 1], s2 = start[c + 2], s3 = start[c + 3];
        for (int i = 0; i < rows; i++) {
            const float *x = a + i * a_step.row + c, *w = b + i * b_step.row + c;
            for (int k = 0; k < taps; k++, x += a_step.term, w += b_step.term) {
                s0 += x[0] * w[0];
                s1 += x[1] * w[1];
                s2 += x[2] * w[2];
                s3 += x[3] * w[3];
            }
        }
        acc[c] = s0;
        acc[c + 1] = s1;
        acc[c + 2] = s2;
        acc[c + 3] = s3;
    }
#endif
}

// The widest block that `left` channels have room for.
static inline int channel_block(int left) {
    return left >= 16 ? 16 : left >= 8 ? 8 : 1;
}

// A block of channels; without rows or taps it remains what it starts as.
static inline void channels_f32(float *acc, int block, const float *start, const float *a,
                                walk_steps a_step, const float *b, walk_steps b_step, int rows,
                                int taps) {
    if (block > 1 && rows > 0 && taps > 0) {
        if (block == 16)
            channels_16_f32(acc, start, a, a_step, b, b_step, rows, taps);
        else
            channels_8_f32(acc, start, a, a_step, b, b_step, rows, taps);
        return;
    }
    for (int c = 0; c < block; c++)
        acc[c] = start[c];
    for (; rows > 0; rows--, a += a_step.row, b += b_step.row)
        acc[0] = dot_f32(acc[0], a, a_step.term, b, b_step.term, taps);
}

static inline void clamp_channels_f32(float *y, int block, float lo, float hi) {
    if (lo == -INFINITY)
        return;
    if (block == 1)
        y[0] = clamp_f32(y[0], lo, hi);
    for (int c = 0; c + 8 <= block; c += 8)
        clamp_8_f32(y + c, lo, hi);
}
