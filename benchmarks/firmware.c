// Loops as a kernel in plain C has them, and functions that do next to nothing.
#include "board.h"

enum { N = 64 };

static float a[N * N], b[N * N], c[N * N];

__attribute__((noinline)) void products_of_rows(const float *x, const float *w, float *y, int n) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int k = 0; k < n; k++)
                sum += x[i * n + k] * w[j * n + k];
            y[i * n + j] = sum;
        }
    }
}

__attribute__((noinline)) void sum_of_rows(const float *x, const float *w, float *y, int n) {
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            const float factor = x[i * n + k];
            for (int j = 0; j < n; j++)
                y[i * n + j] += factor * w[k * n + j];
        }
    }
}

__attribute__((noinline)) float nothing(float x) {
    return x;
}

BOARD_ENTRY static const void *const entries[] = {
    (const void *)products_of_rows, (const void *)sum_of_rows, (const void *)nothing, a, b, c};

int main(void) {
    for (int i = 0; i < N * N; i++)
        a[i] = b[i] = 1.0f + (float)(i % 7);
    return 0;
}
