// SPDX-License-Identifier: Apache-2.0
// The integer kernels in plain code: slow, and what the others are held to.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/int_dot_tables.h"

namespace gemma3n::kernels {
namespace {

using packed::kBlock;
using packed::kGroup;
using packed::kGroups;
using packed::kQ4Block;
using packed::kQ8Block;
using packed::kScaleBytes;
using packed::kTileRows;

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

// sub * q of row r and column k of a 4-bit tile's block.
int TileElementQ4(const std::byte* block, int64_t r, int64_t k) {
  const int sub = Nibble(block + k / kGroup * 8 + r % 8, r >= 8);
  const int q = Nibble(block + kScaleBytes + k / 8 * 64 + r * 4 + k % 4, k % 8 >= 4) - 8;
  return sub * q;
}
int RowElementQ4(const std::byte* row, int64_t blocks, int64_t block, int64_t k) {
  const int sub = Nibble(row + 4 + block * 4 + k % 64 / kGroup, k >= 64);
  const int q = Nibble(row + 4 + blocks * 4 + block * 64 + k % 64, k >= 64) - 8;
  return sub * q;
}

// The sum of a block: element(k) * x over its columns.
template <class Element>
int32_t BlockSum(const QuantizedRow& x, int64_t block, const Element& element) {
  int32_t sum = 0;
  for (int64_t k = 0; k < kBlock; ++k) sum += element(k) * x.values[block * kBlock + k];
  return sum;
}

float TileRowQ4(const std::byte* tile, int64_t blocks, int64_t r, const QuantizedRow& x) {
  float sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    const int32_t part = BlockSum(x, b, [&](int64_t k) { return TileElementQ4(block, r, k); });
    sum = std::fma(static_cast<float>(part), x.scales[b], sum);
  }
  return sum * FloatAt(tile + r * 4);
}

float TileRowQ8(const std::byte* tile, int64_t blocks, int64_t r, const QuantizedRow& x) {
  float sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + b * kQ8Block;
    const std::byte* elements = block + kScaleBytes + r * 4;
    const int32_t part =
        BlockSum(x, b, [&](int64_t k) { return Byte(elements + k / 4 * 64 + k % 4) - 128; });
    sum = std::fma(static_cast<float>(part), FloatAt(block + r * 4) * x.scales[b], sum);
  }
  return sum;
}

template <auto kRow>
void Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
          int64_t y_stride) {
  for (int i = 0; i < n; ++i) {
    for (int64_t r = 0; r < kTileRows; ++r) y[i * y_stride + r] = kRow(tile, blocks, r, x[i]);
  }
}

void WidenQ4Tile(const std::byte* tile, int64_t blocks, uint8_t* bytes) {
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    for (int64_t k = 0; k < kBlock; ++k) {
      for (int64_t r = 0; r < kTileRows; ++r) {
        bytes[b * 2048 + k / 4 * 64 + r * 4 + k % 4] =
            static_cast<uint8_t>(TileElementQ4(block, r, k) + 128);
      }
    }
  }
}

void PairQ4(const uint8_t*, const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n,
            float* y, int64_t y_stride) {
  Tile<TileRowQ4>(tiles, blocks, x, n, y, y_stride);
  Tile<TileRowQ4>(tiles + kScaleBytes + blocks * kQ4Block, blocks, x, n, y + kTileRows, y_stride);
}
void PairQ8(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  Tile<TileRowQ8>(tiles, blocks, x, n, y, y_stride);
  Tile<TileRowQ8>(tiles + blocks * kQ8Block, blocks, x, n, y + kTileRows, y_stride);
}

float RowQ4(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  float sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const int32_t part = BlockSum(x, b, [&](int64_t k) { return RowElementQ4(row, blocks, b, k); });
    sum = std::fma(static_cast<float>(part), x.scales[b], sum);
  }
  return sum * FloatAt(row);
}

float RowQ8(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  float sum = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* elements = row + blocks * 4 + b * kBlock;
    const int32_t part = BlockSum(x, b, [&](int64_t k) { return Byte(elements + k) - 128; });
    sum = std::fma(static_cast<float>(part), FloatAt(row + b * 4) * x.scales[b], sum);
  }
  return sum;
}

void AddRowQ4(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  const float scale = factor * FloatAt(row);
  for (int64_t k = begin * kBlock; k < end * kBlock; ++k) {
    float& sum = y[k - begin * kBlock];
    sum =
        std::fma(scale, static_cast<float>(RowElementQ4(row, blocks, k / kBlock, k % kBlock)), sum);
  }
}

void AddRowQ8(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  for (int64_t k = begin * kBlock; k < end * kBlock; ++k) {
    const float scale = factor * FloatAt(row + k / kBlock * 4);
    float& sum = y[k - begin * kBlock];
    sum = std::fma(scale, static_cast<float>(Byte(row + blocks * 4 + k) - 128), sum);
  }
}

float QuantizeBlock(const float* x, int8_t* values, int32_t* group_sums) {
  float largest = 0;
  bool finite = true;
  for (int64_t k = 0; k < kBlock; ++k) {
    largest = std::max(largest, std::abs(x[k]));
    finite &= std::abs(x[k]) <= std::numeric_limits<float>::max();
  }
  const bool empty = !finite || largest < kSmallestOfABlock;
  const float inverse = empty ? 0.0f : 127.0f / largest;
  std::fill_n(group_sums, kBlock / kGroup, 0);
  for (int64_t k = 0; k < kBlock; ++k) {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even.
    constexpr float kRounder = 12582912.0f;
    values[k] = empty ? 0 : static_cast<int8_t>((x[k] * inverse + kRounder) - kRounder);
    group_sums[k / kGroup] += values[k];
  }
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  return empty ? 0.0f : largest / 127.0f;
}

}  // namespace

const IntKernels& PlainIntKernels() {
  static constexpr IntKernels kKernels = {"plain",  Tile<TileRowQ4>, Tile<TileRowQ8>, WidenQ4Tile,
                                          PairQ4,   PairQ8,          RowQ4,           RowQ8,
                                          AddRowQ4, AddRowQ8,        QuantizeBlock};
  return kKernels;
}

}  // namespace gemma3n::kernels
