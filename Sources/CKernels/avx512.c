// AVX-512 with VBMI. A block of 64 codes becomes sixteen 32-bit lanes of four consecutive codes; a
// code becomes a float by lookup or by its place in a mantissa, and one fused multiply-add serves
// sixteen weights. Several rows share the loads of x, several vectors share the unpacked weights.

#include <immintrin.h>

#include "levels.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,fma,f16c")))

/// Byte j of lane i: byte floor(4 bits i / 8) + j of the block.
AVX512 CK_INLINE __m512i lane_bytes(int bits) {
  uint8_t index[64];
  CK_UNROLL for (int i = 0; i < 16; i++) {
    CK_UNROLL for (int j = 0; j < 4; j++) {
      index[4 * i + j] = (uint8_t)((4 * bits * i / 8 + j) & 63);
    }
  }
  return _mm512_loadu_si512(index);
}

/// Lanes whose bits `k bits ..< (k + 1) bits` are code 4 lane + k; anything above the fourth code.
AVX512 CK_INLINE __m512i load_lanes(const uint8_t *codes, int bits, __m512i bytes) {
  const __m512i odd = _mm512_set1_epi64((long long)4 << 32);
  switch (bits) {
  case 2: return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)codes));
  case 4: return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)codes));
  case 8: return _mm512_loadu_si512(codes);
  case 1: {
    __m512i stream = _mm512_broadcastq_epi64(_mm_loadl_epi64((const void *)codes));
    return _mm512_srlv_epi32(_mm512_permutexvar_epi8(bytes, stream), odd);
  }
  case 3: {
    __m512i stream = _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)codes));
    return _mm512_srlv_epi32(_mm512_permutexvar_epi8(bytes, stream), odd);
  }
  default: {
    __m512i lanes = _mm512_permutexvar_epi8(bytes, _mm512_loadu_si512(codes));
    return bits % 2 ? _mm512_srlv_epi32(lanes, odd) : lanes;
  }
  }
}

/// Centred values of up to 4 bits, repeated so that the bits of the next code do not matter.
AVX512 CK_INLINE __m512 value_table(int bits) {
  float table[16];
  CK_UNROLL for (int i = 0; i < 16; i++) {
    table[i] = (float)(i & ((1 << bits) - 1)) - ck_centre(bits);
  }
  return _mm512_loadu_ps(table);
}

/// q - centre of code k of every lane.
///
/// A code at bits `place ..<` of a float of exponent 23 - place adds itself to 2^(23 - place):
/// a mask and a subtraction, which leave the two ports of shifts and permutations alone.
AVX512 CK_INLINE __m512 centred(__m512i lanes, int bits, int k, __m512 table) {
  if (k == 0 && bits <= 4) return _mm512_permutexvar_ps(lanes, table);
  int place = bits * k;
  if (place + bits > 23) {
    const int shift = bits == 8 ? 16 : place;
    lanes = _mm512_srli_epi32(lanes, (unsigned)shift);
    place -= shift;
  }
  const __m512i mask = _mm512_set1_epi32(((1 << bits) - 1) << place);
  const __m512i power = _mm512_set1_epi32((127 + 23 - place) << 23);
  const __m512 offset = _mm512_set1_ps((float)(1 << (23 - place)) + ck_centre(bits));
  __m512i value = _mm512_ternarylogic_epi32(lanes, mask, power, 0xEA);
  return _mm512_sub_ps(_mm512_castsi512_ps(value), offset);
}

