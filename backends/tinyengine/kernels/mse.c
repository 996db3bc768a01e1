static void mse_f32(float *loss, const float *x, const float *target, int n) {
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        float d = x[i] - target[i];
        sum += d * d;
    }
    *loss = sum / (float)n;
}

static void mse_grad_f32(float *dx, const float *x, const float *target, int n) {
    const float factor = 2.0f / (float)n;
    for (int i = 0; i < n; i++)
        dx[i] = (x[i] - target[i]) * factor;
}
