// Sums of products for up to 4 x 4 results at once: acc[4 m + n] = start[4 m + n] plus the sum of
// a[m, k] b[k, n] over k; acc and start may be the same. Matrix products and convolutions are made
// of them. Each result is summed in the order of k, so that its bits do not depend on the tile it
// is in. The letters tell how the operands lie in memory, (n)ot or (t)ransposed, as in the BLAS.
//
// For the floating point unit of an Arm Cortex-M the inner loops are written in its instructions:
// one load fetches several elements, 1.3 instructions a product, which compilers do not find.

#pragma once

#include "quads.h"

// What a sum of products starts as.
static const float zero_tile_f32[16] = {0.0f};

// sum + a[k] b[k], with steps between the elements.
static inline float dot_f32(float sum, const float *a, int ak, const float *b, int bk, int count) {
    for (; count > 0; count--, a += ak, b += bk)
        sum += *a * *b;
    return sum;
}

// Products added to four neighbouring sums, and to the 16 of a tile: s0 to s3 are its first row.

#define PRODUCTS_1X4(s0, s1, s2, s3, a, b0, b1, b2, b3)                 \
    "vmla.f32 " s0 ", " a ", " b0 "\n vmla.f32 " s1 ", " a ", " b1 "\n" \
    "vmla.f32 " s2 ", " a ", " b2 "\n vmla.f32 " s3 ", " a ", " b3 "\n"

#define PRODUCTS_4X4(a0, a1, a2, a3, b0, b1, b2, b3)           \
    PRODUCTS_1X4("s0", "s1", "s2", "s3", a0, b0, b1, b2, b3)   \
    PRODUCTS_1X4("s4", "s5", "s6", "s7", a1, b0, b1, b2, b3)   \
    PRODUCTS_1X4("s8", "s9", "s10", "s11", a2, b0, b1, b2, b3) \
    PRODUCTS_1X4("s12", "s13", "s14", "s15", a3, b0, b1, b2, b3)

// With the registers that hold the first, and the second term of each row and column.

#define NT_PRODUCTS_OF_FIRST PRODUCTS_4X4("s16", "s18", "s20", "s22", "s24", "s26", "s28", "s30")
#define NT_PRODUCTS_OF_SECOND PRODUCTS_4X4("s17", "s19", "s21", "s23", "s25", "s27", "s29", "s31")
#define NN_PRODUCTS_OF_FIRST PRODUCTS_4X4("s16", "s18", "s20", "s22", "s24", "s25", "s26", "s27")
#define NN_PRODUCTS_OF_SECOND PRODUCTS_4X4("s17", "s19", "s21", "s23", "s28", "s29", "s30", "s31")
#define TN_PRODUCTS_OF_FIRST PRODUCTS_4X4("s16", "s17", "s18", "s19", "s24", "s25", "s26", "s27")
#define TN_PRODUCTS_OF_SECOND PRODUCTS_4X4("s20", "s21", "s22", "s23", "s28", "s29", "s30", "s31")

// The same for a single row of four sums.

#define N_PRODUCTS_OF_FIRST PRODUCTS_1X4("s0", "s1", "s2", "s3", "s16", "s24", "s25", "s26", "s27")
#define N_PRODUCTS_OF_SECOND PRODUCTS_1X4("s0", "s1", "s2", "s3", "s17", "s28", "s29", "s30", "s31")
#define T_PRODUCTS_OF_FOUR                                                 \
    PRODUCTS_1X4("s0", "s1", "s2", "s3", "s16", "s4", "s8", "s12", "s20")  \
    PRODUCTS_1X4("s0", "s1", "s2", "s3", "s17", "s5", "s9", "s13", "s21")  \
    PRODUCTS_1X4("s0", "s1", "s2", "s3", "s18", "s6", "s10", "s14", "s22") \
    PRODUCTS_1X4("s0", "s1", "s2", "s3", "s19", "s7", "s11", "s15", "s23")

#define TILE_REGISTERS                                                                             \
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", \
        "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", \
        "s28", "s29", "s30", "s31", "cc", "memory"

