#include "depthwise_planes.h"

// Up to four channels: 0 and 1, then 2 and 3.
typedef struct {
    uint32_t first, second;
} two_pairs;

static inline two_pairs load_channels_i16(const int16_t *x, int count) {
    uint32_t pairs[2];
    if (count < 4)
        return (two_pairs){low_halves((uint16_t)x[0], count > 1 ? (uint16_t)x[1] : 0),
                           count > 2 ? (uint16_t)x[2] : 0};
    memcpy(pairs, x, sizeof pairs);
    return (two_pairs){pairs[0], pairs[1]};
}

// From two neighbours of four channels each the pair of every channel.
static inline void spread_two_pairs(uint32_t *to, int step, two_pairs a, two_pairs b) {
    to[0] = low_halves(a.first, b.first);
    to[step] = high_halves(a.first, b.first);
    to[2 * step] = low_halves(a.second, b.second);
    to[3 * step] = high_halves(a.second, b.second);
}

// The neighbours at columns x and x + 1 of a row; what lies on padding becomes 0.
static inline void planar_edge_i16(uint32_t *to, const int16_t *line, int x, int count,
                                   const planar_sizes *s) {
    const int width = s->window.width, channels = s->window.channels;
    const int16_t *at = line + x * channels;
    two_pairs first = {0, 0}, second = {0, 0};
    if (x >= 0 && x < width)
        first = load_channels_i16(at, count);
    if (x >= -1 && x + 1 < width)
        second = load_channels_i16(at + channels, count);
    spread_two_pairs(to, s->pitch, first, second);
}

// `count` channels of a row of the image into planes.
static SEPARATE void planar_row_i16(uint32_t *to, const void *line, int count,
                                    const planar_sizes *s) {
    const int channels = s->window.channels, pitch = s->pitch;
    int x = -s->window.left, i = 0;
    for (; x < 0 && i < pitch; x += 2)
        planar_edge_i16(to + i++, line, x, count, s);
    const int16_t *at = (const int16_t *)line + x * channels;
    for (; count == 4 && x + 1 < s->window.width; x += 2, at += 2 * channels)
        spread_two_pairs(to + i++, pitch, load_channels_i16(at, 4),
                         load_channels_i16(at + channels, 4));
    for (; i < pitch; x += 2)
        planar_edge_i16(to + i++, line, x, count, s);
}

// Channels c to c + count; stride and pairs are constants, so that compilers unroll the inner loop.
static MERGED void planar_channels_i16(const planar_line *line, int c, int count,
                                       const planar_sizes *s, const requantization *q, int stride,
                                       int pairs) {
    const int width = s->window.out_width, pitch = line->to.pitch;
    const int step = (stride == 1 ? 2 : 1) * pairs * s->window.kernel_height;
    const uint32_t low = both_halves(q->low), high = both_halves(q->high);
    const int32_t most = most_bias_i16(PLANAR_ROWS * PLANAR_ROWS);
    const uint32_t *taps = line->taps;
    int16_t *y = line->to.y;
    for (int k = 0, o = c; k < count; k++, o++, taps += step) {
        const int32_t bias = q->bias[o];
        const float scale = q->scale[o];
        const int whole = is_within(bias, most) ? width & ~3 : 0;
        int16_t *to = y + line->at + o;
        int plane = k * s->pitch, ox = 0;
        for (; ox < whole; ox += 4, to += 4 * pitch, plane += 2 * stride) {
            const quad_i32 r =
                rounded_four(planar_sums(line->rows, plane, taps, bias, line->count, stride, pairs),
                             scale, BEYOND_I16);
            store_four_i16(to, pitch, r, low, high);
            if (line->to.mask)
                mark_four_i16(line->to.mask, (int)(to - y), pitch, r, q);
        }
        for (; ox < width; ox += 4, to += 4 * pitch, plane += 2 * stride) {
            const quad_i32 sum =
                planar_sums(line->rows, plane, taps, 0, line->count, stride, pairs);
            const int64_t sums[] = {sum.a, sum.b, sum.c, sum.d};
            store_some_i16(&line->to, (int)(to - y), sums, at_most(width - ox, 4), o, q);
        }
    }
}

static SEPARATE void planar_line_i16(const planar_line *line, int c, int count,
                                     const planar_sizes *s, const requantization *q) {
    PLANAR_LINE(planar_channels_i16, line, c, count, s, q)
}

// working: as `qdepthwise_planar` has it.
static void qdepthwise_planar_i16(int16_t *y, uint8_t *mask, const int16_t *x, const int8_t *w0,
                                  const int8_t *w1, const int32_t *bias, const float *scale,
                                  const int *sizes, void *working) {
    const planar_sizes s = {read_window(sizes), sizes[16], sizes[15],
                            sizes[19],          sizes[20], {w0, w1}};
    const requantization q = {.bias = bias, .scale = scale, .low = sizes[17], .high = sizes[18]};
    qdepthwise_planar(y, mask, x, &s, &q, (planar_steps){planar_row_i16, planar_line_i16, 2},
                      working);
}
