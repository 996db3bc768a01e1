// Windows that slide over the rows and columns of an image [height, width, channels].

#pragma once

static inline int at_most(int n, int limit) {
    return n < limit ? n : limit;
}

static inline int at_least(int n, int limit) {
    return n > limit ? n : limit;
}

// Sizes of a batch of images, of the window, and of the batch of results; see windows.py.
typedef struct {
    int batch, height, width, channels;
    int out_height, out_width, out_channels;
    int kernel_height, kernel_width;
    int stride_y, stride_x;
    int top, left;
    int dilation_y, dilation_x;
} window_sizes;

static inline window_sizes read_window(const int *s) {
    return (window_sizes){s[0], s[1], s[2],  s[3],  s[4],  s[5],  s[6], s[7],
                          s[8], s[9], s[10], s[11], s[12], s[13], s[14]};
}

// The taps [first, end) of a window whose first tap is at `start` that lie on an axis of `size`.

static inline int first_tap(int start, int dilation) {
    return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

static inline int end_tap(int start, int dilation, int taps, int size) {
    return start >= size ? 0 : at_most(taps, (size - 1 - start) / dilation + 1);
}

// The windows [first, end) of `count` whose tap at `offset` from their start lies on an axis of
// `size`; windows start at -before, a stride apart.

static inline int first_window(int offset, int before, int stride) {
    return at_least(before - offset + stride - 1, 0) / stride;
}

static inline int end_window(int offset, int before, int stride, int count, int size) {
    const int last = size - 1 + before - offset;
    return last < 0 ? 0 : at_most(count, last / stride + 1);
}

// The part of a window that lies on its image, for the result number p of a batch: its first
// element, its rows and its columns.
typedef struct {
    int begin, rows, columns;
} window_part;

static inline window_part part_inside(const window_sizes *s, int p) {
    const int line = p / s->out_width, image = line / s->out_height;
    const int iy = (line - image * s->out_height) * s->stride_y - s->top;
    const int ix = (p - line * s->out_width) * s->stride_x - s->left;
    const int y = at_least(iy, 0), x = at_least(ix, 0);
    return (window_part){((image * s->height + y) * s->width + x) * s->channels,
                         at_most(iy + s->kernel_height, s->height) - y,
                         at_most(ix + s->kernel_width, s->width) - x};
}
