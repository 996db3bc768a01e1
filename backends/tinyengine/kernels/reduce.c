#include <math.h>
#include <stdint.h>
#include <string.h>

#include "loops.h"

// All walk through x once, in order; the step in operand a is that in y, 0 along a reduced axis.
// The last axis is then the last of y too, or reduced: its step is 1 or 0.

static void sum_f32(float *y, const float *x, int size, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    memset(y, 0, (unsigned)size * sizeof *y);
    do {
        if (row[1] == 0) {
            float sum = 0.0f;
            for (int i = 0; i < row[0]; i++)
                sum += x[i];
            y[at.a] += sum;
        } else {
            for (int i = 0; i < row[0]; i++)
                y[at.a + i] += x[i];
        }
        x += row[0];
    } while (next_row(&at, axes));
}

static void mean_f32(float *y, const float *x, int size, const int *axes, int count) {
    sum_f32(y, x, size, axes);
    for (int i = 0; i < size; i++)
        y[i] /= (float)count;
}

static void sum_i32(int32_t *y, const int32_t *x, int size, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    memset(y, 0, (unsigned)size * sizeof *y);
    do {
        for (int i = 0; i < row[0]; i++) {
            int32_t *to = y + at.a + i * row[1];
            *to = (int32_t)((uint32_t)*to + (uint32_t)x[i]); // wraps around
        }
        x += row[0];
    } while (next_row(&at, axes));
}

static void max_f32(float *y, const float *x, int size, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    for (int i = 0; i < size; i++)
        y[i] = -INFINITY;
    do {
        for (int i = 0; i < row[0]; i++) {
            float *to = y + at.a + i * row[1];
            *to = x[i] > *to ? x[i] : *to;
        }
        x += row[0];
    } while (next_row(&at, axes));
}

static void max_i32(int32_t *y, const int32_t *x, int size, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    for (int i = 0; i < size; i++)
        y[i] = INT32_MIN;
    do {
        for (int i = 0; i < row[0]; i++) {
            int32_t *to = y + at.a + i * row[1];
            *to = x[i] > *to ? x[i] : *to;
        }
        x += row[0];
    } while (next_row(&at, axes));
}

// Every element that equals its maximum gets an equal share of the gradient; `scratch` counts them.
static void max_grad_f32(float *dx, const float *g, const float *x, const float *y, void *scratch,
                         int size, const int *axes) {
    const int *row = innermost(axes);
    int32_t *ties = scratch;
    memset(ties, 0, (unsigned)size * sizeof *ties);
    row_position at = {0};
    const float *p = x;
    do {
        for (int i = 0; i < row[0]; i++)
            ties[at.a + i * row[1]] += p[i] == y[at.a + i * row[1]];
        p += row[0];
    } while (next_row(&at, axes));
    at = (row_position){0};
    do {
        for (int i = 0; i < row[0]; i++) {
            const int k = at.a + i * row[1];
            dx[i] = x[i] == y[k] ? g[k] / (float)ties[k] : 0.0f;
        }
        dx += row[0];
        x += row[0];
    } while (next_row(&at, axes));
}
