#include "int8_tiles.h"
#include "windows.h"

#include <stddef.h>

// Of a weight.
#define QCONV_PARTS 4

// Images [batch, height, width, channels], weights [out channels, taps, channels / groups], in
// parts that lie one after the other along the channels of a group.
typedef struct {
    window_sizes window;
    int groups, x_zero, depth; // channels of a group
    int parts, channels[QCONV_PARTS];
    int terms[QCONV_PARTS]; // of a sum, in each part
    const int8_t *weights[QCONV_PARTS];
} qconv_sizes;

static inline qconv_sizes read_qconv(const int *s, const int8_t *w0, const int8_t *w1,
                                     const int8_t *w2, const int8_t *w3) {
    qconv_sizes q = {.window = read_window(s), .groups = s[15], .x_zero = s[20]};
    const int8_t *weights[QCONV_PARTS] = {w0, w1, w2, w3};
    q.depth = q.window.channels / q.groups;
    for (; q.parts < QCONV_PARTS && weights[q.parts]; q.parts++) {
        q.channels[q.parts] = s[16 + q.parts];
        q.terms[q.parts] = q.window.kernel_height * q.window.kernel_width * s[16 + q.parts];
        q.weights[q.parts] = weights[q.parts];
    }
    return q;
}

// Short runs of bytes, for which a call would cost more than it does.

static inline int8_t *copy_run_i8(int8_t *to, const int8_t *from, int count) {
    for (; count >= 4; count -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
    for (; count > 0; count--)
        *to++ = *from++;
    return to;
}

static inline int8_t *fill_run_i8(int8_t *to, int value, int count) {
    for (; count > 0; count--)
        *to++ = (int8_t)value;
    return to;
}

// The window of one result as a row of bytes; what lies on padding becomes the zero point.
static inline void gather_window_i8(int8_t *row, const int8_t *image, int iy, int ix, int channels,
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
            row = fill_run_i8(row, sizes->x_zero, s->kernel_width * channels);
            continue;
        }
        const int8_t *from = image + (y * s->width + ix) * s->channels + first * step;
        row = fill_run_i8(row, sizes->x_zero, first * channels);
        if (is_dense)
            row = copy_run_i8(row, from, taps * channels);
        for (int kx = 0; kx < taps && !is_dense; kx++, from += step)
            row = copy_run_i8(row, from, channels);
        row = fill_run_i8(row, sizes->x_zero, (s->kernel_width - first - taps) * channels);
    }
}

// What a sum sees of an image, as neighbours: where it lies, if it is one pixel, else in `row`.
static inline const int8_t *window_i8(int8_t *row, const int8_t *image, int iy, int ix,
                                      int channels, const qconv_sizes *sizes) {
    const window_sizes *s = &sizes->window;
    const int is_inside = iy >= 0 && iy < s->height && ix >= 0 && ix < s->width;
    if (s->kernel_height == 1 && s->kernel_width == 1 && is_inside)
        return image + (iy * s->width + ix) * s->channels;
    gather_window_i8(row, image, iy, ix, channels, sizes);
    return row;
}

// The columns of four neighbours in a row of results of one group; where there are fewer than four,
// the last is repeated. `row` is room for one window.
static SEPARATE void qconv_columns_i8(uint32_t *columns, int8_t *row, const int8_t *image, int rows,
                                      int iy, int ix, const qconv_sizes *s) {
    for (int part = 0; part < s->parts; part++) {
        for (int m = 0; m < 4; m++) {
            const int x = ix + at_most(m, rows - 1) * s->window.stride_x;
            const int8_t *seen = window_i8(row, image, iy, x, s->channels[part], s);
            widen_column_i8(columns + m, seen, s->terms[part], s->x_zero);
        }
        columns += COLUMN_WORDS(s->terms[part]);
        image += s->channels[part];
    }
}

