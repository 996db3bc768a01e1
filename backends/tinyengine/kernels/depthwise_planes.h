// Depthwise convolution four channels at a time, for processors that multiply pairs of int16
// (SMLAD). The rows under the window go into planes of int16, one a channel, where neighbours make
// pairs; they stay there while the window moves down. Windows move by 1 or 2 columns.

#pragma once

#include "int8_pairs.h"
#include "requantize_four.h"
#include "windows.h"

// The most pairs of taps in a row of a window, and the most rows.
#define PLANAR_PAIRS 4
#define PLANAR_ROWS 7

typedef struct {
    window_sizes window;
    int x_zero;
    int split; // channels of the first part of the weights
    int pitch; // words of a row of a plane
    int pairs; // words of taps in a row of the window: with a stride of 1 there are two kinds
    const int8_t *weights[2];
} planar_sizes;

// Up to four channels.
static inline uint32_t load_channels_i8(const int8_t *x, int count) {
    return count == 4 ? load_four_i8(x) : load_some_i8(x, count);
}

// Of four channels 0 and 2, then 1 and 3.
typedef struct {
    uint32_t even, odd;
} wide_four;

static inline wide_four widened_i8(uint32_t four) {
    return (wide_four){even_pair_i8(four), odd_pair_i8(four)};
}

// From two neighbours of four channels each the pair of every channel.
static inline void spread_pairs(uint32_t *to, int step, wide_four first, wide_four second) {
    to[0] = low_halves(first.even, second.even);
    to[step] = low_halves(first.odd, second.odd);
    to[2 * step] = high_halves(first.even, second.even);
    to[3 * step] = high_halves(first.odd, second.odd);
}

// Weights of `count` channels from c on, of one tap; none outside of the row.
static inline uint32_t planar_tap(int c, int count, int ky, int kx, const planar_sizes *s) {
    if (kx >= s->window.kernel_width)
        return 0;
    const int tap = ky * s->window.kernel_width + kx, first = at_most(count, s->split - c);
    const int8_t *w0 = s->weights[0] + tap * s->split;
    if (first == count)
        return load_channels_i8(w0 + c, count);
    const int8_t *w1 = s->weights[1] + tap * (s->window.channels - s->split);
    if (first <= 0)
        return load_channels_i8(w1 + c - s->split, count);
    return load_some_i8(w0 + c, first) | load_some_i8(w1, count - first) << 8 * first;
}

// The pairs of taps of four channels, row by row: (0, 1), (2, 3), ..., and with a stride of 1, for
// windows that start within a pair of pixels, after each of them (-1, 0), (1, 2), ...
static SEPARATE void planar_taps(uint32_t *taps, int c, int count, const planar_sizes *s) {
    const int kinds = s->window.stride_x == 1 ? 2 : 1;
    const int step = s->window.kernel_height * kinds * s->pairs;
    for (int ky = 0; ky < s->window.kernel_height; ky++) {
        wide_four last = {0, 0};
        for (int kx = 0; kx < 2 * s->pairs; kx += 2, taps += kinds) {
            const wide_four first = widened_i8(planar_tap(c, count, ky, kx, s));
            const wide_four second = widened_i8(planar_tap(c, count, ky, kx + 1, s));
            spread_pairs(taps, step, first, second);
            if (kinds == 2)
                spread_pairs(taps + 1, step, last, first);
            last = second;
        }
    }
}

// Adds up from `start` for four neighbours in a row of results. With a stride of 1 the second of
// two begins within a pair of pixels: for it there are the other taps.
static MERGED quad_i32 planar_sums(const uint32_t *const *rows, int at, const uint32_t *taps,
                                   int32_t start, int count, int stride, int pairs) {
    quad_i32 sum = {start, start, start, start};
    for (const uint32_t *const *end = rows + count; rows < end;) {
        const uint32_t *x = *rows++ + at;
        for (int j = 0; j < pairs; j++, x++) {
            const uint32_t even = *taps++, odd = stride == 1 ? *taps++ : even;
            sum.a = add_products(sum.a, x[0], even);
            sum.b = add_products(sum.b, x[stride - 1], odd);
            sum.c = add_products(sum.c, x[stride], even);
            sum.d = add_products(sum.d, x[2 * stride - 1], odd);
        }
    }
    return sum;
}

