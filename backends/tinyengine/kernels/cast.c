#include <stdint.h>
#include <string.h>

#include "bits.h"

// Integers of 1, 2 or 4 bytes, least significant byte first; `is_signed` says what the highest bit
// means.

static inline int32_t load_integer(const uint8_t *x, int bytes, int is_signed) {
    if (bytes == 1)
        return is_signed && *x > 127 ? *x - 256 : *x;
    if (bytes == 2) {
        int16_t half;
        memcpy(&half, x, sizeof half);
        return half;
    }
    int32_t word;
    memcpy(&word, x, sizeof word);
    return word;
}

// Keeps the low bits.
static inline void store_integer(uint8_t *y, int32_t value, int bytes) {
    for (int k = 0; k < bytes; k++)
        y[k] = (uint8_t)((uint32_t)value >> (8 * k));
}

static void cast_integer_integer(void *y, const void *x, int n, int y_bytes, int x_bytes,
                                 int x_is_signed) {
    uint8_t *to = y;
    const uint8_t *from = x;
    for (int i = 0; i < n; i++, to += y_bytes, from += x_bytes)
        store_integer(to, load_integer(from, x_bytes, x_is_signed), y_bytes);
}

static void cast_integer_f32(float *y, const void *x, int n, int x_bytes, int x_is_signed) {
    const uint8_t *from = x;
    for (int i = 0; i < n; i++, from += x_bytes)
        y[i] = (float)load_integer(from, x_bytes, x_is_signed);
}

// Drops the fraction; what is beyond lo or hi becomes them, NaN becomes 0.
static void cast_f32_integer(void *y, const float *x, int n, int y_bytes, int lo, int hi) {
    uint8_t *to = y;
    for (int i = 0; i < n; i++, to += y_bytes) {
        // Not x > hi: the float next to INT32_MAX is above it.
        int32_t value = x[i] >= (float)hi   ? hi
                        : x[i] <= (float)lo ? lo
                        : x[i] == x[i]      ? (int32_t)x[i]
                                            : 0;
        store_integer(to, value, y_bytes);
    }
}

static void cast_f32_b1(uint8_t *y, const float *x, int n) {
    memset(y, 0, (unsigned)(n + 7) / 8);
    for (int i = 0; i < n; i++)
        y[i / 8] = (uint8_t)(y[i / 8] | (x[i] != 0.0f) << (i % 8));
}

static void cast_integer_b1(uint8_t *y, const void *x, int n, int x_bytes) {
    const uint8_t *from = x;
    memset(y, 0, (unsigned)(n + 7) / 8);
    for (int i = 0; i < n; i++, from += x_bytes)
        y[i / 8] = (uint8_t)(y[i / 8] | (load_integer(from, x_bytes, 1) != 0) << (i % 8));
}

static void cast_b1_f32(float *y, const uint8_t *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = (float)get_bit(x, i);
}

static void cast_b1_integer(void *y, const uint8_t *x, int n, int y_bytes) {
    uint8_t *to = y;
    for (int i = 0; i < n; i++, to += y_bytes)
        store_integer(to, get_bit(x, i), y_bytes);
}

static void cast_same(void *y, const void *x, int bytes) {
    memcpy(y, x, (unsigned)bytes);
}
