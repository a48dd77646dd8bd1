#include "units.h"

/// Sums of the lower digits of a lane stay below 2^31: 257 * 2^7 * codes * 16 bytes a pair. Of one bit,
/// twice the codes are multiplied.
static size_t most_pairs(int bits) {
  const size_t largest = bits == 1 ? 2 : ((size_t)1 << bits) - 1;
  return ((size_t)1 << 31) / (257 * 128 * 16 * largest);
}

bool ck_has_units(const ck_packed *weights) {
  if (weights->bits > 7 || weights->columns == 0 || !ck_has_blocks(weights)) return false;
  const ck_geometry geometry = ck_geometry_of(weights);
  return geometry.segment_groups == 1 && geometry.blocks <= 2 * CK_MOST_PAIRS
         && (geometry.segment_blocks + 1) / 2 <= most_pairs(weights->bits)
         && (geometry.segment_blocks == 1 || geometry.segment_blocks % 2 == 0
             || geometry.segments == 1);
}

bool ck_wants_units(ck_level level, const ck_packed *weights) {
  return level == CK_AVX2 && ck_has_units(weights);
}

size_t ck_row_bytes_in_units(const ck_packed *weights) {
  const ck_geometry geometry = ck_geometry_of(weights);
  return ck_unit_row_bytes(weights->columns, weights->bits, ck_has_halves(&geometry));
}

/// Puts codes, one a byte, into a unit, or into vectors of `width` bytes alone.
CK_INLINE void pack(
  const uint8_t *codes, const int bits, size_t width, const bool ALONE, uint8_t *unit
) {
  memset(unit, 0, width * (size_t)bits);
  for (int j = 0; j < 8; j++) {
    for (int v = 0; v < bits; v++) {
      const ck_piece piece = ck_piece_of(bits, j, v);
      if (piece.count == 0) continue;
      uint8_t *to = unit + width * (size_t)v;
      const uint8_t *from =
        codes + (ALONE ? width * (size_t)j : (size_t)(j / 4 * CK_PAIR + j % 4 * 16));
      const unsigned mask = (1u << piece.count) - 1;
      for (size_t i = 0; i < width; i++) {
        const unsigned code = from[ALONE ? i : i / 16 * CK_BLOCK + i % 16];
        to[i] |= (uint8_t)((code >> piece.to & mask) << piece.at);
      }
    }
  }
}

CK_INLINE void order_row(
  ck_level level, const uint8_t *from, const int bits, size_t columns, bool halves, uint8_t *to
) {
  uint8_t codes[2 * CK_PAIR];
  for (size_t column = 0; column < columns;) {
    const size_t left = columns - column, start = column / 8 * (size_t)bits;
    const size_t count = left >= 2 * CK_PAIR ? 2 * CK_PAIR : left < CK_PAIR ? left : CK_PAIR;
    memset(codes, 0, sizeof codes);
    ck_unpack(level, from + start, bits, count, codes);
    if (count == 2 * CK_PAIR) {
      pack(codes, bits, 32, false, to + start);
    } else {
      const size_t width = count == CK_PAIR ? 16 : ck_rest_width(columns, halves);
      pack(codes, bits, width, true, to + start);
    }
    column += count;
  }
}

#define EACH_WIDTH(bits, statement)                                                             \
  switch (bits) {                                                                               \
  case 1: statement(1); break;                                                                  \
  case 2: statement(2); break;                                                                  \
  case 3: statement(3); break;                                                                  \
  case 4: statement(4); break;                                                                  \
  case 5: statement(5); break;                                                                  \
  case 6: statement(6); break;                                                                  \
  default: statement(7); break;                                                                 \
  }

void ck_order_units(
  ck_level level, const ck_packed *weights, size_t first, size_t end, uint8_t *ordered
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const bool halves = ck_has_halves(&geometry);
  const size_t bytes = ck_row_bytes_in_units(weights);
  for (size_t row = first; row < end; row++) {
    const uint8_t *from = weights->codes + row * weights->row_bytes;
    uint8_t *to = ordered + row * bytes;
#define ORDER(bits) order_row(level, from, bits, weights->columns, halves, to)
    EACH_WIDTH(weights->bits, ORDER)
  }
}

AVX2 CK_INLINE void unpack_unit(const uint8_t *unit, const int bits, uint8_t *codes) {
  CK_UNROLL for (int j = 0; j < 8; j++) {
    const __m256i code = ck_unit_bytes(unit, 32, bits, j, false, false);
    uint8_t *to = codes + j / 4 * CK_PAIR + j % 4 * 16;
    _mm_storeu_si128((void *)to, _mm256_castsi256_si128(code));
    _mm_storeu_si128((void *)(to + CK_BLOCK), _mm256_extracti128_si256(code, 1));
  }
}

/// The codes after the last whole unit, and zeros.
AVX2 CK_INLINE void unpack_rest(
  const uint8_t *row, const int bits, size_t columns, bool halves, uint8_t *codes
) {
  size_t column = columns / (2 * CK_PAIR) * 2 * CK_PAIR;
  memset(codes, 0, 2 * CK_PAIR);
  while (column < columns) {
    const size_t left = columns - column;
    const size_t width = left < CK_PAIR ? ck_rest_width(columns, halves) : 16;
    const uint8_t *from = row + column / 8 * (size_t)bits;
    // Each vector writes over what follows the one before.
    CK_UNROLL for (int j = 0; j < 8; j++) {
      const __m256i code = ck_unit_bytes(from, width, bits, j, true, false);
      _mm_storeu_si128((void *)(codes + width * (size_t)j), _mm256_castsi256_si128(code));
    }
    column += CK_PAIR, codes += CK_PAIR;
  }
}

AVX2 CK_INLINE void unpack(
  const uint8_t *row, const int bits, size_t columns, bool halves, size_t start, size_t count,
  uint8_t *codes
) {
  uint8_t rest[2 * CK_PAIR];
  for (size_t done = 0; done < count; done += 2 * CK_PAIR) {
    const bool whole = count - done >= 2 * CK_PAIR;
    uint8_t *to = whole ? codes + done : rest;
    if (columns - (start + done) >= 2 * CK_PAIR) {
      unpack_unit(row + (start + done) / 8 * (size_t)bits, bits, to);
    } else {
      unpack_rest(row, bits, columns, halves, to);
    }
    if (!whole) memcpy(codes + done, rest, count - done);
  }
}

AVX2 void ck_unpack_units(
  const ck_packed *weights, const uint8_t *row, size_t start, size_t count, uint8_t *codes
) {
  const ck_geometry geometry = ck_geometry_of(weights);
  const bool halves = ck_has_halves(&geometry);
#define UNPACK(bits) unpack(row, bits, weights->columns, halves, start, count, codes)
  EACH_WIDTH(weights->bits, UNPACK)
}
