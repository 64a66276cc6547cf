// SPDX-License-Identifier: Apache-2.0
// Two ways through the same tiles. Few rows: memory is the limit, so the weights are read once, in
// their stored type. Many rows: arithmetic is, so a panel of weight rows is widened once and used
// by a block of x that fits the second-level cache.
#include "ops/linear.h"

#include <algorithm>

#include "base/aligned_buffer.h"
#include "kernels/float_dot.h"
#include "kernels/rows.h"
#include "ops/packed_linear.h"

namespace gemma3n::ops {
namespace {

constexpr int64_t kFewRows = 5;
constexpr int64_t kBytesPerPiece = 256 << 10;  // of weights: some 20 microseconds of reading
constexpr int64_t kPanelColumns =
    32;  // 32 rows of 2048 floats: 256 KiB, a part of the second-level cache
constexpr int64_t kBlockRows =
    192;  // rows that share a widened panel; a multiple of every tile height

struct Problem {
  ConstRows x;
  const TensorView& weight;
  MutableRows y;
  int64_t in;  // columns of the weight that meet x: its first ones
  int64_t out;
  int64_t weight_stride() const { return weight.shape[1]; }
};

int64_t CeilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Output columns [begin, end) of all rows, weights read as they are stored.
template <class T>
void Columns(const Problem& p, int64_t begin, int64_t end) {
  const kernels::TileShape shape{static_cast<size_t>(p.x.rows),
                                 static_cast<size_t>(end - begin),
                                 static_cast<size_t>(p.in),
                                 static_cast<size_t>(p.x.stride),
                                 static_cast<size_t>(p.weight_stride()),
                                 static_cast<size_t>(p.y.stride)};
  kernels::DotTile(p.x.data, p.weight.as<T>() + begin * p.weight_stride(), shape, p.y.data + begin);
}

template <class T>
void FewRows(const Problem& p, ThreadPool& pool) {
  const int64_t row_bytes = std::max<int64_t>(1, p.in * static_cast<int64_t>(sizeof(T)));
  const int64_t columns = std::max<int64_t>(4, kBytesPerPiece / row_bytes / 4 * 4);
  pool.ParallelFor(CeilDivide(p.out, columns), [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * columns;
    Columns<T>(p, begin, std::min(p.out, begin + columns));
  });
}

// Each thread's own, kept from call to call.
AlignedBuffer<float>& Panel() {
  thread_local AlignedBuffer<float> panel;
  return panel;
}

template <class T>
void ManyRows(const Problem& p, ThreadPool& pool) {
  const int64_t panels = CeilDivide(p.out, kPanelColumns);
  const int64_t blocks = CeilDivide(p.x.rows, kBlockRows);
  pool.ParallelFor(panels * blocks, [&](size_t piece) {
    const int64_t column = static_cast<int64_t>(piece) / blocks * kPanelColumns;
    const int64_t row = static_cast<int64_t>(piece) % blocks * kBlockRows;
    const int64_t columns = std::min(kPanelColumns, p.out - column);
    const T* stored = p.weight.as<T>() + column * p.weight_stride();
    const float* wide;
    int64_t wide_stride = p.in;
    if constexpr (std::is_same_v<T, float>) {
      wide = stored;
      wide_stride = p.weight_stride();
    } else {
      AlignedBuffer<float>& panel = Panel();
      panel.Reserve(kPanelColumns * p.in);
      for (int64_t i = 0; i < columns; ++i) {
        kernels::Widen(stored + i * p.weight_stride(), p.in, panel.data() + i * p.in);
      }
      wide = panel.data();
    }
    const kernels::TileShape shape{static_cast<size_t>(std::min(kBlockRows, p.x.rows - row)),
                                   static_cast<size_t>(columns),
                                   static_cast<size_t>(p.in),
                                   static_cast<size_t>(p.x.stride),
                                   static_cast<size_t>(wide_stride),
                                   static_cast<size_t>(p.y.stride)};
    kernels::DotTile(p.x.data + row * p.x.stride, wide, shape,
                     p.y.data + row * p.y.stride + column);
  });
}

template <class T>
void Run(const Problem& p, ThreadPool& pool) {
  if (p.x.rows <= kFewRows) {
    FewRows<T>(p, pool);
  } else {
    ManyRows<T>(p, pool);
  }
}

}  // namespace

void Linear(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool) {
  CHECK_EQ(weight.shape.rank(), size_t{2});
  LinearOfFirst(x, weight, weight.shape[1], y, pool);
}

void LinearOfFirst(ConstRows x, const TensorView& weight, int64_t columns, MutableRows y,
                   ThreadPool& pool) {
  CHECK_EQ(weight.shape.rank(), size_t{2});
  CHECK_LE(columns, weight.shape[1]);
  CHECK_EQ(x.rows, y.rows);
  const Problem p{x, weight, y, columns, weight.shape[0]};
  CHECK_LE(p.in, x.stride);
  CHECK_LE(p.out, y.stride);
  switch (weight.dtype) {
    case DType::kF32:
      return Run<float>(p, pool);
    case DType::kBF16:
      return Run<Bf16>(p, pool);
    case DType::kF16:
      return Run<F16>(p, pool);
    case DType::kQ4Tiles:
    case DType::kQ8Tiles:
      return TiledLinearOfFirst(x, weight, columns, y, pool);
    default:
      CheckFailed(__FILE__, __LINE__, "linear: weights must be floats or in tiles");
  }
}

void Linear(ConstRows x, std::span<const LinearPart> parts, ThreadPool& pool) {
  const auto tiled = [](const LinearPart& part) { return packed::IsTiled(part.weight.dtype); };
  if (std::all_of(parts.begin(), parts.end(), tiled)) return TiledLinear(x, parts, pool);
  for (const LinearPart& part : parts) Linear(x, part.weight, part.y, pool);
}

}  // namespace gemma3n::ops
