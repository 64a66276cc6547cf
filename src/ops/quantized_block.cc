// SPDX-License-Identifier: Apache-2.0
#include "ops/quantized_block.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace gemma3n::ops {

using kernels::IntKernels;
using packed::kBlock;
using packed::kTileRows;

void QuantizedBlock::Reset(int64_t rows, int64_t width) {
  width_ = width;
  blocks_ = packed::Blocks(width);
  values_.Reserve(rows * blocks_ * kBlock);
  scales_.Reserve(rows * blocks_);
  block_offsets_.Reserve(rows * blocks_);
  rows_.resize(rows);
  for (int64_t row = 0; row < rows; ++row) {
    rows_[row] = {values_.data() + row * blocks_ * kBlock, scales_.data() + row * blocks_, nullptr,
                  block_offsets_.data() + row * blocks_};
  }
}

void QuantizedBlock::Quantize(int64_t row, const float* x) {
  const auto quantize_block = kernels::ActiveIntKernels().quantize_block;
  for (int64_t block = 0; block < blocks_; ++block) {
    const float* from = x + block * kBlock;
    float padded[kBlock];
    if (width_ - block * kBlock < kBlock) {
      std::fill(std::copy(from, x + width_, padded), padded + kBlock, 0.0f);
      from = padded;
    }
    const int64_t to = row * blocks_ + block;
    int32_t sums[packed::kGroups];
    scales_[to] = quantize_block(from, values_.data() + to * kBlock, sums);
    block_offsets_[to] = -128 * std::accumulate(sums, sums + packed::kGroups, 0);
  }
}

void QuantizedBlock::CopyBlocks(int64_t row, int64_t block, const QuantizedBlock& from,
                                int64_t from_row) {
  const int64_t to = row * blocks_ + block, begin = from_row * from.blocks_;
  std::memcpy(values_.data() + to * kBlock, from.values_.data() + begin * kBlock,
              from.blocks_ * kBlock);
  std::copy_n(from.scales_.data() + begin, from.blocks_, scales_.data() + to);
  std::copy_n(from.block_offsets_.data() + begin, from.blocks_, block_offsets_.data() + to);
}

void QuantizedBlock::ClearBlocks(int64_t row, int64_t block, int64_t count) {
  const int64_t to = row * blocks_ + block;
  std::memset(values_.data() + to * kBlock, 0, count * kBlock);
  std::fill_n(scales_.data() + to, count, 0.0f);
  std::fill_n(block_offsets_.data() + to, count, 0);
}

float QuantizedBlock::SumOf(int64_t row) const {
  float sum = 0;
  for (int64_t block = 0; block < blocks_; ++block) {
    sum += rows_[row].scales[block] * (static_cast<float>(rows_[row].block_offsets[block]) / -128);
  }
  return sum;
}

ByteTiles ByteTiles::Of(const TensorView& weight) {
  CHECK(weight.dtype == DType::kQ8Tiles);
  return {weight.data, weight.shape[0], weight.shape[1]};
}

void MultiplyTiles(const QuantizedBlock& x, const ByteTiles& weight, float* y) {
  CHECK_EQ(x.width(), weight.columns);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const int64_t tiles = packed::Tiles(weight.rows), blocks = x.blocks();
  const int64_t tile_bytes = packed::UnitBytes(DType::kQ8Tiles, weight.columns);
  const int64_t stride = weight.padded_rows();
  for (int64_t tile = 0; tile < tiles; tile += 2) {
    const auto multiply = tile + 1 < tiles ? kernels.q8_pair : kernels.q8_tile;
    for (int64_t row = 0; row < x.rows(); row += IntKernels::kMostRows) {
      const int64_t count = std::min<int64_t>(IntKernels::kMostRows, x.rows() - row);
      multiply(weight.data + tile * tile_bytes, blocks, x.data() + row, static_cast<int>(count),
               y + row * stride + tile * kTileRows, stride);
    }
  }
}

// `get_row(row, scratch)` gives a row's floats, in memory of its own or in scratch [columns].
template <class GetRow>
void OwnedTiles::RoundRows(int64_t rows, int64_t columns, ThreadPool& pool, const GetRow& get_row) {
  rows_ = rows;
  columns_ = columns;
  const int64_t blocks = packed::Blocks(columns);
  const int64_t tile_bytes = packed::UnitBytes(DType::kQ8Tiles, columns);
  bytes_.Reserve(packed::Tiles(rows) * tile_bytes);
  pool.ParallelFor(packed::Tiles(rows), [&](size_t tile) {
    thread_local QuantizedBlock quantized;
    thread_local std::vector<float> scratch;
    quantized.Reset(kTileRows, columns);
    scratch.resize(columns);
    std::byte* out = bytes_.data() + static_cast<int64_t>(tile) * tile_bytes;
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t row = static_cast<int64_t>(tile) * kTileRows + r;
      if (row < rows) {
        quantized.Quantize(r, get_row(row, scratch.data()));
      } else {
        quantized.ClearBlocks(r, 0, blocks);
      }
      for (int64_t block = 0; block < blocks; ++block) {
        std::byte* at = out + block * packed::kQ8Block;
        std::memcpy(at + r * 4, quantized.data()[r].scales + block, 4);
        const int8_t* values = quantized.data()[r].values + block * kBlock;
        std::byte* elements = at + packed::kScaleBytes + r * 4;
        for (int64_t k = 0; k < kBlock; ++k) {
          elements[k / 4 * 64 + k % 4] = static_cast<std::byte>(values[k] + 128);
        }
      }
    }
  });
}

void OwnedTiles::Round(ConstRows x, int64_t columns, ThreadPool& pool) {
  RoundRows(x.rows, columns, pool, [&](int64_t row, float*) { return x.data + row * x.stride; });
}

void OwnedTiles::RoundTransposed(ConstRows x, int64_t columns, ThreadPool& pool) {
  RoundRows(columns, x.rows, pool, [&](int64_t row, float* scratch) {
    for (int64_t i = 0; i < x.rows; ++i) scratch[i] = x.data[i * x.stride + row];
    return static_cast<const float*>(scratch);
  });
}

}  // namespace gemma3n::ops