// a[m * am + k], b[n * bn + k].
static inline void nt_4x4_f32(float *acc, const float *start, const float *a, int am,
                              const float *b, int bn, int count) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // The steps become the pointers to the last rows, `start` one to the second: there are hardly
    // registers enough.
    const float *a2, *b1, *b2;
    am *= 4;
    bn *= 4;
    // clang-format off
    __asm__ volatile(
        "vldmia %[start], {s0-s15}\n"
        "add %[start], %[a], %[am]\n add %[a2], %[start], %[am]\n"
        "add %[am], %[a2], %[am]\n add %[b1], %[b], %[bn]\n"
        "add %[b2], %[b1], %[bn]\n add %[bn], %[b2], %[bn]\n"
        "subs %[count], #2\n"
        "blt 2f\n"
        "1:\n"
        "vldmia %[a]!, {s16-s17}\n vldmia %[start]!, {s18-s19}\n"
        "vldmia %[a2]!, {s20-s21}\n vldmia %[am]!, {s22-s23}\n"
        "vldmia %[b]!, {s24-s25}\n vldmia %[b1]!, {s26-s27}\n"
        "vldmia %[b2]!, {s28-s29}\n vldmia %[bn]!, {s30-s31}\n"
        NT_PRODUCTS_OF_FIRST
        NT_PRODUCTS_OF_SECOND
        "subs %[count], #2\n"
        "bge 1b\n"
        "2:\n"
        "adds %[count], #1\n"
        "bne 3f\n"
        "vldr s16, [%[a]]\n vldr s18, [%[start]]\n"
        "vldr s20, [%[a2]]\n vldr s22, [%[am]]\n"
        "vldr s24, [%[b]]\n vldr s26, [%[b1]]\n"
        "vldr s28, [%[b2]]\n vldr s30, [%[bn]]\n"
        NT_PRODUCTS_OF_FIRST
        "3:\n"
        "vstmia %[acc], {s0-s15}\n"
        : [a] "+&r"(a), [am] "+&r"(am), [start] "+&r"(start), [a2] "=&r"(a2), [b] "+&r"(b), [bn] "+&r"(bn),
          [b1] "=&r"(b1), [b2] "=&r"(b2), [count] "+&r"(count)
        : [acc] "r"(acc)
        : TILE_REGISTERS);
    // clang-format on
#else
    const float *a0 = a, *a1 = a0 + am, *a2 = a1 + am, *a3 = a2 + am;
    const float *b0 = b, *b1 = b0 + bn, *b2 = b1 + bn, *b3 = b2 + bn;
    quad_f32 row0 = load_quad_f32(start), row1 = load_quad_f32(start + 4);
    quad_f32 row2 = load_quad_f32(start + 8), row3 = load_quad_f32(start + 12);
    for (int k = 0; k < count; k++) {
        quad_f32 w = {b0[k], b1[k], b2[k], b3[k]};
        row0 = add_scaled_f32(row0, a0[k], w);
        row1 = add_scaled_f32(row1, a1[k], w);
        row2 = add_scaled_f32(row2, a2[k], w);
        row3 = add_scaled_f32(row3, a3[k], w);
    }
    store_quad_f32(acc, row0);
    store_quad_f32(acc + 4, row1);
    store_quad_f32(acc + 8, row2);
    store_quad_f32(acc + 12, row3);
#endif
}

