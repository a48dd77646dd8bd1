// Inputs in the order in which the vector kernels meet the codes: a 32-bit lane holds four
// consecutive codes, so step k of a block multiplies columns k, 4 + k, 8 + k, …

#include <string.h>

#include "levels.h"

ck_geometry ck_geometry_of(const ck_packed *weights) {
  ck_geometry geometry;
  size_t group = weights->group_size;
  geometry.blocks = (weights->columns + CK_BLOCK - 1) / CK_BLOCK;
  geometry.segment_groups = 1;
  if (group >= weights->columns) {
    geometry.segment_blocks = geometry.blocks;
  } else if (group >= CK_BLOCK) {
    geometry.segment_blocks = group / CK_BLOCK;
  } else {
    geometry.segment_blocks = 1;
    geometry.segment_groups = CK_BLOCK / group;
  }
  geometry.segments =
    geometry.blocks == 0
      ? 0 : (geometry.blocks + geometry.segment_blocks - 1) / geometry.segment_blocks;
  return geometry;
}

bool ck_has_blocks(const ck_packed *weights) {
  size_t group = weights->group_size;
  if (weights->group_index) return false;
  return group >= weights->columns || group % CK_BLOCK == 0
         || (group >= 4 && CK_BLOCK % group == 0);
}

size_t ck_blocks(const ck_packed *weights) { return ck_geometry_of(weights).blocks; }

size_t ck_segments(const ck_packed *weights) { return ck_geometry_of(weights).segments; }

static void arrange_block(const float *values, float *arranged) {
  for (size_t k = 0; k < 4; k++) {
    for (size_t lane = 0; lane < 16; lane++) arranged[16 * k + lane] = values[4 * lane + k];
  }
}

static void add_sums(const float *arranged, float *sums) {
  for (size_t lane = 0; lane < 16; lane++) {
    sums[lane] += (arranged[lane] + arranged[16 + lane])
                  + (arranged[32 + lane] + arranged[48 + lane]);
  }
}

void ck_arrange(
  const ck_packed *weights, const float *values, size_t stride, size_t batch, float *arranged,
  float *sums
) {
  ck_geometry geometry = ck_geometry_of(weights);
  size_t segments = geometry.segments;
  if (sums) memset(sums, 0, batch * segments * 16 * sizeof(float));
  for (size_t n = 0; n < batch; n++) {
    const float *from = values + n * stride;
    float *to = arranged + n * geometry.blocks * CK_BLOCK;
    for (size_t block = 0; block < geometry.blocks; block++) {
      size_t start = block * CK_BLOCK;
      float padded[CK_BLOCK] = {0};
      const float *source = from + start;
      if (start + CK_BLOCK > weights->columns) {
        memcpy(padded, source, (weights->columns - start) * sizeof(float));
        source = padded;
      }
      arrange_block(source, to + start);
      if (sums) {
        add_sums(to + start, sums + (n * segments + block / geometry.segment_blocks) * 16);
      }
    }
  }
}
