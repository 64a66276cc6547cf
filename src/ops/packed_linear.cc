// SPDX-License-Identifier: Apache-2.0
// Few rows of x: memory is the limit, each tile is read from it once, as it is stored. Many rows:
// arithmetic is, so a pair of 4-bit tiles is widened to bytes once for a block of rows, where the
// processor multiplies those faster.
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

// The rows of x in 8 bits, in `steps` equal parts of whole blocks. The memory is kept from call to
// call.
class QuantizedRows {
 public:
  QuantizedRows(ConstRows x, int64_t width, ThreadPool& pool, int64_t steps = 1) : rows_(x.rows) {
    thread_local AlignedBuffer<std::byte> memory;
    thread_local std::vector<QuantizedRow> parts;
    const int64_t blocks = packed::Blocks(width);
    const size_t bytes = kernels::QuantizedRowBytes(blocks);
    memory.Reserve(bytes * x.rows);
    parts.resize(x.rows * steps);
    for (int64_t i = 0; i < x.rows; ++i) {
      const QuantizedRow row = kernels::QuantizedRowAt(memory.data() + i * bytes, blocks);
      for (int64_t step = 0; step < steps; ++step) {
        const int64_t before = step * (blocks / steps);
        parts[step * x.rows + i] = {row.values + before * packed::kBlock, row.scales + before,
                                    row.group_offsets + before * packed::kGroups,
                                    row.block_offsets + before};
      }
    }
    std::byte* data = memory.data();
    pool.ParallelFor(x.rows, [&](size_t i) {
      kernels::QuantizeRow(x.data + static_cast<int64_t>(i) * x.stride, width, data + i * bytes);
    });
    parts_ = parts.data();
  }
  const QuantizedRow* At(int64_t step, int64_t row) const { return parts_ + step * rows_ + row; }
  const QuantizedRow& operator[](int64_t row) const { return parts_[row]; }

 private:
  int64_t rows_;
  const QuantizedRow* parts_;
};

// y [rows, out]: the sum over steps of x's part by the weight's rows of that step.
struct Problem {
  const QuantizedRows& x;
  const TensorView& weight;
  MutableRows y;
  int64_t out;
  int64_t blocks, tile_bytes;  // of a step
  int64_t steps = 1;
  bool cut =
      false;  // tiles have more columns than are read: a pair's second is not where it should

  int64_t tiles() const { return packed::Tiles(out); }  // of a step
  // 4-bit tiles: two passes over a tile as it is stored cost less than to widen it, by a seventh at
  // 8 rows and a tenth at 12; from 16 on they cost as much or more.
  bool few_rows() const {
    return y.rows <= (weight.dtype == DType::kQ4Tiles ? 2 * kMostRows : kMostRows);
  }
  const std::byte* Tile(int64_t step, int64_t tile) const {
    return weight.data + (step * tiles() + tile) * tile_bytes;
  }
};

// Columns [column, column + width) of y, those that y has, and some of its rows.
struct Place {
  int64_t row, count, column, width;
};

// `compute` writes all of the place, with the stride it is given; steps behind the first are added.
template <class Compute>
void Into(const Problem& p, const Place& place, int64_t step, const Compute& compute) {
  float* y = p.y.data + place.row * p.y.stride + place.column;
  const int64_t there = std::min(place.width, p.out - place.column);
  if (there == place.width && step == 0) return compute(y, p.y.stride);
  float whole[kMostRows * 2 * kTileRows];
  compute(whole, place.width);
  for (int64_t i = 0; i < place.count; ++i) {
    const float* from = whole + i * place.width;
    float* to = y + i * p.y.stride;
    if (step == 0) {
      std::copy_n(from, there, to);
    } else {
      for (int64_t k = 0; k < there; ++k) to[k] += from[k];
    }
  }
}

// One tile of a step for rows [begin, end) of x.
void Tile(const Problem& p, int64_t step, int64_t tile, int64_t begin, int64_t end) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const auto multiply = p.weight.dtype == DType::kQ4Tiles ? kernels.q4_tile : kernels.q8_tile;
  int64_t parts = CeilDivide(end - begin, kernels.best_rows), count = 0;
  for (int64_t row = begin; row < end; row += count, --parts) {
    count = CeilDivide(end - row, parts);  // as even as can be
    const Place place{row, count, tile * kTileRows, kTileRows};
    Into(p, place, step, [&](float* y, int64_t stride) {
      multiply(p.Tile(step, tile), p.blocks, p.x.At(step, row), static_cast<int>(count), y, stride);
    });
  }
}

// Few rows: a piece is some tiles. Those of a step lie side by side.
int64_t TilesPerPiece(const Problem& p) {
  const int64_t tile_bytes = p.tile_bytes * p.steps;
  const int64_t wanted =
      std::clamp(p.tiles() * tile_bytes / kPieces, kLeastBytesPerPiece, kMostBytesPerPiece);
  return std::max<int64_t>(1, wanted / tile_bytes);
}

void FewRows(const Problem& p, int64_t piece) {
  const int64_t begin = piece * TilesPerPiece(p);
  const int64_t end = std::min(p.tiles(), begin + TilesPerPiece(p));
  for (int64_t step = 0; step < p.steps; ++step) {
    for (int64_t tile = begin; tile < end; ++tile) Tile(p, step, tile, 0, p.y.rows);
  }
}

