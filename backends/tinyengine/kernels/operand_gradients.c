#include "gradient_epilogue.h"
#include "integers.h"
#include "loops.h"
#include "windows.h"

// The gradient of an operand that was repeated along the loops `summed`. axes: where each row of
// `channels` of the result begins in g (operand a) and in the factors x (operand b), whose elements
// are then g_step and x_step apart. x may be NULL; else its elements have 8 or 16 bits.
typedef struct {
    const void *g, *x;
    int x_bits, zero, channels, g_step, x_step;
    const int *axes, *summed;
} repeated_operand;

static inline int factor_of(const repeated_operand *o, int i) {
    return o->x ? integer_at(o->x, o->x_bits, i) - o->zero : 1;
}

static inline void sum_integers(float *p, const repeated_operand *o, int bits, int from_g,
                                int from_x, int count, float by) {
    int64_t sums[GRADIENT_COLUMNS] = {0};
    const int *row = innermost(o->summed);
    row_position at = {0};
    do {
        int a = from_g + at.a, b = from_x + at.b;
        for (int k = 0; k < row[0]; k++, a += row[1], b += row[2])
            for (int i = 0; i < count; i++)
                sums[i] +=
                    integer_at(o->g, bits, a + i * o->g_step) * factor_of(o, b + i * o->x_step);
    } while (next_row(&at, o->summed));
    for (int i = 0; i < count; i++)
        p[i] = (float)sums[i] * by;
}

static inline void sum_floats(float *p, const repeated_operand *o, int from_g, int from_x,
                              int count, float by) {
    float sums[GRADIENT_COLUMNS] = {0};
    const int *row = innermost(o->summed);
    row_position at = {0};
    do {
        int a = from_g + at.a, b = from_x + at.b;
        for (int k = 0; k < row[0]; k++, a += row[1], b += row[2])
            for (int i = 0; i < count; i++)
                sums[i] += ((const float *)o->g)[a + i * o->g_step] *
                           (float)factor_of(o, b + i * o->x_step);
    } while (next_row(&at, o->summed));
    for (int i = 0; i < count; i++)
        p[i] = sums[i] * by;
}

// `bits` are those of an integer gradient, 0 stands for floats.
static inline void operand_gradient(gradient_end *end, const repeated_operand *o, int bits) {
    const int *row = innermost(o->axes);
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        row_position at = {0};
        int to = 0;
        do {
            for (int k = 0; k < row[0]; k++, to += o->channels)
                for (int c = 0; c < o->channels; c += GRADIENT_COLUMNS) {
                    const int a = at.a + k * row[1] + c * o->g_step;
                    const int b = at.b + k * row[2] + c * o->x_step;
                    const int count = at_most(o->channels - c, GRADIENT_COLUMNS);
                    if (bits)
                        sum_integers(p, o, bits, a, b, count, end->by);
                    else
                        sum_floats(p, o, a, b, count, end->by);
                    finish_gradient(end, p, to + c, c, count);
                }
        } while (next_row(&at, o->axes));
        end_pass(end);
    }
}

static void operand_gradient_i8(void *y, float *range, const int8_t *g, const float *g_range,
                                const void *x, int x_bits, int zero, const uint8_t *mask,
                                const float *scale, const void *skip, const float *skip_range,
                                int channels, int g_step, int x_step, const int *axes,
                                const int *summed, int bits, int skip_bits, float factor,
                                float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const repeated_operand o = {g, x, x_bits, zero, channels, g_step, x_step, axes, summed};
    operand_gradient(&end, &o, 8);
}

static void operand_gradient_i16(void *y, float *range, const int16_t *g, const float *g_range,
                                 const void *x, int x_bits, int zero, const uint8_t *mask,
                                 const float *scale, const void *skip, const float *skip_range,
                                 int channels, int g_step, int x_step, const int *axes,
                                 const int *summed, int bits, int skip_bits, float factor,
                                 float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    const repeated_operand o = {g, x, x_bits, zero, channels, g_step, x_step, axes, summed};
    operand_gradient(&end, &o, 16);
}

static void operand_gradient_f32(void *y, float *range, const float *g, const void *x, int x_bits,
                                 int zero, const uint8_t *mask, const float *scale,
                                 const void *skip, const float *skip_range, int channels,
                                 int g_step, int x_step, const int *axes, const int *summed,
                                 int bits, int skip_bits, float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    const repeated_operand o = {g, x, x_bits, zero, channels, g_step, x_step, axes, summed};
    operand_gradient(&end, &o, 0);
}
