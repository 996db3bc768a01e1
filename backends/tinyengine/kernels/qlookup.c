#include "gradient_epilogue.h"
#include "integers.h"
#include "windows.h"

// table: the results for -128 to 127. y may be x.
static void qlookup_i8(int8_t *y, const int8_t *x, int n, const int8_t *table) {
    const int8_t *middle = table + 128;
    for (int i = 0; i < n; i++)
        y[i] = middle[x[i]];
}

// Of int16 the table has every 128th.
#define STEP_BITS_I16 7
#define STEP_I16 (1 << STEP_BITS_I16)

// table: the results for -32768, -32640, ..., 32768. y may be x.
static void qlookup_i16(int16_t *y, const int16_t *x, int n, const int16_t *table) {
    for (int i = 0; i < n; i++) {
        const int at = x[i] + 32768, behind = at % STEP_I16;
        const int16_t *entry = table + at / STEP_I16;
        const int rise = (entry[1] - entry[0]) * behind;
        y[i] = (int16_t)(entry[0] + ((rise + STEP_I16 / 2) >> STEP_BITS_I16));
    }
}

// slopes: of the function, for -128 to 127, or between the places of the table for int16. `bits`
// are those of an integer gradient, 0 stands for floats; x_bits are 8 or 16.
static inline void qlookup_input_grad(gradient_end *end, const void *g, int bits, const void *x,
                                      int x_bits, const float *slopes, int rows, int channels) {
    const int shift = x_bits == 8 ? 0 : STEP_BITS_I16;
    const float *middle = slopes + (1 << (x_bits - 1 - shift));
    float p[GRADIENT_COLUMNS];
    for (int left = begin_passes(end); left > 0; left--) {
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < channels; c += GRADIENT_COLUMNS) {
                const int at = r * channels + c, count = at_most(channels - c, GRADIENT_COLUMNS);
                for (int i = 0; i < count; i++)
                    p[i] = gradient_element(g, bits, at + i) *
                           middle[integer_at(x, x_bits, at + i) >> shift] * end->by;
                finish_gradient(end, p, at, c, count);
            }
        end_pass(end);
    }
}

static void qlookup_input_grad_i8(void *y, float *range, const int8_t *g, const float *g_range,
                                  const void *x, const uint8_t *mask, const float *scale,
                                  const void *skip, const float *skip_range, const float *slopes,
                                  int rows, int channels, int x_bits, int bits, int skip_bits,
                                  float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 8, x, x_bits, slopes, rows, channels);
}

static void qlookup_input_grad_i16(void *y, float *range, const int16_t *g, const float *g_range,
                                   const void *x, const uint8_t *mask, const float *scale,
                                   const void *skip, const float *skip_range, const float *slopes,
                                   int rows, int channels, int x_bits, int bits, int skip_bits,
                                   float factor, float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, g_range, factor, mask, scale, skip,
                                       skip_range, skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 16, x, x_bits, slopes, rows, channels);
}

static void qlookup_input_grad_f32(void *y, float *range, const float *g, const void *x,
                                   const uint8_t *mask, const float *scale, const void *skip,
                                   const float *skip_range, const float *slopes, int rows,
                                   int channels, int x_bits, int bits, int skip_bits, float factor,
                                   float skip_factor) {
    gradient_end end = gradient_end_of(y, range, bits, NULL, factor, mask, scale, skip, skip_range,
                                       skip_bits, skip_factor);
    qlookup_input_grad(&end, g, 0, x, x_bits, slopes, rows, channels);
}
