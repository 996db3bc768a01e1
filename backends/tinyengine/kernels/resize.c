#include <string.h>

// Two neighbours on an axis, and the weight of the second.
typedef struct {
    int low, high;
    float weight;
} neighbours;

// Between which inputs an output lies. With aligned corners the ends of both axes meet, else the
// edges of their first and last pixels; fractions are exact.
static inline neighbours resize_neighbours(int at, int inputs, int outputs, int align_corners) {
    int numerator = align_corners ? at * (inputs - 1) : (2 * at + 1) * inputs - outputs;
    int denominator = align_corners ? outputs - 1 : 2 * outputs;
    if (numerator <= 0)
        return (neighbours){0, 0, 0.0f};
    const int low = numerator / denominator;
    const float weight = (float)(numerator % denominator) / (float)denominator;
    return (neighbours){low, low + 1 < inputs ? low + 1 : low, weight};
}

// As PyTorch, in single precision: for some sizes that is not the exact floor.
static inline int resize_nearest(int at, int inputs, int outputs) {
    const float scale = (float)inputs / (float)outputs;
    const int nearest = (int)((float)at * scale);
    return nearest < inputs ? nearest : inputs - 1;
}

static void resize_nearest_f32(float *y, const float *x, int batch, int height, int width,
                               int channels, int out_height, int out_width) {
    for (int n = 0; n < batch; n++, x += height * width * channels) {
        for (int p = 0; p < out_height * out_width; p++, y += channels) {
            const int row = resize_nearest(p / out_width, height, out_height);
            const int column = resize_nearest(p % out_width, width, out_width);
            memcpy(y, x + (row * width + column) * channels, (unsigned)channels * sizeof *y);
        }
    }
}

static void resize_nearest_grad_f32(float *dx, const float *g, int batch, int height, int width,
                                    int channels, int out_height, int out_width) {
    memset(dx, 0, (unsigned)(batch * height * width * channels) * sizeof *dx);
    for (int n = 0; n < batch; n++, dx += height * width * channels) {
        for (int p = 0; p < out_height * out_width; p++, g += channels) {
            const int row = resize_nearest(p / out_width, height, out_height);
            const int column = resize_nearest(p % out_width, width, out_width);
            float *to = dx + (row * width + column) * channels;
            for (int c = 0; c < channels; c++)
                to[c] += g[c];
        }
    }
}

static void resize_bilinear_f32(float *y, const float *x, int batch, int height, int width,
                                int channels, int out_height, int out_width, int align_corners) {
    for (int n = 0; n < batch; n++, x += height * width * channels) {
        for (int p = 0; p < out_height * out_width; p++, y += channels) {
            const neighbours row =
                resize_neighbours(p / out_width, height, out_height, align_corners);
            const neighbours column =
                resize_neighbours(p % out_width, width, out_width, align_corners);
            const float *a = x + (row.low * width + column.low) * channels;
            const float *b = x + (row.low * width + column.high) * channels;
            const float *c = x + (row.high * width + column.low) * channels;
            const float *d = x + (row.high * width + column.high) * channels;
            const float right = column.weight, left = 1.0f - right;
            for (int i = 0; i < channels; i++)
                y[i] = (1.0f - row.weight) * (left * a[i] + right * b[i]) +
                       row.weight * (left * c[i] + right * d[i]);
        }
    }
}

static void resize_bilinear_grad_f32(float *dx, const float *g, int batch, int height, int width,
                                     int channels, int out_height, int out_width,
                                     int align_corners) {
    memset(dx, 0, (unsigned)(batch * height * width * channels) * sizeof *dx);
    for (int n = 0; n < batch; n++, dx += height * width * channels) {
        for (int p = 0; p < out_height * out_width; p++, g += channels) {
            const neighbours row =
                resize_neighbours(p / out_width, height, out_height, align_corners);
            const neighbours column =
                resize_neighbours(p % out_width, width, out_width, align_corners);
            float *a = dx + (row.low * width + column.low) * channels;
            float *b = dx + (row.low * width + column.high) * channels;
            float *c = dx + (row.high * width + column.low) * channels;
            float *d = dx + (row.high * width + column.high) * channels;
            for (int i = 0; i < channels; i++) {
                const float upper = (1.0f - row.weight) * g[i], lower = row.weight * g[i];
                a[i] += (1.0f - column.weight) * upper;
                b[i] += column.weight * upper;
                c[i] += (1.0f - column.weight) * lower;
                d[i] += column.weight * lower;
            }
        }
    }
}
