#include "requantize_four.h"
#include "windows.h"

#include <string.h>

// Images [batch, height, width, channels], weights [taps, out channels] in one or two parts that
// lie one after the other along the channels; output channel c * multiplier + j reads channel c.
typedef struct {
    window_sizes window;
    int split; // output channels of the first part
    int x_zero;
    int fits; // of int16: whether int32 holds all sums with their biases
} qdepthwise_sizes;

// The part of a window that lies on the image: its taps, what the first of them looks at and is
// multiplied with, and the steps to the next row and column of both.
typedef struct {
    const void *x;
    const int8_t *w;
    int rows, columns;
    int x_row, x_column, w_row, w_column;
} seen_window;

// Of an image from its first channel on, with so many bytes an element.
static inline seen_window see_window(const void *image, int bytes, const int8_t *w, int channels,
                                     int iy, int ix, const window_sizes *s) {
    const int ky = first_tap(iy, s->dilation_y), kx = first_tap(ix, s->dilation_x);
    const int x_row = s->dilation_y * s->width * s->channels,
              x_column = s->dilation_x * s->channels;
    const int w_row = s->kernel_width * channels;
    const int begin = (iy * s->width + ix) * s->channels + ky * x_row + kx * x_column;
    return (seen_window){(const int8_t *)image + bytes * begin,
                         w + ky * w_row + kx * channels,
                         end_tap(iy, s->dilation_y, s->kernel_height, s->height) - ky,
                         end_tap(ix, s->dilation_x, s->kernel_width, s->width) - kx,
                         x_row,
                         x_column,
                         w_row,
                         channels};
}

static inline int32_t depthwise_sum_i8(const seen_window *v, int c, int o, int x_zero) {
    const int8_t *x = v->x;
    int32_t sum = 0;
    for (int ky = 0; ky < v->rows; ky++)
        for (int kx = 0; kx < v->columns; kx++)
            sum += (x[ky * v->x_row + kx * v->x_column + c] - x_zero) *
                   v->w[ky * v->w_row + kx * v->w_column + o];
    return sum;
}

// Eight neighbours as int16.
static PERHAPS inline lanes_i16 widened_eight_i8(const int8_t *x) {
    eight_i8 eight;
    memcpy(&eight, x, sizeof eight);
    return __builtin_convertvector(eight, lanes_i16);
}

static PERHAPS inline void store_even_odd(int32_t *sums, lanes_i32 even, lanes_i32 odd) {
    for (int i = 0; i < 4; i++) {
        sums[2 * i] = even[i];
        sums[2 * i + 1] = odd[i];
    }
}

// The sums of eight channels from c on. A product fits in int16: |x - x_zero| <= 255.
static PERHAPS inline void depthwise_eight_i8(int32_t *sums, const seen_window *v, int c,
                                              int x_zero) {
    lanes_i32 even = {0}, odd = {0};
    for (int ky = 0; ky < v->rows; ky++) {
        const int8_t *x = (const int8_t *)v->x + ky * v->x_row + c, *w = v->w + ky * v->w_row + c;
        for (int kx = 0; kx < v->columns; kx++, x += v->x_column, w += v->w_column) {
            const lanes_i16 p = (widened_eight_i8(x) - (int16_t)x_zero) * widened_eight_i8(w);
            even += (lanes_i32)p << 16 >> 16;
            odd += (lanes_i32)p >> 16;
        }
    }
    store_even_odd(sums, even, odd);
}

// The results for o to o + 8, before the zero point is added.
static PERHAPS inline void round_eight(int32_t *results, const int32_t *sums, int o, float beyond,
                                       const requantization *q) {
    for (int i = 0; i < 8; i += 4) {
        lanes_i32 sum, bias;
        lanes_f32 scale;
        memcpy(&sum, sums + i, sizeof sum);
        memcpy(&bias, q->bias + o + i, sizeof bias);
        memcpy(&scale, q->scale + o + i, sizeof scale);
        const lanes_i32 r = rounded_lanes(saturating_add_lanes(sum, bias), scale, beyond);
        memcpy(results + i, &r, sizeof r);
    }
}

// Output channels [first, end) of the result whose window starts at (iy, ix) of the image; channel
// `first` is y[at], and the first of this part w of the weights.
static inline void qdepthwise_pixel_i8(void *y, uint8_t *mask, int at, const void *image,
                                       const int8_t *w, int first, int end, int iy, int ix,
                                       const qdepthwise_sizes *s, const requantization *q) {
    const int multiplier = s->window.out_channels / s->window.channels, channels = end - first;
    const seen_window v =
        see_window((const int8_t *)image + first / multiplier, 1, w, channels, iy, ix, &s->window);
    int o = 0;
#if defined(__SSE2__)
    for (; multiplier == 1 && q->rounding == ROUND_AS_FLOAT && o + 8 <= channels; o += 8) {
        int32_t sums[8], r[8];
        depthwise_eight_i8(sums, &v, o, s->x_zero);
        round_eight(r, sums, first + o, BEYOND_I8, q);
        for (int i = 0; i < 8; i++)
            store_i8(y, mask, at + o + i, r[i] + q->zero);
    }
#endif
    for (; o < channels; o++) {
        const int c = (first + o) / multiplier - first / multiplier;
        const int32_t sum = depthwise_sum_i8(&v, c, o, s->x_zero);
        store_i8(y, mask, at + o, requantized_i32(sum, first + o, q));
    }
}

