#include "elementary.h"

static void elu_f32(float *y, const float *x, int n, float alpha) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : (exp_f32(x[i]) - 1.0f) * alpha;
}

static void elu_grad_f32(float *dx, const float *g, const float *x, int n, float alpha) {
    for (int i = 0; i < n; i++)
        dx[i] = x[i] > 0.0f ? g[i] : g[i] * exp_f32(x[i]) * alpha;
}
