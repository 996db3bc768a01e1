#include "fixed_point.h"
#include "gradient_epilogue.h"
#include "windows.h"

// exponentials: of the differences to the largest, 31 bits behind the point. y may be x.
static void qsoftmax_i8(int8_t *y, const int8_t *x, int rows, int n, const int32_t *exponentials) {
    for (int r = 0; r < rows; r++, x += n, y += n) {
        const int largest = largest_i8(x, n);
        int32_t sum = 0;
        int bits;
        for (int i = 0; i < n; i++)
            sum += rounded_to_sum(exponentials[largest - x[i]]);
        const int32_t factor = reciprocal_i32(sum, &bits);
        for (int i = 0; i < n; i++) {
            const int64_t p = high_product_i32(factor, exponentials[largest - x[i]]);
            y[i] = clamp_i8((int32_t)divide_by_power_of_two_i64(p, bits + 23) - 128);
        }
    }
}

static inline void qsoftmax_row_i(float *p, const void *g, int bits, const int8_t *y, int64_t dot,
                                  int at, int count) {
    for (int i = at; i < at + count; i++) {
        const int q = bits == 8 ? ((const int8_t *)g)[i] : ((const int16_t *)g)[i];
        p[i - at] = (float)((y[i] + 128) * (q * 256 - dot)) * (1.0f / 256.0f);
    }
}

static inline int64_t qsoftmax_dot_i(const void *g, int bits, const int8_t *y, int at, int n) {
    int64_t dot = 0;
    for (int i = at; i < at + n; i++)
        dot += (bits == 8 ? ((const int8_t *)g)[i] : ((const int16_t *)g)[i]) * (y[i] + 128);
    return dot;
}

static inline float qsoftmax_dot_f32(const float *g, const int8_t *y, int at, int n) {
    float dot = g[at] * (float)(y[at] + 128);
    for (int i = at + 1; i < at + n; i++)
        dot += g[i] * (float)(y[i] + 128);
    return dot;
}

// p (g - sum of g p), with p = y + 128 in units of 1/256. `bits` are those of an integer gradient,
// 0 stands for floats.
static inline void qsoftmax_input_grad(gradient_end *end, const void *g, int bits, const int8_t *y,
                                       int rows, int n) {
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        for (int r = 0; r < rows; r++) {
            const int64_t dot = bits ? qsoftmax_dot_i(g, bits, y, r * n, n) : 0;
            const float real = bits ? 0.0f : qsoftmax_dot_f32(g, y, r * n, n) * (1.0f / 256.0f);
            for (int c = 0; c < n; c += GRADIENT_COLUMNS) {
                const int at = r * n + c, count = at_most(n - c, GRADIENT_COLUMNS);
                if (bits)
                    qsoftmax_row_i(p, g, bits, y, dot, at, count);
                for (int i = 0; !bits && i < count; i++)
                    p[i] = (float)(y[at + i] + 128) * (((const float *)g)[at + i] - real);
                for (int i = 0; i < count; i++)
                    p[i] *= end->by;
                finish_gradient(end, p, at, c, count);
            }
        }
        end_pass(end);
    }
}

static void qsoftmax_input_grad_i8(void *dx, float *range, const int8_t *g, const float *g_range,
                                   const int8_t *y, const uint8_t *mask, const float *scale,
                                   const void *skip, const float *skip_range, int rows, int n,
                                   int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qsoftmax_input_grad(&end, g, 8, y, rows, n);
}

static void qsoftmax_input_grad_i16(void *dx, float *range, const int16_t *g, const float *g_range,
                                    const int8_t *y, const uint8_t *mask, const float *scale,
                                    const void *skip, const float *skip_range, int rows, int n,
                                    int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qsoftmax_input_grad(&end, g, 16, y, rows, n);
}

static void qsoftmax_input_grad_f32(void *dx, float *range, const float *g, const int8_t *y,
                                    const uint8_t *mask, const float *scale, const void *skip,
                                    const float *skip_range, int rows, int n, int bits,
                                    int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    qsoftmax_input_grad(&end, g, 0, y, rows, n);
}
