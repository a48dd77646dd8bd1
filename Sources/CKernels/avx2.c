// AVX2, FMA and F16C: the arrangement of avx512.c, a block being two halves of eight lanes.

#include <immintrin.h>

#include "levels.h"

#define AVX2 __attribute__((target("avx2,fma,f16c")))

/// Byte j of lane i of four lanes: byte floor(4 bits i / 8) + j of their 2 bits bytes.
AVX2 CK_INLINE __m256i lane_bytes(int bits) {
  uint8_t index[32];
  CK_UNROLL for (int i = 0; i < 8; i++) {
    CK_UNROLL for (int j = 0; j < 4; j++) index[4 * i + j] = (uint8_t)(4 * bits * (i % 4) / 8 + j);
  }
  return _mm256_loadu_si256((const void *)index);
}

/// Lanes whose bits `k bits ..< (k + 1) bits` are code 4 lane + k; anything above the fourth code.
AVX2 CK_INLINE __m256i load_lanes(const uint8_t *codes, int bits, __m256i bytes) {
  switch (bits) {
  case 2: return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)codes));
  case 4: return _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)codes));
  case 8: return _mm256_loadu_si256((const void *)codes);
  default: {
    __m256i stream = _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128((const void *)codes)),
      _mm_loadu_si128((const void *)(codes + 2 * bits)), 1);
    __m256i lanes = _mm256_shuffle_epi8(stream, bytes);
    return bits % 2 ? _mm256_srlv_epi32(lanes, _mm256_set1_epi64x((long long)4 << 32)) : lanes;
  }
  }
}

/// Centred values of up to 3 bits, repeated so that the bits of the next code do not matter.
AVX2 CK_INLINE __m256 value_table(int bits) {
  float table[8];
  CK_UNROLL for (int i = 0; i < 8; i++) {
    table[i] = (float)(i & ((1 << bits) - 1)) - ck_centre(bits);
  }
  return _mm256_loadu_ps(table);
}

/// q - centre of code k of every lane; see avx512.c for codes in mantissas.
AVX2 CK_INLINE __m256 centred(__m256i lanes, int bits, int k, __m256 table) {
  if (bits <= 3) return _mm256_permutevar8x32_ps(table, _mm256_srli_epi32(lanes, bits * k));
  int place = bits * k;
  if (place + bits > 23) {
    const int shift = bits == 8 ? 16 : place;
    lanes = _mm256_srli_epi32(lanes, shift);
    place -= shift;
  }
  const __m256i mask = _mm256_set1_epi32(((1 << bits) - 1) << place);
  const __m256i power = _mm256_set1_epi32((127 + 23 - place) << 23);
  const __m256 offset = _mm256_set1_ps((float)(1 << (23 - place)) + ck_centre(bits));
  __m256i value = _mm256_or_si256(_mm256_and_si256(lanes, mask), power);
  return _mm256_sub_ps(_mm256_castsi256_ps(value), offset);
}

AVX2 CK_INLINE float lane_sum(__m256 values) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/// Scales and centred zero points of the groups that a segment needs, one for each of 16 lanes, or,
/// for groups of whole blocks, of sixteen segments.
AVX2 CK_INLINE void load_groups(
  const ck_packed *weights, size_t group, size_t segment_groups, float *scales, float *zeros
) {
  float loaded_scales[16], loaded_zeros[16];
  const float centre = ck_centre(weights->bits);
  CK_UNROLL for (int half = 0; half < 2; half++) {
    const uint16_t *from = weights->scales + group + 8 * half;
    _mm256_storeu_ps(
      loaded_scales + 8 * half, _mm256_cvtph_ps(_mm_loadu_si128((const void *)from)));
    if (!weights->zeros) continue;
    const uint8_t *points = weights->zeros + group + 8 * half;
    _mm256_storeu_ps(
      loaded_zeros + 8 * half,
      _mm256_sub_ps(
        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)points))),
        _mm256_set1_ps(centre)));
  }
  for (size_t lane = 0; lane < 16; lane++) {
    size_t place = segment_groups > 1 ? lane * segment_groups / 16 : lane;
    scales[lane] = loaded_scales[place];
    if (weights->zeros) zeros[lane] = loaded_zeros[place];
  }
}

