#include "levels.h"

void ck_sparse_add(
  const ck_sparse *sparse, size_t first, size_t end, const float *x, size_t x_stride, size_t batch,
  float *y, size_t y_stride
) {
  for (size_t row = first; row < end; row++) {
    for (size_t n = 0; n < batch; n++) {
      const float *input = x + n * x_stride;
      float sum = 0;
      for (uint32_t i = sparse->row_starts[row]; i < sparse->row_starts[row + 1]; i++) {
        sum += ck_half(sparse->values[i]) * input[sparse->columns[i]];
      }
      y[n * y_stride + row] += sum;
    }
  }
}
