#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The mean of `every` gradients: starts anew when a group does.
static void accumulate_f32(float *a, const float *g, const int32_t *micro, int every, int n) {
    const float share = 1.0f / (float)every;
    if (*micro % every == 0)
        memset(a, 0, (unsigned)n * sizeof *a);
    for (int i = 0; i < n; i++)
        a[i] += g[i] * share;
}

// Counts one more, with `micro` only when it completes a group of `every` steps.
static void count_i32(int32_t *c, const int32_t *micro, int every) {
    if (micro == NULL || (*micro + 1) % every == 0)
        *c = (int32_t)((uint32_t)*c + 1u);
}