/// Rows `row ..< row + ROWS` times BATCH vectors.
AVX2 CK_INLINE void multiply_rows(
  const ck_packed *weights, const ck_geometry geometry, size_t row, const ck_input *input,
  float *y, size_t y_stride, bool accumulate, const int bits, const int ROWS, const int BATCH
) {
  const size_t segments = geometry.segments;
  const __m256 table = value_table(bits <= 3 ? bits : 3);
  const __m256i bytes = lane_bytes(bits);
  const bool small_groups = geometry.segment_groups > 1;

  const uint8_t *codes[4];
  __m256 total[4][4];
  float scales[4][16], zeros[4][16];
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    codes[r] = weights->codes + (row + (size_t)r) * weights->row_bytes;
    CK_UNROLL for (int n = 0; n < BATCH; n++) total[r][n] = _mm256_setzero_ps();
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
        load_groups(weights, group, geometry.segment_groups, scales[r], zeros[r]);
      }
    }
    // The halves of a block have sums of their own, since small groups give them other scales.
    __m256 sum[2][4][4];
    CK_UNROLL for (int half = 0; half < 2; half++) {
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        CK_UNROLL for (int n = 0; n < BATCH; n++) sum[half][r][n] = _mm256_setzero_ps();
      }
    }
    for (; block < end; block++) {
      const size_t x_stride = geometry.blocks * CK_BLOCK;
      const uint8_t *ahead = next_rows + block * (size_t)(8 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 8 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      CK_UNROLL for (int half = 0; half < 2; half++) {
        const float *x = input->arranged + block * CK_BLOCK + 8 * half;
        __m256i lanes[4];
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          lanes[r] =
            load_lanes(codes[r] + block * (size_t)(8 * bits) + 4 * bits * half, bits, bytes);
        }
        CK_UNROLL for (int k = 0; k < 4; k++) {
          CK_UNROLL for (int r = 0; r < ROWS; r++) {
            __m256 weight = centred(lanes[r], bits, k, table);
            CK_UNROLL for (int n = 0; n < BATCH; n++) {
              sum[half][r][n] = _mm256_fmadd_ps(
                weight, _mm256_loadu_ps(x + (size_t)n * x_stride + 16 * k), sum[half][r][n]);
            }
          }
        }
      }
    }

    CK_UNROLL for (int half = 0; half < 2; half++) {
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        const size_t place = segment % 16;
        __m256 scale = small_groups ? _mm256_loadu_ps(scales[r] + 8 * half)
                                    : _mm256_set1_ps(scales[r][place]);
        CK_UNROLL for (int n = 0; n < BATCH; n++) {
          __m256 products = sum[half][r][n];
          if (weights->zeros) {
            __m256 zero = small_groups ? _mm256_loadu_ps(zeros[r] + 8 * half)
                                       : _mm256_set1_ps(zeros[r][place]);
            const float *x_sum = input->sums + ((size_t)n * segments + segment) * 16 + 8 * half;
            products = _mm256_fnmadd_ps(zero, _mm256_loadu_ps(x_sum), products);
          }
          total[r][n] = _mm256_fmadd_ps(scale, products, total[r][n]);
        }
      }
    }
  }

  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      float *target = y + (size_t)n * y_stride + row + (size_t)r;
      float value = lane_sum(total[r][n]);
      *target = accumulate ? *target + value : value;
    }
  }
}

#define SHAPE(bits, rows, batch)                                                                \
  AVX2 static void multiply_##bits##_##rows##_##batch(                                          \
    const ck_packed *weights, const ck_geometry *geometry, size_t row, const ck_input *input,   \
    float *y, size_t y_stride, bool accumulate                                                  \
  ) {                                                                                           \
    multiply_rows(                                                                              \
      weights, *geometry, row, input, y, y_stride, accumulate, bits, rows, batch);              \
  }
#define SHAPES(bits) SHAPE(bits, 2, 1) SHAPE(bits, 1, 1) SHAPE(bits, 1, 2) SHAPE(bits, 1, 4)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4) SHAPES(5) SHAPES(6) SHAPES(7) SHAPES(8)

typedef void (*row_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, const ck_input *, float *y, size_t y_stride,
  bool accumulate);

