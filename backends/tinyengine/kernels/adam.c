#include <math.h>
#include <stddef.h>
#include <stdint.h>

// 1 - beta^t from 1 - beta, without the cancellation of a subtraction: with f(t) = 1 - beta^t,
// f(s + t) = f(s) + f(t) - f(s) f(t).
static float one_minus_power_f32(float one_minus_beta, int t) {
    float power = one_minus_beta, result = 0.0f;
    for (; t > 0; t >>= 1) {
        if (t & 1)
            result += power - result * power;
        power += power - power * power;
    }
    return result;
}

// m and v are running means of the gradient and its square. Changed are w[o, begin:end, i] of
// w[outer, axis, inner], g being of that part's size, and as many [o, mv_begin:, i] of
// m, v[outer, mv_axis, inner]. With `decoupled`, w decays by itself, else with its gradient. With
// `micro`, only when it completes a group of `every` steps.
static void adam_f32(float *w, const float *g, float *m, float *v, const int32_t *step,
                     const float *lr, const int32_t *micro, int every, int outer, int axis,
                     int begin, int end, int inner, int mv_axis, int mv_begin,
                     float one_minus_beta1, float one_minus_beta2, float eps, float decay,
                     int decoupled) {
    if (micro != NULL && (*micro + 1) % every != 0)
        return;
    const float rate = *lr / one_minus_power_f32(one_minus_beta1, *step);
    const float root = 1.0f / sqrtf(one_minus_power_f32(one_minus_beta2, *step));
    const float shrink = decoupled ? 1.0f - *lr * decay : 1.0f;
    const float coupled = decoupled ? 0.0f : decay;
    const int part = (end - begin) * inner;
    for (int o = 0; o < outer; o++, g += part) {
        float *row = w + (o * axis + begin) * inner;
        float *mean = m + (o * mv_axis + mv_begin) * inner;
        float *square = v + (o * mv_axis + mv_begin) * inner;
        for (int i = 0; i < part; i++) {
            const float d = g[i] + coupled * row[i];
            mean[i] += one_minus_beta1 * (d - mean[i]);
            square[i] += one_minus_beta2 * (d * d - square[i]);
            row[i] = row[i] * shrink - rate * mean[i] / (sqrtf(square[i]) * root + eps);
        }
    }
}
