// Sums of products of int8 for a tile of 4 results in each of 2 output channels: what pointwise and
// general convolutions and dense layers are made of. The inputs of four results are first widened
// to int16, less their zero point, side by side in `columns`: of each four terms two pairs, of each
// pair the words of all four results. Words of weights are taken apart while they are multiplied.

#pragma once

#include "int8_pairs.h"
#include "requantize_four.h"

#include <stddef.h>

// Words of the columns of so many terms.
#define COLUMN_WORDS(terms) (((terms) + 3) / 4 * 8)

static inline void widen_four_i8(uint32_t *column, uint32_t four, uint32_t zeros) {
    column[0] = subtract_pairs(even_pair_i8(four), zeros);
    column[4] = subtract_pairs(odd_pair_i8(four), zeros);
}

// One of the four columns: x[k] - zero; the last four is filled up with zeros.
static inline void widen_column_i8(uint32_t *column, const int8_t *x, int terms, int zero) {
    const uint32_t zeros = both_halves(zero), filling = ((uint32_t)zero & 255) * 0x1010100u;
    for (; terms >= 4; terms -= 4, x += 4, column += 8)
        widen_four_i8(column, load_four_i8(x), zeros);
    if (terms > 0)
        widen_four_i8(column, load_some_i8(x, terms) | filling << 8 * (terms - 1), zeros);
}

// What the inner loop sums: acc[4 n + m] for column m and output channel n.
typedef struct {
    int32_t acc[8];
    const uint32_t *columns;
    const int8_t *w0, *w1, *end; // of the weights of both channels; where those of the first end
} tile_4x2;

// Four terms: words of weights of both channels.
static inline void add_four_4x2_i8(int32_t *acc, const uint32_t *columns, uint32_t w0,
                                   uint32_t w1) {
    const uint32_t a0 = even_pair_i8(w0), a1 = odd_pair_i8(w0);
    const uint32_t b0 = even_pair_i8(w1), b1 = odd_pair_i8(w1);
    for (int m = 0; m < 4; m++) {
        acc[m] = add_products(add_products(acc[m], columns[m], a0), columns[4 + m], a1);
        acc[4 + m] = add_products(add_products(acc[4 + m], columns[m], b0), columns[4 + m], b1);
    }
}

// Two terms of four columns times two weights of both channels, in the instructions of Armv7E-M.
#define TILE_4X2_PAIRS(next, rotation)                                    \
    "ldr r0, [r2]" next "\n ldr r12, [r3]" next "\n"                      \
    "sxtb16 r0, r0" rotation "\n sxtb16 r12, r12" rotation "\n"           \
    "ldr lr, [r1], #4\n smlad r4, lr, r0, r4\n smlad r8, lr, r12, r8\n"   \
    "ldr lr, [r1], #4\n smlad r5, lr, r0, r5\n smlad r9, lr, r12, r9\n"   \
    "ldr lr, [r1], #4\n smlad r6, lr, r0, r6\n smlad r10, lr, r12, r10\n" \
    "ldr lr, [r1], #4\n smlad r7, lr, r0, r7\n smlad r11, lr, r12, r11\n"

#define TILE_4X2_FOUR TILE_4X2_PAIRS("", "") TILE_4X2_PAIRS(", #4", ", ror #8")

