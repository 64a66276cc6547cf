// SPDX-License-Identifier: Apache-2.0
// Dot products of quantized weights (tensor/packed.h) with rows quantized to 8 bits.
//
// A row of x is cut into blocks of 128, each with a float scale of its own, so that
// x[k] ~ scales[k / 128] * values[k], values in [-127, 127]. All products inside a block are summed
// in integers, which is exact; the blocks' sums are added in order with fused multiply-adds. Every
// instruction set therefore gives the same bits, for one row as for many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/packed.h"

namespace gemma3n::kernels {

// One row as the kernels take it; `blocks` of each but for values (128 a block) and group_offsets
// (8 a block).
struct QuantizedRow {
  const int8_t* values;
  const float* scales;
  const int32_t* group_offsets;  // -8 times the sum of 16 values: what q + 8 adds too much
  const int32_t* block_offsets;  // -128 times the sum of 128 values: what q + 128 adds too much
};

// Memory of one quantized row: bytes of the parts, each a multiple of 4, in the struct's order.
size_t QuantizedRowBytes(int64_t blocks);
QuantizedRow QuantizedRowAt(const std::byte* memory, int64_t blocks);
// Quantizes x [n] into `memory` of QuantizedRowBytes(blocks of n); the padding becomes 0.
void QuantizeRow(const float* x, int64_t n, std::byte* memory);

// The products that one instruction set offers. `n` counts rows of x, 1 to kMostRows; sums of row i
// go to y[i * y_stride + r], r < 16.
struct IntKernels {
  static constexpr int kMostRows = 6;
  const char* name;
  void (*q4_tile)(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
                  int64_t y_stride);
  void (*q8_tile)(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
                  int64_t y_stride);
  // A 4-bit tile as bytes sub * q + 128, 2048 a block in the order of an 8-bit tile: for many rows.
  void (*widen_q4_tile)(const std::byte* tile, int64_t blocks, uint8_t* bytes);
  // Two tiles at once, y[i * y_stride + r], r < 32: of widened 4-bit tiles (`bytes` of both, one
  // after the other, and their packed tiles for the scales) and of 8-bit tiles. q4_pair is null
  // where many rows take no longer with tiles as they are stored.
  void (*q4_pair)(const uint8_t* bytes, const std::byte* tiles, int64_t blocks,
                  const QuantizedRow* x, int n, float* y, int64_t y_stride);
  void (*q8_pair)(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
                  int64_t y_stride);
  // The product of x with one row stored by itself.
  float (*q4_row)(const std::byte* row, int64_t blocks, const QuantizedRow& x);
  float (*q8_row)(const std::byte* row, int64_t blocks, const QuantizedRow& x);
  // Of one row stored by itself: y[k - 128 * begin] += factor * element k, for the columns k of the
  // blocks [begin, end).
  void (*add_q4_row)(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
                     float* y);
  void (*add_q8_row)(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
                     float* y);
  // Quantizes one block of 128 numbers: their values, the sum of each of its 8 groups of 16 values;
  // returns its scale, NaN where a number is not finite.
  float (*quantize_block)(const float* x, int8_t* values, int32_t* group_sums);
  int best_rows = kMostRows;  // of x that tiles meet fastest at once; more come in even shares
};

// The best that this processor has and ForceIsa (isa.h) allows.
const IntKernels& ActiveIntKernels();
// All that it has, best first; the last is plain code, what the others are tested against.
std::vector<const IntKernels*> AvailableIntKernels();

}  // namespace gemma3n::kernels
