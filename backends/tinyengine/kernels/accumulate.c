#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The mean of `every` gradients, in a[o, begin:end, i] of a[outer, axis, inner]: starts anew when a
// group does.
static void accumulate_f32(float *a, const float *g, const int32_t *micro, int every, int outer,
                           int axis, int begin, int end, int inner) {
    const float share = 1.0f / (float)every;
    const int part = (end - begin) * inner;
    for (int o = 0; o < outer; o++, g += part) {
        float *row = a + (o * axis + begin) * inner;
        if (*micro % every == 0)
            memset(row, 0, (unsigned)part * sizeof *row);
        for (int i = 0; i < part; i++)
            row[i] += g[i] * share;
    }
}

// Counts one more, with `micro` only when it completes a group of `every` steps.
static void count_i32(int32_t *c, const int32_t *micro, int every) {
    if (micro == NULL || (*micro + 1) % every == 0)
        *c = (int32_t)((uint32_t)*c + 1u);
}
