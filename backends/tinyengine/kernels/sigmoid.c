#include "elementary.h"

static void sigmoid_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = sigmoid_f32(x[i]);
}

static void sigmoid_grad_f32(float *dx, const float *g, const float *y, int n) {
    for (int i = 0; i < n; i++)
        dx[i] = g[i] * y[i] * (1.0f - y[i]);
}
