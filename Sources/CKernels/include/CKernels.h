#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Products of packed weights with vectors, and unpacking. Every function has a scalar twin `_ref`;
// the others choose an instruction set by `level`.

/// Instruction sets of the kernels; each includes the ones before it.
typedef enum {
  CK_SCALAR = 0,
  /// AVX2, FMA, F16C; codes in units are multiplied as integers.
  CK_AVX2 = 1,
  /// AVX-512 F, BW, VL and VBMI.
  CK_AVX512 = 2,
  /// VNNI, which multiplies codes of up to 4 bits as integers.
  CK_VNNI = 3,
} ck_level;

/// The highest level of this CPU.
ck_level ck_best_level(void);

/// Bytes that must be readable after the last code, scale and zero point.
#define CK_PADDING 64
/// Columns that the vector kernels take at a time.
#define CK_BLOCK 64

/// Weights `w = s (q - z)`, one (s, z) per row and group of columns.
typedef struct {
  /// Dense little-endian bit streams, one per row, or codes in units, `[rows, row_bytes]`.
  const uint8_t *codes;
  size_t row_bytes;
  /// binary16 bit patterns, `[rows, group_stride]`; those after the last group are zero.
  const uint16_t *scales;
  /// `[rows, group_stride]`; NULL: 2^(bits - 1), or 1/2 for one bit.
  const uint8_t *zeros;
  size_t group_stride;
  /// Group of each column; NULL: `column / group_size`.
  const int32_t *group_index;
  size_t columns;
  size_t group_size;
  int bits;
  /// Whether `codes` lie in the order of ck_order_units, not in dense streams.
  bool in_units;
} ck_packed;

/// One or several vectors that weights are multiplied with.
typedef struct {
  /// 1, 2, 4 or 8 for the vector kernels.
  size_t batch;
  /// `[batch, stride]`, in the order of the columns.
  const float *values;
  size_t stride;
  /// `[batch, blocks, 4, 16]`: element (k, lane) of a block is its column `4 lane + k`; zero after
  /// the last column.
  const float *arranged;
  /// `[batch, segments, 16]`: sums of `arranged` over k and the blocks of a segment; read only if
  /// the weights have zero points.
  const float *sums;
  /// NULL, or the inputs as integers for CK_VNNI: `[batch, block pairs, 4, high and low, 32]`, word
  /// w of step k being column `4 w + k` of the pair.
  const int16_t *words;
  /// Their sums over a segment, `[batch, segments, high and low, 16]`.
  const int32_t *word_sums;
  /// An input is `(2^15 high + low) unit`; `[batch, segments]`.
  const float *units;
  /// NULL, or the inputs as digits of 8 bits for codes in units: `[batch, block pairs, 4, 3, 32]`.
  const int8_t *digits;
  /// Their sums over the pairs of a segment, or over a pair whose blocks are segments, `[batch, those,
  /// lower two digits and highest, 8]`, in the lanes of the kernels.
  const int32_t *digit_sums;
  /// An input is its number times this; `[batch, segments]`.
  const float *digit_units;
} ck_input;

/// Whether the vector kernels can take these groups; the others are dequantized first.
bool ck_has_blocks(const ck_packed *weights);
size_t ck_blocks(const ck_packed *weights);
/// Runs of blocks whose lanes keep their scales.
size_t ck_segments(const ck_packed *weights);

/// Writes `arranged`, and `sums` if that is not NULL.
void ck_arrange(
  const ck_packed *weights, const float *values, size_t stride, size_t batch, float *arranged,
  float *sums);

/// Whether CK_VNNI has kernels for these bits and groups: up to 4 bits, groups of whole block pairs
/// or of whole rows.
bool ck_has_block_pairs(const ck_packed *weights);

/// Writes `words`, `word_sums` and `units`; false, and no integers, at levels without them and where
/// inputs are so small that products would underflow.
bool ck_split(
  ck_level level, const ck_packed *weights, const float *arranged, size_t batch, int16_t *words,
  int32_t *word_sums, float *units);

/// Whether codes can be in units: up to 7 bits, groups of one block, of whole block pairs or of whole rows.
bool ck_has_units(const ck_packed *weights);

/// Whether the kernels of a level are the faster for it.
bool ck_wants_units(ck_level level, const ck_packed *weights);

/// `row_bytes` of codes in units.
size_t ck_row_bytes_in_units(const ck_packed *weights);

/// Writes rows `first ..< end` of `ordered`, `[rows, ck_row_bytes_in_units]`; see units.h.
void ck_order_units(
  ck_level level, const ck_packed *weights, size_t first, size_t end, uint8_t *ordered);

