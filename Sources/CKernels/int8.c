// Products with inputs of 8 bits: one scale for each vector, the sums of a group are integers.
//
// Every level gives the same bits: integers are summed exactly, and groups are added one after the
// other with one rounding each.

#include <float.h>
#include <math.h>
#include <string.h>

#include "bytes.h"

void ck_int8_round(
  const float *values, size_t stride, size_t columns, size_t batch, int8_t *rounded, float *scales
) {
  for (size_t n = 0; n < batch; n++) {
    const float *from = values + n * stride;
    int8_t *to = rounded + n * columns;
    float largest = 0;
    bool finite = true;
    for (size_t i = 0; i < columns; i++) {
      const float magnitude = fabsf(from[i]);
      finite &= magnitude <= FLT_MAX;
      largest = magnitude > largest ? magnitude : largest;
    }
    // Below the normal numbers, quotients would have no accuracy.
    const bool usable = finite && largest >= 127 * FLT_MIN;
    scales[n] = !finite ? NAN : usable ? largest / 127 : 0;
    for (size_t i = 0; i < columns; i++) {
      // Adding 1.5 2^23 leaves the nearest integer, ties to even, in the lowest bits.
      union { float value; uint32_t bits; } shifted = {
        .value = (usable ? from[i] / scales[n] : 0) + 0x1.8p23f};
      to[i] = (int8_t)(shifted.bits & 0xFF);
    }
  }
}

bool ck_int8_has_kernels(const ck_packed *weights) {
  return weights->in_units || (weights->bits <= 4 && ck_has_units(weights));
}

void ck_int8_arrange(
  const ck_packed *weights, const int8_t *values, size_t batch, int8_t *arranged, int32_t *sums
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t columns = weights->columns, pairs = (geometry.blocks + 1) / 2;
  const size_t width = geometry.segment_blocks * CK_BLOCK;
  const bool halves = ck_has_halves(&geometry);
  for (size_t n = 0; n < batch; n++) {
    const int8_t *from = values + n * columns;
    for (size_t segment = 0; segment < geometry.segments; segment++) {
      const size_t start = segment * width;
      const size_t end = columns - start < width ? columns : start + width;
      int32_t sum = 0;
      for (size_t i = start; i < end; i++) sum += from[i];
      sums[n * geometry.segments + segment] = sum;
    }
    for (size_t pair = 0; pair < pairs; pair++) {
      int8_t padded[2 * CK_BLOCK] = {0};
      const size_t start = pair * 2 * CK_BLOCK, left = columns - start;
      memcpy(padded, from + start, left < sizeof padded ? left : sizeof padded);
      int8_t *to = arranged + (n * pairs + pair) * 2 * CK_BLOCK;
      const size_t wide = ck_rest_width(columns, halves);
      for (size_t k = 0; k < 4; k++) {
        for (size_t index = 0; index < 32; index++) {
          size_t column = weights->in_units ? ck_step_column(k, index)
                                            : ck_byte_column(weights->bits, halves, k, index);
          if (weights->in_units && left < CK_PAIR) column = ck_rest_column(column, wide, left);
          to[32 * k + index] = column < CK_PAIR ? padded[column] : 0;
        }
      }
    }
  }
}

/// Twice the zero point: for one bit it may be 1/2.
static int32_t twice_zero(const ck_packed *weights, size_t group) {
  if (weights->zeros) return 2 * weights->zeros[group];
  return weights->bits == 1 ? 1 : 1 << weights->bits;
}

/// scale (sum of codes times inputs - zero point times sum of inputs), added with one rounding.
static float add_group(
  const ck_packed *weights, size_t group, int32_t products, int32_t inputs, float total
) {
  // Twice the zero point may be odd for one bit only; elsewhere halving is exact.
  const int doubled = weights->bits == 1;
  const int32_t zero = twice_zero(weights, group);
  const int32_t sum =
    doubled ? 2 * products - zero * inputs : products - zero / 2 * inputs;
  const float scale = ck_half(weights->scales[group]) * (doubled ? 0.5f : 1);
  return fmaf(scale, (float)sum, total);
}

