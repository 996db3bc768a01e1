// Sums of products of int8 for a tile of 4 results in each of 2 output channels: what pointwise and
// general convolutions and dense layers are made of. The inputs of four results are first widened
// to int16, less their zero point, side by side in `columns`: of each four terms two pairs, of each
// pair the words of all four results. Words of weights are taken apart while they are multiplied.

#pragma once

#include "requantize.h"

#include <string.h>

// Words of the columns of so many terms.
#define COLUMN_WORDS(terms) (((terms) + 3) / 4 * 8)

// Four int8 in the order of memory.
static inline uint32_t load_four_i8(const int8_t *x) {
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

static inline void widen_four_i8(uint32_t *column, uint32_t four, uint32_t zeros) {
    column[0] = subtract_pairs(even_pair_i8(four), zeros);
    column[4] = subtract_pairs(odd_pair_i8(four), zeros);
}

// One of the four columns: x[k] - zero.
static inline void widen_column_i8(uint32_t *column, const int8_t *x, int terms, int zero) {
    const uint32_t zeros = both_halves(zero);
    for (; terms >= 4; terms -= 4, x += 4, column += 8)
        widen_four_i8(column, load_four_i8(x), zeros);
    if (terms > 0)
        widen_four_i8(column, load_some_i8(x, terms), zeros);
}

// What the inner loop adds to: acc[4 n + m] for column m and output channel n.
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

// For the vector units of gcc and clang.
typedef int16_t __attribute__((vector_size(16))) lanes_i16;
typedef int32_t __attribute__((vector_size(16))) lanes_i32;
typedef uint32_t __attribute__((vector_size(16))) lanes_u32;
typedef float __attribute__((vector_size(16))) lanes_f32;

// Terms in fours; there is at least one four.
static inline void add_fours_4x2_i8(tile_4x2 *tile) {
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    // It takes all 14 registers, more than a list of operands can ask for. What the compiler keeps
    // in them goes to the stack.
    register tile_4x2 *pointer __asm__("r0") = tile;
    // clang-format off
    __asm__ volatile(
        "push {r0, r4-r11, lr}\n"
        "ldmia r0!, {r4-r11}\n ldmia r0, {r1, r2, r3, r12}\n"
        "push {r12}\n"
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
    lanes_i32 sum[2], x[2];
    memcpy(sum, tile->acc, sizeof sum);
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
    for (const int8_t *w0 = tile->w0, *w1 = tile->w1; w0 < tile->end; w0 += 4, w1 += 4) {
        add_four_4x2_i8(tile->acc, columns, load_four_i8(w0), load_four_i8(w1));
        columns += 8;
    }
#endif
}

// Adds the sum of column m times w_n over the terms.
static inline void add_tile_4x2_i8(tile_4x2 *tile, const uint32_t *columns, const int8_t *w0,
                                   const int8_t *w1, int terms) {
    const int fours = terms & ~3, rest = terms & 3;
    tile->columns = columns;
    tile->w0 = w0;
    tile->w1 = w1;
    tile->end = w0 + fours;
    if (fours)
        add_fours_4x2_i8(tile);
    if (rest)
        add_four_4x2_i8(tile->acc, columns + 2 * fours, load_some_i8(w0 + fours, rest),
                        load_some_i8(w1 + fours, rest));
}

// Four sums of one output channel at once: requantized_i32 of each.
static inline void requantize_four_i8(int32_t *r, const int32_t *sums, int o,
                                      const requantization *q) {
    if (q->rounding != ROUND_AS_FLOAT) {
        for (int m = 0; m < 4; m++)
            r[m] = requantized_i32(sums[m], o, q);
        return;
    }
    const int32_t bias = q->bias[o];
    const float scale = q->scale[o];
#if defined(__ARM_FP) && defined(__thumb2__)
    int32_t a = saturating_add_i32(sums[0], bias), b = saturating_add_i32(sums[1], bias);
    int32_t c = saturating_add_i32(sums[2], bias), d = saturating_add_i32(sums[3], bias);
    __asm__("vmov s28, s29, %0, %1\n vmov s30, s31, %2, %3\n"
            "vcvt.f32.s32 s28, s28\n vcvt.f32.s32 s29, s29\n"
            "vcvt.f32.s32 s30, s30\n vcvt.f32.s32 s31, s31\n"
            "vmul.f32 s28, s28, %4\n vmul.f32 s29, s29, %4\n"
            "vmul.f32 s30, s30, %4\n vmul.f32 s31, s31, %4\n"
            "vcvtr.s32.f32 s28, s28\n vcvtr.s32.f32 s29, s29\n"
            "vcvtr.s32.f32 s30, s30\n vcvtr.s32.f32 s31, s31\n"
            "vmov %0, %1, s28, s29\n vmov %2, %3, s30, s31\n"
            : "+r"(a), "+r"(b), "+r"(c), "+r"(d)
            : "t"(scale)
            : "s28", "s29", "s30", "s31");
    r[0] = saturating_add_i32(a, q->zero);
    r[1] = saturating_add_i32(b, q->zero);
    r[2] = saturating_add_i32(c, q->zero);
    r[3] = saturating_add_i32(d, q->zero);
#elif defined(__SSE2__)
    const lanes_i32 biases = {bias, bias, bias, bias};
    const lanes_f32 limit = {BEYOND_I8, BEYOND_I8, BEYOND_I8, BEYOND_I8};
    lanes_i32 t;
    memcpy(&t, sums, sizeof t);
    const lanes_i32 wrapped = (lanes_i32)((lanes_u32)t + (lanes_u32)biases);
    const lanes_i32 over = ((t ^ wrapped) & (biases ^ wrapped)) >> 31;
    t = (wrapped & ~over) | (((biases >> 31) ^ INT32_MAX) & over);
    lanes_f32 p = __builtin_convertvector(t, lanes_f32) * scale;
    p = __builtin_ia32_maxps(__builtin_ia32_minps(p, limit), -limit);
    t = __builtin_ia32_cvtps2dq(p) + q->zero;
    memcpy(r, &t, sizeof t);
#else
    for (int m = 0; m < 4; m++)
        r[m] = requantized_i32(sums[m], o, q);
#endif
}

// Results of a tile: row m, which is a pixel or a sample, and channel o + n go to
// y[at + m * pitch + n].
static inline void finish_tile_i8(int8_t *y, uint8_t *mask, int at, int pitch, const int32_t *acc,
                                  int rows, int channels, int o, const requantization *q) {
    for (int n = 0; n < channels; n++, at++) {
        int32_t r[4];
        requantize_four_i8(r, acc + 4 * n, o + n, q);
        if (rows < 4 || mask) {
            for (int m = 0; m < rows; m++)
                store_i8(y, mask, at + m * pitch, r[m]);
            continue;
        }
        int8_t *to = y + at;
        to[0] = clamp_i8(r[0]);
        to[pitch] = clamp_i8(r[1]);
        to[2 * pitch] = clamp_i8(r[2]);
        to[3 * pitch] = clamp_i8(r[3]);
    }
}
