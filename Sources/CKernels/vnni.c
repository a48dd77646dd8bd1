// AVX-512 with VNNI for up to 4 bits: 32 codes meet 32 inputs in one instruction, in integers.
//
// An input is V S with S a power of two for each segment and |V| < 2^29, split as 2^15 high + low;
// what is lost is below 2^-29 of the segment's largest input, less than what f32 sums lose. A block
// pair of 128 codes becomes 32 words of four consecutive codes. The integer sums are exact; at the
// end of a segment they become floats.

#include <math.h>
#include <immintrin.h>

#include "levels.h"

#define VNNI \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni,fma,f16c")))

/// Sums of integers of a segment stay below 2^31: 15 * 2^14 * 8 codes of a lane * 2^8 pairs < 2^29.
enum { LARGEST_SEGMENT = 512 };
/// Below this, scales times S would leave the normal numbers.
static const float smallest_input = 1e-20f;

bool ck_has_block_pairs(const ck_packed *weights) {
  if (weights->bits > 4 || weights->columns == 0 || !ck_has_blocks(weights)) return false;
  ck_geometry geometry = ck_geometry_of(weights);
  return geometry.segment_groups == 1 && geometry.segment_blocks <= LARGEST_SEGMENT
         && (geometry.segment_blocks % 2 == 0 || ck_segments(weights) == 1);
}

/// The largest magnitude of `count` floats, a multiple of 64; infinite or NaN if one of them is.
VNNI static float largest_magnitude(const float *values, size_t count) {
  __m512i largest = _mm512_setzero_si512();
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  for (size_t i = 0; i < count; i += 16) {
    // Magnitudes are ordered like their bit patterns, NaN above infinity.
    __m512i bits = _mm512_and_si512(_mm512_loadu_si512(values + i), magnitude);
    largest = _mm512_max_epi32(largest, bits);
  }
  union { int bits; float value; } result = {.bits = _mm512_reduce_max_epi32(largest)};
  return result.value;
}

/// Splits sixteen inputs.
VNNI CK_INLINE void split(const float *values, __m512 factor, int16_t *high, int16_t *low) {
  __m512i value = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values), factor));
  __m512i upper =
    _mm512_srai_epi32(_mm512_add_epi32(value, _mm512_set1_epi32(1 << 14)), 15);
  __m512i lower = _mm512_sub_epi32(value, _mm512_slli_epi32(upper, 15));
  _mm256_storeu_si256((void *)high, _mm512_cvtepi32_epi16(upper));
  _mm256_storeu_si256((void *)low, _mm512_cvtepi32_epi16(lower));
}

VNNI static bool split_segment(
  const float *arranged, size_t blocks, int16_t *words, int32_t *sums, float *unit
) {
  const float largest = largest_magnitude(arranged, blocks * CK_BLOCK);
  if (largest > 0 && largest < smallest_input) return false;
  // The power of two at or below the largest magnitude, 2^28 times smaller.
  union { float value; uint32_t bits; } power = {.value = largest};
  power.bits &= 0x7F800000;
  const bool finite = power.bits < 0x7F800000;
  const bool usable = finite && largest > 0;
  *unit = finite ? power.value * 0x1p-28f : NAN;
  const __m512 factor = _mm512_set1_ps(usable ? 1 / *unit : 0);
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i high_sum = _mm512_setzero_si512(), low_sum = _mm512_setzero_si512();
  const float padding[CK_BLOCK] = {0};
  for (size_t block = 0; block < blocks; block += 2) {
    int16_t *pair = words + block * 2 * CK_BLOCK;
    const float *first = usable ? arranged + block * CK_BLOCK : padding;
    const float *second = usable && block + 1 < blocks ? first + CK_BLOCK : padding;
    for (size_t k = 0; k < 4; k++) {
      int16_t *high = pair + 64 * k, *low = high + 32;
      split(first + 16 * k, factor, high, low);
      split(second + 16 * k, factor, high + 16, low + 16);
      high_sum = _mm512_dpwssd_epi32(high_sum, _mm512_loadu_si512(high), ones);
      low_sum = _mm512_dpwssd_epi32(low_sum, _mm512_loadu_si512(low), ones);
    }
  }
  _mm512_storeu_si512(sums, high_sum);
  _mm512_storeu_si512(sums + 16, low_sum);
  return true;
}

