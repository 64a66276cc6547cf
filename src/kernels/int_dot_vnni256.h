// SPDX-License-Identifier: Apache-2.0
// Tiles of bytes and of 4-bit elements with the 256-bit `vpdpbusd`, for two encodings of it: VEX
// (int_dot_avxvnni.cc) and EVEX (int_dot_avx512vl.cc). Only an instruction set's own file includes
// this, inside HWY_PUSH_ATTRIBUTES and after it has named the instruction:
//
//   void Dot(__m256i& sum, __m256i w, __m256i x);  // sum += unsigned w times signed x, by fours
//
// Everything else is AVX2. A vector holds 8 rows, half a tile.
#pragma once

#include <immintrin.h>

#include <cstring>
#include <utility>

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

HWY_INLINE __m256i LoadBytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
// 4 values of x in every lane.
HWY_INLINE __m256i Four(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}
HWY_INLINE __m256i LowNibbles(__m256i v) {
  return _mm256_and_si256(v, _mm256_set1_epi8(15));
}
HWY_INLINE __m256i HighNibbles(__m256i v) {
  return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}
// The sub-scales of half a tile's 8 rows for one group of columns.
HWY_INLINE __m256i LoadSubs(const std::byte* subs, int group, int half) {
  const __m128i both = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(subs + group * 8));
  const __m128i nibbles = half == 0 ? both : _mm_srli_epi16(both, 4);
  return _mm256_cvtepu8_epi32(_mm_and_si128(nibbles, _mm_set1_epi8(15)));
}

// Half a 4-bit tile.
template <int kRows>
void Q4Half(const std::byte* tile, int half, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m256 total[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) total[i] = _mm256_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    __m256i sum[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) sum[i] = _mm256_setzero_si256();
    for (int g = 0; g < kGroups; ++g) {
      const std::byte* data = block + kScaleBytes + g * 128 + half * 32;
      const __m256i first = LoadBytes(data), second = LoadBytes(data + 64);
      const __m256i w[4] = {LowNibbles(first), HighNibbles(first), LowNibbles(second),
                            HighNibbles(second)};
      const __m256i sub = LoadSubs(block, g, half);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const int8_t* values = x[i].values + b * kBlock + g * kGroup;
        __m256i part = _mm256_set1_epi32(x[i].group_offsets[b * kGroups + g]);
        for (int j = 0; j < 4; ++j) Dot(part, w[j], Four(values + 4 * j));
        sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(part, sub));  // both fit 16 bits
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      total[i] =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[i]), _mm256_set1_ps(x[i].scales[b]), total[i]);
    }
  }
  const __m256 scales = _mm256_loadu_ps(reinterpret_cast<const float*>(tile) + half * 8);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    _mm256_storeu_ps(y + i * y_stride + half * 8, _mm256_mul_ps(total[i], scales));
  }
}

// A tile of bytes, 2048 a block: block b's begin at bytes + b * stride. Scales of each block lie
// before its bytes (8-bit tiles) or, where `row_scales` is given, once for the whole row.
struct ByteTile {
  const std::byte* bytes;
  int64_t stride;
  const std::byte* row_scales;
};

