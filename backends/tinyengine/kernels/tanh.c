#include "elementary.h"

static void tanh_all_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = tanh_f32(x[i]);
}

static void tanh_grad_f32(float *dx, const float *g, const float *y, int n) {
    for (int i = 0; i < n; i++)
        dx[i] = g[i] * (1.0f - y[i] * y[i]);
}
