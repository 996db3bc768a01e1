// A walk through a part of a quantised parameter, element by element, with the factor of the
// channel that each belongs to: factor[o] for `run` elements, then that of the next channel.

#pragma once

#include "gradient_epilogue.h"

typedef struct {
    const float *factor;
    int channels, run;
    int channel, left; // in this channel
    float rate, unit, by;
} channel_walk;

static inline float walk_factor(const channel_walk *walk) {
    const float scaled = walk->rate * walk->factor[walk->channel];
    return scaled * walk->unit;
}

static inline channel_walk walk_channels(const float *factor, int channels, int run, float rate,
                                         const float *g_range) {
    channel_walk walk = {factor, channels, run, 0, run, rate, unit_of(g_range), 0.0f};
    walk.by = walk_factor(&walk);
    return walk;
}

// How many of the next `most` elements belong to one channel, whose factor becomes `by`.
static inline int next_run(channel_walk *walk, int most) {
    if (walk->left == 0) {
        walk->left = walk->run;
        walk->channel = walk->channel + 1 < walk->channels ? walk->channel + 1 : 0;
        walk->by = walk_factor(walk);
    }
    const int count = walk->left < most ? walk->left : most;
    walk->left -= count;
    return count;
}

// Element i of a gradient of weights: int32 where it has a range, else a float.
static inline float weight_gradient(const void *g, const float *g_range, int i) {
    return g_range ? (float)((const int32_t *)g)[i] : ((const float *)g)[i];
}