// a[m * am + k], b[k * bk + n].
static inline void nn_4x4_f32(float *acc, const float *start, const float *a, int am,
                              const float *b, int bk, int count) {
    const float *a0 = a, *a1 = a0 + am, *a2 = a1 + am, *a3 = a2 + am;
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // clang-format off
    __asm__ volatile(
        "vldmia %[start], {s0-s15}\n"
        "subs %[count], #2\n"
        "blt 2f\n"
        "1:\n"
        "vldmia %[a0]!, {s16-s17}\n vldmia %[a1]!, {s18-s19}\n"
        "vldmia %[a2]!, {s20-s21}\n vldmia %[a3]!, {s22-s23}\n"
        "vldmia %[b], {s24-s27}\n add %[b], %[step]\n"
        "vldmia %[b], {s28-s31}\n add %[b], %[step]\n"
        NN_PRODUCTS_OF_FIRST
        NN_PRODUCTS_OF_SECOND
        "subs %[count], #2\n"
        "bge 1b\n"
        "2:\n"
        "adds %[count], #1\n"
        "bne 3f\n"
        "vldr s16, [%[a0]]\n vldr s18, [%[a1]]\n"
        "vldr s20, [%[a2]]\n vldr s22, [%[a3]]\n"
        "vldmia %[b], {s24-s27}\n"
        NN_PRODUCTS_OF_FIRST
        "3:\n"
        "vstmia %[acc], {s0-s15}\n"
        : [a0] "+&r"(a0), [a1] "+&r"(a1), [a2] "+&r"(a2), [a3] "+&r"(a3), [b] "+&r"(b),
          [count] "+&r"(count)
        : [acc] "r"(acc), [start] "r"(start), [step] "r"(4 * bk)
        : TILE_REGISTERS);
    // clang-format on
#else
    quad_f32 row0 = load_quad_f32(start), row1 = load_quad_f32(start + 4);
    quad_f32 row2 = load_quad_f32(start + 8), row3 = load_quad_f32(start + 12);
    for (int k = 0; k < count; k++, b += bk) {
        quad_f32 w = load_quad_f32(b);
        row0 = add_scaled_f32(row0, a0[k], w);
        row1 = add_scaled_f32(row1, a1[k], w);
        row2 = add_scaled_f32(row2, a2[k], w);
        row3 = add_scaled_f32(row3, a3[k], w);
    }
    store_quad_f32(acc, row0);
    store_quad_f32(acc + 4, row1);
    store_quad_f32(acc + 8, row2);
    store_quad_f32(acc + 12, row3);
#endif
}

// Elements from one row of a walk through an operand, and from one term in the row, to the next.
typedef struct {
    int row, term;
} walk_steps;

// a[k, m], b[k, n], summed over rows of terms.
static inline void tn_4x4_f32(float *acc, const float *start, const float *a, walk_steps a_step,
                              const float *b, walk_steps b_step, int rows, int terms) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    // The register of `start` counts the terms.
    // clang-format off
    __asm__ volatile(
        "vldmia %[start], {s0-s15}\n"
        "1:\n"
        "subs %[start], %[terms], #2\n"
        "blt 3f\n"
        "2:\n"
        "vldmia %[a], {s16-s19}\n add %[a], %[a_term]\n"
        "vldmia %[b], {s24-s27}\n add %[b], %[b_term]\n"
        "vldmia %[a], {s20-s23}\n add %[a], %[a_term]\n"
        "vldmia %[b], {s28-s31}\n add %[b], %[b_term]\n"
        TN_PRODUCTS_OF_FIRST
        TN_PRODUCTS_OF_SECOND
        "subs %[start], #2\n"
        "bge 2b\n"
        "3:\n"
        "adds %[start], #1\n"
        "bne 4f\n"
        "vldmia %[a], {s16-s19}\n add %[a], %[a_term]\n"
        "vldmia %[b], {s24-s27}\n add %[b], %[b_term]\n"
        TN_PRODUCTS_OF_FIRST
        "4:\n"
        "add %[a], %[a_row]\n add %[b], %[b_row]\n"
        "subs %[rows], #1\n"
        "bgt 1b\n"
        "vstmia %[acc], {s0-s15}\n"
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [start] "+&r"(start)
        : [acc] "r"(acc), [terms] "r"(terms), [a_term] "r"(4 * a_step.term),
          [b_term] "r"(4 * b_step.term), [a_row] "r"(4 * (a_step.row - terms * a_step.term)),
          [b_row] "r"(4 * (b_step.row - terms * b_step.term))
        : TILE_REGISTERS);
    // clang-format on
