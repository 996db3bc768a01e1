#include "int8_pairs.h"
#include "quads.h"
#include "windows.h"

#include <stdint.h>
#include <string.h>

// Where the maximum of one channel is; the first of equal ones. The window begins at x.
static inline int max_pool2d_place_f32(const float *x, window_part part, int line, int channels) {
    const float *from = x, *best = x;
    float most = *x;
    for (int row = 0; row < part.rows; row++, from += line) {
        const float *end = from + part.columns * channels;
        for (const float *at = from; at < end; at += channels) {
            const float value = *at;
            if (value > most) {
                most = value;
                best = at;
            }
        }
    }
    return (int)(best - x);
}

static inline quad_f32 max_window_4_f32(const float *x, window_part part, int line, int channels) {
    quad_f32 most = load_quad_f32(x);
    for (int row = 0; row < part.rows; row++, x += line) {
        const float *end = x + part.columns * channels;
        for (const float *at = x; at < end; at += channels) {
            const quad_f32 q = load_quad_f32(at);
            most.a = q.a > most.a ? q.a : most.a;
            most.b = q.b > most.b ? q.b : most.b;
            most.c = q.c > most.c ? q.c : most.c;
            most.d = q.d > most.d ? q.d : most.d;
        }
    }
    return most;
}

static void max_pool2d_f32(float *y, const float *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += s.channels) {
        const window_part part = part_inside(&s, p);
        const float *from = x + part.begin;
        int c = 0;
        for (; c + 4 <= s.channels; c += 4)
            store_quad_f32(y + c, max_window_4_f32(from + c, part, line, s.channels));
        for (; c < s.channels; c++)
            y[c] = from[c + max_pool2d_place_f32(from + c, part, line, s.channels)];
    }
}

// g goes to the first maximum of its window.
static void max_pool2d_grad_f32(float *dx, const float *g, const float *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * line) * sizeof *dx);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const window_part part = part_inside(&s, p);
        const float *from = x + part.begin;
        float *to = dx + part.begin;
        for (int c = 0; c < s.channels; c++, from++, to++)
            to[max_pool2d_place_f32(from, part, line, s.channels)] += *g++;
    }
}

// y[c] = the larger one of y[c] and x[c].
static inline void keep_larger_i8(int8_t *y, const int8_t *x, int n) {
    int c = 0;
#if defined(__ARM_FEATURE_DSP)
    for (; c + 4 <= n; c += 4) {
        const uint32_t a = load_four_i8(y + c), b = load_four_i8(x + c);
        uint32_t larger;
        __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b) : "cc");
        memcpy(y + c, &larger, sizeof larger);
    }
#endif
    for (; c < n; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

// All channels of a pixel at a time.
static void max_pool2d_i8(int8_t *y, const int8_t *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += s.channels) {
        const window_part part = part_inside(&s, p);
        const int8_t *from = x + part.begin;
        memcpy(y, from, (unsigned)s.channels);
        for (int row = 0; row < part.rows; row++, from += line) {
            for (int column = row == 0; column < part.columns; column++)
                keep_larger_i8(y, from + column * s.channels, s.channels);
        }
    }
}

static inline int max_pool2d_place_i8(const int8_t *x, window_part part, int line, int channels) {
    const int8_t *from = x, *best = x;
    for (int row = 0; row < part.rows; row++, from += line) {
        const int8_t *end = from + part.columns * channels;
        for (const int8_t *at = from; at < end; at += channels)
            best = *at > *best ? at : best;
    }
    return (int)(best - x);
}

static void max_pool2d_grad_i8(float *dx, const float *g, const int8_t *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * line) * sizeof *dx);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const window_part part = part_inside(&s, p);
        const int8_t *from = x + part.begin;
        float *to = dx + part.begin;
        for (int c = 0; c < s.channels; c++, from++, to++)
            to[max_pool2d_place_i8(from, part, line, s.channels)] += *g++;
    }
}
