// Masks: element i is bit i % 8 of byte i / 8. Who writes a mask writes whole bytes, zero past the
// end.

#pragma once

#include <stdint.h>

static inline int get_bit(const uint8_t *mask, int i) {
    return (mask[i / 8] >> (i % 8)) & 1;
}
