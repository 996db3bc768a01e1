#include "channels.h"
#include "windows.h"

#include <stddef.h>

// Images [batch, height, width, channels], weights [taps, out channels]; output channel
// c * multiplier + j reads channel c. With a multiplier above 1 each channel is a block of its own.

static inline int depthwise_block(int multiplier, int left) {
    return multiplier == 1 ? channel_block(left) : 1;
}

// The windows of one row of results: `line` is the row of the image under tap 0, which may be
// outside; ky and rows are the taps that are inside.
static inline void depthwise_row_f32(float *y, const float *line, const float *w, const float *bias,
                                     int ky, int rows, float lo, float hi, const window_sizes *s) {
    const int multiplier = s->out_channels / s->channels;
    const walk_steps x_step = {s->dilation_y * s->width * s->channels, s->dilation_x * s->channels};
    const walk_steps w_step = {s->kernel_width * s->out_channels, s->out_channels};
    line += ky * x_step.row;
    w += ky * w_step.row;
    for (int ox = 0; ox < s->out_width; ox++, y += s->out_channels) {
        const int ix = ox * s->stride_x - s->left, kx = first_tap(ix, s->dilation_x);
        const int taps = end_tap(ix, s->dilation_x, s->kernel_width, s->width) - kx;
        const float *from = line + ix * s->channels + kx * x_step.term,
                    *with = w + kx * w_step.term;
        for (int o = 0, block; o < s->out_channels; o += block) {
            block = depthwise_block(multiplier, s->out_channels - o);
            channels_f32(y + o, block, bias ? bias + o : zero_tile_f32, from + o / multiplier,
                         x_step, with + o, w_step, rows, taps);
            clamp_channels_f32(y + o, block, lo, hi);
        }
    }
}

static void depthwise_conv2d_f32(float *y, const float *x, const float *w, const float *bias,
                                 const int *sizes, float lo, float hi) {
    const window_sizes s = read_window(sizes);
    for (int n = 0; n < s.batch; n++, x += s.height * s.width * s.channels) {
        for (int oy = 0; oy < s.out_height; oy++, y += s.out_width * s.out_channels) {
            const int iy = oy * s.stride_y - s.top, ky = first_tap(iy, s.dilation_y);
            const int rows = end_tap(iy, s.dilation_y, s.kernel_height, s.height) - ky;
            depthwise_row_f32(y, x + iy * s.width * s.channels, w, bias, ky, rows, lo, hi, &s);
        }
    }
}

// The taps of one axis that look at an element of the input, and where their windows are.
typedef struct {
    int first, step, count; // taps
    int window, back;       // of the first tap; from one to the next
} seen_taps;

static inline seen_taps taps_at(int i, int before, int stride, int dilation, int taps,
                                int windows) {
    seen_taps found = {0, 1, 0, 0, 0};
    for (int k = 0; k < taps; k++) {
        const int from = i + before - k * dilation, window = from / stride;
        if (from < 0 || from != window * stride || window >= windows)
            continue;
        if (found.count == 0) {
            found.first = k;
            found.window = window;
        } else if (found.count == 1) {
            found.step = k - found.first;
            found.back = found.window - window;
        }
        found.count++;
    }
    return found;
}

// One row of dx; `g` is the image at whose rows the taps y look.
static inline void depthwise_input_row_f32(float *dx, const float *g, const float *w, seen_taps y,
                                           const window_sizes *s) {
    const int multiplier = s->out_channels / s->channels, pixel = s->out_channels;
    for (int ix = 0; ix < s->width; ix++, dx += s->channels) {
        const seen_taps x =
            taps_at(ix, s->left, s->stride_x, s->dilation_x, s->kernel_width, s->out_width);
        const walk_steps g_step = {-y.back * s->out_width * pixel, -x.back * pixel};
        const walk_steps w_step = {y.step * s->kernel_width * pixel, x.step * pixel};
        const float *from = g + (y.window * s->out_width + x.window) * pixel;
        const float *with = w + (y.first * s->kernel_width + x.first) * pixel;
        for (int c = 0, block; c < s->channels; c += block) {
            block = depthwise_block(multiplier, s->channels - c);
            const float *start = zero_tile_f32;
            for (int o = c * multiplier; o < (c + 1) * multiplier; o++, start = dx + c)
                channels_f32(dx + c, block, start, from + o, g_step, with + o, w_step, y.count,
                             x.count);
        }
    }
}

static void depthwise_conv2d_input_grad_f32(float *dx, const float *g, const float *w,
                                            const int *sizes) {
    const window_sizes s = read_window(sizes);
    for (int n = 0; n < s.batch; n++, g += s.out_height * s.out_width * s.out_channels) {
        for (int iy = 0; iy < s.height; iy++, dx += s.width * s.channels) {
            const seen_taps y =
                taps_at(iy, s.top, s.stride_y, s.dilation_y, s.kernel_height, s.out_height);
            depthwise_input_row_f32(dx, g, w, y, &s);
        }
    }
}

// dw of one tap, at (y, x) from the first.
static inline void depthwise_weight_tap_f32(float *dw, const float *g, const float *image, int y,
                                            int x, const window_sizes *s) {
    const int multiplier = s->out_channels / s->channels;
    const int oy = first_window(y, s->top, s->stride_y);
    const int rows = end_window(y, s->top, s->stride_y, s->out_height, s->height) - oy;
    const int ox = first_window(x, s->left, s->stride_x);
    const int count = end_window(x, s->left, s->stride_x, s->out_width, s->width) - ox;
    const walk_steps g_step = {s->out_width * s->out_channels, s->out_channels};
    const walk_steps x_step = {s->stride_y * s->width * s->channels, s->stride_x * s->channels};
    const int from = (oy * s->out_width + ox) * s->out_channels;
    const int seen =
        ((oy * s->stride_y + y - s->top) * s->width + ox * s->stride_x + x - s->left) * s->channels;
    for (int o = 0, block; o < s->out_channels; o += block) {
        block = depthwise_block(multiplier, s->out_channels - o);
        const float *start = zero_tile_f32;
        for (int n = 0; n < s->batch; n++, start = dw + o)
            channels_f32(dw + o, block, start, g + n * s->out_height * g_step.row + from + o,
                         g_step,
                         image + n * s->height * s->width * s->channels + seen + o / multiplier,
                         x_step, rows, count);
    }
}

static void depthwise_conv2d_weight_grad_f32(float *dw, const float *x, const float *g,
                                             const int *sizes) {
    const window_sizes s = read_window(sizes);
    for (int k = 0; k < s.kernel_height * s.kernel_width; k++, dw += s.out_channels)
        depthwise_weight_tap_f32(dw, g, x, k / s.kernel_width * s.dilation_y,
                                 k % s.kernel_width * s.dilation_x, &s);
}