bool ck_split_vnni(
  const ck_packed *weights, const float *arranged, size_t batch, int16_t *words, int32_t *sums,
  float *units
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t segments = ck_segments(weights);
  const size_t pairs = (geometry.blocks + 1) / 2;
  for (size_t n = 0; n < batch; n++) {
    for (size_t segment = 0; segment < segments; segment++) {
      size_t start = segment * geometry.segment_blocks;
      size_t count = geometry.blocks - start;
      if (count > geometry.segment_blocks) count = geometry.segment_blocks;
      size_t place = n * segments + segment;
      bool usable = split_segment(
        arranged + (n * geometry.blocks + start) * CK_BLOCK, count,
        words + (n * pairs + start / 2) * 4 * CK_BLOCK, sums + place * 32, units + place);
      if (!usable) return false;
    }
  }
  return true;
}

/// Byte j of word i: byte floor(4 bits i / 8) + j of a block pair.
VNNI CK_INLINE __m512i word_bytes(int bits) {
  uint8_t index[64];
  CK_UNROLL for (int i = 0; i < 32; i++) {
    CK_UNROLL for (int j = 0; j < 2; j++) index[2 * i + j] = (uint8_t)((bits * i / 2 + j) & 63);
  }
  return _mm512_loadu_si512(index);
}

/// Words whose bits `k bits ..< (k + 1) bits` are code 4 word + k; anything above the fourth code.
VNNI CK_INLINE __m512i load_words(const uint8_t *codes, int bits, __m512i bytes) {
  if (bits == 4) return _mm512_loadu_si512(codes);
  if (bits == 2) return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)codes));
  __m512i stream = bits == 1
                     ? _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)codes))
                     : _mm512_loadu_si512(codes);
  const __m512i odd = _mm512_set1_epi32(4 << 16);
  return _mm512_srlv_epi16(_mm512_permutexvar_epi8(bytes, stream), odd);
}

/// Code k of every word; twice the code for one bit, whose centre is 1/2.
VNNI CK_INLINE __m512i code_of(__m512i words, int bits, int k) {
  if (bits == 1) {
    __m512i shifted =
      k == 0 ? _mm512_slli_epi16(words, 1) : _mm512_srli_epi16(words, (unsigned)(k - 1));
    return _mm512_and_si512(shifted, _mm512_set1_epi16(2));
  }
  __m512i shifted = _mm512_srli_epi16(words, (unsigned)(bits * k));
  if (bits == 4 && k == 3) return shifted;
  return _mm512_and_si512(shifted, _mm512_set1_epi16((short)((1 << bits) - 1)));
}

/// sum + code pairs times input pairs, of 32 words.
VNNI CK_INLINE __m512i add_products(__m512i sum, __m512i code, __m512i input) {
  // The compiler would split the intrinsic in two, as it knows which bits of the codes are zero.
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(code), "v"(input));
  return sum;
}

