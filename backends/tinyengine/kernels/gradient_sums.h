// Sums of products for gradients of quantised values: a gradient in int8, int16 or float32 times
// int8 weights, or activations minus their zero point. Sums of int8 are exact in int32, those of
// int16 in int64.

#pragma once

#include "float_of_i64.h"
#include "gradient_epilogue.h"
#include "gradient_tiles.h"
#include "windows.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GRADIENT_ROWS 4
#define GRADIENT_TILE 32

// The sums of a tile of rows and columns, in the one kind that the gradient wants.
typedef union {
    int32_t i8[GRADIENT_TILE];
    int64_t i16[GRADIENT_TILE];
    float f32[GRADIENT_TILE];
} gradient_tile;

// An operand: elements from one row (or column) of the tile, and from one term of the sum to the
// next.
typedef struct {
    int row, term;
} gradient_steps;

// acc[8 m + n] += a[m, k] (b[k, n] - zero), summed over k. Columns lie one after the other.
static inline void add_products_i8(int32_t *acc, int rows, int columns, const int8_t *a,
                                   gradient_steps step, const int8_t *b, int b_term, int zero,
                                   int terms) {
    if (multiplies_pairs() && rows == 4 && columns % 2 == 0 && terms >= 4) {
        const int done =
            add_wide_products_i8(acc, columns, a, step.row, step.term, b, b_term, zero, terms);
        a += done * step.term;
        b += done * b_term;
        terms -= done;
    }
    for (int k = 0; k < terms; k++, a += step.term, b += b_term)
        for (int m = 0; m < rows; m++) {
            const int x = a[m * step.row];
            // One product fits into 16 bits: twice as many at once.
            for (int n = 0; n < columns; n++)
                acc[8 * m + n] += (int16_t)(x * (b[n] - zero));
        }
}

static inline void add_products_i16(int64_t *acc, int rows, int columns, const int16_t *a,
                                    gradient_steps step, const int8_t *b, int b_term, int zero,
                                    int terms) {
    if (multiplies_pairs() && rows == 4 && columns % 2 == 0 && terms >= 4) {
        const int done =
            add_wide_products_i16(acc, columns, a, step.row, step.term, b, b_term, zero, terms);
        a += done * step.term;
        b += done * b_term;
        terms -= done;
    }
    for (int k = 0; k < terms; k++, a += step.term, b += b_term)
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < columns; n++)
                acc[8 * m + n] += a[m * step.row] * (b[n] - zero);
}

static MERGED void add_products_f32(float *acc, int rows, int columns, const float *a,
                                    gradient_steps step, const void *b, int b_bits, int b_term,
                                    int zero, int terms) {
    if (has_float_tiles() && columns % 4 == 0) {
        add_wide_products_f32(acc, rows, columns, a, step.row, step.term, b, b_bits, b_term, zero,
                              terms);
        return;
    }
    for (int k = 0; k < terms; k++, a += step.term)
        for (int m = 0; m < rows; m++) {
            const float x = a[m * step.row];
            for (int n = 0; n < columns; n++)
                acc[8 * m + n] += x * (float)(integer_at(b, b_bits, k * b_term + n) - zero);
        }
}

static inline void add_gradient_products(gradient_tile *tile, int bits, int row, int rows,
                                         int columns, const void *g, int at, gradient_steps step,
                                         const int8_t *b, int b_term, int zero, int terms) {
    if (bits == 8)
        add_products_i8(tile->i8 + 8 * row, rows, columns, (const int8_t *)g + at, step, b, b_term,
                        zero, terms);
    else if (bits == 16)
        add_products_i16(tile->i16 + 8 * row, rows, columns, (const int16_t *)g + at, step, b,
                         b_term, zero, terms);
    else
        add_products_f32(tile->f32 + 8 * row, rows, columns, (const float *)g + at, step, b, 8,
                         b_term, zero, terms);
}

// Adds to rows of a tile, from `row` on, what the gradient g, from its element `at` on, times b is.
static inline void add_to_tile(gradient_tile *tile, int bits, int row, int rows, int columns,
                               const void *g, int at, gradient_steps step, const int8_t *b,
                               int b_term, int zero, int terms) {
    if (rows == GRADIENT_ROWS && columns == GRADIENT_COLUMNS)
        add_gradient_products(tile, bits, 0, GRADIENT_ROWS, GRADIENT_COLUMNS, g, at, step, b,
                              b_term, zero, terms);
    else
        add_gradient_products(tile, bits, row, rows, columns, g, at, step, b, b_term, zero, terms);
}

// Element i of a tile.
static inline float tile_element(const gradient_tile *tile, int bits, int i) {
    return bits == 8 ? (float)tile->i8[i] : bits == 16 ? float_of_i64(tile->i16[i]) : tile->f32[i];
}

// Sets the sums of so many rows to 0.
static inline void clear_tile(gradient_tile *tile, int bits, int rows) {
    for (int i = 0; i < 8 * rows; i++) {
        if (bits == 8)
            tile->i8[i] = 0;
        else if (bits == 16)
            tile->i16[i] = 0;
        else
            tile->f32[i] = 0.0f;
    }
}

// Finishes a row of a tile, as `finish_gradient` does.
static inline void finish_tile_row(gradient_end *end, const gradient_tile *tile, int bits, int row,
                                   int at, int channel, int count) {
    float p[GRADIENT_COLUMNS];
    for (int n = 0; n < GRADIENT_COLUMNS; n++)
        p[n] = tile_element(tile, bits, 8 * row + n) * end->by;
    finish_gradient(end, p, at, channel, count);
}

// Stores the first `count` elements of a row of a tile as a gradient of weights, from element `at`
// of it on: exact int32 of int8, else floats.
static inline void store_tile_row(void *dw, const gradient_tile *tile, int bits, int row, int at,
                                  int count) {
    for (int n = 0; n < count; n++) {
        if (bits == 8)
            ((int32_t *)dw)[at + n] = tile->i8[8 * row + n];
        else
            ((float *)dw)[at + n] = tile_element(tile, bits, 8 * row + n);
    }
}
