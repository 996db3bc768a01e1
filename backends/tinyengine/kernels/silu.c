#include "elementary.h"

static void silu_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] * sigmoid_f32(x[i]);
}

static void silu_grad_f32(float *dx, const float *g, const float *x, int n) {
    for (int i = 0; i < n; i++) {
        float s = sigmoid_f32(x[i]);
        dx[i] = g[i] * s * (1.0f + x[i] * (1.0f - s));
    }
}
