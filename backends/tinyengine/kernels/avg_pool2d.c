#include "windows.h"

#include <string.h>

// The rows and columns of a window that lie on the image, which pixel is the first of them, and
// what a sum is divided by: `whole` windows count their padding.
typedef struct {
    int from, rows, columns;
    float divisor;
} avg_part;

static inline avg_part avg_pool2d_part(const window_sizes *s, int p, int whole) {
    const int oy = p / s->out_width % s->out_height, ox = p % s->out_width;
    const int iy = oy * s->stride_y - s->top, ix = ox * s->stride_x - s->left;
    const int y = at_least(iy, 0), x = at_least(ix, 0);
    const int rows = at_most(iy + s->kernel_height, s->height) - y;
    const int columns = at_most(ix + s->kernel_width, s->width) - x;
    const int counted = whole ? s->kernel_height * s->kernel_width : rows * columns;
    const int image = p / s->out_width / s->out_height * s->height;
    return (avg_part){((image + y) * s->width + x) * s->channels, rows, columns, (float)counted};
}

static void avg_pool2d_f32(float *y, const float *x, const int *sizes, int count_include_pad) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const avg_part part = avg_pool2d_part(&s, p, count_include_pad);
        const float *from = x + part.from;
        for (int c = 0; c < s.channels; c++, from++) {
            float sum = 0.0f;
            for (int row = 0; row < part.rows; row++)
                for (int i = 0; i < part.columns; i++)
                    sum += from[row * line + i * s.channels];
            *y++ = sum / part.divisor;
        }
    }
}

// g is shared out evenly.
static void avg_pool2d_grad_f32(float *dx, const float *g, const int *sizes,
                                int count_include_pad) {
    const window_sizes s = read_window(sizes);
    const int line = s.width * s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * line) * sizeof *dx);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const avg_part part = avg_pool2d_part(&s, p, count_include_pad);
        float *to = dx + part.from;
        for (int c = 0; c < s.channels; c++, to++) {
            const float share = *g++ / part.divisor;
            for (int row = 0; row < part.rows; row++)
                for (int i = 0; i < part.columns; i++)
                    to[row * line + i * s.channels] += share;
        }
    }
}
