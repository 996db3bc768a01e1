// How every gradient of a quantised value ends, see gradlet's gradient_epilogue.py: sums become
// numbers p, which a skip, a scale for each channel and a mask change, then floats or integers.
//
// Integers lie in a range f32[2] = (m, unit). Where m is 0 there is nothing to choose the unit by:
// a kernel runs twice, the first time only for the largest |p|. So no gradient is ever held in
// anything wider than its integers.

#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "bits.h"
#include "nearest.h"

// The most neighbouring channels that are finished at once.
#define GRADIENT_COLUMNS 8

#define GRADIENT_HEADROOM 1.5f
#define GRADIENT_DECAY 0.95f

// A gradient on its way out. `bits` are those of an element, 32 stands for floats.
typedef struct {
    void *y;
    float *range;
    const uint8_t *mask; // or NULL, as all of these
    const float *scale;
    const void *skip;
    int bits, skip_bits;
    float by, skip_by;                           // what sums and skip are multiplied with
    float limit, headroom, one_by_unit, largest; // of integers
    int stores;                                  // not while only the largest is looked for
} gradient_end;

static inline float unit_of(const float *range) {
    return range ? range[1] : 1.0f;
}

// `range` belongs to the result, g_range and skip_range to what it is made of: NULL for floats.
static inline gradient_end gradient_end_of(void *y, float *range, int bits, const float *g_range,
                                           float factor, const uint8_t *mask, const float *scale,
                                           const void *skip, const float *skip_range, int skip_bits,
                                           float skip_factor) {
    gradient_end end = {0};
    end.y = y;
    end.range = range;
    end.bits = bits;
    end.by = unit_of(g_range) * factor;
    end.mask = mask;
    end.scale = scale;
    end.skip = skip;
    end.skip_bits = skip_bits;
    end.skip_by = unit_of(skip_range) * skip_factor;
    end.limit = bits == 8 ? 127.0f : 32767.0f;
    end.headroom = GRADIENT_HEADROOM / end.limit;
    return end;
}

// Element i of a gradient; `bits` are those of an integer, 0 stands for floats.
static inline float gradient_element(const void *g, int bits, int i) {
    return bits == 8    ? (float)((const int8_t *)g)[i]
           : bits == 16 ? (float)((const int16_t *)g)[i]
           : bits == 32 ? (float)((const int32_t *)g)[i]
                        : ((const float *)g)[i];
}

// The smallest power of two that is not below x, between 2^-100 and 2^100; 1 for 0.
static inline float power_of_two_f32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits == 0)
        return 1.0f;
    int exponent = (int)(bits >> 23) + ((bits & 0x7fffff) != 0);
    exponent = exponent < 27 ? 27 : exponent > 227 ? 227 : exponent;
    bits = (uint32_t)exponent << 23;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

static inline void choose_unit(gradient_end *end, float largest) {
    end->range[1] = power_of_two_f32(largest * end->headroom);
    end->one_by_unit = 1.0f / end->range[1];
    end->stores = 1;
}

// How often the kernel has to run; it calls `end_pass` after each time.
static inline int begin_passes(gradient_end *end) {
    end->stores = end->range == NULL;
    if (end->range == NULL)
        return 1;
    if (end->range[0] == 0.0f)
        return 2;
    choose_unit(end, end->range[0]);
    return 1;
}

static inline void end_pass(gradient_end *end) {
    if (end->range == NULL)
        return;
    if (!end->stores) {
        choose_unit(end, end->largest);
        return;
    }
    const float remembered = GRADIENT_DECAY * end->range[0];
    end->range[0] = remembered > end->largest ? remembered : end->largest;
}

// Adds the `count` elements of skip from element `at` on.
static inline void add_skip_f32(float *p, const gradient_end *end, int at, int count) {
    const float by = end->skip_by;
    if (end->skip_bits == 8) {
        const int8_t *skip = (const int8_t *)end->skip + at;
        for (int i = 0; i < count; i++)
            p[i] += (float)skip[i] * by;
    } else if (end->skip_bits == 16) {
        const int16_t *skip = (const int16_t *)end->skip + at;
        for (int i = 0; i < count; i++)
            p[i] += (float)skip[i] * by;
    } else {
        const float *skip = (const float *)end->skip + at;
        for (int i = 0; i < count; i++)
            p[i] += skip[i] * by;
    }
}

// NaN is not remembered.
static inline float largest_size_f32(float largest, const float *p, int count) {
    for (int i = 0; i < count; i++)
        largest = fabsf(p[i]) > largest ? fabsf(p[i]) : largest;
    return largest;
}

// NaN becomes the lower bound.
static inline float within_f32(float x, float limit) {
    const float y = x < limit ? x : limit;
    return x > -limit ? y : -limit;
}

