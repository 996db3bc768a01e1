#include "integers.h"
#include "windows.h"

// sum / count, rounded half to even, or half away from zero.
static inline int rounded_mean(int sum, int count, int half_to_even) {
    const int size = sum < 0 ? -sum : sum;
    const int quotient = size / count, twice = 2 * (size - quotient * count);
    const int up = twice > count || (twice == count && (!half_to_even || quotient & 1));
    return sum < 0 ? -quotient - up : quotient + up;
}

// Padding is not counted: it stands for no number.
static MERGED void qavg_pool2d_integers(void *y, const void *x, int bits, const int *sizes,
                                        int half_to_even) {
    const window_sizes s = read_window(sizes);
    for (int p = 0; p < s.batch * s.out_height * s.out_width; p++) {
        const window_part part = part_inside(&s, p);
        for (int c = 0; c < s.channels; c++) {
            const int begin = part.begin + c;
            int sum = 0;
            for (int row = 0; row < part.rows; row++)
                for (int column = 0; column < part.columns; column++)
                    sum += integer_at(x, bits, begin + (row * s.width + column) * s.channels);
            set_integer(y, bits, p * s.channels + c,
                        rounded_mean(sum, part.rows * part.columns, half_to_even));
        }
    }
}

static void qavg_pool2d_i8(int8_t *y, const int8_t *x, const int *sizes, int half_to_even) {
    qavg_pool2d_integers(y, x, 8, sizes, half_to_even);
}

static void qavg_pool2d_i16(int16_t *y, const int16_t *x, const int *sizes, int half_to_even) {
    qavg_pool2d_integers(y, x, 16, sizes, half_to_even);
}
