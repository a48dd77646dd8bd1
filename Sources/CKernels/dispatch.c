// The one place where an instruction set is chosen.

#include "levels.h"

ck_level ck_best_level(void) {
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
              && __builtin_cpu_supports("f16c");
  if (!avx2) return CK_SCALAR;
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
  if (!avx512) return CK_AVX2;
  return __builtin_cpu_supports("avx512vnni") ? CK_VNNI : CK_AVX512;
}

/// Groups that do not fall on blocks, and inputs that have no digits: weights are dequantized in tiles that stay in the L1 cache.
static void multiply_dequantized(
  ck_level level, const ck_packed *weights, size_t first, size_t end, const ck_input *input,
  float *y, size_t y_stride, bool accumulate
) {
  enum { TILE = 2048 };
  float tile[TILE];
  for (size_t row = first; row < end; row++) {
    for (size_t start = 0; start < weights->columns || start == 0; start += TILE) {
      size_t left = weights->columns - start;
      size_t count = left < TILE ? left : TILE;
      ck_dequantize(level, weights, row, start, count, tile);
      for (size_t n = 0; n < input->batch; n++) {
        const float *x = input->values + n * input->stride + start;
        float sum = level >= CK_AVX512 ? ck_dot_avx512(tile, x, count)
                                       : ck_dot_avx2(tile, x, count);
        float *target = y + n * y_stride + row;
        *target = accumulate || start > 0 ? *target + sum : sum;
      }
    }
  }
}

void ck_multiply(
  ck_level level, const ck_packed *weights, size_t first, size_t end, const ck_input *input,
  float *y, size_t y_stride, bool accumulate
) {
  if (level == CK_SCALAR) {
    ck_multiply_ref(weights, first, end, input, y, y_stride, accumulate);
  } else if (weights->in_units && input->digits) {
    ck_multiply_digits_avx2(weights, first, end, input, y, y_stride, accumulate);
  } else if (weights->in_units || !ck_has_blocks(weights)) {
    multiply_dequantized(level, weights, first, end, input, y, y_stride, accumulate);
  } else if (level == CK_VNNI && input->words && ck_has_block_pairs(weights)) {
    ck_multiply_vnni(weights, first, end, input, y, y_stride, accumulate);
  } else if (level >= CK_AVX512) {
    ck_multiply_avx512(weights, first, end, input, y, y_stride, accumulate);
  } else {
    ck_multiply_avx2(weights, first, end, input, y, y_stride, accumulate);
  }
}

bool ck_split(
  ck_level level, const ck_packed *weights, const float *arranged, size_t batch, int16_t *words,
  int32_t *word_sums, float *units
) {
  if (level != CK_VNNI || !ck_has_block_pairs(weights)) return false;
  return ck_split_vnni(weights, arranged, batch, words, word_sums, units);
}

bool ck_digits(
  ck_level level, const ck_packed *weights, const float *values, size_t stride, size_t batch,
  int32_t *numbers, int8_t *digits, int32_t *sums, float *units
) {
  if (level == CK_SCALAR || !weights->in_units) return false;
  return ck_digits_avx2(weights, values, stride, batch, numbers, digits, sums, units);
}

void ck_unpack(ck_level level, const uint8_t *stream, int bits, size_t count, uint8_t *codes) {
  switch (level) {
  case CK_VNNI:
  case CK_AVX512: ck_unpack_avx512(stream, bits, count, codes); break;
  case CK_AVX2: ck_unpack_avx2(stream, bits, count, codes); break;
  case CK_SCALAR: ck_unpack_ref(stream, bits, count, codes); break;
  }
}

void ck_dequantize(
  ck_level level, const ck_packed *weights, size_t row, size_t start, size_t count, float *values
) {
  switch (level) {
  case CK_VNNI:
  case CK_AVX512: ck_dequantize_avx512(weights, row, start, count, values); break;
  case CK_AVX2: ck_dequantize_avx2(weights, row, start, count, values); break;
  case CK_SCALAR: ck_dequantize_ref(weights, row, start, count, values); break;
  }
}

uint64_t ck_read(ck_level level, const void *bytes, size_t count) {
  switch (level) {
  case CK_VNNI:
  case CK_AVX512: return ck_read_avx512(bytes, count);
  case CK_AVX2: return ck_read_avx2(bytes, count);
  case CK_SCALAR: return ck_read_ref(bytes, count);
  }
}

void ck_bfloat16_multiply(
  ck_level level, const uint16_t *weights, size_t columns, size_t first, size_t end,
  const float *x, float *y
) {
  switch (level) {
  case CK_VNNI:
  case CK_AVX512: ck_bfloat16_multiply_avx512(weights, columns, first, end, x, y); break;
  case CK_AVX2: ck_bfloat16_multiply_avx2(weights, columns, first, end, x, y); break;
  case CK_SCALAR: ck_bfloat16_multiply_ref(weights, columns, first, end, x, y); break;
  }
}