// Adds what the parts of the weights after the first make of channels o and `other`.
static SEPARATE void qconv_more_parts_i8(int32_t *acc, const uint32_t *columns, int o, int other,
                                         const qconv_sizes *s) {
    for (int part = 1; part < s->parts; part++) {
        const int terms = s->terms[part];
        const int8_t *w = s->weights[part];
        tile_4x2 tile;
        columns += COLUMN_WORDS(s->terms[part - 1]);
        sum_tile_4x2_i8(&tile, columns, w + o * terms, w + other * terms, terms);
        for (int i = 0; i < 8; i++)
            acc[i] += tile.acc[i];
    }
}

// Channels o and, if there are two, o + 1 in any number of pixels, parts and terms.
static SEPARATE void qconv_tile_i8(const result_place *to, int at, const uint32_t *columns,
                                   int rows, int o, int channels, const qconv_sizes *s,
                                   const requantization *q) {
    const int terms = s->terms[0];
    const int8_t *w = s->weights[0] + o * terms;
    tile_4x2 tile;
    sum_tile_4x2_i8(&tile, columns, w, channels == 2 ? w + terms : w, terms);
    if (s->parts > 1)
        qconv_more_parts_i8(tile.acc, columns, o, o + channels - 1, s);
    for (int n = 0; n < channels; n++, o++, at++) {
        const int32_t *acc = tile.acc + 4 * n;
        const quad_i32 sums = {acc[0], acc[1], acc[2], acc[3]};
        if (rows == 4 && q->rounding == ROUND_AS_FLOAT)
            store_four_i8(to->y, to->mask, at, to->pitch, sums, q->bias[o], q->scale[o], q->zero);
        else
            store_some_i8(to, at, sums, rows, o, q);
    }
}

// All channels of a group for the pixels of `columns`; `at` is the first result.
static inline void qconv_group_i8(const result_place *to, int at, const uint32_t *columns, int rows,
                                  int group, const qconv_sizes *s, const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    const int terms = s->terms[0], is_plain = rows == 4 && q->rounding == ROUND_AS_FLOAT;
    int o = group * out;
    // Behind the last weights there is nothing to read.
    const int pairs = terms % 4 && end == s->window.out_channels ? (out - 1) / 2 : out / 2;
    if (is_plain && !to->mask && s->parts == 1 && pairs > 0) {
        const int8_t *w = s->weights[0] + o * terms;
        paired_channels job = {columns,          w,
                               (terms + 3) & ~3, terms,
                               q->bias + o,      q->scale + o,
                               to->y + at + o,   to->pitch,
                               q->zero,          w + 2 * pairs * terms};
        multiply_pairs_i8(&job);
        o += 2 * pairs;
    }
    for (; o < end; o += 2)
        qconv_tile_i8(to, at + o, columns, rows, o, at_most(end - o, 2), s, q);
}

// working: COLUMN_WORDS of the terms of each part, then the bytes of a window.
static void qconv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                       const int8_t *w1, const int8_t *w2, const int8_t *w3, const int32_t *bias,
                       const float *scale, const int32_t *multiplier, const int *sizes,
                       void *working) {
    const qconv_sizes s = read_qconv(sizes, w0, w1, w2, w3);
    const requantization q = {bias, scale, multiplier, sizes[21], sizes[22]};
    const window_sizes *w = &s.window;
    const result_place to = {y, mask, w->out_channels};
    uint32_t *columns = working;
    int column_words = 0;
    for (int part = 0; part < s.parts; part++)
        column_words += COLUMN_WORDS(s.terms[part]);
    int8_t *row = (int8_t *)(columns + column_words);
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->out_channels);
    for (int i = 0; i < w->batch * w->out_height; i++) {
        const int8_t *image = x + i / w->out_height * w->height * w->width * w->channels;
        const int iy = i % w->out_height * w->stride_y - w->top;
        for (int ox = 0; ox < w->out_width; ox += 4) {
            const int rows = at_most(w->out_width - ox, 4);
            const int at = (i * w->out_width + ox) * w->out_channels;
            for (int group = 0; group < s.groups; group++) {
                qconv_columns_i8(columns, row, image + group * s.depth, rows, iy,
                                 ox * w->stride_x - w->left, &s);
                qconv_group_i8(&to, at, columns, rows, group, &s, &q);
            }
        }
    }
}
