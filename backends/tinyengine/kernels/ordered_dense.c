#include "products.h"

#include <math.h>
#include <stddef.h>

// The tiles add in the order of the index, whatever tile a result is in; what follows starts all
// sums with zero, as the specification does, and adds a bias to the sum.

static void ordered_dense_f32(float *y, const float *x, const float *w, const float *bias, int rows,
                              int in, int out) {
    matmul_nt_f32(y, x, w, NULL, rows, out, in, -INFINITY, INFINITY);
    for (int n = 0; bias && n < rows; n++, y += out)
        for (int o = 0; o < out; o++)
            y[o] += bias[o];
}

static void ordered_dense_input_grad_f32(float *dx, const float *g, const float *w, int rows,
                                         int in, int out) {
    matmul_nn_f32(dx, g, w, rows, in, out);
}

static void ordered_dense_weight_grad_f32(float *dw, const float *g, const float *x, int rows,
                                          int in, int out) {
    matmul_tn_f32(dw, g, x, out, in, rows);
}

static void ordered_dense_bias_grad_f32(float *db, const float *g, int rows, int out) {
    for (int o = 0; o < out; o++) {
        float sum = 0.0f;
        for (int n = 0; n < rows; n++)
            sum += g[n * out + o];
        db[o] = sum;
    }
}
