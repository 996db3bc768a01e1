#include "channel_walk.h"
#include "nearest.h"

#include <stddef.h>
#include <stdint.h>

// One element of the float copy after a step. With a moment, `by` is without the rate.
static inline float stepped_master(float master, float g, float by, float *moment, float momentum,
                                   float rate, float shrink) {
    float d = g * by;
    if (moment != NULL) {
        const float kept = momentum * *moment;
        *moment = kept + d;
        d = rate * *moment;
    }
    if (shrink != 0.0f) {
        const float shrunk = shrink * master;
        d += shrunk;
    }
    return master - d;
}

// master -= lr * factor[channel] * unit * g + lr * decay * master, with `moments` the sum of the
// gradients in place of g; then p[o, begin:end, i] of p[outer, axis, inner] are the integers next
// to it. A channel for each `run` elements of the part. `bits` are those of p. With `micro`, only
// when it completes a group of `every` steps.
static void master_sgd(void *p, float *master, const void *g, const float *g_range, const float *lr,
                       const float *factor, float *moments, const int32_t *micro, int every,
                       int outer, int axis, int begin, int end, int inner, int channels, int run,
                       int bits, float momentum, float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const int part = (end - begin) * inner;
    const float limit = bits == 8 ? 127.0f : 2147483520.0f;
    channel_walk walk = walk_channels(factor, channels, run, moments ? 1.0f : *lr, g_range);
    for (int o = 0; o < outer; o++) {
        const int row = (o * axis + begin) * inner;
        for (int i = 0; i < part; i++) {
            const int k = o * part + i;
            next_run(&walk, 1);
            master[k] = stepped_master(master[k], weight_gradient(g, g_range, k), walk.by,
                                       moments ? moments + k : NULL, momentum, *lr, *lr * decay);
            const int nearest = nearest_f32(within_f32(master[k], limit));
            if (bits == 8)
                ((int8_t *)p)[row + i] = (int8_t)nearest;
            else
                ((int32_t *)p)[row + i] = nearest;
        }
    }
}