/// Rows `row ..< row + ROWS` times BATCH vectors.
AVX512 CK_INLINE void multiply_rows(
  const ck_packed *weights, const ck_geometry geometry, size_t row, const ck_input *input,
  float *y, size_t y_stride, bool accumulate, const int bits, const int ROWS, const int BATCH
) {
  const size_t segments = geometry.segments;
  const __m512 table = value_table(bits <= 4 ? bits : 4);
  const __m512i bytes = lane_bytes(bits);
  const __m512 centre = _mm512_set1_ps(ck_centre(bits));
  // Lane i of a block with small groups belongs to group 4 i / group size of the block.
  int group_shift = 0;
  while ((size_t)16 >> group_shift > geometry.segment_groups) group_shift++;
  const __m512i lane_groups = _mm512_srl_epi32(
    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    _mm_cvtsi32_si128(group_shift));
  const bool small_groups = geometry.segment_groups > 1;

  const uint8_t *codes[8];
  __m512 total[8][8];
  float scales[8][16], zeros[8][16];
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    codes[r] = weights->codes + (row + (size_t)r) * weights->row_bytes;
    CK_UNROLL for (int n = 0; n < BATCH; n++) total[r][n] = _mm512_setzero_ps();
  }

  const uint8_t *next_rows = codes[0] + (size_t)ROWS * weights->row_bytes;
  size_t block = 0;
  for (size_t segment = 0; segment < segments; segment++) {
    size_t end = block + geometry.segment_blocks;
    if (end > geometry.blocks) end = geometry.blocks;
    if (small_groups || segment % 16 == 0) {
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        size_t group =
          (row + (size_t)r) * weights->group_stride + segment * geometry.segment_groups;
        __m512 values =
          _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(weights->scales + group)));
        if (small_groups) values = _mm512_permutexvar_ps(lane_groups, values);
        _mm512_storeu_ps(scales[r], values);
        if (!weights->zeros) continue;
        __m512 points = _mm512_sub_ps(
          _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(
            _mm_loadu_si128((const void *)(weights->zeros + group)))),
          centre);
        if (small_groups) points = _mm512_permutexvar_ps(lane_groups, points);
        _mm512_storeu_ps(zeros[r], points);
      }
    }

    __m512 sum[8][8];
    CK_UNROLL for (int r = 0; r < ROWS; r++) {
      CK_UNROLL for (int n = 0; n < BATCH; n++) sum[r][n] = _mm512_setzero_ps();
    }
    for (; block < end; block++) {
      const float *x = input->arranged + block * CK_BLOCK;
      const size_t x_stride = geometry.blocks * CK_BLOCK;
      // Rows are too short for the prefetcher of the CPU to learn them: the next rows come to L2
      // while these are multiplied.
      const uint8_t *ahead = next_rows + block * (size_t)(8 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 8 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      __m512i lanes[8];
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        lanes[r] = load_lanes(codes[r] + block * (size_t)(8 * bits), bits, bytes);
      }
      CK_UNROLL for (int k = 0; k < 4; k++) {
        __m512 inputs[8];
        CK_UNROLL for (int n = 0; n < BATCH; n++) {
          inputs[n] = _mm512_loadu_ps(x + (size_t)n * x_stride + 16 * k);
        }
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          __m512 weight = centred(lanes[r], bits, k, table);
          CK_UNROLL for (int n = 0; n < BATCH; n++) {
            sum[r][n] = _mm512_fmadd_ps(weight, inputs[n], sum[r][n]);
          }
        }
      }
    }

    CK_UNROLL for (int r = 0; r < ROWS; r++) {
      const size_t place = segment % 16;
      __m512 scale =
        small_groups ? _mm512_loadu_ps(scales[r]) : _mm512_set1_ps(scales[r][place]);
      if (weights->zeros) {
        __m512 zero = small_groups ? _mm512_loadu_ps(zeros[r]) : _mm512_set1_ps(zeros[r][place]);
        CK_UNROLL for (int n = 0; n < BATCH; n++) {
          const float *x_sum = input->sums + ((size_t)n * segments + segment) * 16;
          sum[r][n] = _mm512_fnmadd_ps(zero, _mm512_loadu_ps(x_sum), sum[r][n]);
        }
      }
      CK_UNROLL for (int n = 0; n < BATCH; n++) {
        total[r][n] = _mm512_fmadd_ps(scale, sum[r][n], total[r][n]);
      }
    }
  }

  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      float *target = y + (size_t)n * y_stride + row + (size_t)r;
      float value = _mm512_reduce_add_ps(total[r][n]);
      *target = accumulate ? *target + value : value;
    }
  }
}

