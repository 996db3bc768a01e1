// Sums of products channel by channel, acc[c] += sum of g[i, k, c] (b[i, k, c] - zero) over rows i
// and terms k, for a gradient in int8, int16 or float32 and int8 weights, or activations in int8 or
// int16.

#pragma once

#include "gradient_sums_i16.h"

// Elements from one row of terms to the next, and from one term to the next.
typedef struct {
    int row, term;
} channel_steps;

static inline int32_t low_half(uint32_t pair) {
    return (int16_t)(pair & 0xffff);
}

static inline int32_t high_half(uint32_t pair) {
    return (int16_t)(pair >> 16);
}

// Four channels, for processors that multiply halves of words.
static inline void add_four_channels_i8(int32_t *acc, const int8_t *g, channel_steps g_step,
                                        const int8_t *b, channel_steps b_step, int zero, int rows,
                                        int terms) {
    const uint32_t zeros = both_halves(zero);
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3];
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row) {
        const int8_t *x = g, *y = b;
        for (int k = 0; k < terms; k++, x += g_step.term, y += b_step.term) {
            const uint32_t four = load_four_i8(x), other = load_four_i8(y);
            const uint32_t even = even_pair_i8(four), odd = odd_pair_i8(four);
            const uint32_t p = subtract_pairs(even_pair_i8(other), zeros);
            const uint32_t q = subtract_pairs(odd_pair_i8(other), zeros);
            s0 += low_half(even) * low_half(p);
            s1 += low_half(odd) * low_half(q);
            s2 += high_half(even) * high_half(p);
            s3 += high_half(odd) * high_half(q);
        }
    }
    acc[0] = s0;
    acc[1] = s1;
    acc[2] = s2;
    acc[3] = s3;
}

// Products of four channels of g and of b, from a byte offset on.
#define PRODUCTS_OF_FOUR(offset, s0, s1, s2, s3)                      \
    "ldr %[t], [%[g], #" offset "]\n ldr %[u], [%[b], #" offset "]\n" \
    "sxtb16 %[p], %[t], ror #8\n sxtb16 %[t], %[t]\n"                 \
    "sxtb16 %[q], %[u], ror #8\n sxtb16 %[u], %[u]\n"                 \
    "smlabb %[" s0 "], %[t], %[u], %[" s0 "]\n"                       \
    "smlabb %[" s1 "], %[p], %[q], %[" s1 "]\n"                       \
    "smlatt %[" s2 "], %[t], %[u], %[" s2 "]\n"                       \
    "smlatt %[" s3 "], %[p], %[q], %[" s3 "]\n"

// Eight channels of at least one term.
static SEPARATE void add_eight_channels_i8(int32_t *acc, const int8_t *g, channel_steps g_step,
                                           const int8_t *b, channel_steps b_step, int rows,
                                           int terms) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__OPTIMIZE__) && \
    !defined(__OPTIMIZE_SIZE__)
    int32_t s0, s1, s2, s3, s4, s5, s6, s7;
    uint32_t q, t, u;
    const void *p = acc;
    const int8_t *row_end = b + terms * b_step.term;
    // All fourteen registers are taken: steps and ends lie in those for floats.
    // clang-format off
    __asm__ volatile(
        "ldrd %[s0], %[s1], [%[p]]\n ldrd %[s2], %[s3], [%[p], #8]\n"
        "ldrd %[s4], %[s5], [%[p], #16]\n ldrd %[s6], %[s7], [%[p], #24]\n"
        "1:\n"
        PRODUCTS_OF_FOUR("0", "s0", "s1", "s2", "s3")
        PRODUCTS_OF_FOUR("4", "s4", "s5", "s6", "s7")
        "vmov %[t], %[g_term]\n add %[g], %[t]\n"
        "vmov %[t], %[b_term]\n add %[b], %[t]\n"
        "vmov %[u], %[row_end]\n cmp %[b], %[u]\n"
        "bne 1b\n"
        "vmov %[t], %[g_row]\n add %[g], %[t]\n"
        "vmov %[t], %[b_back]\n add %[b], %[t]\n"
        "vmov %[t], %[b_row]\n add %[u], %[t]\n vmov %[row_end], %[u]\n"
        "vmov %[t], %[end]\n cmp %[u], %[t]\n"
        "bne 1b\n"
        : [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3), [s4] "=&r"(s4), [s5] "=&r"(s5),
          [s6] "=&r"(s6), [s7] "=&r"(s7), [g] "+&r"(g), [b] "+&r"(b), [p] "+&r"(p), [q] "=&r"(q),
          [t] "=&r"(t), [u] "=&r"(u), [row_end] "+&t"(row_end)
        : [g_term] "t"(g_step.term), [b_term] "t"(b_step.term), [b_row] "t"(b_step.row),
          [g_row] "t"(g_step.row - terms * g_step.term), [b_back] "t"(b_step.row - terms * b_step.term),
          [end] "t"(row_end + rows * b_step.row)
        : "cc", "memory");
    // clang-format on
    acc[0] = s0;
    acc[1] = s1;
    acc[2] = s2;
    acc[3] = s3;
    acc[4] = s4;
    acc[5] = s5;
    acc[6] = s6;
    acc[7] = s7;
#else
    add_four_channels_i8(acc, g, g_step, b, b_step, 0, rows, terms);
    add_four_channels_i8(acc + 4, g + 4, g_step, b + 4, b_step, 0, rows, terms);
#endif
}

