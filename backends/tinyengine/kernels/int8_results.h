// What tiles of int8_tiles.h give for two output channels: any number of results, in any way to
// round, with or without a mask.

#pragma once

#include "int8_tiles.h"
#include "windows.h"

static inline int words_of_group(const widened_pair *job) {
    return (int)(job->end - job->weights) / WEIGHT_WORDS * COLUMN_WORDS;
}

// Two channels of `groups` of four results, which are rounded as floats.
static inline void finish_fours_i8(const result_place *to, int at, widened_pair *job, int groups) {
    job->y = (int8_t *)to->y + at;
    job->groups = groups;
    if (!to->mask) {
        finish_pair_i8(job);
        return;
    }
    const uint32_t *columns = job->columns;
    for (; groups > 0; groups--, at += 4 * to->pitch) {
        job->columns = columns;
        job->groups = 1;
        finish_pair_i8(job);
        mark_four_i8(to->mask, at, to->pitch, results_of(job, 0));
        mark_four_i8(to->mask, at + 1, to->pitch, results_of(job, 1));
        columns += words_of_group(job);
    }
}

// Any number of results, channels o and perhaps o + 1, any way to round.
static SEPARATE void finish_some_i8(const result_place *to, int at, widened_pair *job, int rows,
                                    int o, int channels, const requantization *q) {
    for (; rows > 0; rows -= 4, at += 4 * to->pitch, job->columns += words_of_group(job)) {
        sum_pair_i8(job);
        for (int n = 0; n < channels; n++)
            store_some_i8(to, at + n, results_of(job, n), at_most(rows, 4), o + n, q);
    }
}

// Channels o and perhaps o + 1 of `rows` results, the first of which lies at `at`.
static inline void finish_rows_i8(const result_place *to, int at, widened_pair *job, int rows,
                                  int o, int channels, const requantization *q) {
    const uint32_t *columns = job->columns;
    const int groups = channels == 2 && q->rounding == ROUND_AS_FLOAT ? rows / 4 : 0;
    if (groups)
        finish_fours_i8(to, at, job, groups);
    job->columns = columns + groups * words_of_group(job);
    if (4 * groups < rows)
        finish_some_i8(to, at + 4 * groups * to->pitch, job, rows - 4 * groups, o, channels, q);
}
