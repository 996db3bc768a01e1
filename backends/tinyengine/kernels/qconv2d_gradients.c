#include "gradient_sums_i16.h"

// Images [batch, height, width, channels], weights [out channels, taps, channels / groups] in up to
// four parts, one after the other along the channels. `bits` are those of the gradient g.

// A window, and how the channels are divided among groups.
typedef struct {
    window_sizes s;
    int groups, depth, channels; // of a group: output channels, input channels
} divided_window;

static inline divided_window read_divided(const int *sizes) {
    divided_window d = {read_window(sizes), sizes[15], 0, 0};
    d.depth = d.s.out_channels / d.groups;
    d.channels = d.s.channels / d.groups;
    return d;
}

// Adds to a tile of `rows` pixels, a stride apart from column ix of the image on, what one row of
// taps brings back from a row of g; `row` is its first element, of the channels of a group.
static inline void qconv2d_input_row(gradient_tile *tile, int rows, int columns, const void *g,
                                     int bits, int row, const int8_t *taps, int tap, int b_term,
                                     int depth, int ix, const window_sizes *s) {
    const gradient_steps step = {s->out_channels, 1};
    for (int kx = 0; kx < s->kernel_width; kx++) {
        const int from = ix + s->left - kx * s->dilation_x, ox = from / s->stride_x;
        if (from % s->stride_x)
            continue;
        const int first = at_least(-ox, 0), end = at_most(rows, s->out_width - ox);
        if (first < end)
            add_to_tile(tile, bits, first, end - first, columns, g,
                        row + (ox + first) * s->out_channels, step, taps + kx * tap, b_term, 0,
                        depth);
    }
}

// A tile of dx: `rows` pixels of row iy and some channels, at which w points in the first tap of a
// group; `image` is the first element of g in the image, of the group.
static inline void qconv2d_input_tile(gradient_tile *tile, int rows, int columns, const void *g,
                                      int bits, int image, const int8_t *w, int tap, int depth,
                                      int iy, int ix, const window_sizes *s) {
    const int b_term = s->kernel_height * s->kernel_width * tap;
    for (int ky = 0; ky < s->kernel_height; ky++) {
        const int from = iy + s->top - ky * s->dilation_y, oy = from / s->stride_y;
        if (from >= 0 && from % s->stride_y == 0 && oy < s->out_height)
            qconv2d_input_row(tile, rows, columns, g, bits,
                              image + oy * s->out_width * s->out_channels,
                              w + ky * s->kernel_width * tap, tap, b_term, depth, ix, s);
    }
}

// The channels [begin, end) of a group, for `rows` pixels of row `line` of all images; their
// weights are those of w.
static inline void qconv2d_input_channels(gradient_end *end, const void *g, int bits,
                                          const int8_t *w, int group, int begin, int stop, int rows,
                                          int line, int ix, const divided_window *d) {
    const window_sizes *s = &d->s;
    const int tap = stop - begin, taps = s->kernel_height * s->kernel_width;
    const int image = line / s->height * s->out_height * s->out_width * s->out_channels;
    w += group * d->depth * taps * tap;
    for (int c = 0; c < tap; c += GRADIENT_COLUMNS) {
        const int columns = at_most(tap - c, GRADIENT_COLUMNS);
        const int channel = group * d->channels + begin + c;
        gradient_tile tile;
        clear_tile(&tile, bits, GRADIENT_ROWS);
        qconv2d_input_tile(&tile, rows, columns, g, bits, image + group * d->depth, w + c, tap,
                           d->depth, line % s->height, ix, s);
        for (int m = 0; m < rows; m++) {
            const int at = (line * s->width + ix + m * s->stride_x) * s->channels + channel;
            finish_tile_row(end, &tile, bits, m, at, channel, columns);
        }
    }
}

// dx[iy, ix] = sum over the windows that see the pixel, of g times the weight of the tap there.
// sizes: as of read_divided, then the channels of each part; weights that there are not are NULL.
static inline void qconv2d_input_grad(gradient_end *end, const void *g, int bits,
                                      const int8_t *const w[4], const int *sizes) {
    const divided_window d = read_divided(sizes);
    const int *in_part = sizes + 16;
    const window_sizes *s = &d.s;
    for (int left = begin_passes(end); left > 0; left--) {
        for (int line = 0; line < s->batch * s->height; line++)
            // Pixels a stride apart meet the same taps.
            for (int phase = 0; phase < at_most(s->stride_x, s->width); phase++)
                for (int ix = phase; ix < s->width; ix += GRADIENT_ROWS * s->stride_x) {
                    const int rows = at_most((s->width - 1 - ix) / s->stride_x + 1, GRADIENT_ROWS);
                    for (int group = 0; group < d.groups; group++)
                        for (int part = 0, begin = 0; begin < d.channels; begin += in_part[part++])
                            qconv2d_input_channels(end, g, bits, w[part], group, begin,
                                                   begin + in_part[part], rows, line, ix, &d);
                }
        end_pass(end);
    }
}

