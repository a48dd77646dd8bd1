// Products with inputs of 8 bits; included once for each instruction set, which defines
//
//     LEVEL    the end of the function's name
//     TARGET   the attribute of its functions
//     DOT      sum + products of 32 codes with 32 inputs, in lanes of 32 bits; left out: AVX2, which
//              sums words of 16 bits first.

#include <math.h>

#include "bytes.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/// What the four sums of a kernel take from each of up to sixteen segments.
typedef struct {
  float scales[16][4];
  /// Zero point times sum of inputs; twice that for one bit.
  int32_t taken[16][4];
} segment_terms;

/// Sum c is row c / BATCH and vector c % BATCH.
TARGET CK_INLINE void load_terms(
  const ck_packed *weights, const size_t rows[4], size_t segment, size_t segments,
  const ck_int8_input *input, const int bits, const int BATCH, segment_terms *terms
) {
  const size_t count = segments - segment < 16 ? segments - segment : 16;
  CK_UNROLL for (int c = 0; c < 4; c++) {
    const size_t group = rows[c / BATCH] * weights->group_stride + segment;
    const int32_t *sums = input->sums + (size_t)(c % BATCH) * segments + segment;
    float scales[16];
    CK_UNROLL for (int half = 0; half < 2; half++) {
      _mm256_storeu_ps(
        scales + 8 * half,
        _mm256_cvtph_ps(_mm_loadu_si128((const void *)(weights->scales + group + 8 * half))));
    }
    for (size_t i = 0; i < count; i++) {
      terms->scales[i][c] = scales[i] * (bits == 1 ? 0.5f : 1);
      int32_t zero = bits == 1 ? 1 : 1 << (bits - 1);
      if (weights->zeros) zero = weights->zeros[group + i] << (bits == 1);
      terms->taken[i][c] = zero * sums[i];
    }
    // The second half of a last pair has no segment.
    if (count < 16) terms->scales[count][c] = 0, terms->taken[count][c] = 0;
  }
}

/// total + scale (sums - taken) of a segment, with one rounding.
TARGET CK_INLINE __m128 add_segment(
  __m128 total, __m128i sums, const segment_terms *terms, size_t place, const int bits
) {
  if (bits == 1) sums = _mm_slli_epi32(sums, 1);
  sums = _mm_sub_epi32(sums, _mm_loadu_si128((const void *)terms->taken[place]));
  return _mm_fmadd_ps(_mm_loadu_ps(terms->scales[place]), _mm_cvtepi32_ps(sums), total);
}

