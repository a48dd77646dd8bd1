// AVX2 for up to 4 bits: 32 codes meet 32 inputs in one instruction, in integers.
//
// An input is V S with S a scale for each segment and |V| < 2^23, in three digits of eight bits. What
// is lost is below 2^-24 of the segment's largest input, which for inputs of like sizes is what f32
// products and sums lose; ck_digits refuses others. The integer sums are exact.

#include <float.h>
#include <math.h>
#include <string.h>

#include "bytes.h"

/// Below this, scales times S would leave the normal numbers.
static const float smallest_input = 1e-20f;
/// The largest input may be this many times the mean magnitude.
static const float largest_ratio = 64;
/// Blocks: sums of the lower digits of a lane stay below 2^31: 257 * 15 * 2^7 * 16 bytes * 2^8 pairs.
enum { LARGEST_SEGMENT = 512 };
/// 127 in the highest place.
static const float largest_value = 127 << 16;

/// What sums of the lower two digits make.
AVX2 CK_INLINE __m256i lower_sums(const __m256i words[3]) {
  return _mm256_add_epi32(
    _mm256_madd_epi16(words[0], _mm256_set1_epi16(1)),
    _mm256_madd_epi16(words[1], _mm256_set1_epi16(256)));
}

AVX2 CK_INLINE __m256i upper_sums(const __m256i words[3]) {
  return _mm256_madd_epi16(words[2], _mm256_set1_epi16(1));
}

/// Numbers of a segment, 0 after its last column, up to a whole number of blocks.
///
/// Returns whether digits serve; `unit` is as in ck_input.
AVX2 static bool round_segment(
  const float *values, size_t count, int32_t *rounded, float *unit
) {
  float largest = 0, total = 0;
  bool finite = true;
  for (size_t i = 0; i < count; i++) {
    const float magnitude = fabsf(values[i]);
    finite &= magnitude <= FLT_MAX;
    largest = magnitude > largest ? magnitude : largest;
    total += magnitude;
  }
  const bool usable = finite && largest > 0;
  if (usable && (largest < smallest_input || !(total * largest_ratio >= largest * (float)count))) {
    return false;
  }
  *unit = finite ? largest / largest_value : NAN;
  const __m256 factor = _mm256_set1_ps(usable ? largest_value / largest : 0);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 value = _mm256_loadu_ps(values + i);
    if (!usable) value = _mm256_setzero_ps();
    _mm256_storeu_si256((void *)(rounded + i), _mm256_cvtps_epi32(_mm256_mul_ps(value, factor)));
  }
  for (; i < count; i++) {
    rounded[i] = usable ? _mm_cvtss_si32(_mm_set_ss(values[i] * _mm256_cvtss_f32(factor))) : 0;
  }
  for (; i % CK_BLOCK; i++) rounded[i] = 0;
  return true;
}

/// The digits of a pair of blocks, and their sums, added to `[2, 8]`: of the lower two as the numbers
/// that they make, and of the highest, in the lanes in which the kernels sum their products.
AVX2 static void write_digits(
  const int32_t *numbers, int bits, bool halves, int8_t *digits, int32_t *sums
) {
  for (size_t k = 0; k < 4; k++) {
    for (size_t index = 0; index < 32; index++) {
      // Digits are those of number + 2^23 + 2^15 + 2^7 in base 256, less 128.
      const uint32_t shifted =
        (uint32_t)(numbers[ck_byte_column(bits, halves, k, index)] + 0x808080);
      int8_t *to = digits + 96 * k + index;
      to[0] = (int8_t)((shifted & 0xFF) ^ 0x80);
      to[32] = (int8_t)((shifted >> 8 & 0xFF) ^ 0x80);
      to[64] = (int8_t)((shifted >> 16 & 0xFF) ^ 0x80);
    }
  }
  __m256i words[3];
  for (int d = 0; d < 3; d++) {
    words[d] = _mm256_setzero_si256();
    for (size_t k = 0; k < 4; k++) {
      const __m256i bytes = _mm256_loadu_si256((const void *)(digits + 96 * k + 32 * d));
      words[d] =
        _mm256_add_epi16(words[d], _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes));
    }
  }
  __m256i *to = (__m256i *)sums;
  _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), lower_sums(words)));
  _mm256_storeu_si256(
    to + 1, _mm256_add_epi32(_mm256_loadu_si256(to + 1), upper_sums(words)));
}

