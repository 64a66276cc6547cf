// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/blocks_to_tiles.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "tensor/blocks.h"

namespace gemma3n {
namespace {

ConvertedTensor Room(DType dtype, const Shape& shape) {
  ConvertedTensor result;
  const uint64_t bytes = packed::StoredBytes(dtype, shape);
  result.bytes = std::make_unique<AlignedBuffer<std::byte>>(bytes);
  result.view = {dtype, shape, result.bytes->data()};
  return result;
}

}  // namespace

ConvertedTensor BlocksToTiles(const TensorView& view, ThreadPool& pool) {
  CHECK_EQ(view.shape.rank(), size_t{2});
  const int64_t rows = view.shape[0], columns = view.shape[1];
  ConvertedTensor result = Room(DType::kQ8Tiles, view.shape);
  std::atomic<bool> finite{true};
  const int64_t tile_bytes = packed::UnitBytes(DType::kQ8Tiles, columns);
  pool.ParallelFor(static_cast<size_t>(packed::Tiles(rows)), [&](size_t tile) {
    thread_local std::vector<float> floats;
    floats.resize(static_cast<size_t>(packed::kTileRows * columns));
    const int64_t first = static_cast<int64_t>(tile) * packed::kTileRows;
    const int64_t count = std::min(packed::kTileRows, rows - first);
    for (int64_t r = 0; r < count; ++r) {
      blocks::DecodeRow(view.dtype, view.data, columns, first + r, 0, columns,
                        floats.data() + r * columns);
    }
    std::byte* const out = result.bytes->data() + static_cast<int64_t>(tile) * tile_bytes;
    if (!packed::PackQ8Tile(floats.data(), count, columns, out)) finite = false;
  });
  result.finite = finite;
  return result;
}

ConvertedTensor BlocksToHalves(const TensorView& view, ThreadPool& pool) {
  const int64_t columns = view.shape.back(), rows = view.shape.NumElements() / columns;
  ConvertedTensor result = Room(DType::kF16, view.shape);
  std::atomic<bool> finite{true};
  auto* halves = reinterpret_cast<F16*>(result.bytes->data());
  pool.ParallelFor(static_cast<size_t>(rows), [&](size_t row) {
    thread_local std::vector<float> floats;
    floats.resize(static_cast<size_t>(columns));
    blocks::DecodeRow(view.dtype, view.data, columns, static_cast<int64_t>(row), 0, columns,
                      floats.data());
    constexpr uint16_t kExponent = 0x7c00;  // all of its bits set: infinite, or no number
    F16* out = halves + static_cast<int64_t>(row) * columns;
    for (const float value : floats) {
      *out = ToF16(value);
      if ((out++->bits & kExponent) == kExponent) finite = false;
    }
  });
  result.finite = finite;
  return result;
}

}  // namespace gemma3n