/// Rows `row ..< row + ROWS` times BATCH vectors.
VNNI CK_INLINE void multiply_rows(
  const ck_packed *weights, const ck_geometry geometry, size_t row, const ck_input *input,
  float *y, size_t y_stride, bool accumulate, const int bits, const int ROWS, const int BATCH
) {
  const size_t segments = geometry.segments;
  const size_t pairs = (geometry.blocks + 1) / 2;
  const size_t segment_pairs = (geometry.segment_blocks + 1) / 2;
  const __m512i bytes = word_bytes(bits);
  const __m512 code_unit = _mm512_set1_ps(bits == 1 ? 0.5f : 1);
  const __m512 high_unit = _mm512_set1_ps(0x1p15f);

  const uint8_t *codes[4];
  __m512 total[4][8];
  float units[4][8][16];
  int32_t zeros[4][16];
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    codes[r] = weights->codes + (row + (size_t)r) * weights->row_bytes;
    CK_UNROLL for (int n = 0; n < BATCH; n++) total[r][n] = _mm512_setzero_ps();
  }
  const uint8_t *next_rows = codes[0] + (size_t)ROWS * weights->row_bytes;

  size_t pair = 0;
  for (size_t segment = 0; segment < segments; segment++) {
    size_t end = pair + segment_pairs;
    if (end > pairs) end = pairs;
    const size_t place = segment % 16;
    if (place == 0) {
      const __mmask16 left =
        segments - segment < 16 ? (__mmask16)((1u << (segments - segment)) - 1) : 0xFFFF;
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        size_t group = (row + (size_t)r) * weights->group_stride + segment;
        __m512 scale =
          _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(weights->scales + group)));
        CK_UNROLL for (int n = 0; n < BATCH; n++) {
          const float *unit = input->units + (size_t)n * segments + segment;
          _mm512_storeu_ps(
            units[r][n], _mm512_mul_ps(
                           _mm512_mul_ps(scale, code_unit), _mm512_maskz_loadu_ps(left, unit)));
        }
        if (!weights->zeros) continue;
        __m512i points =
          _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(weights->zeros + group)));
        _mm512_storeu_si512(zeros[r], bits == 1 ? _mm512_slli_epi32(points, 1) : points);
      }
    }

    // Sums start at -z * sum of inputs, so that they are those of q - z.
    __m512i high[4][8], low[4][8];
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      const int32_t *sums = input->word_sums + ((size_t)n * segments + segment) * 32;
      const __m512i high_sum = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(sums));
      const __m512i low_sum =
        _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(sums + 16));
      if (weights->zeros) {
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          const __m512i zero = _mm512_set1_epi32(zeros[r][place]);
          high[r][n] = _mm512_mullo_epi32(high_sum, zero);
          low[r][n] = _mm512_mullo_epi32(low_sum, zero);
        }
      } else {
        const unsigned shift = bits == 1 ? 0 : (unsigned)(bits - 1);
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          high[r][n] = _mm512_slli_epi32(high_sum, shift);
          low[r][n] = _mm512_slli_epi32(low_sum, shift);
        }
      }
    }
    for (; pair < end; pair++) {
      const int16_t *x = input->words + pair * 4 * CK_BLOCK;
      const uint8_t *ahead = next_rows + pair * (size_t)(16 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 16 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      __m512i words[4];
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        words[r] = load_words(codes[r] + pair * (size_t)(16 * bits), bits, bytes);
      }
      CK_UNROLL for (int k = 0; k < 4; k++) {
        CK_UNROLL for (int r = 0; r < ROWS; r++) {
          const __m512i code = code_of(words[r], bits, k);
          CK_UNROLL for (int n = 0; n < BATCH; n++) {
            const int16_t *inputs = x + (size_t)n * pairs * 4 * CK_BLOCK + 64 * k;
            high[r][n] = add_products(high[r][n], code, _mm512_loadu_si512(inputs));
            low[r][n] = add_products(low[r][n], code, _mm512_loadu_si512(inputs + 32));
          }
        }
      }
    }

    CK_UNROLL for (int r = 0; r < ROWS; r++) {
      CK_UNROLL for (int n = 0; n < BATCH; n++) {
        __m512 sum = _mm512_fmadd_ps(
          _mm512_cvtepi32_ps(high[r][n]), high_unit, _mm512_cvtepi32_ps(low[r][n]));
        total[r][n] = _mm512_fmadd_ps(_mm512_set1_ps(units[r][n][place]), sum, total[r][n]);
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
  VNNI static void multiply_##bits##_##rows##_##batch(                                          \
    const ck_packed *weights, const ck_geometry *geometry, size_t row, const ck_input *input,   \
    float *y, size_t y_stride, bool accumulate                                                  \
  ) {                                                                                           \
    multiply_rows(                                                                              \
      weights, *geometry, row, input, y, y_stride, accumulate, bits, rows, batch);              \
  }
#define SHAPES(bits)                                                                            \
  SHAPE(bits, 4, 1) SHAPE(bits, 1, 1) SHAPE(bits, 2, 2) SHAPE(bits, 1, 2) SHAPE(bits, 1, 4)     \
  SHAPE(bits, 1, 8)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4)

typedef void (*row_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, const ck_input *, float *y, size_t y_stride,
  bool accumulate);

/// Kernels of several rows and of one row for a batch of 1, 2, 4 and 8.
#define TABLE(bits)                                                                             \
  {{multiply_##bits##_4_1, multiply_##bits##_1_1},                                              \
   {multiply_##bits##_2_2, multiply_##bits##_1_2},                                              \
   {multiply_##bits##_1_4, multiply_##bits##_1_4},                                              \
   {multiply_##bits##_1_8, multiply_##bits##_1_8}}
static const row_kernel kernels[4][4][2] = {TABLE(1), TABLE(2), TABLE(3), TABLE(4)};
static const size_t kernel_rows[4] = {4, 2, 1, 1};

void ck_multiply_vnni(
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