// What one row of results is made of: the rows under the windows and their number, the taps of the
// first of them, and where the first result of the first channel goes.
typedef struct {
    const uint32_t *rows[PLANAR_ROWS];
    int count;
    const uint32_t *taps;
    result_place to;
    int at;
} planar_line;

// What `planar_channels`, a function like `planar_channels_i8`, does, with the constants that there
// are.
#define PLANAR_LINE(planar_channels, line, c, count, s, q) \
    switch (4 * (s)->window.stride_x + (s)->pairs) {       \
    case 4 + 2:                                            \
        planar_channels(line, c, count, s, q, 1, 2);       \
        break;                                             \
    case 4 + 3:                                            \
        planar_channels(line, c, count, s, q, 1, 3);       \
        break;                                             \
    case 4 + 4:                                            \
        planar_channels(line, c, count, s, q, 1, 4);       \
        break;                                             \
    case 8 + 2:                                            \
        planar_channels(line, c, count, s, q, 2, 2);       \
        break;                                             \
    case 8 + 3:                                            \
        planar_channels(line, c, count, s, q, 2, 3);       \
        break;                                             \
    default:                                               \
        planar_channels(line, c, count, s, q, 2, 4);       \
    }

// How `count` channels of a row of the image go into planes, how a row of results is made, and the
// bytes of an element.
typedef struct {
    void (*row)(uint32_t *to, const void *line, int count, const planar_sizes *s);
    void (*line)(const planar_line *line, int c, int count, const planar_sizes *s,
                 const requantization *q);
    int bytes;
} planar_steps;

// The results of one image, `count` channels from c on, as line->at grows. Each row of the image
// goes once into the planes, where that of kernel_height rows ago was.
static MERGED void planar_image(planar_line *line, const int8_t *image, int c, int count,
                                const uint32_t *taps, uint32_t *planes, const planar_sizes *sizes,
                                const requantization *q, planar_steps steps) {
    const window_sizes *s = &sizes->window;
    const int height = s->kernel_height, slot = 4 * sizes->pitch;
    const int row = (s->stride_x == 1 ? 2 : 1) * sizes->pairs;
    int next = 0;
    for (int oy = 0; oy < s->out_height; oy++, line->at += s->out_width * s->channels) {
        const int iy = oy * s->stride_y - s->top;
        const int first = first_tap(iy, 1), end = end_tap(iy, 1, height, s->height);
        for (next = at_least(next, iy + first); next < iy + end; next++)
            steps.row(planes + next % height * slot,
                      image + (next * s->width * s->channels + c) * steps.bytes, count, sizes);
        line->count = at_least(end - first, 0);
        line->taps = taps + first * row;
        for (int ky = first; ky < end; ky++)
            line->rows[ky - first] = planes + (iy + ky) % height * slot;
        steps.line(line, c, count, sizes, q);
    }
}

// working: taps of four channels, then planes for the rows of a window.
static MERGED void qdepthwise_planar(void *y, uint8_t *mask, const void *x, const planar_sizes *s,
                                     const requantization *q, planar_steps steps, void *working) {
    const window_sizes *w = &s->window;
    uint32_t *taps = working;
    uint32_t *planes = taps + 8 * w->kernel_height * s->pairs;
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->channels);
    for (int c = 0; c < w->channels; c += 4) {
        const int count = at_most(w->channels - c, 4);
        planar_line line = {.to = {y, mask, w->channels}};
        planar_taps(taps, c, count, s);
        for (int n = 0; n < w->batch; n++)
            planar_image(&line,
                         (const int8_t *)x + n * w->height * w->width * w->channels * steps.bytes,
                         c, count, taps, planes, s, q, steps);
    }
}
