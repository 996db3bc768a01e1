#include "qconv_windows.h"

// The columns of some neighbours in a row of results of one group; the last is repeated where they
// are no fours. `row` is room for one window.
static SEPARATE void qconv_columns_i8(uint32_t *columns, int8_t *row, const int8_t *image, int rows,
                                      int iy, int ix, const qconv_sizes *s) {
    for (int part = 0; part < s->parts; part++) {
        for (int m = 0; m < ((rows + 3) & ~3); m++) {
            const int x = ix + at_most(m, rows - 1) * s->window.stride_x;
            const int8_t *seen = window_bytes(row, image, iy, x, s->channels[part], s);
            widen_column_i8(columns + m / 4 * COLUMN_WORDS * s->fours + m % 4, seen, s->terms[part],
                            s->x_zero);
        }
        columns += COLUMN_WORDS * FOURS(s->terms[part]);
        image += s->channels[part];
    }
}

// Two channels of `groups` of four results, which are rounded as floats.
static inline void qconv_fours_i8(const result_place *to, int at, widened_pair *job, int groups) {
    job->y = (int8_t *)to->y + at;
    job->groups = groups;
    if (!to->mask) {
        finish_pair_i8(job);
        return;
    }
    const uint32_t *columns = job->columns;
    const int words = (int)(job->end - job->weights) / WEIGHT_WORDS * COLUMN_WORDS;
    for (; groups > 0; groups--, at += 4 * to->pitch) {
        job->columns = columns;
        job->groups = 1;
        finish_pair_i8(job);
        mark_four_i8(to->mask, at, to->pitch, results_of(job, 0));
        mark_four_i8(to->mask, at + 1, to->pitch, results_of(job, 1));
        columns += words;
    }
}

// Any number of results, channels o and perhaps o + 1, any way to round.
static SEPARATE void qconv_some_i8(const result_place *to, int at, widened_pair *job, int rows,
                                   int o, int channels, const requantization *q) {
    const int words = (int)(job->end - job->weights) / WEIGHT_WORDS * COLUMN_WORDS;
    for (; rows > 0; rows -= 4, at += 4 * to->pitch, job->columns += words) {
        sum_pair_i8(job);
        for (int n = 0; n < channels; n++)
            store_some_i8(to, at + n, results_of(job, n), at_most(rows, 4), o + n, q);
    }
}

// All channels of a group for `rows` results, whose columns these are; `at` is the first result.
static SEPARATE void qconv_group_i8(const result_place *to, int at, const uint32_t *columns,
                                    uint32_t *weights, int rows, int group, const qconv_sizes *s,
                                    const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        const int groups = channels == 2 && q->rounding == ROUND_AS_FLOAT ? rows / 4 : 0;
        widened_pair job = qconv_pair(weights, o, channels, s, q);
        job.columns = columns;
        if (groups)
            qconv_fours_i8(to, at + o, &job, groups);
        job.columns = columns + groups * COLUMN_WORDS * s->fours;
        if (4 * groups < rows)
            qconv_some_i8(to, at + o + 4 * groups * to->pitch, &job, rows - 4 * groups, o, channels,
                          q);
    }
}

// working: as `qconv2d` has it.
static void qconv2d_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                       const int8_t *w1, const int8_t *w2, const int8_t *w3, const int32_t *bias,
                       const float *scale, const int32_t *multiplier, const int *sizes,
                       void *working) {
    const qconv_sizes s = read_qconv(sizes, 1, w0, w1, w2, w3);
    const requantization q = {.bias = bias,
                              .scale = scale,
                              .multiplier = multiplier,
                              .rounding = sizes[21],
                              .zero = sizes[22]};
    qconv2d(y, mask, x, &s, &q, (qconv_steps){qconv_columns_i8, qconv_group_i8}, working);
}
