// SPDX-License-Identifier: Apache-2.0
// A few dozen rows on one thread's way through several quantized layers: where a piece of work
// keeps its rows from layer to layer, nothing between the layers leaves the second-level cache and
// no thread waits for another.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/int_dot.h"
#include "ops/linear.h"

namespace gemma3n::ops {

// Rows in 8 bits, a scale for every 128 numbers. Different rows may be written by different
// threads.
class QuantizedBlock {
 public:
  // Room for `rows` of `width`, whose contents are not yet anything.
  void Reset(int64_t rows, int64_t width);

  // x [width]
  void Quantize(int64_t row, const float* x);
  // Blocks of one row: those of another's row, or zeros.
  void CopyBlocks(int64_t row, int64_t block, const QuantizedBlock& from, int64_t from_row);
  void ClearBlocks(int64_t row, int64_t block, int64_t count);

  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }
  int64_t width() const { return width_; }
  int64_t blocks() const { return blocks_; }
  // Their group offsets are missing: 4-bit tiles cannot read them.
  const kernels::QuantizedRow* data() const { return rows_.data(); }
  // The sum of a row's numbers as they were rounded.
  float SumOf(int64_t row) const;

 private:
  int64_t width_ = 0, blocks_ = 0;
  AlignedBuffer<int8_t> values_;          // [rows, blocks * 128]
  AlignedBuffer<float> scales_;           // [rows, blocks]
  AlignedBuffer<int32_t> block_offsets_;  // [rows, blocks]
  std::vector<kernels::QuantizedRow> rows_;
};

// A matrix [rows, columns] in tiles of 8 bits.
struct ByteTiles {
  const std::byte* data;
  int64_t rows, columns;

  static ByteTiles Of(const TensorView& weight);
  int64_t padded_rows() const { return packed::Tiles(rows) * packed::kTileRows; }
};

// y [x.rows(), weight.padded_rows()] = x weight^T on this thread: the bits of Linear.
void MultiplyTiles(const QuantizedBlock& x, const ByteTiles& weight, float* y);

// Tiles made on the way, such as those of keys and values.
class OwnedTiles {
 public:
  // Rounds x [rows, columns], or its transpose.
  void Round(ConstRows x, int64_t columns, ThreadPool& pool);
  void RoundTransposed(ConstRows x, int64_t columns, ThreadPool& pool);
  ByteTiles tiles() const { return {bytes_.data(), rows_, columns_}; }

 private:
  template <class GetRow>
  void RoundRows(int64_t rows, int64_t columns, ThreadPool& pool, const GetRow& get_row);

  AlignedBuffer<std::byte> bytes_;
  int64_t rows_ = 0, columns_ = 0;
};

}  // namespace gemma3n::ops
