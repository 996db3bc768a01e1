#include <stdint.h>
#include <string.h>

// The nearest of the indices 0 to size - 1; negative ones count from the end.
static inline int nearest_index(int32_t index, int size) {
    index += index < 0 ? size : 0;
    return index < 0 ? 0 : index < size ? (int)index : size - 1;
}

// The rows that `n` indices name, of each of `blocks` blocks of `size` rows of bytes.
static void gather_rows(void *y, const void *x, const int32_t *indices, int blocks, int size, int n,
                        int bytes) {
    uint8_t *to = y;
    const uint8_t *from = x;
    for (int b = 0; b < blocks; b++, from += size * bytes) {
        for (int i = 0; i < n; i++, to += bytes)
            memcpy(to, from + nearest_index(indices[i], size) * bytes, (unsigned)bytes);
    }
}

// Adds each row to the one that its index names.
static void scatter_rows_f32(float *y, const float *g, const int32_t *indices, int blocks, int size,
                             int n, int columns) {
    for (int k = 0; k < blocks * size * columns; k++)
        y[k] = 0.0f;
    for (int b = 0; b < blocks; b++, y += size * columns) {
        for (int i = 0; i < n; i++, g += columns) {
            float *row = y + nearest_index(indices[i], size) * columns;
            for (int c = 0; c < columns; c++)
                row[c] += g[c];
        }
    }
}
