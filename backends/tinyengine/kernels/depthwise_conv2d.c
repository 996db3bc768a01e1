#include "channels.h"
#include "windows.h"

#include <stddef.h>

// Images [batch, height, width, channels], weights [taps, out channels]; output channel
// c * multiplier + j reads channel c. With a multiplier above 1 each channel is a block of its own.

static void depthwise_conv2d_f32(float *y, const float *x, const float *w, const float *bias,
                                 const int *sizes, float lo, float hi) {
    const window_sizes s = read_window(sizes);
    const int multiplier = s.out_channels / s.channels, line = s.kernel_width * s.out_channels;
    float acc[16];
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += s.out_channels) {
        const int oy = p / s.out_width % s.out_height, ox = p % s.out_width;
        const int iy = oy * s.stride_y - s.top, ix = ox * s.stride_x - s.left;
        const int ky_end = end_tap(iy, s.dilation_y, s.kernel_height, s.height);
        const int ky = first_tap(iy, s.dilation_y), kx = first_tap(ix, s.dilation_x);
        const int taps = end_tap(ix, s.dilation_x, s.kernel_width, s.width) - kx;
        const int row = p / s.out_width / s.out_height * s.height + iy;
        for (int o = 0; o < s.out_channels;) {
            const int block = multiplier == 1 ? channel_block(s.out_channels - o) : 1;
            for (int c = 0; c < block; c++)
                acc[c] = bias ? bias[o + c] : 0.0f;
            for (int k = ky; k < ky_end && taps > 0; k++) {
                const int pixel = (row + k * s.dilation_y) * s.width + ix + kx * s.dilation_x;
                channels_f32(acc, block, x + pixel * s.channels + o / multiplier,
                             s.dilation_x * s.channels, w + k * line + kx * s.out_channels + o,
                             s.out_channels, taps);
            }
            for (int c = 0; c < block; c++)
                y[o + c] = clamp_f32(acc[c], lo, hi);
            o += block;
        }
    }
}

// The taps of one axis that look at position i of the input, and where their windows are.
typedef struct {
    int first, step, count; // taps
    int window, back;       // of the first tap; from one to the next
} seen_taps;

static inline seen_taps taps_at(int i, int before, int stride, int dilation, int taps,
                                int windows) {
    seen_taps found = {0, 1, 0, 0, 0};
    for (int k = 0; k < taps; k++) {
        const int from = i + before - k * dilation;
        if (from < 0 || from % stride || from / stride >= windows)
            continue;
        if (found.count == 0) {
            found.first = k;
            found.window = from / stride;
        } else if (found.count == 1) {
            found.step = k - found.first;
            found.back = found.window - from / stride;
        }
        found.count++;
    }
    return found;
}

static void depthwise_conv2d_input_grad_f32(float *dx, const float *g, const float *w,
                                            const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int multiplier = s.out_channels / s.channels, line = s.kernel_width * s.out_channels;
    float acc[16];
    for (int p = 0; p < s.batch * s.height * s.width; p++, dx += s.channels) {
        const seen_taps y = taps_at(p / s.width % s.height, s.top, s.stride_y, s.dilation_y,
                                    s.kernel_height, s.out_height);
        const seen_taps x =
            taps_at(p % s.width, s.left, s.stride_x, s.dilation_x, s.kernel_width, s.out_width);
        const int row = p / s.width / s.height * s.out_height + y.window;
        for (int c = 0; c < s.channels;) {
            const int block = multiplier == 1 ? channel_block(s.channels - c) : 1;
            for (int i = 0; i < block; i++)
                acc[i] = 0.0f;
            for (int k = 0; k < y.count && x.count > 0; k++) {
                const int pixel = (row - k * y.back) * s.out_width + x.window;
                const int tap = (y.first + k * y.step) * line + x.first * s.out_channels;
                for (int o = c * multiplier; o < c * multiplier + multiplier; o++)
                    channels_f32(acc, block, g + pixel * s.out_channels + o,
                                 -x.back * s.out_channels, w + tap + o, x.step * s.out_channels,
                                 x.count);
            }
            for (int i = 0; i < block; i++)
                dx[c + i] = acc[i];
            c += block;
        }
    }
}

// One tap for a block of output channels: g and x are the first of these.
static inline void depthwise_weight_tap_f32(float *acc, int block, const float *g, const float *x,
                                            int ky, int kx, const window_sizes *s) {
    const int first = first_window(ky, s->top, s->stride_y);
    const int end = end_window(ky, s->top, s->stride_y, s->out_height, s->height);
    const int ox = first_window(kx, s->left, s->stride_x);
    const int count = end_window(kx, s->left, s->stride_x, s->out_width, s->width) - ox;
    for (int n = 0; n < s->batch && count > 0; n++) {
        for (int oy = first; oy < end; oy++) {
            const int iy = n * s->height + oy * s->stride_y + ky - s->top;
            const int ix = ox * s->stride_x + kx - s->left;
            const int pixel = (n * s->out_height + oy) * s->out_width + ox;
            channels_f32(acc, block, g + pixel * s->out_channels, s->out_channels,
                         x + (iy * s->width + ix) * s->channels, s->stride_x * s->channels, count);
        }
    }
}

static void depthwise_conv2d_weight_grad_f32(float *dw, const float *x, const float *g,
                                             const int *sizes) {
    const window_sizes s = read_window(sizes);
    const int multiplier = s.out_channels / s.channels;
    float acc[16];
    for (int k = 0; k < s.kernel_height * s.kernel_width; k++, dw += s.out_channels) {
        const int ky = k / s.kernel_width * s.dilation_y, kx = k % s.kernel_width * s.dilation_x;
        for (int o = 0; o < s.out_channels;) {
            const int block = multiplier == 1 ? channel_block(s.out_channels - o) : 1;
            for (int c = 0; c < block; c++)
                acc[c] = 0.0f;
            depthwise_weight_tap_f32(acc, block, g + o, x + o / multiplier, ky, kx, &s);
            for (int c = 0; c < block; c++)
                dw[o + c] = acc[c];
            o += block;
        }
    }
}
