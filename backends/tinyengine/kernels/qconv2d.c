#include "int8_results.h"
#include "one_column.h"
#include "qconv_windows.h"

// The columns of one result, or of some neighbours in a row, of one group; the last is repeated
// where they are no fours. `row` is room for one window.
static SEPARATE void qconv_columns_i8(uint32_t *columns, int8_t *row, const int8_t *image, int rows,
                                      int iy, int ix, const qconv_sizes *s) {
    const int count = rows == 1 ? 1 : 4, end = rows == 1 ? 1 : (rows + 3) & ~3;
    for (int part = 0; part < s->parts; part++) {
        for (int m = 0; m < end; m++) {
            const int x = ix + at_most(m, rows - 1) * s->window.stride_x;
            const int8_t *seen = window_bytes(row, image, iy, x, s->channels[part], s);
            widen_column_i8(columns + m / 4 * COLUMN_WORDS * s->fours + m % 4, count, seen,
                            s->terms[part], s->x_zero);
        }
        columns += 2 * count * FOURS(s->terms[part]);
        image += s->channels[part];
    }
}

// All channels of a group for `rows` results, whose columns these are; `at` is the first result.
static SEPARATE void qconv_group_i8(const result_place *to, int at, const uint32_t *columns,
                                    uint32_t *weights, int rows, int group, const qconv_sizes *s,
                                    const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        widened_pair job = qconv_pair(weights, o, channels, s, q);
        job.columns = columns;
        finish_rows_i8(to, at + o, &job, rows, o, channels, q);
    }
}

// All channels of a group for one result.
static SEPARATE void qconv_one_i8(const result_place *to, int at, const uint32_t *column, int group,
                                  const qconv_sizes *s, const requantization *q) {
    const int out = s->window.out_channels / s->groups, end = (group + 1) * out;
    for (int o = group * out; o < end; o += 2) {
        const int channels = at_most(end - o, 2);
        const uint32_t *from = column;
        two_sums sums = {0, 0};
        for (int part = 0; part < s->parts; part++) {
            const int terms = s->terms[part];
            const int8_t *w = s->weights[part] + o * terms;
            sums = add_column_products(sums, from, w, (channels - 1) * terms, terms);
            from += 2 * FOURS(terms);
        }
        store_some_i8(to, at + o, (quad_i32){sums.a, 0, 0, 0}, 1, o, q);
        if (channels > 1)
            store_some_i8(to, at + o + 1, (quad_i32){sums.b, 0, 0, 0}, 1, o + 1, q);
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
    qconv2d(y, mask, x, &s, &q, (qconv_steps){qconv_columns_i8, qconv_group_i8, qconv_one_i8},
            working);
}
