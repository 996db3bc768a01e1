#include <stdint.h>

static void full_f32(float *y, int n, float value) {
    for (int i = 0; i < n; i++)
        y[i] = value;
}

static void full_i8(int8_t *y, int n, int value) {
    for (int i = 0; i < n; i++)
        y[i] = (int8_t)value;
}

static void full_u8(uint8_t *y, int n, int value) {
    for (int i = 0; i < n; i++)
        y[i] = (uint8_t)value;
}

static void full_i16(int16_t *y, int n, int value) {
    for (int i = 0; i < n; i++)
        y[i] = (int16_t)value;
}

static void full_i32(int32_t *y, int n, int value) {
    for (int i = 0; i < n; i++)
        y[i] = value;
}

// Whole bytes, zero past the end.
static void full_b1(uint8_t *y, int n, int value) {
    for (int i = 0; i < n; i += 8)
        y[i / 8] = (uint8_t)(value == 0 ? 0 : n - i >= 8 ? 255 : (1 << (n - i)) - 1);
}
