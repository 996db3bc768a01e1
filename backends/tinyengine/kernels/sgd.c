#include <stddef.h>
#include <stdint.h>

// w[o, begin:end, i] -= lr * (g[o, :, i] + decay * w[o, begin:end, i]), with w[outer, axis, inner].
// With `micro`, only when it completes a group of `every` steps.
static void sgd_f32(float *w, const float *g, const float *lr, const int32_t *micro, int every,
                    int outer, int axis, int begin, int end, int inner, float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const float rate = *lr;
    const int part = (end - begin) * inner;
    for (int o = 0; o < outer; o++) {
        float *row = w + (o * axis + begin) * inner;
        for (int i = 0; i < part; i++)
            row[i] -= rate * (g[i] + decay * row[i]);
        g += part;
    }
}
