// AVX2 for codes in units: 32 of them meet 32 inputs in one instruction, in integers.
//
// An input is V S with S a scale for each segment and |V| < 2^23, in three digits of eight bits. What
// is lost is below 2^-24 of the segment's largest input, which for inputs of like sizes is what f32
// products and sums lose; ck_digits refuses others. The integer sums are exact.

#include <float.h>
#include <math.h>
#include <string.h>

#include "units.h"

/// Below this, scales times S would leave the normal numbers.
static const float smallest_input = 1e-20f;
/// The largest input may be this many times the mean magnitude.
static const float largest_ratio = 64;
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

/// Byte `shift / 8` of 32 numbers, those of two halves of 16.
AVX2 CK_INLINE __m256i bytes_of(const __m256i numbers[4], const int shift) {
  __m256i bytes[4];
  CK_UNROLL for (int i = 0; i < 4; i++) {
    bytes[i] = _mm256_and_si256(
      shift == 0 ? numbers[i] : _mm256_srli_epi32(numbers[i], shift), _mm256_set1_epi32(0xFF));
  }
  // Packing goes by halves of the registers: 0-3, 8-11, 16-19, 24-27, then the others.
  const __m256i packed = _mm256_packus_epi16(
    _mm256_packus_epi32(bytes[0], bytes[1]), _mm256_packus_epi32(bytes[2], bytes[3]));
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// The digits of a pair of blocks, and their sums, added to `[2, 8]`: of the lower two as the numbers
/// that they make, and of the highest, in the lanes in which the kernels sum their products.
AVX2 static void write_digits(const int32_t *numbers, int8_t *digits, int32_t *sums) {
  __m256i words[3];
  CK_UNROLL for (int d = 0; d < 3; d++) words[d] = _mm256_setzero_si256();
  CK_UNROLL for (size_t k = 0; k < 4; k++) {
    // Digits are those of number + 2^23 + 2^15 + 2^7 in base 256, less 128.
    __m256i shifted[4];
    CK_UNROLL for (size_t i = 0; i < 4; i++) {
      const int32_t *from = numbers + ck_step_column(k, 8 * i);
      shifted[i] = _mm256_add_epi32(
        _mm256_loadu_si256((const void *)from), _mm256_set1_epi32(0x808080));
    }
    CK_UNROLL for (int d = 0; d < 3; d++) {
      const __m256i digit =
        _mm256_xor_si256(bytes_of(shifted, 8 * d), _mm256_set1_epi8((char)0x80));
      _mm256_storeu_si256((void *)(digits + 96 * k + 32 * (size_t)d), digit);
      words[d] = _mm256_add_epi16(words[d], _mm256_maddubs_epi16(_mm256_set1_epi8(1), digit));
    }
  }
  __m256i *to = (__m256i *)sums;
  _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), lower_sums(words)));
  _mm256_storeu_si256(
    to + 1, _mm256_add_epi32(_mm256_loadu_si256(to + 1), upper_sums(words)));
}

/// Pairs of blocks that share their sums.
CK_INLINE size_t pairs_of(const ck_geometry *geometry) {
  return (geometry->segment_blocks + 1) / 2;
}

/// Of a row: those pairs, or pairs of segments of a block each.
CK_INLINE size_t steps_of(const ck_geometry *geometry) {
  const size_t pairs = (geometry->blocks + 1) / 2;
  return (pairs + pairs_of(geometry) - 1) / pairs_of(geometry);
}