/// Kernels of several rows and of one row for a batch of 1, 2 and 4.
#define TABLE(bits)                                                                             \
  {{multiply_##bits##_2_1, multiply_##bits##_1_1},                                              \
   {multiply_##bits##_1_2, multiply_##bits##_1_2},                                              \
   {multiply_##bits##_1_4, multiply_##bits##_1_4}}
static const row_kernel kernels[8][3][2] = {
  TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7), TABLE(8)};
static const size_t kernel_rows[3] = {2, 1, 1};

void ck_multiply_avx2(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  if (input->batch == 8) {
    // Sixteen registers hold the sums of four vectors, so eight are taken in two passes.
    ck_input half = *input;
    half.batch = 4;
    ck_multiply_avx2(weights, first, end, &half, y, y_stride, accumulate);
    half.arranged += 4 * ck_blocks(weights) * CK_BLOCK;
    if (half.sums) half.sums += 4 * ck_segments(weights) * 16;
    ck_multiply_avx2(weights, first, end, &half, y + 4 * y_stride, y_stride, accumulate);
    return;
  }
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

/// Eight consecutive codes from a byte boundary, one per lane; reads 8 bytes.
AVX2 CK_INLINE __m256i eight_codes(const uint8_t *codes, int bits) {
  uint8_t index[32];
  uint32_t shift[8];
  CK_UNROLL for (int i = 0; i < 8; i++) {
    CK_UNROLL for (int j = 0; j < 4; j++) {
      int byte = bits * i / 8 + j;
      index[4 * i + j] = (uint8_t)(byte < 8 ? byte : 0x80);
    }
    shift[i] = (uint32_t)(bits * i % 8);
  }
  __m256i stream = _mm256_broadcastsi128_si256(_mm_loadl_epi64((const void *)codes));
  __m256i lanes = _mm256_shuffle_epi8(stream, _mm256_loadu_si256((const void *)index));
  lanes = _mm256_srlv_epi32(lanes, _mm256_loadu_si256((const void *)shift));
  return _mm256_and_si256(lanes, _mm256_set1_epi32((1 << bits) - 1));
}

/// The low byte of every lane.
AVX2 CK_INLINE uint64_t low_bytes(__m256i lanes) {
  __m128i words =
    _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
}

AVX2 CK_INLINE void unpack(const uint8_t *stream, const int bits, size_t count, uint8_t *codes) {
  for (size_t i = 0; i < count; i += 8) {
    uint64_t eight = low_bytes(eight_codes(stream + i / 8 * (size_t)bits, bits));
    __builtin_memcpy(codes + i, &eight, count - i < 8 ? count - i : 8);
  }
}

AVX2 void ck_unpack_avx2(const uint8_t *stream, int bits, size_t count, uint8_t *codes) {
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

AVX2 void ck_dequantize_avx2(
  const ck_packed *weights, size_t row, size_t start, size_t count, float *values
) {
  dequantize_in_tiles(ck_unpack_avx2, weights, row, start, count, values);
}

AVX2 float ck_dot_avx2(const float *a, const float *b, size_t count) {
  __m256 sums[4];
  CK_UNROLL for (int k = 0; k < 4; k++) sums[k] = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    CK_UNROLL for (int k = 0; k < 4; k++) {
      sums[k] = _mm256_fmadd_ps(
        _mm256_loadu_ps(a + i + 8 * k), _mm256_loadu_ps(b + i + 8 * k), sums[k]);
    }
  }
  float rest = 0;
  for (; i < count; i++) rest += a[i] * b[i];
  return lane_sum(
           _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
         + rest;
}

AVX2 uint64_t ck_read_avx2(const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  __m256i sums[4];
  CK_UNROLL for (int k = 0; k < 4; k++) sums[k] = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 128 <= count; i += 128) {
    CK_UNROLL for (int k = 0; k < 4; k++) {
      __m256i values = _mm256_loadu_si256((const void *)(from + i + 32 * k));
      sums[k] = _mm256_add_epi64(sums[k], _mm256_sad_epu8(values, _mm256_setzero_si256()));
    }
  }
  uint64_t parts[4];
  _mm256_storeu_si256(
    (void *)parts,
    _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3])));
  return parts[0] + parts[1] + parts[2] + parts[3] + ck_read_ref(from + i, count - i);
}

AVX2 CK_INLINE void bfloat16_rows(
  const uint16_t *weights, size_t columns, size_t row, const float *x, float *y, const int ROWS
) {
  const size_t whole = columns / 16 * 16;
  const uint16_t *from = weights + row * columns;
  __m256 sums[4][2];
  CK_UNROLL for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
  for (size_t i = 0; i < whole; i += 16) {
    CK_UNROLL for (int k = 0; k < 2; k++) {
      __m256 inputs = _mm256_loadu_ps(x + i + 8 * k);
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        const uint16_t *place = from + (size_t)r * columns + i + 8 * k;
        __m256i lanes = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)place));
        __m256 values = _mm256_castsi256_ps(_mm256_slli_epi32(lanes, 16));
        sums[r][k] = _mm256_fmadd_ps(values, inputs, sums[r][k]);
      }
    }
  }
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    float rest;
    ck_bfloat16_multiply_ref(
      from + (size_t)r * columns + whole, columns - whole, 0, 1, x + whole, &rest);
    y[row + (size_t)r] = lane_sum(_mm256_add_ps(sums[r][0], sums[r][1])) + rest;
  }
}

AVX2 void ck_bfloat16_multiply_avx2(
  const uint16_t *weights, size_t columns, size_t first, size_t end, const float *x, float *y
) {
  size_t row = first;
  for (; row + 4 <= end; row += 4) bfloat16_rows(weights, columns, row, x, y, 4);
  for (; row < end; row++) bfloat16_rows(weights, columns, row, x, y, 1);
}
