#include <stddef.h>

// y[n, o] = clamp(x[n, i] w[o, i] + b[o], lo, hi).
static void dense_f32(float *y, const float *x, const float *w, const float *b, int rows, int in,
                      int out, float lo, float hi) {
    for (int n = 0; n < rows; n++) {
        for (int o = 0; o < out; o++) {
            float sum = b == NULL ? 0.0f : b[o];
            for (int i = 0; i < in; i++)
                sum += x[n * in + i] * w[o * in + i];
            y[n * out + o] = sum < lo ? lo : sum > hi ? hi : sum;
        }
    }
}

// dw[o, i] = sum of g[n, o] x[n, i].
static void dense_weight_grad_f32(float *dw, const float *g, const float *x, int rows, int in,
                                  int out) {
    for (int o = 0; o < out; o++) {
        for (int i = 0; i < in; i++) {
            float sum = 0.0f;
            for (int n = 0; n < rows; n++)
                sum += g[n * out + o] * x[n * in + i];
            dw[o * in + i] = sum;
        }
    }
}
