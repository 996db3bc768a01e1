#include "gradient_channels.h"

// Images [batch, height, width, channels], weights [taps, out channels] in one or two parts, one
// after the other along the channels; output channel c * multiplier + j reads channel c. `bits` are
// those of the gradient g.

// The taps of one axis that look at an element of the input, and where their windows are.
typedef struct {
    int first, step, count; // taps
    int window, back;       // of the first tap; from one to the next
} gradient_taps;

static inline gradient_taps gradient_taps_at(int i, int before, int stride, int dilation, int taps,
                                             int windows) {
    gradient_taps found = {0, 1, 0, 0, 0};
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

// Weights in two parts: the output channels that the first holds.
typedef struct {
    const int8_t *w0, *w1;
    int first, out_channels;
} weight_parts;

// Adds to a tile what the output channels from o on bring back; `at` is where g has the first tap.
static inline void qdepthwise_input_taps(gradient_tile *tile, int bits, int columns, const void *g,
                                         int at, weight_parts w, int o, gradient_taps y,
                                         gradient_taps x, const window_sizes *s) {
    const int is_first = o < w.first, channels = is_first ? w.first : w.out_channels - w.first;
    const int8_t *taps = is_first ? w.w0 + o : w.w1 + (o - w.first);
    const channel_steps g_step = {-y.back * s->out_width * s->out_channels,
                                  -x.back * s->out_channels};
    const channel_steps w_step = {y.step * s->kernel_width * channels, x.step * channels};
    taps += (y.first * s->kernel_width + x.first) * channels;
    add_to_channels(tile, bits, columns, g, at + o, g_step, taps, w_step, 0, y.count, x.count);
}

// The neighbouring channels from c on that are finished at once: of one part of the weights, with a
// multiplier above 1 each alone.
static inline int qdepthwise_block(int c, weight_parts w, const window_sizes *s) {
    if (s->out_channels != s->channels)
        return 1;
    return at_most((c < w.first ? w.first : s->channels) - c, GRADIENT_COLUMNS);
}

// One pixel of dx, from its element `at` on; `from` is where g has the first tap of channel 0.
static inline void qdepthwise_input_pixel(gradient_end *end, int at, const void *g, int bits,
                                          int from, weight_parts w, gradient_taps y,
                                          gradient_taps x, const window_sizes *s) {
    const int multiplier = s->out_channels / s->channels;
    for (int c = 0, block; c < s->channels; c += block) {
        block = qdepthwise_block(c, w, s);
        gradient_tile tile;
        clear_tile(&tile, bits, 1);
        for (int o = c * multiplier; o < c * multiplier + multiplier; o++)
            qdepthwise_input_taps(&tile, bits, block, g, from, w, o, y, x, s);
        finish_tile_row(end, &tile, bits, 0, at + c, c, block);
    }
}

// dx[iy, ix] = sum over the windows that see the pixel, of g times the weight of the tap there.
static inline void qdepthwise_input_grad(gradient_end *end, const void *g, int bits,
                                         const int8_t *w0, const int8_t *w1, const int *sizes) {
    const window_sizes s = read_window(sizes);
    const weight_parts w = {w0, w1, sizes[15], s.out_channels};
    for (int left = begin_passes(end); left > 0; left--) {
        for (int line = 0; line < s.batch * s.height; line++) {
            const gradient_taps y = gradient_taps_at(line % s.height, s.top, s.stride_y,
                                                     s.dilation_y, s.kernel_height, s.out_height);
            const int row = (line / s.height * s.out_height + y.window) * s.out_width;
            for (int ix = 0; ix < s.width; ix++) {
                const gradient_taps x = gradient_taps_at(ix, s.left, s.stride_x, s.dilation_x,
                                                         s.kernel_width, s.out_width);
                qdepthwise_input_pixel(end, (line * s.width + ix) * s.channels, g, bits,
                                       (row + x.window) * s.out_channels, w, y, x, &s);
            }
        }
        end_pass(end);
    }
}

static void qdepthwise_input_grad_i8(void *dx, float *range, const int8_t *g, const float *g_range,
                                     const int8_t *w0, const int8_t *w1, const uint8_t *mask,
                                     const float *scale, const void *skip, const float *skip_range,
                                     const int *sizes, int bits, int skip_bits, float factor,
                                     float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qdepthwise_input_grad(&end, g, 8, w0, w1, sizes);
}

static void qdepthwise_input_grad_i16(void *dx, float *range, const int16_t *g,
                                      const float *g_range, const int8_t *w0, const int8_t *w1,
                                      const uint8_t *mask, const float *scale, const void *skip,
                                      const float *skip_range, const int *sizes, int bits,
                                      int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qdepthwise_input_grad(&end, g, 16, w0, w1, sizes);
}

static void qdepthwise_input_grad_f32(void *dx, float *range, const float *g, const int8_t *w0,
                                      const int8_t *w1, const uint8_t *mask, const float *scale,
                                      const void *skip, const float *skip_range, const int *sizes,
                                      int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    qdepthwise_input_grad(&end, g, 32, w0, w1, sizes);
}

// Some output channels, from o on, of dw of one tap, at (y, x) from the first.
static inline void qdepthwise_weight_block(gradient_tile *tile, int columns, int o, const void *x,
                                           int x_bits, const void *g, int bits, int zero, int ky,
                                           int kx, const window_sizes *s) {
    const int oy = first_window(ky, s->top, s->stride_y);
    const int rows = end_window(ky, s->top, s->stride_y, s->out_height, s->height) - oy;
    const int ox = first_window(kx, s->left, s->stride_x);
    const int count = end_window(kx, s->left, s->stride_x, s->out_width, s->width) - ox;
    const channel_steps g_step = {s->out_width * s->out_channels, s->out_channels};
    const channel_steps x_step = {s->stride_y * s->width * s->channels, s->stride_x * s->channels};
    const int iy = oy * s->stride_y + ky - s->top, ix = ox * s->stride_x + kx - s->left;
    if (rows <= 0 || count <= 0)
        return;
    for (int n = 0; n < s->batch; n++) {
        const int g_at = ((n * s->out_height + oy) * s->out_width + ox) * s->out_channels + o;
        const int x_at = ((n * s->height + iy) * s->width + ix) * s->channels +
                         o / (s->out_channels / s->channels);
        if (x_bits == 8)
            add_to_channels(tile, bits, columns, g, g_at, g_step, (const int8_t *)x + x_at, x_step,
                            zero, rows, count);
        else
            add_to_channels_i16(tile, bits, columns, g, g_at, g_step, (const int16_t *)x + x_at,
                                x_step, rows, count);
    }
}

// dw[ky, kx, o] = sum of g[o] times the x - zero that the tap sees.
static inline void qdepthwise_weight_grad(void *dw, const void *x, int x_bits, const void *g,
                                          int bits, int zero, const int *sizes) {
    const int sums = sum_bits(bits, x_bits);
    const window_sizes s = read_window(sizes);
    const int most = s.out_channels == s.channels ? GRADIENT_COLUMNS : 1;
    for (int k = 0; k < s.kernel_height * s.kernel_width; k++)
        for (int o = 0; o < s.out_channels; o += most) {
            const int columns = at_most(s.out_channels - o, most);
            gradient_tile tile;
            clear_tile(&tile, sums, 1);
            qdepthwise_weight_block(&tile, columns, o, x, x_bits, g, bits, zero,
                                    k / s.kernel_width * s.dilation_y,
                                    k % s.kernel_width * s.dilation_x, &s);
            store_tile_row(dw, &tile, sums, 0, k * s.out_channels + o, columns);
        }
}

static void qdepthwise_weight_grad_i8_i8(int32_t *dw, const int8_t *x, const int8_t *g, int zero,
                                         const int *sizes) {
    qdepthwise_weight_grad(dw, x, 8, g, 8, zero, sizes);
}

static void qdepthwise_weight_grad_i8_i16(float *dw, const int8_t *x, const int16_t *g, int zero,
                                          const int *sizes) {
    qdepthwise_weight_grad(dw, x, 8, g, 16, zero, sizes);
}

static void qdepthwise_weight_grad_i8_f32(float *dw, const int8_t *x, const float *g, int zero,
                                          const int *sizes) {
    qdepthwise_weight_grad(dw, x, 8, g, 32, zero, sizes);
}

static void qdepthwise_weight_grad_i16_i8(float *dw, const int16_t *x, const int8_t *g,
                                          const int *sizes) {
    qdepthwise_weight_grad(dw, x, 16, g, 8, 0, sizes);
}

static void qdepthwise_weight_grad_i16_i16(float *dw, const int16_t *x, const int16_t *g,
                                           const int *sizes) {
    qdepthwise_weight_grad(dw, x, 16, g, 16, 0, sizes);
}

static void qdepthwise_weight_grad_i16_f32(float *dw, const int16_t *x, const float *g,
                                           const int *sizes) {
    qdepthwise_weight_grad(dw, x, 16, g, 32, 0, sizes);
}