bool ck_digits_avx2(
  const ck_packed *weights, const float *values, size_t stride, size_t batch, int32_t *numbers,
  int8_t *digits, int32_t *sums, float *units
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t width = geometry.segment_blocks * CK_BLOCK;
  const size_t pairs = (geometry.blocks + 1) / 2, segment_pairs = pairs_of(&geometry);
  const size_t steps = steps_of(&geometry);
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
      int32_t rest[CK_PAIR];
      const int32_t *from = numbers + pair * CK_PAIR;
      if (pair == weights->columns / CK_PAIR) {
        const size_t left = weights->columns % CK_PAIR;
        const size_t wide = ck_rest_width(weights->columns, ck_has_halves(&geometry));
        for (size_t place = 0; place < CK_PAIR; place++) {
          const size_t column = ck_rest_column(place, wide, left);
          rest[place] = column < CK_PAIR ? from[column] : 0;
        }
        from = rest;
      }
      write_digits(
        from, digits + (n * pairs + pair) * 384,
        sums + (n * steps + pair / segment_pairs) * 16);
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

/// Adds products of a pair to sums of the lower two digits and of the highest.
AVX2 CK_INLINE void add_pair(
  const uint8_t *codes, size_t width, const int8_t *x, size_t x_stride, const int bits,
  const ck_source SOURCE, const int BATCH, bool first, __m256i low[4], __m256i high[4]
) {
  // Sums of as many products of 2 * codes * 128 as stay below 2^15.
  const int STEPS = bits <= 5 ? 4 : bits == 6 ? 2 : 1;
  __m256i words[4][3];
  CK_UNROLL for (int k = 0; k < 4; k++) {
    const __m256i code = ck_step_bytes(codes, width, bits, SOURCE, k);
    CK_UNROLL for (int n = 0; n < BATCH; n++) {
      CK_UNROLL for (int d = 0; d < 3; d++) {
        const int8_t *inputs = x + (size_t)n * x_stride + 96 * k + 32 * d;
        const __m256i product =
          _mm256_maddubs_epi16(code, _mm256_loadu_si256((const void *)inputs));
        words[n][d] = k % STEPS == 0 ? product : _mm256_add_epi16(words[n][d], product);
      }
      if (k % STEPS != STEPS - 1) continue;
      const __m256i lower = lower_sums(words[n]), upper = upper_sums(words[n]);
      const bool fresh = first && k < STEPS;
      low[n] = fresh ? lower : _mm256_add_epi32(low[n], lower);
      high[n] = fresh ? upper : _mm256_add_epi32(high[n], upper);
    }
  }
}

/// A row, and what its segments share.
typedef struct {
  const ck_packed *weights;
  const ck_input *input;
  /// As `digit_sums`; of symmetric weights, times the centre of the codes.
  const int32_t *sums;
  size_t row, segments, pairs, steps;
  /// Steps that are multiplied, from a multiple of 16 on.
  size_t first, end;
  /// Scales times units of the inputs, and zero points, of sixteen segments.
  float units[4][16];
  int32_t zeros[16];
} row_state;

/// Loads `units` and `zeros` of eight segments, or, if not ALL, of the last ones.
AVX2 CK_INLINE void load_eight(
  row_state *state, size_t segment, size_t place, const bool ALL, const int bits,
  const int BATCH, const bool SYMMETRIC
) {
  const ck_packed *weights = state->weights;
  const size_t group = state->row * weights->group_stride + segment;
  __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(weights->scales + group)));
  if (bits == 1) scale = _mm256_mul_ps(scale, _mm256_set1_ps(0.5f));
  __m256i used = _mm256_set1_epi32(-1);
  if (!ALL) {
    used = _mm256_cmpgt_epi32(
      _mm256_set1_epi32((int)(state->segments - segment)),
      _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    // Scales of the next row may be infinite.
    scale = _mm256_and_ps(scale, _mm256_castsi256_ps(used));
  }
  CK_UNROLL for (int n = 0; n < BATCH; n++) {
    const float *from = state->input->digit_units + (size_t)n * state->segments + segment;
    const __m256 unit = ALL ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, used);
    _mm256_storeu_ps(state->units[n] + place, _mm256_mul_ps(scale, unit));
  }
  if (SYMMETRIC) return;
  __m256i points =
    _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(weights->zeros + group)));
  if (bits == 1) points = _mm256_slli_epi32(points, 1);
  _mm256_storeu_si256((void *)(state->zeros + place), points);
}

/// Loads `units` and `zeros` of segments from `segment` on, a multiple of 16.
AVX2 CK_INLINE void load_segments(
  row_state *state, size_t segment, const int bits, const int BATCH, const bool SYMMETRIC
) {
  CK_UNROLL for (size_t place = 0; place < 16; place += 8) {
    const size_t at = segment + place;
    if (at + 8 <= state->segments) {
      load_eight(state, at, place, true, bits, BATCH, SYMMETRIC);
    } else if (at < state->segments) {
      load_eight(state, at, place, false, bits, BATCH, SYMMETRIC);
    }
  }
}

/// Adds the sums of step `step` of the row, which are those of codes so far, to its totals: products of
/// zero points, one sum of inputs, are taken off in integers. Units and zero points are those at `place`,
/// if HALVES those of the halves of the lanes.
AVX2 CK_INLINE void add_segment(
  const row_state *state, size_t step, size_t place, const int BATCH, const bool HALVES,
  const bool SYMMETRIC, const __m256i low[4], const __m256i high[4], __m256 total[4]
) {
  CK_UNROLL for (int n = 0; n < BATCH; n++) {
    const int32_t *sums = state->sums + ((size_t)n * state->steps + step) * 16;
    __m256 parts[2];
    CK_UNROLL for (int part = 0; part < 2; part++) {
      __m256i taken = _mm256_loadu_si256((const void *)(sums + 8 * part));
      if (!SYMMETRIC) {
        taken = _mm256_mullo_epi32(
          taken, HALVES ? half_zeros(state->zeros + place)
                        : _mm256_set1_epi32(state->zeros[place]));
      }
      parts[part] = _mm256_cvtepi32_ps(_mm256_sub_epi32(part == 0 ? low[n] : high[n], taken));
    }
    const __m256 sum = _mm256_fmadd_ps(parts[1], _mm256_set1_ps(0x1p16f), parts[0]);
    const float *unit = state->units[n] + place;
    total[n] = _mm256_fmadd_ps(HALVES ? half_units(unit) : _mm256_set1_ps(*unit), sum, total[n]);
  }
}

