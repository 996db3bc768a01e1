#include "loops.h"

// y is `value` but for x, which begins at `begin`: axes hold the steps in x and in y.
static void pad_f32(float *y, const float *x, int size, int begin, float value, const int *axes) {
    for (int i = 0; i < size; i++)
        y[i] = value;
    const int *row = innermost(axes);
    row_position at = {0};
    do {
        for (int i = 0; i < row[0]; i++)
            y[begin + at.b + i * row[2]] = x[at.a + i * row[1]];
    } while (next_row(&at, axes));
}
