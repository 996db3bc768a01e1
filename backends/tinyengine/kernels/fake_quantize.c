#include "requantize.h"

// low and high are multiples of the scale; channels lie `inner` elements apart.
static void fake_quantize_f32(float *y, uint8_t *mask, const float *x, const float *scale,
                              int outer, int channels, int inner, int low, int high) {
    clear_mask(mask, outer * channels * inner);
    for (int i = 0; i < outer * channels * inner; i++) {
        const float s = scale[i / inner % channels];
        const float quotient = x[i] / s;
        const int32_t near = nearest_beyond_i16_f32(quotient);
        const int32_t r = near < low ? low : near > high ? high : near;
        y[i] = quotient == quotient ? (float)r * s : quotient; // keeps NaN
        if (mask && r == near && quotient == quotient)
            mask[i / 8] = (uint8_t)(mask[i / 8] | 1u << i % 8);
    }
}
