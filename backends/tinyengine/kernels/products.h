// Products of whole matrices, tile by tile. Where a step is 0, a matrix is shared by the batch.

#pragma once

#include "tiles.h"
#include "windows.h"

#include <math.h>
#include <stddef.h>

// y[m, n] = clamp(sum of a[m, k] b[n, k] over k, plus bias[n]).
static inline void matmul_nt_f32(float *y, const float *a, const float *b, const float *bias,
                                 int rows, int columns, int depth, float lo, float hi) {
    float acc[16];
    for (int m = 0; m < rows; m += 4) {
        const int height = at_most(rows - m, 4);
        for (int n = 0; n < columns; n += 4) {
            const int width = at_most(columns - n, 4);
            begin_tile_f32(acc, bias ? bias + n : NULL, width);
            nt_tile_f32(acc, height, width, a + m * depth, depth, b + n * depth, depth, depth);
            end_tile_f32(y + m * columns + n, columns, acc, height, width, lo, hi);
        }
    }
}

// y[m, n] = sum of a[m, k] b[k, n] over k.
static inline void matmul_nn_f32(float *y, const float *a, const float *b, int rows, int columns,
                                 int depth) {
    float acc[16];
    for (int m = 0; m < rows; m += 4) {
        const int height = at_most(rows - m, 4);
        for (int n = 0; n < columns; n += 4) {
            const int width = at_most(columns - n, 4);
            begin_tile_f32(acc, NULL, width);
            nn_tile_f32(acc, height, width, a + m * depth, depth, b + n, columns, depth);
            end_tile_f32(y + m * columns + n, columns, acc, height, width, -INFINITY, INFINITY);
        }
    }
}

// y[m, n] = sum of a[k, m] b[k, n] over k.
static inline void matmul_tn_f32(float *y, const float *a, const float *b, int rows, int columns,
                                 int depth) {
    float acc[16];
    for (int m = 0; m < rows; m += 4) {
        const int height = at_most(rows - m, 4);
        for (int n = 0; n < columns; n += 4) {
            const int width = at_most(columns - n, 4);
            begin_tile_f32(acc, NULL, width);
            tn_tile_f32(acc, height, width, a + m, (walk_steps){0, rows}, b + n,
                        (walk_steps){0, columns}, 1, depth);
            end_tile_f32(y + m * columns + n, columns, acc, height, width, -INFINITY, INFINITY);
        }
    }
}