/// Writes `digits`, `digit_sums` and `digit_units` for codes in units; false, and nothing of use, at
/// CK_SCALAR, and where one input is so much larger than the others of a segment that these would lose
/// digits. `numbers` is working memory, `[2, block pairs, 64]`.
bool ck_digits(
  ck_level level, const ck_packed *weights, const float *values, size_t stride, size_t batch,
  int32_t *numbers, int8_t *digits, int32_t *sums, float *units);

/// `y[n, row] = W[row] x[n]` for rows `first ..< end`, added to y if `accumulate`.
void ck_multiply(
  ck_level level, const ck_packed *weights, size_t first, size_t end, const ck_input *input,
  float *y, size_t y_stride, bool accumulate);
void ck_multiply_ref(
  const ck_packed *weights, size_t first, size_t end, const ck_input *input, float *y,
  size_t y_stride, bool accumulate);

/// The first `count` codes of a stream, one per byte.
void ck_unpack(ck_level level, const uint8_t *stream, int bits, size_t count, uint8_t *codes);
void ck_unpack_ref(const uint8_t *stream, int bits, size_t count, uint8_t *codes);

/// Weights of one row from column `start`, a multiple of 256; exact in 32-bit floats.
void ck_dequantize(
  ck_level level, const ck_packed *weights, size_t row, size_t start, size_t count, float *values);
void ck_dequantize_ref(
  const ck_packed *weights, size_t row, size_t start, size_t count, float *values);

/// A sparse matrix in compressed rows.
typedef struct {
  /// `[rows + 1]`.
  const uint32_t *row_starts;
  /// `[nonzeros]`.
  const uint16_t *columns;
  /// binary16 bit patterns, `[nonzeros]`.
  const uint16_t *values;
} ck_sparse;

/// `y[n, row] += S[row] x[n]`.
void ck_sparse_add(
  const ck_sparse *sparse, size_t first, size_t end, const float *x, size_t x_stride, size_t batch,
  float *y, size_t y_stride);

/// Reads whole memory once, which is the speed limit of every product with one vector.
uint64_t ck_read(ck_level level, const void *bytes, size_t count);
uint64_t ck_read_ref(const void *bytes, size_t count);

/// `y[row] = W[row] x` of bfloat16 weights, shape `[rows, columns]`.
void ck_bfloat16_multiply(
  ck_level level, const uint16_t *weights, size_t columns, size_t first, size_t end,
  const float *x, float *y);
void ck_bfloat16_multiply_ref(
  const uint16_t *weights, size_t columns, size_t first, size_t end, const float *x, float *y);

// Products with inputs of 8 bits. All paths give the same bits.

/// Instructions that sum products of codes and 8-bit inputs.
typedef enum {
  CK_INT8_SCALAR = 0,
  CK_INT8_AVX2 = 1,
  CK_INT8_AVXVNNI = 2,
  CK_INT8_AVX512VNNI = 3,
} ck_int8_path;

/// The best of this CPU; it has the lower ones too, except that AVX-512 does not bring AVX-VNNI.
ck_int8_path ck_best_int8_path(void);

/// Inputs of 8 bits.
typedef struct {
  size_t batch;
  /// `[batch, columns]`, -127...127.
  const int8_t *values;
  /// NULL, or `[batch, block pairs, 4, 32]` as of ck_int8_arrange.
  const int8_t *arranged;
  /// Over a segment, `[batch, segments]`; read with `arranged`.
  const int32_t *sums;
  /// An input is its value times this; `[batch]`.
  const float *scales;
} ck_int8_input;

/// The nearest values of largest magnitude 127 and their scales, one for each vector; NaN if an input is
/// not finite. Writes `[batch, columns]`.
void ck_int8_round(
  const float *values, size_t stride, size_t columns, size_t batch, int8_t *rounded,
  float *scales);

/// Whether there are kernels for inputs of 8 bits: for codes in units, and for dense streams of up to 4
/// bits with such groups.
bool ck_int8_has_kernels(const ck_packed *weights);

/// Writes `arranged` and `sums` for weights that have kernels, in an order that depends on whether codes
/// lie in units and, if not, on whether they have more than two bits.
void ck_int8_arrange(
  const ck_packed *weights, const int8_t *values, size_t batch, int8_t *arranged, int32_t *sums);

/// `y[n, row] = W[row] x[n]`, x being the rounded inputs; batch 1, 2, 4 or 8.
void ck_int8_multiply(
  ck_int8_path path, const ck_packed *weights, size_t first, size_t end,
  const ck_int8_input *input, float *y, size_t y_stride, bool accumulate);
void ck_int8_multiply_ref(
  const ck_packed *weights, size_t first, size_t end, const ck_int8_input *input, float *y,
  size_t y_stride, bool accumulate);