/// Writes a row's products with BATCH vectors.
AVX2 CK_INLINE void store(
  const __m256 total[4], size_t row, const int BATCH, float *y, size_t y_stride, bool accumulate
) {
  CK_UNROLL for (int n = 0; n < BATCH; n++) {
    float *target = y + (size_t)n * y_stride + row;
    const float value = lane_sum(total[n]);
    *target = accumulate ? *target + value : value;
  }
}

/// A row whose segments are a pair of blocks, or, if HALVES, a block.
AVX2 CK_INLINE void multiply_pairs(
  row_state *state, const int bits, const int BATCH, const bool HALVES, const bool SYMMETRIC,
  float *y, size_t y_stride, bool accumulate
) {
  const ck_packed *weights = state->weights;
  const int8_t *x = state->input->digits;
  // Pairs, and those of whole units.
  const size_t pairs = state->pairs, whole = ck_unit_pairs(weights->columns);
  const uint8_t *codes = weights->codes + state->row * weights->row_bytes;
  __m256 total[4];
  CK_UNROLL for (int n = 0; n < BATCH; n++) total[n] = _mm256_setzero_ps();
  __m256i low[4], high[4];
#define ADD(from, width, source, halves)                                                        \
  add_pair(from, width, x + pair * 384, pairs * 384, bits, source, BATCH, true, low, high);     \
  add_segment(                                                                                  \
    state, pair, (HALVES ? 2 * pair : pair) % 16, BATCH, halves, SYMMETRIC, low, high, total);  \
  pair++;
  for (size_t pair = state->first; pair < state->end;) {
    const size_t left = state->end - pair, count = HALVES ? 8 : 16;
    const size_t end = pair + (left < count ? left : count);
    load_segments(state, HALVES ? 2 * pair : pair, bits, BATCH, SYMMETRIC);
    while (pair < end && pair < whole) {
      const uint8_t *unit = codes + pair * (size_t)(16 * bits);
      CK_UNROLL for (int line = 0; line < 32 * bits; line += 64) {
        _mm_prefetch((const char *)unit + weights->row_bytes + line, _MM_HINT_T1);
      }
      ADD(unit, 32, CK_FIRST, HALVES)
      ADD(unit, 32, CK_SECOND, HALVES)
    }
    while (pair < end) {
      const uint8_t *from = codes + pair * (size_t)(16 * bits);
      const size_t left = weights->columns - pair * CK_PAIR;
      const size_t width = left < CK_PAIR ? ck_rest_width(weights->columns, HALVES) : 16;
      if (HALVES && left > CK_BLOCK) {
        ADD(from, width, CK_ALONE, true)
      } else {
        ADD(from, width, CK_ALONE, false)
      }
    }
  }
#undef ADD
  store(total, state->row, BATCH, y, y_stride, accumulate);
}

/// A row whose segments are several pairs.
AVX2 CK_INLINE void multiply_segments(
  row_state *state, size_t segment_pairs, const int bits, const int BATCH, const bool SYMMETRIC,
  float *y, size_t y_stride, bool accumulate
) {
  const ck_packed *weights = state->weights;
  const int8_t *x = state->input->digits;
  const size_t pairs = state->pairs, whole = ck_unit_pairs(weights->columns);
  const uint8_t *codes = weights->codes + state->row * weights->row_bytes;
  __m256 total[4];
  CK_UNROLL for (int n = 0; n < BATCH; n++) total[n] = _mm256_setzero_ps();
  size_t pair = state->first * segment_pairs;
  for (size_t step = state->first; step < state->end; step++) {
    if (step % 16 == 0) load_segments(state, step, bits, BATCH, SYMMETRIC);
    const size_t left = pairs - pair;
    const size_t end = pair + (left < segment_pairs ? left : segment_pairs);
    __m256i low[4], high[4];
#define ADD(from, width, source)                                                                \
  add_pair(from, width, x + pair * 384, pairs * 384, bits, source, BATCH, first, low, high)
    for (bool first = true; pair < end; first = false, pair++) {
      const uint8_t *unit = codes + pair / 2 * (size_t)(32 * bits);
      const uint8_t *ahead = codes + weights->row_bytes + pair * (size_t)(16 * bits);
      CK_UNROLL for (int line = 0; line < 16 * bits; line += 64) {
        _mm_prefetch((const char *)ahead + line, _MM_HINT_T1);
      }
      if (pair >= whole) {
        const bool rest = pair == weights->columns / CK_PAIR;
        ADD(
          codes + pair * (size_t)(16 * bits),
          rest ? ck_rest_width(weights->columns, false) : 16, CK_ALONE);
      } else if (pair % 2 == 0) {
        ADD(unit, 32, CK_FIRST);
      } else {
        ADD(unit, 32, CK_SECOND);
      }
    }
#undef ADD
    add_segment(state, step, step % 16, BATCH, false, SYMMETRIC, low, high, total);
  }
  store(total, state->row, BATCH, y, y_stride, accumulate);
}