// Eight integers at once, in the instructions of a floating point unit that has minimum and
// maximum: the maximum with a number is that number where p is NaN.
static inline float store_8_i8(int8_t *y, const float *p, float by, float limit, float largest) {
#if defined(__ARM_FPV5__) && defined(__thumb2__) && defined(__OPTIMIZE__)
    uint32_t a, b;
    // clang-format off
    __asm__ volatile(
        "vldmia %[p], {s0-s7}\n"
        "vabs.f32 s8, s0\n vabs.f32 s9, s1\n vabs.f32 s10, s2\n vabs.f32 s11, s3\n"
        "vabs.f32 s12, s4\n vabs.f32 s13, s5\n vabs.f32 s14, s6\n vabs.f32 s15, s7\n"
        "vmaxnm.f32 s8, s8, s9\n vmaxnm.f32 s10, s10, s11\n"
        "vmaxnm.f32 s12, s12, s13\n vmaxnm.f32 s14, s14, s15\n"
        "vmaxnm.f32 s8, s8, s10\n vmaxnm.f32 s12, s12, s14\n"
        "vmaxnm.f32 %[largest], %[largest], s8\n vmaxnm.f32 %[largest], %[largest], s12\n"
        "vmul.f32 s0, s0, %[by]\n vmul.f32 s1, s1, %[by]\n vmul.f32 s2, s2, %[by]\n vmul.f32 s3, s3, %[by]\n"
        "vmul.f32 s4, s4, %[by]\n vmul.f32 s5, s5, %[by]\n vmul.f32 s6, s6, %[by]\n vmul.f32 s7, s7, %[by]\n"
        "vmaxnm.f32 s0, s0, %[low]\n vmaxnm.f32 s1, s1, %[low]\n"
        "vmaxnm.f32 s2, s2, %[low]\n vmaxnm.f32 s3, s3, %[low]\n"
        "vmaxnm.f32 s4, s4, %[low]\n vmaxnm.f32 s5, s5, %[low]\n"
        "vmaxnm.f32 s6, s6, %[low]\n vmaxnm.f32 s7, s7, %[low]\n"
        "vminnm.f32 s0, s0, %[high]\n vminnm.f32 s1, s1, %[high]\n"
        "vminnm.f32 s2, s2, %[high]\n vminnm.f32 s3, s3, %[high]\n"
        "vminnm.f32 s4, s4, %[high]\n vminnm.f32 s5, s5, %[high]\n"
        "vminnm.f32 s6, s6, %[high]\n vminnm.f32 s7, s7, %[high]\n"
        "vcvtr.s32.f32 s0, s0\n vcvtr.s32.f32 s1, s1\n vcvtr.s32.f32 s2, s2\n vcvtr.s32.f32 s3, s3\n"
        "vcvtr.s32.f32 s4, s4\n vcvtr.s32.f32 s5, s5\n vcvtr.s32.f32 s6, s6\n vcvtr.s32.f32 s7, s7\n"
        "vmov %[a], %[b], s0, s1\n strb %[a], [%[y]]\n strb %[b], [%[y], #1]\n"
        "vmov %[a], %[b], s2, s3\n strb %[a], [%[y], #2]\n strb %[b], [%[y], #3]\n"
        "vmov %[a], %[b], s4, s5\n strb %[a], [%[y], #4]\n strb %[b], [%[y], #5]\n"
        "vmov %[a], %[b], s6, s7\n strb %[a], [%[y], #6]\n strb %[b], [%[y], #7]\n"
        : [largest] "+&t"(largest), [a] "=&r"(a), [b] "=&r"(b)
        : [y] "r"(y), [p] "r"(p), [by] "t"(by), [low] "t"(-limit), [high] "t"(limit)
        : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15",
          "memory");
    // clang-format on
#else
    largest = largest_size_f32(largest, p, 8);
    for (int i = 0; i < 8; i++)
        y[i] = (int8_t)nearest_f32(within_f32(p[i] * by, limit));
#endif
    return largest;
}

static inline void store_gradient(const gradient_end *end, const float *p, int at, int count) {
    const float by = end->one_by_unit, limit = end->limit;
    if (end->bits == 8) {
        int8_t *y = (int8_t *)end->y + at;
        for (int i = 0; i < count; i++)
            y[i] = (int8_t)nearest_f32(within_f32(p[i] * by, limit));
    } else if (end->bits == 16) {
        int16_t *y = (int16_t *)end->y + at;
        for (int i = 0; i < count; i++)
            y[i] = (int16_t)nearest_f32(within_f32(p[i] * by, limit));
    } else {
        float *y = (float *)end->y + at;
        for (int i = 0; i < count; i++)
            y[i] = p[i];
    }
}

// Eight bits of a mask from element `at` on.
static inline unsigned mask_byte(const uint8_t *mask, int at) {
    const unsigned low = mask[at / 8];
    return at % 8 ? ((low | (unsigned)mask[at / 8 + 1] << 8) >> at % 8) & 255 : low;
}

static inline void finish_8(gradient_end *end, float *p, int at, int channel) {
    if (end->skip)
        add_skip_f32(p, end, at, 8);
    if (end->scale)
        for (int i = 0; i < 8; i++)
            p[i] *= end->scale[channel + i];
    if (end->mask) {
        const unsigned bits = mask_byte(end->mask, at);
        for (int i = 0; i < 8; i++)
            p[i] = bits >> i & 1 ? p[i] : 0.0f;
    }
    if (end->bits == 8 && end->stores) {
        end->largest =
            store_8_i8((int8_t *)end->y + at, p, end->one_by_unit, end->limit, end->largest);
        return;
    }
    if (end->range)
        end->largest = largest_size_f32(end->largest, p, 8);
    if (end->stores)
        store_gradient(end, p, at, 8);
}

static inline void finish_some(gradient_end *end, float *p, int at, int channel, int count) {
    if (end->skip)
        add_skip_f32(p, end, at, count);
    if (end->scale)
        for (int i = 0; i < count; i++)
            p[i] *= end->scale[channel + i];
    if (end->mask)
        for (int i = 0; i < count; i++)
            p[i] = get_bit(end->mask, at + i) ? p[i] : 0.0f;
    if (end->range)
        end->largest = largest_size_f32(end->largest, p, count);
    if (end->stores)
        store_gradient(end, p, at, count);
}

// Finishes `count` neighbouring channels, from element `at` of the result on: p is their sums times
// `by`.
static inline void finish_gradient(gradient_end *end, float *p, int at, int channel, int count) {
    if (count == GRADIENT_COLUMNS)
        finish_8(end, p, at, channel);
    else
        finish_some(end, p, at, channel, count);
}
