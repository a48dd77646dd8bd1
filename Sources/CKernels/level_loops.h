#pragma once

// Loops that the compiler vectorizes for the target of the function they are inlined in.

#include "levels.h"

typedef void (*unpack_function)(const uint8_t *stream, int bits, size_t count, uint8_t *codes);

/// Weights of columns `start ..< start + count` of a row, by way of their codes.
CK_INLINE void dequantize_in_tiles(
  unpack_function unpack, const ck_packed *weights, size_t row, size_t start, size_t count,
  float *values
) {
  enum { TILE = 512 };
  uint8_t codes[TILE];
  const uint8_t *stream = weights->codes + row * weights->row_bytes;
  const uint16_t *scales = weights->scales + row * weights->group_stride;
  const uint8_t *zeros = weights->zeros ? weights->zeros + row * weights->group_stride : NULL;
  const float centre = ck_centre(weights->bits);
  for (size_t done = 0; done < count; done += TILE) {
    size_t tile = count - done < TILE ? count - done : TILE;
    size_t column = start + done;
    if (weights->in_units) {
      ck_unpack_units(weights, stream, column, tile, codes);
    } else {
      unpack(stream + column / 8 * (size_t)weights->bits, weights->bits, tile, codes);
    }
    for (size_t i = 0; i < tile;) {
      size_t group, run;
      if (weights->group_index) {
        group = (size_t)weights->group_index[column + i];
        run = 1;
      } else {
        group = (column + i) / weights->group_size;
        run = (group + 1) * weights->group_size - (column + i);
        if (run > tile - i) run = tile - i;
      }
      const float scale = ck_half(scales[group]);
      const float zero = zeros ? (float)zeros[group] : centre;
      for (size_t j = i; j < i + run; j++) values[done + j] = scale * ((float)codes[j] - zero);
      i += run;
    }
  }
}
