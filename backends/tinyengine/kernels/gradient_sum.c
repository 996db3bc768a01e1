#include <stdint.h>
#include <string.h>

// y[c] = sum of g[i, c] over i.

static void gradient_sum_i8(int32_t *y, const int8_t *g, int rows, int channels) {
    memset(y, 0, (unsigned)channels * sizeof *y);
    for (int i = 0; i < rows; i++, g += channels)
        for (int c = 0; c < channels; c++)
            y[c] += g[c];
}

static void gradient_sum_i16(int32_t *y, const int16_t *g, int rows, int channels) {
    memset(y, 0, (unsigned)channels * sizeof *y);
    for (int i = 0; i < rows; i++, g += channels)
        for (int c = 0; c < channels; c++)
            y[c] += g[c];
}

static void gradient_sum_f32(float *y, const float *g, int rows, int channels) {
    memset(y, 0, (unsigned)channels * sizeof *y);
    for (int i = 0; i < rows; i++, g += channels)
        for (int c = 0; c < channels; c++)
            y[c] += g[c];
}
