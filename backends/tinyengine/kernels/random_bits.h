// The random words of gradlet's random_bits.py: bits[i] = mix(key + RANDOM_STEP * i).

#pragma once

#include <stdint.h>

#define RANDOM_STEP 0x9e3779b9u

static inline uint32_t random_mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}
