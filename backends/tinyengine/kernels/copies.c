#include <stdint.h>
#include <string.h>

#include "bits.h"
#include "loops.h"

static void copy_bytes(void *y, const void *x, int bytes) {
    if (y != x)
        memcpy(y, x, (unsigned)bytes);
}

// Rows of bytes, from every x_step bytes of x to every y_step bytes of y.
static void copy_rows(void *y, const void *x, int rows, int bytes, int y_begin, int y_step,
                      int x_begin, int x_step) {
    uint8_t *to = (uint8_t *)y + y_begin;
    const uint8_t *from = (const uint8_t *)x + x_begin;
    for (int r = 0; r < rows; r++, to += y_step, from += x_step)
        memcpy(to, from, (unsigned)bytes);
}

// y in its order, x from `begin` with the steps of operand a: for elements of 1, 2, 4 and 8 bytes.

static void gather_1(void *y, const void *x, int begin, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    uint8_t *to = y;
    row_position at = {0};
    do {
        const uint8_t *from = (const uint8_t *)x + begin + at.a;
        for (int i = 0; i < n; i++, from += step)
            *to++ = *from;
    } while (next_row(&at, axes));
}

static void gather_2(void *y, const void *x, int begin, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    uint16_t *to = y;
    row_position at = {0};
    do {
        const uint16_t *from = (const uint16_t *)x + begin + at.a;
        for (int i = 0; i < n; i++, from += step)
            *to++ = *from;
    } while (next_row(&at, axes));
}

static void gather_4(void *y, const void *x, int begin, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    uint32_t *to = y;
    row_position at = {0};
    do {
        const uint32_t *from = (const uint32_t *)x + begin + at.a;
        for (int i = 0; i < n; i++, from += step)
            *to++ = *from;
    } while (next_row(&at, axes));
}

static void gather_8(void *y, const void *x, int begin, const int *axes) {
    const int n = innermost(axes)[0], step = innermost(axes)[1];
    uint64_t *to = y;
    row_position at = {0};
    do {
        const uint64_t *from = (const uint64_t *)x + begin + at.a;
        for (int i = 0; i < n; i++, from += step)
            *to++ = *from;
    } while (next_row(&at, axes));
}

static void gather_b1(uint8_t *y, const uint8_t *x, int begin, const int *axes) {
    const int *row = innermost(axes);
    row_position at = {0};
    int written = 0;
    unsigned bits = 0;
    do {
        for (int i = 0; i < row[0]; i++) {
            bits |= (unsigned)get_bit(x, begin + at.a + i * row[1]) << (written % 8);
            if (++written % 8 == 0) {
                *y++ = (uint8_t)bits;
                bits = 0;
            }
        }
    } while (next_row(&at, axes));
    if (written % 8 != 0)
        *y = (uint8_t)bits;
}

static void clear_bits(uint8_t *y, int bytes) {
    memset(y, 0, (unsigned)bytes);
}

// Rows of a mask, to every y_step bits of a cleared one.
static void copy_bit_rows(uint8_t *y, const uint8_t *x, int rows, int bits, int y_begin,
                          int y_step) {
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < bits; i++) {
            const int k = y_begin + r * y_step + i;
            y[k / 8] = (uint8_t)(y[k / 8] | (get_bit(x, r * bits + i) << (k % 8)));
        }
    }
}
