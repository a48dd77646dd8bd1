// Scalar twins: the definitions that the vector kernels are tested against.

#include "units.h"

static size_t group_of(const ck_packed *weights, size_t column) {
  return weights->group_index ? (size_t)weights->group_index[column]
                              : column / weights->group_size;
}

static float zero_of(const ck_packed *weights, size_t group) {
  return weights->zeros ? (float)weights->zeros[group] : ck_centre(weights->bits);
}

void ck_unpack_ref(const uint8_t *stream, int bits, size_t count, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) codes[i] = (uint8_t)ck_code_at(stream, bits, i);
}

void ck_dequantize_ref(
  const ck_packed *weights, size_t row, size_t start, size_t count, float *values
) {
  const uint8_t *stream = weights->codes + row * weights->row_bytes;
  for (size_t i = 0; i < count; i++) {
    size_t group = row * weights->group_stride + group_of(weights, start + i);
    float code = (float)ck_code(weights, stream, start + i);
    values[i] = ck_half(weights->scales[group]) * (code - zero_of(weights, group));
  }
}

void ck_multiply_ref(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  for (size_t row = first; row < end; row++) {
    for (size_t n = 0; n < input->batch; n++) {
      const float *x = input->values + n * input->stride;
      float sum = 0;
      for (size_t column = 0; column < weights->columns; column++) {
        float weight;
        ck_dequantize_ref(weights, row, column, 1, &weight);
        sum += weight * x[column];
      }
      float *target = y + n * y_stride + row;
      *target = accumulate ? *target + sum : sum;
    }
  }
}

uint64_t ck_read_ref(const void *bytes, size_t count) {
  const uint8_t *values = bytes;
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += values[i];
  return sum;
}

void ck_bfloat16_multiply_ref(
  const uint16_t *weights, size_t columns, size_t first, size_t end, const float *x, float *y
) {
  for (size_t row = first; row < end; row++) {
    float sum = 0;
    for (size_t column = 0; column < columns; column++) {
      union { uint32_t bits; float value; } weight;
      weight.bits = (uint32_t)weights[row * columns + column] << 16;
      sum += weight.value * x[column];
    }
    y[row] = sum;
  }
}
