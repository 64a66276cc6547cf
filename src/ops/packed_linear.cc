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
// Of weights, in a piece: some 20 microseconds of reading at most. Small matrices are cut into no
// fewer than kPieces, so that threads end about together.
constexpr int64_t kMostBytesPerPiece = 256 << 10, kLeastBytesPerPiece = 32 << 10, kPieces = 16;
constexpr int64_t kBlockRows = 256;  // rows of x that share a pair of widened tiles

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

// Few rows: a piece is some tiles.
int64_t TilesPerPiece(const Problem& p) {
  const int64_t bytes = packed::Tiles(p.weight.shape[0]) * p.tile_bytes;
  const int64_t wanted = std::clamp(bytes / kPieces, kLeastBytesPerPiece, kMostBytesPerPiece);
  return std::max<int64_t>(1, wanted / p.tile_bytes);
}

void FewRows(const Problem& p, int64_t piece) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = p.weight.dtype == DType::kQ4Tiles ? kernels.q4_tile : kernels.q8_tile;
  const int64_t begin = piece * TilesPerPiece(p);
  const int64_t end = std::min(packed::Tiles(p.weight.shape[0]), begin + TilesPerPiece(p));
  for (int64_t tile = begin; tile < end; ++tile) {
    Into(p, 0, p.y.rows, tile * kTileRows, kTileRows, [&](float* y, int64_t stride) {
      multiply(p.weight.data + tile * p.tile_bytes, p.blocks, p.x + 0, static_cast<int>(p.y.rows),
               y, stride);
    });
  }
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

// Many rows: a piece is a pair of tiles for a block of rows.
void ManyRows(const Problem& p, int64_t piece) {
  const int64_t blocks_of_rows = CeilDivide(p.y.rows, kBlockRows);
  const int64_t pair = piece / blocks_of_rows;
  const int64_t begin = piece % blocks_of_rows * kBlockRows;
  const int64_t end = std::min(p.y.rows, begin + kBlockRows);
  if (2 * pair + 1 == packed::Tiles(p.weight.shape[0])) return LastTile(p, 2 * pair, begin, end);
  if (p.weight.dtype == DType::kQ8Tiles) return Pair(p, pair, begin, end, nullptr);
  AlignedBuffer<uint8_t>& wide = WidenedTiles();
  const int64_t bytes = p.blocks * packed::kBlock * kTileRows;
  wide.Reserve(2 * bytes);
  for (int64_t i = 0; i < 2; ++i) {
    kernels::ActiveIntKernels().widen_q4_tile(p.weight.data + (2 * pair + i) * p.tile_bytes,
                                              p.blocks, wide.data() + i * bytes);
  }
  Pair(p, pair, begin, end, wide.data());
}

int64_t Pieces(const Problem& p) {
  const int64_t tiles = packed::Tiles(p.weight.shape[0]);
  return p.y.rows <= kMostRows ? CeilDivide(tiles, TilesPerPiece(p))
                               : CeilDivide(tiles, 2) * CeilDivide(p.y.rows, kBlockRows);
}

}  // namespace

void TiledLinear(ConstRows x, std::span<const LinearPart> parts, ThreadPool& pool) {
  const int64_t in = parts[0].weight.shape[1];
  const QuantizedRows quantized(x, in, pool);
  thread_local std::vector<Problem> problems;
  problems.clear();
  problems.reserve(64);  // most that a decoder asks for: a step allocates nothing
  int64_t pieces = 0;
  for (const LinearPart& part : parts) {
    CHECK_EQ(part.weight.shape[1], in);
    problems.push_back({quantized, part.weight, part.y, packed::Blocks(in),
                        packed::UnitBytes(part.weight.dtype, in)});
    pieces += Pieces(problems.back());
  }
  const std::span<const Problem> all = problems;
  pool.ParallelFor(pieces, [all](size_t number) {
    int64_t piece = static_cast<int64_t>(number);
    const Problem* p = all.data();
    for (int64_t count; piece >= (count = Pieces(*p)); ++p) piece -= count;
    p->y.rows <= kMostRows ? FewRows(*p, piece) : ManyRows(*p, piece);
  });
}

