// SPDX-License-Identifier: Apache-2.0
// Few rows of x: memory is the limit, each tile is read once, as it is stored. Many rows:
// arithmetic is, so a pair of 4-bit tiles is widened to bytes once for a block of rows.
#include "ops/packed_linear.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_buffer.h"
#include "kernels/int_dot.h"

namespace gemma3n::ops {
namespace {

using kernels::IntKernels;
using kernels::QuantizedRow;
using packed::kTileRows;

constexpr int64_t kMostRows = IntKernels::kMostRows;  // of x that a kernel takes at once
constexpr int64_t kBytesPerPiece = 256 << 10;         // of weights: some 20 microseconds of reading
constexpr int64_t kBlockRows = 192;  // rows of x that share a pair of widened tiles

int64_t CeilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// The rows of x in 8 bits. The memory is kept from call to call.
class QuantizedRows {
 public:
  QuantizedRows(ConstRows x, int64_t width, ThreadPool& pool) {
    thread_local AlignedBuffer<std::byte> memory;
    thread_local std::vector<QuantizedRow> rows;
    const int64_t blocks = packed::Blocks(width);
    const size_t bytes = kernels::QuantizedRowBytes(blocks);
    memory.Reserve(bytes * x.rows);
    rows.resize(x.rows);
    for (int64_t i = 0; i < x.rows; ++i) {
      rows[i] = kernels::QuantizedRowAt(memory.data() + i * bytes, blocks);
    }
    std::byte* data = memory.data();
    pool.ParallelFor(x.rows, [&](size_t i) {
      kernels::QuantizeRow(x.data + static_cast<int64_t>(i) * x.stride, width, data + i * bytes);
    });
    rows_ = rows.data();
  }
  const QuantizedRow* operator+(int64_t row) const { return rows_ + row; }
  const QuantizedRow& operator[](int64_t row) const { return rows_[row]; }

 private:
  const QuantizedRow* rows_;
};

struct Problem {
  const QuantizedRows& x;
  const TensorView& weight;
  MutableRows y;
  int64_t blocks, tile_bytes;
};

// Rows [row, row + count) of y, columns from `column` on: those of `width` that y has. `compute`
// writes them all, with the stride it is given.
template <class Compute>
void Into(const Problem& p, int64_t row, int64_t count, int64_t column, int64_t width,
          const Compute& compute) {
  float* y = p.y.data + row * p.y.stride + column;
  const int64_t there = std::min(width, p.weight.shape[0] - column);
  if (there == width) return compute(y, p.y.stride);
  float whole[kMostRows * 2 * kTileRows];
  compute(whole, width);
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(whole + i * width, there, y + i * p.y.stride);
  }
}

void FewRows(const Problem& p, ThreadPool& pool) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = p.weight.dtype == DType::kQ4Tiles ? kernels.q4_tile : kernels.q8_tile;
  const int64_t tiles = packed::Tiles(p.weight.shape[0]);
  const int64_t per_piece = std::max<int64_t>(1, kBytesPerPiece / p.tile_bytes);
  pool.ParallelFor(CeilDivide(tiles, per_piece), [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * per_piece;
    const int64_t end = std::min(tiles, begin + per_piece);
    for (int64_t tile = begin; tile < end; ++tile) {
      Into(p, 0, p.y.rows, tile * kTileRows, kTileRows, [&](float* y, int64_t stride) {
        multiply(p.weight.data + tile * p.tile_bytes, p.blocks, p.x + 0, static_cast<int>(p.y.rows),
                 y, stride);
      });
    }
  });
}

// A pair of tiles for rows [begin, end); `wide` are the widened bytes of 4-bit ones.
void Pair(const Problem& p, int64_t pair, int64_t begin, int64_t end, const uint8_t* wide) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const std::byte* tiles = p.weight.data + 2 * pair * p.tile_bytes;
  for (int64_t row = begin; row < end; row += kMostRows) {
    const int count = static_cast<int>(std::min(kMostRows, end - row));
    Into(p, row, count, pair * 2 * kTileRows, 2 * kTileRows, [&](float* y, int64_t stride) {
      if (wide != nullptr) {
        kernels.q4_pair(wide, tiles, p.blocks, p.x + row, count, y, stride);
      } else {
        kernels.q8_pair(tiles, p.blocks, p.x + row, count, y, stride);
      }
    });
  }
}

