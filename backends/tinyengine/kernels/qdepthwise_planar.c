#include "depthwise_planes.h"

static inline wide_four widened_less_i8(uint32_t four, uint32_t zeros) {
    return (wide_four){subtract_pairs(even_pair_i8(four), zeros),
                       subtract_pairs(odd_pair_i8(four), zeros)};
}

// The neighbours at columns x and x + 1 of a row; what lies on padding becomes 0.
static inline void planar_edge_i8(uint32_t *to, const int8_t *line, int x, int count,
                                  const planar_sizes *s) {
    const int width = s->window.width, channels = s->window.channels;
    const uint32_t zeros = both_halves(s->x_zero);
    const int8_t *at = line + x * channels;
    wide_four first = {0, 0}, second = {0, 0};
    if (x >= 0 && x < width)
        first = widened_less_i8(load_channels_i8(at, count), zeros);
    if (x >= -1 && x + 1 < width)
        second = widened_less_i8(load_channels_i8(at + channels, count), zeros);
    spread_pairs(to, s->pitch, first, second);
}

// `count` channels of a row of the image into planes.
static SEPARATE void planar_row_i8(uint32_t *to, const void *line, int count,
                                   const planar_sizes *s) {
    const int channels = s->window.channels, pitch = s->pitch;
    const uint32_t zeros = both_halves(s->x_zero);
    int x = -s->window.left, i = 0;
    for (; x < 0 && i < pitch; x += 2)
        planar_edge_i8(to + i++, line, x, count, s);
    const int8_t *at = (const int8_t *)line + x * channels;
    for (; count == 4 && x + 1 < s->window.width; x += 2, at += 2 * channels)
        spread_pairs(to + i++, pitch, widened_less_i8(load_four_i8(at), zeros),
                     widened_less_i8(load_four_i8(at + channels), zeros));
    for (; i < pitch; x += 2)
        planar_edge_i8(to + i++, line, x, count, s);
}

// Channels c to c + count; stride and pairs are constants, so that compilers unroll the inner loop.
static MERGED void planar_channels_i8(const planar_line *line, int c, int count,
                                      const planar_sizes *s, const requantization *q, int stride,
                                      int pairs) {
    const int width = s->window.out_width, pitch = line->to.pitch;
    const int whole = q->rounding == ROUND_AS_FLOAT ? width & ~3 : 0;
    const int step = (stride == 1 ? 2 : 1) * pairs * s->window.kernel_height;
    const uint32_t *taps = line->taps;
    for (int k = 0, o = c; k < count; k++, o++, taps += step) {
        const int32_t bias = q->bias[o];
        const float scale = q->scale[o];
        int at = line->at + o, plane = k * s->pitch, ox = 0;
        for (; ox < whole; ox += 4, at += 4 * pitch, plane += 2 * stride)
            store_four_i8(line->to.y, line->to.mask, at, pitch,
                          planar_sums(line->rows, plane, taps, 0, line->count, stride, pairs), bias,
                          scale, q->zero);
        for (; ox < width; ox += 4, at += 4 * pitch, plane += 2 * stride)
            store_some_i8(&line->to, at,
                          planar_sums(line->rows, plane, taps, 0, line->count, stride, pairs),
                          at_most(width - ox, 4), o, q);
    }
}

static SEPARATE void planar_line_i8(const planar_line *line, int c, int count,
                                    const planar_sizes *s, const requantization *q) {
    PLANAR_LINE(planar_channels_i8, line, c, count, s, q)
}

// working: as `qdepthwise_planar` has it.
static void qdepthwise_planar_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                                 const int8_t *w1, const int32_t *bias, const float *scale,
                                 const int32_t *multiplier, const int *sizes, void *working) {
    const planar_sizes s = {read_window(sizes), sizes[16], sizes[15],
                            sizes[19],          sizes[20], {w0, w1}};
    const requantization q = {.bias = bias,
                              .scale = scale,
                              .multiplier = multiplier,
                              .rounding = sizes[17],
                              .zero = sizes[18]};
    qdepthwise_planar(y, mask, x, &s, &q, (planar_steps){planar_row_i8, planar_line_i8, 1},
                      working);
}
