static void clip_f32(float *y, const float *x, int n, float lo, float hi) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] < lo ? lo : x[i] > hi ? hi : x[i]; // keeps NaN
}

static void clip_grad_f32(float *dx, const float *g, const float *y, int n, float lo, float hi) {
    for (int i = 0; i < n; i++)
        dx[i] = y[i] > lo && y[i] < hi ? g[i] : 0.0f;
}
