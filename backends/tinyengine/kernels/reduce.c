#include <math.h>
#include <stdint.h>
#include <string.h>

#include "integers.h"
#include "loops.h"

// All walk through x once, in order; the step in operand a is that in y, 0 along a reduced axis.
// The last axis is then the last of y too, or reduced: its step is 1 or 0.

// Adds the sum of each column to y: four at a time, in registers.
static void sum_columns_f32(float *y, const float *x, int rows, int columns) {
    int c = 0;
    for (; c + 4 <= columns; c += 4) {
        const float *p = x + c;
        float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (int r = 0; r < rows; r++, p += columns) {
            s0 += p[0];
            s1 += p[1];
            s2 += p[2];
            s3 += p[3];
        }
        y[c] += s0;
        y[c + 1] += s1;
        y[c + 2] += s2;
        y[c + 3] += s3;
    }
    for (; c < columns; c++) {
        float sum = 0.0f;
        for (int r = 0; r < rows; r++)
            sum += x[r * columns + c];
        y[c] += sum;
    }
}

static void sum_f32(float *y, const float *x, int size, const int *axes) {
    const int *row = innermost(axes);
    const int n = row[0], is_kept = row[1];
    // Loops that are neighbours differ, or they would be one: above a kept one lies a reduced one.
    const int rows = is_kept && axes[0] > 1 ? row[-3] : 1;
    row_position at = {0};
    memset(y, 0, (unsigned)size * sizeof *y);
    do {
        if (is_kept) {
            sum_columns_f32(y + at.a, x, rows, n);
        } else {
            float sum = 0.0f;
            for (int i = 0; i < n; i++)
                sum += x[i];
            y[at.a] += sum;
        }
        x += rows * n;
    } while (next_block(&at, axes, is_kept && axes[0] > 1 ? 2 : 1));
}

static void mean_f32(float *y, const float *x, int size, const int *axes, int count) {
    sum_f32(y, x, size, axes);
    for (int i = 0; i < size; i++)
        y[i] /= (float)count;
}

static void sum_i32(int32_t *y, const int32_t *x, int size, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    row_position at = {0};
    memset(y, 0, (unsigned)size * sizeof *y);
    do {
        int32_t *to = y + at.a;
        for (int i = 0; i < n; i++, to += step)
            *to = (int32_t)((uint32_t)*to + (uint32_t)x[i]); // wraps around
        x += n;
    } while (next_row(&at, axes));
}

static void max_f32(float *y, const float *x, int size, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    row_position at = {0};
    for (int i = 0; i < size; i++)
        y[i] = -INFINITY;
    do {
        float *to = y + at.a;
        for (int i = 0; i < n; i++, to += step)
            *to = x[i] > *to ? x[i] : *to;
        x += n;
    } while (next_row(&at, axes));
}

static void min_f32(float *y, const float *x, int size, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    row_position at = {0};
    for (int i = 0; i < size; i++)
        y[i] = INFINITY;
    do {
        float *to = y + at.a;
        for (int i = 0; i < n; i++, to += step)
            *to = x[i] < *to ? x[i] : *to;
        x += n;
    } while (next_row(&at, axes));
}

// Integers of 8, 16 or 32 bits.
static MERGED void reduce_to_extreme(void *y, const void *x, int bits, int is_max, int size,
                                     const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    row_position at = {0};
    int from = 0;
    for (int i = 0; i < size; i++)
        set_integer(y, bits, i, (is_max ? INT32_MIN : INT32_MAX) >> (32 - bits));
    do {
        for (int i = 0, to = at.a; i < n; i++, to += step, from++) {
            const int best = integer_at(y, bits, to), value = integer_at(x, bits, from);
            set_integer(y, bits, to, (value > best) == is_max ? value : best);
        }
    } while (next_row(&at, axes));
}

static void max_i32(int32_t *y, const int32_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 32, 1, size, axes);
}

static void min_i32(int32_t *y, const int32_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 32, 0, size, axes);
}

static void max_i8(int8_t *y, const int8_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 8, 1, size, axes);
}

static void min_i8(int8_t *y, const int8_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 8, 0, size, axes);
}

static void max_i16(int16_t *y, const int16_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 16, 1, size, axes);
}

static void min_i16(int16_t *y, const int16_t *x, int size, const int *axes) {
    reduce_to_extreme(y, x, 16, 0, size, axes);
}

// Every element that equals its maximum, or minimum, gets an equal share of the gradient; `scratch`
// counts them.
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

static MERGED void max_grad_integers(float *dx, const float *g, const void *x, const void *y,
                                     int bits, int32_t *ties, int size, const int *axes) {
    const int *row = innermost(axes);
    memset(ties, 0, (unsigned)size * sizeof *ties);
    row_position at = {0};
    int from = 0;
    do {
        for (int i = 0, k = at.a; i < row[0]; i++, k += row[1], from++)
            ties[k] += integer_at(x, bits, from) == integer_at(y, bits, k);
    } while (next_row(&at, axes));
    at = (row_position){0};
    from = 0;
    do {
        for (int i = 0, k = at.a; i < row[0]; i++, k += row[1], from++) {
            const int is_extreme = integer_at(x, bits, from) == integer_at(y, bits, k);
            dx[from] = is_extreme ? g[k] / (float)ties[k] : 0.0f;
        }
    } while (next_row(&at, axes));
}

static void max_grad_i8(float *dx, const float *g, const int8_t *x, const int8_t *y, void *scratch,
                        int size, const int *axes) {
    max_grad_integers(dx, g, x, y, 8, scratch, size, axes);
}

static void max_grad_i16(float *dx, const float *g, const int16_t *x, const int16_t *y,
                         void *scratch, int size, const int *axes) {
    max_grad_integers(dx, g, x, y, 16, scratch, size, axes);
}
