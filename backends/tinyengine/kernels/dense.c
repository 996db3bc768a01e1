#include "products.h"

// y[n, o] = clamp(x[n, i] w[o, i] + b[o], lo, hi).
static void dense_f32(float *y, const float *x, const float *w, const float *b, int rows, int in,
                      int out, float lo, float hi) {
    matmul_nt_f32(y, x, w, b, rows, out, in, lo, hi);
}

// dw[o, i] = sum of g[n, o] x[n, i].
static void dense_weight_grad_f32(float *dw, const float *g, const float *x, int rows, int in,
                                  int out) {
    matmul_tn_f32(dw, g, x, out, in, rows);
}

// The same for one sample: dw[o, i] = g[o] x[i].
static void dense_weight_grad_of_one_f32(float *dw, const float *g, const float *x, int in,
                                         int out) {
    for (int o = 0; o < out; o++, dw += in) {
        const float scale = g[o];
        int i = 0;
        for (; i + 4 <= in; i += 4) {
            quad_f32 q = load_quad_f32(x + i);
            store_quad_f32(dw + i, (quad_f32){scale * q.a, scale * q.b, scale * q.c, scale * q.d});
        }
        for (; i < in; i++)
            dw[i] = scale * x[i];
    }
}
