#include <string.h>

#include "integers.h"

// Of the images and the resized ones, and where the pixels lie on them; see resize.py.
typedef struct {
    int batch, height, width, channels;
    int out_height, out_width;
    int align_corners, half_pixel_centers;
} resize_sizes;

static inline resize_sizes read_resize(const int *s) {
    return (resize_sizes){s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
}

// In single precision, as PyTorch and TensorFlow Lite: for some sizes that is not exact.
static inline int resize_nearest_place(int at, int inputs, int outputs, const resize_sizes *s) {
    const int ends = s->align_corners && outputs > 1;
    const float scale = (float)(inputs - ends) / (float)(outputs - ends);
    const float position = ((float)at + (s->half_pixel_centers ? 0.5f : 0.0f)) * scale;
    const int whole = (int)position;
    const float rest = position - (float)whole;
    const int nearest = s->align_corners && rest >= 0.5f ? whole + 1 : whole;
    return nearest < inputs ? nearest : inputs - 1;
}

// Elements of any type: `bytes` of all channels of a pixel.
static void resize_nearest(void *y, const void *x, int bytes, const int *sizes) {
    const resize_sizes s = read_resize(sizes);
    const uint8_t *image = x;
    uint8_t *to = y;
    for (int n = 0; n < s.batch; n++, image += s.height * s.width * bytes) {
        for (int row = 0; row < s.out_height; row++) {
            const int from = resize_nearest_place(row, s.height, s.out_height, &s) * s.width;
            for (int column = 0; column < s.out_width; column++, to += bytes) {
                const int place = resize_nearest_place(column, s.width, s.out_width, &s);
                memcpy(to, image + (from + place) * bytes, (unsigned)bytes);
            }
        }
    }
}

static void resize_nearest_grad_f32(float *dx, const float *g, const int *sizes) {
    const resize_sizes s = read_resize(sizes);
    memset(dx, 0, (unsigned)(s.batch * s.height * s.width * s.channels) * sizeof *dx);
    for (int n = 0; n < s.batch; n++, dx += s.height * s.width * s.channels) {
        for (int row = 0; row < s.out_height; row++) {
            const int from = resize_nearest_place(row, s.height, s.out_height, &s) * s.width;
            for (int column = 0; column < s.out_width; column++, g += s.channels) {
                const int place = resize_nearest_place(column, s.width, s.out_width, &s);
                float *to = dx + (from + place) * s.channels;
                for (int c = 0; c < s.channels; c++)
                    to[c] += g[c];
            }
        }
    }
}

// Two neighbours on an axis, and the weight of the second.
typedef struct {
    int low, high;
    float weight;
} neighbours;

// Between which inputs an output lies; fractions are exact.
static inline neighbours resize_neighbours(int at, int inputs, int outputs, const resize_sizes *s) {
    int numerator = at * inputs, denominator = outputs;
    if (s->align_corners) {
        numerator = at * (inputs - 1);
        denominator = outputs - 1;
    } else if (s->half_pixel_centers) {
        numerator = (2 * at + 1) * inputs - outputs;
        denominator = 2 * outputs;
    }
    if (numerator <= 0)
        return (neighbours){0, 0, 0.0f};
    const int low = numerator / denominator;
    const float weight = (float)(numerator % denominator) / (float)denominator;
    return (neighbours){low, low + 1 < inputs ? low + 1 : low, weight};
}

static void resize_bilinear_f32(float *y, const float *x, const int *sizes) {
    const resize_sizes s = read_resize(sizes);
    const int width = s.width, channels = s.channels;
    for (int n = 0; n < s.batch; n++, x += s.height * width * channels) {
        for (int p = 0; p < s.out_height * s.out_width; p++, y += channels) {
            const neighbours row = resize_neighbours(p / s.out_width, s.height, s.out_height, &s);
            const neighbours column = resize_neighbours(p % s.out_width, width, s.out_width, &s);
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

static void resize_bilinear_grad_f32(float *dx, const float *g, const int *sizes) {
    const resize_sizes s = read_resize(sizes);
    const int width = s.width, channels = s.channels;
    memset(dx, 0, (unsigned)(s.batch * s.height * width * channels) * sizeof *dx);
    for (int n = 0; n < s.batch; n++, dx += s.height * width * channels) {
        for (int p = 0; p < s.out_height * s.out_width; p++, g += channels) {
            const neighbours row = resize_neighbours(p / s.out_width, s.height, s.out_height, &s);
            const neighbours column = resize_neighbours(p % s.out_width, width, s.out_width, &s);
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

// Two neighbours on an axis, and the weight of the second of 1024.
typedef struct {
    int low, high, weight;
} fixed_neighbours;

static inline fixed_neighbours resize_fixed_neighbours(int at, int inputs, int outputs,
                                                       const resize_sizes *s) {
    const int ends = s->align_corners && outputs > 1;
    const int scale = (1024 * (inputs - ends) + (outputs - ends) / 2) / (outputs - ends);
    const int position = at * scale + (s->half_pixel_centers ? scale / 2 - 512 : 0);
    if (position <= 0)
        return (fixed_neighbours){0, 0, 0};
    const int low = position / 1024;
    if (low + 1 >= inputs)
        return (fixed_neighbours){inputs - 1, inputs - 1, 0};
    return (fixed_neighbours){low, low + 1, position % 1024};
}

// sum / 2^20, half away from zero: of int8 elements and of int16 elements, times weights.

static inline int resize_rounded_i32(int32_t sum) {
    return (sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20);
}

static inline int resize_rounded_i64(int64_t sum) {
    return (int)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
}

// As TensorFlow Lite's ResizeBilinearInteger: rounded once.
static MERGED void resize_bilinear_integers(void *y, const void *x, int bits, const int *sizes) {
    const resize_sizes s = read_resize(sizes);
    const int channels = s.channels;
    int to = 0;
    for (int n = 0; n < s.batch; n++) {
        for (int row = 0; row < s.out_height; row++) {
            const fixed_neighbours v = resize_fixed_neighbours(row, s.height, s.out_height, &s);
            const int upper = (n * s.height + v.low) * s.width * channels;
            const int lower = (n * s.height + v.high) * s.width * channels;
            for (int column = 0; column < s.out_width; column++) {
                const fixed_neighbours h =
                    resize_fixed_neighbours(column, s.width, s.out_width, &s);
                const int low = h.low * channels, high = h.high * channels;
                const int a = (1024 - v.weight) * (1024 - h.weight);
                const int b = (1024 - v.weight) * h.weight;
                const int c = v.weight * (1024 - h.weight), d = v.weight * h.weight;
                for (int i = 0; i < channels; i++, to++) {
                    const int p = integer_at(x, bits, upper + low + i);
                    const int q = integer_at(x, bits, upper + high + i);
                    const int r = integer_at(x, bits, lower + low + i);
                    const int t = integer_at(x, bits, lower + high + i);
                    if (bits == 8)
                        set_integer(y, 8, to, resize_rounded_i32(a * p + b * q + c * r + d * t));
                    else
                        set_integer(y, 16, to,
                                    resize_rounded_i64((int64_t)a * p + (int64_t)b * q +
                                                       (int64_t)c * r + (int64_t)d * t));
                }
            }
        }
    }
}

static void resize_bilinear_i8(int8_t *y, const int8_t *x, const int *sizes) {
    resize_bilinear_integers(y, x, 8, sizes);
}

static void resize_bilinear_i16(int16_t *y, const int16_t *x, const int *sizes) {
    resize_bilinear_integers(y, x, 16, sizes);
}
