#include "windows.h"

#include <stdint.h>

// sum / count, rounded half to even, or half away from zero.
static inline int rounded_mean(int sum, int count, int half_to_even) {
    const int size = sum < 0 ? -sum : sum;
    const int quotient = size / count, twice = 2 * (size - quotient * count);
    const int up = twice > count || (twice == count && (!half_to_even || quotient & 1));
    return sum < 0 ? -quotient - up : quotient + up;
}

// Padding is not counted: it stands for no number.
static void qavg_pool2d_i8(int8_t *y, const int8_t *x, const int *sizes, int half_to_even) {
    const window_sizes s = read_window(sizes);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++, y += s.channels) {
        const window_part part = part_inside(&s, p);
        for (int c = 0; c < s.channels; c++) {
            int sum = 0;
            for (int row = 0; row < part.rows; row++)
                for (int column = 0; column < part.columns; column++)
                    sum += x[part.begin + (row * s.width + column) * s.channels + c];
            y[c] = (int8_t)rounded_mean(sum, part.rows * part.columns, half_to_even);
        }
    }
}