bool ck_has_bytes(const ck_packed *weights) {
  if (weights->bits > 4 || weights->columns == 0 || !ck_has_blocks(weights)) return false;
  const ck_geometry geometry = ck_geometry_of(weights);
  return geometry.segment_groups == 1 && geometry.segment_blocks <= LARGEST_SEGMENT
         && (geometry.segment_blocks == 1 || geometry.segment_blocks % 2 == 0
             || geometry.segments == 1);
}

/// Pairs of blocks that share their sums.
CK_INLINE size_t pairs_of(const ck_geometry *geometry) {
  return (geometry->segment_blocks + 1) / 2;
}

bool ck_digits_avx2(
  const ck_packed *weights, const float *values, size_t stride, size_t batch, int32_t *numbers,
  int8_t *digits, int32_t *sums, float *units
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t width = geometry.segment_blocks * CK_BLOCK;
  const size_t pairs = (geometry.blocks + 1) / 2, segment_pairs = pairs_of(&geometry);
  const size_t steps = (pairs + segment_pairs - 1) / segment_pairs;
  memset(sums, 0, batch * steps * 16 * sizeof(int32_t));
  memset(numbers + (pairs * 2 - 1) * CK_BLOCK, 0, CK_BLOCK * sizeof(int32_t));
  for (size_t n = 0; n < batch; n++) {
    for (size_t segment = 0; segment < geometry.segments; segment++) {
      const size_t start = segment * width, left = weights->columns - start;
      const size_t place = n * geometry.segments + segment;
      const bool usable = round_segment(
        values + n * stride + start, left < width ? left : width, numbers + start,
        units + place);
      if (!usable) return false;
    }
    for (size_t pair = 0; pair < pairs; pair++) {
      write_digits(
        numbers + pair * 2 * CK_BLOCK, weights->bits, ck_has_halves(&geometry),
        digits + (n * pairs + pair) * 384, sums + (n * steps + pair / segment_pairs) * 16);
    }
  }
  return true;
}

AVX2 CK_INLINE float lane_sum(__m256 values) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/// Two units, each in a half of the lanes.
AVX2 CK_INLINE __m256 half_units(const float *units) {
  return _mm256_insertf128_ps(
    _mm256_castps128_ps256(_mm_broadcast_ss(units)), _mm_broadcast_ss(units + 1), 1);
}

/// Two zero points, each in a half of the lanes.
AVX2 CK_INLINE __m256i half_zeros(const int32_t *zeros) {
  return _mm256_inserti128_si256(
    _mm256_castsi128_si256(_mm_set1_epi32(zeros[0])), _mm_set1_epi32(zeros[1]), 1);
}

