#include "gradient_epilogue.h"
#include "loops.h"
#include "windows.h"

// Walks through the rows of `channels` of y in order: `axes` tells where each begins in g, whose
// elements are `step` apart in a row, 0 where one is repeated.
static inline void rescale_gradient(gradient_end *end, const void *g, int bits, int channels,
                                    int step, const int *axes) {
    const int *row = innermost(axes);
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        row_position at = {0};
        int to = 0;
        do {
            for (int k = 0; k < row[0]; k++, to += channels)
                for (int c = 0; c < channels; c += GRADIENT_COLUMNS) {
                    const int from = at.b + k * row[2] + c * step;
                    const int count = at_most(channels - c, GRADIENT_COLUMNS);
                    for (int i = 0; i < count; i++)
                        p[i] = gradient_element(g, bits, from + i * step) * end->by;
                    finish_gradient(end, p, to + c, c, count);
                }
        } while (next_row(&at, axes));
        end_pass(end);
    }
}

static void rescale_gradient_i8(void *y, float *range, const int8_t *g, const float *g_range,
                                const uint8_t *mask, const float *scale, const void *skip,
                                const float *skip_range, int channels, int step, const int *axes,
                                int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    rescale_gradient(&end, g, 8, channels, step, axes);
}

static void rescale_gradient_i16(void *y, float *range, const int16_t *g, const float *g_range,
                                 const uint8_t *mask, const float *scale, const void *skip,
                                 const float *skip_range, int channels, int step, const int *axes,
                                 int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    rescale_gradient(&end, g, 16, channels, step, axes);
}

static void rescale_gradient_i32(void *y, float *range, const int32_t *g, const float *g_range,
                                 const uint8_t *mask, const float *scale, const void *skip,
                                 const float *skip_range, int channels, int step, const int *axes,
                                 int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    rescale_gradient(&end, g, 32, channels, step, axes);
}

static void rescale_gradient_f32(void *y, float *range, const float *g, const uint8_t *mask,
                                 const float *scale, const void *skip, const float *skip_range,
                                 int channels, int step, const int *axes, int bits, int skip_bits,
                                 float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    rescale_gradient(&end, g, 0, channels, step, axes);
}