// The sums of terms in fours; there is at least one four.
static inline void sum_fours_4x2_i8(tile_4x2 *tile) {
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    // It takes all 14 registers, more than a list of operands can ask for. What the compiler keeps
    // in them goes to the stack.
    register tile_4x2 *pointer __asm__("r0") = tile;
    // clang-format off
    __asm__ volatile(
        "push {r0, r4-r11, lr}\n"
        "add r0, #32\n ldmia r0, {r1, r2, r3, r12}\n"
        "push {r12}\n"
        "movs r4, #0\n movs r5, #0\n movs r6, #0\n movs r7, #0\n"
        "mov r8, r4\n mov r9, r4\n mov r10, r4\n mov r11, r4\n"
        "sub r12, r12, r2\n"
        "tst r12, #4\n"
        "bne 2f\n"
        "1:\n"
        TILE_4X2_FOUR
        "2:\n"
        TILE_4X2_FOUR
        "ldr r0, [sp]\n cmp r2, r0\n"
        "bne 1b\n"
        "ldr r0, [sp, #4]\n stmia r0, {r4-r11}\n"
        "add sp, #4\n"
        "pop {r0, r4-r11, lr}\n"
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "cc", "memory");
    // clang-format on
#elif defined(__SSE2__)
    lanes_i32 sum[2] = {{0}, {0}}, x[2];
    const uint32_t *columns = tile->columns;
    for (const int8_t *w0 = tile->w0, *w1 = tile->w1; w0 < tile->end; w0 += 4, w1 += 4) {
        memcpy(x, columns, sizeof x);
        columns += 8;
        const int32_t a = (int32_t)load_four_i8(w0), b = (int32_t)load_four_i8(w1);
        const lanes_i16 first = (lanes_i16)(lanes_i32){a, a, a, a};
        const lanes_i16 second = (lanes_i16)(lanes_i32){b, b, b, b};
        sum[0] += __builtin_ia32_pmaddwd128((lanes_i16)x[0], first << 8 >> 8);
        sum[0] += __builtin_ia32_pmaddwd128((lanes_i16)x[1], first >> 8);
        sum[1] += __builtin_ia32_pmaddwd128((lanes_i16)x[0], second << 8 >> 8);
        sum[1] += __builtin_ia32_pmaddwd128((lanes_i16)x[1], second >> 8);
    }
    memcpy(tile->acc, sum, sizeof sum);
#else
    const uint32_t *columns = tile->columns;
    for (int i = 0; i < 8; i++)
        tile->acc[i] = 0;
    for (const int8_t *w0 = tile->w0, *w1 = tile->w1; w0 < tile->end; w0 += 4, w1 += 4) {
        add_four_4x2_i8(tile->acc, columns, load_four_i8(w0), load_four_i8(w1));
        columns += 8;
    }
#endif
}

// The sum of column m times w_n over the terms.
static inline void sum_tile_4x2_i8(tile_4x2 *tile, const uint32_t *columns, const int8_t *w0,
                                   const int8_t *w1, int terms) {
    const int fours = terms & ~3, rest = terms & 3;
    tile->columns = columns;
    tile->w0 = w0;
    tile->w1 = w1;
    tile->end = w0 + fours;
    if (fours)
        sum_fours_4x2_i8(tile);
    else
        memset(tile->acc, 0, sizeof tile->acc);
    if (rest)
        add_four_4x2_i8(tile->acc, columns + 2 * fours, load_some_i8(w0 + fours, rest),
                        load_some_i8(w1 + fours, rest));
}

// Results of four columns: y[m * pitch + n] for output channels in pairs, whose weights lie one
// after the other, `terms` each. The terms are fours.
typedef struct {
    const uint32_t *columns;
    const int8_t *w;
    int read, terms;
    const int32_t *bias;
    const float *scale;
    int8_t *y;
    int pitch, zero;
    const int8_t *end; // of the weights
} paired_channels;

