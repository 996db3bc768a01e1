#include <stdint.h>

#include "random_bits.h"

// `seeded` is mix(seed); an element is kept, and scaled, where its random word is not below
// `threshold`.
static void dropout_f32(float *y, uint8_t *kept, int32_t *counter, const float *x, int n,
                        int seeded, int threshold, float scale) {
    uint32_t word = random_mix((uint32_t)seeded + (uint32_t)*counter);
    for (int i = 0; i < n; i += 8) {
        const int count = n - i < 8 ? n - i : 8;
        unsigned bits = 0;
        for (int k = 0; k < count; k++, word += RANDOM_STEP) {
            const unsigned keep = random_mix(word) >= (uint32_t)threshold;
            y[i + k] = keep ? x[i + k] * scale : 0.0f;
            bits |= keep << k;
        }
        kept[i / 8] = (uint8_t)bits;
    }
    *counter = (int32_t)((uint32_t)*counter + 1u);
}
