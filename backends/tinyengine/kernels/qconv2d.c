#include "int8_tiles.h"
#include "windows.h"

#include <stddef.h>

// Images [batch, height, width, channels], weights [out channels, taps, channels / groups], in one
// or two parts that lie one after the other along the channels of a group.
typedef struct {
    window_sizes window;
    int groups, split; // channels of the first part
    int x_zero;
} qconv_sizes;

// Where a part begins among the channels of a group, and how many it has.
typedef struct {
    int begin, channels;
} channel_part;

static inline qconv_sizes read_qconv(const int *s) {
    return (qconv_sizes){read_window(s), s[15], s[16], s[17]};
}

static inline channel_part qconv_part(const qconv_sizes *s, int part) {
    const int depth = s->window.channels / s->groups;
    return part ? (channel_part){s->split, depth - s->split} : (channel_part){0, s->split};
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

// The columns of four neighbours in a row of results of one group; where there are fewer than four,
// the last is repeated. `row` is room for one window.
static inline void qconv_columns_i8(uint32_t *columns, int8_t *row, const int8_t *image, int rows,
                                    int iy, int ix, const qconv_sizes *s) {
    const int taps = s->window.kernel_height * s->window.kernel_width;
    for (int part = 0; part < 2; part++) {
        const channel_part c = qconv_part(s, part);
        for (int m = 0; m < 4 && c.channels; m++) {
            const int x = ix + at_most(m, rows - 1) * s->window.stride_x;
            gather_window_i8(row, image + c.begin, iy, x, c.channels, s);
            widen_column_i8(columns + m, row, taps * c.channels, s->x_zero);
        }
        columns += COLUMN_WORDS(taps * c.channels);
    }
}

// All channels of a group for the pixels of `columns`; `at` is the first result.
static inline void qconv_group_i8(int8_t *y, uint8_t *mask, int at, const uint32_t *columns,
                                  const int8_t *w0, const int8_t *w1, int rows, int group,
                                  const qconv_sizes *s, const requantization *q) {
    const int taps = s->window.kernel_height * s->window.kernel_width;
    const int out = s->window.out_channels / s->groups;
    const int terms0 = taps * s->split, terms1 = taps * qconv_part(s, 1).channels;
    for (int o = group * out; o < (group + 1) * out; o += 2) {
        const int channels = at_most((group + 1) * out - o, 2);
        int32_t acc[8] = {0};
        tile_4x2_i8(acc, columns, w0 + o * terms0, w0 + (o + channels - 1) * terms0, terms0);
        if (terms1)
            tile_4x2_i8(acc, columns + COLUMN_WORDS(terms0), w1 + o * terms1,
                        w1 + (o + channels - 1) * terms1, terms1);
        finish_tile_i8(y, mask, at + o, s->window.out_channels, acc, rows, channels, o, q);
    }
}

// working: COLUMN_WORDS of the terms of each part, then the bytes of a window.
static void qconv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                       const int8_t *w1, const int32_t *bias, const float *scale,
                       const int32_t *multiplier, const int *sizes, void *working) {
    const qconv_sizes s = read_qconv(sizes);
    const requantization q = {bias, scale, multiplier, sizes[18], sizes[19]};
    const window_sizes *w = &s.window;
    const int taps = w->kernel_height * w->kernel_width, depth = w->channels / s.groups;
    uint32_t *columns = working;
    int8_t *row =
        (int8_t *)(columns + COLUMN_WORDS(taps * s.split) + COLUMN_WORDS(taps * (depth - s.split)));
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->out_channels);
    for (int i = 0; i < w->batch * w->out_height; i++) {
        const int8_t *image = x + i / w->out_height * w->height * w->width * w->channels;
        const int iy = i % w->out_height * w->stride_y - w->top;
        for (int ox = 0; ox < w->out_width; ox += 4) {
            const int rows = at_most(w->out_width - ox, 4);
            const int at = (i * w->out_width + ox) * w->out_channels;
            for (int group = 0; group < s.groups; group++) {
                qconv_columns_i8(columns, row, image + group * depth, rows, iy,
                                 ox * w->stride_x - w->left, &s);
                qconv_group_i8(y, mask, at, columns, w0, w1, rows, group, &s, &q);
            }
        }
    }
}
