#include "requantize.h"

// Half away from zero, within +-BEYOND_I8.
static inline int32_t away_limited_f32(float x) {
    const float near = x > -BEYOND_I8 ? x < BEYOND_I8 ? x : BEYOND_I8 : -BEYOND_I8;
    return (int32_t)(near + (near < 0.0f ? -0.5f : 0.5f));
}

static void quantize_f32(int8_t *y, uint8_t *mask, const float *x, int n, float scale, int zero,
                         int half_to_even) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++) {
        const float quotient = x[i] / scale;
        const int32_t r = half_to_even ? nearest_limited_f32(quotient) : away_limited_f32(quotient);
        store_i8(y, mask, i, r + zero);
    }
}

static void quantize_i16_f32(int16_t *y, uint8_t *mask, const float *x, int n, float scale, int low,
                             int high) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++)
        store_i16(y, mask, i, nearest_beyond_i16_f32(x[i] / scale), low, high);
}

static void dequantize_i8(float *y, const int8_t *x, int n, float scale, int zero) {
    for (int i = 0; i < n; i++)
        y[i] = (float)(x[i] - zero) * scale;
}

static void dequantize_i16(float *y, const int16_t *x, int n, float scale) {
    for (int i = 0; i < n; i++)
        y[i] = (float)x[i] * scale;
}

// t * factor, of which mantissa and shift are that of the fixed-point ways to round.
static inline int32_t rescaled_limited(int32_t t, float factor, int mantissa, int shift,
                                       int rounding) {
    return rounding == ROUND_AS_FLOAT
               ? nearest_limited_f32((float)t * factor)
               : limited_i32(multiply_fixed_i32(t, mantissa, shift, rounding));
}

// To another scale; y may be x.
static void requantize_i8(int8_t *y, uint8_t *mask, const int8_t *x, int n, int x_zero, int y_zero,
                          float factor, int mantissa, int shift, int rounding) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++)
        store_i8(y, mask, i,
                 rescaled_limited(x[i] - x_zero, factor, mantissa, shift, rounding) + y_zero);
}

static void requantize_u8(int8_t *y, uint8_t *mask, const uint8_t *x, int n, int x_zero, int y_zero,
                          float factor, int mantissa, int shift, int rounding) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++)
        store_i8(y, mask, i,
                 rescaled_limited(x[i] - x_zero, factor, mantissa, shift, rounding) + y_zero);
}

static void requantize_i16(int16_t *y, uint8_t *mask, const int16_t *x, int n, float factor,
                           int low, int high) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++)
        store_i16(y, mask, i, nearest_beyond_i16_f32((float)x[i] * factor), low, high);
}

static void requantize_u8_to_i16(int16_t *y, uint8_t *mask, const uint8_t *x, int n, int x_zero,
                                 float factor, int low, int high) {
    clear_mask(mask, n);
    for (int i = 0; i < n; i++)
        store_i16(y, mask, i, nearest_beyond_i16_f32((float)(x[i] - x_zero) * factor), low, high);
}
