// How tiles begin and end, and those at the edges of a result, of up to 4 rows and 4 columns. What
// computes the latter is not inline: a whole tile needs the registers.

#pragma once

#include "tiles.h"

#include <math.h>
#include <stddef.h>

static void nt_partial_f32(float *acc, const float *start, int rows, int columns, const float *a,
                           int am, const float *b, int bn, int count) {
    for (int m = 0; m < rows; m++, acc += 4, start += 4, a += am) {
        if (columns == 4)
            nt_1x4_f32(acc, start, a, b, bn, count);
        else
            for (int n = 0; n < columns; n++)
                acc[n] = dot_f32(start[n], a, 1, b + n * bn, 1, count);
    }
}

static inline void nt_tile_f32(float *acc, const float *start, int rows, int columns,
                               const float *a, int am, const float *b, int bn, int count) {
    if (rows == 4 && columns == 4)
        nt_4x4_f32(acc, start, a, am, b, bn, count);
    else
        nt_partial_f32(acc, start, rows, columns, a, am, b, bn, count);
}

static void nn_partial_f32(float *acc, const float *start, int rows, int columns, const float *a,
                           int am, const float *b, int bk, int count) {
    for (int m = 0; m < rows; m++, acc += 4, start += 4, a += am) {
        if (columns == 4)
            n_1x4_f32(acc, start, a, 1, b, bk, count);
        else
            for (int n = 0; n < columns; n++)
                acc[n] = dot_f32(start[n], a, 1, b + n, bk, count);
    }
}

static inline void nn_tile_f32(float *acc, const float *start, int rows, int columns,
                               const float *a, int am, const float *b, int bk, int count) {
    if (rows == 4 && columns == 4)
        nn_4x4_f32(acc, start, a, am, b, bk, count);
    else
        nn_partial_f32(acc, start, rows, columns, a, am, b, bk, count);
}

// One column of a tile: the operands have changed places.
static inline void tn_column_f32(float *acc, const float *a, walk_steps a_step, const float *b,
                                 walk_steps b_step, int walks, int terms) {
    float column[4] = {acc[0], acc[4], acc[8], acc[12]};
    for (; walks > 0; walks--, a += a_step.row, b += b_step.row)
        n_1x4_f32(column, column, b, b_step.term, a, a_step.term, terms);
    for (int m = 0; m < 4; m++)
        acc[4 * m] = column[m];
}

static inline void tn_row_f32(float *acc, int columns, const float *a, walk_steps a_step,
                              const float *b, walk_steps b_step, int walks, int terms) {
    for (; walks > 0; walks--, a += a_step.row, b += b_step.row) {
        if (columns == 4)
            n_1x4_f32(acc, acc, a, a_step.term, b, b_step.term, terms);
        else
            for (int n = 0; n < columns; n++)
                acc[n] = dot_f32(acc[n], a, a_step.term, b + n, b_step.term, terms);
    }
}

static void tn_partial_f32(float *acc, const float *start, int rows, int columns, const float *a,
                           walk_steps a_step, const float *b, walk_steps b_step, int walks,
                           int terms) {
    for (int i = 0; i < 16; i++)
        acc[i] = start[i];
    if (rows == 4)
        for (int n = 0; n < columns; n++)
            tn_column_f32(acc + n, a, a_step, b + n, b_step, walks, terms);
    else
        for (int m = 0; m < rows; m++)
            tn_row_f32(acc + 4 * m, columns, a + m, a_step, b, b_step, walks, terms);
}

static inline void tn_tile_f32(float *acc, const float *start, int rows, int columns,
                               const float *a, walk_steps a_step, const float *b, walk_steps b_step,
                               int walks, int terms) {
    if (rows == 4 && columns == 4 && walks > 0)
        tn_4x4_f32(acc, start, a, a_step, b, b_step, walks, terms);
    else
        tn_partial_f32(acc, start, rows, columns, a, a_step, b, b_step, walks, terms);
}

// What the rows of a tile start as: the bias, brought to `acc`, or zero.
static inline const float *tile_start_f32(float *acc, const float *bias, int columns) {
    if (bias == NULL)
        return zero_tile_f32;
    const quad_f32 row = {bias[0], columns > 1 ? bias[1] : 0.0f, columns > 2 ? bias[2] : 0.0f,
                          columns > 3 ? bias[3] : 0.0f};
    for (int m = 0; m < 16; m += 4)
        store_quad_f32(acc + m, row);
    return acc;
}

// The same, in `acc` in any case: for tiles that are summed up in several parts.
static inline void begin_tile_f32(float *acc, const float *bias, int columns) {
    const quad_f32 zero = {0.0f, 0.0f, 0.0f, 0.0f};
    if (tile_start_f32(acc, bias, columns) == acc)
        return;
    for (int m = 0; m < 16; m += 4)
        store_quad_f32(acc + m, zero);
}

// y[m * ym + n] = the tile.

static inline void store_4x4_f32(float *y, int ym, const float *acc) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // clang-format off
    __asm__ volatile(
        "vldmia %[acc], {s0-s15}\n"
        "vstmia %[y], {s0-s3}\n add %[y], %[step]\n"
        "vstmia %[y], {s4-s7}\n add %[y], %[step]\n"
        "vstmia %[y], {s8-s11}\n add %[y], %[step]\n"
        "vstmia %[y], {s12-s15}\n"
        : [y] "+&r"(y)
        : [acc] "r"(acc), [step] "r"(4 * ym)
        : TILE_REGISTERS);
    // clang-format on
#else
    for (int m = 0; m < 4; m++)
        store_quad_f32(y + m * ym, load_quad_f32(acc + 4 * m));
#endif
}

static inline void store_tile_f32(float *y, int ym, const float *acc, int rows, int columns) {
    if (rows == 4 && columns == 4) {
        store_4x4_f32(y, ym, acc);
        return;
    }
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n++)
            y[m * ym + n] = acc[4 * m + n];
}

static inline void clamp_tile_f32(float *acc, int rows, int columns, float lo, float hi) {
    if (lo == -INFINITY)
        return;
    if (rows == 4 && columns == 4) {
        clamp_8_f32(acc, lo, hi);
        clamp_8_f32(acc + 8, lo, hi);
        return;
    }
    for (int m = 0; m < rows; m++, acc += 4)
        for (int n = 0; n < columns; n++)
            acc[n] = clamp_f32(acc[n], lo, hi);
}
