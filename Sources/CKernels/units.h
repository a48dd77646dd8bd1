#pragma once

// Codes in the order of the kernels that take them as bytes.
//
// AVX2 has no shift of bytes by different amounts, so codes that lie across bytes are slow to take from
// a dense stream. Here a unit of 256 codes of b bits is b vectors of 32 bytes. Byte i of them holds
// eight codes: each vector has as many whole ones as fit, from its lowest bit on, and what is left of the
// vectors' bits holds those of the other codes, in order. Code j of byte i is column
//
//     128 (j / 4) + 64 (i / 16) + 16 (j % 4) + i % 16
//
// so that codes 0 to 3 are one pair of blocks, each block in a half of the bytes. A pair that no whole
// unit covers is b vectors of 16 bytes, code j of byte i being column 16 j + i; columns after that lie as
// in the dense stream. A row has as many bytes as there.

#include <immintrin.h>
#include <string.h>

#include "levels.h"

#define AVX2 __attribute__((target("avx2,fma,f16c")))

/// Columns of a pair of blocks.
#define CK_PAIR (2 * CK_BLOCK)
/// Of a row in units; kernels keep something for each.
#define CK_MOST_PAIRS 1024

/// The bits of code j that lie in vector v: `count` bits from bit `at` of its bytes, which are those of the
/// code from bit `to` on.
typedef struct {
  int at, count, to;
} ck_piece;

CK_INLINE ck_piece ck_piece_of(int bits, int j, int v) {
  const int whole = 8 / bits, left = 8 - whole * bits;
  if (j < whole * bits) {
    return (ck_piece){j % whole * bits, v == j / whole ? bits : 0, 0};
  }
  // Bits of the other codes, numbered through the vectors.
  const int start = (j - whole * bits) * bits, end = start + bits;
  const int low = start > v * left ? start : v * left;
  const int high = end < (v + 1) * left ? end : (v + 1) * left;
  return (ck_piece){whole * bits + low - v * left, high > low ? high - low : 0, low - start};
}

/// Where code j of a byte of a unit, or of a pair alone, lies from the first byte on.
typedef struct {
  const uint8_t *bytes;
  /// Bytes of a vector: 32, or 16 for a pair alone.
  size_t width;
  int j;
  size_t i;
} ck_place;

/// A column before `columns / 128 * 128`.
CK_INLINE ck_place ck_place_of(const uint8_t *row, int bits, size_t columns, size_t column) {
  const size_t unit = column / (2 * CK_PAIR) * 2 * CK_PAIR, in_pair = column % CK_PAIR;
  const uint8_t *bytes = row + unit / 8 * (size_t)bits;
  if (unit + 2 * CK_PAIR > columns) {
    return (ck_place){bytes, 16, (int)(in_pair / 16), in_pair % 16};
  }
  return (ck_place){
    bytes, 32, (int)((column - unit) / CK_PAIR * 4 + in_pair % CK_BLOCK / 16),
    in_pair / CK_BLOCK * 16 + in_pair % 16};
}

/// A code of a row in this order.
CK_INLINE unsigned ck_unit_code(const uint8_t *row, int bits, size_t columns, size_t column) {
  if (column >= columns / CK_PAIR * CK_PAIR) return ck_code_at(row, bits, column);
  const ck_place place = ck_place_of(row, bits, columns, column);
  unsigned code = 0;
  for (int v = 0; v < bits; v++) {
    const ck_piece piece = ck_piece_of(bits, place.j, v);
    const unsigned byte = place.bytes[(size_t)v * place.width + place.i];
    code |= (byte >> piece.at & ((1u << piece.count) - 1)) << piece.to;
  }
  return code;
}

/// A code of a row, whatever the order.
CK_INLINE unsigned ck_code(const ck_packed *weights, const uint8_t *row, size_t column) {
  return weights->in_units ? ck_unit_code(row, weights->bits, weights->columns, column)
                           : ck_code_at(row, weights->bits, column);
}

