#include <stdint.h>

#include "loops.h"

static void add_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void add_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (row[1] == 1 && row[2] == 1)
            add_f32(y, p, q, row[0]);
        else
            for (int i = 0; i < row[0]; i++)
                y[i] = p[i * row[1]] + q[i * row[2]];
        y += row[0];
    } while (next_row(&at, axes));
}

static void sub_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void sub_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (row[1] == 1 && row[2] == 1)
            sub_f32(y, p, q, row[0]);
        else
            for (int i = 0; i < row[0]; i++)
                y[i] = p[i * row[1]] - q[i * row[2]];
        y += row[0];
    } while (next_row(&at, axes));
}

static void mul_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void mul_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (row[1] == 1 && row[2] == 1)
            mul_f32(y, p, q, row[0]);
        else
            for (int i = 0; i < row[0]; i++)
                y[i] = p[i * row[1]] * q[i * row[2]];
        y += row[0];
    } while (next_row(&at, axes));
}

static void div_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] / b[i];
}

static void div_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (row[1] == 1 && row[2] == 1)
            div_f32(y, p, q, row[0]);
        else
            for (int i = 0; i < row[0]; i++)
                y[i] = p[i * row[1]] / q[i * row[2]];
        y += row[0];
    } while (next_row(&at, axes));
}

// Integers wrap around, which only unsigned ones may do in C.

static void add_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++)
            y[i] = (int32_t)((uint32_t)p[i * row[1]] + (uint32_t)q[i * row[2]]);
        y += row[0];
    } while (next_row(&at, axes));
}

static void sub_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++)
            y[i] = (int32_t)((uint32_t)p[i * row[1]] - (uint32_t)q[i * row[2]]);
        y += row[0];
    } while (next_row(&at, axes));
}

static void mul_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++)
            y[i] = (int32_t)((uint32_t)p[i * row[1]] * (uint32_t)q[i * row[2]]);
        y += row[0];
    } while (next_row(&at, axes));
}
