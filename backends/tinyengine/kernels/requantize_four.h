// Four sums of one output channel at once, which is what all forward ops finish.

#pragma once

#include "inlining.h"
#include "int8_pairs.h"
#include "requantize.h"

// For the vector units of gcc and clang.
typedef int8_t __attribute__((vector_size(8))) eight_i8;
typedef int16_t __attribute__((vector_size(16))) lanes_i16;
typedef int32_t __attribute__((vector_size(16))) lanes_i32;
typedef uint32_t __attribute__((vector_size(16))) lanes_u32;
typedef float __attribute__((vector_size(16))) lanes_f32;

// sum plus both products of the pairs in each lane.
static PERHAPS inline lanes_i32 add_lane_products(lanes_i32 sum, lanes_i16 a, lanes_i16 b) {
#if defined(__SSE2__)
    return sum + __builtin_ia32_pmaddwd128(a, b);
#else
    const lanes_i32 x = (lanes_i32)a, y = (lanes_i32)b;
    return sum + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

typedef struct {
    int32_t a, b, c, d;
} quad_i32;

static MERGED lanes_i32 saturating_add_lanes(lanes_i32 sums, lanes_i32 bias) {
    const lanes_i32 wrapped = (lanes_i32)((lanes_u32)sums + (lanes_u32)bias);
    const lanes_i32 over = ((sums ^ wrapped) & (bias ^ wrapped)) >> 31;
    return (wrapped & ~over) | (((bias >> 31) ^ INT32_MAX) & over);
}

// rint(t * scale) of four channels, at least within +-beyond.
static MERGED lanes_i32 rounded_lanes(lanes_i32 t, lanes_f32 scale, float beyond) {
#if defined(__SSE2__)
    const lanes_f32 limit = {beyond, beyond, beyond, beyond};
    const lanes_f32 p = __builtin_convertvector(t, lanes_f32) * scale;
    const lanes_f32 limited = __builtin_ia32_maxps(__builtin_ia32_minps(p, limit), -limit);
    return __builtin_ia32_cvtps2dq(limited);
#else
    lanes_i32 r;
    for (int i = 0; i < 4; i++)
        r[i] = nearest_within_f32((float)t[i] * scale[i], beyond);
    return r;
#endif
}

static MERGED quad_i32 saturating_add_four(quad_i32 sums, int32_t bias) {
#if defined(__SSE2__)
    const lanes_i32 t = saturating_add_lanes((lanes_i32){sums.a, sums.b, sums.c, sums.d},
                                             (lanes_i32){bias, bias, bias, bias});
    return (quad_i32){t[0], t[1], t[2], t[3]};
#else
    return (quad_i32){saturating_add_i32(sums.a, bias), saturating_add_i32(sums.b, bias),
                      saturating_add_i32(sums.c, bias), saturating_add_i32(sums.d, bias)};
#endif
}

// The same for four sums of one channel; where no limit is needed there is none.
static MERGED quad_i32 rounded_four(quad_i32 t, float scale, float beyond) {
#if defined(__ARM_FP) && defined(__thumb2__)
    (void)beyond;
    __asm__("vmov s28, s29, %0, %1\n vmov s30, s31, %2, %3\n"
            "vcvt.f32.s32 s28, s28\n vcvt.f32.s32 s29, s29\n"
            "vcvt.f32.s32 s30, s30\n vcvt.f32.s32 s31, s31\n"
            "vmul.f32 s28, s28, %4\n vmul.f32 s29, s29, %4\n"
            "vmul.f32 s30, s30, %4\n vmul.f32 s31, s31, %4\n"
            "vcvtr.s32.f32 s28, s28\n vcvtr.s32.f32 s29, s29\n"
            "vcvtr.s32.f32 s30, s30\n vcvtr.s32.f32 s31, s31\n"
            "vmov %0, %1, s28, s29\n vmov %2, %3, s30, s31\n"
            : "+r"(t.a), "+r"(t.b), "+r"(t.c), "+r"(t.d)
            : "t"(scale)
            : "s28", "s29", "s30", "s31");
    return t;
#elif defined(__SSE2__)
    const lanes_i32 r = rounded_lanes((lanes_i32){t.a, t.b, t.c, t.d},
                                      (lanes_f32){scale, scale, scale, scale}, beyond);
    return (quad_i32){r[0], r[1], r[2], r[3]};
#else
    return (quad_i32){nearest_within_f32((float)t.a * scale, beyond),
                      nearest_within_f32((float)t.b * scale, beyond),
                      nearest_within_f32((float)t.c * scale, beyond),
                      nearest_within_f32((float)t.d * scale, beyond)};
#endif
}

// Plus a zero point what `rounded_four` gives, which only processors that saturate do not limit.
static inline int32_t add_zero(int32_t rounded, int zero) {
#if defined(__ARM_FP) && defined(__thumb2__)
    return saturating_add_i32(rounded, zero);
#else
    return rounded + zero;
#endif
}

static MERGED quad_i32 rescaled_four_i8(quad_i32 sums, int32_t bias, float scale, int zero) {
    const quad_i32 r = rounded_four(saturating_add_four(sums, bias), scale, BEYOND_I8);
    return (quad_i32){add_zero(r.a, zero), add_zero(r.b, zero), add_zero(r.c, zero),
                      add_zero(r.d, zero)};
}

// Where results go: y[at], y[at + pitch], ...
typedef struct {
    void *y;
    uint8_t *mask;
    int pitch;
} result_place;

// In any way to round, and less than four: `rows` sums of channel o.
static SEPARATE void store_some_i8(const result_place *to, int at, quad_i32 sums, int rows, int o,
                                   const requantization *q) {
    const int32_t sum[] = {sums.a, sums.b, sums.c, sums.d};
    for (int m = 0; m < rows; m++)
        store_i8(to->y, to->mask, at + m * to->pitch, requantized_i32(sum[m], o, q));
}

static SEPARATE void mark_four_i8(uint8_t *mask, int at, int pitch, quad_i32 r) {
    mark_i8(mask, at, r.a);
    mark_i8(mask, at + pitch, r.b);
    mark_i8(mask, at + 2 * pitch, r.c);
    mark_i8(mask, at + 3 * pitch, r.d);
}

// Four sums that are rounded as floats.
static MERGED void store_four_i8(int8_t *y, uint8_t *mask, int at, int pitch, quad_i32 sums,
                                 int32_t bias, float scale, int zero) {
    const quad_i32 r = rescaled_four_i8(sums, bias, scale, zero);
    int8_t *to = y + at;
    to[0] = clamp_i8(r.a);
    to[pitch] = clamp_i8(r.b);
    to[2 * pitch] = clamp_i8(r.c);
    to[3 * pitch] = clamp_i8(r.d);
    if (mask)
        mark_four_i8(mask, at, pitch, r);
}

// Sums of 64 bits: `rows` of output channel o.
static SEPARATE void store_some_i16(const result_place *to, int at, const int64_t *sums, int rows,
                                    int o, const requantization *q) {
    for (int m = 0; m < rows; m++)
        store_i16(to->y, to->mask, at + m * to->pitch,
                  rescaled_i16(sums[m] + q->bias[o], q->scale[o]), q->low, q->high);
}

static SEPARATE void mark_four_i16(uint8_t *mask, int at, int pitch, quad_i32 r,
                                   const requantization *q) {
    mark_within(mask, at, r.a, q->low, q->high);
    mark_within(mask, at + pitch, r.b, q->low, q->high);
    mark_within(mask, at + 2 * pitch, r.c, q->low, q->high);
    mark_within(mask, at + 3 * pitch, r.d, q->low, q->high);
}

// The nearest int16 of two numbers as a pair, between ends that are pairs too.
static inline uint32_t clamped_pair(int32_t a, int32_t b, uint32_t low, uint32_t high) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair, less;
    __asm__("ssat %0, #16, %2\n ssat %1, #16, %3\n pkhbt %0, %0, %1, lsl #16\n"
            "ssub16 %1, %0, %4\n sel %0, %0, %4\n"
            "ssub16 %1, %5, %0\n sel %0, %0, %5\n"
            : "=&r"(pair), "=&r"(less)
            : "r"(a), "r"(b), "r"(low), "r"(high)
            : "cc");
    return pair;
#else
    const int16_t from = (int16_t)(low & 0xffff), to = (int16_t)(high & 0xffff);
    const int first = a > to ? to : a < from ? from : a, second = b > to ? to : b < from ? from : b;
    return low_halves((uint32_t)first, (uint32_t)second);
#endif
}

// Four rounded numbers to `to` and what is so many elements further on each, between ends that are
// pairs.
static MERGED void store_four_i16(int16_t *to, int pitch, quad_i32 r, uint32_t low, uint32_t high) {
    const uint32_t first = clamped_pair(r.a, r.b, low, high);
    const uint32_t second = clamped_pair(r.c, r.d, low, high);
    int16_t *then = to + 2 * pitch;
    to[0] = (int16_t)(first & 0xffff);
    to[pitch] = (int16_t)(first >> 16);
    then[0] = (int16_t)(second & 0xffff);
    then[pitch] = (int16_t)(second >> 16);
}
