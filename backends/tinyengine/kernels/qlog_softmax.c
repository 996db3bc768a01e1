#include "fixed_point.h"
#include "gradient_epilogue.h"
#include "windows.h"

// exponentials: of the differences to the largest, 31 bits behind the point; differences: the
// numbers that these are of, with 26 bits. y may be x.
static void qlog_softmax_i8(int8_t *y, const int8_t *x, int rows, int n,
                            const int32_t *exponentials, const int32_t *differences) {
    for (int r = 0; r < rows; r++, x += n, y += n) {
        const int largest = largest_i8(x, n);
        int32_t sum = 0;
        for (int i = 0; i < n; i++)
            sum += rounded_to_sum(exponentials[largest - x[i]]);
        const int64_t log_sum = logarithm_i32(sum);
        for (int i = 0; i < n; i++) {
            const int64_t q = divide_by_power_of_two_i64(differences[largest - x[i]] - log_sum, 22);
            y[i] = clamp_i8((int32_t)q + 127);
        }
    }
}

static inline int unclamped_i(const void *g, int bits, const int8_t *y, int i) {
    return y[i] == -128 ? 0 : bits == 8 ? ((const int8_t *)g)[i] : ((const int16_t *)g)[i];
}

static inline float unclamped_f32(const void *g, const int8_t *y, int i) {
    return y[i] == -128 ? 0.0f : ((const float *)g)[i];
}

// Exact for integers, in the order of the index for floats.
static inline float qlog_softmax_sum(const void *g, int bits, const int8_t *y, int at, int n) {
    int64_t sum = 0;
    float real = bits ? 0.0f : unclamped_f32(g, y, at);
    for (int i = at; bits && i < at + n; i++)
        sum += unclamped_i(g, bits, y, i);
    for (int i = at + 1; !bits && i < at + n; i++)
        real += unclamped_f32(g, y, i);
    return bits ? (float)sum : real;
}

// g - p * sum of g, where y is not clamped. shares: p, for y from -128 to 127. `bits` are those of
// an integer gradient, 0 stands for floats.
static inline void qlog_softmax_input_grad(gradient_end *end, const void *g, int bits,
                                           const int8_t *y, const float *shares, int rows, int n) {
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        for (int r = 0; r < rows; r++) {
            const float sum = qlog_softmax_sum(g, bits, y, r * n, n);
            for (int c = 0; c < n; c += GRADIENT_COLUMNS) {
                const int at = r * n + c, count = at_most(n - c, GRADIENT_COLUMNS);
                for (int i = 0; i < count; i++) {
                    const float q =
                        bits ? (float)unclamped_i(g, bits, y, at + i) : unclamped_f32(g, y, at + i);
                    p[i] = (q - shares[y[at + i] + 128] * sum) * end->by;
                }
                finish_gradient(end, p, at, c, count);
            }
        }
        end_pass(end);
    }
}

static void qlog_softmax_input_grad_i8(void *dx, float *range, const int8_t *g,
                                       const float *g_range, const int8_t *y, const uint8_t *mask,
                                       const float *scale, const void *skip,
                                       const float *skip_range, const float *shares, int rows,
                                       int n, int bits, int skip_bits, float factor,
                                       float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlog_softmax_input_grad(&end, g, 8, y, shares, rows, n);
}

static void qlog_softmax_input_grad_i16(void *dx, float *range, const int16_t *g,
                                        const float *g_range, const int8_t *y, const uint8_t *mask,
                                        const float *scale, const void *skip,
                                        const float *skip_range, const float *shares, int rows,
                                        int n, int bits, int skip_bits, float factor,
                                        float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlog_softmax_input_grad(&end, g, 16, y, shares, rows, n);
}

static void qlog_softmax_input_grad_f32(void *dx, float *range, const float *g, const int8_t *y,
                                        const uint8_t *mask, const float *scale, const void *skip,
                                        const float *skip_range, const float *shares, int rows,
                                        int n, int bits, int skip_bits, float factor,
                                        float skip_factor) {
    gradient_end end = gradient_end_of(dx, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    qlog_softmax_input_grad(&end, g, 0, y, shares, rows, n);
}