/// Up to four rows times one vector, two times two, or one times four.
TARGET CK_INLINE void multiply_four(
  const ck_packed *weights, const ck_geometry geometry, size_t row, size_t end,
  const ck_int8_input *input, float *y, size_t y_stride, bool accumulate, const int bits,
  const int BATCH, const bool HALVES
) {
  const size_t segments = geometry.segments, pairs = (geometry.blocks + 1) / 2;
  const size_t segment_pairs = (geometry.segment_blocks + 1) / 2;
  const int ROWS = 4 / BATCH;
  size_t rows[4];
  const uint8_t *codes[4];
  CK_UNROLL for (int r = 0; r < ROWS; r++) {
    rows[r] = row + (size_t)r < end ? row + (size_t)r : end - 1;
    codes[r] = weights->codes + rows[r] * weights->row_bytes;
  }
  const uint8_t *next_rows = codes[0] + (size_t)ROWS * weights->row_bytes;
  segment_terms terms;
  __m128 total = _mm_setzero_ps();
  size_t pair = 0;
  for (size_t segment = 0; segment < segments; segment += HALVES ? 2 : 1) {
    const size_t place = segment % 16;
    if (place == 0) {
      load_terms(weights, rows, segment, segments, input, bits, BATCH, &terms);
    }
    size_t pair_end = pair + segment_pairs;
    if (pair_end > pairs) pair_end = pairs;
    __m256i sums[4];
    CK_UNROLL for (int c = 0; c < 4; c++) sums[c] = _mm256_setzero_si256();
    do {
      const int8_t *x = input->arranged + pair * 2 * CK_BLOCK;
      const uint8_t *ahead = next_rows + pair * (size_t)(16 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 16 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      CK_UNROLL for (int r = 0; r < ROWS; r++) {
        __m256i bytes[2];
        ck_load_bytes(codes[r] + pair * (size_t)(16 * bits), bits, HALVES, bytes);
#ifndef DOT
        // At most 4 products of 2 * 15 * 127: below 2^15.
        __m256i words[4];
#endif
        CK_UNROLL for (int k = 0; k < 4; k++) {
          const __m256i code = ck_code_bytes(bytes, bits, k);
          CK_UNROLL for (int n = 0; n < BATCH; n++) {
            const __m256i inputs = _mm256_loadu_si256(
              (const void *)(x + (size_t)n * pairs * 2 * CK_BLOCK + 32 * k));
            const int c = r * BATCH + n;
#ifdef DOT
            sums[c] = DOT(sums[c], code, inputs);
#else
            const __m256i product = _mm256_maddubs_epi16(code, inputs);
            words[n] = k == 0 ? product : _mm256_add_epi16(words[n], product);
            if (k == 3) {
              sums[c] = _mm256_add_epi32(
                sums[c], _mm256_madd_epi16(words[n], _mm256_set1_epi16(1)));
            }
#endif
          }
        }
      }
    } while (++pair < pair_end);
    // The sums of each half of the lanes, one after the other.
    const __m256i four = _mm256_hadd_epi32(
      _mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    const __m128i low = _mm256_castsi256_si128(four), high = _mm256_extracti128_si256(four, 1);
    if (HALVES) {
      total = add_segment(total, low, &terms, place, bits);
      total = add_segment(total, high, &terms, place + 1, bits);
    } else {
      total = add_segment(total, _mm_add_epi32(low, high), &terms, place, bits);
    }
  }
  float totals[4];
  _mm_storeu_ps(totals, total);
  for (int r = 0; r < ROWS && row + (size_t)r < end; r++) {
    for (int n = 0; n < BATCH; n++) {
      float *target = y + (size_t)n * y_stride + row + (size_t)r;
      *target = fmaf(input->scales[n], totals[r * BATCH + n], accumulate ? *target : 0);
    }
  }
}

#define SHAPE(bits, batch, halves)                                                              \
  TARGET static void multiply_##bits##_##batch##_##halves(                                      \
    const ck_packed *weights, const ck_geometry *geometry, size_t row, size_t end,              \
    const ck_int8_input *input, float *y, size_t y_stride, bool accumulate                      \
  ) {                                                                                           \
    multiply_four(                                                                              \
      weights, *geometry, row, end, input, y, y_stride, accumulate, bits, batch, halves);       \
  }
#define SHAPES(bits)                                                                            \
  SHAPE(bits, 1, 0) SHAPE(bits, 1, 1) SHAPE(bits, 2, 0) SHAPE(bits, 2, 1) SHAPE(bits, 4, 0)     \
  SHAPE(bits, 4, 1)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4)

typedef void (*four_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, size_t end, const ck_int8_input *, float *y,
  size_t y_stride, bool accumulate);

/// For a batch of 1, 2 and 4.
#define TABLE(bits)                                                                             \
  {{multiply_##bits##_1_0, multiply_##bits##_1_1},                                              \
   {multiply_##bits##_2_0, multiply_##bits##_2_1},                                              \
   {multiply_##bits##_4_0, multiply_##bits##_4_1}}
static const four_kernel kernels[4][3][2] = {TABLE(1), TABLE(2), TABLE(3), TABLE(4)};

void JOIN(ck_int8_multiply_, LEVEL)(
  const ck_packed *weights, size_t first, size_t end, const ck_int8_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t pairs = (geometry.blocks + 1) / 2;
  for (size_t start = 0; start < input->batch; start += 4) {
    ck_int8_input part = *input;
    part.batch = input->batch - start < 4 ? input->batch - start : 4;
    part.arranged += start * pairs * 2 * CK_BLOCK;
    part.sums += start * geometry.segments;
    part.scales += start;
    const int shape = __builtin_ctzl(part.batch);
    const four_kernel kernel = kernels[weights->bits - 1][shape][ck_has_halves(&geometry)];
    for (size_t row = first; row < end; row += 4 / part.batch) {
      kernel(
        weights, &geometry, row, end, &part, y + start * y_stride, y_stride, accumulate);
    }
  }
}
