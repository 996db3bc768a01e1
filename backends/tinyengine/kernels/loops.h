// Loops over a tensor whose operands are repeated, permuted or taken apart: `axes` holds their
// number, then of each, the outermost first: size, step in operand a, step in operand b.

#pragma once

// The most loops that are left when neighbours are merged.
#define MAX_LOOPS 8

// Where a nest of loops is: the caller runs the innermost, next_row and
// next_block all others.
typedef struct {
    int index[MAX_LOOPS];
    int a, b; // elements from the start of the operands
} row_position;

// Size, step in a and step in b of the innermost loop.
static inline const int *innermost(const int *axes) {
    return axes + 1 + 3 * (axes[0] - 1);
}

// Goes on when the `done` innermost loops have been run; 0 at the end.
static inline int next_block(row_position *at, const int *axes, int done) {
    for (int k = axes[0] - 1 - done; k >= 0; k--) {
        const int *axis = axes + 1 + 3 * k;
        at->a += axis[1];
        at->b += axis[2];
        if (++at->index[k] < axis[0])
            return 1;
        at->index[k] = 0;
        at->a -= axis[0] * axis[1];
        at->b -= axis[0] * axis[2];
    }
    return 0;
}

static inline int next_row(row_position *at, const int *axes) {
    return next_block(at, axes, 1);
}