#else
    quad_f32 row0 = load_quad_f32(start), row1 = load_quad_f32(start + 4);
    quad_f32 row2 = load_quad_f32(start + 8), row3 = load_quad_f32(start + 12);
    for (int i = 0; i < rows; i++, a += a_step.row, b += b_step.row) {
        for (int k = 0; k < terms; k++) {
            const float *x = a + k * a_step.term;
            quad_f32 w = load_quad_f32(b + k * b_step.term);
            row0 = add_scaled_f32(row0, x[0], w);
            row1 = add_scaled_f32(row1, x[1], w);
            row2 = add_scaled_f32(row2, x[2], w);
            row3 = add_scaled_f32(row3, x[3], w);
        }
    }
    store_quad_f32(acc, row0);
    store_quad_f32(acc + 4, row1);
    store_quad_f32(acc + 8, row2);
    store_quad_f32(acc + 12, row3);
#endif
}

// a[k], b[n * bn + k].
static inline void nt_1x4_f32(float *acc, const float *start, const float *a, const float *b,
                              int bn, int count) {
    const float *b0 = b, *b1 = b0 + bn, *b2 = b1 + bn, *b3 = b2 + bn;
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    int fours = count / 4;
    count %= 4;
    if (fours) {
        // clang-format off
        __asm__ volatile(
            "vldmia %[start], {s0-s3}\n"
            "1:\n"
            "vldmia %[a]!, {s16-s19}\n vldmia %[b0]!, {s4-s7}\n"
            "vldmia %[b1]!, {s8-s11}\n vldmia %[b2]!, {s12-s15}\n"
            "vldmia %[b3]!, {s20-s23}\n"
            T_PRODUCTS_OF_FOUR
            "subs %[fours], #1\n"
            "bne 1b\n"
            "vstmia %[acc], {s0-s3}\n"
            : [a] "+&r"(a), [b0] "+&r"(b0), [b1] "+&r"(b1), [b2] "+&r"(b2), [b3] "+&r"(b3),
              [fours] "+&r"(fours)
            : [acc] "r"(acc), [start] "r"(start)
            : TILE_REGISTERS);
        // clang-format on
        start = acc;
    }
#endif
    quad_f32 row = load_quad_f32(start);
    for (int k = 0; k < count; k++)
        row = add_scaled_f32(row, a[k], (quad_f32){b0[k], b1[k], b2[k], b3[k]});
    store_quad_f32(acc, row);
}

// a[k * ak], b[k * bk + n].
static inline void n_1x4_f32(float *acc, const float *start, const float *a, int ak, const float *b,
                             int bk, int count) {
#if defined(__ARM_FP) && defined(__thumb2__) && defined(__OPTIMIZE__)
    int pairs = count / 2;
    count %= 2;
    if (pairs > 0) {
        // clang-format off
        __asm__ volatile(
            "vldmia %[start], {s0-s3}\n"
            "1:\n"
            "vldr s16, [%[a]]\n add %[a], %[a_step]\n"
            "vldmia %[b], {s24-s27}\n add %[b], %[b_step]\n"
            "vldr s17, [%[a]]\n add %[a], %[a_step]\n"
            "vldmia %[b], {s28-s31}\n add %[b], %[b_step]\n"
            N_PRODUCTS_OF_FIRST
            N_PRODUCTS_OF_SECOND
            "subs %[pairs], #1\n"
            "bne 1b\n"
            "vstmia %[acc], {s0-s3}\n"
            : [a] "+&r"(a), [b] "+&r"(b), [pairs] "+&r"(pairs)
            : [acc] "r"(acc), [start] "r"(start), [a_step] "r"(4 * ak), [b_step] "r"(4 * bk)
            : TILE_REGISTERS);
        // clang-format on
        start = acc;
    }
#endif
    quad_f32 row = load_quad_f32(start);
    for (; count > 0; count--, a += ak, b += bk)
        row = add_scaled_f32(row, *a, load_quad_f32(b));
    store_quad_f32(acc, row);
}