/// Steps of so many pairs that inputs of a batch stay in the L1 cache while rows go by.
CK_INLINE size_t steps_at_once(size_t segment_pairs, size_t batch) {
  const size_t most = 48 / batch / segment_pairs;
  return most < 16 ? 16 : most / 16 * 16;
}

/// Rows `first ..< end`; see row_state for the sums.
#define SHAPE(bits, batch)                                                                      \
  AVX2 static void multiply_##bits##_##batch(                                                   \
    const ck_packed *weights, const ck_geometry *geometry, size_t first, size_t end,            \
    const ck_input *input, const int32_t *sums, float *y, size_t y_stride, bool accumulate      \
  ) {                                                                                           \
    row_state state = {                                                                         \
      .weights = weights, .input = input, .sums = sums, .segments = geometry->segments,         \
      .pairs = (geometry->blocks + 1) / 2, .steps = steps_of(geometry)};                        \
    const bool halves = ck_has_halves(geometry), symmetric = !weights->zeros;                   \
    const size_t pairs = pairs_of(geometry), count = steps_at_once(pairs, batch);               \
    for (; state.first < state.steps; state.first += count) {                                   \
      const size_t left = state.steps - state.first;                                            \
      state.end = state.first + (left < count ? left : count);                                  \
      const bool adding = accumulate || state.first > 0;                                        \
      for (state.row = first; state.row < end; state.row++) {                                   \
        if (halves && symmetric) {                                                              \
          multiply_pairs(&state, bits, batch, true, true, y, y_stride, adding);                 \
        } else if (halves) {                                                                    \
          multiply_pairs(&state, bits, batch, true, false, y, y_stride, adding);                \
        } else if (pairs == 1 && symmetric) {                                                   \
          multiply_pairs(&state, bits, batch, false, true, y, y_stride, adding);                \
        } else if (pairs == 1) {                                                                \
          multiply_pairs(&state, bits, batch, false, false, y, y_stride, adding);               \
        } else if (symmetric) {                                                                 \
          multiply_segments(&state, pairs, bits, batch, true, y, y_stride, adding);             \
        } else {                                                                                \
          multiply_segments(&state, pairs, bits, batch, false, y, y_stride, adding);            \
        }                                                                                       \
      }                                                                                         \
    }                                                                                           \
  }
#define SHAPES(bits) SHAPE(bits, 1) SHAPE(bits, 2) SHAPE(bits, 4)

SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4) SHAPES(5) SHAPES(6) SHAPES(7)

typedef void (*row_kernel)(
  const ck_packed *, const ck_geometry *, size_t first, size_t end, const ck_input *,
  const int32_t *sums, float *y, size_t y_stride, bool accumulate);

/// Kernels for a batch of 1, 2 and 4.
#define TABLE(bits) {multiply_##bits##_1, multiply_##bits##_2, multiply_##bits##_4}
static const row_kernel kernels[7][3] = {
  TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7)};

void ck_multiply_digits_avx2(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const size_t batch = input->batch, pairs = (geometry.blocks + 1) / 2;
  const size_t steps = steps_of(&geometry);
  // Sixteen registers hold the sums of four vectors.
  if (batch > 4 || batch * steps > CK_MOST_PAIRS) {
    ck_input half = *input;
    half.batch = batch / 2;
    ck_multiply_digits_avx2(weights, first, end, &half, y, y_stride, accumulate);
    half.digits += batch / 2 * pairs * 384;
    half.digit_sums += batch / 2 * steps * 16;
    half.digit_units += batch / 2 * geometry.segments;
    float *rest = y + batch / 2 * y_stride;
    ck_multiply_digits_avx2(weights, first, end, &half, rest, y_stride, accumulate);
    return;
  }
  const int32_t *sums = input->digit_sums;
  int32_t centred[CK_MOST_PAIRS * 16];
  if (!weights->zeros) {
    // Of one bit, twice the codes are multiplied, so that the centre is 1.
    const int shift = weights->bits == 1 ? 0 : weights->bits - 1;
    for (size_t i = 0; i < batch * steps * 16; i++) centred[i] = sums[i] * (1 << shift);
    sums = centred;
  }
  kernels[weights->bits - 1][__builtin_ctzl(batch)](
    weights, &geometry, first, end, input, sums, y, y_stride, accumulate);
}