// Products, rounded as floats, clamped and stored.
static SEPARATE void multiply_pairs_i8(paired_channels *job) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__thumb2__)
    // See sum_fours_4x2_i8 for the registers.
    register paired_channels *pointer __asm__("r0") = job;
    // clang-format off
    __asm__ volatile(
        "push {r0, r4-r11, lr}\n"
        "sub sp, #4\n"
        "1:\n"
        "ldmia r0, {r1, r2, r3, r12}\n"
        "tst r3, #4\n"
        "add r3, r3, r2\n str r3, [sp]\n"
        "add r3, r2, r12\n"
        "add r12, r3, r12\n str r12, [r0, #4]\n"
        "mov r4, #0\n mov r5, #0\n mov r6, #0\n mov r7, #0\n"
        "mov r8, #0\n mov r9, #0\n mov r10, #0\n mov r11, #0\n"
        "bne 3f\n"
        "2:\n"
        TILE_4X2_FOUR
        "3:\n"
        TILE_4X2_FOUR
        "ldr r0, [sp]\n cmp r2, r0\n"
        "bne 2b\n"
        "ldr r0, [sp, #4]\n"
        "ldrd r1, r2, [r0, #16]\n"
        "ldr r12, [r1], #4\n ldr lr, [r1], #4\n vldmia r2!, {s0-s1}\n"
        "strd r1, r2, [r0, #16]\n"
        "qadd r4, r4, r12\n qadd r5, r5, r12\n qadd r6, r6, r12\n qadd r7, r7, r12\n"
        "qadd r8, r8, lr\n qadd r9, r9, lr\n qadd r10, r10, lr\n qadd r11, r11, lr\n"
        "vmov s2, s3, r4, r5\n vmov s4, s5, r6, r7\n"
        "vmov s6, s7, r8, r9\n vmov s8, s9, r10, r11\n"
        "vcvt.f32.s32 s2, s2\n vcvt.f32.s32 s3, s3\n"
        "vcvt.f32.s32 s4, s4\n vcvt.f32.s32 s5, s5\n"
        "vcvt.f32.s32 s6, s6\n vcvt.f32.s32 s7, s7\n"
        "vcvt.f32.s32 s8, s8\n vcvt.f32.s32 s9, s9\n"
        "vmul.f32 s2, s2, s0\n vmul.f32 s3, s3, s0\n"
        "vmul.f32 s4, s4, s0\n vmul.f32 s5, s5, s0\n"
        "vmul.f32 s6, s6, s1\n vmul.f32 s7, s7, s1\n"
        "vmul.f32 s8, s8, s1\n vmul.f32 s9, s9, s1\n"
        "vcvtr.s32.f32 s2, s2\n vcvtr.s32.f32 s3, s3\n"
        "vcvtr.s32.f32 s4, s4\n vcvtr.s32.f32 s5, s5\n"
        "vcvtr.s32.f32 s6, s6\n vcvtr.s32.f32 s7, s7\n"
        "vcvtr.s32.f32 s8, s8\n vcvtr.s32.f32 s9, s9\n"
        "vmov r4, r5, s2, s3\n vmov r6, r7, s4, s5\n"
        "vmov r8, r9, s6, s7\n vmov r10, r11, s8, s9\n"
        "add r12, r0, #24\n ldmia r12, {r1, r2, r12}\n"
        "qadd r4, r4, r12\n qadd r5, r5, r12\n qadd r6, r6, r12\n qadd r7, r7, r12\n"
        "qadd r8, r8, r12\n qadd r9, r9, r12\n qadd r10, r10, r12\n qadd r11, r11, r12\n"
        "ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n"
        "ssat r8, #8, r8\n ssat r9, #8, r9\n ssat r10, #8, r10\n ssat r11, #8, r11\n"
        "bfi r4, r8, #8, #8\n bfi r5, r9, #8, #8\n bfi r6, r10, #8, #8\n bfi r7, r11, #8, #8\n"
        "add r12, r1, r2\n"
        "strh r5, [r1, r2]\n strh r6, [r1, r2, lsl #1]\n strh r7, [r12, r2, lsl #1]\n"
        "strh r4, [r1], #2\n"
        "str r1, [r0, #24]\n"
        "ldr r12, [r0, #36]\n ldr r2, [r0, #4]\n cmp r2, r12\n"
        "bne 1b\n"
        "add sp, #4\n"
        "pop {r0, r4-r11, lr}\n"
        : "+r"(pointer)
        :
        : "r1", "r2", "r3", "r12", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "cc",
          "memory");
    // clang-format on
#else
    for (; job->w < job->end; job->w += 2 * job->terms, job->y += 2) {
        tile_4x2 tile = {.columns = job->columns,
                         .w0 = job->w,
                         .w1 = job->w + job->terms,
                         .end = job->w + job->read};
        sum_fours_4x2_i8(&tile);
        for (int n = 0; n < 2; n++) {
            const int32_t *acc = tile.acc + 4 * n;
            const quad_i32 sums = {acc[0], acc[1], acc[2], acc[3]};
            store_four_i8(job->y, NULL, n, job->pitch, sums, *job->bias++, *job->scale++,
                          job->zero);
        }
    }
#endif
}
