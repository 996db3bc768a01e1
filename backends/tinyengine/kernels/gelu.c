#include "elementary.h"

// By what gelu multiplies x, and the slope of that.
typedef struct {
    float share, slope;
} gelu_factor;

static inline gelu_factor gelu_factor_f32(float x, int approximate) {
    if (!approximate) {
        const float share = 0.5f * (1.0f + erf_f32(x * 0.70710678f));
        return (gelu_factor){share, 0.39894228f * exp_f32(-0.5f * x * x)};
    }
    const float t = tanh_f32(0.79788456f * (x + 0.044715f * x * x * x));
    const float inner = 0.79788456f * (1.0f + 0.134145f * x * x);
    return (gelu_factor){0.5f * (1.0f + t), 0.5f * (1.0f - t * t) * inner};
}

static void gelu_f32(float *y, const float *x, int n, int approximate) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] * gelu_factor_f32(x[i], approximate).share;
}

static void gelu_grad_f32(float *dx, const float *g, const float *x, int n, int approximate) {
    for (int i = 0; i < n; i++) {
        const gelu_factor f = gelu_factor_f32(x[i], approximate);
        dx[i] = g[i] * (f.share + x[i] * f.slope);
    }
}
