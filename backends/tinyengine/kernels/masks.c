#include <stdint.h>

// Bit i: lo < y[i] < hi.
static void inside_f32(uint8_t *m, const float *y, int n, float lo, float hi) {
    for (int i = 0; i < n; i += 8) {
        const int count = n - i < 8 ? n - i : 8;
        unsigned bits = 0;
        for (int k = 0; k < count; k++)
            bits |= (unsigned)(y[i + k] > lo && y[i + k] < hi) << k;
        m[i / 8] = (uint8_t)bits;
    }
}

// y[i] = g[i] * scale where the mask says so, else 0.
static void masked_f32(float *y, const float *g, const uint8_t *m, int n, float scale) {
    for (int i = 0; i < n; i += 8) {
        const int count = n - i < 8 ? n - i : 8;
        unsigned bits = m[i / 8];
        for (int k = 0; k < count; k++, bits >>= 1)
            y[i + k] = bits & 1u ? g[i + k] * scale : 0.0f;
    }
}
