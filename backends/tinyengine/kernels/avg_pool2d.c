#include "quads.h"
#include "windows.h"

#include <string.h>

// Windows that count their padding share by all taps, others by those on the image.
static inline float avg_pool2d_share(const window_sizes *s, window_part part, int count_padding) {
    const int taps = count_padding ? s->kernel_height * s->kernel_width : part.rows * part.columns;
    return 1.0f / (float)taps;
}

static inline quad_f32 sum_window_4_f32(const float *x, window_part part, int line, int channels) {
    quad_f32 sum = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int row = 0; row < part.rows; row++, x += line) {
        const float *end = x + part.columns * channels;
        for (const float *at = x; at < end; at += channels)
            sum = add_scaled_f32(sum, 1.0f, load_quad_f32(at));
    }
    return sum;
}

static inline float sum_window_f32(const float *x, window_part part, int line, int channels) {
    float sum = 0.0f;
    for (int row = 0; row < part.rows; row++, x += line) {
        const float *end = x + part.columns * channels;
        for (const float *at = x; at < end; at += channels)
            sum += *at;
    }
    return sum;
}

static void avg_pool2d_f32(float *y, const float *x, const int *sizes, int count_padding) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    const quad_f32 zero = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += s.channels) {
        const window_part part = part_inside(&s, p);
        const float share = avg_pool2d_share(&s, part, count_padding);
        const float *from = x + part.begin;
        int c = 0;
        for (; c + 4 <= s.channels; c += 4) {
            const quad_f32 sum = sum_window_4_f32(from + c, part, line, s.channels);
            store_quad_f32(y + c, add_scaled_f32(zero, share, sum));
        }
        for (; c < s.channels; c++)
            y[c] = share * sum_window_f32(from + c, part, line, s.channels);
    }
}

// g is shared out evenly; from its end, so that each element adds up its taps in their order.
static void avg_pool2d_grad_f32(float *dx, const float *g, const int *sizes, int count_padding) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * line) * sizeof *dx);
    for (int p = s.batch * s.out_height * s.out_width; p-- > 0;) {
        const window_part part = part_inside(&s, p);
        const float share = avg_pool2d_share(&s, part, count_padding);
        const float *from = g + p * s.channels;
        for (int row = 0; row < part.rows; row++) {
            float *to = dx + part.begin + row * line;
            for (int column = 0; column < part.columns; column++, to += s.channels)
                for (int c = 0; c < s.channels; c++)
                    to[c] += share * from[c];
        }
    }
}