// The last tile where their number is odd.
void LastTile(const Problem& p, int64_t tile, int64_t begin, int64_t end) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = p.weight.dtype == DType::kQ4Tiles ? kernels.q4_tile : kernels.q8_tile;
  for (int64_t row = begin; row < end; row += kMostRows) {
    const int count = static_cast<int>(std::min(kMostRows, end - row));
    Into(p, row, count, tile * kTileRows, kTileRows, [&](float* y, int64_t stride) {
      multiply(p.weight.data + tile * p.tile_bytes, p.blocks, p.x + row, count, y, stride);
    });
  }
}

// Each thread's own, kept from call to call.
AlignedBuffer<uint8_t>& WidenedTiles() {
  thread_local AlignedBuffer<uint8_t> tiles;
  return tiles;
}

void ManyRows(const Problem& p, ThreadPool& pool) {
  const int64_t tiles = packed::Tiles(p.weight.shape[0]);
  const int64_t blocks_of_rows = CeilDivide(p.y.rows, kBlockRows);
  pool.ParallelFor(CeilDivide(tiles, 2) * blocks_of_rows, [&](size_t piece) {
    const int64_t pair = static_cast<int64_t>(piece) / blocks_of_rows;
    const int64_t begin = static_cast<int64_t>(piece) % blocks_of_rows * kBlockRows;
    const int64_t end = std::min(p.y.rows, begin + kBlockRows);
    if (2 * pair + 1 == tiles) return LastTile(p, 2 * pair, begin, end);
    if (p.weight.dtype == DType::kQ8Tiles) return Pair(p, pair, begin, end, nullptr);
    AlignedBuffer<uint8_t>& wide = WidenedTiles();
    const int64_t bytes = p.blocks * packed::kBlock * kTileRows;
    wide.Reserve(2 * bytes);
    for (int64_t i = 0; i < 2; ++i) {
      kernels::ActiveIntKernels().widen_q4_tile(p.weight.data + (2 * pair + i) * p.tile_bytes,
                                                p.blocks, wide.data() + i * bytes);
    }
    Pair(p, pair, begin, end, wide.data());
  });
}

}  // namespace

void TiledLinear(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool) {
  const int64_t in = weight.shape[1];
  const QuantizedRows quantized(x, in, pool);
  const Problem p{quantized, weight, y, packed::Blocks(in), packed::UnitBytes(weight.dtype, in)};
  if (x.rows <= kMostRows) {
    FewRows(p, pool);
  } else {
    ManyRows(p, pool);
  }
}

void GatedLinear(ConstRows x, const TensorView& weight, ConstRows gates, MutableRows y,
                 ThreadPool& pool) {
  constexpr int64_t kOutputs = 64;  // a piece of work, and of the cache lines of gates
  const int64_t out = weight.shape[0], in = weight.shape[1], blocks = packed::Blocks(in);
  const int64_t row_bytes = packed::UnitBytes(weight.dtype, in);
  const QuantizedRows quantized(x, in, pool);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = weight.dtype == DType::kQ4Rows ? kernels.q4_row : kernels.q8_row;
  pool.ParallelFor(CeilDivide(out, kOutputs), [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kOutputs;
    const int64_t end = std::min(out, begin + kOutputs);
    for (int64_t n = begin; n < end; ++n) {
      const std::byte* row = weight.data + n * row_bytes;
      for (int64_t i = 0; i < x.rows; ++i) {
        const bool open = gates.data[i * gates.stride + n] != 0;
        y.data[i * y.stride + n] = open ? multiply(row, blocks, quantized[i]) : 0;
      }
    }
  });
}

void WeightedRowSum(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool) {
  constexpr int64_t kPart = 4;  // blocks of columns in a piece, so that one row feeds some threads
  const int64_t in = weight.shape[0], out = weight.shape[1], blocks = packed::Blocks(out);
  const int64_t row_bytes = packed::UnitBytes(weight.dtype, out), parts = CeilDivide(blocks, kPart);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto add = weight.dtype == DType::kQ4Rows ? kernels.add_q4_row : kernels.add_q8_row;
  pool.ParallelFor(x.rows * parts, [&](size_t piece) {
    const int64_t i = static_cast<int64_t>(piece) / parts;
    const int64_t begin = static_cast<int64_t>(piece) % parts * kPart;
    const int64_t end = std::min(blocks, begin + kPart);
    float sum[kPart * packed::kBlock] = {};
    for (int64_t n = 0; n < in; ++n) {
      const float factor = x.data[i * x.stride + n];
      if (factor != 0) add(weight.data + n * row_bytes, blocks, begin, end, factor, sum);
    }
    const int64_t column = begin * packed::kBlock;
    std::copy_n(sum, std::min(out - column, kPart * packed::kBlock),
                y.data + i * y.stride + column);
  });
}

}  // namespace gemma3n::ops
