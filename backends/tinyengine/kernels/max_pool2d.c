#include "windows.h"

#include <string.h>

// x[start of the window's rows and columns that lie on the image] is `from`.
typedef struct {
    int from, rows, columns;
} pool_part;

static inline pool_part max_pool2d_part(const window_sizes *s, int p) {
    const int oy = p / s->out_width % s->out_height, ox = p % s->out_width;
    const int iy = oy * s->stride_y - s->top, ix = ox * s->stride_x - s->left;
    const int y = at_least(iy, 0), x = at_least(ix, 0);
    const int image = p / s->out_width / s->out_height * s->height;
    return (pool_part){((image + y) * s->width + x) * s->channels,
                       at_most(iy + s->kernel_height, s->height) - y,
                       at_most(ix + s->kernel_width, s->width) - x};
}

// Where the maximum of a channel is, from the first pixel on; the first of equal ones.
static inline int max_pool2d_place_f32(const float *x, pool_part part, int channels, int line) {
    int place = 0;
    for (int row = 0; row < part.rows; row++)
        for (int i = row * line; i < row * line + part.columns * channels; i += channels)
            if (x[i] > x[place])
                place = i;
    return place;
}

static void max_pool2d_f32(float *y, const float *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const pool_part part = max_pool2d_part(&s, p);
        const float *from = x + part.from;
        for (int c = 0; c < s.channels; c++, from++)
            *y++ = from[max_pool2d_place_f32(from, part, s.channels, s.width * s.channels)];
    }
}

// g goes to the first maximum of its window.
static void max_pool2d_grad_f32(float *dx, const float *g, const float *x, const int *sizes) {
    const window_sizes s = read_window(sizes);
    memset(dx, 0, (unsigned)(s.batch * s.height * s.width * s.channels) * sizeof *dx);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const pool_part part = max_pool2d_part(&s, p);
        const float *from = x + part.from;
        float *to = dx + part.from;
        for (int c = 0; c < s.channels; c++, from++, to++)
            to[max_pool2d_place_f32(from, part, s.channels, s.width * s.channels)] += *g++;
    }
}
