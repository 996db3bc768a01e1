#include "int16_tiles.h"
#include "one_column.h"
#include "qconv_windows.h"

// The columns of one result, or of some neighbours in a row, of one group; the last is repeated
// where they are no fours. `row` is room for one window.
static SEPARATE void qconv_columns_i16(uint32_t *columns, int8_t *row, const int8_t *image,
                                       int rows, int iy, int ix, const qconv_sizes *s) {
    const int count = rows == 1 ? 1 : 4, end = rows == 1 ? 1 : (rows + 3) & ~3;
    for (int part = 0; part < s->parts; part++) {
        for (int m = 0; m < end; m++) {
            const int x = ix + at_most(m, rows - 1) * s->window.stride_x;
            const void *seen = window_bytes(row, image, iy, x, s->channels[part], s);
            spread_column_i16(columns + m / 4 * COLUMN_WORDS * s->fours + m % 4, count, seen,
                              s->terms[part]);
        }
        columns += 2 * count * FOURS(s->terms[part]);
        image += s->channels[part];
    }
}

// Two channels of `groups` of four results, which int32 holds; one group at a time if there are
// bits to set.
static inline void qconv_fours_i16(const result_place *to, int at, widened_pair *job, int groups,
                                   int fours, const requantization *q) {
    const int each = to->mask ? 1 : groups;
    const uint32_t *columns = job->columns;
    for (; groups > 0; groups -= each, at += 4 * to->pitch, columns += COLUMN_WORDS * fours) {
        job->y = (int16_t *)to->y + at;
        job->columns = columns;
        job->groups = each;
        finish_pair_i16(job);
        if (to->mask) {
            mark_four_i16(to->mask, at, to->pitch, results_of(job, 0), q);
            mark_four_i16(to->mask, at + 1, to->pitch, results_of(job, 1), q);
        }
    }
}

// Any number of results, channels o and perhaps o + 1, sums of any length.
static SEPARATE void qconv_some_i16(const result_place *to, int at, widened_pair *job, int rows,
                                    int o, int channels, int fours, const requantization *q) {
    int64_t sums[8];
    for (; rows > 0; rows -= 4, at += 4 * to->pitch, job->columns += COLUMN_WORDS * fours) {
        sum_pair_i16(sums, *job);
        for (int n = 0; n < channels; n++)
            store_some_i16(to, at + n, sums + 4 * n, at_most(rows, 4), o + n, q);
    }
}

// All channels of a group for `rows` results, whose columns these are; `at` is the first result.
static SEPARATE void qconv_group_i16(const result_place *to, int at, const uint32_t *columns,
                                     uint32_t *weights, int rows, int group, const qconv_sizes *s,
                                     const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    const int ends = (int)low_halves((uint32_t)q->low, (uint32_t)q->high);
    const int32_t most = most_bias_i16(4 * s->fours);
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        widened_pair job = qconv_pair(weights, o, channels, s, q);
        const int fits = is_within(job.bias[0], most) && is_within(job.bias[1], most);
        const int groups = channels == 2 && fits ? rows / 4 : 0;
        job.zero = ends;
        job.columns = columns;
        if (groups)
            qconv_fours_i16(to, at + o, &job, groups, s->fours, q);
        job.columns = columns + groups * COLUMN_WORDS * s->fours;
        if (4 * groups < rows)
            qconv_some_i16(to, at + o + 4 * groups * to->pitch, &job, rows - 4 * groups, o,
                           channels, s->fours, q);
    }
}

// All channels of a group for one result, sums of any length.
static SEPARATE void qconv_one_i16(const result_place *to, int at, const uint32_t *column,
                                   int group, const qconv_sizes *s, const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        const uint32_t *from = column;
        int64_t sums[2] = {0, 0};
        for (int part = 0; part < s->parts; part++) {
            const int terms = s->terms[part];
            const int8_t *w = s->weights[part] + o * terms;
            for (int k = 0; k < terms; k += 4 * MOST_FOURS_I16) {
                const two_sums some = add_column_products((two_sums){0, 0}, from + k / 2, w + k,
                                                          (channels - 1) * terms,
                                                          at_most(terms - k, 4 * MOST_FOURS_I16));
                sums[0] += some.a;
                sums[1] += some.b;
            }
            from += 2 * FOURS(terms);
        }
        for (int n = 0; n < channels; n++)
            store_some_i16(to, at + o + n, sums + n, 1, o + n, q);
    }
}

// working: as `qconv2d` has it.
static void qconv2d_i16(int16_t *y, uint8_t *mask, const int16_t *x, const int8_t *w0,
                        const int8_t *w1, const int8_t *w2, const int8_t *w3, const int32_t *bias,
                        const float *scale, const int *sizes, void *working) {
    const qconv_sizes s = read_qconv(sizes, 2, w0, w1, w2, w3);
    const requantization q = {.bias = bias, .scale = scale, .low = sizes[21], .high = sizes[22]};
    qconv2d(y, mask, x, &s, &q, (qconv_steps){qconv_columns_i16, qconv_group_i16, qconv_one_i16},
            working);
}
