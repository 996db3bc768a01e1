#include "requantize.h"
#include "windows.h"

// Images [batch, height, width, channels], weights [taps, out channels] in one or two parts that
// lie one after the other along the channels; output channel c * multiplier + j reads channel c.
typedef struct {
    window_sizes window;
    int split; // output channels of the first part
    int x_zero;
} qdepthwise_sizes;

// Output channels [first, end) of the result at pixel `at`, whose window starts at (iy, ix) of the
// image; w is a part of the weights that begins with channel `first`.
static inline void qdepthwise_pixel_i8(int8_t *y, uint8_t *mask, int at, const int8_t *image,
                                       const int8_t *w, int first, int end, int iy, int ix,
                                       const qdepthwise_sizes *sizes, const requantization *q) {
    const window_sizes *s = &sizes->window;
    const int multiplier = s->out_channels / s->channels;
    const int ky0 = first_tap(iy, s->dilation_y), kx0 = first_tap(ix, s->dilation_x);
    const int ky1 = end_tap(iy, s->dilation_y, s->kernel_height, s->height);
    const int kx1 = end_tap(ix, s->dilation_x, s->kernel_width, s->width);
    for (int o = first; o < end; o++) {
        int32_t acc = 0;
        for (int ky = ky0; ky < ky1; ky++) {
            for (int kx = kx0; kx < kx1; kx++) {
                const int tap = (ky * s->kernel_width + kx) * (end - first) + o - first;
                const int pixel = (iy + ky * s->dilation_y) * s->width + ix + kx * s->dilation_x;
                acc += (image[pixel * s->channels + o / multiplier] - sizes->x_zero) * w[tap];
            }
        }
        store_i8(y, mask, at * s->out_channels + o, requantized_i32(acc, o, q));
    }
}

static void qdepthwise_conv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                                 const int8_t *w1, const int32_t *bias, const float *scale,
                                 const int32_t *multiplier, const int *sizes) {
    const qdepthwise_sizes s = {read_window(sizes), sizes[15], sizes[16]};
    const requantization q = {bias, scale, multiplier, sizes[17], sizes[18]};
    const window_sizes *w = &s.window;
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->out_channels);
    for (int i = 0; i < w->batch * w->out_height; i++) {
        const int8_t *image = x + i / w->out_height * w->height * w->width * w->channels;
        const int iy = i % w->out_height * w->stride_y - w->top;
        for (int ox = 0; ox < w->out_width; ox++) {
            const int at = i * w->out_width + ox, ix = ox * w->stride_x - w->left;
            qdepthwise_pixel_i8(y, mask, at, image, w0, 0, s.split, iy, ix, &s, &q);
            if (s.split < w->out_channels)
                qdepthwise_pixel_i8(y, mask, at, image, w1, s.split, w->out_channels, iy, ix, &s,
                                    &q);
        }
    }
}
