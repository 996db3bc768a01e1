// Sums of products channel by channel, all channels of a block at once: acc[c] += sum over k of
// a[k * ak + c] b[k * bk + c]. Depthwise convolutions and both their gradients are made of them.
//
// For the floating point unit of an Arm Cortex-M the inner loops are written in its instructions:
// one load fetches eight channels, 1.5 instructions a product.

#pragma once

#include "tiles.h"

// Products of the eight registers from a0 and from b0 on, added to those from s on.
#define PRODUCTS_8(s0, s1, s2, s3, s4, s5, s6, s7)            \
    "vmla.f32 " s0 ", s16, s24\n vmla.f32 " s1 ", s17, s25\n" \
    "vmla.f32 " s2 ", s18, s26\n vmla.f32 " s3 ", s19, s27\n" \
    "vmla.f32 " s4 ", s20, s28\n vmla.f32 " s5 ", s21, s29\n" \
    "vmla.f32 " s6 ", s22, s30\n vmla.f32 " s7 ", s23, s31\n"

static inline void channels_16_f32(float *acc, const float *a, int ak, const float *b, int bk,
                                   int count) {
#if defined(__ARM_FP) && defined(__thumb2__)
    __asm__ volatile("vldmia %[acc], {s0-s15}\n"
                     "1:\n"
                     "vldmia %[a]!, {s16-s23}\n vldmia %[b]!, {s24-s31}\n" PRODUCTS_8(
                         "s0", "s1", "s2", "s3", "s4", "s5", "s6",
                         "s7") "vldmia %[a], {s16-s23}\n vldmia %[b], {s24-s31}\n"
                               "add %[a], %[a_step]\n add %[b], %[b_step]\n" PRODUCTS_8(
                                   "s8", "s9", "s10", "s11", "s12", "s13", "s14",
                                   "s15") "subs %[count], #1\n"
                                          "bne 1b\n"
                                          "vstmia %[acc], {s0-s15}\n"
                     : [a] "+r"(a), [b] "+r"(b), [count] "+r"(count)
                     : [acc] "r"(acc), [a_step] "r"(4 * ak - 32), [b_step] "r"(4 * bk - 32)
                     : TILE_REGISTERS);
#else
    for (int k = 0; k < count; k++, a += ak, b += bk)
        for (int c = 0; c < 16; c++)
            acc[c] += a[c] * b[c];
#endif
}

static inline void channels_8_f32(float *acc, const float *a, int ak, const float *b, int bk,
                                  int count) {
#if defined(__ARM_FP) && defined(__thumb2__)
    __asm__ volatile("vldmia %[acc], {s0-s7}\n"
                     "1:\n"
                     "vldmia %[a], {s16-s23}\n vldmia %[b], {s24-s31}\n"
                     "add %[a], %[a_step]\n add %[b], %[b_step]\n" PRODUCTS_8(
                         "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7") "subs %[count], #1\n"
                                                                         "bne 1b\n"
                                                                         "vstmia %[acc], {s0-s7}\n"
                     : [a] "+r"(a), [b] "+r"(b), [count] "+r"(count)
                     : [acc] "r"(acc), [a_step] "r"(4 * ak), [b_step] "r"(4 * bk)
                     : TILE_REGISTERS);
#else
    for (int k = 0; k < count; k++, a += ak, b += bk)
        for (int c = 0; c < 8; c++)
            acc[c] += a[c] * b[c];
#endif
}

// The widest block that `left` channels have room for.
static inline int channel_block(int left) {
    return left >= 16 ? 16 : left >= 8 ? 8 : 1;
}

static inline void channels_f32(float *acc, int block, const float *a, int ak, const float *b,
                                int bk, int count) {
    if (block == 16)
        channels_16_f32(acc, a, ak, b, bk, count);
    else if (block == 8)
        channels_8_f32(acc, a, ak, b, bk, count);
    else
        acc[0] = dot_f32(acc[0], a, ak, b, bk, count);
}