static void qconv2d_input_grad_i8(void *dx, float *range, const int8_t *g, const float *g_range,
                                  const int8_t *w0, const int8_t *w1, const int8_t *w2,
                                  const int8_t *w3, const uint8_t *mask, const float *scale,
                                  const void *skip, const float *skip_range, const int *sizes,
                                  int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const int8_t *const w[4] = {w0, w1, w2, w3};
    qconv2d_input_grad(&end, g, 8, w, sizes);
}

static void qconv2d_input_grad_i16(void *dx, float *range, const int16_t *g, const float *g_range,
                                   const int8_t *w0, const int8_t *w1, const int8_t *w2,
                                   const int8_t *w3, const uint8_t *mask, const float *scale,
                                   const void *skip, const float *skip_range, const int *sizes,
                                   int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const int8_t *const w[4] = {w0, w1, w2, w3};
    qconv2d_input_grad(&end, g, 16, w, sizes);
}

static void qconv2d_input_grad_f32(void *dx, float *range, const float *g, const int8_t *w0,
                                   const int8_t *w1, const int8_t *w2, const int8_t *w3,
                                   const uint8_t *mask, const float *scale, const void *skip,
                                   const float *skip_range, const int *sizes, int bits,
                                   int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    const int8_t *const w[4] = {w0, w1, w2, w3};
    qconv2d_input_grad(&end, g, 32, w, sizes);
}

// A tile of dx of a pointwise convolution: `rows` pixels from g on, whose terms `columns` holds
// widened, but those beyond a multiple of 4.
static inline void pointwise_tile_i8(int32_t *acc, int rows, int columns_of_tile,
                                     const uint32_t *columns, const int8_t *g, int out,
                                     const int8_t *w, int b_term) {
    const int even = columns_of_tile & ~1, wide = out & ~3;
    const gradient_steps step = {out, 1};
    for (int n = 0; n < even && wide; n += 2)
        add_columns_i8(acc + n, columns, columns + 2 * wide, w + n, b_term);
    if (even < columns_of_tile)
        add_products_i8(acc + even, rows, 1, g, step, w + even, b_term, 0, wide);
    if (wide < out)
        add_products_i8(acc, rows, columns_of_tile, g + wide, step, w + wide * b_term, b_term, 0,
                        out - wide);
}

// The channels [begin, stop) of `rows` pixels from `pixel` on.
static inline void pointwise_channels_i8(gradient_end *end, const uint32_t *columns,
                                         const int8_t *g, const int8_t *w, int begin, int stop,
                                         int rows, int pixel, int channels, int out) {
    const int depth = stop - begin;
    for (int c = 0; c < depth; c += GRADIENT_COLUMNS) {
        const int count = at_most(depth - c, GRADIENT_COLUMNS), channel = begin + c;
        gradient_tile tile;
        clear_tile(&tile, 8, GRADIENT_ROWS);
        pointwise_tile_i8(tile.i8, rows, count, columns, g, out, w + c, depth);
        for (int m = 0; m < rows; m++)
            finish_tile_row(end, &tile, 8, m, (pixel + m) * channels + channel, channel, count);
    }
}

// For processors that multiply pairs: `working` holds those of four pixels of g.
static void qconv2d_pointwise_input_grad_i8(
    void *dx, float *range, const int8_t *g, const float *g_range, const int8_t *w0,
    const int8_t *w1, const int8_t *w2, const int8_t *w3, const uint8_t *mask, const float *scale,
    const void *skip, const float *skip_range, int pixels, int channels, int out,
    const int *in_part, int bits, int skip_bits, float factor, float skip_factor, void *working) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const int8_t *const w[4] = {w0, w1, w2, w3};
    uint32_t *columns = working;
    for (int left = begin_passes(&end); left > 0; left--) {
        for (int pixel = 0; pixel < pixels; pixel += GRADIENT_ROWS) {
            const int8_t *from = g + pixel * out;
            const int rows = at_most(pixels - pixel, GRADIENT_ROWS);
            widen_rows_i8(columns, from, out, rows, out & ~3);
            for (int part = 0, begin = 0; begin < channels; begin += in_part[part++])
                pointwise_channels_i8(&end, columns, from, w[part], begin, begin + in_part[part],
                                      rows, pixel, channels, out);
        }
        end_pass(&end);
    }
}

