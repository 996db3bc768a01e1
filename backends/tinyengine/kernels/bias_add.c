static void bias_add_f32(float *y, const float *x, const float *bias, int rows, int channels) {
    for (int r = 0; r < rows; r++, x += channels, y += channels)
        for (int c = 0; c < channels; c++)
            y[c] = x[c] + bias[c];
}
