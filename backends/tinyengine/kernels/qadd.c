#include <stddef.h>

#include "int8_pairs.h"
#include "loops.h"
#include "requantize.h"

// How two tensors are added. zeros: of a, b and y; multipliers: mantissa and shift for a, for b and
// for the sum, then the sign of b.
typedef struct {
    const int *zeros, *multipliers;
    float a_factor, b_factor;
    int rounding;
} qsum;

static inline int32_t qadd_float_i8(int a, int b, const qsum *s) {
    return nearest_limited_f32((float)a * s->a_factor + (float)b * s->b_factor);
}

// As TFLite does it: both in units of twice the larger scale, with 20 bits behind the point.
static inline int32_t qadd_fixed_i8(int a, int b, const qsum *s) {
    const int *m = s->multipliers;
    const int64_t first = multiply_fixed_i32(a * (1 << 20), m[0], m[1], s->rounding);
    const int64_t second = multiply_fixed_i32(b * (1 << 20), m[2], m[3], s->rounding);
    return limited_i32(
        multiply_fixed_i32((int32_t)(first + m[6] * second), m[4], m[5], s->rounding));
}

// Four sums as int16, plus the zero point and 128: elements 0 and 2, 1 and 3.
typedef struct {
    uint32_t even, odd;
} four_sums;

// Of four elements of a and of b, rounded as floats. zeros: zero point of y and 128, in both
// halves.
static MERGED four_sums qadd_four_i8(uint32_t a, uint32_t b, int a_zero, int b_zero, float a_factor,
                                     float b_factor, uint32_t zeros) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__thumb2__)
    uint32_t p, q;
    __asm__("sxtab %[p], %[az], %[a]\n sxtab %[q], %[az], %[a], ror #8\n"
            "vmov s0, s1, %[p], %[q]\n"
            "sxtab %[p], %[az], %[a], ror #16\n sxtab %[q], %[az], %[a], ror #24\n"
            "vmov s2, s3, %[p], %[q]\n"
            "sxtab %[p], %[bz], %[b]\n sxtab %[q], %[bz], %[b], ror #8\n"
            "vmov s4, s5, %[p], %[q]\n"
            "sxtab %[p], %[bz], %[b], ror #16\n sxtab %[q], %[bz], %[b], ror #24\n"
            "vmov s6, s7, %[p], %[q]\n"
            "vcvt.f32.s32 s0, s0\n vcvt.f32.s32 s1, s1\n"
            "vcvt.f32.s32 s2, s2\n vcvt.f32.s32 s3, s3\n"
            "vcvt.f32.s32 s4, s4\n vcvt.f32.s32 s5, s5\n"
            "vcvt.f32.s32 s6, s6\n vcvt.f32.s32 s7, s7\n"
            "vmul.f32 s0, s0, %[fa]\n vmul.f32 s1, s1, %[fa]\n"
            "vmul.f32 s2, s2, %[fa]\n vmul.f32 s3, s3, %[fa]\n"
            "vmul.f32 s4, s4, %[fb]\n vmul.f32 s5, s5, %[fb]\n"
            "vmul.f32 s6, s6, %[fb]\n vmul.f32 s7, s7, %[fb]\n"
            "vadd.f32 s0, s0, s4\n vadd.f32 s1, s1, s5\n"
            "vadd.f32 s2, s2, s6\n vadd.f32 s3, s3, s7\n"
            "vcvtr.s32.f32 s0, s0\n vcvtr.s32.f32 s1, s1\n"
            "vcvtr.s32.f32 s2, s2\n vcvtr.s32.f32 s3, s3\n"
            "vmov %[a], %[b], s0, s1\n vmov %[p], %[q], s2, s3\n"
            "pkhbt %[a], %[a], %[p], lsl #16\n pkhbt %[b], %[b], %[q], lsl #16\n"
            "sadd16 %[a], %[a], %[zeros]\n sadd16 %[b], %[b], %[zeros]\n"
            : [a] "+r"(a), [b] "+r"(b), [p] "=&r"(p), [q] "=&r"(q)
            : [az] "r"(-a_zero), [bz] "r"(-b_zero), [zeros] "r"(zeros), [fa] "t"(a_factor),
              [fb] "t"(b_factor)
            : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "cc");
    return (four_sums){a, b};
#else
    uint32_t r[4];
    for (int k = 0; k < 4; k++) {
        const int first = (int8_t)(a >> 8 * k & 255), second = (int8_t)(b >> 8 * k & 255);
        r[k] = (uint32_t)nearest_f32((float)(first - a_zero) * a_factor +
                                     (float)(second - b_zero) * b_factor);
    }
    return (four_sums){add_pairs(low_halves(r[0], r[2]), zeros),
                       add_pairs(low_halves(r[1], r[3]), zeros)};
#endif
}