// One tap, so far down and right from the first, of dw for some output channels and input channels:
// `from` and `channel` are the first of these in g and x.
static inline void qconv2d_weight_tile(gradient_tile *tile, int rows, int columns, const void *g,
                                       int bits, int from, const void *x, int x_bits, int channel,
                                       int zero, int down, int right, const window_sizes *s) {
    const int oy = first_window(down, s->top, s->stride_y),
              ox = first_window(right, s->left, s->stride_x);
    const int last = end_window(down, s->top, s->stride_y, s->out_height, s->height);
    const int count = end_window(right, s->left, s->stride_x, s->out_width, s->width) - ox;
    const gradient_steps step = {1, s->out_channels};
    const int ix = ox * s->stride_x + right - s->left;
    for (int n = 0; n < s->batch; n++)
        for (int row = oy; row < last; row++) {
            const int iy = row * s->stride_y + down - s->top, x_term = s->stride_x * s->channels;
            const int g_at = from + ((n * s->out_height + row) * s->out_width + ox) * step.term;
            const int x_at = channel + ((n * s->height + iy) * s->width + ix) * s->channels;
            if (x_bits == 8)
                add_to_tile(tile, bits, 0, rows, columns, g, g_at, step, (const int8_t *)x + x_at,
                            x_term, zero, count);
            else
                add_to_tile_i16(tile, bits, rows, columns, g, g_at, step.term,
                                (const int16_t *)x + x_at, x_term, count);
        }
}

// dw[o, ky, kx, c] = sum of g[o] times the x[c] - zero that the tap sees.
static inline void qconv2d_weight_grad(void *dw, const void *x, int x_bits, const void *g, int bits,
                                       int zero, const int *sizes) {
    const divided_window d = read_divided(sizes);
    const int sums = sum_bits(bits, x_bits);
    const window_sizes *s = &d.s;
    const int taps = s->kernel_height * s->kernel_width;
    for (int o = 0; o < s->out_channels;) {
        const int group = o / d.depth, rows = at_most((group + 1) * d.depth - o, GRADIENT_ROWS);
        for (int k = 0; k < taps; k++)
            for (int c = 0; c < d.channels; c += GRADIENT_COLUMNS) {
                const int columns = at_most(d.channels - c, GRADIENT_COLUMNS);
                gradient_tile tile;
                clear_tile(&tile, sums, GRADIENT_ROWS);
                qconv2d_weight_tile(
                    &tile, rows, columns, g, bits, o, x, x_bits, group * d.channels + c, zero,
                    k / s->kernel_width * s->dilation_y, k % s->kernel_width * s->dilation_x, s);
                for (int m = 0; m < rows; m++)
                    store_tile_row(dw, &tile, sums, m, ((o + m) * taps + k) * d.channels + c,
                                   columns);
            }
        o += rows;
    }
}

static void qconv2d_weight_grad_i8_i8(int32_t *dw, const int8_t *x, const int8_t *g, int zero,
                                      const int *sizes) {
    qconv2d_weight_grad(dw, x, 8, g, 8, zero, sizes);
}

static void qconv2d_weight_grad_i8_i16(float *dw, const int8_t *x, const int16_t *g, int zero,
                                       const int *sizes) {
    qconv2d_weight_grad(dw, x, 8, g, 16, zero, sizes);
}

static void qconv2d_weight_grad_i8_f32(float *dw, const int8_t *x, const float *g, int zero,
                                       const int *sizes) {
    qconv2d_weight_grad(dw, x, 8, g, 32, zero, sizes);
}

static void qconv2d_weight_grad_i16_i8(float *dw, const int16_t *x, const int8_t *g,
                                       const int *sizes) {
    qconv2d_weight_grad(dw, x, 16, g, 8, 0, sizes);
}

static void qconv2d_weight_grad_i16_i16(float *dw, const int16_t *x, const int16_t *g,
                                        const int *sizes) {
    qconv2d_weight_grad(dw, x, 16, g, 16, 0, sizes);
}

static void qconv2d_weight_grad_i16_f32(float *dw, const int16_t *x, const float *g,
                                        const int *sizes) {
    qconv2d_weight_grad(dw, x, 16, g, 32, 0, sizes);
}