static inline void add_channels_i8(int32_t *acc, int columns, const int8_t *g, channel_steps g_step,
                                   const int8_t *b, channel_steps b_step, int zero, int rows,
                                   int terms) {
    if (multiplies_pairs() && columns == 8 && zero == 0 && rows > 0 && terms > 0) {
        add_eight_channels_i8(acc, g, g_step, b, b_step, rows, terms);
        return;
    }
    for (; multiplies_pairs() && columns >= 4; columns -= 4, acc += 4, g += 4, b += 4)
        add_four_channels_i8(acc, g, g_step, b, b_step, zero, rows, terms);
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++) {
            const int8_t *x = g + k * g_step.term, *y = b + k * b_step.term;
            // One product fits into 16 bits: twice as many at once.
            for (int n = 0; n < columns; n++)
                acc[n] += (int16_t)(x[n] * (y[n] - zero));
        }
}

static inline void add_channels_i16(int64_t *acc, int columns, const int16_t *g,
                                    channel_steps g_step, const int8_t *b, channel_steps b_step,
                                    int zero, int rows, int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += g[k * g_step.term + n] * (b[k * b_step.term + n] - zero);
}

static inline void add_channels_f32(float *acc, int columns, const float *g, channel_steps g_step,
                                    const int8_t *b, channel_steps b_step, int zero, int rows,
                                    int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += g[k * g_step.term + n] * (float)(b[k * b_step.term + n] - zero);
}

static inline void add_gradient_channels(gradient_tile *tile, int bits, int columns, const void *g,
                                         int at, channel_steps g_step, const int8_t *b,
                                         channel_steps b_step, int zero, int rows, int terms) {
    if (bits == 8)
        add_channels_i8(tile->i8, columns, (const int8_t *)g + at, g_step, b, b_step, zero, rows,
                        terms);
    else if (bits == 16)
        add_channels_i16(tile->i16, columns, (const int16_t *)g + at, g_step, b, b_step, zero, rows,
                         terms);
    else
        add_channels_f32(tile->f32, columns, (const float *)g + at, g_step, b, b_step, zero, rows,
                         terms);
}

// Adds to the first row of a tile; `at` is the first element of g.
static inline void add_to_channels(gradient_tile *tile, int bits, int columns, const void *g,
                                   int at, channel_steps g_step, const int8_t *b,
                                   channel_steps b_step, int zero, int rows, int terms) {
    if (columns == GRADIENT_COLUMNS)
        add_gradient_channels(tile, bits, GRADIENT_COLUMNS, g, at, g_step, b, b_step, zero, rows,
                              terms);
    else
        add_gradient_channels(tile, bits, columns, g, at, g_step, b, b_step, zero, rows, terms);
}

// The same of activations in int16, without a zero point.

// Of four channels of an integer gradient the pairs 0 and 2, 1 and 3.
static inline void load_pairs(uint32_t *even, uint32_t *odd, const void *g, int bits, int at) {
    if (bits == 8) {
        const uint32_t four = load_four_i8((const int8_t *)g + at);
        *even = even_pair_i8(four);
        *odd = odd_pair_i8(four);
    } else {
        const uint32_t first = load_two_i16((const int16_t *)g + at),
                       second = load_two_i16((const int16_t *)g + at + 2);
        *even = low_halves(first, second);
        *odd = high_halves(first, second);
    }
}

// Four channels, for processors that multiply halves of words.
static inline void add_four_channels_i16(int64_t *acc, const void *g, int bits, int at,
                                         channel_steps g_step, const int16_t *x,
                                         channel_steps x_step, int rows, int terms) {
    int64_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3];
    for (int i = 0; i < rows; i++, at += g_step.row, x += x_step.row) {
        const int16_t *from = x;
        for (int k = 0, g_at = at; k < terms; k++, g_at += g_step.term, from += x_step.term) {
            const uint32_t first = load_two_i16(from), second = load_two_i16(from + 2);
            uint32_t even, odd;
            load_pairs(&even, &odd, g, bits, g_at);
            s0 += low_half(even) * low_half(first);
            s1 += low_half(odd) * high_half(first);
            s2 += high_half(even) * low_half(second);
            s3 += high_half(odd) * high_half(second);
        }
    }
    acc[0] = s0;
    acc[1] = s1;
    acc[2] = s2;
    acc[3] = s3;
}

static inline void add_integer_channels_i16(int64_t *acc, int columns, const void *g, int bits,
                                            int at, channel_steps g_step, const int16_t *x,
                                            channel_steps x_step, int rows, int terms) {
    for (; multiplies_pairs() && columns >= 4; columns -= 4, acc += 4, at += 4, x += 4)
        add_four_channels_i16(acc, g, bits, at, g_step, x, x_step, rows, terms);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += integer_at(g, bits, at + i * g_step.row + k * g_step.term + n) *
                          x[i * x_step.row + k * x_step.term + n];
}

static inline void add_float_channels_i16(float *acc, int columns, const float *g,
                                          channel_steps g_step, const int16_t *x,
                                          channel_steps x_step, int rows, int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, x += x_step.row)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += g[k * g_step.term + n] * (float)x[k * x_step.term + n];
}

static inline void add_to_channels_i16(gradient_tile *tile, int bits, int columns, const void *g,
                                       int at, channel_steps g_step, const int16_t *x,
                                       channel_steps x_step, int rows, int terms) {
    if (bits == 32)
        add_float_channels_i16(tile->f32, columns, (const float *)g + at, g_step, x, x_step, rows,
                               terms);
    else
        add_integer_channels_i16(tile->i16, columns, g, bits, at, g_step, x, x_step, rows, terms);
}
