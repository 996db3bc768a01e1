#include <math.h>
#include <stdint.h>

#include "elementary.h"

static void neg_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = -x[i];
}

// The smallest integer is its own negative, which only unsigned ones may be in C.
static void neg_i32(int32_t *y, const int32_t *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = (int32_t)(0u - (uint32_t)x[i]);
}

static void exp_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = exp_f32(x[i]);
}

static void log_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = log_f32(x[i]);
}

static void sqrt_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = sqrtf(x[i]);
}

static void rsqrt_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = 1.0f / sqrtf(x[i]);
}

static void scale_all_f32(float *y, const float *x, int n, float factor) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] * factor;
}
