#include <math.h>
#include <stdint.h>

#include "elementary.h"

// The largest of x, and the sum of exp(x - largest).
static float exp_sum_f32(const float *x, int n, float *largest) {
    float max = x[0];
    for (int i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    float sum = 0.0f;
    for (int i = 0; i < n; i++)
        sum += exp_f32(x[i] - max);
    *largest = max;
    return sum;
}

static void softmax_cross_entropy_f32(float *loss, const float *x, const int32_t *labels, int rows,
                                      int classes) {
    float total = 0.0f;
    for (int n = 0; n < rows; n++, x += classes) {
        float max;
        float sum = exp_sum_f32(x, classes, &max);
        // A label that is no class has no likelihood, and must not be read at.
        const int label = labels[n];
        total += log_f32(sum) - (label >= 0 && label < classes ? x[label] - max : -INFINITY);
    }
    *loss = total / (float)rows;
}

static void softmax_cross_entropy_grad_f32(float *dx, const float *x, const int32_t *labels,
                                           int rows, int classes) {
    for (int n = 0; n < rows; n++, x += classes, dx += classes) {
        float max;
        float sum = exp_sum_f32(x, classes, &max);
        for (int i = 0; i < classes; i++) {
            float target = i == labels[n] ? 1.0f : 0.0f;
            dx[i] = (exp_f32(x[i] - max) / sum - target) / (float)rows;
        }
    }
}
