#include "products.h"

#include <math.h>
#include <stddef.h>

// y[m, n] of each of a batch; from one to the next the operands move on by their steps, 0 for one
// that the batch shares.

static void batch_matmul_nn_f32(float *y, const float *a, const float *b, int batch, int a_step,
                                int b_step, int rows, int columns, int depth) {
    for (; batch > 0; batch--, y += rows * columns, a += a_step, b += b_step)
        matmul_nn_f32(y, a, b, rows, columns, depth);
}

static void batch_matmul_nt_f32(float *y, const float *a, const float *b, int batch, int a_step,
                                int b_step, int rows, int columns, int depth) {
    for (; batch > 0; batch--, y += rows * columns, a += a_step, b += b_step)
        matmul_nt_f32(y, a, b, NULL, rows, columns, depth, -INFINITY, INFINITY);
}

static void batch_matmul_tn_f32(float *y, const float *a, const float *b, int batch, int a_step,
                                int b_step, int rows, int columns, int depth) {
    for (; batch > 0; batch--, y += rows * columns, a += a_step, b += b_step)
        matmul_tn_f32(y, a, b, rows, columns, depth);
}

// Neither lies along the other: rare, and without tiles.
static void batch_matmul_tt_f32(float *y, const float *a, const float *b, int batch, int a_step,
                                int b_step, int rows, int columns, int depth) {
    for (; batch > 0; batch--, y += rows * columns, a += a_step, b += b_step)
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < columns; n++)
                y[m * columns + n] = dot_f32(0.0f, a + m, rows, b + n * depth, 1, depth);
}
