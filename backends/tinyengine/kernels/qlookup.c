#include "gradient_epilogue.h"
#include "windows.h"

// table: the results for -128 to 127. y may be x.
static void qlookup_i8(int8_t *y, const int8_t *x, int n, const int8_t *table) {
    const int8_t *middle = table + 128;
    for (int i = 0; i < n; i++)
        y[i] = middle[x[i]];
}

// slopes: of the function, for -128 to 127. `bits` are those of an integer gradient, 0 stands for
// floats.
static inline void qlookup_input_grad(gradient_end *end, const void *g, int bits, const int8_t *x,
                                      const float *slopes, int rows, int channels) {
    const float *middle = slopes + 128;
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < channels; c += GRADIENT_COLUMNS) {
                const int at = r * channels + c, count = at_most(channels - c, GRADIENT_COLUMNS);
                for (int i = 0; i < count; i++)
                    p[i] = gradient_element(g, bits, at + i) * middle[x[at + i]] * end->by;
                finish_gradient(end, p, at, c, count);
            }
        end_pass(end);
    }
}

static void qlookup_input_grad_i8(void *y, float *range, const int8_t *g, const float *g_range,
                                  const int8_t *x, const uint8_t *mask, const float *scale,
                                  const void *skip, const float *skip_range, const float *slopes,
                                  int rows, int channels, int bits, int skip_bits, float factor,
                                  float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 8, x, slopes, rows, channels);
}

static void qlookup_input_grad_i16(void *y, float *range, const int16_t *g, const float *g_range,
                                   const int8_t *x, const uint8_t *mask, const float *scale,
                                   const void *skip, const float *skip_range, const float *slopes,
                                   int rows, int channels, int bits, int skip_bits, float factor,
                                   float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 16, x, slopes, rows, channels);
}

static void qlookup_input_grad_f32(void *y, float *range, const float *g, const int8_t *x,
                                   const uint8_t *mask, const float *scale, const void *skip,
                                   const float *skip_range, const float *slopes, int rows,
                                   int channels, int bits, int skip_bits, float factor,
                                   float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 0, x, slopes, rows, channels);
}
