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

// The window of one result as a row of bytes; what lies on padding becomes the zero point.
static inline void gather_window_i8(int8_t *row, const int8_t *image, int iy, int ix, int channels,
                                    const qconv_sizes *sizes) {
    const window_sizes *s = &sizes->window;
    for (int ky = 0; ky < s->kernel_height; ky++) {
        const int y = iy + ky * s->dilation_y;
        for (int kx = 0; kx < s->kernel_width; kx++, row += channels) {
            const int x = ix + kx * s->dilation_x;
            if (y >= 0 && y < s->height && x >= 0 && x < s->width)
                memcpy(row, image + (y * s->width + x) * s->channels, (unsigned)channels);
            else
                memset(row, sizes->x_zero, (unsigned)channels);
        }
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
static inline void qconv_columns_i8(uint32_t *columns, int8_t *row, const int8_t *image, int rows,
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

// All channels of a group for the pixels of `columns`; `at` is the first result.
static inline void qconv_group_i8(int8_t *y, uint8_t *mask, int at, const uint32_t *columns,
                                  int rows, int group, const qconv_sizes *s,
                                  const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        const uint32_t *x = columns;
        tile_4x2 tile = {.acc = {0}};
        for (int part = 0; part < s->parts; part++) {
            const int terms = s->terms[part];
            const int8_t *w = s->weights[part] + o * terms;
            add_tile_4x2_i8(&tile, x, w, channels == 2 ? w + terms : w, terms);
            x += COLUMN_WORDS(terms);
        }
        for (int n = 0; n < channels; n++)
            store_four_i8(y, mask, at + o + n, s->window.out_channels, tile.acc + 4 * n, rows,
                          o + n, q);
    }
}

// working: COLUMN_WORDS of the terms of each part, then the bytes of a window.
static void qconv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                       const int8_t *w1, const int8_t *w2, const int8_t *w3, const int32_t *bias,
                       const float *scale, const int32_t *multiplier, const int *sizes,
                       void *working) {
    const qconv_sizes s = read_qconv(sizes, w0, w1, w2, w3);
    const requantization q = {bias, scale, multiplier, sizes[21], sizes[22]};
    const window_sizes *w = &s.window;
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
                qconv_group_i8(y, mask, at, columns, rows, group, &s, &q);
            }
        }
    }
}
