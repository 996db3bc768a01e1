#include <math.h>

static void abs_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = fabsf(x[i]);
}

static void abs_grad_f32(float *dx, const float *g, const float *x, int n) {
    for (int i = 0; i < n; i++)
        dx[i] = x[i] > 0.0f ? g[i] : x[i] < 0.0f ? -g[i] : g[i] * x[i]; // keeps NaN
}