namespace {

// One product of an output with a row of x: which row, and where its result goes.
struct Entry {
  int32_t row;
  int64_t at;
};

// The entries of the columns [begin, end), by column: those of column begin + n stand from
// starts[n] to starts[n + 1].
void EntriesByColumn(const SparseRows& s, int64_t begin, int64_t end, std::vector<int64_t>& starts,
                     std::vector<Entry>& entries) {
  thread_local std::vector<std::pair<int64_t, int64_t>> ranges;  // of each row
  ranges.clear();
  starts.assign(end - begin + 1, 0);
  for (int64_t row = 0; row < s.rows(); ++row) {
    const auto columns = s.columns().subspan(s.begin(row), s.end(row) - s.begin(row));
    const auto first = std::lower_bound(columns.begin(), columns.end(), begin);
    const auto last = std::lower_bound(first, columns.end(), end);
    const int64_t at = s.begin(row) + (first - columns.begin());
    ranges.emplace_back(at, at + (last - first));
    for (auto column = first; column != last; ++column) ++starts[*column - begin + 1];
  }
  for (size_t n = 1; n < starts.size(); ++n) starts[n] += starts[n - 1];
  entries.resize(starts.back());
  thread_local std::vector<int64_t> next;
  next.assign(starts.begin(), starts.end());
  for (int64_t row = 0; row < s.rows(); ++row) {
    for (int64_t at = ranges[row].first; at < ranges[row].second; ++at) {
      entries[next[s.columns()[at] - begin]++] = {static_cast<int32_t>(row), at};
    }
  }
}

}  // namespace

namespace {

// Asks for memory that will be read soon: single rows lie where no processor expects them.
void Prefetch(const std::byte* data, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(data + at);
}

}  // namespace

void SelectedProducts(ConstRows x, const TensorView& weight, const SparseRows& selected,
                      std::span<float> y, ThreadPool& pool) {
  const int64_t out = weight.shape[0], in = weight.shape[1], blocks = packed::Blocks(in);
  const int64_t row_bytes = packed::UnitBytes(weight.dtype, in);
  const QuantizedRows quantized(x, in, pool);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = weight.dtype == DType::kQ4Rows ? kernels.q4_row : kernels.q8_row;
  if (x.rows == 1) {
    constexpr int64_t kEntries = 32, kAhead = 3;  // a piece of work; rows asked for beforehand
    pool.ParallelFor(CeilDivide(selected.count(), kEntries), [&](size_t piece) {
      const int64_t begin = static_cast<int64_t>(piece) * kEntries;
      const int64_t end = std::min(selected.count(), begin + kEntries);
      const auto row = [&](int64_t at) { return weight.data + selected.columns()[at] * row_bytes; };
      for (int64_t at = begin; at < std::min(end, begin + kAhead); ++at)
        Prefetch(row(at), row_bytes);
      for (int64_t at = begin; at < end; ++at) {
        if (at + kAhead < end) Prefetch(row(at + kAhead), row_bytes);
        y[at] = multiply(row(at), blocks, quantized[0]);
      }
    });
    return;
  }
  constexpr int64_t kOutputs = 256;
  pool.ParallelFor(CeilDivide(out, kOutputs), [&](size_t piece) {
    thread_local std::vector<int64_t> starts;
    thread_local std::vector<Entry> entries;
    const int64_t begin = static_cast<int64_t>(piece) * kOutputs;
    const int64_t end = std::min(out, begin + kOutputs);
    EntriesByColumn(selected, begin, end, starts, entries);
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t i = starts[n - begin]; i < starts[n - begin + 1]; ++i) {
        y[entries[i].at] = multiply(weight.data + n * row_bytes, blocks, quantized[entries[i].row]);
      }
    }
  });
}

void WeightedRowSum(const SparseRows& x, const TensorView& weight, MutableRows y,
                    ThreadPool& pool) {
  constexpr int64_t kPart = 4;  // blocks of columns in a piece, so that one row feeds some threads
  const int64_t out = weight.shape[1], blocks = packed::Blocks(out);
  const int64_t row_bytes = packed::UnitBytes(weight.dtype, out), parts = CeilDivide(blocks, kPart);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto add = weight.dtype == DType::kQ4Rows ? kernels.add_q4_row : kernels.add_q8_row;
  pool.ParallelFor(x.rows() * parts, [&](size_t piece) {
    const int64_t i = static_cast<int64_t>(piece) / parts;
    const int64_t begin = static_cast<int64_t>(piece) % parts * kPart;
    const int64_t end = std::min(blocks, begin + kPart);
    alignas(64) float sum[kPart * packed::kBlock] = {};
    const int64_t bytes = row_bytes * (end - begin) / blocks;
    for (int64_t at = x.begin(i); at < x.end(i); ++at) {
      constexpr int64_t kAhead = 6;  // rows asked for beforehand
      if (at + kAhead < x.end(i)) {
        const std::byte* row = weight.data + x.columns()[at + kAhead] * row_bytes;
        Prefetch(row + row_bytes * begin / blocks, bytes);
      }
      add(weight.data + x.columns()[at] * row_bytes, blocks, begin, end, x.values()[at], sum);
    }
    const int64_t column = begin * packed::kBlock;
    std::copy_n(sum, std::min(out - column, kPart * packed::kBlock),
                y.data + i * y.stride + column);
  });
}

}  // namespace gemma3n::ops
