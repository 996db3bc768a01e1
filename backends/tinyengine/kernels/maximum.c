#include "integers.h"
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

static MERGED void extreme_integers(void *y, const void *a, const void *b, int bits, int is_maximum,
                                    const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    int to = 0;
    do {
        int p = at.a, q = at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2]) {
            const int s = integer_at(a, bits, p), t = integer_at(b, bits, q);
            set_integer(y, bits, to++, (s > t) == is_maximum ? s : t);
        }
    } while (next_row(&at, axes));
}

static void maximum_i8(int8_t *y, const int8_t *a, const int8_t *b, const int *axes) {
    extreme_integers(y, a, b, 8, 1, axes);
}

static void minimum_i8(int8_t *y, const int8_t *a, const int8_t *b, const int *axes) {
    extreme_integers(y, a, b, 8, 0, axes);
}

static void maximum_i16(int16_t *y, const int16_t *a, const int16_t *b, const int *axes) {
    extreme_integers(y, a, b, 16, 1, axes);
}

static void minimum_i16(int16_t *y, const int16_t *a, const int16_t *b, const int *axes) {
    extreme_integers(y, a, b, 16, 0, axes);
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

static MERGED void maximum_grad_integers(float *dx, const float *g, const void *a, const void *b,
                                         int bits, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        int p = at.a, q = at.b;
        for (int i = 0; i < row[0]; i++, p += row[1], q += row[2], g++) {
            const int s = integer_at(a, bits, p), t = integer_at(b, bits, q);
            *dx++ = s > t ? *g : s == t ? 0.5f * *g : 0.0f;
        }
    } while (next_row(&at, axes));
}

static void maximum_grad_i8(float *dx, const float *g, const int8_t *a, const int8_t *b,
                            const int *axes) {
    maximum_grad_integers(dx, g, a, b, 8, axes);
}

static void maximum_grad_i16(float *dx, const float *g, const int16_t *a, const int16_t *b,
                             const int *axes) {
    maximum_grad_integers(dx, g, a, b, 16, axes);
}
