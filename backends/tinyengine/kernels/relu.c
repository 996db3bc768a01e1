static void relu_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] < 0.0f ? 0.0f : x[i]; // keeps NaN
}

static void relu_grad_f32(float *dx, const float *g, const float *y, int n) {
    for (int i = 0; i < n; i++)
        dx[i] = y[i] > 0.0f ? g[i] : 0.0f;
}
