// SPDX-License-Identifier: Apache-2.0
// The integer kernels for arm64 with the matrix instructions (i8mm): `smmla` multiplies two rows of
// 8 bytes with two others, twice the products of `sdot`. Two rows of x meet two rows of a tile; one
// row of x, and what does no products, stays with int_dot_neon.cc.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_ARM_A64
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>
#include <utility>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod+i8mm")

namespace gemma3n::kernels {
namespace {

using packed::kBlock;
using packed::kGroup;
using packed::kGroups;
using packed::kQ4Block;
using packed::kQ8Block;
using packed::kScaleBytes;
using packed::kTileRows;

uint8x16_t Load(const void* p) {
  return vld1q_u8(static_cast<const uint8_t*>(p));
}
float32x4_t LoadFloats(const std::byte* p) {
  return vreinterpretq_f32_u8(Load(p));
}
// q of stored q + 8.
int8x16_t LowNibbles(uint8x16_t v) {
  return vsubq_s8(vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15))), vdupq_n_s8(8));
}
int8x16_t HighNibbles(uint8x16_t v) {
  return vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(v, 4)), vdupq_n_s8(8));
}
// w of stored w + 128.
int8x16_t Bytes(uint8x16_t v) {
  return vreinterpretq_s8_u8(veorq_u8(v, vdupq_n_u8(128)));
}

// 8 columns of 4 rows of a tile, two rows to a vector.
struct EightColumns {
  int8x16_t upper, lower;
};
// Of their first and last 4 columns, 4 rows to a vector.
EightColumns Join(int8x16_t first, int8x16_t last) {
  const int32x4_t a = vreinterpretq_s32_s8(first), b = vreinterpretq_s32_s8(last);
  return {vreinterpretq_s8_s32(vzip1q_s32(a, b)), vreinterpretq_s8_s32(vzip2q_s32(a, b))};
}

// Sums of two rows of x with the same 4 rows of a tile: [x0 w0, x0 w1, x1 w0, x1 w1] and w2, w3.
struct PairSums {
  int32x4_t upper, lower;

  void Clear() { upper = lower = vdupq_n_s32(0); }
  void Add(const EightColumns& w, int8x16_t x) {
    upper = vmmlaq_s32(upper, x, w.upper);
    lower = vmmlaq_s32(lower, x, w.lower);
  }
  float32x4_t First() const {
    return vcvtq_f32_s32(vcombine_s32(vget_low_s32(upper), vget_low_s32(lower)));
  }
  float32x4_t Second() const {
    return vcvtq_f32_s32(vcombine_s32(vget_high_s32(upper), vget_high_s32(lower)));
  }
};

// 8 values of two rows of x. The last of an odd number of rows is its own neighbour.
struct XPair {
  const QuantizedRow* first;
  const QuantizedRow* second;

  int8x16_t At(int64_t column) const {
    return vcombine_s8(vld1_s8(first->values + column), vld1_s8(second->values + column));
  }
};
template <int kPairs>
struct XPairs {
  XPairs(const QuantizedRow* x, int n) {
    for (int i = 0; i < kPairs; ++i) {
      pairs[i] = {x + 2 * i, x + (2 * i + 1 < n ? 2 * i + 1 : 2 * i)};
    }
  }
  const XPair& operator[](int i) const { return pairs[i]; }
  XPair pairs[kPairs];
};

// The sub-scales of the quarter's 4 rows for one group of columns, as PairSums has them.
struct Subs {
  int32x4_t upper, lower;
};
Subs LoadSubs(const std::byte* subs, int group, int quarter) {
  uint32_t four;
  std::memcpy(&four, subs + group * 8 + quarter % 2 * 4, sizeof(four));
  four = (quarter < 2 ? four : four >> 4) & 0x0f0f0f0fu;
  const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
  const int32x4_t rows = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)));
  return {vcombine_s32(vget_low_s32(rows), vget_low_s32(rows)),
          vcombine_s32(vget_high_s32(rows), vget_high_s32(rows))};
}

void Store(float32x4_t first, float32x4_t second, int pair, int n, float* y, int64_t y_stride) {
  vst1q_f32(y + 2 * pair * y_stride, first);
  if (2 * pair + 1 < n) vst1q_f32(y + (2 * pair + 1) * y_stride, second);
}

template <int kPairs>
void Q4Quarter(const std::byte* tile, int quarter, int64_t blocks, const QuantizedRow* rows, int n,
               float* y, int64_t y_stride) {
  const XPairs<kPairs> x(rows, n);
  float32x4_t total[kPairs][2];
  for (auto& t : total) t[0] = t[1] = vdupq_n_f32(0);
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    PairSums sum[kPairs];
    for (PairSums& s : sum) s.Clear();
    for (int g = 0; g < kGroups; ++g) {
      const std::byte* data = block + kScaleBytes + g * 128 + quarter * 16;
      const uint8x16_t left = Load(data), right = Load(data + 64);
      const EightColumns w[2] = {Join(LowNibbles(left), HighNibbles(left)),
                                 Join(LowNibbles(right), HighNibbles(right))};
      const Subs subs = LoadSubs(block, g, quarter);
      for (int i = 0; i < kPairs; ++i) {
        const int64_t column = b * kBlock + g * kGroup;
        PairSums part;
        part.Clear();
        part.Add(w[0], x[i].At(column));
        part.Add(w[1], x[i].At(column + 8));
        sum[i].upper = vmlaq_s32(sum[i].upper, part.upper, subs.upper);
        sum[i].lower = vmlaq_s32(sum[i].lower, part.lower, subs.lower);
      }
    }
    for (int i = 0; i < kPairs; ++i) {
      total[i][0] = vfmaq_f32(total[i][0], sum[i].First(), vdupq_n_f32(x[i].first->scales[b]));
      total[i][1] = vfmaq_f32(total[i][1], sum[i].Second(), vdupq_n_f32(x[i].second->scales[b]));
    }
  }
  const float32x4_t scales = LoadFloats(tile + quarter * 16);
  for (int i = 0; i < kPairs; ++i) {
    Store(vmulq_f32(total[i][0], scales), vmulq_f32(total[i][1], scales), i, n, y + quarter * 4,
          y_stride);
  }
}

