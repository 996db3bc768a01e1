#include <stdint.h>

#include "loops.h"

// axes: the steps of a and b along the loops over y. NaN stays.

static void maximum_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2])
            *y++ = *p > *q || *p != *p ? *p : *q;
    } while (next_row(&at, axes));
}

static void minimum_f32(float *y, const float *a, const float *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2])
            *y++ = *p < *q || *p != *p ? *p : *q;
    } while (next_row(&at, axes));
}

static void maximum_i8(int8_t *y, const int8_t *a, const int8_t *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int8_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2])
            *y++ = *p > *q ? *p : *q;
    } while (next_row(&at, axes));
}

static void minimum_i8(int8_t *y, const int8_t *a, const int8_t *b, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int8_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2])
            *y++ = *p < *q ? *p : *q;
    } while (next_row(&at, axes));
}

// The share of g that goes to a, the larger operand; equal ones share it.

static void maximum_grad_f32(float *dx, const float *g, const float *a, const float *b,
                             const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const float *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], g++)
            *dx++ = *p > *q ? *g : *p == *q ? 0.5f * *g : 0.0f;
    } while (next_row(&at, axes));
}

static void maximum_grad_i8(float *dx, const float *g, const int8_t *a, const int8_t *b,
                            const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        const int8_t *p = a + at.a, *q = b + at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], g++)
            *dx++ = *p > *q ? *g : *p == *q ? 0.5f * *g : 0.0f;
    } while (next_row(&at, axes));
}