// The nearest int8 in both halves, plus 128.
static inline uint32_t saturated_pair_u8(uint32_t pair) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t saturated;
    __asm__("usat16 %0, #8, %1" : "=r"(saturated) : "r"(pair));
    return saturated;
#else
    const int low = (int16_t)(pair & 0xffff), high = (int16_t)(pair >> 16);
    return (uint32_t)(clamp_i8(low - 128) + 128) | (uint32_t)(clamp_i8(high - 128) + 128) << 16;
#endif
}

// The bits of four sums in a mask: those of which nothing reaches beyond the lower byte.
static inline unsigned within_four_i8(four_sums t) {
    const uint32_t beyond = (t.even >> 8 & 0xff00ff) | (t.odd & 0xff00ff00);
#if defined(__ARM_FEATURE_DSP)
    unsigned bits;
    __asm__("usub8 %0, %1, %2\n sel %0, %3, %1\n usad8 %0, %0, %1\n"
            : "=&r"(bits)
            : "r"(0), "r"(beyond), "r"(0x8040201)
            : "cc");
    return bits;
#else
    unsigned bits = 0;
    for (int k = 0; k < 4; k++)
        bits |= (unsigned)!(beyond >> 8 * k & 255) << k;
    return bits;
#endif
}

// Elements `begin` to `end` of y, both multiples of four, rounded as floats, from operands without
// gaps that begin at a and b.
static SEPARATE void qadd_fours_i8(int8_t *y, uint8_t *mask, int begin, int end, const int8_t *a,
                                   const int8_t *b, qsum s) {
    const int a_zero = s.zeros[0], b_zero = s.zeros[1];
    const uint32_t zeros = both_halves(s.zeros[2] + 128);
    for (; begin < end; begin += 4, a += 4, b += 4) {
        const four_sums t = qadd_four_i8(load_four_i8(a), load_four_i8(b), a_zero, b_zero,
                                         s.a_factor, s.b_factor, zeros);
        const uint32_t bytes =
            (saturated_pair_u8(t.even) | saturated_pair_u8(t.odd) << 8) ^ 0x80808080u;
        memcpy(y + begin, &bytes, sizeof bytes);
        if (mask) {
            uint8_t *byte = mask + (unsigned)begin / 8;
            *byte = (uint8_t)(*byte | within_four_i8(t) << (begin & 4));
        }
    }
}

// Whether int16 holds all sums, of two numbers of up to 255, with a zero point.
static inline int qadd_fits_i16(const qsum *s) {
    return s->rounding == ROUND_AS_FLOAT && fabsf(s->a_factor) + fabsf(s->b_factor) < 100.0f;
}

// Elements `begin` to `begin + n` of y, from operands whose elements are these steps apart.
static inline void qadd_row_i8(int8_t *y, uint8_t *mask, int begin, const int8_t *a, int a_step,
                               const int8_t *b, int b_step, int n, const qsum *s) {
    int i = 0;
    if (a_step == 1 && b_step == 1 && begin % 4 == 0 && qadd_fits_i16(s)) {
        i = n / 4 * 4;
        qadd_fours_i8(y, mask, begin, begin + i, a, b, *s);
    }
    for (; i < n; i++) {
        const int first = a[i * a_step] - s->zeros[0], second = b[i * b_step] - s->zeros[1];
        const int32_t r = s->rounding == ROUND_AS_FLOAT ? qadd_float_i8(first, second, s)
                                                        : qadd_fixed_i8(first, second, s);
        store_i8(y, mask, begin + i, r + s->zeros[2]);
    }
}

// y may be a or b where that is not repeated.
static void qadd_i8(int8_t *y, uint8_t *mask, const int8_t *a, const int8_t *b, int size,
                    const int *axes, const int *zeros, float a_factor, float b_factor,
                    const int *multipliers, int rounding) {
    const qsum s = {zeros, multipliers, a_factor, b_factor, rounding};
    const int *row = innermost(axes);
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        qadd_row_i8(y, mask, begin, a + at.a, row[1], b + at.b, row[2], row[0], &s);
        begin += row[0];
    } while (next_row(&at, axes));
}

// y may be a or b where that is not repeated.
static void qadd_i16(int16_t *y, uint8_t *mask, const int16_t *a, const int16_t *b, int size,
                     const int *axes, float a_factor, float b_factor, int low, int high) {
    const int *row = innermost(axes);
    const int columns = row[0], a_step = row[1], b_step = row[2];
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        for (int i = 0; i < columns; i++) {
            const int from_a = at.a + i * a_step, from_b = at.b + i * b_step;
            const int32_t r =
                nearest_beyond_i16_f32((float)a[from_a] * a_factor + (float)b[from_b] * b_factor);
            store_i16(y, mask, begin + i, r, low, high);
        }
        begin += columns;
    } while (next_row(&at, axes));
}
