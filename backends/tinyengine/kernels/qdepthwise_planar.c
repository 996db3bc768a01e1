#include "int8_tiles.h"
#include "windows.h"

// Depthwise convolution four channels at a time, for processors that multiply pairs of int16
// (SMLAD). The rows under the window are widened into planes, one a channel, where neighbours make
// pairs; they stay there while the window moves down. Windows move by 1 or 2 columns.

// The most pairs of taps in a row of a window, and the most rows.
#define PLANAR_PAIRS 4
#define PLANAR_ROWS 7

// a for the low and b for the high half, and the other halves.

static inline uint32_t low_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return (a & 0xffff) | b << 16;
#endif
}

static inline uint32_t high_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
    return pair;
#else
    return a >> 16 | (b & 0xffff0000);
#endif
}

typedef struct {
    window_sizes window;
    int x_zero;
    int split; // channels of the first part of the weights
    int pitch; // words of a row of a plane
    int pairs; // words of taps in a row of the window: with a stride of 1 there are two kinds
    const int8_t *weights[2];
} planar_sizes;

// Up to four channels.
static inline uint32_t load_channels_i8(const int8_t *x, int count) {
    return count == 4 ? load_four_i8(x) : load_some_i8(x, count);
}

// From two neighbours of four channels each the pair of every channel, less a pair.
static inline void spread_i8(uint32_t *to, int step, uint32_t first, uint32_t second,
                             uint32_t zeros) {
    const uint32_t even0 = subtract_pairs(even_pair_i8(first), zeros);
    const uint32_t even1 = subtract_pairs(even_pair_i8(second), zeros);
    const uint32_t odd0 = subtract_pairs(odd_pair_i8(first), zeros);
    const uint32_t odd1 = subtract_pairs(odd_pair_i8(second), zeros);
    to[0] = low_halves(even0, even1);
    to[step] = low_halves(odd0, odd1);
    to[2 * step] = high_halves(even0, even1);
    to[3 * step] = high_halves(odd0, odd1);
}

// Weights of `count` channels from c on, of one tap; none outside of the row.
static inline uint32_t planar_tap_i8(int c, int count, int ky, int kx, const planar_sizes *s) {
    if (kx < 0 || kx >= s->window.kernel_width)
        return 0;
    const int tap = ky * s->window.kernel_width + kx, first = at_most(count, s->split - c);
    const int8_t *w0 = s->weights[0] + tap * s->split;
    if (first == count)
        return load_channels_i8(w0 + c, count);
    const int8_t *w1 = s->weights[1] + tap * (s->window.channels - s->split);
    if (first <= 0)
        return load_channels_i8(w1 + c - s->split, count);
    return load_some_i8(w0 + c, first) | load_some_i8(w1, count - first) << 8 * first;
}

// The pairs of taps of four channels, row by row: (0, 1), (2, 3), ..., and with a stride of 1, for
// windows that start within a pair of pixels, after each of them (-1, 0), (1, 2), ...
static inline void planar_taps_i8(uint32_t *taps, int c, int count, const planar_sizes *s) {
    const int kinds = s->window.stride_x == 1 ? 2 : 1, row = kinds * s->pairs;
    const int step = s->window.kernel_height * row;
    for (int ky = 0; ky < s->window.kernel_height; ky++) {
        for (int j = 0; j < s->pairs; j++) {
            for (int kind = 0; kind < kinds; kind++, taps++) {
                const int kx = 2 * j - kind;
                spread_i8(taps, step, planar_tap_i8(c, count, ky, kx, s),
                          planar_tap_i8(c, count, ky, kx + 1, s), 0);
            }
        }
    }
}

// `count` channels of a row of the image into planes; padding becomes 0.
static inline void planar_row_i8(uint32_t *to, const int8_t *line, int count,
                                 const planar_sizes *s) {
    const int width = s->window.width, channels = s->window.channels;
    const uint32_t zeros = both_halves(s->x_zero),
                   padding = ((uint32_t)s->x_zero & 255) * 0x1010101u;
    for (int i = 0, x = -s->window.left; i < s->pitch; i++, x += 2, to++) {
        const uint32_t first =
            x >= 0 && x < width ? load_channels_i8(line + x * channels, count) : padding;
        const uint32_t second = x + 1 >= 0 && x + 1 < width
                                    ? load_channels_i8(line + (x + 1) * channels, count)
                                    : padding;
        spread_i8(to, s->pitch, first, second, zeros);
    }
}

