// What convolutions of int8 and of int16 share: the windows of an image as rows of bytes, the
// weights of two channels, and the walk over all results.

#pragma once

#include "int8_tiles.h"
#include "windows.h"

#include <stddef.h>

// Of a weight.
#define QCONV_PARTS 4

// Results that share the weights of two channels once these are widened.
#define QCONV_ROWS 16

// Images [batch, height, width, channels], weights [out channels, taps, channels / groups], in
// parts that lie one after the other along the channels of a group. Channels of the images are
// counted in bytes.
typedef struct {
    window_sizes window;
    int groups, x_zero, depth; // channels of a group
    int parts, channels[QCONV_PARTS];
    int terms[QCONV_PARTS]; // of a sum, in each part
    int fours;              // of terms, in all
    const int8_t *weights[QCONV_PARTS];
} qconv_sizes;

// Of images with so many bytes an element.
static inline qconv_sizes read_qconv(const int *s, int bytes, const int8_t *w0, const int8_t *w1,
                                     const int8_t *w2, const int8_t *w3) {
    qconv_sizes q = {.window = read_window(s), .groups = s[15], .x_zero = s[20]};
    const int8_t *weights[QCONV_PARTS] = {w0, w1, w2, w3};
    q.window.channels *= bytes;
    q.depth = q.window.channels / q.groups;
    for (; q.parts < QCONV_PARTS && weights[q.parts]; q.parts++) {
        q.channels[q.parts] = bytes * s[16 + q.parts];
        q.terms[q.parts] = q.window.kernel_height * q.window.kernel_width * s[16 + q.parts];
        q.weights[q.parts] = weights[q.parts];
        q.fours += FOURS(q.terms[q.parts]);
    }
    return q;
}

// Short runs, for which a call would cost more than it does.

static inline int8_t *copy_run(int8_t *to, const int8_t *from, int count) {
    for (; count >= 4; count -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
    for (; count > 0; count--)
        *to++ = *from++;
    return to;
}

static inline int8_t *fill_run(int8_t *to, int value, int count) {
    for (; count > 0; count--)
        *to++ = (int8_t)value;
    return to;
}

// The window of one result as a row of bytes; what lies on padding becomes the zero point,
// whose bytes are equal.
static SEPARATE void gather_window(int8_t *row, const int8_t *image, int iy, int ix, int channels,
                                   const qconv_sizes *sizes) {
    const window_sizes *s = &sizes->window;
    const int first = first_tap(ix, s->dilation_x);
    const int taps = end_tap(ix, s->dilation_x, s->kernel_width, s->width) - first;
    // Then the taps of a row are neighbours.
    const int is_dense = s->dilation_x == 1 && channels == s->channels;
    const int step = s->dilation_x * s->channels;
    for (int ky = 0; ky < s->kernel_height; ky++) {
        const int y = iy + ky * s->dilation_y;
        if (y < 0 || y >= s->height || taps <= 0) {
            row = fill_run(row, sizes->x_zero, s->kernel_width * channels);
            continue;
        }
        const int8_t *from = image + (y * s->width + ix) * s->channels + first * step;
        row = fill_run(row, sizes->x_zero, first * channels);
        if (is_dense)
            row = copy_run(row, from, taps * channels);
        for (int kx = 0; kx < taps && !is_dense; kx++, from += step)
            row = copy_run(row, from, channels);
        row = fill_run(row, sizes->x_zero, (s->kernel_width - first - taps) * channels);
    }
}

// What a sum sees of an image, as neighbours: where it lies, if it is one pixel, else in `row`.
static inline const int8_t *window_bytes(int8_t *row, const int8_t *image, int iy, int ix,
                                         int channels, const qconv_sizes *sizes) {
    const window_sizes *s = &sizes->window;
    const int is_inside = iy >= 0 && iy < s->height && ix >= 0 && ix < s->width;
    if (s->kernel_height == 1 && s->kernel_width == 1 && is_inside)
        return image + (iy * s->width + ix) * s->channels;
    gather_window(row, image, iy, ix, channels, sizes);
    return row;
}

// Widened weights of channels o and, if there are two, o + 1; the first stands in for the second.
static inline widened_pair qconv_pair(uint32_t *weights, int o, int channels, const qconv_sizes *s,
                                      const requantization *q) {
    const int other = o + channels - 1;
    uint32_t *end = weights;
    for (int part = 0; part < s->parts; part++) {
        const int terms = s->terms[part];
        const int8_t *w = s->weights[part];
        end = widen_weights_i8(end, w + o * terms, w + other * terms, terms);
    }
    return (widened_pair){.weights = weights,
                          .end = end,
                          .pitch = s->window.out_channels,
                          .zero = q->zero,
                          .bias = {q->bias[o], q->bias[other]},
                          .scale = {q->scale[o], q->scale[other]}};
}

// How the columns of one result, or of some neighbours in a row, of one group are made, and how
// from these all channels of the group are, for some and for one.
typedef struct {
    void (*columns)(uint32_t *columns, int8_t *row, const int8_t *image, int rows, int iy, int ix,
                    const qconv_sizes *s);
    void (*group)(const result_place *to, int at, const uint32_t *columns, uint32_t *weights,
                  int rows, int group, const qconv_sizes *s, const requantization *q);
    void (*one)(const result_place *to, int at, const uint32_t *column, int group,
                const qconv_sizes *s, const requantization *q);
} qconv_steps;

// Results that would be alone in a tile, or less than four in a row, are made one by one. working:
// columns of up to QCONV_ROWS results and weights of two channels, or of rows of less than four
// results one column; the bytes of a window.
static MERGED void qconv2d(void *y, uint8_t *mask, const void *x, const qconv_sizes *s,
                           const requantization *q, qconv_steps steps, void *working) {
    const window_sizes *w = &s->window;
    const result_place to = {y, mask, w->out_channels};
    const int fours = FOURS(at_most(w->out_width, QCONV_ROWS));
    uint32_t *columns = working;
    uint32_t *weights = columns + fours * COLUMN_WORDS * s->fours;
    int8_t *row =
        (int8_t *)(w->out_width < 4 ? columns + 2 * s->fours : weights + WEIGHT_WORDS * s->fours);
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->out_channels);
    for (int i = 0; i < w->batch * w->out_height; i++) {
        const int8_t *image =
            (const int8_t *)x + i / w->out_height * w->height * w->width * w->channels;
        const int iy = i % w->out_height * w->stride_y - w->top;
        for (int ox = 0, rows; ox < w->out_width; ox += rows) {
            const int left = w->out_width - ox;
            rows = left < 4 ? 1 : at_most(left - (left % 4 == 1), QCONV_ROWS);
            const int at = (i * w->out_width + ox) * w->out_channels;
            for (int group = 0; group < s->groups; group++) {
                steps.columns(columns, row, image + group * s->depth, rows, iy,
                              ox * w->stride_x - w->left, s);
                if (rows == 1)
                    steps.one(&to, at, columns, group, s, q);
                else
                    steps.group(&to, at, columns, weights, rows, group, s, q);
            }
        }
    }
}
