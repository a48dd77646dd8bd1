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

/// Beside the sources of codes in units: a dense stream.
enum { DENSE = CK_ALONE + 1 };

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
  }
}

/// total + scale (sums - taken) of a segment, with one rounding.
TARGET CK_INLINE __m128 add_segment(
  __m128 total, __m128i sums, const segment_terms *terms, size_t place
) {
  sums = _mm_sub_epi32(sums, _mm_loadu_si128((const void *)terms->taken[place]));
  return _mm_fmadd_ps(_mm_loadu_ps(terms->scales[place]), _mm_cvtepi32_ps(sums), total);
}

/// Adds products of a pair of a row to its sums.
TARGET CK_INLINE void add_pair(
  const uint8_t *codes, size_t width, const int8_t *x, size_t x_stride, const int bits,
  const int SOURCE, const bool HALVES, const int BATCH, __m256i *sums
) {
  __m256i bytes[2];
  if (SOURCE == DENSE) ck_load_bytes(codes, bits, HALVES, bytes);
#ifndef DOT
  // Sums of as many products of 2 * codes * 127 as stay below 2^15.
  const int STEPS = bits <= 5 ? 4 : bits == 6 ? 2 : 1;
  __m256i words[4];
#endif
  CK_UNROLL for (int k = 0; k < 4; k++) {
    const __m256i code = SOURCE == DENSE ? ck_code_bytes(bytes, bits, k)
                                         : ck_step_bytes(codes, width, bits, (ck_source)SOURCE, k);
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      const __m256i inputs =
        _mm256_loadu_si256((const void *)(x + (size_t)n * x_stride + 32 * k));
#ifdef DOT
      sums[n] = DOT(sums[n], code, inputs);
#else
      const __m256i product = _mm256_maddubs_epi16(code, inputs);
      words[n] = k % STEPS == 0 ? product : _mm256_add_epi16(words[n], product);
      if (k % STEPS < STEPS - 1) continue;
      sums[n] =
        _mm256_add_epi32(sums[n], _mm256_madd_epi16(words[n], _mm256_set1_epi16(1)));
#endif
    }
  }
}

/// Up to four rows times one vector, two times two, or one times four.
TARGET CK_INLINE void multiply_four(
  const ck_packed *weights, const ck_geometry geometry, size_t row, size_t end,
  const ck_int8_input *input, float *y, size_t y_stride, bool accumulate, const int bits,
  const int BATCH, const bool HALVES, const bool IN_UNITS
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
  const size_t whole = ck_unit_pairs(weights->columns);
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
      const int8_t *x = input->arranged + pair * CK_PAIR;
      const uint8_t *ahead = next_rows + pair * (size_t)(16 * bits * ROWS);
      CK_UNROLL for (int line = 0; line < 16 * bits * ROWS; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
#define ADD(from, source)                                                                       \
  CK_UNROLL for (int r = 0; r < ROWS; r++) {                                                    \
    add_pair(                                                                                   \
      from, width, x, pairs * CK_PAIR, bits, source, HALVES, BATCH, sums + r * BATCH);          \
  }
      const size_t at = pair * (size_t)(16 * bits), unit = pair / 2 * (size_t)(32 * bits);
      const bool rest = pair == weights->columns / CK_PAIR;
      const size_t width = rest ? ck_rest_width(weights->columns, HALVES) : 16;
      if (!IN_UNITS) {
        ADD(codes[r] + at, DENSE)
      } else if (pair >= whole) {
        ADD(codes[r] + at, CK_ALONE)
      } else if (pair % 2 == 0) {
        ADD(codes[r] + unit, CK_FIRST)
      } else {
        ADD(codes[r] + unit, CK_SECOND)
      }
#undef ADD
    } while (++pair < pair_end);
    // The sums of each half of the lanes, one after the other.
    const __m256i four = _mm256_hadd_epi32(
      _mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    const __m128i low = _mm256_castsi256_si128(four), high = _mm256_extracti128_si256(four, 1);
    if (HALVES && segment + 1 < segments) {
      total = add_segment(total, low, &terms, place);
      total = add_segment(total, high, &terms, place + 1);
    } else {
      total = add_segment(total, _mm_add_epi32(low, high), &terms, place);
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

#define SHAPE(bits, batch, in_units)                                                            \
  TARGET static void multiply_##bits##_##batch##_##in_units(                                    \
    const ck_packed *weights, const ck_geometry *geometry, size_t row, size_t end,              \
    const ck_int8_input *input, float *y, size_t y_stride, bool accumulate                      \
  ) {                                                                                           \
    if (ck_has_halves(geometry)) {                                                              \
      multiply_four(                                                                            \
        weights, *geometry, row, end, input, y, y_stride, accumulate, bits, batch, true,        \
        in_units);                                                                              \
    } else {                                                                                    \
      multiply_four(                                                                            \
        weights, *geometry, row, end, input, y, y_stride, accumulate, bits, batch, false,       \
        in_units);                                                                              \
    }                                                                                           \
  }
#define SHAPES(bits, in_units)                                                                  \
  SHAPE(bits, 1, in_units) SHAPE(bits, 2, in_units) SHAPE(bits, 4, in_units)

SHAPES(1, 0) SHAPES(2, 0) SHAPES(3, 0) SHAPES(4, 0)
SHAPES(1, 1) SHAPES(2, 1) SHAPES(3, 1) SHAPES(4, 1) SHAPES(5, 1) SHAPES(6, 1) SHAPES(7, 1)

typedef void (*four_kernel)(
  const ck_packed *, const ck_geometry *, size_t row, size_t end, const ck_int8_input *, float *y,
  size_t y_stride, bool accumulate);

/// For a batch of 1, 2 and 4.
#define TABLE(bits, in_units)                                                                   \
  {multiply_##bits##_1_##in_units, multiply_##bits##_2_##in_units, multiply_##bits##_4_##in_units}
static const four_kernel dense_kernels[4][3] = {
  TABLE(1, 0), TABLE(2, 0), TABLE(3, 0), TABLE(4, 0)};
static const four_kernel unit_kernels[7][3] = {
  TABLE(1, 1), TABLE(2, 1), TABLE(3, 1), TABLE(4, 1), TABLE(5, 1), TABLE(6, 1), TABLE(7, 1)};

void JOIN(ck_int8_multiply_, LEVEL)(
  const ck_packed *weights, size_t first, size_t end, const ck_int8_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t pairs = (geometry.blocks + 1) / 2;
  for (size_t start = 0; start < input->batch; start += 4) {
    ck_int8_input part = *input;
    part.batch = input->batch - start < 4 ? input->batch - start : 4;
    part.arranged += start * pairs * CK_PAIR;
    part.sums += start * geometry.segments;
    part.scales += start;
    const int shape = __builtin_ctzl(part.batch), bits = weights->bits - 1;
    const four_kernel kernel = (weights->in_units ? unit_kernels : dense_kernels)[bits][shape];
    for (size_t row = first; row < end; row += 4 / part.batch) {
      kernel(
        weights, &geometry, row, end, &part, y + start * y_stride, y_stride, accumulate);
    }
  }
}