// Four neighbours of a row of results: x are words of the rows of the image.
static inline void planar_step1_i8(int32_t *acc, const uint32_t *const *rows, int at,
                                   const uint32_t *taps, int count, int pairs) {
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (; count > 0; count--, taps += 2 * pairs) {
        const uint32_t *x = *rows++ + at;
        for (int j = 0; j < pairs; j++) {
            const uint32_t even = taps[2 * j], odd = taps[2 * j + 1];
            a = add_products(a, x[j], even);
            b = add_products(b, x[j], odd);
            c = add_products(c, x[j + 1], even);
            d = add_products(d, x[j + 1], odd);
        }
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
}

static inline void planar_step2_i8(int32_t *acc, const uint32_t *const *rows, int at,
                                   const uint32_t *taps, int count, int pairs) {
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (; count > 0; count--, taps += pairs) {
        const uint32_t *x = *rows++ + at;
        for (int j = 0; j < pairs; j++) {
            a = add_products(a, x[j], taps[j]);
            b = add_products(b, x[j + 1], taps[j]);
            c = add_products(c, x[j + 2], taps[j]);
            d = add_products(d, x[j + 3], taps[j]);
        }
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
}

// The number of pairs as a constant, so that compilers unroll the inner loop.
static inline void planar_four_i8(int32_t *acc, const uint32_t *const *rows, int ox,
                                  const uint32_t *taps, int count, const planar_sizes *s) {
    if (s->window.stride_x == 1) {
        if (s->pairs == 2)
            planar_step1_i8(acc, rows, ox / 2, taps, count, 2);
        else if (s->pairs == 3)
            planar_step1_i8(acc, rows, ox / 2, taps, count, 3);
        else
            planar_step1_i8(acc, rows, ox / 2, taps, count, 4);
    } else if (s->pairs == 2) {
        planar_step2_i8(acc, rows, ox, taps, count, 2);
    } else if (s->pairs == 3) {
        planar_step2_i8(acc, rows, ox, taps, count, 3);
    } else {
        planar_step2_i8(acc, rows, ox, taps, count, 4);
    }
}

// Row oy of the results of one image, `count` channels from c on. `next` is the first row of the
// image that is not in the planes yet; returns that of later.
static inline int planar_results_i8(int8_t *y, uint8_t *mask, int at, const int8_t *image, int c,
                                    int count, int oy, int next, const uint32_t *taps,
                                    uint32_t *planes, const planar_sizes *sizes,
                                    const requantization *q) {
    const window_sizes *s = &sizes->window;
    const int height = s->kernel_height, iy = oy * s->stride_y - s->top;
    const int first = first_tap(iy, 1), end = end_tap(iy, 1, height, s->height);
    const int row = (s->stride_x == 1 ? 2 : 1) * sizes->pairs, slot = 4 * sizes->pitch;
    for (next = at_least(next, iy + first); next < iy + end; next++)
        planar_row_i8(planes + next % height * slot, image + next * s->width * s->channels + c,
                      count, sizes);
    const uint32_t *rows[PLANAR_ROWS];
    for (int ky = first; ky < end; ky++)
        rows[ky - first] = planes + (iy + ky) % height * slot;
    for (int k = 0; k < count; k++, taps += height * row) {
        for (int ox = 0; ox < s->out_width; ox += 4) {
            int32_t acc[4];
            planar_four_i8(acc, rows, ox, taps + first * row, end - first, sizes);
            finish_tile_i8(y, mask, at + ox * s->channels + c + k, s->channels, acc,
                           at_most(s->out_width - ox, 4), 1, c + k, q);
        }
        for (int ky = 0; ky < end - first; ky++)
            rows[ky] += sizes->pitch;
    }
    return next;
}

// working: taps of four channels, then planes for the rows of a window.
static void qdepthwise_planar_i8(int8_t *y, uint8_t *mask, const int8_t *x, const int8_t *w0,
                                 const int8_t *w1, const int32_t *bias, const float *scale,
                                 const int32_t *multiplier, const int *sizes, void *working) {
    const planar_sizes s = {read_window(sizes), sizes[16], sizes[15],
                            sizes[19],          sizes[20], {w0, w1}};
    const requantization q = {bias, scale, multiplier, sizes[17], sizes[18]};
    const window_sizes *w = &s.window;
    uint32_t *taps = working;
    uint32_t *planes = taps + 8 * w->kernel_height * s.pairs;
    const int line = w->out_width * w->channels;
    clear_mask(mask, w->batch * w->out_height * line);
    for (int c = 0; c < w->channels; c += 4) {
        const int count = at_most(w->channels - c, 4);
        planar_taps_i8(taps, c, count, &s);
        for (int n = 0; n < w->batch; n++) {
            const int8_t *image = x + n * w->height * w->width * w->channels;
            int next = 0;
            for (int oy = 0; oy < w->out_height; oy++)
                next = planar_results_i8(y, mask, (n * w->out_height + oy) * line, image, c, count,
                                         oy, next, taps, planes, &s, &q);
        }
    }
}
