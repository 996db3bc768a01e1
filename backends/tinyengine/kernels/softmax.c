#include "elementary.h"

// All see the tensor as [outer, n, inner] and work along n.

static float largest_f32(const float *x, int n, int step) {
    float max = x[0];
    for (int k = 1; k < n; k++)
        max = x[k * step] > max ? x[k * step] : max;
    return max;
}

static void softmax_f32(float *y, const float *x, int outer, int n, int inner) {
    for (int o = 0; o < outer; o++, x += n * inner, y += n * inner) {
        for (int i = 0; i < inner; i++) {
            const float max = largest_f32(x + i, n, inner);
            float sum = 0.0f;
            for (int k = i; k < n * inner; k += inner)
                sum += y[k] = exp_f32(x[k] - max);
            const float factor = 1.0f / sum;
            for (int k = i; k < n * inner; k += inner)
                y[k] *= factor;
        }
    }
}

static void log_softmax_f32(float *y, const float *x, int outer, int n, int inner) {
    for (int o = 0; o < outer; o++, x += n * inner, y += n * inner) {
        for (int i = 0; i < inner; i++) {
            const float max = largest_f32(x + i, n, inner);
            float sum = 0.0f;
            for (int k = i; k < n * inner; k += inner)
                sum += exp_f32(x[k] - max);
            const float log_sum = log_f32(sum);
            for (int k = i; k < n * inner; k += inner)
                y[k] = x[k] - max - log_sum;
        }
    }
}

// dx = y (g - sum of g y)
static void softmax_grad_f32(float *dx, const float *g, const float *y, int outer, int n,
                             int inner) {
    for (int o = 0; o < outer; o++, g += n * inner, y += n * inner, dx += n * inner) {
        for (int i = 0; i < inner; i++) {
            float sum = 0.0f;
            for (int k = i; k < n * inner; k += inner)
                sum += g[k] * y[k];
            for (int k = i; k < n * inner; k += inner)
                dx[k] = y[k] * (g[k] - sum);
        }
    }
}

// dx = g - exp(y) sum of g
static void log_softmax_grad_f32(float *dx, const float *g, const float *y, int outer, int n,
                                 int inner) {
    for (int o = 0; o < outer; o++, g += n * inner, y += n * inner, dx += n * inner) {
        for (int i = 0; i < inner; i++) {
            float sum = 0.0f;
            for (int k = i; k < n * inner; k += inner)
                sum += g[k];
            for (int k = i; k < n * inner; k += inner)
                dx[k] = g[k] - exp_f32(y[k]) * sum;
        }
    }
}
