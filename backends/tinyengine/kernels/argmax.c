#include "integers.h"

// Along rows of `size` elements, `step` apart, in `blocks` blocks.

static void argmax_f32(int32_t *y, const float *x, int blocks, int size, int step) {
    for (int b = 0; b < blocks; b++, x += (size - 1) * step) {
        for (int i = 0; i < step; i++, x++) {
            int best = 0;
            for (int k = 1; k < size; k++)
                best = x[k * step] > x[best * step] ? k : best;
            *y++ = best;
        }
    }
}

static MERGED void argmax_integers(int32_t *y, const void *x, int bits, int blocks, int size,
                                   int step) {
    for (int b = 0; b < blocks; b++) {
        for (int i = 0; i < step; i++) {
            const int begin = b * size * step + i;
            int best = 0, largest = integer_at(x, bits, begin);
            for (int k = 1; k < size; k++) {
                const int candidate = integer_at(x, bits, begin + k * step);
                if (candidate > largest) {
                    best = k;
                    largest = candidate;
                }
            }
            *y++ = best;
        }
    }
}

static void argmax_i8(int32_t *y, const int8_t *x, int blocks, int size, int step) {
    argmax_integers(y, x, 8, blocks, size, step);
}

static void argmax_i16(int32_t *y, const int16_t *x, int blocks, int size, int step) {
    argmax_integers(y, x, 16, blocks, size, step);
}

static void argmax_i32(int32_t *y, const int32_t *x, int blocks, int size, int step) {
    argmax_integers(y, x, 32, blocks, size, step);
}