static inline int64_t depthwise_sum_i16(const seen_window *v, int c, int o) {
    const int16_t *x = v->x;
    int64_t sum = 0;
    for (int ky = 0; ky < v->rows; ky++)
        for (int kx = 0; kx < v->columns; kx++)
            sum += x[ky * v->x_row + kx * v->x_column + c] *
                   v->w[ky * v->w_row + kx * v->w_column + o];
    return sum;
}

// The sums of eight channels from c on, which int32 holds.
static PERHAPS inline void depthwise_eight_i16(int32_t *sums, const seen_window *v, int c) {
    const lanes_i32 low = {0xffff, 0xffff, 0xffff, 0xffff};
    lanes_i32 even = {0}, odd = {0}, x;
    for (int ky = 0; ky < v->rows; ky++) {
        const int16_t *from = (const int16_t *)v->x + ky * v->x_row + c;
        const int8_t *w = v->w + ky * v->w_row + c;
        for (int kx = 0; kx < v->columns; kx++, from += v->x_column, w += v->w_column) {
            memcpy(&x, from, sizeof x);
            even = add_lane_products(even, (lanes_i16)(x & low), widened_eight_i8(w));
            odd = add_lane_products(odd, (lanes_i16)(x & ~low), widened_eight_i8(w));
        }
    }
    store_even_odd(sums, even, odd);
}

static inline void qdepthwise_pixel_i16(void *y, uint8_t *mask, int at, const void *image,
                                        const int8_t *w, int first, int end, int iy, int ix,
                                        const qdepthwise_sizes *s, const requantization *q) {
    const int multiplier = s->window.out_channels / s->window.channels, channels = end - first;
    const seen_window v =
        see_window((const int16_t *)image + first / multiplier, 2, w, channels, iy, ix, &s->window);
    int o = 0;
#if defined(__SSE2__)
    for (; multiplier == 1 && s->fits && o + 8 <= channels; o += 8) {
        int32_t sums[8], r[8];
        depthwise_eight_i16(sums, &v, o);
        round_eight(r, sums, first + o, BEYOND_I16, q);
        for (int i = 0; i < 8; i++)
            store_i16(y, mask, at + o + i, r[i], q->low, q->high);
    }
#endif
    for (; o < channels; o++) {
        const int c = (first + o) / multiplier - first / multiplier;
        const int64_t sum = depthwise_sum_i16(&v, c, o) + q->bias[first + o];
        store_i16(y, mask, at + o, rescaled_i16(sum, q->scale[first + o]), q->low, q->high);
    }
}

// How the channels of a result are made, and the bytes of an element.
typedef struct {
    void (*pixel)(void *y, uint8_t *mask, int at, const void *image, const int8_t *w, int first,
                  int end, int iy, int ix, const qdepthwise_sizes *s, const requantization *q);
    int bytes;
} qdepthwise_steps;

static MERGED void qdepthwise(void *y, uint8_t *mask, const void *x, const int8_t *w0,
                              const int8_t *w1, const qdepthwise_sizes *s, const requantization *q,
                              qdepthwise_steps steps) {
    const window_sizes *w = &s->window;
    clear_mask(mask, w->batch * w->out_height * w->out_width * w->out_channels);
    for (int i = 0; i < w->batch * w->out_height; i++) {
        const int8_t *image = (const int8_t *)x +
                              i / w->out_height * w->height * w->width * w->channels * steps.bytes;
        const int iy = i % w->out_height * w->stride_y - w->top;
        for (int ox = 0; ox < w->out_width; ox++) {
            const int at = (i * w->out_width + ox) * w->out_channels,
                      ix = ox * w->stride_x - w->left;
            steps.pixel(y, mask, at, image, w0, 0, s->split, iy, ix, s, q);
            if (s->split < w->out_channels)
                steps.pixel(y, mask, at + s->split, image, w1, s->split, w->out_channels, iy, ix, s,
                            q);
        }
    }
}

static void qdepthwise_conv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                                 const int8_t *w1, const int32_t *bias, const float *scale,
                                 const int32_t *multiplier, const int *sizes) {
    const qdepthwise_sizes s = {
        .window = read_window(sizes), .split = sizes[15], .x_zero = sizes[16]};
    const requantization q = {.bias = bias,
                              .scale = scale,
                              .multiplier = multiplier,
                              .rounding = sizes[17],
                              .zero = sizes[18]};
    qdepthwise(y, mask, x, w0, w1, &s, &q, (qdepthwise_steps){qdepthwise_pixel_i8, 1});
}

static void qdepthwise_conv2d_i16(int16_t *y, uint8_t *mask, const int16_t *x, const int8_t *w0,
                                  const int8_t *w1, const int32_t *bias, const float *scale,
                                  const int *sizes) {
    qdepthwise_sizes s = {.window = read_window(sizes), .split = sizes[15], .fits = 1};
    const requantization q = {.bias = bias, .scale = scale, .low = sizes[17], .high = sizes[18]};
    const int32_t most = most_bias_i16(s.window.kernel_height * s.window.kernel_width);
    for (int o = 0; o < s.window.out_channels; o++)
        s.fits &= is_within(bias[o], most);
    qdepthwise(y, mask, x, w0, w1, &s, &q, (qdepthwise_steps){qdepthwise_pixel_i16, 2});
}