#define SHAPE(bits, rows, batch)                                                                \
  AVX512 static void multiply_##bits##_##rows##_##batch(                                        \
    const ck_packed *weights, const ck_geometry *geometry, size_t row, const ck_input *input,   \
    float *y, size_t y_stride, bool accumulate                                                  \
  ) {                                                                                           \
    multiply_rows(                                                                              \
      weights, *geometry, row, input, y, y_stride, accumulate, bits, rows, batch);              \
  }
#define SHAPES(bits)                                                                            \
  SHAPE(bits, 4, 1) SHAPE(bits, 1, 1) SHAPE(bits, 2, 2) SHAPE(bits, 1, 2) SHAPE(bits, 2, 4)     \
  SHAPE(bits, 1, 4) SHAPE(bits, 1, 8)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4) SHAPES(5) SHAPES(6) SHAPES(7) SHAPES(8)

typedef void (*row_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, const ck_input *, float *y, size_t y_stride,
  bool accumulate);

/// Kernels of several rows and of one row for a batch of 1, 2, 4 and 8.
#define TABLE(bits)                                                                             \
  {{multiply_##bits##_4_1, multiply_##bits##_1_1},                                              \
   {multiply_##bits##_2_2, multiply_##bits##_1_2},                                              \
   {multiply_##bits##_2_4, multiply_##bits##_1_4},                                              \
   {multiply_##bits##_1_8, multiply_##bits##_1_8}}
static const row_kernel kernels[8][4][2] = {
  TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7), TABLE(8)};
static const size_t kernel_rows[4] = {4, 2, 2, 1};

void ck_multiply_avx512(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  const int shape = __builtin_ctzl(input->batch);
  const row_kernel *kernel = kernels[weights->bits - 1][shape];
  const size_t rows = kernel_rows[shape];
  const ck_geometry geometry = ck_geometry_of(weights);
  size_t row = first;
  for (; row + rows <= end; row += rows) {
    kernel[0](weights, &geometry, row, input, y, y_stride, accumulate);
  }
  for (; row < end; row++) kernel[1](weights, &geometry, row, input, y, y_stride, accumulate);
}

/// Sixteen consecutive codes from a byte boundary, one per lane; reads 16 bytes.
AVX512 CK_INLINE __m512i sixteen_codes(const uint8_t *codes, int bits) {
  uint8_t index[64];
  uint32_t shift[16];
  CK_UNROLL for (int i = 0; i < 16; i++) {
    CK_UNROLL for (int j = 0; j < 4; j++) {
      int byte = bits * i / 8 + j;
      index[4 * i + j] = (uint8_t)(byte < 16 ? byte : 0x80);
    }
    shift[i] = (uint32_t)(bits * i % 8);
  }
  __m512i stream = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)codes));
  __m512i lanes = _mm512_shuffle_epi8(stream, _mm512_loadu_si512(index));
  lanes = _mm512_srlv_epi32(lanes, _mm512_loadu_si512(shift));
  return _mm512_and_si512(lanes, _mm512_set1_epi32((1 << bits) - 1));
}

AVX512 CK_INLINE void unpack(const uint8_t *stream, const int bits, size_t count, uint8_t *codes) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m512i lanes = sixteen_codes(stream + i / 8 * (size_t)bits, bits);
    _mm_storeu_si128((void *)(codes + i), _mm512_cvtepi32_epi8(lanes));
  }
  if (i == count) return;
  __m512i lanes = sixteen_codes(stream + i / 8 * (size_t)bits, bits);
  _mm_mask_storeu_epi8(
    codes + i, (__mmask16)((1u << (count - i)) - 1), _mm512_cvtepi32_epi8(lanes));
}

