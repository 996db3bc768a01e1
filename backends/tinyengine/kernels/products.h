// Products of whole matrices, tile by tile.

#pragma once

#include "partial_tiles.h"
#include "windows.h"

#include <stddef.h>

// y[m, n] = clamp(sum of a[m, k] b[n, k] over k, plus bias[n]).
static inline void matmul_nt_f32(float *y, const float *a, const float *b, const float *bias,
                                 int rows, int columns, int depth, float lo, float hi) {
    float acc[16];
    for (int m = 0; m < rows; m += 4) {
        const int height = at_most(rows - m, 4);
        for (int n = 0; n < columns; n += 4) {
            const int width = at_most(columns - n, 4);
            const float *start = tile_start_f32(acc, bias ? bias + n : NULL, width);
            nt_tile_f32(acc, start, height, width, a + m * depth, depth, b + n * depth, depth,
                        depth);
            clamp_tile_f32(acc, height, width, lo, hi);
            store_tile_f32(y + m * columns + n, columns, acc, height, width);
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
            nn_tile_f32(acc, zero_tile_f32, height, width, a + m * depth, depth, b + n, columns,
                        depth);
            store_tile_f32(y + m * columns + n, columns, acc, height, width);
        }
    }
}

// y[m, n] = sum of a[k, m] b[k, n] over k.
static inline void matmul_tn_f32(float *y, const float *a, const float *b, int rows, int columns,
                                 int depth) {
    const walk_steps a_step = {0, rows}, b_step = {0, columns};
    float acc[16];
    for (int m = 0; m < rows; m += 4) {
        const int height = at_most(rows - m, 4);
        for (int n = 0; n < columns; n += 4) {
            const int width = at_most(columns - n, 4);
            tn_tile_f32(acc, zero_tile_f32, height, width, a + m, a_step, b + n, b_step, 1, depth);
            store_tile_f32(y + m * columns + n, columns, acc, height, width);
        }
    }
}
