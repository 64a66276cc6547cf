// SPDX-License-Identifier: Apache-2.0
#include "tensor/packed.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "tensor/blocks.h"

namespace gemma3n::packed {
namespace {

float FloatAt(const std::byte* data) {
  float value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

int Byte(const std::byte* data) {
  return std::to_integer<int>(*data);
}
int Nibble(const std::byte* data, bool high) {
  return high ? Byte(data) >> 4 : Byte(data) & 15;
}

// One element of a tile; `r` is the row in it.
float TileQ4(const std::byte* tile, int64_t r, int64_t column) {
  const std::byte* block = tile + kScaleBytes + column / kBlock * kQ4Block;
  const int64_t k = column % kBlock;
  const int sub = Nibble(block + k / kGroup * 8 + r % 8, r >= 8);
  const std::byte* element = block + kScaleBytes + k / 8 * 64 + r * 4 + k % 4;
  return FloatAt(tile + r * 4) * static_cast<float>(sub * (Nibble(element, k % 8 >= 4) - 8));
}

float TileQ8(const std::byte* tile, int64_t r, int64_t column) {
  const std::byte* block = tile + column / kBlock * kQ8Block;
  const int64_t k = column % kBlock;
  const int q = Byte(block + kScaleBytes + k / 4 * 64 + r * 4 + k % 4) - 128;
  return FloatAt(block + r * 4) * static_cast<float>(q);
}

float RowQ4(const std::byte* row, int64_t blocks, int64_t column) {
  const int64_t block = column / kBlock, k = column % kBlock;
  const std::byte* subs = row + 4 + block * 4;
  const std::byte* elements = row + 4 + blocks * 4 + block * 64;
  const int sub = Nibble(subs + k % 64 / kGroup, k >= 64);
  return FloatAt(row) * static_cast<float>(sub * (Nibble(elements + k % 64, k >= 64) - 8));
}

float RowQ8(const std::byte* row, int64_t blocks, int64_t column) {
  const int q = Byte(row + blocks * 4 + column) - 128;
  return FloatAt(row + column / kBlock * 4) * static_cast<float>(q);
}

}  // namespace

int64_t UnitBytes(DType dtype, int64_t columns) {
  switch (dtype) {
    case DType::kQ4Tiles:
      return kScaleBytes + Blocks(columns) * kQ4Block;
    case DType::kQ8Tiles:
      return Blocks(columns) * kQ8Block;
    case DType::kQ4Rows:
      return 4 + Blocks(columns) * kQ4RowBlock;
    case DType::kQ8Rows:
      return Blocks(columns) * kQ8RowBlock;
    default:
      CheckFailed(__FILE__, __LINE__, "not a packed type");
  }
}

uint64_t StoredBytes(DType dtype, const Shape& shape) {
  if (IsBlocks(dtype)) {
    const blocks::Layout layout = blocks::LayoutOf(dtype);
    return static_cast<uint64_t>(shape.NumElements() / layout.elements * layout.bytes);
  }
  if (!IsPacked(dtype)) return static_cast<uint64_t>(shape.NumElements()) * ElementSize(dtype);
  CHECK_EQ(shape.rank(), size_t{2});
  const int64_t units = IsTiled(dtype) ? Tiles(shape[0]) : shape[0];
  return static_cast<uint64_t>(units * UnitBytes(dtype, shape[1]));
}

bool PackQ8Tile(const float* weights, int64_t rows, int64_t columns, std::byte* tile) {
  constexpr float kSmallest = 1e-30f;      // below it 127 / largest would not be finite
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  constexpr uint32_t kInfinity = 0x7f800000;
  bool finite = true;
  for (int64_t first = 0; first < columns; first += kBlock, tile += kQ8Block) {
    const int64_t count = std::min(kBlock, columns - first);
    std::memset(tile, 0, kScaleBytes);
    std::memset(tile + kScaleBytes, 128, kQ8Block - kScaleBytes);
    for (int64_t r = 0; r < rows; ++r) {
      const float* w = weights + r * columns + first;
      // Without their signs floats are in the order of their bits, infinity and NaN above all.
      uint32_t bits = 0;
      for (int64_t k = 0; k < count; ++k) {
        bits = std::max(bits, std::bit_cast<uint32_t>(w[k]) & 0x7fffffff);
      }
      const float largest = std::bit_cast<float>(bits);
      if (bits >= kInfinity) {
        finite = false;
        const float scale = std::numeric_limits<float>::quiet_NaN();
        std::memcpy(tile + r * 4, &scale, sizeof(scale));
      }
      if (bits >= kInfinity || largest <= kSmallest) continue;
      const float scale = largest / 127.0f, inverse = 127.0f / largest;
      std::memcpy(tile + r * 4, &scale, sizeof(scale));
      std::byte* out = tile + kScaleBytes + r * 4;
      for (int64_t k = 0; k < count; ++k) {
        const int q = static_cast<int>((w[k] * inverse + kRounder) - kRounder) + 128;
        out[k / 4 * 64 + k % 4] = static_cast<std::byte>(q);
      }
    }
  }
  return finite;
}

void UnpackRow(DType dtype, const std::byte* data, int64_t columns, int64_t row, int64_t begin,
               int64_t count, float* out) {
  const int64_t blocks = Blocks(columns);
  const int64_t unit = IsTiled(dtype) ? row / kTileRows : row;
  const std::byte* at = data + unit * UnitBytes(dtype, columns);
  const int64_t r = row % kTileRows;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t column = begin + i;
    switch (dtype) {
      case DType::kQ4Tiles:
        out[i] = TileQ4(at, r, column);
        break;
      case DType::kQ8Tiles:
        out[i] = TileQ8(at, r, column);
        break;
      case DType::kQ4Rows:
        out[i] = RowQ4(at, blocks, column);
        break;
      default:
        out[i] = RowQ8(at, blocks, column);
    }
  }
}

}  // namespace gemma3n::packed
