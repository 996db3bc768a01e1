#include "elementary.h"

static void softplus_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++) {
        float positive = x[i] > 0.0f ? x[i] : 0.0f;
        float distance = x[i] > 0.0f ? x[i] : -x[i];
        y[i] = positive + log_f32(1.0f + exp_f32(-distance));
    }
}

static void softplus_grad_f32(float *dx, const float *g, const float *x, int n) {
    for (int i = 0; i < n; i++)
        dx[i] = g[i] * sigmoid_f32(x[i]);
}
