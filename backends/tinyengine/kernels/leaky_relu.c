static void leaky_relu_f32(float *y, const float *x, int n, float alpha) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : x[i] * alpha;
}

static void leaky_relu_grad_f32(float *dx, const float *g, const float *x, int n, float alpha) {
    for (int i = 0; i < n; i++)
        dx[i] = x[i] > 0.0f ? g[i] : g[i] * alpha;
}