// A pair of tiles of a step for rows [begin, end); `wide` are the widened bytes of 4-bit ones.
void Pair(const Problem& p, int64_t step, int64_t pair, int64_t begin, int64_t end,
          const uint8_t* wide) {
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const std::byte* tiles = p.Tile(step, 2 * pair);
  for (int64_t row = begin; row < end; row += kMostRows) {
    const int count = static_cast<int>(std::min(kMostRows, end - row));
    const Place place{row, count, pair * 2 * kTileRows, 2 * kTileRows};
    Into(p, place, step, [&](float* y, int64_t stride) {
      if (wide != nullptr) {
        kernels.q4_pair(wide, tiles, p.blocks, p.x.At(step, row), count, y, stride);
      } else {
        kernels.q8_pair(tiles, p.blocks, p.x.At(step, row), count, y, stride);
      }
    });
  }
}

// Each thread's own, kept from call to call.
AlignedBuffer<uint8_t>& WidenedTiles() {
  thread_local AlignedBuffer<uint8_t> tiles;
  return tiles;
}

// Many rows: a piece is a pair of tiles for a block of rows; the last tile may be alone.
void ManyRows(const Problem& p, int64_t piece) {
  const int64_t blocks_of_rows = CeilDivide(p.y.rows, kBlockRows);
  const int64_t pair = piece / blocks_of_rows;
  const int64_t begin = piece % blocks_of_rows * kBlockRows;
  const int64_t end = std::min(p.y.rows, begin + kBlockRows);
  const IntKernels& kernels = kernels::ActiveIntKernels();
  const bool four_bits = p.weight.dtype == DType::kQ4Tiles;
  const bool as_stored =
      p.cut || 2 * pair + 1 == p.tiles() || (four_bits && kernels.q4_pair == nullptr);
  for (int64_t step = 0; step < p.steps; ++step) {
    if (as_stored) {
      Tile(p, step, 2 * pair, begin, end);
      if (2 * pair + 1 < p.tiles()) Tile(p, step, 2 * pair + 1, begin, end);
    } else if (!four_bits) {
      Pair(p, step, pair, begin, end, nullptr);
    } else {
      AlignedBuffer<uint8_t>& wide = WidenedTiles();
      const int64_t bytes = p.blocks * packed::kBlock * kTileRows;
      wide.Reserve(2 * bytes);
      for (int64_t i = 0; i < 2; ++i) {
        kernels.widen_q4_tile(p.Tile(step, 2 * pair + i), p.blocks, wide.data() + i * bytes);
      }
      Pair(p, step, pair, begin, end, wide.data());
    }
  }
}

int64_t Pieces(const Problem& p) {
  return p.few_rows() ? CeilDivide(p.tiles(), TilesPerPiece(p))
                      : CeilDivide(p.tiles(), 2) * CeilDivide(p.y.rows, kBlockRows);
}

void Run(std::span<const Problem> problems, ThreadPool& pool) {
  int64_t pieces = 0;
  for (const Problem& problem : problems) pieces += Pieces(problem);
  pool.ParallelFor(pieces, [problems](size_t number) {
    int64_t piece = static_cast<int64_t>(number);
    const Problem* p = problems.data();
    for (int64_t count; piece >= (count = Pieces(*p)); ++p) piece -= count;
    p->few_rows() ? FewRows(*p, piece) : ManyRows(*p, piece);
  });
}

}  // namespace

void TiledLinear(ConstRows x, std::span<const LinearPart> parts, ThreadPool& pool) {
  const int64_t in = parts[0].weight.shape[1];
  const QuantizedRows quantized(x, in, pool);
  thread_local std::vector<Problem> problems;
  problems.clear();
  problems.reserve(64);  // most that a decoder asks for: a step allocates nothing
  for (const LinearPart& part : parts) {
    CHECK_EQ(part.weight.shape[1], in);
    problems.push_back({quantized, part.weight, part.y, part.weight.shape[0], packed::Blocks(in),
                        packed::UnitBytes(part.weight.dtype, in)});
  }
  Run(problems, pool);
}

void TiledLinearOfFirst(ConstRows x, const TensorView& weight, int64_t columns, MutableRows y,
                        ThreadPool& pool) {
  const int64_t in = weight.shape[1];
  CHECK(columns == in || (columns < in && columns % packed::kBlock == 0));
  const QuantizedRows quantized(x, columns, pool);
  const Problem problem{quantized,
                        weight,
                        y,
                        weight.shape[0],
                        packed::Blocks(columns),
                        packed::UnitBytes(weight.dtype, in),
                        1,
                        columns < in};
  Run({&problem, 1}, pool);
}

void SteppedLinear(ConstRows x, const TensorView& weight, MutableRows y, int64_t out,
                   ThreadPool& pool) {
  const int64_t step = weight.shape[1], steps = weight.shape[0] / out;
  CHECK_EQ(weight.shape[0], steps * out);
  CHECK_EQ(step % packed::kBlock, int64_t{0});
  CHECK_EQ(out % kTileRows, int64_t{0});
  const QuantizedRows quantized(x, steps * step, pool, steps);
  const Problem problem{
      quantized, weight, y, out, packed::Blocks(step), packed::UnitBytes(weight.dtype, step),
      steps};
  Run({&problem, 1}, pool);
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
