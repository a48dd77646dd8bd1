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
// unit covers is b vectors of 16 bytes, code j of byte i being column 16 j + i. The columns after that are
// b vectors of w bytes, code j of byte i being column w j + i of them, or nothing after the last: w is an
// eighth of the columns, rounded up, or 16 where they are two segments. So a row has as many bytes as a
// dense stream, but for less than b bytes, or 8 b for two segments.

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

/// Whether every block of a pair is a segment of its own.
CK_INLINE bool ck_has_halves(const ck_geometry *geometry) {
  return geometry->segment_blocks == 1 && geometry->segments > 1;
}

/// Pairs of a row that lie in whole units.
CK_INLINE size_t ck_unit_pairs(size_t columns) { return columns / (2 * CK_PAIR) * 2; }

/// Bytes of a vector of the columns after the last whole pair.
CK_INLINE size_t ck_rest_width(size_t columns, bool halves) {
  const size_t rest = columns % CK_PAIR;
  return halves && rest > CK_BLOCK ? 16 : (rest + 7) / 8;
}

CK_INLINE size_t ck_unit_row_bytes(size_t columns, int bits, bool halves) {
  return (columns / CK_PAIR * 16 + ck_rest_width(columns, halves)) * (size_t)bits;
}

/// A code of a row in this order.
CK_INLINE unsigned ck_unit_code(
  const uint8_t *row, int bits, size_t columns, bool halves, size_t column
) {
  const size_t pair = column / CK_PAIR, in_pair = column % CK_PAIR;
  const uint8_t *bytes = row + pair * 16 * (size_t)bits;
  size_t width = 16, j, i;
  if (pair < ck_unit_pairs(columns)) {
    bytes -= pair % 2 * 16 * (size_t)bits;
    width = 32;
    j = pair % 2 * 4 + in_pair % CK_BLOCK / 16;
    i = in_pair / CK_BLOCK * 16 + in_pair % 16;
  } else {
    if (pair == columns / CK_PAIR) width = ck_rest_width(columns, halves);
    j = in_pair / width;
    i = in_pair % width;
  }
  unsigned code = 0;
  for (int v = 0; v < bits; v++) {
    const ck_piece piece = ck_piece_of(bits, (int)j, v);
    const unsigned byte = bytes[(size_t)v * width + i];
    code |= (byte >> piece.at & ((1u << piece.count) - 1)) << piece.to;
  }
  return code;
}

/// A code of a row, whatever the order.
CK_INLINE unsigned ck_code(const ck_packed *weights, const uint8_t *row, size_t column) {
  if (!weights->in_units) return ck_code_at(row, weights->bits, column);
  const ck_geometry geometry = ck_geometry_of(weights);
  return ck_unit_code(row, weights->bits, weights->columns, ck_has_halves(&geometry), column);
}

/// Code j of the bytes of a unit; if ALONE, of vectors of `width` bytes, in both halves, and anything after
/// those bytes. Times two if DOUBLED.
AVX2 CK_INLINE __m256i ck_unit_bytes(
  const uint8_t *unit, size_t width, const int bits, const int j, const bool ALONE,
  const bool DOUBLED
) {
  __m256i code = _mm256_setzero_si256();
  CK_UNROLL for (int v = 0; v < bits; v++) {
    const ck_piece piece = ck_piece_of(bits, j, v);
    if (piece.count == 0) continue;
    __m256i bytes =
      ALONE ? _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const void *)(unit + width * (size_t)v)))
            : _mm256_loadu_si256((const void *)(unit + 32 * v));
    const int to = piece.to + DOUBLED, mask = ((1 << piece.count) - 1) << to;
    if (piece.at > to) bytes = _mm256_srli_epi16(bytes, piece.at - to);
    if (piece.at < to) bytes = _mm256_slli_epi16(bytes, to - piece.at);
    if (mask != 0xFF) bytes = _mm256_and_si256(bytes, _mm256_set1_epi8((char)mask));
    code = _mm256_or_si256(code, bytes);
  }
  return code;
}

/// Where the codes of a pair are.
typedef enum {
  /// The first and second pair of a whole unit.
  CK_FIRST,
  CK_SECOND,
  /// A pair after the last whole unit, or the columns after the last whole pair.
  CK_ALONE,
} ck_source;

/// The codes of step k of a pair, one a byte; twice the codes of one bit. `width` is that of CK_ALONE.
AVX2 CK_INLINE __m256i ck_step_bytes(
  const uint8_t *from, size_t width, const int bits, const ck_source SOURCE, const int k
) {
  if (SOURCE != CK_ALONE) {
    return ck_unit_bytes(from, 32, bits, SOURCE == CK_SECOND ? 4 + k : k, false, bits == 1);
  }
  return _mm256_blend_epi32(
    ck_unit_bytes(from, width, bits, k, true, bits == 1),
    ck_unit_bytes(from, width, bits, 4 + k, true, bits == 1), 0xF0);
}

/// Column of byte `index` of step k of a pair.
CK_INLINE size_t ck_step_column(size_t k, size_t index) {
  return index / 16 * CK_BLOCK + 16 * k + index % 16;
}

/// Column, of those after the last whole pair, that the kernels meet where they meet column `place` of
/// whole ones; CK_PAIR for none.
CK_INLINE size_t ck_rest_column(size_t place, size_t width, size_t rest) {
  const size_t column = place / 16 * width + place % 16;
  return place % 16 < width && column < rest ? column : CK_PAIR;
}
