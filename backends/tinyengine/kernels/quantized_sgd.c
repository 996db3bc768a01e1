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
        for (int i = 0; i < part; i++) {
            float d = weight_gradient(g, g_range, o * part + i) * next_factor(&walk);
            if (decay != 0.0f) {
                const float shrunk = shrink * (float)row[i];
                d += shrunk;
            }
            int n = nearest_f32(within_f32(d * 256.0f, LARGEST_STEP_I8));
            if (most >= 0)
                n = n > most ? most : n < -most ? -most : n;
            row[i] = moved_i8(row[i], n, next_byte(&bytes));
        }
    }
}

static void quantized_sgd_i32(int32_t *p, const void *g, const float *g_range, const float *lr,
                              const float *factor, const int32_t *micro, int every, int outer,
                              int axis, int begin, int end, int inner, int channels, int run,
                              float decay) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const int part = (end - begin) * inner;
    const float shrink = *lr * decay;
    channel_walk walk = walk_channels(factor, channels, run, *lr, g_range);
    for (int o = 0; o < outer; o++) {
        int32_t *row = p + (o * axis + begin) * inner;
        for (int i = 0; i < part; i++) {
            float d = weight_gradient(g, g_range, o * part + i) * next_factor(&walk);
            if (decay != 0.0f) {
                const float shrunk = shrink * (float)row[i];
                d += shrunk;
            }
            const int64_t moved = (int64_t)row[i] - nearest_f32(within_f32(d, LARGEST_STEP_I32));
            row[i] = moved > INT32_MAX ? INT32_MAX : moved < INT32_MIN ? INT32_MIN : (int32_t)moved;
        }
    }
}