/// Code j of the bytes of a unit; of a pair ALONE, in both halves. Times two if DOUBLED.
AVX2 CK_INLINE __m256i ck_unit_bytes(
  const uint8_t *unit, const int bits, const int j, const bool ALONE, const bool DOUBLED
) {
  __m256i code = _mm256_setzero_si256();
  CK_UNROLL for (int v = 0; v < bits; v++) {
    const ck_piece piece = ck_piece_of(bits, j, v);
    if (piece.count == 0) continue;
    __m256i bytes = ALONE
                      ? _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(unit + 16 * v)))
                      : _mm256_loadu_si256((const void *)(unit + 32 * v));
    const int to = piece.to + DOUBLED, mask = ((1 << piece.count) - 1) << to;
    if (piece.at > to) bytes = _mm256_srli_epi16(bytes, piece.at - to);
    if (piece.at < to) bytes = _mm256_slli_epi16(bytes, to - piece.at);
    if (mask != 0xFF) bytes = _mm256_and_si256(bytes, _mm256_set1_epi8((char)mask));
    code = _mm256_or_si256(code, bytes);
  }
  return code;
}

/// Two parts of the codes, each in a half of the bytes.
AVX2 CK_INLINE __m256i ck_beside(const uint8_t *first, const uint8_t *second) {
  return _mm256_inserti128_si256(
    _mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
    _mm_loadu_si128((const void *)second), 1);
}

/// Where the codes of a pair come from.
typedef enum {
  /// The first and second pair of a whole unit.
  CK_FIRST,
  CK_SECOND,
  /// After the last whole unit: unpacked, one byte a column.
  CK_LOOSE,
} ck_source;

/// The codes of step k of a pair, one a byte.
AVX2 CK_INLINE __m256i ck_step_bytes(
  const uint8_t *from, const int bits, const ck_source SOURCE, const int k
) {
  if (SOURCE == CK_LOOSE) return ck_beside(from + 16 * k, from + 16 * k + CK_BLOCK);
  return ck_unit_bytes(from, bits, SOURCE == CK_SECOND ? 4 + k : k, false, bits == 1);
}

/// Whether every block of a pair is a segment of its own.
CK_INLINE bool ck_has_halves(const ck_geometry *geometry) {
  return geometry->segment_blocks == 1 && geometry->segments > 1;
}

/// Column of byte `index` of step k of a pair.
CK_INLINE size_t ck_step_column(size_t k, size_t index) {
  return index / 16 * CK_BLOCK + 16 * k + index % 16;
}

/// The codes of a pair alone, one byte a column.
AVX2 CK_INLINE void ck_unpack_alone(
  const uint8_t *pair, const int bits, const bool DOUBLED, uint8_t *codes
) {
  CK_UNROLL for (int j = 0; j < 8; j++) {
    _mm_storeu_si128(
      (void *)(codes + 16 * j),
      _mm256_castsi256_si128(ck_unit_bytes(pair, bits, j, true, DOUBLED)));
  }
}

/// The codes after the last whole unit, one byte a column, zeros after the last. Times two if DOUBLED.
AVX2 CK_INLINE void ck_unpack_loose(
  const uint8_t *row, const int bits, size_t columns, const bool DOUBLED,
  uint8_t codes[2 * CK_PAIR]
) {
  size_t column = columns / (2 * CK_PAIR) * 2 * CK_PAIR;
  uint8_t *to = codes;
  if (columns - column >= CK_PAIR) {
    ck_unpack_alone(row + column / 8 * (size_t)bits, bits, DOUBLED, to);
    column += CK_PAIR, to += CK_PAIR;
  }
  if (column == columns) return;
  memset(to, 0, CK_PAIR);
  ck_unpack_avx2(row + column / 8 * (size_t)bits, bits, columns - column, to);
  for (size_t i = 0; DOUBLED && i < CK_PAIR; i++) to[i] = (uint8_t)(to[i] << 1);
}