AVX512 void ck_unpack_avx512(const uint8_t *stream, int bits, size_t count, uint8_t *codes) {
  switch (bits) {
  case 1: unpack(stream, 1, count, codes); break;
  case 2: unpack(stream, 2, count, codes); break;
  case 3: unpack(stream, 3, count, codes); break;
  case 4: unpack(stream, 4, count, codes); break;
  case 5: unpack(stream, 5, count, codes); break;
  case 6: unpack(stream, 6, count, codes); break;
  case 7: unpack(stream, 7, count, codes); break;
  default: unpack(stream, 8, count, codes); break;
  }
}

#include "level_loops.h"

AVX512 void ck_dequantize_avx512(
  const ck_packed *weights, size_t row, size_t start, size_t count, float *values
) {
  dequantize_in_tiles(ck_unpack_avx512, weights, row, start, count, values);
}

AVX512 float ck_dot_avx512(const float *a, const float *b, size_t count) {
  __m512 sums[4];
  CK_UNROLL for (int k = 0; k < 4; k++) sums[k] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    CK_UNROLL for (int k = 0; k < 4; k++) {
      sums[k] = _mm512_fmadd_ps(
        _mm512_loadu_ps(a + i + 16 * k), _mm512_loadu_ps(b + i + 16 * k), sums[k]);
    }
  }
  for (; i < count; i += 16) {
    __mmask16 mask = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : 0xFFFF;
    sums[0] = _mm512_fmadd_ps(
      _mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), sums[0]);
  }
  return _mm512_reduce_add_ps(
    _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

AVX512 uint64_t ck_read_avx512(const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  __m512i sums[4];
  CK_UNROLL for (int k = 0; k < 4; k++) sums[k] = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 256 <= count; i += 256) {
    CK_UNROLL for (int k = 0; k < 4; k++) {
      __m512i values = _mm512_loadu_si512(from + i + 64 * k);
      sums[k] = _mm512_add_epi64(sums[k], _mm512_sad_epu8(values, _mm512_setzero_si512()));
    }
  }
  __m512i sum =
    _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]));
  return (uint64_t)_mm512_reduce_add_epi64(sum) + ck_read_ref(from + i, count - i);
}

AVX512 CK_INLINE void bfloat16_rows(
  const uint16_t *weights, size_t columns, size_t row, const float *x, float *y, const int ROWS
) {
  const size_t whole = columns / 32 * 32;
  const uint16_t *from = weights + row * columns;
  __m512 sums[4][2];
  CK_UNROLL for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  for (size_t i = 0; i < whole; i += 32) {
    CK_UNROLL for (int k = 0; k < 2; k++) {
      __m512 inputs = _mm512_loadu_ps(x + i + 16 * k);
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        const uint16_t *place = from + (size_t)r * columns + i + 16 * k;
        __m512i lanes = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)place));
        __m512 values = _mm512_castsi512_ps(_mm512_slli_epi32(lanes, 16));
        sums[r][k] = _mm512_fmadd_ps(values, inputs, sums[r][k]);
      }
    }
  }
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    float rest;
    ck_bfloat16_multiply_ref(
      from + (size_t)r * columns + whole, columns - whole, 0, 1, x + whole, &rest);
    y[row + (size_t)r] = _mm512_reduce_add_ps(_mm512_add_ps(sums[r][0], sums[r][1])) + rest;
  }
}

AVX512 void ck_bfloat16_multiply_avx512(
  const uint16_t *weights, size_t columns, size_t first, size_t end, const float *x, float *y
) {
  size_t row = first;
  for (; row + 4 <= end; row += 4) bfloat16_rows(weights, columns, row, x, y, 4);
  for (; row < end; row++) bfloat16_rows(weights, columns, row, x, y, 1);
}
