#include <math.h>

static void batch_norm_f32(float *y, const float *x, const float *gamma, const float *beta,
                           const float *mean, const float *var, int rows, int channels, float eps) {
    for (int c = 0; c < channels; c++) {
        const float scale = gamma[c] / sqrtf(var[c] + eps), center = mean[c], shift = beta[c];
        for (int i = c; i < rows * channels; i += channels)
            y[i] = (x[i] - center) * scale + shift;
    }
}

// One channel after the other: mean, variance, result, running statistics. The running variance is
// the unbiased one, the batch is normalised by the biased. y may be x.
static void batch_norm_train_f32(float *y, float *mean, float *rstd, float *running_mean,
                                 float *running_var, const float *x, const float *gamma,
                                 const float *beta, int rows, int channels, float eps,
                                 float momentum) {
    const int size = rows * channels;
    for (int c = 0; c < channels; c++) {
        float sum = 0.0f, squares = 0.0f;
        for (int i = c; i < size; i += channels)
            sum += x[i];
        const float center = sum / (float)rows;
        for (int i = c; i < size; i += channels)
            squares += (x[i] - center) * (x[i] - center);
        const float r = 1.0f / sqrtf(squares / (float)rows + eps), scale = r * gamma[c];
        for (int i = c; i < size; i += channels)
            y[i] = (x[i] - center) * scale + beta[c];
        mean[c] = center;
        rstd[c] = r;
        running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * center;
        running_var[c] =
            (1.0f - momentum) * running_var[c] + momentum * (squares / (float)(rows - 1));
    }
}

// dx = gamma rstd (g - mean of g - n (mean of g n)) with the normalised input n; dx may be g or x.
static void batch_norm_train_grad_f32(float *dx, float *dgamma, float *dbeta, const float *g,
                                      const float *x, const float *gamma, const float *mean,
                                      const float *rstd, int rows, int channels) {
    const int size = rows * channels;
    for (int c = 0; c < channels; c++) {
        const float center = mean[c], r = rstd[c], scale = gamma[c] * r;
        float sum = 0.0f, product = 0.0f;
        for (int i = c; i < size; i += channels) {
            sum += g[i];
            product += g[i] * ((x[i] - center) * r);
        }
        const float g_mean = sum / (float)rows, gn_mean = product / (float)rows;
        for (int i = c; i < size; i += channels)
            dx[i] = scale * (g[i] - g_mean - (x[i] - center) * r * gn_mean);
        dgamma[c] = product;
        dbeta[c] = sum;
    }
}