// A tile of bytes, 2048 a block: block b's begin at bytes + b * stride. Scales of each block lie
// before its bytes (8-bit tiles) or, where `row_scales` is given, once for the whole row.
struct ByteTile {
  const std::byte* bytes;
  int64_t stride;
  const std::byte* row_scales;
};

template <int kPairs>
void ByteQuarter(const ByteTile& tile, int quarter, int64_t blocks, const QuantizedRow* rows, int n,
                 float* y, int64_t y_stride) {
  const XPairs<kPairs> x(rows, n);
  float32x4_t total[kPairs][2];
  for (auto& t : total) t[0] = t[1] = vdupq_n_f32(0);
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* data = tile.bytes + b * tile.stride + quarter * 16;
    PairSums sum[kPairs];
    for (PairSums& s : sum) s.Clear();
    for (int v = 0; v < 32; v += 2) {
      const EightColumns w = Join(Bytes(Load(data + v * 64)), Bytes(Load(data + v * 64 + 64)));
      for (int i = 0; i < kPairs; ++i) sum[i].Add(w, x[i].At(b * kBlock + 4 * v));
    }
    for (int i = 0; i < kPairs; ++i) {
      float32x4_t first = vdupq_n_f32(x[i].first->scales[b]);
      float32x4_t second = vdupq_n_f32(x[i].second->scales[b]);
      if (tile.row_scales == nullptr) {
        const float32x4_t scales = LoadFloats(data - kScaleBytes);
        first = vmulq_f32(scales, first);
        second = vmulq_f32(scales, second);
      }
      total[i][0] = vfmaq_f32(total[i][0], sum[i].First(), first);
      total[i][1] = vfmaq_f32(total[i][1], sum[i].Second(), second);
    }
  }
  for (int i = 0; i < kPairs; ++i) {
    if (tile.row_scales != nullptr) {
      const float32x4_t scales = LoadFloats(tile.row_scales + quarter * 16);
      total[i][0] = vmulq_f32(total[i][0], scales);
      total[i][1] = vmulq_f32(total[i][1], scales);
    }
    Store(total[i][0], total[i][1], i, n, y + quarter * 4, y_stride);
  }
}

// Calls fn with the pairs that n rows make, 1 to 3, as a constant.
template <class Fn>
void WithPairs(int n, const Fn& fn) {
  if (n <= 2) return fn(std::integral_constant<int, 1>());
  if (n <= 4) return fn(std::integral_constant<int, 2>());
  fn(std::integral_constant<int, 3>());
}

void Q4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  if (n == 1) return NeonIntKernels()->q4_tile(tile, blocks, x, n, y, y_stride);
  WithPairs(n, [&](auto pairs) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      Q4Quarter<pairs>(tile, quarter, blocks, x, n, y, y_stride);
    }
  });
}

void AnyBytes(const ByteTile& tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
              int64_t y_stride) {
  WithPairs(n, [&](auto pairs) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      ByteQuarter<pairs>(tile, quarter, blocks, x, n, y, y_stride);
    }
  });
}

void Q8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  if (n == 1) return NeonIntKernels()->q8_tile(tile, blocks, x, n, y, y_stride);
  AnyBytes({tile + kScaleBytes, kQ8Block, nullptr}, blocks, x, n, y, y_stride);
}

void Q4Pair(const uint8_t* bytes, const std::byte* tiles, int64_t blocks, const QuantizedRow* x,
            int n, float* y, int64_t y_stride) {
  for (int64_t j : {0, 1}) {
    const std::byte* data = reinterpret_cast<const std::byte*>(bytes) + j * blocks * 2048;
    const std::byte* scales = tiles + j * (kScaleBytes + blocks * kQ4Block);
    AnyBytes({data, 2048, scales}, blocks, x, n, y + j * kTileRows, y_stride);
  }
}

void Q8Pair(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  Q8Tile(tiles, blocks, x, n, y, y_stride);
  Q8Tile(tiles + blocks * kQ8Block, blocks, x, n, y + kTileRows, y_stride);
}

}  // namespace

const IntKernels* NeonI8mmIntKernels() {
  const IntKernels* neon = NeonIntKernels();
  if (neon == nullptr || (getauxval(AT_HWCAP2) & HWCAP2_I8MM) == 0) return nullptr;
  static const IntKernels kKernels = [&] {
    IntKernels kernels = *neon;
    kernels.name = "neoni8mm";
    kernels.q4_tile = Q4Tile;
    kernels.q8_tile = Q8Tile;
    kernels.q4_pair = Q4Pair;
    kernels.q8_pair = Q8Pair;
    return kernels;
  }();
  return &kKernels;
}

}  // namespace gemma3n::kernels

HWY_POP_ATTRIBUTES

#else

namespace gemma3n::kernels {
const IntKernels* NeonI8mmIntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
