#include "int8_pairs.h"
#include "integers.h"
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

// y[c] = the larger one of y[c] and x[c], for n integers.
static MERGED void keep_larger(void *y, const void *x, int bits, int n) {
    int c = 0;
#if defined(__ARM_FEATURE_DSP)
    for (const int words = 32 / bits; c + words <= n; c += words) {
        void *to = (int8_t *)y + c * bits / 8;
        const uint32_t a = load_four_i8(to), b = load_four_i8((const int8_t *)x + c * bits / 8);
        uint32_t larger;
        if (bits == 8)
            __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b) : "cc");
        else
            __asm__("ssub16 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b) : "cc");
        memcpy(to, &larger, sizeof larger);
    }
#endif
    for (; c < n; c++) {
        const int a = integer_at(y, bits, c), b = integer_at(x, bits, c);
        set_integer(y, bits, c, b > a ? b : a);
    }
}

// All channels of a pixel at a time.
static MERGED void max_pool2d_integers(int8_t *y, const int8_t *x, int bits, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int bytes = bits / 8, pixel = s.channels * bytes, line = s.width * pixel;
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += pixel) {
        const window_part part = part_inside(&s, p);
        const int8_t *from = x + part.begin * bytes;
        memcpy(y, from, (unsigned)pixel);
        for (int row = 0; row < part.rows; row++, from += line) {
            for (int column = row == 0; column < part.columns; column++)
                keep_larger(y, from + column * pixel, bits, s.channels);
        }
    }
}

static void max_pool2d_i8(int8_t *y, const int8_t *x, const int *sizes) {
    max_pool2d_integers(y, x, 8, sizes);
}

static void max_pool2d_i16(int16_t *y, const int16_t *x, const int *sizes) {
    max_pool2d_integers((int8_t *)y, (const int8_t *)x, 16, sizes);
}

// Where the first maximum of the channel of element `begin` is.
static MERGED int max_pool2d_place(const void *x, int bits, int begin, window_part part, int line,
                                   int channels) {
    int best = begin, most = integer_at(x, bits, begin);
    for (int row = 0; row < part.rows; row++, begin += line)
        for (int column = 0, at = begin; column < part.columns; column++, at += channels) {
            const int value = integer_at(x, bits, at);
            if (value > most) {
                most = value;
                best = at;
            }
        }
    return best;
}

// g of 32 bits holds floats, which are summed where windows overlap; integers go where no other one
// does.
static void max_pool2d_grad_integers(void *dx, const void *g, int g_bits, const void *x, int bits,
                                     const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * line * g_bits / 8));
    for (int p = 0, i = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const window_part part = part_inside(&s, p);
        for (int c = 0; c < s.channels; c++, i++) {
            const int at = max_pool2d_place(x, bits, part.begin + c, part, line, s.channels);
            if (g_bits == 32)
                ((float *)dx)[at] += ((const float *)g)[i];
            else
                set_integer(dx, g_bits, at, integer_at(g, g_bits, i));
        }
    }
}
