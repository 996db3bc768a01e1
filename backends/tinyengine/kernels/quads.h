// Four neighbouring elements at once: what keeps them in registers.

#pragma once

// Four neighbours.
typedef struct {
    float a, b, c, d;
} quad_f32;

static inline quad_f32 load_quad_f32(const float *x) {
    return (quad_f32){x[0], x[1], x[2], x[3]};
}

static inline void store_quad_f32(float *y, quad_f32 q) {
    y[0] = q.a;
    y[1] = q.b;
    y[2] = q.c;
    y[3] = q.d;
}

static inline quad_f32 add_scaled_f32(quad_f32 sum, float x, quad_f32 w) {
    return (quad_f32){sum.a + x * w.a, sum.b + x * w.b, sum.c + x * w.c, sum.d + x * w.d};
}

static inline float clamp_f32(float x, float lo, float hi) {
    return x < lo ? lo : x > hi ? hi : x; // keeps NaN
}

// Eight at once. Without a branch for each, where the floating point unit has minimum and maximum:
// these ignore NaN, which the sum tells.
static inline void clamp_8_f32(float *x, float lo, float hi) {
#if defined(__ARM_FPV5__) && defined(__thumb2__) && defined(__OPTIMIZE__)
    int is_number;
    // clang-format off
    __asm__ volatile(
        "vldmia %[x], {s0-s7}\n"
        "vadd.f32 s8, s0, s1\n vadd.f32 s9, s2, s3\n"
        "vadd.f32 s10, s4, s5\n vadd.f32 s11, s6, s7\n"
        "vadd.f32 s8, s8, s9\n vadd.f32 s10, s10, s11\n"
        "vadd.f32 s8, s8, s10\n"
        "vmaxnm.f32 s0, s0, %[lo]\n vmaxnm.f32 s1, s1, %[lo]\n"
        "vmaxnm.f32 s2, s2, %[lo]\n vmaxnm.f32 s3, s3, %[lo]\n"
        "vmaxnm.f32 s4, s4, %[lo]\n vmaxnm.f32 s5, s5, %[lo]\n"
        "vmaxnm.f32 s6, s6, %[lo]\n vmaxnm.f32 s7, s7, %[lo]\n"
        "vminnm.f32 s0, s0, %[hi]\n vminnm.f32 s1, s1, %[hi]\n"
        "vminnm.f32 s2, s2, %[hi]\n vminnm.f32 s3, s3, %[hi]\n"
        "vminnm.f32 s4, s4, %[hi]\n vminnm.f32 s5, s5, %[hi]\n"
        "vminnm.f32 s6, s6, %[hi]\n vminnm.f32 s7, s7, %[hi]\n"
        "mov %[is_number], #0\n"
        "vcmp.f32 s8, s8\n vmrs APSR_nzcv, fpscr\n"
        "bvs 1f\n"
        "mov %[is_number], #1\n"
        "vstmia %[x], {s0-s7}\n"
        "1:\n"
        : [is_number] "=&r"(is_number)
        : [x] "r"(x), [lo] "t"(lo), [hi] "t"(hi)
        : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "cc", "memory");
    // clang-format on
    if (is_number)
        return;
#endif
    for (int i = 0; i < 8; i++)
        x[i] = clamp_f32(x[i], lo, hi);
}
