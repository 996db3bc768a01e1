#include "channel_walk.h"
#include "nearest.h"
#include "random_bits.h"

#include <stddef.h>
#include <stdint.h>

// The floats that are made integers of lie within these, see gradlet's quantized_sgd.py.
#define LARGEST_STEP_I8 1073741824.0f
#define LARGEST_STEP_I32 2147483520.0f

// p moved by n 256ths, `r` decides on the rounding.
static inline int8_t moved_i8(int8_t p, int n, int r) {
    const int moved = (256 * p - n + r) >> 8;
    return (int8_t)(moved > 127 ? 127 : moved < -127 ? -127 : moved);
}

// The random bytes of an update, four a word, the lowest first; 128 without a counter.
typedef struct {
    uint32_t next, word;
    int left; // in the word; below 0 without a counter
} rounding_bytes;

static inline int next_byte(rounding_bytes *bytes) {
    if (bytes->left < 0)
        return 128;
    if (bytes->left == 0) {
        bytes->word = random_mix(bytes->next);
        bytes->next += RANDOM_STEP;
        bytes->left = 4;
    }
    const int byte = (int)(bytes->word & 255);
    bytes->word >>= 8;
    bytes->left--;
    return byte;
}

// lr * factor * unit * g, plus lr * decay * p, where `shrink` is lr * decay and `decays` whether it
// is any.
static inline float quantized_step(float g, float by, float p, int decays, float shrink) {
    const float step = g * by;
    if (!decays)
        return step;
    const float shrunk = shrink * p;
    return step + shrunk;
}

// Moves `count` weights of one channel, whose gradients are those from element k on.
static inline void move_run_i8(int8_t *p, const void *g, const float *g_range, int k, int count,
                               float by, int decays, float shrink, int most,
                               rounding_bytes *bytes) {
    for (int i = 0; i < count; i++) {
        const float d =
            quantized_step(weight_gradient(g, g_range, k + i), by, p[i], decays, shrink);
        int n = nearest_f32(within_f32(d * 256.0f, LARGEST_STEP_I8));
        if (most >= 0)
            n = n > most ? most : n < -most ? -most : n;
        p[i] = moved_i8(p[i], n, next_byte(bytes));
    }
}

// p[o, begin:end, i] -= lr * factor[channel] * unit * g[o, :, i] + lr * decay * p, with p[outer,
// axis, inner] and a channel for each `run` elements of the part. `most` 256ths bound a step unless
// negative; `seeded` is mix(seed), `first_word` the first of its stream. With `micro`, only when it
// completes a group of `every` steps.
static void quantized_sgd_i8(int8_t *p, const void *g, const float *g_range, const float *lr,
                             const float *factor, const int32_t *counter, const int32_t *micro,
                             int every, int outer, int axis, int begin, int end, int inner,
                             int channels, int run, int seeded, int first_word, int most,
                             float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const int part = (end - begin) * inner;
    const int decays = decay != 0.0f;
    const float shrink = *lr * decay;
    channel_walk walk = walk_channels(factor, channels, run, *lr, g_range);
    rounding_bytes bytes = {0, 0, -1};
    if (counter != NULL) {
        bytes.next =
            random_mix((uint32_t)seeded + (uint32_t)*counter) + RANDOM_STEP * (uint32_t)first_word;
        bytes.left = 0;
    }
    for (int o = 0; o < outer; o++) {
        int8_t *row = p + (o * axis + begin) * inner;
        for (int i = 0, count; i < part; i += count) {
            count = next_run(&walk, part - i);
            move_run_i8(row + i, g, g_range, o * part + i, count, walk.by, decays, shrink, most,
                        &bytes);
        }
    }
}

// One element of a bias.
static inline int32_t moved_i32(int32_t p, float d) {
    const int64_t moved = (int64_t)p - nearest_f32(within_f32(d, LARGEST_STEP_I32));
    return moved > INT32_MAX ? INT32_MAX : moved < INT32_MIN ? INT32_MIN : (int32_t)moved;
}

static void quantized_sgd_i32(int32_t *p, const void *g, const float *g_range, const float *lr,
                              const float *factor, const int32_t *micro, int every, int outer,
                              int axis, int begin, int end, int inner, int channels, int run,
                              float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const int part = (end - begin) * inner;
    const int decays = decay != 0.0f;
    const float shrink = *lr * decay;
    channel_walk walk = walk_channels(factor, channels, run, *lr, g_range);
    for (int o = 0; o < outer; o++) {
        int32_t *row = p + (o * axis + begin) * inner;
        for (int i = 0, count; i < part; i += count) {
            count = next_run(&walk, part - i);
            for (int k = i; k < i + count; k++) {
                const float from = weight_gradient(g, g_range, o * part + k);
                row[k] =
                    moved_i32(row[k], quantized_step(from, walk.by, (float)row[k], decays, shrink));
            }
        }
    }
}