/// Rows `row ..< row + ROWS` times BATCH vectors.
///
/// ONE_PAIR: segments are a pair of blocks; HALVES: a segment is one block.
AVX2 CK_INLINE void multiply_rows(
  const ck_packed *weights, const ck_geometry geometry, size_t row, const ck_input *input,
  float *y, size_t y_stride, bool accumulate, const int bits, const int ROWS, const int BATCH,
  const bool ONE_PAIR, const bool HALVES, const bool SYMMETRIC
) {
  const size_t segments = geometry.segments;
  const size_t pairs = (geometry.blocks + 1) / 2;
  const size_t segment_pairs = ONE_PAIR ? 1 : pairs_of(&geometry);
  const size_t steps = (pairs + segment_pairs - 1) / segment_pairs;
  const __m256 high_unit = _mm256_set1_ps(0x1p16f);

  const uint8_t *codes[4];
  __m256 total[4][4];
  float units[4][4][16];
  int32_t zeros[4][16];
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    codes[r] = weights->codes + (row + (size_t)r) * weights->row_bytes;
    CK_UNROLL for (int n = 0; n < BATCH; n++) total[r][n] = _mm256_setzero_ps();
  }
  const uint8_t *next_rows = codes[0] + (size_t)ROWS * weights->row_bytes;

  size_t pair = 0;
  for (size_t segment = 0; segment < segments; segment += HALVES ? 2 : 1) {
    size_t end = pair + segment_pairs;
    if (!ONE_PAIR && end > pairs) end = pairs;
    const size_t place = segment % 16;
    if (place == 0) {
      const size_t left = segments - segment;
      CK_UNROLL for (int half = 0; half < 2; half++) {
        const size_t at = segment + (size_t)(8 * half);
        const __m256i used = _mm256_cmpgt_epi32(
          _mm256_set1_epi32(left > 16 ? 8 : (int)left - 8 * half),
          _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          const size_t group = (row + (size_t)r) * weights->group_stride + at;
          __m256 scale =
            _mm256_cvtph_ps(_mm_loadu_si128((const void *)(weights->scales + group)));
          // Scales of the next row may be infinite.
          scale = _mm256_and_ps(scale, _mm256_castsi256_ps(used));
          if (bits == 1) scale = _mm256_mul_ps(scale, _mm256_set1_ps(0.5f));
          CK_UNROLL for (int n = 0; n < BATCH; n++) {
            const float *unit = input->digit_units + (size_t)n * segments + at;
            _mm256_storeu_ps(
              units[r][n] + 8 * half, _mm256_mul_ps(scale, _mm256_maskload_ps(unit, used)));
          }
          if (SYMMETRIC) continue;
          const __m128i points = _mm_loadl_epi64((const void *)(weights->zeros + group));
          _mm256_storeu_si256((void *)(zeros[r] + 8 * half), _mm256_cvtepu8_epi32(points));
        }
      }
    }

    // Sums of the lower two digits and of the highest.
    __m256i low[4][4], high[4][4];
    bool first = true;
    for (bool more = true; more; more = !ONE_PAIR && pair < end) {
      const int8_t *x = input->digits + pair * 384;
      const uint8_t *ahead = next_rows + pair * (size_t)(16 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 16 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      // At most 4 products of 2 * 15 * 128: below 2^15.
      __m256i sum[4][4][3];
      __m256i bytes[4][2];
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        ck_load_bytes(codes[r] + pair * (size_t)(16 * bits), bits, HALVES, bytes[r]);
      }
      CK_UNROLL for (int k = 0; k < 4; k++) {
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          const __m256i code = ck_code_bytes(bytes[r], bits, k);
          CK_UNROLL for (int n = 0; n < BATCH; n++) {
            CK_UNROLL for (int d = 0; d < 3; d++) {
              const int8_t *inputs = x + (size_t)n * pairs * 384 + 96 * k + 32 * d;
              const __m256i product =
                _mm256_maddubs_epi16(code, _mm256_loadu_si256((const void *)inputs));
              sum[r][n][d] = k == 0 ? product : _mm256_add_epi16(sum[r][n][d], product);
            }
          }
        }
      }
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        CK_UNROLL for (int n = 0; n < BATCH; n++) {
          const __m256i lower = lower_sums(sum[r][n]), upper = upper_sums(sum[r][n]);
          low[r][n] = first ? lower : _mm256_add_epi32(low[r][n], lower);
          high[r][n] = first ? upper : _mm256_add_epi32(high[r][n], upper);
        }
      }
      pair++;
      first = false;
    }

    // Products are those of q so far; those of z, one sum of inputs, are taken off in integers.
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      const int32_t *sums =
        input->digit_sums + ((size_t)n * steps + segment / (HALVES ? 2 : 1)) * 16;
      __m256i taken[2];
      CK_UNROLL for (int part = 0; part < 2; part++) {
        taken[part] = _mm256_loadu_si256((const void *)(sums + 8 * part));
        if (SYMMETRIC && bits > 1) taken[part] = _mm256_slli_epi32(taken[part], bits - 1);
      }
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        __m256i zero[2] = {taken[0], taken[1]};
        if (!SYMMETRIC) {
          const __m256i point = HALVES ? half_zeros(zeros[r] + place)
                                       : _mm256_set1_epi32(zeros[r][place]);
          CK_UNROLL for (int part = 0; part < 2; part++) {
            zero[part] = _mm256_mullo_epi32(taken[part], point);
            if (bits == 1) zero[part] = _mm256_slli_epi32(zero[part], 1);
          }
        }
        if (bits == 1) {
          low[r][n] = _mm256_slli_epi32(low[r][n], 1);
          high[r][n] = _mm256_slli_epi32(high[r][n], 1);
        }
        low[r][n] = _mm256_sub_epi32(low[r][n], zero[0]);
        high[r][n] = _mm256_sub_epi32(high[r][n], zero[1]);
        const __m256 sum = _mm256_fmadd_ps(
          _mm256_cvtepi32_ps(high[r][n]), high_unit, _mm256_cvtepi32_ps(low[r][n]));
        const __m256 unit = HALVES ? half_units(units[r][n] + place)
                                   : _mm256_set1_ps(units[r][n][place]);
        total[r][n] = _mm256_fmadd_ps(unit, sum, total[r][n]);
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
    const bool halves = ck_has_halves(geometry), pair = geometry->segment_blocks == 2;          \
    FORM(bits, rows, batch, halves && !weights->zeros, true, true, true)                        \
    FORM(bits, rows, batch, pair && !weights->zeros, true, false, true)                         \
    FORM(bits, rows, batch, halves, true, true, false)                                          \
    FORM(bits, rows, batch, !weights->zeros, false, false, true)                                \
    FORM(bits, rows, batch, true, false, false, false)                                          \
  }
