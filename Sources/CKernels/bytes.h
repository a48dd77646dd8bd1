#pragma once

// Codes of dense streams of up to 4 bits as bytes, for instructions that multiply 32 of them with 32
// inputs of 8 bits.

#include "units.h"

/// Column of byte `index` of step k of a pair of blocks: codes lie in bytes by twos or by fours. Where a
/// block is a segment, each has a half of the bytes.
CK_INLINE size_t ck_byte_column(int bits, bool halves, size_t k, size_t index) {
  if (bits <= 2) return 4 * index + k;
  if (halves) return 64 * (index / 16) + 32 * (k / 2) + 2 * (index % 16) + k % 2;
  return 64 * (k / 2) + 2 * index + k % 2;
}

/// Two parts of the codes, each in a half of the bytes.
AVX2 CK_INLINE __m256i ck_beside(const uint8_t *first, const uint8_t *second) {
  return _mm256_inserti128_si256(
    _mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
    _mm_loadu_si128((const void *)second), 1);
}

/// The codes of a pair of blocks in bytes; see ck_code_bytes.
AVX2 CK_INLINE void ck_load_bytes(
  const uint8_t *codes, const int bits, const bool HALVES, __m256i bytes[2]
) {
  switch (bits) {
  case 1: {
    __m256i words = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)codes));
    bytes[0] = _mm256_or_si256(words, _mm256_slli_epi16(words, 4));
    break;
  }
  case 2: bytes[0] = _mm256_loadu_si256((const void *)codes); break;
  case 3: {
    const __m256i index = _mm256_setr_epi8(
      0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12,
      0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    CK_UNROLL for (int h = 0; h < 2; h++) {
      __m256i stream = HALVES ? ck_beside(codes + 12 * h, codes + 12 * h + 24)
                              : ck_beside(codes + 24 * h, codes + 24 * h + 12);
      // Words of 12 bits, then bytes of 6.
      __m256i lanes = _mm256_shuffle_epi8(stream, index);
      lanes = _mm256_blend_epi16(lanes, _mm256_slli_epi32(lanes, 4), 0xAA);
      bytes[h] = _mm256_or_si256(
        _mm256_and_si256(lanes, _mm256_set1_epi16(0x3F)),
        _mm256_and_si256(_mm256_slli_epi16(lanes, 2), _mm256_set1_epi16(0x3F00)));
    }
    break;
  }
  default:
    CK_UNROLL for (int h = 0; h < 2; h++) {
      bytes[h] = HALVES ? ck_beside(codes + 16 * h, codes + 16 * h + 32)
                        : _mm256_loadu_si256((const void *)(codes + 32 * h));
    }
  }
}

/// The codes of step k, one a byte; of one bit, twice the codes.
AVX2 CK_INLINE __m256i ck_code_bytes(const __m256i bytes[2], const int bits, const int k) {
  const __m256i from = bits > 2 ? bytes[k / 2] : bytes[0];
  const int shift = bits > 2 ? bits * (k % 2) : bits * k - (bits == 1);
  const __m256i mask = _mm256_set1_epi8((char)(((1 << bits) - 1) << (bits == 1)));
  const __m256i shifted = shift > 0   ? _mm256_srli_epi16(from, shift)
                          : shift < 0 ? _mm256_slli_epi16(from, 1)
                                      : from;
  return _mm256_and_si256(shifted, mask);
}