static void store(float *target, float scale, float total, bool accumulate) {
  *target = fmaf(scale, total, accumulate ? *target : 0);
}

void ck_int8_multiply_ref(
  const ck_packed *weights, size_t first, size_t end, const ck_int8_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  const size_t columns = weights->columns;
  const size_t groups =
    columns == 0 ? 0 : (columns + weights->group_size - 1) / weights->group_size;
  for (size_t row = first; row < end; row++) {
    const uint8_t *stream = weights->codes + row * weights->row_bytes;
    for (size_t n = 0; n < input->batch; n++) {
      const int8_t *x = input->values + n * columns;
      float total = 0;
      for (size_t group = 0; group < groups; group++) {
        int32_t products = 0, inputs = 0;
        for (size_t column = 0; column < columns; column++) {
          const size_t its =
            weights->group_index ? (size_t)weights->group_index[column]
                                 : column / weights->group_size;
          if (its != group) continue;
          products += (int32_t)ck_code(weights, stream, column) * x[column];
          inputs += x[column];
        }
        total = add_group(
          weights, row * weights->group_stride + group, products, inputs, total);
      }
      store(y + n * y_stride + row, input->scales[n], total, accumulate);
    }
  }
}

/// Codes of dense streams are unpacked in tiles: for more than 4 bits, and for groups that do not fall on
/// blocks.
AVX2 static void multiply_unpacked(
  ck_level level, const ck_packed *weights, size_t first, size_t end,
  const ck_int8_input *input, float *y, size_t y_stride, bool accumulate
) {
  enum { TILE = 512 };
  uint8_t codes[TILE];
  const size_t columns = weights->columns;
  for (size_t row = first; row < end; row++) {
    const uint8_t *stream = weights->codes + row * weights->row_bytes;
    for (size_t n = 0; n < input->batch; n++) {
      const int8_t *x = input->values + n * columns;
      float total = 0;
      int32_t products = 0, inputs = 0;
      size_t group = 0, group_end = weights->group_size;
      for (size_t start = 0; start < columns; start += TILE) {
        const size_t tile_end = columns - start < TILE ? columns : start + TILE;
        ck_unpack(
          level, stream + start / 8 * (size_t)weights->bits, weights->bits, tile_end - start,
          codes);
        for (size_t from = start; from < tile_end;) {
          const size_t to = group_end < tile_end ? group_end : tile_end;
          for (size_t i = from; i < to; i++) {
            products += (int32_t)codes[i - start] * x[i];
            inputs += x[i];
          }
          from = to;
          if (to != group_end && to != columns) continue;
          total = add_group(
            weights, row * weights->group_stride + group, products, inputs, total);
          products = inputs = 0;
          group++;
          group_end += weights->group_size;
        }
      }
      store(y + n * y_stride + row, input->scales[n], total, accumulate);
    }
  }
}

ck_int8_path ck_best_int8_path(void) {
  __builtin_cpu_init();
  if (ck_best_level() == CK_SCALAR) return CK_INT8_SCALAR;
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    return CK_INT8_AVX512VNNI;
  }
  return __builtin_cpu_supports("avxvnni") ? CK_INT8_AVXVNNI : CK_INT8_AVX2;
}

void ck_int8_multiply(
  ck_int8_path path, const ck_packed *weights, size_t first, size_t end,
  const ck_int8_input *input, float *y, size_t y_stride, bool accumulate
) {
  if (path == CK_INT8_SCALAR || weights->group_index || weights->columns == 0) {
    ck_int8_multiply_ref(weights, first, end, input, y, y_stride, accumulate);
  } else if (!input->arranged || !ck_int8_has_kernels(weights)) {
    multiply_unpacked(CK_AVX2, weights, first, end, input, y, y_stride, accumulate);
  } else if (path == CK_INT8_AVX2) {
    ck_int8_multiply_avx2(weights, first, end, input, y, y_stride, accumulate);
  } else if (path == CK_INT8_AVXVNNI) {
    ck_int8_multiply_avxvnni(weights, first, end, input, y, y_stride, accumulate);
  } else {
    ck_int8_multiply_avx512vnni(weights, first, end, input, y, y_stride, accumulate);
  }
}
