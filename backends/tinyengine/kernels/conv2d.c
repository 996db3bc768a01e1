#include "products.h"

#include <stddef.h>

// Images [batch, height, width, channels], weights [out channels, taps, channels / groups].

// Adds to a tile of results, which are `rows` neighbours at (oy, ox) of a row of an image and some
// output channels, what one tap contributes. The results whose window has this tap on padding get
// nothing.
static inline void conv2d_tap_f32(float *acc, int rows, int columns, const float *image,
                                  const float *tap, int weights, int depth, int ix, int pitch,
                                  const window_sizes *s) {
    const int first = ix >= 0 ? 0 : (s->stride_x - 1 - ix) / s->stride_x;
    const int end = ix >= s->width ? 0 : at_most(rows, (s->width - 1 - ix) / s->stride_x + 1);
    if (first < end)
        nt_tile_f32(acc + 4 * first, acc + 4 * first, end - first, columns,
                    image + ix * s->channels + first * pitch, pitch, tap, weights, depth);
}

// A tile of results: `image` is the first channel of the group in the first row of the image.
static inline void conv2d_tile_f32(float *acc, int rows, int columns, const float *image,
                                   const float *w, int depth, int iy, int ix,
                                   const window_sizes *s) {
    const int pitch = s->stride_x * s->channels, line = s->width * s->channels;
    const int weights = s->kernel_height * s->kernel_width * depth;
    const int last = ix + (rows - 1) * s->stride_x + s->kernel_width - 1;
    // Then the taps of a row lie one after the other, both in the image and in the weights.
    const int whole = ix >= 0 && last < s->width && s->dilation_x == 1 && depth == s->channels;
    const int end = end_tap(iy, s->dilation_y, s->kernel_height, s->height);
    for (int ky = first_tap(iy, s->dilation_y); ky < end; ky++) {
        const float *from = image + (iy + ky * s->dilation_y) * line;
        const float *taps = w + ky * s->kernel_width * depth;
        if (whole) {
            nt_tile_f32(acc, acc, rows, columns, from + ix * depth, pitch, taps, weights,
                        s->kernel_width * depth);
            continue;
        }
        for (int kx = 0; kx < s->kernel_width; kx++)
            conv2d_tap_f32(acc, rows, columns, from, taps + kx * depth, weights, depth,
                           ix + kx * s->dilation_x, pitch, s);
    }
}

static void conv2d_f32(float *y, const float *x, const float *w, const float *bias,
                       const int *sizes, int groups, float lo, float hi) {
    const window_sizes s = read_window(sizes);
    const int depth = s.channels / groups, out = s.out_channels / groups;
    const int weights = s.kernel_height * s.kernel_width * depth;
    float acc[16];
    for (int i = 0; i < s.batch * s.out_height; i++) {
        const int oy = i % s.out_height;
        const float *image = x + i / s.out_height * s.height * s.width * s.channels;
        for (int ox = 0; ox < s.out_width; ox += 4) {
            float *pixel = y + (i * s.out_width + ox) * s.out_channels;
            const int rows = at_most(s.out_width - ox, 4);
            const int iy = oy * s.stride_y - s.top, ix = ox * s.stride_x - s.left;
            for (int o = 0; o < s.out_channels;) {
                const int group = o / out, columns = at_most((group + 1) * out - o, 4);
                begin_tile_f32(acc, bias ? bias + o : NULL, columns);
                conv2d_tile_f32(acc, rows, columns, image + group * depth, w + o * weights, depth,
                                iy, ix, &s);
                clamp_tile_f32(acc, rows, columns, lo, hi);
                store_tile_f32(pixel + o, s.out_channels, acc, rows, columns);
                o += columns;
            }
        }
    }
}

static void conv2d_pointwise_f32(float *y, const float *x, const float *w, const float *bias,
                                 int pixels, int channels, int out, float lo, float hi) {
    matmul_nt_f32(y, x, w, bias, pixels, out, channels, lo, hi);
}

// Adds to a tile of `rows` pixels of an image, a stride apart from column ix on, what one row of
// taps brings back from a row of g.
static inline void conv2d_input_row_f32(float *acc, int rows, int columns, const float *g,
                                        const float *taps, int depth, int channels, int ix,
                                        const window_sizes *s) {
    const int weights = s->kernel_height * s->kernel_width * channels;
    for (int kx = 0; kx < s->kernel_width; kx++) {
        const int from = ix + s->left - kx * s->dilation_x, ox = from / s->stride_x;
        if (from % s->stride_x)
            continue;
        const int first = at_least(-ox, 0), end = at_most(rows, s->out_width - ox);
        if (first < end)
            nn_tile_f32(acc + 4 * first, acc + 4 * first, end - first, columns,
                        g + (ox + first) * s->out_channels, s->out_channels, taps + kx * channels,
                        weights, depth);
    }
}

