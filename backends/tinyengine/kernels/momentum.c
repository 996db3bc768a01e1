#include <stddef.h>
#include <stdint.h>

// v = momentum * v + d with d = g + decay * w, then w -= lr * v, or lr * (d + momentum * v) with
// Nesterov; on w[o, begin:end, i] of w[outer, axis, inner], g being of that part's size, and on
// as many v[o, v_begin:, i] of v[outer, v_axis, inner]. With `micro`, only when it completes a
// group of `every` steps.
static void momentum_f32(float *w, const float *g, float *v, const float *lr, const int32_t *micro,
                         int every, int outer, int axis, int begin, int end, int inner, int v_axis,
                         int v_begin, float momentum, int nesterov, float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const float rate = *lr;
    const int part = (end - begin) * inner;
    for (int o = 0; o < outer; o++, g += part) {
        float *row = w + (o * axis + begin) * inner, *moments = v + (o * v_axis + v_begin) * inner;
        for (int i = 0; i < part; i++) {
            const float d = g[i] + decay * row[i];
            const float moment = momentum * moments[i] + d;
            moments[i] = moment;
            row[i] -= rate * (nesterov ? d + momentum * moment : moment);
        }
    }
}
