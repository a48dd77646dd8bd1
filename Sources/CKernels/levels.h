#pragma once
#include "CKernels.h"

// What each level supplies to dispatch.c.

#define CK_DECLARE_LEVEL(level)                                                                 \
  void ck_multiply_##level(                                                                     \
    const ck_packed *, size_t first, size_t end, const ck_input *, float *y, size_t y_stride,   \
    bool accumulate);                                                                           \
  void ck_unpack_##level(const uint8_t *stream, int bits, size_t count, uint8_t *codes);        \
  void ck_dequantize_##level(                                                                   \
    const ck_packed *, size_t row, size_t start, size_t count, float *values);                  \
  float ck_dot_##level(const float *a, const float *b, size_t count);                           \
  uint64_t ck_read_##level(const void *bytes, size_t count);                                    \
  void ck_bfloat16_multiply_##level(                                                            \
    const uint16_t *weights, size_t columns, size_t first, size_t end, const float *x, float *y);

CK_DECLARE_LEVEL(avx2)
CK_DECLARE_LEVEL(avx512)

void ck_multiply_vnni(
  const ck_packed *, size_t first, size_t end, const ck_input *, float *y, size_t y_stride,
  bool accumulate);
void ck_unpack_units(
  const ck_packed *, const uint8_t *row, size_t start, size_t count, uint8_t *codes);
void ck_multiply_digits_avx2(
  const ck_packed *, size_t first, size_t end, const ck_input *, float *y, size_t y_stride,
  bool accumulate);
bool ck_digits_avx2(
  const ck_packed *, const float *values, size_t stride, size_t batch, int32_t *numbers,
  int8_t *digits, int32_t *sums, float *units);

#define CK_DECLARE_INT8(path)                                                                   \
  void ck_int8_multiply_##path(                                                                 \
    const ck_packed *, size_t first, size_t end, const ck_int8_input *, float *y,               \
    size_t y_stride, bool accumulate);

CK_DECLARE_INT8(avx2)
CK_DECLARE_INT8(avxvnni)
CK_DECLARE_INT8(avx512vnni)

bool ck_split_vnni(
  const ck_packed *, const float *arranged, size_t batch, int16_t *words, int32_t *sums,
  float *units);

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_UNROLL _Pragma("clang loop unroll(full)")

/// A code of a stream.
CK_INLINE unsigned ck_code_at(const uint8_t *stream, int bits, size_t index) {
  size_t bit = index * (size_t)bits;
  unsigned window = stream[bit / 8];
  // The second byte exists only if the code reaches into it.
  if (bit % 8 + (size_t)bits > 8) window |= (unsigned)stream[bit / 8 + 1] << 8;
  return window >> bit % 8 & ((1u << bits) - 1);
}

/// Codes are centred: q - centre, so that symmetric weights need no correction.
CK_INLINE float ck_centre(int bits) { return bits == 1 ? 0.5f : (float)(1 << (bits - 1)); }

/// binary16 to binary32; exact.
CK_INLINE float ck_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7FFF;
  union { uint32_t bits; float value; } result;
  if (magnitude >= 0x7C00) {
    result.bits = sign | 0x7F800000 | (magnitude & 0x3FF) << 13;
  } else {
    // 2^112 moves the exponent from bias 15 to bias 127, subnormal numbers included.
    result.bits = magnitude << 13;
    result.value *= 0x1p112f;
    result.bits |= sign;
  }
  return result.value;
}

/// How the groups of a matrix fall on blocks of 64 columns.
typedef struct {
  size_t blocks;
  /// Blocks of a segment.
  size_t segment_blocks;
  /// Groups of a segment: 1, or 64 / group size for groups smaller than a block.
  size_t segment_groups;
  size_t segments;
} ck_geometry;

ck_geometry ck_geometry_of(const ck_packed *weights);
