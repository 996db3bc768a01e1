#include "loops.h"

#include <stdint.h>
#include <string.h>

static void pad_fill_f32(float *y, int size, float value) {
    for (int i = 0; i < size; i++)
        y[i] = value;
}

static void pad_fill_i8(int8_t *y, int size, int value) {
    memset(y, value, (unsigned)size);
}

static void pad_fill_i16(int16_t *y, int size, int value) {
    for (int i = 0; i < size; i++)
        y[i] = (int16_t)value;
}

// Copies runs of bytes of x to where they lie in y, the first at `begin`: axes hold the steps in x
// and in y from run to run.
static void pad_runs(void *y, const void *x, int begin, int bytes, const int *axes) {
    uint8_t *to = (uint8_t *)y + begin;
    const uint8_t *from = x;
    row_position at = {0};
    do {
        memcpy(to + at.b, from + at.a, (unsigned)bytes);
    } while (next_block(&at, axes, 0));
}