#define FORM(bits, rows, batch, condition, one_pair, halves, symmetric)                         \
  if (condition) {                                                                              \
    multiply_rows(                                                                              \
      weights, *geometry, row, input, y, y_stride, accumulate, bits, rows, batch, one_pair,     \
      halves, symmetric);                                                                       \
    return;                                                                                     \
  }
#define SHAPES(bits)                                                                            \
  SHAPE(bits, 2, 1) SHAPE(bits, 1, 1) SHAPE(bits, 2, 2) SHAPE(bits, 1, 2) SHAPE(bits, 1, 4)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4)

typedef void (*row_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, const ck_input *, float *y, size_t y_stride,
  bool accumulate);

/// Kernels of several rows and of one row for a batch of 1, 2 and 4.
#define TABLE(bits)                                                                             \
  {{multiply_##bits##_2_1, multiply_##bits##_1_1},                                              \
   {multiply_##bits##_2_2, multiply_##bits##_1_2},                                              \
   {multiply_##bits##_1_4, multiply_##bits##_1_4}}
static const row_kernel kernels[4][3][2] = {TABLE(1), TABLE(2), TABLE(3), TABLE(4)};
static const size_t kernel_rows[3] = {2, 2, 1};

void ck_multiply_digits_avx2(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  if (input->batch == 8) {
    // Sixteen registers hold the sums of four vectors, so eight are taken in two passes.
    const ck_geometry geometry = ck_geometry_of(weights);
    const size_t segments = geometry.segments, pairs = (geometry.blocks + 1) / 2;
    const size_t steps = (pairs + pairs_of(&geometry) - 1) / pairs_of(&geometry);
    ck_input half = *input;
    half.batch = 4;
    ck_multiply_digits_avx2(weights, first, end, &half, y, y_stride, accumulate);
    half.digits += 4 * pairs * 384;
    half.digit_sums += 4 * steps * 16;
    half.digit_units += 4 * segments;
    ck_multiply_digits_avx2(weights, first, end, &half, y + 4 * y_stride, y_stride, accumulate);
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