// dx, for `rows` pixels of row iy, and some channels of a group.
static inline void conv2d_input_tile_f32(float *acc, int rows, int columns, const float *g,
                                         const float *w, int depth, int channels, int iy, int ix,
                                         const window_sizes *s) {
    for (int ky = 0; ky < s->kernel_height; ky++) {
        const int from = iy + s->top - ky * s->dilation_y, oy = from / s->stride_y;
        if (from >= 0 && from % s->stride_y == 0 && oy < s->out_height)
            conv2d_input_row_f32(acc, rows, columns, g + oy * s->out_width * s->out_channels,
                                 w + ky * s->kernel_width * channels, depth, channels, ix, s);
    }
}

// dx[iy, ix] = sum over the windows that see the pixel, of g times the weight of the tap there.
static void conv2d_input_grad_f32(float *dx, const float *g, const float *w, const int *sizes,
                                  int groups) {
    const window_sizes s = read_window(sizes);
    const int channels = s.channels / groups, depth = s.out_channels / groups;
    const int group_weights = depth * s.kernel_height * s.kernel_width * channels;
    float acc[16];
    for (int i = 0; i < s.batch * s.height; i++) {
        const float *image = g + i / s.height * s.out_height * s.out_width * s.out_channels;
        float *line = dx + i * s.width * s.channels;
        // Pixels a stride apart meet the same taps.
        for (int phase = 0; phase < at_most(s.stride_x, s.width); phase++) {
            for (int ix = phase; ix < s.width; ix += 4 * s.stride_x) {
                const int rows = at_most((s.width - 1 - ix) / s.stride_x + 1, 4);
                for (int c = 0; c < s.channels;) {
                    const int group = c / channels;
                    const int columns = at_most((group + 1) * channels - c, 4);
                    begin_tile_f32(acc, NULL, columns);
                    conv2d_input_tile_f32(acc, rows, columns, image + group * depth,
                                          w + group * group_weights + (c - group * channels), depth,
                                          channels, i % s.height, ix, &s);
                    store_tile_f32(line + ix * s.channels + c, s.stride_x * s.channels, acc, rows,
                                   columns);
                    c += columns;
                }
            }
        }
    }
}

static void conv2d_pointwise_input_grad_f32(float *dx, const float *g, const float *w, int pixels,
                                            int channels, int out) {
    matmul_nn_f32(dx, g, w, pixels, channels, out);
}

// One tap, at (y, x) from the first, of dw for some output and input channels: g and image are the
// first of these.
static inline void conv2d_weight_tile_f32(float *acc, int rows, int columns, const float *g,
                                          const float *image, int y, int x, const window_sizes *s) {
    const int oy = first_window(y, s->top, s->stride_y), ox = first_window(x, s->left, s->stride_x);
    const int walks = end_window(y, s->top, s->stride_y, s->out_height, s->height) - oy;
    const int count = end_window(x, s->left, s->stride_x, s->out_width, s->width) - ox;
    const walk_steps g_step = {s->out_width * s->out_channels, s->out_channels};
    const walk_steps x_step = {s->stride_y * s->width * s->channels, s->stride_x * s->channels};
    g += (oy * s->out_width + ox) * s->out_channels;
    image +=
        ((oy * s->stride_y + y - s->top) * s->width + ox * s->stride_x + x - s->left) * s->channels;
    const float *start = zero_tile_f32;
    for (int n = 0; n < s->batch; n++, start = acc)
        tn_tile_f32(acc, start, rows, columns, g + n * s->out_height * g_step.row, g_step,
                    image + n * s->height * s->width * s->channels, x_step, walks, count);
}

// dw[o, ky, kx, c] = sum of g[o] times the x[c] that the tap sees.
static void conv2d_weight_grad_f32(float *dw, const float *x, const float *g, const int *sizes,
                                   int groups) {
    const window_sizes s = read_window(sizes);
    const int channels = s.channels / groups, out = s.out_channels / groups;
    const int taps = s.kernel_height * s.kernel_width;
    float acc[16];
    for (int o = 0; o < s.out_channels;) {
        const int group = o / out, rows = at_most((group + 1) * out - o, 4);
        for (int k = 0; k < taps; k++) {
            for (int c = 0; c < channels; c += 4) {
                const int columns = at_most(channels - c, 4);
                conv2d_weight_tile_f32(acc, rows, columns, g + o, x + group * channels + c,
                                       k / s.kernel_width * s.dilation_y,
                                       k % s.kernel_width * s.dilation_x, &s);
                store_tile_f32(dw + (o * taps + k) * channels + c, taps * channels, acc, rows,
                               columns);
            }
        }
        o += rows;
    }
}

static void conv2d_pointwise_weight_grad_f32(float *dw, const float *x, const float *g, int pixels,
                                             int channels, int out) {
    matmul_tn_f32(dw, g, x, out, channels, pixels);
}
