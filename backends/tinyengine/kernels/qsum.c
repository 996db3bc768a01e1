#include "integers.h"
#include "loops.h"
#include "requantize.h"
#include "windows.h"

// The most neighbouring sums that are held at once.
#define SUM_COLUMNS 8

// How sums become results: int8 of `count` elements each, whose zero point is zeros[0], where
// `bias` stands for the zero points if TFLite adds (mantissa is 0 then); int16 by `factor` alone,
// from `low` to `high`.
typedef struct {
    const int *zeros;
    int count;
    float factor, bias;
    int mantissa, shift, rounding;
    int low, high;
} sum_scale;

// The nearest integer, half away from zero, within +-BEYOND_I8.
static inline int32_t half_away_f32(float x) {
    const float limited = x > -BEYOND_I8 ? x < BEYOND_I8 ? x : BEYOND_I8 : -BEYOND_I8;
    const int whole = (int)limited;
    const float rest = limited - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline int32_t scaled_sum_i32(int32_t sum, const sum_scale *s) {
    const int32_t t = sum - s->count * s->zeros[0];
    if (s->rounding == ROUND_AS_FLOAT)
        return nearest_limited_f32((float)t * s->factor) + s->zeros[1];
    if (s->mantissa == 0) {
        const float product = (float)sum * s->factor;
        return half_away_f32(product + s->bias) + s->zeros[1];
    }
    return limited_i32(multiply_fixed_i32(t, s->mantissa, s->shift, s->rounding)) + s->zeros[1];
}

// Results `begin` to `begin + n`, from elements of x that are `step` apart, the first at `from`,
// and the loops `summed` over what each result is made of.
static MERGED void sum_columns(void *y, uint8_t *mask, int begin, int n, const void *x, int bits,
                               int from, int step, const int *summed, const sum_scale *s) {
    int32_t sums[SUM_COLUMNS] = {0};
    const int *row = innermost(summed);
    row_position at = {0};
    do {
        int place = from + at.a;
        for (int k = 0; k < row[0]; k++, place += row[1])
            for (int i = 0; i < n; i++)
                sums[i] += integer_at(x, bits, place + i * step);
    } while (next_row(&at, summed));
    for (int i = 0; i < n; i++)
        if (bits == 8)
            store_i8(y, mask, begin + i, scaled_sum_i32(sums[i], s));
        else
            store_i16(y, mask, begin + i, nearest_beyond_i16_f32((float)sums[i] * s->factor),
                      s->low, s->high);
}

// axes: where each row of `columns` results, `step` apart in x, begins in x.
static MERGED void qsum_integers(void *y, uint8_t *mask, const void *x, int bits, int size,
                                 int columns, int step, const int *axes, const int *summed,
                                 const sum_scale *s) {
    const int *row = innermost(axes);
    row_position at = {0};
    int begin = 0;
    clear_mask(mask, size);
    do {
        for (int k = 0; k < row[0]; k++)
            for (int c = 0; c < columns; c += SUM_COLUMNS) {
                const int from = at.a + k * row[1] + c * step;
                const int n = at_most(columns - c, SUM_COLUMNS);
                sum_columns(y, mask, begin, n, x, bits, from, step, summed, s);
                begin += n;
            }
    } while (next_row(&at, axes));
}

// zeros: of x and y.
static void qsum_i8(int8_t *y, uint8_t *mask, const int8_t *x, int size, int columns, int step,
                    const int *axes, const int *summed, int count, const int *zeros, float factor,
                    float bias, int mantissa, int shift, int rounding) {
    const sum_scale s = {zeros, count, factor, bias, mantissa, shift, rounding, 0, 0};
    qsum_integers(y, mask, x, 8, size, columns, step, axes, summed, &s);
}

static void qsum_i16(int16_t *y, uint8_t *mask, const int16_t *x, int size, int columns, int step,
                     const int *axes, const int *summed, float factor, int low, int high) {
    const sum_scale s = {.factor = factor, .low = low, .high = high};
    qsum_integers(y, mask, x, 16, size, columns, step, axes, summed, &s);
}
