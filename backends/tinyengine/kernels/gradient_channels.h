// Sums of products channel by channel, acc[c] += sum of g[i, k, c] (b[i, k, c] - zero) over rows i
// and terms k, for a gradient in int8, int16 or float32 and int8 weights or activations.

#pragma once

#include "gradient_sums.h"

// Elements from one row of terms to the next, and from one term to the next.
typedef struct {
    int row, term;
} channel_steps;

static inline void add_channels_i8(int32_t *acc, int columns, const int8_t *g, channel_steps g_step,
                                   const int8_t *b, channel_steps b_step, int zero, int rows,
                                   int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++) {
            const int8_t *x = g + k * g_step.term, *y = b + k * b_step.term;
            // One product fits into 16 bits: twice as many at once.
            for (int n = 0; n < columns; n++)
                acc[n] += (int16_t)(x[n] * (y[n] - zero));
        }
}

static inline void add_channels_i16(int64_t *acc, int columns, const int16_t *g,
                                    channel_steps g_step, const int8_t *b, channel_steps b_step,
                                    int zero, int rows, int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += g[k * g_step.term + n] * (b[k * b_step.term + n] - zero);
}

static inline void add_channels_f32(float *acc, int columns, const float *g, channel_steps g_step,
                                    const int8_t *b, channel_steps b_step, int zero, int rows,
                                    int terms) {
    for (int i = 0; i < rows; i++, g += g_step.row, b += b_step.row)
        for (int k = 0; k < terms; k++)
            for (int n = 0; n < columns; n++)
                acc[n] += g[k * g_step.term + n] * (float)(b[k * b_step.term + n] - zero);
}

static inline void add_gradient_channels(gradient_tile *tile, int bits, int columns, const void *g,
                                         int at, channel_steps g_step, const int8_t *b,
                                         channel_steps b_step, int zero, int rows, int terms) {
    if (bits == 8)
        add_channels_i8(tile->i8, columns, (const int8_t *)g + at, g_step, b, b_step, zero, rows,
                        terms);
    else if (bits == 16)
        add_channels_i16(tile->i16, columns, (const int16_t *)g + at, g_step, b, b_step, zero, rows,
                         terms);
    else
        add_channels_f32(tile->f32, columns, (const float *)g + at, g_step, b, b_step, zero, rows,
                         terms);
}

// Adds to the first row of a tile; `at` is the first element of g.
static inline void add_to_channels(gradient_tile *tile, int bits, int columns, const void *g,
                                   int at, channel_steps g_step, const int8_t *b,
                                   channel_steps b_step, int zero, int rows, int terms) {
    if (columns == GRADIENT_COLUMNS)
        add_gradient_channels(tile, bits, GRADIENT_COLUMNS, g, at, g_step, b, b_step, zero, rows,
                              terms);
    else
        add_gradient_channels(tile, bits, columns, g, at, g_step, b, b_step, zero, rows, terms);
}
