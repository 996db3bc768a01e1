static void hard_swish_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++) {
        float gate = x[i] + 3.0f;
        gate = gate < 0.0f ? 0.0f : gate > 6.0f ? 6.0f : gate;
        y[i] = x[i] * (gate * (1.0f / 6.0f));
    }
}

static void hard_swish_grad_f32(float *dx, const float *g, const float *x, int n) {
    for (int i = 0; i < n; i++) {
        float slope = x[i] * (1.0f / 3.0f) + 0.5f;
        slope = x[i] <= -3.0f ? 0.0f : x[i] >= 3.0f ? 1.0f : slope;
        dx[i] = g[i] * slope;
    }
}
