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

static inline quad_f32 clamp_quad_f32(quad_f32 q, float lo, float hi) {
    return (quad_f32){clamp_f32(q.a, lo, hi), clamp_f32(q.b, lo, hi), clamp_f32(q.c, lo, hi),
                      clamp_f32(q.d, lo, hi)};
}
