// Products of two matrices that lie in any way. Those of int8 take the tiles of int8_tiles.h: rows
// of the first become columns of a tile, columns of the second its weights, both less their zero
// points.

#pragma once

#include "int8_tiles.h"
#include "windows.h"

// Rows of the first matrix that meet columns of the second once these are widened.
#define PRODUCT_ROWS 16

// Where four lines, rows of the first or columns of the second matrix, go when widened: words from
// one four of terms to the next, from terms (0, 2) to (1, 3), from the first two lines to the rest.
typedef struct {
    int four, odd, rest;
} widened_lines;

// How lines are stored: steps from one to the next, and from one of their terms to the next, one
// of which is 1; number of terms, and their zero point.
typedef struct {
    int line, term, terms, zero;
} stored_lines;

// One line whose terms are neighbours. zeros: what to add to both halves of a pair;
// filling: four terms that then are zero.
static inline void widen_along_i8(uint32_t *to, widened_lines w, const int8_t *x, int terms,
                                  uint32_t zeros, uint32_t filling) {
    for (; terms >= 4; terms -= 4, x += 4, to += w.four) {
        const uint32_t four = load_four_i8(x);
        to[0] = add_even_pair_i8(zeros, four);
        to[w.odd] = add_odd_pair_i8(zeros, four);
    }
    if (terms > 0) {
        const uint32_t four = load_some_i8(x, terms) | filling << 8 * terms;
        to[0] = add_even_pair_i8(zeros, four);
        to[w.odd] = add_odd_pair_i8(zeros, four);
    }
}

// Two terms of four lines.
static MERGED void widen_two_terms_i8(uint32_t *to, int rest, uint32_t a, uint32_t b,
                                      uint32_t zeros) {
    const uint32_t a_even = add_even_pair_i8(zeros, a), b_even = add_even_pair_i8(zeros, b);
    const uint32_t a_odd = add_odd_pair_i8(zeros, a), b_odd = add_odd_pair_i8(zeros, b);
    to[0] = low_halves(a_even, b_even);
    to[1] = low_halves(a_odd, b_odd);
    to[rest] = high_halves(a_even, b_even);
    to[rest + 1] = high_halves(a_odd, b_odd);
}

static inline uint32_t load_lines_i8(const int8_t *x, int lines) {
    return lines == 4 ? load_four_i8(x) : load_some_i8(x, lines);
}

// Up to four lines that are neighbours, their terms `step` apart.
static inline void widen_across_i8(uint32_t *to, widened_lines w, const int8_t *x, int lines,
                                   int terms, int step, uint32_t zeros, uint32_t filling) {
    uint32_t t[4];
    for (; lines == 4 && terms >= 4; terms -= 4, to += w.four, x += 4 * step) {
        widen_two_terms_i8(to, w.rest, load_four_i8(x), load_four_i8(x + 2 * step), zeros);
        widen_two_terms_i8(to + w.odd, w.rest, load_four_i8(x + step), load_four_i8(x + 3 * step),
                           zeros);
    }
    for (; terms > 0; terms -= 4, to += w.four) {
        for (int k = 0; k < 4; k++, x += step)
            t[k] = k < terms ? load_lines_i8(x, lines) : filling;
        widen_two_terms_i8(to, w.rest, t[0], t[2], zeros);
        widen_two_terms_i8(to + w.odd, w.rest, t[1], t[3], zeros);
    }
}

// Up to four lines less their zero point; the terms that fill up the last four are zero. What
// stands for lines that there are not does not matter.
static SEPARATE void widen_lines_i8(uint32_t *to, const widened_lines *w, const int8_t *x,
                                    int lines, const stored_lines *from) {
    const int zero = from->zero, terms = from->terms;
    const uint32_t zeros = both_halves(-zero), filling = ((uint32_t)zero & 255) * 0x1010101u;
    if (from->term != 1) {
        widen_across_i8(to, *w, x, lines, terms, from->term, zeros, filling);
        return;
    }
    for (int i = 0; i < 4; i++)
        widen_along_i8(to + i % 2 + i / 2 * w->rest, *w, x + at_most(i, lines - 1) * from->line,
                       terms, zeros, filling);
}

// Any number of lines as columns.
static inline void widen_columns_i8(uint32_t *to, const int8_t *x, int lines,
                                    const stored_lines *from) {
    const widened_lines w = {COLUMN_WORDS, 4, 2};
    const int words = COLUMN_WORDS * FOURS(from->terms);
    for (int i = 0; i < lines; i += 4, to += words)
        widen_lines_i8(to, &w, x + i * from->line, at_most(lines - i, 4), from);
}

// Up to four lines as the weights of two pairs of channels.
static inline void widen_weights_of_four_i8(uint32_t *to, const int8_t *x, int lines,
                                            const stored_lines *from) {
    const widened_lines w = {WEIGHT_WORDS, 2, WEIGHT_WORDS * FOURS(from->terms)};
    widen_lines_i8(to, &w, x, lines, from);
}

// The matrices a[rows, depth] and b[depth, columns], and where parts of them are widened.
typedef struct {
    int rows, columns;
    stored_lines a, b;
    uint32_t *wide_a, *wide_b;
} stored_product;

// sizes: rows, columns, depth, then of the rows of a and of the columns of b the steps of
// stored_lines and the zero point. working: room for `columns` of b and up to PRODUCT_ROWS rows of
// a.
static inline stored_product read_product(const int *sizes, int columns, void *working) {
    const int terms = sizes[2];
    uint32_t *wide_b = working;
    return (stored_product){sizes[0],
                            sizes[1],
                            {sizes[3], sizes[4], terms, sizes[5]},
                            {sizes[6], sizes[7], terms, sizes[8]},
                            wide_b + columns / 2 * WEIGHT_WORDS * FOURS(terms),
                            wide_b};
}