// Both halves for up to 6 rows of x: 12 sums, two vectors of weights and one of x fill the 16
// registers that VEX has.
template <int kRows>
void WholeByteTile(const ByteTile& tile, int64_t blocks, const QuantizedRow* x, float* y,
                   int64_t y_stride) {
  __m256 total[kRows][2];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) total[i][0] = total[i][1] = _mm256_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* data = tile.bytes + b * tile.stride;
    __m256i sum[kRows][2];
    const int8_t* values[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = sum[i][1] = _mm256_set1_epi32(x[i].block_offsets[b]);
      values[i] = x[i].values + b * kBlock;
    }
    for (int v = 0; v < 32; ++v) {
      const __m256i w0 = LoadBytes(data + v * 64), w1 = LoadBytes(data + v * 64 + 32);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const __m256i four = Four(values[i] + 4 * v);
        Dot(sum[i][0], w0, four);
        Dot(sum[i][1], w1, four);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      __m256 scale[2] = {_mm256_set1_ps(x[i].scales[b]), _mm256_set1_ps(x[i].scales[b])};
      if (tile.row_scales == nullptr) {
        const float* scales = reinterpret_cast<const float*>(data - kScaleBytes);
        scale[0] = _mm256_mul_ps(_mm256_loadu_ps(scales), scale[0]);
        scale[1] = _mm256_mul_ps(_mm256_loadu_ps(scales + 8), scale[1]);
      }
      for (int half = 0; half < 2; ++half) {
        total[i][half] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[i][half]), scale[half], total[i][half]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    for (int half = 0; half < 2; ++half) {
      if (tile.row_scales != nullptr) {
        const float* scales = reinterpret_cast<const float*>(tile.row_scales) + half * 8;
        total[i][half] = _mm256_mul_ps(total[i][half], _mm256_loadu_ps(scales));
      }
      _mm256_storeu_ps(y + i * y_stride + half * 8, total[i][half]);
    }
  }
}

// Calls fn with n, 1 to 6, as a constant.
template <class Fn>
void WithRows(int n, const Fn& fn) {
  switch (n) {
    case 1:
      return fn(std::integral_constant<int, 1>());
    case 2:
      return fn(std::integral_constant<int, 2>());
    case 3:
      return fn(std::integral_constant<int, 3>());
    case 4:
      return fn(std::integral_constant<int, 4>());
    case 5:
      return fn(std::integral_constant<int, 5>());
    default:
      return fn(std::integral_constant<int, 6>());
  }
}

void Q4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  WithRows(n, [&](auto rows) {
    for (int half : {0, 1}) Q4Half<rows>(tile, half, blocks, x, y, y_stride);
  });
}

void Bytes(const ByteTile& tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
           int64_t y_stride) {
  WithRows(n, [&](auto rows) { WholeByteTile<rows>(tile, blocks, x, y, y_stride); });
}

void Q8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  Bytes({tile + kScaleBytes, kQ8Block, nullptr}, blocks, x, n, y, y_stride);
}

void Q4Pair(const uint8_t* bytes, const std::byte* tiles, int64_t blocks, const QuantizedRow* x,
            int n, float* y, int64_t y_stride) {
  for (int64_t j : {0, 1}) {
    const std::byte* data = reinterpret_cast<const std::byte*>(bytes) + j * blocks * 2048;
    const std::byte* scales = tiles + j * (kScaleBytes + blocks * kQ4Block);
    Bytes({data, 2048, scales}, blocks, x, n, y + j * kTileRows, y_stride);
  }
}

void Q8Pair(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  Q8Tile(tiles, blocks, x, n, y, y_stride);
  Q8Tile(tiles + blocks * kQ8Block, blocks, x, n, y + kTileRows, y_stride);
}

float Q8Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + blocks * 4;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    __m256i sum = _mm256_setzero_si256();
    for (int64_t k = b * kBlock; k < (b + 1) * kBlock; k += 32) {
      Dot(sum, LoadBytes(data + k), LoadBytes(x.values + k));
    }
    __m128i lanes = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4e));
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0xb1));
    const int32_t whole = _mm_cvtsi128_si32(lanes) + x.block_offsets[b];
    float scale;
    std::memcpy(&scale, row + b * 4, sizeof(scale));
    total = __builtin_fmaf(static_cast<float>(whole), scale * x.scales[b], total);
  }
  return total;
}

// AVX2's table with these in the place of its own: what is left does no products by fours.
IntKernels WithVnni(const IntKernels& avx2, const char* name) {
  IntKernels kernels = avx2;
  kernels.name = name;
  kernels.q4_tile = Q4Tile;
  kernels.q8_tile = Q8Tile;
  kernels.q4_pair = Q4Pair;
  kernels.q8_pair = Q8Pair;
  kernels.q8_row = Q8Row;
  kernels.best_rows = IntKernels::kMostRows;
  return kernels;
}

}  // namespace
}  // namespace gemma3n::kernels
