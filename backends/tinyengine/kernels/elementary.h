// exp, log, tanh, sigmoid and erf in single precision, without libm: the same bits on every target,
// unless the compiler fuses multiplications and additions (-ffp-contract). The polynomials are
// fitted at Chebyshev nodes; errors are in units in the last place of the true value.

#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

// x * 2^n for n in [-126, 127].
static inline float scale_f32(float x, int n) {
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x * power;
}

// Error below 1.1 units.
static inline float exp_f32(float x) {
    if (!(x < 88.72284f))
        return x * INFINITY; // infinity or NaN
    if (x < -103.98f)
        return 0.0f;
    // x = n ln 2 + r, with ln 2 in two parts so that r is exact.
    int n = (int)(x * 1.442695041f + (x < 0.0f ? -0.5f : 0.5f));
    float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f;
    float q = 1.3934545e-3f;
    q = q * r + 8.363777e-3f;
    q = q * r + 4.1666456e-2f;
    q = q * r + 1.6666573e-1f;
    q = q * r + 0.5f;
    float y = q * r * r + r + 1.0f;
    // In two steps, because 2^n alone may be too large or too small for a float.
    return scale_f32(scale_f32(y, n / 2), n - n / 2);
}

// Error below 0.9 units.
static inline float log_f32(float x) {
    if (!(x > 0.0f))
        return x == 0.0f ? -INFINITY : NAN;
    if (x == INFINITY)
        return x;
    int n = 0;
    if (x < 1.17549435e-38f) { // subnormal
        x *= 8388608.0f;
        n = -23;
    }
    // x = 2^n (1 + f) with 1 + f between the roots of 1/2 and 2.
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    n += (int)(bits >> 23) - 127;
    bits = (bits & 0x7fffffu) | 0x3f800000u;
    memcpy(&x, &bits, sizeof x);
    if (x > 1.41421356f) {
        x *= 0.5f;
        n += 1;
    }
    float f = x - 1.0f;
    float p = 7.149754e-2f;
    p = p * f - 1.1571201e-1f;
    p = p * f + 1.1661511e-1f;
    p = p * f - 1.24110505e-1f;
    p = p * f + 1.4249937e-1f;
    p = p * f - 1.666848e-1f;
    p = p * f + 2.0000708e-1f;
    p = p * f - 2.499999e-1f;
    p = p * f + 3.333333e-1f;
    float small = p * f * f * f + (float)n * -2.12194440e-4f - 0.5f * f * f;
    return f + small + (float)n * 0.693359375f;
}

// Error below 1.3 units.
static inline float tanh_f32(float x) {
    float a = x < 0.0f ? -x : x;
    if (a < 0.625f) {
        float z = x * x;
        float q = -6.104948e-3f;
        q = q * z + 2.1003641e-2f;
        q = q * z - 5.38525e-2f;
        q = q * z + 1.3332783e-1f;
        q = q * z - 3.3333328e-1f;
        return q * z * x + x;
    }
    float y = 1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f);
    return x < 0.0f ? -y : y;
}

// Error below 2.1 units.
static inline float sigmoid_f32(float x) {
    float e = exp_f32(x < 0.0f ? x : -x); // never overflows
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// Error below 1.4 units.
static inline float erf_f32(float x) {
    float a = x < 0.0f ? -x : x;
    if (a < 0.92f) {
        float z = x * x;
        float q = 8.4048494e-5f;
        q = q * z - 8.1513403e-4f;
        q = q * z + 5.2018375e-3f;
        q = q * z - 2.6859745e-2f;
        q = q * z + 1.1283702e-1f;
        q = q * z - 3.7612635e-1f;
        q = q * z + 1.2837917e-1f;
        return q * x + x;
    }
    // 1 - erf(a) is the exponential of a polynomial; beyond 4 it is less than half a unit.
    float b = a > 4.0f ? 4.0f : a;
    float q = 1.612904e-6f;
    q = q * b - 4.556714e-5f;
    q = q * b + 5.9256639e-4f;
    q = q * b - 4.7392459e-3f;
    q = q * b + 2.6361873e-2f;
    q = q * b - 1.0997312e-1f;
    q = q * b - 6.3194269e-1f;
    q = q * b - 1.1301633f;
    q = q * b + 3.0238047e-4f;
    float y = 1.0f - exp_f32(q);
    return x < 0.0f ? -y : y;
}
