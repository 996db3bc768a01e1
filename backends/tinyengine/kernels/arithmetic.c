#include <stdint.h>

#include "loops.h"

// Of a row of a broadcast operation, each operand is a row too (step 1), one element (step 0), or,
// rarely, neither.

static void add_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void add_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (step_a == 1 && step_b == 1) {
            add_f32(y, p, q, n);
        } else if (step_a == 1 && step_b == 0) {
            const float same = *q;
            for (int i = 0; i < n; i++)
                y[i] = p[i] + same;
        } else {
            for (int i = 0; i < n; i++, p += step_a, q += step_b)
                y[i] = *p + *q;
        }
        y += n;
    } while (next_row(&at, axes));
}

static void sub_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void sub_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (step_a == 1 && step_b == 1) {
            sub_f32(y, p, q, n);
        } else if (step_a == 1 && step_b == 0) {
            const float same = *q;
            for (int i = 0; i < n; i++)
                y[i] = p[i] - same;
        } else {
            for (int i = 0; i < n; i++, p += step_a, q += step_b)
                y[i] = *p - *q;
        }
        y += n;
    } while (next_row(&at, axes));
}

static void mul_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void mul_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (step_a == 1 && step_b == 1) {
            mul_f32(y, p, q, n);
        } else if (step_a == 1 && step_b == 0) {
            const float same = *q;
            for (int i = 0; i < n; i++)
                y[i] = p[i] * same;
        } else {
            for (int i = 0; i < n; i++, p += step_a, q += step_b)
                y[i] = *p * *q;
        }
        y += n;
    } while (next_row(&at, axes));
}

static void div_f32(float *y, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++)
        y[i] = a[i] / b[i];
}

static void div_broadcast_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        if (step_a == 1 && step_b == 1) {
            div_f32(y, p, q, n);
        } else if (step_a == 1 && step_b == 0) {
            const float same = *q;
            for (int i = 0; i < n; i++)
                y[i] = p[i] / same;
        } else {
            for (int i = 0; i < n; i++, p += step_a, q += step_b)
                y[i] = *p / *q;
        }
        y += n;
    } while (next_row(&at, axes));
}

// Integers wrap around, which only unsigned ones may do in C.

static void add_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < n; i++, p += step_a, q += step_b)
            *y++ = (int32_t)((uint32_t)*p + (uint32_t)*q);
    } while (next_row(&at, axes));
}

static void sub_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < n; i++, p += step_a, q += step_b)
            *y++ = (int32_t)((uint32_t)*p - (uint32_t)*q);
    } while (next_row(&at, axes));
}

static void mul_broadcast_i32(int32_t *y, const int32_t *a, const int32_t *b, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], step_a = row[1], step_b = row[2];
    row_position at = {0};
    do {
        const int32_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < n; i++, p += step_a, q += step_b)
            *y++ = (int32_t)((uint32_t)*p * (uint32_t)*q);
    } while (next_row(&at, axes));
}
